// The history that a store retains behind its image, for change feeds: how far back it reaches, what it survives, and when
// it goes. On the simulated disk, with tiny segments.

import { describe, expect, it } from 'vitest';
import type { KeelsonError } from '../../src/errors.js';
import { HeldSegments } from '../../src/journal/read/held-segments.js';
import { replayRecords } from '../../src/journal/read/journal-reader.js';
import { recoverJournal } from '../../src/journal/recovery/recovery.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const DIRECTORY = '/data/store';
const TINY_JOURNAL = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 4096 };
const PLENTY = { bytes: 2 ** 20 };
const VALUE = 'x'.repeat(100);
const DAY_MS = 86_400_000;

function makeDisk(): SimulatedDisk {
  return new SimulatedDisk({ seed: 1, directories: ['/data'] });
}

async function open(storage: Storage, options: object = {}): Promise<Store<string, string>> {
  const resolved = resolveStoreOptions({ autoCheckpoint: false, ...options });
  return (await openStoreOn(storage, DIRECTORY, resolved, TINY_JOURNAL)) as Store<string, string>;
}

/** Puts a number of keys, one durable write each, so that the journal goes on through several segments. */
async function fill(store: Store<string, string>, name: string, count = 60): Promise<void> {
  for (let at = 0; at < count; at++) await store.put(`${name} ${at}`, VALUE);
}

/** Returns the keys that a feed tells, from an LSN on. */
async function keysSince(store: Store<string, string>, since: number): Promise<string[]> {
  const keys: string[] = [];
  for await (const { changes } of store.changes({ since, live: false })) {
    for (const change of changes) if (change.type === 'put') keys.push(change.key as string);
  }
  return keys;
}

function keysOf(...names: readonly string[]): string[] {
  return names.flatMap((name) => Array.from({ length: 60 }, (_, at) => `${name} ${at}`));
}

async function segmentNames(storage: Storage): Promise<string[]> {
  return (await storage.list(DIRECTORY)).filter((name) => name.endsWith('.journal')).sort();
}

async function segmentBytes(storage: Storage): Promise<number> {
  let total = 0;
  for (const name of await segmentNames(storage)) {
    const file = await storage.openFile(`${DIRECTORY}/${name}`, false);
    total += await file.size();
    await file.close();
  }
  return total;
}

/** Returns the error of a feed from LSN 0 on. */
async function historyGone(store: Store<string, string>): Promise<KeelsonError> {
  return keysSince(store, 0).then(
    () => expect.unreachable('all of the history is there'),
    (error: unknown) => error as KeelsonError,
  );
}

/** Overwrites bytes of a segment. */
async function damage(storage: Storage, name: string, position: number, length: number): Promise<void> {
  const file = await storage.openFile(`${DIRECTORY}/${name}`, true);
  await file.write(new Uint8Array(length).fill(7), position);
  await file.flush();
  await file.close();
}

describe('retained history', () => {
  it('lets a feed start behind the image, in this session and in later ones', async () => {
    const storage = makeDisk().life();
    let store = await open(storage, { retain: PLENTY });
    await fill(store, 'a');
    await store.checkpoint();
    expect(await keysSince(store, 0)).toEqual(keysOf('a'));
    for (const name of ['b', 'c']) {
      await fill(store, name);
      await store.checkpoint();
      await store.close();
      store = await open(storage, { retain: PLENTY });
    }
    expect(await keysSince(store, 0)).toEqual(keysOf('a', 'b', 'c'));
    await store.close();
  });

  it('survives a power cut, and the repair of a torn log', async () => {
    const disk = makeDisk();
    let store = await open(disk.life(), { retain: PLENTY });
    await fill(store, 'a');
    await store.checkpoint();
    await fill(store, 'b');
    store.put('torn', VALUE, { durability: 'memory' });
    store = await open(
      disk
        .capture()
        .powerCut({ profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed: 2 })
        .life(),
      { retain: PLENTY },
    );
    await fill(store, 'c');
    await store.checkpoint();
    const keys = await keysSince(store, 0);
    expect(keys.filter((key) => key !== 'torn')).toEqual(keysOf('a', 'b', 'c'));
    await store.close();
  });

  it('is at most so many bytes of files', async () => {
    const storage = makeDisk().life();
    const bytes = 5 * 4096;
    const store = await open(storage, { retain: { bytes } });
    await fill(store, 'a');
    await fill(store, 'b');
    await store.checkpoint();
    const keys = keysOf('a', 'b');
    const told = await keysSince(store, (await historyGone(store)).facts.oldestLsn!);
    expect(told.length).toBeGreaterThan(20);
    expect(told).toEqual(keys.slice(-told.length));
    await store.close();
    // The segment in use is no history.
    expect(await segmentBytes(storage)).toBeLessThanOrEqual(bytes + 2 * 4096);
  });

  it('holds no file whose last write is older than asked for', async () => {
    const disk = makeDisk();
    let store = await open(disk.life(), { retain: { ...PLENTY, ms: DAY_MS } });
    await fill(store, 'a');
    disk.advanceClock(DAY_MS / 2);
    await fill(store, 'b');
    await store.checkpoint();
    expect(await keysSince(store, 0)).toEqual(keysOf('a', 'b'));
    await store.close();
    disk.advanceClock((2 * DAY_MS) / 3);
    store = await open(disk.life(), { retain: { ...PLENTY, ms: DAY_MS } });
    await store.checkpoint();
    const told = await keysSince(store, (await historyGone(store)).facts.oldestLsn!);
    expect(told).toEqual(keysOf('a', 'b').slice(-told.length));
    expect([told.includes('a 30'), told.includes('b 30')]).toEqual([false, true]);
    await store.close();
  });

  it('goes with the next checkpoint of a store that retains none', async () => {
    const storage = makeDisk().life();
    let store = await open(storage, { retain: PLENTY });
    await fill(store, 'a');
    await store.checkpoint();
    await store.close();
    store = await open(storage);
    expect(await keysSince(store, 0)).toEqual(keysOf('a'));
    await store.checkpoint();
    expect(await historyGone(store)).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    expect((await segmentNames(storage)).length).toBeLessThanOrEqual(2);
    await store.close();
  });

  it('goes when the disk is full, before a write is refused for long', async () => {
    const disk = makeDisk();
    const store = await open(disk.life(), { retain: PLENTY, autoCheckpoint: true });
    for (const name of ['a', 'b', 'c', 'd']) await fill(store, name);
    await store.checkpoint();
    expect((await keysSince(store, 0)).length).toBe(240);
    disk.capacityBytes = disk.usedBytes();
    let refused = 0;
    for (let written = 0; written < 60; ) {
      try {
        await store.put(`a ${written % 10}`, VALUE);
        written++;
      } catch (error) {
        expect(error).toMatchObject({ code: 'KEELSON_NO_SPACE' });
        expect(++refused).toBeLessThan(5);
        while (store.stats().checkpoints?.isRunning) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(await historyGone(store)).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    await store.close();
  });

  it('that is damaged is gone up to its damage, says a feed, and the store is whole', async () => {
    const storage = makeDisk().life();
    let store = await open(storage, { retain: PLENTY });
    for (const name of ['a', 'b', 'c']) await fill(store, name);
    await store.checkpoint();
    await store.close();
    const [oldest] = await segmentNames(storage);
    await damage(storage, oldest!, 1024, 512);
    store = await open(storage, { retain: PLENTY });
    const error = await historyGone(store);
    expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE', cause: { code: 'KEELSON_CORRUPT' } });
    const told = await keysSince(store, error.facts.oldestLsn!);
    expect(told.length).toBeGreaterThan(100);
    expect(told).toEqual(keysOf('a', 'b', 'c').slice(-told.length));
    expect((await historyGone(store)).facts).toEqual(error.facts);
    expect(store.size).toBe(180);
    await store.checkpoint();
    await store.close();
  });

  it('ends before a file that is missing', async () => {
    const storage = makeDisk().life();
    let store = await open(storage, { retain: PLENTY });
    for (const name of ['a', 'b', 'c']) await fill(store, name);
    await store.checkpoint();
    await store.close();
    const [, second] = await segmentNames(storage);
    await storage.remove(`${DIRECTORY}/${second}`);
    store = await open(storage, { retain: PLENTY });
    const error = await historyGone(store);
    expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    const told = await keysSince(store, error.facts.oldestLsn!);
    expect(told).toEqual(keysOf('a', 'b', 'c').slice(-told.length));
    await store.close();
  });

  it('is read by an open when the segments behind it are damaged, so that the damage is told at its place', async () => {
    const storage = makeDisk().life();
    const store = await open(storage, { retain: PLENTY });
    for (const name of ['a', 'b']) await fill(store, name);
    await store.checkpoint();
    await store.close();
    // The bodies of their first commits, whose headers still say that no older segment is needed.
    for (const name of (await segmentNames(storage)).slice(-2)) await damage(storage, name, 512 + 100, 10);
    const error = await open(storage).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'KEELSON_CORRUPT' });
    expect(error.facts.offset).toBeGreaterThan(2048);
  });

  it('tells no record that reaches into the next segment, which only a record of another history does', async () => {
    const storage = makeDisk().life();
    const store = await open(storage, { retain: PLENTY });
    await fill(store, 'a');
    const { lsn } = await store.checkpoint();
    await store.close();
    const found = await recoverJournal(storage, DIRECTORY, { lsn, provenLsn: lsn, journalId: null });
    const [oldest, ...others] = found.retained;
    const retained = [{ ...oldest!, endLsn: oldest!.endLsn - 1 }, ...others];
    const held = new HeldSegments({ live: found.live, retained, stale: [] }, () => 0);
    const place = { lsn: 0, sequence: 0, offset: 0 };
    const ends: number[] = [];
    const read = replayRecords(storage, held, place, lsn, (end) => ends.push(end));
    await expect(read).rejects.toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    expect(Math.max(...ends)).toBeLessThan(oldest!.endLsn);
  });

  it('is not read by an open, except for its headers', async () => {
    const disk = makeDisk();
    const storage = disk.life();
    const store = await open(storage, { retain: PLENTY });
    for (const name of ['a', 'b', 'c']) await fill(store, name);
    await store.checkpoint();
    await store.close();
    const reads = new Map<string, number>();
    disk.onBoundary = ({ operation, phase, path }) => {
      if (operation === 'read' && phase === 'complete') reads.set(path, (reads.get(path) ?? 0) + 1);
    };
    const again = await open(disk.life(), { retain: PLENTY });
    disk.onBoundary = undefined;
    const counts = (await segmentNames(disk.life())).map((name) => reads.get(`${DIRECTORY}/${name}`) ?? 0);
    expect(counts.length).toBeGreaterThan(6);
    expect(Math.max(...counts.slice(0, -3))).toBeLessThanOrEqual(5);
    await again.close();
  });

  it.each([
    [5, /'retain': expected { bytes, ms }, got the number 5/],
    [{}, /retain.*'bytes'.*1 or more, got undefined/],
    [{ bytes: 0 }, /'bytes'.*1 or more, got the number 0/],
    [{ bytes: 1.5 }, /'bytes'.*got the number 1.5/],
    [{ bytes: 1, ms: 0 }, /'ms'.*a number above 0, got the number 0/],
    [{ bytes: 1, ms: Number.NaN }, /'ms'.*got the number NaN/],
    [{ bytes: 1, days: 3 }, /unknown option 'days'/],
  ])('of %j is a TypeError that names what is wrong', (retain, message) => {
    expect(() => resolveStoreOptions({ retain })).toThrow(TypeError);
    expect(() => resolveStoreOptions({ retain })).toThrow(message);
  });
});
