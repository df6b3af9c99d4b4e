// One seed, one history: all chance and all time come from the storage floor.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { inMemory } from '../../src/testing/in-memory.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';

/** What two lives of a store leave on the disk, byte by byte: objects with names in common, an image, a crash. */
async function historyOf(seed: number): Promise<Record<string, string>> {
  const machine = inMemory({ seed });
  const values = (from: number) =>
    Array.from({ length: 40 }, (_, at) => ({ id: from + at, name: `n${at}`, tags: [at] }));
  const db = await machine.open('/s');
  await Promise.all(values(0).map((value) => db.put(`first ${value.id}`, value)));
  await db.checkpoint();
  await Promise.all(
    values(100).map(({ id, name }) => db.put(`second ${id}`, { name, id, other: new Date(id) })),
  );
  for (const value of values(200)) db.put(`third ${value.id}`, value).catch(() => {});
  machine.cutPower();
  const again = await machine.open('/s');
  await again.put('last', { id: 1, name: 'x', tags: [] });
  await again.close();
  const storage = machine.disk.life();
  const files: Record<string, string> = {};
  for (const name of (await storage.list('/s')).sort()) {
    const file = await storage.openFile(`/s/${name}`, false);
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    files[name] = Buffer.from(bytes).toString('base64');
  }
  return files;
}

// The ids of shapes and the seeds of hashes came from node:crypto: a failure that was found with objects as values did not
// come again with its seed.
test('two runs of one seed leave the same bytes, and another seed leaves others', async () => {
  for (const seed of [1, 2, 3]) expect(await historyOf(seed)).toEqual(await historyOf(seed));
  expect(await historyOf(1)).not.toEqual(await historyOf(2));
});

test('two disks of one seed give the same chance, and two lives on one disk do not', () => {
  const [one, other] = [new SimulatedDisk({ seed: 1 }), new SimulatedDisk({ seed: 1 })];
  const first = one.life().randomBytes(8);
  expect(other.life().randomBytes(8)).toEqual(first);
  expect(one.life().randomBytes(8)).not.toEqual(first);
});

test('neither chance nor time is had anywhere but on the storage floor', () => {
  const folder = path.resolve(import.meta.dirname, '../../src');
  const names = fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'));
  // schedulers.ts captures the timers; delay() is for whoever waits for a lock, and the next test says so. The command is a
  // program that uses a store: it shows a rate, and looks again after a while.
  const above = names.filter((name) => !/^(cli|storage|testing|schedulers\.ts)\b/.test(name));
  expect(above.length).toBeGreaterThan(50);
  const found = above.filter((name) =>
    /node:crypto|Math\.random|randomUUID|Date\.now|performance\.now|hrtime|setTimeout|setInterval/.test(
      fs.readFileSync(path.join(folder, name), 'utf8'),
    ),
  );
  expect(found).toEqual([]);
});

// The node:fs engine pauses in real time. On a simulated disk no pause takes any.
test('only who waits for a lock waits for a time, and the engine of real disks', () => {
  const folder = path.resolve(import.meta.dirname, '../../src');
  const waiting = fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== 'schedulers.ts')
    .filter((name) => /\bdelay\b.*schedulers/.test(fs.readFileSync(path.join(folder, name), 'utf8')));
  expect(waiting.toSorted()).toEqual([
    'journal/directory/directory-lock.ts',
    'journal/directory/lock-judgement.ts',
    'storage/fs-storage.ts',
  ]);
});
