// Watches of ranges: their states, the keys that have changed, and how long a state can be read.

import { beforeEach, describe, expect, test } from 'vitest';
import { NoMemory } from '../../src/errors.js';
import { NoSlabMemory } from '../../src/kv/entries/slab.js';
import type { RangeState, Store } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import { failure, typeError } from './transaction-tools.js';
import { NOTHING_WATCHED, stateOf, staysPending, WatchedWorld } from './watch-tools.js';

let watched: WatchedWorld;
let db: Store<string, unknown>;

beforeEach(async () => {
  watched = await WatchedWorld.open();
  db = watched.db;
});

const memory = { durability: 'memory' } as const;

type Watch = AsyncIterator<RangeState<string, unknown>>;

/** Returns the changed keys and the entries of the next state. */
async function next(watch: Watch): Promise<[changed: readonly string[] | null, entries: unknown[]]> {
  const state = await stateOf(watch);
  return [state.changed, [...state.entries()]];
}

const puts = (from: number, to: number) =>
  Array.from(
    { length: to - from },
    (_, at) => ({ type: 'put', key: keyAt(from + at), value: from + at }) as const,
  );

const keyAt = (at: number): string => `k${String(at).padStart(5, '0')}`;

describe('a watch of a range', () => {
  test('tells the present state first, and then each change with the keys that have changed', async () => {
    await db.batch(puts(0, 3));
    const watch = db.watchRange({ prefix: 'k' });
    const first = await stateOf(watch);
    expect([first.lsn, first.changed, [...first.entries()]]).toEqual([
      db.lastLsn,
      null,
      [
        [keyAt(0), 0],
        [keyAt(1), 1],
        [keyAt(2), 2],
      ],
    ]);
    db.put(keyAt(2), 'two');
    db.put(keyAt(7), 'new');
    await db.delete(keyAt(0));
    const second = await stateOf(watch);
    expect([second.lsn, second.changed]).toEqual([db.lastLsn, [keyAt(0), keyAt(2), keyAt(7)]]);
    expect([...second.entries()]).toEqual([
      [keyAt(1), 1],
      [keyAt(2), 'two'],
      [keyAt(7), 'new'],
    ]);
  });

  test('reads a state in any order and in parts', async () => {
    await db.batch(puts(0, 6));
    const watch = db.watchRange({ gte: keyAt(1), lt: keyAt(5) });
    const state = await stateOf(watch);
    const values = (options?: object) => [...state.entries(options)].map(([, value]) => value);
    expect(values()).toEqual([1, 2, 3, 4]);
    expect(values({ reverse: true })).toEqual([4, 3, 2, 1]);
    expect(values({ reverse: true, offset: 1, limit: 2 })).toEqual([3, 2]);
    expect(values({ limit: 0 })).toEqual([]);
    expect(values({ offset: 9 })).toEqual([]);
    expect(() => state.entries({ gt: 'a' } as never)).toThrow(
      typeError(/^options: unknown option 'gt'; known are reverse, offset, limit$/),
    );
    expect(() => state.entries({ limit: -1 })).toThrow(typeError(/^options\.limit: expected an integer/));
  });

  test('shows a state as of its LSN, whatever is written meanwhile', async () => {
    await db.batch(puts(0, 3));
    const watch = db.watchRange();
    const state = await stateOf(watch);
    const started = state.entries();
    started.next();
    await db.clear();
    expect([...started].length).toBe(2);
    expect([...state.entries()].length).toBe(3);
  });

  test('has a state that is good until the next is asked for', async () => {
    await db.put('a', 1);
    const watch = db.watchRange();
    const state = await stateOf(watch);
    const iterator = state.entries();
    const pending = watch.next();
    const past = failure('KEELSON_CLOSED', /is past: the next one was asked for.*Read a state before/);
    expect(() => state.entries()).toThrow(past);
    expect(() => iterator.next()).toThrow(past);
    expect(watched.held.views).toBe(0);
    await db.put('b', 1);
    const { value: later } = await pending;
    expect([...later!.entries()]).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    await watch.return();
    expect(() => later!.entries()).toThrow(past);
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('has a state that ends with the store', async () => {
    await db.put('a', 1);
    const watch = db.watchRange();
    const state = await stateOf(watch);
    await db.close();
    expect(() => state.entries()).toThrow(failure('KEELSON_CLOSED', /^The store in .* is closed/));
  });

  test('is not told of keys outside', async () => {
    const jobs = db.namespace('jobs');
    const watches = [db.watchRange({ gt: 'b', lte: 'd' }), db.watchRange({ gt: 'z', lt: 'a' })];
    for (const watch of watches) await stateOf(watch);
    const steps = watches.map((watch) => watch.next());
    for (const key of ['a', 'b', 'd\0', 'e', '']) await db.put(key, 1);
    for (const key of ['a', 'c']) await jobs.put(key, 1);
    await db.clear({ lte: 'b' });
    await db.clear({ gt: 'd' });
    expect(await staysPending(Promise.race(steps))).toBe(true);
    await db.put('d', 1);
    expect((await steps[0]!).value!.changed).toEqual(['d']);
  });

  test('tells nothing of keys that came and went', async () => {
    await db.put('there', 1);
    const watch = db.watchRange();
    await stateOf(watch);
    const step = watch.next();
    db.put('a', 1);
    await db.delete('a');
    await db.batch([
      { type: 'put', key: 'b', value: 1 },
      { type: 'clear', prefix: 'b' },
    ]);
    await db.clear({ lt: 'there' });
    expect(await staysPending(step)).toBe(true);
    db.put('c', 1);
    db.delete('c');
    await db.delete('there');
    expect((await step).value!.changed).toEqual(['there']);
  });

  test('tells nothing of a write that found no memory', async () => {
    await db.put('a', 1);
    const watch = db.watchRange({ lt: 'm' });
    await stateOf(watch);
    const step = watch.next();
    const { entries } = watched.world.schema.root;
    const { stage } = entries;
    entries.stage = () => {
      throw new NoSlabMemory('none left');
    };
    for (const key of ['a', 'new']) expect(() => db.put(key, 2)).toThrow(NoMemory);
    entries.stage = stage;
    await db.put('z', 1);
    expect(await staysPending(step)).toBe(true);
    await db.put('b', 1);
    expect((await step).value!.changed).toEqual(['b']);
  });

  test('tells nothing of very many keys that came and went', async () => {
    await db.batch(puts(0, 5000));
    const watch = db.watchRange();
    await stateOf(watch);
    const step = watch.next();
    db.batch(puts(5000, 8000));
    await db.clear({ gte: keyAt(5000) });
    expect(await staysPending(step)).toBe(true);
    // As many keys as before, and none of the first that were written.
    db.batch(puts(5000, 8000));
    db.clear({ gte: keyAt(5000) });
    db.delete(keyAt(4999));
    await db.put(keyAt(9999), 'new');
    const { value: state } = await step;
    expect(state!.changed).toBe(null);
    expect([...state!.entries({ reverse: true, limit: 1 })]).toEqual([[keyAt(9999), 'new']]);
  });

  test('lists 1,024 changed keys, and no more', async () => {
    const watch = db.watchRange();
    await stateOf(watch);
    await db.batch(puts(0, 1024));
    expect((await stateOf(watch)).changed).toEqual(puts(0, 1024).map((put) => put.key));
    await db.clear();
    expect((await stateOf(watch)).changed?.length).toBe(1024);
    await db.batch(puts(0, 1025));
    expect((await stateOf(watch)).changed).toBe(null);
    await db.clear();
    expect((await stateOf(watch)).changed).toBe(null);
    await db.put('a', 1);
    expect((await stateOf(watch)).changed).toEqual(['a']);
  });

  test('lists 1 MiB of changed keys, and no more', async () => {
    const watch = db.watchRange();
    await stateOf(watch);
    const key = (at: number) => `${String(at).padStart(2, '0')}${'x'.repeat(65_534)}`;
    for (let at = 0; at < 16; at++) await db.put(key(at), at);
    expect((await stateOf(watch)).changed?.length).toBe(16);
    for (let at = 0; at < 17; at++) await db.put(key(at), at);
    expect((await stateOf(watch)).changed).toBe(null);
  });

  test('lists the keys that a clear takes from its own range', async () => {
    await db.batch(puts(0, 10));
    const watch = db.watchRange({ gte: keyAt(2), lt: keyAt(6) });
    await stateOf(watch);
    await db.clear({ gte: keyAt(5) });
    expect(await next(watch)).toEqual([
      [keyAt(5)],
      [
        [keyAt(2), 2],
        [keyAt(3), 3],
        [keyAt(4), 4],
      ],
    ]);
    db.clear({ lte: keyAt(3) });
    await db.put(keyAt(3), 'again');
    expect(await next(watch)).toEqual([
      [keyAt(2), keyAt(3)],
      [
        [keyAt(3), 'again'],
        [keyAt(4), 4],
      ],
    ]);
  });

  test('tells a state when its own LSN is durable, and with durability memory at once', async () => {
    const [onDisk, atOnce] = [db.watchRange(), db.watchRange({}, memory)];
    await Promise.all([stateOf(onDisk), stateOf(atOnce)]);
    const steps = [stateOf(onDisk), stateOf(atOnce)] as const;
    db.put('a', 1);
    const { lastLsn: taken } = db;
    expect((await steps[1]).lsn).toBe(taken);
    expect(db.durableLsn).toBeLessThan(taken);
    db.put('b', 1, memory);
    const { lsn, changed } = await steps[0];
    expect([lsn, changed]).toEqual([taken, ['a']]);
    expect(db.durableLsn).toBeGreaterThanOrEqual(lsn);
    expect((await stateOf(onDisk)).changed).toEqual(['b']);
  });

  test('gives keys as the encoding has them, in ascending order', async () => {
    const { open } = inMemory();
    const tuples = await open('/t', { keyEncoding: 'tuple' });
    const watch = tuples.watchRange({ prefix: ['a'] });
    await stateOf(watch);
    for (const key of [['a', 10], ['a', 9], ['b'], ['a', -1]]) await tuples.put(key, 1);
    expect((await stateOf(watch)).changed).toEqual([
      ['a', -1],
      ['a', 9],
      ['a', 10],
    ]);
  });

  test('ends at its signal, and its state can be read until the next is asked for', async () => {
    const controller = new AbortController();
    await db.put('a', 1);
    const watch = db.watchRange({}, { signal: controller.signal });
    const state = await stateOf(watch);
    controller.abort();
    expect(watched.held.observers).toBe(0);
    expect([...state.entries()]).toEqual([['a', 1]]);
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });
});
