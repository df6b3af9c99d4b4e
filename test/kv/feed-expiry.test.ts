// Deadlines in the change feed: puts and touches tell them, and removals of what has expired tell their cause.

import { describe, expect, test, vi } from 'vitest';
import { Journal } from '../../src/journal/journal.js';
import type { Change, ChangeGroup } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import type { FedStore } from './feed-tools.js';

/** A store whose clock the test sets, and where its test reads on. */
class World {
  now = 1000;
  readonly machine = inMemory();
  db!: FedStore;
  #since = 0;

  async open(): Promise<FedStore> {
    this.db = (await this.machine.open('/db', { clock: () => this.now })) as unknown as FedStore;
    return this.db;
  }

  /** Returns the groups that were not taken yet. */
  async groups(): Promise<ChangeGroup<string>[]> {
    await this.db.flush();
    const groups: ChangeGroup<string>[] = [];
    const feed = this.db.changes({ since: this.#since, live: false });
    for await (const group of feed as AsyncIterable<ChangeGroup<string>>) groups.push(group);
    this.#since = groups.at(-1)?.lsn ?? this.#since;
    return groups;
  }

  async changes(): Promise<readonly Change<string>[][]> {
    return (await this.groups()).map(({ changes }) => [...changes]);
  }
}

async function worldWith(entries: Record<string, object>): Promise<World> {
  const world = new World();
  const db = await world.open();
  for (const [key, expiry] of Object.entries(entries)) await db.put(key, 1, expiry);
  if (Object.keys(entries).length > 0) await world.changes();
  return world;
}

const namespace = '';
const removed = (key: string) => ({ type: 'delete', namespace, key, cause: 'expired' });

describe('a feed tells', () => {
  test('the deadline of a put, and none where there is none', async () => {
    const world = await worldWith({});
    const { db } = world;
    await db.put('a', 1, { ttl: 100 });
    await db.put('a', 2, { expiresAt: 5000 });
    await db.put('a', 3);
    await db.namespace('other').put('b', 4, { ttl: 0.5 });
    expect(await world.changes()).toEqual([
      [{ type: 'put', namespace, key: 'a', value: 1, expiresAt: 1100 }],
      [{ type: 'put', namespace, key: 'a', value: 2, expiresAt: 5000 }],
      [{ type: 'put', namespace, key: 'a', value: 3 }],
      [
        { type: 'create', namespace: 'other', keyEncoding: 'utf8', valueEncoding: 'msgpack' },
        { type: 'put', namespace: 'other', key: 'b', value: 4, expiresAt: 1001 },
      ],
    ]);
    await db.close();
  });

  test('a touch with its new deadline, without one when it takes the deadline away, and with its LSN', async () => {
    const world = await worldWith({ a: { ttl: 100 } });
    const { db } = world;
    const lsns = [
      await db.touch('a', { ttl: 500 }),
      await db.touch('a', { expiresAt: Number.POSITIVE_INFINITY }),
      await db.batch([
        { type: 'put', key: 'b', value: 2 },
        { type: 'touch', key: 'b', ttl: 10 },
        { type: 'touch', key: 'absent', ttl: 10 },
      ]),
    ];
    await db.touch('absent', { ttl: 1 });
    const groups = await world.groups();
    expect(groups.map(({ lsn }) => lsn)).toEqual(lsns);
    expect(groups.map(({ changes }) => changes)).toEqual([
      [{ type: 'touch', namespace, key: 'a', expiresAt: 1500 }],
      [{ type: 'touch', namespace, key: 'a' }],
      [
        { type: 'put', namespace, key: 'b', value: 2 },
        { type: 'touch', namespace, key: 'b', expiresAt: 1010 },
      ],
    ]);
    await db.close();
  });

  test('nothing when an entry comes due, and its removal once, as expired', async () => {
    const world = await worldWith({ a: { ttl: 100 }, b: { ttl: 200 }, c: {} });
    const { db } = world;
    world.now = 1100;
    expect(await db.expireNow()).toBe(1);
    expect(await world.changes()).toEqual([[removed('a')]]);
    expect(await db.expireNow()).toBe(0);
    await db.delete('a');
    expect(await world.changes()).toEqual([]);
    await db.delete('b');
    expect(await world.changes()).toEqual([[{ type: 'delete', namespace, key: 'b', cause: 'deleted' }]]);
    world.now = 5000;
    expect(await db.expireNow()).toBe(0);
    expect(await world.changes()).toEqual([]);
    await db.close();
  });

  test('the removal of what a hook finds due while a write makes room, in the group of the write', async () => {
    const world = await worldWith({ a: { ttl: 100 }, b: { ttl: 10 }, c: { ttl: 100 } });
    const { db } = world;
    const { ensureRoom } = Journal.prototype;
    const spy = vi.spyOn(Journal.prototype, 'ensureRoom').mockImplementationOnce(function (
      this: Journal,
      bytes: number,
    ) {
      world.now = 1100;
      expect(db.get('a')).toBe(undefined);
      ensureRoom.call(this, bytes);
    });
    world.now = 1010;
    const puts = ['a', 'b', 'c'].map((key) => ({ type: 'put' as const, key, value: 2 }));
    await db.batch([...puts, { type: 'put', key: 'a', value: 3 }]);
    spy.mockRestore();
    const [changes, ...rest] = await world.changes();
    expect(rest).toEqual([]);
    expect(changes!.slice(0, 3)).toEqual(expect.arrayContaining([removed('a'), removed('b'), removed('c')]));
    expect(changes!.slice(3)).toEqual([
      { type: 'put', namespace, key: 'a', value: 2 },
      { type: 'put', namespace, key: 'b', value: 2 },
      { type: 'put', namespace, key: 'c', value: 2 },
      { type: 'put', namespace, key: 'a', value: 3 },
    ]);
    expect([...db.entries()]).toEqual([
      ['a', 3],
      ['b', 2],
      ['c', 2],
    ]);
    world.machine.kill();
    const again = await world.open();
    expect([...again.keys()]).toEqual(['a', 'b', 'c']);
    await again.close();
  });

  test('the removal of what a write meets first, in the group of the write', async () => {
    const world = await worldWith({ a: { ttl: 10 }, b: { ttl: 10 }, c: { ttl: 10 }, d: { ttl: 10 } });
    const { db } = world;
    world.now = 2000;
    await db.put('a', 2);
    await db.transaction((tx) => {
      expect(tx.get('b')).toBe(undefined);
      tx.put('b', 3, { ttl: 50 });
    });
    await db.batch([
      { type: 'put', key: 'c', value: 4 },
      { type: 'delete', key: 'c' },
    ]);
    const told = await world.changes();
    expect(told.slice(0, 3)).toEqual([
      [removed('a'), { type: 'put', namespace, key: 'a', value: 2 }],
      [removed('b'), { type: 'put', namespace, key: 'b', value: 3, expiresAt: 2050 }],
      [
        removed('c'),
        { type: 'put', namespace, key: 'c', value: 4 },
        { type: 'delete', namespace, key: 'c', cause: 'deleted' },
      ],
    ]);
    await db.expireNow();
    expect([...told.slice(3), ...(await world.changes())]).toEqual([[removed('d')]]);
    await db.close();
  });

  test('after a restart the same, and removals by the clock of then', async () => {
    const world = await worldWith({ a: { ttl: 100 }, b: { ttl: 300 } });
    await world.db.touch('a', { ttl: 200 });
    await world.db.close();
    const db = await world.open();
    world.now = 1200;
    await db.expireNow();
    expect(await world.changes()).toEqual([
      [{ type: 'touch', namespace, key: 'a', expiresAt: 1200 }],
      [removed('a')],
    ]);
    world.machine.kill();
    world.now = 1300;
    const again = await world.open();
    await again.expireNow();
    expect(await world.changes()).toEqual([[removed('b')]]);
    await again.close();
  });
});

test('a feed of a range tells touches and removals within it', async () => {
  const world = await worldWith({});
  const { db } = world;
  const words = db.namespace('words');
  for (const key of ['a', 'b', 'c']) await words.put(key, 1, { ttl: 100 });
  const since = db.lastLsn;
  for (const key of ['a', 'b', 'c']) await words.touch(key, { ttl: 200 });
  world.now = 1200;
  await db.expireNow();
  const changes: unknown[] = [];
  for await (const group of words.changes({ since, live: false, range: { gte: 'b', lt: 'c' } })) {
    changes.push(...group.changes);
  }
  expect(changes).toEqual([
    { type: 'touch', namespace: 'words', key: 'b', expiresAt: 1200 },
    { type: 'delete', namespace: 'words', key: 'b', cause: 'expired' },
  ]);
  await db.close();
});
