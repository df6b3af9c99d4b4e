// Stores with namespaces that are seen from elsewhere: backups, read-only openings, stores without files, and images.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open, type Store, verify } from '../../src/index.js';
import { inMemory } from '../../src/testing/index.js';

let folder: string;
let source: string;
let target: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-copied-'));
  [source, target] = ['source', 'target'].map((name) => path.join(folder, name)) as [string, string];
});

afterEach(() => fs.rmSync(folder, { recursive: true }));

const NAMES = ['people', 'pairs', '__proto__'];

function spacesOf(db: Store<string, number>) {
  return {
    people: db.namespace<{ name: string }>('people'),
    pairs: db.namespace<number>('pairs', { keyEncoding: 'tuple', valueEncoding: 'json' }),
    odd: db.namespace('__proto__', { keyEncoding: 'bytes', valueEncoding: 'utf8' }),
  };
}

/** Writes to several namespaces, drops one of them, and makes another that has the name of a dropped one. */
async function fill(db: Store<string, number>): Promise<void> {
  const { people, pairs, odd } = spacesOf(db);
  const gone = db.namespace<number>('gone');
  await gone.put('a', 1);
  for (let at = 0; at < 20; at++) await people.put(`k${at}`, { name: `name ${at}` });
  await db.drop(gone);
  await db.transaction((tx) => {
    tx.put('id', db.nextId());
    tx.in(pairs).put(['pair', 7], db.nextId());
    tx.in(odd).put(new Uint8Array([0, 255]), 'bytes');
  });
  await db.drop(people);
  await spacesOf(db).people.put('a', { name: 'second' });
  // Asked for, and never written to.
  db.namespace('never');
}

/** All that the store shows. */
function shown(db: Store<string, number>): unknown {
  const { people, pairs, odd } = spacesOf(db);
  return {
    names: db.namespaces().sort(),
    entries: [db, people, pairs, odd].map((reads) => [...reads.getEntries()]),
    sizes: [db, people, pairs, odd].map((reads) => reads.size),
  };
}

function expectFilled(db: Store<string, number>): void {
  const { people, pairs, odd } = spacesOf(db);
  expect(db.namespaces().sort()).toEqual([...NAMES].sort());
  expect([...people.entries()]).toEqual([['a', { name: 'second' }]]);
  expect([...pairs.entries()]).toEqual([[['pair', 7], 2]]);
  expect([...odd.entries()]).toEqual([[new Uint8Array([0, 255]), 'bytes']]);
  expect([...db.entries()]).toEqual([['id', 1]]);
}

describe('a store with namespaces', () => {
  it('is backed up as of the call, with its namespaces and ids, and goes on there', async () => {
    const db = await open<number>(source);
    await fill(db);
    const before = shown(db);
    const backup = db.backup(target);
    const { people, pairs } = spacesOf(db);
    await people.put('later', { name: 'later' });
    await db.drop(pairs);
    await db.namespace<number>('later').put('a', 1);
    expect((await backup).entries).toBe(4);
    await db.close();
    expect(await verify(target)).toMatchObject({ ok: true, entries: 4 });
    const copy = await open<number>(target);
    expect(shown(copy)).toEqual(before);
    expectFilled(copy);
    expect(copy.nextId()).toBe(3);
    await copy.namespace<number>('gone').put('a', 3);
    await copy.checkpoint();
    await copy.close();
    await using again = await open<number>(target);
    expect(again.namespaces().sort()).toEqual([...NAMES, 'gone'].sort());
    expect(again.nextId()).toBe(4);
  });

  it('is read from its log and from its image, while its owner has it open', async () => {
    await using db = await open<number>(source);
    await fill(db);
    for (const isImage of [false, true]) {
      if (isImage) await db.checkpoint();
      await using reader = await open<number>(source, { readOnly: true });
      expect(shown(reader)).toEqual(shown(db));
      const { people } = spacesOf(reader);
      expect(reader.snapshot().in(people).size).toBe(1);
      await reader.transaction((tx) => expect(tx.in(people).get('a')).toEqual({ name: 'second' }));
      const readOnly = expect.objectContaining({ code: 'KEELSON_READ_ONLY' });
      expect(() => people.put('b', { name: 'b' })).toThrow(readOnly);
      expect(() => reader.drop('people')).toThrow(readOnly);
      expect(() => reader.nextId()).toThrow(readOnly);
      expect(() => reader.transaction((tx) => tx.in(people).delete('a'))).toThrow(readOnly);
      expect(() => reader.namespace('people', { valueEncoding: 'json' })).toThrow(
        expect.objectContaining({ code: 'KEELSON_ENCODING_MISMATCH' }),
      );
      expect(reader.namespace('absent').size).toBe(0);
    }
  });

  it('is backed up from a read-only opening', async () => {
    const db = await open<number>(source);
    await fill(db);
    const before = shown(db);
    await db.close();
    const reader = await open<number>(source, { readOnly: true });
    await reader.backup(target);
    await reader.close();
    await using copy = await open<number>(target);
    expect(shown(copy)).toEqual(before);
    expect(copy.nextId()).toBeGreaterThan(2);
  });

  it('is the same without files, after kills and power cuts', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const machine = inMemory({ seed });
      const db = await machine.open<number>('/store');
      await fill(db);
      if (seed % 2 === 0) await db.checkpoint();
      const before = shown(db);
      if (seed % 3 === 0) machine.kill();
      else machine.cutPower();
      const again = await machine.open<number>('/store');
      expect(shown(again)).toEqual(before);
      expectFilled(again);
      expect(again.nextId()).toBe(3);
      await again.close();
    }
  });
});
