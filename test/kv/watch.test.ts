// Watches of keys: which states are told, when, and how a watch ends.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/kv/index.js';
import { inMemory, SimulatedDisk } from '../../src/testing/index.js';
import { failure, typeError, World } from './transaction-tools.js';
import {
  countedSignal,
  NOTHING_WATCHED,
  stateOf,
  staysPending,
  toldValue,
  WatchedWorld,
} from './watch-tools.js';

let watched: WatchedWorld;
let db: Store<string, unknown>;

beforeEach(async () => {
  watched = await WatchedWorld.open();
  db = watched.db;
});

const memory = { durability: 'memory' } as const;
const END = { done: true, value: undefined };

describe('a watch of a key', () => {
  test('tells the present state first, and then each change', async () => {
    const version = await db.put('a', 1);
    const watch = db.watch('a');
    expect(await stateOf(watch)).toEqual({ lsn: version, entry: { value: 1, version } });
    const later = db.put('a', 2);
    expect(await stateOf(watch)).toEqual({ lsn: await later, entry: { value: 2, version: await later } });
    const deleted = await db.delete('a');
    expect(await stateOf(watch)).toEqual({ lsn: deleted, entry: undefined });
  });

  test('tells that the key is absent', async () => {
    const watch = db.watch('a');
    expect(await stateOf(watch)).toEqual({ lsn: db.lastLsn, entry: undefined });
    const next = toldValue(watch);
    await db.put('a', 1);
    expect(await next).toBe(1);
  });

  test('tells changes by every kind of write', async () => {
    const watch = db.watch('k');
    await toldValue(watch);
    const writes: (() => unknown)[] = [
      () => db.batch([{ type: 'put', key: 'k', value: 1 }]),
      () => db.transaction((tx) => tx.put('k', 2)),
      () => db.transaction(async (tx) => tx.put('k', 3)),
      () => db.clear(),
      () => db.put('k', 4, memory),
      () => db.clear({ gt: 'j', limit: 1 }),
      () => db.put('k', 'x'.repeat(100_000)),
      () => db.clear({ prefix: 'k' }),
    ];
    const values: unknown[] = [];
    for (const write of writes) {
      const next = toldValue(watch);
      await write();
      values.push(await next);
    }
    expect(values).toEqual([1, 2, 3, undefined, 4, undefined, 'x'.repeat(100_000), undefined]);
  });

  test('is not told of other keys and other namespaces', async () => {
    const jobs = db.namespace('jobs');
    const watch = jobs.watch('a');
    await toldValue(watch);
    const next = watch.next();
    await Promise.all([db.put('a', 1), jobs.put('b', 1), jobs.clear({ gt: 'a' })]);
    expect(await staysPending(next)).toBe(true);
    await jobs.put('a', 2);
    expect((await next).value?.entry?.value).toBe(2);
  });

  test('does not tell equal states twice', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    const next = toldValue(watch);
    db.put('a', 1);
    await db.delete('a');
    expect(await staysPending(next)).toBe(true);
    await db.batch([
      { type: 'put', key: 'a', value: 1 },
      { type: 'delete', key: 'a' },
    ]);
    expect(await staysPending(next)).toBe(true);
    await db.put('a', 3);
    expect(await next).toBe(3);
    const again = toldValue(watch);
    await db.put('a', 3);
    expect(await again).toBe(3);
  });

  test('tells one state of many changes between two steps, the last', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    for (let value = 1; value <= 100; value++) await db.put('a', value);
    expect(await toldValue(watch)).toBe(100);
    const next = toldValue(watch);
    for (let value = 1; value <= 100; value++) db.put('a', -value);
    expect(await next).toBe(-100);
    expect(await staysPending(watch.next())).toBe(true);
  });

  test('tells a state when its own LSN is durable, though there is a newer one', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    const next = stateOf(watch);
    const first = db.put('a', 1);
    const { lastLsn: taken } = db;
    // The state is taken in a microtask of this turn, and no write is durable before the next turn.
    for (let step = 0; step < 20; step++) await Promise.resolve();
    expect(db.durableLsn).toBeLessThan(taken);
    db.put('a', 2, memory);
    const { lsn, entry } = await next;
    expect([lsn, entry]).toEqual([taken, { value: 1, version: await first }]);
    expect(db.durableLsn).toBeGreaterThanOrEqual(lsn);
    expect(await toldValue(watch)).toBe(2);
  });

  test('waits for no newer write', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    let turn = 0;
    const told = stateOf(watch).then(() => turn);
    const durable = db.put('a', 1).then(() => turn);
    for (; turn < 50; turn++) {
      db.put('noise', turn, memory);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await told).toBe(await durable);
  });

  test('waits for the disk, and with durability memory it does not', async () => {
    const [onDisk, inMemory] = [db.watch('a'), db.watch('a', memory)];
    await Promise.all([toldValue(onDisk), toldValue(inMemory)]);
    const told: string[] = [];
    const note = (name: string) => async () => {
      told.push(`${name} ${db.durableLsn >= lsn}`);
    };
    const both = [stateOf(onDisk).then(note('disk')), stateOf(inMemory).then(note('memory'))];
    db.put('a', 1);
    const lsn = db.lastLsn;
    await Promise.all(both);
    expect(told).toEqual(['memory false', 'disk true']);
  });

  test('is told after the commit, in a later microtask', async () => {
    const watch = db.watch('a', memory);
    await toldValue(watch);
    let told: unknown = 'nothing';
    const next = toldValue(watch).then((value) => {
      told = value;
    });
    db.transaction((tx) => {
      tx.put('a', 1);
      tx.put('a', 2);
    });
    expect(told).toBe('nothing');
    await next;
    expect(told).toBe(2);
  });

  test('sees nothing of a transaction that fails', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    const next = watch.next();
    const fail = (): never => {
      throw new Error('no');
    };
    expect(() =>
      db.transaction((tx) => {
        tx.put('a', 1);
        fail();
      }),
    ).toThrow('no');
    expect(() => db.put('a', 1, { ifVersion: 7 })).toThrow();
    await db.put('b', 1);
    expect(await staysPending(next)).toBe(true);
  });

  test('reads a key that the caller changes after the call', async () => {
    const { open } = inMemory();
    const bytes = await open('/b', { keyEncoding: 'bytes' });
    const key = Uint8Array.of(1);
    await bytes.put(key, 'one');
    const watch = bytes.watch(key);
    key[0] = 2;
    expect(await toldValue(watch)).toBe('one');
  });

  test('gives the event loop its turns, though its reader writes what it watches', async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    let value = 0;
    for await (const _ of db.watch('a', memory)) {
      if (value === 3000) break;
      db.put('a', ++value, memory);
    }
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(2);
  });

  test('answers steps that were asked for at once, in their order', async () => {
    await db.put('a', 1);
    const watch = db.watch('a');
    const steps = [toldValue(watch), toldValue(watch), toldValue(watch)];
    expect(await steps[0]).toBe(1);
    await db.put('a', 2);
    expect(await steps[1]).toBe(2);
    await db.put('a', 3);
    expect(await steps[2]).toBe(3);
  });
});

describe('a watch ends', () => {
  test('when its reader leaves, also while it waits', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    const next = watch.next();
    expect(await staysPending(next)).toBe(true);
    expect(await watch.return()).toEqual(END);
    expect(await next).toEqual(END);
    expect(await watch.next()).toEqual(END);
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('with the error that its reader throws into it', async () => {
    const watch = db.watch('a');
    await toldValue(watch);
    const next = watch.next();
    await expect(watch.throw!(new Error('enough'))).rejects.toThrow('enough');
    expect(await next).toEqual(END);
  });

  test('when its signal is aborted: before the first step, while it waits, between two steps', async () => {
    for (const when of ['before', 'waiting', 'between', 'pending']) {
      const { controller, listeners } = countedSignal();
      const watch = db.watch('a', { signal: controller.signal });
      if (when === 'before') controller.abort();
      if (when !== 'before') await toldValue(watch);
      if (when === 'between') controller.abort();
      if (when === 'pending') db.put('a', when);
      const next = watch.next();
      if (when === 'waiting') expect(await staysPending(next)).toBe(true);
      controller.abort();
      expect([when, await next]).toEqual([when, END]);
      expect([when, watched.held, listeners()]).toEqual([when, NOTHING_WATCHED, 0]);
    }
  });

  test('when the store is closed', async () => {
    const [waiting, pending, idle] = [db.watch('a'), db.watch('b'), db.watch('c')];
    for (const watch of [waiting, pending, idle]) await toldValue(watch);
    const next = waiting.next();
    expect(await staysPending(next)).toBe(true);
    db.put('b', 1);
    const last = pending.next();
    await db.close();
    expect(await next).toEqual(END);
    expect(await last).toEqual(END);
    expect(await idle.next()).toEqual(END);
    expect(() => db.watch('a')).toThrow(failure('KEELSON_CLOSED'));
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('with KEELSON_DROPPED when its namespace is dropped', async () => {
    const jobs = db.namespace('jobs');
    await jobs.put('a', 1);
    const [waiting, idle, ranged] = [jobs.watch('a'), jobs.watch('a'), jobs.watchRange()];
    for (const watch of [waiting, idle, ranged]) await watch.next();
    const steps = [waiting.next(), ranged.next()];
    await db.drop(jobs);
    for (const step of [...steps, idle.next()]) {
      await expect(step).rejects.toEqual(failure('KEELSON_DROPPED', /"jobs" was dropped/));
    }
    expect(await waiting.next()).toEqual(END);
    expect(() => jobs.watch('a')).toThrow(failure('KEELSON_DROPPED'));
    const again = db.namespace('jobs').watch('a');
    expect(await toldValue(again)).toBe(undefined);
    await again.return!();
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('with KEELSON_DROPPED when a namespace is dropped that was never written to', async () => {
    const jobs = db.namespace('jobs');
    const watches = [jobs.watch('a'), jobs.watchRange()];
    for (const watch of watches) await watch.next();
    const steps = watches.map((watch) => watch.next());
    await db.drop('jobs');
    for (const step of steps) await expect(step).rejects.toEqual(failure('KEELSON_DROPPED'));
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('only when the drop is durable', async () => {
    const jobs = db.namespace('jobs');
    await jobs.put('a', 1);
    const watch = jobs.watch('a');
    await toldValue(watch);
    const next = watch.next();
    db.drop(jobs);
    const { lastLsn } = db;
    await expect(next).rejects.toEqual(failure('KEELSON_DROPPED'));
    expect(db.durableLsn).toBeGreaterThanOrEqual(lastLsn);
  });

  test('with KEELSON_POISONED when the store takes no more writes', async () => {
    const disk = new SimulatedDisk({ seed: 7 });
    watched = await WatchedWorld.open({}, disk);
    db = watched.db;
    await db.put('a', 1);
    const watches = [db.watch('a'), db.watch('b'), db.watch('b', memory), db.watchRange(), db.watch('c')];
    for (const watch of watches.slice(0, 4)) await watch.next();
    const steps = watches.slice(0, 4).map((watch) => watch.next());
    disk.faults = ({ name }) => (name === 'submit' || name === 'write' ? { errno: 'EIO' } : undefined);
    await expect(db.put('a', 2)).rejects.toEqual(failure('KEELSON_POISONED'));
    const ends = await Promise.allSettled(steps);
    expect(ends.map((end) => (end.status === 'rejected' ? end.reason.code : end.value))).toEqual(
      Array(4).fill('KEELSON_POISONED'),
    );
    await expect(watches[4]!.next()).rejects.toEqual(failure('KEELSON_POISONED'));
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('with what the encoding throws', async () => {
    const { open } = inMemory();
    const fussy = {
      name: 'fussy',
      encode: (value: number) => Uint8Array.of(value),
      decode: ([value]: Uint8Array) => {
        if (value === 13) throw new Error('unlucky');
        return value!;
      },
    };
    const store = await open('/f', { valueEncoding: fussy });
    const watch = store.watch('a');
    await toldValue(watch);
    await store.put('a', 13);
    await expect(watch.next()).rejects.toEqual(failure('KEELSON_DECODE'));
    expect(await watch.next()).toEqual(END);
  });
});

describe('nothing is held', () => {
  test('by 10,000 watches that were opened and left', async () => {
    const { controller, listeners } = countedSignal();
    const options = { signal: controller.signal };
    await db.put('a', 1);
    const ends: Promise<unknown>[] = [];
    for (let at = 0; at < 2500; at++) {
      const watches = [
        db.watch('a', options),
        db.watch(`k${at}`, options),
        db.watchRange({ prefix: `k${at}` }, options),
        db.watchRange({}, options),
      ];
      // Never stepped, left after the first state, left while it waits, left by a loop.
      const [unstepped, stepped, waiting, looped] = [0, 1, 2, 3].map((way) => watches[(at + way) % 4]!);
      ends.push(unstepped!.return!());
      await stepped!.next();
      ends.push(stepped!.return!());
      await waiting!.next();
      ends.push(waiting!.next(), waiting!.return!());
      for await (const _ of looped!) break;
      if (at % 500 === 0) await db.put('a', at);
    }
    await Promise.all(ends);
    expect([watched.held, listeners()]).toEqual([NOTHING_WATCHED, 0]);
  });

  test('by watches that nobody has stepped', () => {
    const { controller, listeners } = countedSignal();
    for (let at = 0; at < 100; at++) {
      db.watch('a', { signal: controller.signal });
      db.watchRange({}, { signal: controller.signal });
    }
    expect([watched.held, listeners()]).toEqual([NOTHING_WATCHED, 0]);
  });

  test('by a watch of a key between two states', async () => {
    const watch = db.watch('a', memory);
    await toldValue(watch);
    expect(watched.held.views).toBe(0);
    db.put('a', 1);
    await toldValue(watch);
    expect(watched.held.views).toBe(0);
  });
});

describe('misuse', () => {
  test('is refused at the call, by name', () => {
    const calls: [() => unknown, RegExp][] = [
      [() => db.watch(7 as never), /^key: expected a string, got the number 7/],
      [() => db.watch('a', 'disk' as never), /^watch options: expected an object, got the string "disk"/],
      [() => db.watch('a', null as never), /^watch options: expected an object, got null/],
      [
        () => db.watch('a', { since: 1 } as never),
        /^watch: unknown option 'since'; known are durability, signal$/,
      ],
      [
        () => db.watch('a', { durability: 'ram' } as never),
        /^watch option 'durability': expected one of 'disk', 'memory', got the string "ram"/,
      ],
      [
        () => db.watch('a', { signal: {} } as never),
        /^watch option 'signal': expected an AbortSignal, got an object/,
      ],
      [() => db.watchRange('a' as never), /^range: expected an object, got the string "a"/],
      [
        () => db.watchRange({ limit: 1 } as never),
        /^range: unknown option 'limit'; known are gt, gte, lt, lte, prefix$/,
      ],
      [() => db.watchRange({ gt: 'a', gte: 'b' }), /^range: expected gt or gte, got both/],
      [
        () => db.watchRange({}, { limit: 1 } as never),
        /^watchRange: unknown option 'limit'; known are durability, signal$/,
      ],
    ];
    for (const [call, message] of calls) expect(call, String(call)).toThrow(typeError(message));
    expect(() => db.watch('x'.repeat(65_537))).toThrow(failure('KEELSON_KEY_TOO_LARGE'));
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });

  test('by a signal that throws ends the watch', async () => {
    const signal = {
      aborted: false,
      addEventListener: () => {
        throw new Error('no listeners here');
      },
      removeEventListener: () => {
        throw new Error('no listeners here');
      },
    };
    const watch = db.watch('a', { signal: signal as never });
    await expect(watch.next()).rejects.toThrow('no listeners here');
    expect(watched.held).toEqual(NOTHING_WATCHED);
  });
});

describe('a store that was opened read-only', () => {
  test('tells the present states, and ends the watches when it is closed', async () => {
    await db.put('a', 1);
    await db.close();
    const { db: reader } = await World.open({ readOnly: true }, watched.world.disk);
    const [watch, ranged] = [reader.watch('a'), reader.watchRange()];
    expect(await toldValue(watch)).toBe(1);
    expect([...(await stateOf(ranged)).entries()]).toEqual([['a', 1]]);
    const steps = [watch.next(), ranged.next()];
    expect(await staysPending(Promise.race(steps))).toBe(true);
    await reader.close();
    expect(await Promise.all(steps)).toEqual([END, END]);
  });
});
