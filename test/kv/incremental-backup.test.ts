// db.backup(directory, { incremental: true }): a backup gets what was written since, and has then exactly what the store has.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open, type Store, salvage, tuple, verify } from '../../src/index.js';
import { tries } from '../counts.js';

const INCREMENTAL = { incremental: true };
const RETAINED = { retain: { bytes: 1e9 } };

let folder: string;
let source: string;
let target: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-increment-'));
  source = path.join(folder, 'source');
  target = path.join(folder, 'target');
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const openSource = (options: object = {}) => open<unknown>(source, { ...RETAINED, ...options });

type AnyStore = Pick<Store<string, unknown>, 'keys' | 'getEntry' | 'namespaces' | 'namespace'>;

/** Lists everything that a store holds, with versions and deadlines. */
function contentsOf(db: AnyStore) {
  const spaces = [db, ...db.namespaces().map((name) => db.namespace(name))];
  return spaces.map((space) => [...space.keys()].map((key) => [key, space.getEntry(key)]));
}

/** Checks that the backup is sound, and has what the store has. */
async function expectSame(db: Store<string, unknown>, options: object = {}) {
  expect(await verify(target)).toMatchObject({ ok: true, lastLsn: db.lastLsn, otherNames: [] });
  const copy = await open<unknown>(target, { ...options, readOnly: true });
  expect(copy.lastLsn).toBe(db.lastLsn);
  expect(contentsOf(copy)).toEqual(contentsOf(db));
  await copy.close();
}

/** Returns the contents of the files in a directory by their names, without those of locks. */
function filesOf(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory).filter((name) => !/^(LOCK|LIVE)/.test(name));
  return Object.fromEntries(
    names.map((name) => [name, fs.readFileSync(path.join(directory, name)).toString('latin1')]),
  );
}

const sizeOf = (directory: string) =>
  fs
    .readdirSync(directory)
    .map((name) => fs.statSync(path.join(directory, name)).size)
    .reduce((total, size) => total + size, 0);

describe('an incremental backup', () => {
  it('writes the records since the backup, and nothing when there are none', async () => {
    await using db = await openSource();
    for (let at = 0; at < 2000; at++) db.put(`k${at}`, { at, text: 'x'.repeat(500) });
    await db.backup(target);
    const full = sizeOf(target);
    await db.batch([
      { type: 'put', key: 'k1', value: { at: -1, text: '' } },
      { type: 'delete', key: 'k2' },
    ]);
    const result = await db.backup(target, INCREMENTAL);
    expect(result).toMatchObject({ directory: target, lsn: db.lastLsn, entries: 1999 });
    expect(result.bytesWritten).toBeLessThanOrEqual(3 * 4096);
    expect(sizeOf(target) - full).toBeLessThan(4 * 4096);
    await expectSame(db);
    expect(await db.backup(target, INCREMENTAL)).toMatchObject({ lsn: db.lastLsn, bytesWritten: 0 });
    await expectSame(db);
  });

  it('ends at the last write as of the call, so it has as many entries as it says', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    db.put('b', 1);
    const { lastLsn } = db;
    const backup = db.backup(target, INCREMENTAL);
    for (let at = 0; at < 100; at++) db.put(`later ${at}`, 1);
    expect(await backup).toMatchObject({ lsn: lastLsn, entries: 2 });
    expect(await verify(target)).toMatchObject({ ok: true, lastLsn, entries: 2 });
  });

  it('of a reader that is behind the backup is refused until the reader is brought up to date', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.put('b', 1);
    await using reader = await open<unknown>(source, { readOnly: true });
    await db.backup(target);
    for (let at = 0; at < 3; at++) await db.put('c', at);
    await db.backup(target, INCREMENTAL);
    await expect(reader.backup(target, INCREMENTAL)).rejects.toMatchObject({ code: 'KEELSON_FOREIGN' });
    await reader.refresh();
    expect(await reader.backup(target, INCREMENTAL)).toMatchObject({ bytesWritten: 0 });
    await expectSame(db);
  });

  it('goes over sessions, checkpoints, segments and large values of the store', async () => {
    for (let session = 0; session < 4; session++) {
      await using db = await openSource({ autoCheckpoint: false });
      if (session === 0) await db.backup(target);
      for (let at = 0; at < 300; at++) db.put(`k${at % 50}`, { session, text: 'x'.repeat(at * 40) });
      await db.put('large', 'y'.repeat(9_000_000 + session));
      await db.checkpoint();
      for (let at = 0; at < 10; at++) await db.put(`after ${at}`, { session, at });
      expect(await db.backup(target, INCREMENTAL)).toMatchObject({ lsn: db.lastLsn });
      await expectSame(db);
    }
  });

  it('writes nothing but zeros behind the records of a segment', async () => {
    await using db = await openSource();
    await db.backup(target);
    await db.put('large', 'y'.repeat(9_000_000));
    await db.put('small', 1);
    await db.backup(target, INCREMENTAL);
    const { '000000000003.journal': last } = filesOf(target);
    expect(last).toContain('small');
    expect(last).not.toContain('yyyy');
  });

  it('has namespaces, deadlines, touches, removals, transactions and drawn ids', async () => {
    let now = 1_000_000;
    const clock = () => now;
    await using db = await openSource({ clock });
    const users = db.namespace<{ name: string }>('users');
    await users.put('short', { name: 'a' }, { ttl: 1000 });
    await users.put('long', { name: 'b' }, { ttl: 1e9 });
    await db.namespace('gone').put('x', 1);
    await db.backup(target);
    // 'short' is due when the next backup is made, and its removal is in the log by then.
    now += 5000;
    await db.expireNow();
    await db.drop('gone');
    const pairs = db.namespace<number, [string, number]>('pairs', { keyEncoding: tuple<[string, number]>() });
    await db.transaction((tx) => {
      tx.in(users).put('new', { name: 'c' }, { ttl: 2e9 });
      tx.in(users).touch('long', { ttl: 3e9 });
      tx.in(pairs).put(['a', db.nextId()], 1);
      tx.put('root', 1);
    });
    await db.namespace('gone').put('again', 1);
    await db.backup(target, INCREMENTAL);
    await using copy = await open<unknown>(target, { readOnly: true, clock });
    expect(copy.namespaces().sort()).toEqual(['gone', 'pairs', 'users']);
    expect(contentsOf({ ...copyOf(copy), namespaces: () => ['users', 'gone'] })).toEqual(
      contentsOf({ ...copyOf(db), namespaces: () => ['users', 'gone'] }),
    );
    const copied = copy.namespace<number, [string, number]>('pairs', {
      keyEncoding: tuple<[string, number]>(),
    });
    expect([...copied.keys()]).toEqual([...pairs.keys()]);
    expect((await verify(target)).ok).toBe(true);
  });

  it('can be made of a store that is read beside its owner, also when values refer to what stands before it', async () => {
    const db = await openSource();
    for (let at = 0; at < 20; at++) await db.put(`k${at}`, { name: 'a', count: at });
    const reader = await open<unknown>(source, { readOnly: true });
    await reader.backup(target);
    // These values refer to the shape that the log defines before the backup.
    for (let at = 0; at < 20; at++) await db.put(`k${at}`, { name: 'b', count: at });
    await db.flush();
    await db.put('last', 1);
    const before = filesOf(source);
    await reader.refresh();
    const { lsn } = await reader.backup(target, INCREMENTAL);
    expect(lsn).toBeGreaterThan(reader.recovery.lastLsn);
    expect(filesOf(source)).toEqual(before);
    await reader.close();
    expect(await verify(target)).toMatchObject({ ok: true, lastLsn: lsn });
    expect((await db.backup(target, INCREMENTAL)).lsn).toBe(db.lastLsn);
    await expectSame(db);
    await db.close();
  });

  it('beside an owner that is idle after a checkpoint has the last write, which only the image proves durable', async () => {
    const db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    await db.put('b', 2);
    await db.put('c', 3);
    await db.checkpoint();
    const reader = await open<unknown>(source, { readOnly: true });
    const told: number[] = [];
    for await (const { lsn } of reader.changes({ since: 0, live: false })) told.push(lsn);
    expect(told.at(-1)).toBe(db.lastLsn);
    expect((await reader.backup(target, INCREMENTAL)).lsn).toBe(db.lastLsn);
    await expectSame(db);
    await reader.close();
    await db.close();
  });

  it('is refused when a value refers to a shape that the backup of a reader lacks', async () => {
    const db = await openSource();
    for (let at = 0; at < 20; at++) await db.put('k', { name: 'a', count: at });
    await db.delete('k');
    await db.put('other', 1);
    const reader = await open<unknown>(source, { readOnly: true });
    await reader.backup(target);
    await reader.close();
    await db.put('k', { name: 'b', count: 1 });
    const before = fs.readdirSync(target).filter((name) => !name.startsWith('LOCK'));
    await expect(db.backup(target, INCREMENTAL)).rejects.toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    expect(fs.readdirSync(target).filter((name) => !name.startsWith('LOCK'))).toEqual(before);
    expect((await verify(target)).ok).toBe(true);
    await db.close();
  });

  it('of the owner repeats definitions, so a shape that no entry has is no reason to refuse', async () => {
    await using db = await openSource();
    for (let at = 0; at < 20; at++) await db.put('k', { name: 'a', count: at });
    await db.delete('k');
    await db.backup(target);
    await db.put('k', { name: 'b', count: 1 });
    await db.backup(target, INCREMENTAL);
    await expectSame(db);
  });

  it('makes a store that can be opened for writing, backed up itself, and followed from its first record', async () => {
    const db = await openSource();
    await db.put('a', { name: 'a' });
    await db.backup(target);
    const since = db.lastLsn;
    for (let at = 0; at < 10; at++) await db.put(`k${at}`, { name: 'b', at });
    await db.backup(target, INCREMENTAL);
    await db.close();
    await using copy = await open<unknown>(target, RETAINED);
    await copy.put('own', 1);
    const second = path.join(folder, 'second');
    await copy.backup(second);
    await copy.put('own', 2);
    await copy.checkpoint();
    expect((await copy.backup(second, INCREMENTAL)).lsn).toBe(copy.lastLsn);
    expect((await verify(second)).ok).toBe(true);
    const reader = await open<unknown>(second, { readOnly: true });
    expect(reader.get('own')).toBe(2);
    await reader.close();
    // The history of a backup begins where it was made, and its segments are read as one.
    await expect(
      (async () => {
        for await (const _ of copy.changes({ since, live: false }));
      })(),
    ).rejects.toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
  });

  it('can follow a backup that was made while the disk had lost the last records of the log', async () => {
    await using db = await openSource({ engine: 'fs' });
    for (let at = 0; at < 10; at++) await db.put(`k${at}`, 'x'.repeat(9000));
    const segment = path.join(source, '000000000001.journal');
    const whole = fs.readFileSync(segment);
    fs.writeFileSync(segment, Buffer.from(whole).fill(0, 4096, 80_000));
    await db.backup(target);
    fs.writeFileSync(segment, whole);
    await db.put('later', 1);
    await db.backup(target, INCREMENTAL);
    await expectSame(db);
  });

  it('is followed by a reader that has the backup open', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    await using reader = await open<unknown>(target, { readOnly: true });
    for (let round = 0; round < 3; round++) {
      await db.put('a', { round });
      await db.backup(target, INCREMENTAL);
      expect(await reader.refresh()).toBe(db.lastLsn);
      expect(reader.get('a')).toEqual({ round });
    }
  });

  it('can be salvaged when a segment is damaged', async () => {
    const db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    await db.put('b', 2);
    await db.backup(target, INCREMENTAL);
    await db.put('c', 3);
    await db.backup(target, INCREMENTAL);
    await db.close();
    const second = path.join(target, '000000000002.journal');
    fs.writeFileSync(second, fs.readFileSync(second).fill(0, 4096, 8192));
    expect((await verify(target)).ok).toBe(false);
    await expect(open(target)).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
    await salvage(target, path.join(folder, 'salvaged'));
    await using salvaged = await open(path.join(folder, 'salvaged'), { readOnly: true });
    expect([...salvaged.entries()]).toEqual([
      ['a', 1],
      ['c', 3],
    ]);
  });

  it('has, after any number of steps, what the store has', async () => {
    const write = fc.record({
      key: fc.integer({ min: 0, max: 9 }),
      length: fc.constantFrom(1, 10, 5000),
      kind: fc.constantFrom('put', 'delete', 'batch', 'namespace', 'drop', 'checkpoint', 'reopen', 'backup'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (steps) => {
        fs.rmSync(source, { recursive: true, force: true });
        fs.rmSync(target, { recursive: true, force: true });
        let db = await openSource();
        await db.backup(target);
        for (const [number, { key, length, kind }] of steps.entries()) {
          const value = { number, text: 'x'.repeat(length) };
          if (kind === 'put') db.put(`k${key}`, value);
          else if (kind === 'delete') db.delete(`k${key}`);
          else if (kind === 'namespace') db.namespace(`n${key % 3}`).put(`k${key}`, value);
          else if (kind === 'drop') db.drop(`n${key % 3}`);
          else if (kind === 'checkpoint') await db.checkpoint();
          else if (kind === 'reopen') {
            await db.close();
            db = await openSource();
          } else if (kind === 'backup') await db.backup(target, INCREMENTAL);
          else
            db.batch([
              { type: 'put', key: `k${key}`, value },
              { type: 'delete', key: `k${key + 1}` },
            ]);
        }
        await db.backup(target, INCREMENTAL);
        await expectSame(db);
        await db.close();
      }),
      { numRuns: tries(15, 200) },
    );
  });
});

/** Returns the methods of a store that contentsOf() uses. */
function copyOf(db: AnyStore): AnyStore {
  return {
    keys: () => db.keys(),
    getEntry: (key) => db.getEntry(key),
    namespaces: () => db.namespaces(),
    namespace: ((name: string) => db.namespace(name)) as AnyStore['namespace'],
  };
}

describe('an incremental backup is refused, and changes nothing,', () => {
  async function expectRefused(db: Store<string, unknown>, code: string, directory = target) {
    const before = fs.existsSync(directory) ? filesOf(directory) : null;
    await expect(db.backup(directory, INCREMENTAL)).rejects.toMatchObject({ code });
    expect(fs.existsSync(directory) ? filesOf(directory) : null).toEqual(before);
  }
  it('into a directory that is absent, empty, or holds no backup', async () => {
    await using db = await openSource();
    await expectRefused(db, 'KEELSON_NOT_FOUND');
    const plain = path.join(folder, 'plain');
    fs.writeFileSync(plain, 'x');
    await expect(db.backup(plain, INCREMENTAL)).rejects.toThrow(`${plain} is not a directory`);
    fs.mkdirSync(target);
    await expectRefused(db, 'KEELSON_FOREIGN');
    expect(fs.readdirSync(target)).toEqual([]);
    fs.writeFileSync(path.join(target, 'BACKUP'), 'source ');
    await expectRefused(db, 'KEELSON_FOREIGN');
    fs.rmSync(target, { recursive: true });
    await (await open(target)).close();
    await expectRefused(db, 'KEELSON_FOREIGN');
  });

  it('into the backup of another store', async () => {
    await using db = await openSource();
    await using other = await open<unknown>(path.join(folder, 'other'), RETAINED);
    await other.backup(target);
    await db.put('a', 1);
    await expectRefused(db, 'KEELSON_FOREIGN');
  });

  it('into a backup that was opened for writing, and written to', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    const copy = await open<unknown>(target);
    await copy.put('b', 1);
    await copy.close();
    for (let at = 0; at < 5; at++) await db.put('c', 'x'.repeat(at));
    await expectRefused(db, 'KEELSON_FOREIGN');
    const again = await open<unknown>(target);
    await again.checkpoint();
    await again.close();
    await expectRefused(db, 'KEELSON_FOREIGN');
  });

  // The last writes of the two are the same, and only one before them is not.
  it.each(['closed', 'killed', 'killed, with a checkpoint later'])(
    'into a backup that was written to alike, and %s',
    async (end) => {
      await using db = await openSource();
      await db.put('a', 1);
      await db.backup(target);
      let copy = await open<unknown>(target);
      await copy.put('b', 'own!');
      await copy.put('same', 'x'.repeat(9000));
      if (end !== 'closed') {
        const killed = path.join(folder, 'killed');
        fs.cpSync(target, killed, { recursive: true, filter: (name) => !/LOCK|LIVE/.test(name) });
        await copy.close();
        target = killed;
        copy = await open<unknown>(target);
        expect(copy.recovery.kind).toBe('repaired');
        // Then no segment is left to which a session has appended.
        if (end !== 'killed') await copy.checkpoint();
      }
      await copy.close();
      await db.put('b', 'here');
      await db.put('same', 'x'.repeat(9000));
      expect(db.lastLsn).toBe(copy.lastLsn);
      await expectRefused(db, 'KEELSON_FOREIGN');
      await db.put('c', 1);
      await expectRefused(db, 'KEELSON_FOREIGN');
    },
  );

  it('into a backup that somebody has open, until it is closed', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    await db.put('b', 1);
    const copy = await open<unknown>(target);
    await expectRefused(db, 'KEELSON_LOCKED');
    await copy.close();
    expect((await db.backup(target, INCREMENTAL)).lsn).toBe(db.lastLsn);
    await expectSame(db);
  });

  it('when the store no longer has what the backup lacks', async () => {
    await using db = await open<unknown>(source);
    await db.put('a', 1);
    await db.backup(target);
    for (let at = 0; at < 10; at++) {
      await db.put('a', 'x'.repeat(1_000_000));
      await db.checkpoint();
    }
    const rejected = db.backup(target, INCREMENTAL);
    await expect(rejected).rejects.toMatchObject({
      code: 'KEELSON_HISTORY_GONE',
      facts: { oldestLsn: expect.any(Number) },
    });
    await expect(rejected).rejects.toThrow('retain');
  });

  it('when the store was put back to an earlier state', async () => {
    const db = await openSource();
    await db.put('a', 1);
    await db.close();
    fs.cpSync(source, path.join(folder, 'kept'), { recursive: true });
    const later = await openSource();
    await later.put('b', 'first');
    await later.backup(target);
    await later.put('c', 'x'.repeat(10));
    await later.backup(target, INCREMENTAL);
    await later.close();
    fs.rmSync(source, { recursive: true });
    fs.cpSync(path.join(folder, 'kept'), source, { recursive: true });
    await using back = await openSource();
    await expectRefused(back, 'KEELSON_FOREIGN');
    // Its writes end at other LSNs, or at the same with another content.
    await back.put('b', 'other');
    await back.put('c', 'y'.repeat(10));
    await back.put('d', 1);
    await expectRefused(back, 'KEELSON_FOREIGN');
    for (let at = 0; at < 5; at++) await back.put('e', 'z'.repeat(at + 31));
    await expectRefused(back, 'KEELSON_FOREIGN');
  });

  // The ids, the LSNs and the lengths of all records are the same, so only their bytes tell the histories apart.
  it.each(['full', 'incremental'])(
    'when a copy of the store went on by itself, behind a backup that is %s',
    async (kind) => {
      const db = await openSource();
      await db.put('a', 1);
      await db.close();
      const twin = path.join(folder, 'twin');
      fs.cpSync(source, twin, { recursive: true });
      await using first = await openSource();
      await using second = await open<unknown>(twin, RETAINED);
      if (kind === 'incremental') await first.backup(target);
      await first.put('b', 'first!');
      await first.put('same', 1);
      await second.put('b', 'second');
      await second.put('same', 1);
      expect(second.lastLsn).toBe(first.lastLsn);
      await first.backup(target, { incremental: kind === 'incremental' });
      await expectRefused(second, 'KEELSON_FOREIGN');
      await second.put('c', 1);
      await expectRefused(second, 'KEELSON_FOREIGN');
      await first.put('c', 2);
      await first.backup(target, INCREMENTAL);
      await expectSame(first);
    },
  );

  it('when the store no longer has the last writes of the backup, so that nobody can compare them', async () => {
    const db = await open<unknown>(source);
    await db.put('a', 1);
    await db.backup(target);
    await db.close();
    await using again = await open<unknown>(source);
    expect((await again.backup(target, INCREMENTAL)).bytesWritten).toBe(0);
    await again.put('b', 1);
    await again.checkpoint();
    await expectRefused(again, 'KEELSON_HISTORY_GONE');
  });

  it('into a backup that is damaged, or was never finished', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    await db.put('b', 1);
    await db.backup(target, INCREMENTAL);
    await db.put('c', 1);
    const segment = path.join(target, '000000000002.journal');
    const whole = fs.readFileSync(segment);
    fs.writeFileSync(segment, Buffer.from(whole).fill(7, 4096, 8192));
    await expectRefused(db, 'KEELSON_CORRUPT');
    fs.writeFileSync(segment, whole);
    const image = path.join(target, fs.readdirSync(target).find((name) => name.endsWith('.image'))!);
    const bytes = fs.readFileSync(image);
    fs.writeFileSync(image, Buffer.from(bytes).fill(7, 0, 512));
    await expect(db.backup(target, INCREMENTAL)).rejects.toMatchObject({
      code: expect.stringMatching(/FOREIGN|CORRUPT/),
    });
    fs.writeFileSync(image, bytes);
    await db.backup(target, INCREMENTAL);
    await expectSame(db);
  });

  it('with a wrong option, and inside the store', async () => {
    await using db = await openSource();
    expect(() => db.backup(target, { increment: true } as never)).toThrow(
      "backup: unknown option 'increment'; known are incremental",
    );
    expect(() => db.backup(target, { incremental: 1 } as never)).toThrow('a boolean');
    expect(() => db.backup(path.join(source, 'x'), INCREMENTAL)).toThrow('outside of');
    await db.close();
    expect(() => db.backup(target, INCREMENTAL)).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });
});
