// Entries that expire: no read sees one that is due, its removal is written, and what is found due never comes back.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { Expiry } from '../../src/kv/entries/expiry.js';
import type { StoreOptions } from '../../src/kv/index.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import { type InMemory, inMemory } from '../../src/testing/in-memory.js';
import { SimulatedClock } from '../../src/testing/simulated-clock.js';

type Db = Awaited<ReturnType<World['open']>>;

/** A store whose clock the test sets. */
class World {
  readonly machine: InMemory = inMemory();
  now = 1000;
  /** Called instead of the clock, if it is set. */
  clock: (() => number) | null = null;
  db!: Db;

  static async open(options: StoreOptions = {}): Promise<World> {
    const world = new World();
    await world.reopen(options);
    return world;
  }

  open(options: StoreOptions = {}, directory = '/s') {
    const clock = () => (this.clock === null ? this.now : this.clock());
    return this.machine.open<unknown>(directory, { clock, autoCheckpoint: false, ...options } as object);
  }

  async reopen(options: StoreOptions = {}): Promise<Db> {
    this.db = await this.open(options);
    return this.db;
  }

  /** Lets the timers of the store fire, and their work end. */
  async timers(): Promise<void> {
    this.machine.disk.advanceClock(1000);
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('an entry with a deadline', () => {
  test('is there before it, and from then on no read sees it', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 100 });
    await db.put('b', 2, { expiresAt: 1050 });
    await db.put('c', 3);
    expect(db.getEntry('a')).toMatchObject({ value: 1, expiresAt: 1100 });
    expect(db.getEntryMany(['a', 'c'])).toMatchObject([{ expiresAt: 1100 }, { value: 3 }]);
    expect([...db.getEntries()]).toMatchObject([{ expiresAt: 1100 }, { expiresAt: 1050 }, { key: 'c' }]);
    expect(db.getEntry('c')).not.toHaveProperty('expiresAt');
    world.now = 1049;
    expect([...db.keys()]).toEqual(['a', 'b', 'c']);
    world.now = 1050;
    expect(db.get('b')).toBeUndefined();
    expect(db.has('b')).toBe(false);
    expect(db.size).toBe(2);
    expect([...db.keys()]).toEqual(['a', 'c']);
    expect(db.nth(-1)).toEqual(['c', 3]);
    expect(db.rank('c')).toBe(1);
    world.now = 1100;
    expect([...db.entries()]).toEqual([['c', 3]]);
    expect(db.count({ lt: 'c' })).toBe(0);
    expect(db.getMany(['a', 'b', 'c'])).toEqual([undefined, undefined, 3]);
    expect(db.stats().entries).toBe(1);
    await db.close();
  });

  test('has it in a namespace, beside stats that count it', async () => {
    const world = await World.open();
    const sessions = world.db.namespace('sessions');
    sessions.put('a', 1, { ttl: 100 });
    sessions.put('b', 1);
    expect(sessions.stats()).toMatchObject({ entries: 2, expiring: 1 });
    world.now = 1100;
    expect(sessions.stats()).toMatchObject({ entries: 1, expiring: 0 });
    await world.db.close();
  });

  test('waits for its removal in the backlog of stats, with those of namespaces, and not after it', async () => {
    const world = await World.open();
    const { db } = world;
    const sessions = db.namespace('sessions');
    expect(db.stats().expiry).toEqual({ expiring: 0, backlog: 0, backlogMs: 0 });
    for (let at = 0; at < 200; at++) db.put(`k${at}`, at, { ttl: 100 + at });
    sessions.put('a', 1, { ttl: 50 });
    sessions.put('b', 1, { ttl: 5000 });
    await db.namespace('later').put('c', 1, { ttl: 120 });
    expect(db.stats().expiry).toEqual({ expiring: 203, backlog: 0, backlogMs: 0 });
    world.now = 1090;
    expect(db.stats().expiry).toEqual({ expiring: 202, backlog: 1, backlogMs: 40 });
    world.now = 1250;
    expect(db.stats().expiry).toEqual({ expiring: 50, backlog: 153, backlogMs: 200 });
    sessions.put('a', 1, { ttl: 5000 });
    expect(db.stats().expiry).toEqual({ expiring: 51, backlog: 152, backlogMs: 150 });
    await world.timers();
    expect(db.stats().expiry).toEqual({ expiring: 51, backlog: 0, backlogMs: 0 });
    await db.close();
  });

  test('is in the backlog when the next session opens, until its removal is written', async () => {
    const world = await World.open();
    for (let at = 0; at < 10; at++) world.db.put(`k${at}`, at, { ttl: 100 });
    await world.db.close();
    world.now = 3100;
    const db = await world.reopen();
    expect(db.stats().expiry).toEqual({ expiring: 0, backlog: 10, backlogMs: 2000 });
    await db.expireNow();
    expect(db.stats().expiry).toEqual({ expiring: 0, backlog: 0, backlogMs: 0 });
    await db.close();
  });

  test('is estimated in the backlog while many are due, also while they leave in the order of keys', async () => {
    const world = await World.open();
    const { db } = world;
    const operations = Array.from({ length: 20_000 }, (_, at) => {
      return { type: 'put', key: `k${at}`, value: at, ttl: at % 2 === 0 ? 100 : 9000 } as const;
    });
    await db.batch(operations);
    world.now = 1200;
    for (let look = 0; look < 100; look++) {
      const { expiring, backlog, backlogMs } = db.stats().expiry;
      expect(expiring + backlog).toBe(20_000);
      expect(Math.abs(backlog - 10_000)).toBeLessThan(1000);
      expect(backlogMs).toBe(100);
    }
    await db.expireNow();
    expect(db.stats().expiry).toEqual({ expiring: 10_000, backlog: 0, backlogMs: 0 });
    await db.close();
  });

  test('counts ttl in whole milliseconds, rounded up, also at the start of time', async () => {
    const world = await World.open();
    world.now = 0;
    world.db.put('a', 1, { ttl: 0.2 });
    world.db.put('b', 1, { ttl: 1.5 });
    expect(world.db.getEntry('a')?.expiresAt).toBe(1);
    expect(world.db.getEntry('b')?.expiresAt).toBe(2);
    world.now = 1;
    expect([...world.db.keys()]).toEqual(['b']);
    world.db.put('late', 1, { ttl: 1e300 });
    expect(world.db.getEntry('late')?.expiresAt).toBeGreaterThan(8.64e15);
    await world.db.close();
  });

  test('loses it by a put without one, and by a touch with Infinity', async () => {
    const world = await World.open();
    const { db } = world;
    for (const key of ['a', 'b', 'c']) db.put(key, key, { ttl: 10 });
    db.put('a', 'A');
    db.touch('b', { expiresAt: Number.POSITIVE_INFINITY });
    db.put('c', 'C', { expiresAt: Number.POSITIVE_INFINITY });
    world.now = 5000;
    expect([...db.entries()]).toEqual([
      ['a', 'A'],
      ['b', 'b'],
      ['c', 'C'],
    ]);
    expect(db.getEntry('b')).not.toHaveProperty('expiresAt');
    await db.close();
    const again = await world.reopen();
    expect([...again.keys()]).toEqual(['a', 'b', 'c']);
    await again.close();
  });

  test('that is past when it is written is never seen, and what was there before is gone', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 'old');
    await db.put('a', 'new', { expiresAt: 999 });
    await db.put('b', 'new', { expiresAt: -5 });
    await db.put('c', 'old');
    await db.touch('c', { expiresAt: 1000 });
    expect(db.size).toBe(0);
    world.now = 1;
    expect(db.size).toBe(0);
    world.machine.kill();
    const again = await world.reopen();
    expect(again.size).toBe(0);
    await again.close();
  });
});

describe('a touch', () => {
  test('keeps the value, and gives a new version and another deadline', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', { deep: ['value'] }, { ttl: 10 });
    const before = db.getEntry('a')!;
    const lsn = await db.touch('a', { ttl: 100 });
    expect(db.getEntry('a')).toEqual({ value: before.value, version: lsn, expiresAt: 1100 });
    world.now = 1099;
    await db.touch('a', { ttl: 100, durability: 'memory' });
    world.now = 1150;
    expect(db.get('a')).toEqual({ deep: ['value'] });
    await db.flush();
    world.machine.kill();
    const again = await world.reopen();
    expect(again.getEntry('a')).toMatchObject({ value: { deep: ['value'] }, expiresAt: 1199 });
    await again.close();
  });

  test('of an absent or expired key writes nothing', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 10 });
    world.now = 1010;
    const { lastLsn } = db;
    expect(await db.touch('a', { ttl: 100 })).toBe(lastLsn);
    expect(await db.touch('b', { ttl: 100 })).toBe(lastLsn);
    expect(db.size).toBe(0);
    await db.close();
  });

  test('in a batch sees the operations before it', async () => {
    const world = await World.open();
    const { db } = world;
    const other = db.namespace('other');
    await db.put('old', 'value');
    await db.batch([
      { type: 'put', key: 'new', value: 'made' },
      { type: 'touch', key: 'new', ttl: 50 },
      { type: 'touch', key: 'old', expiresAt: 1060 },
      { type: 'touch', key: 'old', expiresAt: 1070 },
      { type: 'delete', key: 'gone' },
      { type: 'touch', key: 'gone', ttl: 1 },
      { type: 'put', namespace: other, key: 'x', value: { n: 1 }, ttl: 5 },
      { type: 'touch', namespace: other, key: 'x', ttl: 20 },
    ]);
    const check = (of: Db) => {
      expect(of.getEntry('new')).toMatchObject({ value: 'made', expiresAt: 1050 });
      expect(of.getEntry('old')).toMatchObject({ value: 'value', expiresAt: 1070 });
      expect(of.namespace('other').getEntry('x')).toMatchObject({ value: { n: 1 }, expiresAt: 1020 });
    };
    check(db);
    world.machine.kill();
    check(await world.reopen());
    await world.db.close();
  });
});

describe('a write that meets a due entry', () => {
  test('finds version 0', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 10 });
    const { version } = db.getEntry('a')!;
    world.now = 1010;
    expect(() => db.put('a', 2, { ifVersion: version })).toThrow(/is absent/);
    await db.put('a', 2, { ifVersion: 0 });
    expect(db.getEntry('a')).toEqual({ value: 2, version: db.lastLsn });
    world.now = 5;
    expect(db.get('a')).toBe(2);
    await db.batch([
      { type: 'check', key: 'b', version: 0 },
      { type: 'put', key: 'b', value: 1, ttl: 10 },
    ]);
    world.now = 2000;
    await db.batch([
      { type: 'check', key: 'b', version: 0 },
      { type: 'put', key: 'b', value: 2 },
    ]);
    expect(await db.expireNow()).toBe(0);
    expect([...db.entries()]).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
    world.machine.kill();
    const again = await world.reopen();
    expect([...again.entries()]).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
    await again.close();
  });

  test('removes it before all else, among many operations', async () => {
    const world = await World.open();
    const { db } = world;
    for (let at = 0; at < 20; at++) db.put(`k${at}`, { at, name: 'old' }, { ttl: 10 });
    world.now = 1010;
    await db.batch([
      { type: 'put', key: 'first', value: { at: -1, name: 'a name' } },
      ...Array.from({ length: 10 }, (_, at) => ({
        type: 'put' as const,
        key: `k${at}`,
        value: { at, name: 'new' },
      })),
      { type: 'put', key: 'k3', value: { at: 3, name: 'newest' } },
    ]);
    const expected = [...db.entries()];
    expect(expected).toHaveLength(11);
    expect(db.get('k3')).toEqual({ at: 3, name: 'newest' });
    expect(await db.expireNow()).toBe(10);
    expect([...db.entries()]).toEqual(expected);
    world.machine.kill();
    const again = await world.reopen();
    expect([...again.entries()]).toEqual(expected);
    await again.close();
  });
});

describe('what was found due', () => {
  test('stays gone when the clock goes back, in this life and after a crash', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 100 });
    await world.db.namespace('other').put('b', 1, { ttl: 200 });
    world.now = 5000;
    expect(world.db.get('a')).toBeUndefined();
    world.now = 1000;
    expect(world.db.size).toBe(0);
    expect(world.db.namespace('other').size).toBe(0);
    await world.db.put('c', 1, { ttl: 150 });
    await world.db.put('d', 1);
    world.machine.kill();
    const db = await world.reopen();
    expect([...db.keys()]).toEqual(['c', 'd']);
    expect(db.namespace('other').size).toBe(0);
    expect(await db.expireNow()).toBe(2);
    await db.close();
  });

  // A record repeated the time at which something was found due, until all removals were written. Entries that were written
  // in between, by a clock that had gone back, died by the clock of before.
  test('harms nothing that is written after the clock has gone back, in any later life', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 10 });
    world.now = 1e9;
    expect(world.db.get('a')).toBeUndefined();
    world.now = 1000;
    for (let life = 0; life < 4; life++) {
      await world.db.put(`b${life}`, life, { ttl: 100 });
      if (life === 2) await world.db.checkpoint();
      world.machine.kill();
      const db = await world.reopen();
      expect(db.size).toBe(life + 1);
      await db.put('c', 1);
      await db.delete('c');
    }
    await world.db.close();
  });

  test('is in an image until its removal is written, and due there', async () => {
    const world = await World.open();
    for (let at = 0; at < 300; at++) await world.db.put(`k${at}`, at, { ttl: 100 + at });
    world.now = 1200;
    expect(world.db.get('k0')).toBeUndefined();
    expect(await world.db.checkpoint()).toMatchObject({ entries: 300 });
    world.machine.kill();
    world.now = 1000;
    const db = await world.reopen();
    expect(db.recovery.imageLsn).toBeGreaterThan(0);
    expect(db.size).toBe(199);
    expect(await db.expireNow()).toBe(101);
    await db.close();
  });

  test('is not in a backup, nor in a salvaged store', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 10 });
    await world.db.put('b', 1, { ttl: 100 });
    world.now = 1010;
    expect(await world.db.backup('/copy')).toMatchObject({ entries: 1 });
    world.now = 1;
    const copy = await world.open({}, '/copy');
    expect([...copy.getEntries()]).toMatchObject([{ key: 'b', expiresAt: 1100 }]);
    await copy.close();
    expect(world.db.size).toBe(1);
    await world.db.put('c', 1);
    await world.db.close();
    const storage = world.machine.disk.life();
    expect(await verifyOn(storage, '/s')).toMatchObject({ ok: true, entries: 2 });
    expect(await salvageOn(storage, '/s', '/out')).toMatchObject({ entries: 2, missing: [] });
    const out = await world.open({}, '/out');
    expect([...out.getEntries()]).toMatchObject([{ key: 'b', expiresAt: 1100 }, { key: 'c' }]);
    await out.close();
  });
});

describe('a removal', () => {
  test('comes by itself, and leaves nothing behind', async () => {
    const world = await World.open();
    for (let at = 0; at < 700; at++) world.db.put(`k${at}`, at, { ttl: 10 });
    await world.db.put('stays', 1);
    const before = world.db.lastLsn;
    world.now = 1010;
    await world.timers();
    await world.db.flush();
    expect(world.db.lastLsn).toBeGreaterThan(before);
    expect(world.db.size).toBe(1);
    await world.timers();
    expect(world.machine.disk.timers).toBe(0);
    world.now = 1;
    world.machine.kill();
    const db = await world.reopen();
    expect(db.size).toBe(1);
    expect(world.machine.disk.timers).toBe(0);
    await db.close();
  });

  test('has one timer while there are deadlines, and none after the end of the store', async () => {
    const world = await World.open();
    expect(world.machine.disk.timers).toBe(0);
    for (let at = 0; at < 10; at++) world.db.namespace(`n${at}`).put('a', 1, { ttl: 10 });
    expect(world.machine.disk.timers).toBe(1);
    await world.db.close();
    expect(world.machine.disk.timers).toBe(0);
    await world.reopen();
    expect(world.machine.disk.timers).toBe(1);
    const readOnly = await world.open({ readOnly: true });
    expect(world.machine.disk.timers).toBe(1);
    await readOnly.close();
    await world.db.close();
  });

  test('ends with the first failure of a poisoned store, whose reads go on', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 10 });
    world.machine.disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await expect(world.db.put('b', 1)).rejects.toThrow();
    expect(world.machine.disk.timers).toBe(0);
    world.now = 1010;
    expect(world.db.get('a')).toBeUndefined();
    expect(world.db.size).toBe(1);
    await expect((async () => world.db.expireNow())()).rejects.toThrow(/KEELSON_POISONED|poisoned|failed/i);
    await world.db.close();
  });

  test('by expireNow() counts what it removes, and is durable', async () => {
    const world = await World.open();
    const one = world.db.namespace('one');
    for (let at = 0; at < 600; at++) one.put(`k${at}`, at, { ttl: 10 + (at % 2) });
    expect(await world.db.expireNow()).toBe(0);
    world.now = 1010;
    expect(await world.db.expireNow()).toBe(300);
    world.machine.cutPower();
    world.now = 1;
    const db = await world.reopen();
    expect(db.namespace('one').size).toBe(300);
    world.now = 1011;
    const both = await Promise.all([db.expireNow(), db.expireNow()]);
    expect(both[0]! + both[1]!).toBe(300);
    await db.close();
  });

  /** Puts entries that are due at 1010. */
  async function putDue(db: Db, keys: readonly string[]): Promise<void> {
    await db.batch(keys.map((key) => ({ type: 'put' as const, key, value: 1, ttl: 10 })));
  }

  const keysOf = (count: number, start: string): string[] =>
    Array.from({ length: count }, (_, at) => `${start}${at}`);

  /** Lets so much time pass with each look at the time. */
  function passMs(ms: number): void {
    let nowMs = 0;
    vi.spyOn(SimulatedClock.prototype, 'nowMs').mockImplementation(() => (nowMs += ms));
  }

  /** Returns the number of keys that each record has removed. */
  async function removalsOf(db: Db): Promise<number[]> {
    const counts: number[] = [];
    for await (const { changes } of db.changes({ since: 0, live: false })) {
      const expired = changes.filter((change) => change.type === 'delete' && change.cause === 'expired');
      if (expired.length > 0) counts.push(expired.length);
    }
    return counts;
  }

  test('by expireNow() is that of all entries, also when it looks at others for long', async () => {
    const world = await World.open();
    await world.db.batch(keysOf(9000, 'a').map((key) => ({ type: 'put', key, value: 1 })));
    await putDue(world.db, keysOf(5000, 'z'));
    world.now = 1010;
    passMs(1);
    expect(await world.db.expireNow()).toBe(5000);
    await world.db.close();
  });

  test('is in small records while they take long, and in larger ones again', async () => {
    const world = await World.open();
    const { db } = world;
    await putDue(db, keysOf(3000, 'k'));
    world.now = 1010;
    expect(await db.expireNow()).toBe(3000);
    const fast = await removalsOf(db);
    expect(fast.slice(0, 3)).toEqual([16, 32, 48]);
    expect(Math.max(...fast)).toBe(256);
    await putDue(db, keysOf(3000, 'k'));
    world.now = 1020;
    passMs(0.6);
    expect(await db.expireNow()).toBe(3000);
    const slow = (await removalsOf(db)).slice(fast.length);
    expect(slow.at(-2)).toBe(16);
    await db.close();
  });

  test('is in short records when keys are long', async () => {
    const world = await World.open();
    const { db } = world;
    await putDue(db, keysOf(500, 'k'.repeat(5000)));
    world.now = 1010;
    expect(await db.expireNow()).toBe(500);
    // 64 KiB hold 13 of them.
    expect(Math.max(...(await removalsOf(db)))).toBe(14);
    await db.close();
  });

  test('takes no clock that goes on for one that has gone back', async () => {
    const world = await World.open();
    const { db } = world;
    await putDue(db, keysOf(1000, 'k'));
    world.clock = () => ++world.now;
    world.now = 1010;
    const meet = vi.spyOn(Expiry.prototype, 'meet');
    let removed = 0;
    const removal = db.expireNow().then((count) => {
      removed = count;
    });
    while (removed === 0) {
      expect(db.get('k7')).toBeUndefined();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await removal;
    expect(removed).toBe(1000);
    const times = meet.mock.calls.map(([now]) => now);
    expect(times.length).toBeGreaterThan(10);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    await db.close();
  });

  test('is refused while the function of a transaction runs, and in a read-only store', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 10 });
    world.db.transaction(() => {
      expect(() => world.db.expireNow()).toThrow(TypeError);
      expect(() => world.db.touch('a', { ttl: 1 })).toThrow(TypeError);
    });
    const readOnly = await world.open({ readOnly: true });
    expect(() => readOnly.expireNow()).toThrow(/readOnly/);
    world.now = 1e9;
    // It shows what the log has, and the log has no removal.
    expect(readOnly.getEntry('a')).toMatchObject({ value: 1, expiresAt: 1010 });
    await readOnly.close();
    await world.db.close();
  });
});

describe('a store that follows another', () => {
  test('loses entries when its log says so, and by no clock of its own', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 10 });
    await db.put('b', 1, { ttl: 20 });
    const follower = await world.open({ readOnly: true });
    const early = follower.snapshot();
    world.now = 1010;
    await follower.refresh();
    expect([...follower.keys()]).toEqual(['a', 'b']);
    expect(db.get('a')).toBeUndefined();
    await db.touch('b', { ttl: 100 });
    await follower.refresh();
    // The record of the touch says that what was due at 1010 is gone.
    expect([...follower.getEntries()]).toMatchObject([{ key: 'b', expiresAt: 1110 }]);
    expect(follower.size).toBe(1);
    world.now = 1110;
    await db.expireNow();
    await follower.refresh();
    expect(follower.size).toBe(0);
    expect([...early.keys()]).toEqual(['a', 'b']);
    early.close();
    await follower.close();
    await db.close();
  });
});

describe('a watch', () => {
  test('tells that a key has expired, of a key and of a range', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 10 });
    const key = db.watch('a')[Symbol.asyncIterator]();
    const range = db.watchRange({ prefix: 'a' })[Symbol.asyncIterator]();
    expect((await key.next()).value).toMatchObject({ entry: { value: 1 } });
    expect([...(await range.next()).value!.entries()]).toEqual([['a', 1]]);
    const [gone, without] = [key.next(), range.next()];
    world.now = 1010;
    // A read finds it before its removal is written.
    expect(db.get('a')).toBeUndefined();
    await world.timers();
    expect((await gone).value).toMatchObject({ entry: undefined });
    const state = (await without).value!;
    expect(state.changed).toEqual(['a']);
    expect([...state.entries()]).toEqual([]);
    await db.close();
  });
});

describe('a transaction', () => {
  test('that only reads is a durable read of what has expired', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 10 });
    world.now = 1010;
    expect(await world.db.transaction((tx) => tx.get('a'))).toBeUndefined();
    world.machine.cutPower();
    world.now = 1;
    await world.reopen();
    expect(world.db.get('a')).toBeUndefined();
    await world.db.put('b', 1, { ttl: 10 });
    world.now = 11;
    const seen = await world.db.transaction(async (tx) => {
      await null;
      // Nobody has looked at it since it is due.
      expect(tx.get('b')).toBeUndefined();
      return tx.size;
    });
    expect(seen).toBe(0);
    world.machine.cutPower();
    world.now = 1;
    await world.reopen();
    expect(world.db.size).toBe(0);
    await world.db.close();
  });

  test('has one time while its function runs, and another at its commit', async () => {
    const world = await World.open();
    const { db } = world;
    db.put('a', 1, { ttl: 10 });
    db.transaction((tx) => {
      expect(tx.now).toBe(1000);
      world.now = 1010;
      expect(tx.get('a')).toBe(1);
      expect(db.get('a')).toBe(1);
      expect(tx.now).toBe(1000);
      tx.put('b', 1, { ttl: 5 });
      expect(tx.getEntry('b')).toMatchObject({ version: 0, expiresAt: 1005 });
      tx.touch('a', { ttl: 100 });
    });
    expect([...db.getEntries()]).toMatchObject([{ key: 'a', expiresAt: 1100 }]);
    const times: number[] = [];
    await db.transaction(async (tx) => {
      times.push(tx.now);
      tx.put('c', 1, { ttl: 5 });
      world.now = 1020;
      await null;
      times.push(tx.now);
      expect(tx.get('c')).toBe(1);
      tx.atCommit((last) => {
        times.push(last.now);
        expect(last.get('c')).toBeUndefined();
      });
    });
    expect(times).toEqual([1010, 1010, 1020]);
    expect(db.has('c')).toBe(false);
    await db.close();
  });

  test('conflicts with what comes due before its commit, and with nothing else', async () => {
    const world = await World.open();
    const { db } = world;
    db.put('a', 1, { ttl: 10 });
    db.put('b', 1, { ttl: 20 });
    const readsOf = async (read: (tx: { get(key: string): unknown; size: number }) => unknown) => {
      const seen: unknown[] = [];
      await db.transaction(async (tx) => {
        seen.push(read(tx as never));
        await null;
        if (seen.length === 1) world.now += 10;
        tx.put('z', 1);
      });
      return seen;
    };
    expect(await readsOf((tx) => tx.get('b'))).toEqual([1]);
    expect(await readsOf((tx) => tx.size)).toEqual([2, 1]);
    await db.close();
  });
});

describe('a snapshot', () => {
  test('keeps what was there at its time, and has nothing that was due', async () => {
    const world = await World.open();
    const { db } = world;
    db.put('a', 1, { ttl: 10 });
    db.put('b', 1, { ttl: 20 });
    const early = db.snapshot();
    world.now = 1010;
    const late = db.snapshot();
    world.now = 1020;
    expect(db.size).toBe(0);
    expect(early.now).toBe(1000);
    expect(late.now).toBe(1010);
    expect([...early.keys()]).toEqual(['a', 'b']);
    expect([...late.keys()]).toEqual(['b']);
    await db.expireNow();
    expect([...early.keys()]).toEqual(['a', 'b']);
    expect(late.get('b')).toBe(1);
    early.close();
    late.close();
    await db.close();
  });

  test('of a namespace that nobody has looked at is as of its time, whoever looks first', async () => {
    const world = await World.open();
    const one = world.db.namespace('one');
    one.put('a', 1, { ttl: 10 });
    one.put('b', 1, { ttl: 20 });
    one.put('c', 1, { ttl: 30 });
    const views = [1000, 1010, 1020].map((now) => {
      world.now = now;
      return world.db.snapshot();
    });
    world.now = 1025;
    expect(one.size).toBe(1);
    expect(views.map((view) => [...view.in(one).keys()].join(''))).toEqual(['abc', 'bc', 'c']);
    for (const view of views) view.close();
    await world.db.close();
  });
});

describe('bad input', () => {
  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['ttl 0', { ttl: 0 }, /ttl: expected a finite number of milliseconds above 0, got the number 0/],
    ['a negative ttl', { ttl: -1 }, /ttl/],
    ['a ttl of NaN', { ttl: Number.NaN }, /ttl/],
    ['an infinite ttl', { ttl: Number.POSITIVE_INFINITY }, /expiresAt: Infinity/],
    ['a ttl in words', { ttl: '5 minutes' }, /ttl/],
    ['a ttl of null', { ttl: null }, /ttl/],
    ['expiresAt NaN', { expiresAt: Number.NaN }, /expiresAt/],
    ['expiresAt -Infinity', { expiresAt: Number.NEGATIVE_INFINITY }, /expiresAt/],
    ['a Date', { expiresAt: new Date() }, /expiresAt: expected a time, which is a number, got a Date/],
    ['both forms', { ttl: 1, expiresAt: 1 }, /got both/],
    ['another name', { expires: 1 }, /expires/],
  ];

  test.each(refused)('%s is a TypeError, and changes nothing', async (_, given, message) => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const { lastLsn } = db;
    const attempts = [
      () => db.put('a', 2, given),
      () => db.touch('a', given),
      () => db.batch([{ type: 'put', key: 'a', value: 2, ...given }]),
      () => db.batch([{ type: 'touch', key: 'a', ...given }]),
      () => db.transaction((tx) => tx.put('a', 2, given)),
      () => db.transaction((tx) => tx.touch('a', given)),
    ];
    for (const attempt of attempts) {
      let error: unknown;
      try {
        attempt();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(message);
    }
    expect(db.lastLsn).toBe(lastLsn);
    expect(db.getEntry('a')).toEqual({ value: 1, version: lastLsn });
    await db.close();
  });

  test('a touch without a deadline is a TypeError', async () => {
    const { db } = await World.open();
    const none: object[] = [{}, { ttl: undefined }, { durability: 'memory' }];
    for (const given of none) expect(() => db.touch('a', given)).toThrow(/expiry: expected ttl or expiresAt/);
    expect(() => db.touch('a', undefined as never)).toThrow(TypeError);
    expect(() => db.batch([{ type: 'touch', key: 'a' }])).toThrow(
      /operations\[0\]: expected ttl or expiresAt/,
    );
    await db.close();
  });

  // A time in nanoseconds once came into the log, where it has no room, and the store could not be opened again.
  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1.7e18, '1', undefined, null])(
    'a clock that shows %s is a TypeError that names it, where a deadline counts',
    async (shown) => {
      const world = await World.open();
      const { db } = world;
      await db.namespace('with').put('a', 1, { ttl: 100 });
      await db.put('b', 1);
      world.clock = () => shown as number;
      const named = /clock/;
      expect(() => db.namespace('with').get('a')).toThrow(named);
      expect(() => db.namespace('with').size).toThrow(named);
      expect(() => db.namespace('with').put('a', 2)).toThrow(named);
      expect(() => db.put('b', 1, { ttl: 1 })).toThrow(named);
      expect(() => db.touch('b', { ttl: 1 })).toThrow(named);
      expect(() => db.snapshot()).toThrow(named);
      await expect((async () => db.expireNow())()).rejects.toThrow(named);
      expect(db.get('b')).toBe(1);
      await db.put('b', 2);
      await world.timers();
      world.clock = null;
      world.now = 1100;
      await world.timers();
      expect(db.namespace('with').size).toBe(0);
      await db.close();
    },
  );

  test('a clock that is no function is a TypeError', async () => {
    const { machine } = new World();
    await expect(machine.open('/s', { clock: 7 as never })).rejects.toThrow(/clock/);
  });

  test('a clock that stands still expires nothing', async () => {
    const world = await World.open();
    await world.db.put('a', 1, { ttl: 1 });
    for (let at = 0; at < 5; at++) {
      await world.timers();
      expect(world.machine.disk.timers).toBe(1);
    }
    expect(world.db.get('a')).toBe(1);
    await world.db.close();
  });

  test('a clock that writes, or closes the store, does so before or after the write that asks it', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1, { ttl: 100 });
    world.clock = () => {
      world.clock = null;
      db.put('a', 'of the clock');
      return 1000;
    };
    await db.put('b', 1, { ttl: 10 });
    expect([...db.entries()]).toEqual([
      ['a', 'of the clock'],
      ['b', 1],
    ]);
    world.clock = () => {
      void db.close();
      return 1000;
    };
    expect(() => db.put('c', 1, { ttl: 10 })).toThrow(/closed/);
    await db.close();
  });
});

describe('the clock of the system', () => {
  test('is that of the storage', async () => {
    const machine = inMemory();
    const db = await machine.open<number>('/s');
    await db.put('a', 1, { ttl: 1000 });
    machine.disk.advanceClock(990);
    expect(db.get('a')).toBe(1);
    machine.disk.advanceClock(20);
    expect(db.get('a')).toBeUndefined();
    machine.disk.shiftWallClock(-5000);
    expect(db.get('a')).toBeUndefined();
    await db.close();
  });
});
