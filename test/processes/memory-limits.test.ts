// Limits of memory: a put whose memory the process does not get, and a heap that is full. Another process opens the store then.

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { hasTool, useDirectory } from '../native/native-tools.js';
import { onBothEngines } from './faulty-store.js';

/** Tells what puts of several sizes come to. */
const PUT_LARGE = `
  import { open } from 'keelson';
  const [directory, engine] = process.argv.slice(1);
  const db = await open(directory, { engine, valueEncoding: 'bytes', autoCheckpoint: false });
  let puts = 0;
  const told = [];
  for (const bytes of [20, 250_000_000, 20, 250_000_000, 20]) {
    const key = 'key' + puts;
    const { lastLsn, size } = db;
    try {
      await db.put(key, new Uint8Array(bytes).fill(7));
      puts++;
      told.push('durable');
    } catch ({ code, facts }) {
      const isAsBefore = db.lastLsn === lastLsn && db.size === size && !db.has(key) && db.poisoned === null;
      told.push({ code, facts, isAsBefore });
    }
  }
  console.log(JSON.stringify(told));
  await db.close();
`;

/** Puts until the process ends, and tells how many puts are durable. */
const FILL = `
  import fs from 'node:fs';
  import { open } from 'keelson';
  const [directory, engine] = process.argv.slice(1);
  const db = await open(directory, { engine, valueEncoding: 'bytes', autoCheckpoint: false });
  const value = new Uint8Array(20).fill(7);
  for (let puts = 0; ; ) {
    const group = [];
    for (let at = 0; at < 500; at++) group.push(db.put('key' + puts++, value));
    await Promise.all(group);
    fs.writeSync(1, puts + '\\n');
  }
`;

/** Tells how many keys the store has, if they are those that were put first, and their values are whole. */
const READ = `
  import { open } from 'keelson';
  const [directory, engine] = process.argv.slice(1);
  const db = await open(directory, { engine, valueEncoding: 'bytes' });
  for (let at = 0; at < db.size; at++) {
    const value = db.get('key' + at);
    if (value?.length !== 20 || !value.every((byte) => byte === 7)) throw new Error('key' + at + ' is lost');
  }
  console.log(db.size);
  await db.close();
`;

function run(program: string, parameters: readonly string[], under: readonly string[], flags: string[] = []) {
  const words = [...under, process.execPath, ...flags, '--input-type=module', '-e', program, ...parameters];
  return spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' });
}

onBothEngines('limits of memory', (engine) => {
  const here = useDirectory();
  const noPrlimit = hasTool('prlimit') ? '' : ' (skipped: no prlimit)';

  test.skipIf(noPrlimit !== '')(
    `a put that gets no memory throws, leaves nothing behind, and smaller ones go on${noPrlimit}`,
    () => {
      const store = [here.at('store'), engine];
      // Node takes 100 MB, and the first large value fits. The rest is what a garbage collection needs to go on.
      const { stdout, stderr } = run(PUT_LARGE, store, ['prlimit', '--data=500000000']);
      expect(stderr).toBe('');
      const refused = { code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOMEM' }, isAsBefore: true };
      expect(JSON.parse(stdout)).toEqual(['durable', refused, 'durable', refused, 'durable']);
      expect(run(READ, store, []).stdout).toBe('3\n');
    },
  );

  test('a process that ends because its heap is full loses no acknowledged put', () => {
    const store = [here.at('store'), engine];
    const { stdout, stderr } = run(FILL, store, [], ['--max-old-space-size=16']);
    expect(stderr).toContain('heap out of memory');
    const durable = Number(stdout.split('\n').at(-2));
    expect(durable).toBeGreaterThan(0);
    const found = Number(run(READ, store, []).stdout);
    expect(found).toBeGreaterThanOrEqual(durable);
    // Puts that were not acknowledged may be there.
    expect(found).toBeLessThanOrEqual(durable + 500);
  }, 60_000);
});
