// The change feed: what changes() tells, in which order, from where on, and how an iteration ends.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Change,
  type ChangeGroup,
  type CustomValueEncoding,
  json,
  open as openOnDisk,
  type Store,
  tuple,
} from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';

const memory = { durability: 'memory' } as const;

/** Returns all groups of a feed that ends. */
async function groupsOf<K, V>(feed: AsyncIterableIterator<ChangeGroup<K, V>>): Promise<ChangeGroup<K, V>[]> {
  const groups: ChangeGroup<K, V>[] = [];
  for await (const group of feed) groups.push(group);
  return groups;
}

/** Returns all changes above an LSN. */
async function changesSince(db: Store<never, never>, since: number): Promise<Change[]> {
  const groups = await groupsOf((db as unknown as Store<string, unknown>).changes({ since, live: false }));
  return groups.flatMap(({ changes }) => changes);
}

async function next<K, V>(feed: AsyncIterableIterator<ChangeGroup<K, V>>): Promise<ChangeGroup<K, V>> {
  const { done, value } = await feed.next();
  if (done) throw new Error('The feed has ended');
  return value;
}

async function errorOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return expect.fail('expected an error');
}

const END = { done: true, value: undefined };

describe('changes()', () => {
  test('tells every kind of change, one group for each write', async () => {
    const { open } = inMemory();
    const db = await open('/db');
    const users = db.namespace('users', {
      keyEncoding: tuple<[string, number]>(),
      valueEncoding: json<number>(),
    });
    const lsns = [
      await db.put('a', 1),
      await db.put('a', 1),
      await db.batch([
        { type: 'put', key: 'b', value: { x: 1 } },
        { type: 'delete', key: 'a' },
        { type: 'delete', key: 'absent' },
      ]),
      await users.put(['u', 1], 7),
      await db.clear(),
      await users.clear({ prefix: ['u'] }),
      await db.drop(users),
    ];
    const groups = await groupsOf(db.changes({ since: 0, live: false }));
    expect(groups.map(({ lsn }) => lsn)).toEqual(lsns);
    const namespace = '';
    expect(groups.map(({ changes }) => changes)).toEqual([
      [{ type: 'put', namespace, key: 'a', value: 1 }],
      [{ type: 'put', namespace, key: 'a', value: 1 }],
      [
        { type: 'put', namespace, key: 'b', value: { x: 1 } },
        { type: 'delete', namespace, key: 'a', cause: 'deleted' },
      ],
      [
        { type: 'create', namespace: 'users', keyEncoding: 'tuple', valueEncoding: 'json' },
        { type: 'put', namespace: 'users', key: ['u', 1], value: 7 },
      ],
      [{ type: 'clear', namespace, range: {} }],
      [{ type: 'clear', namespace: 'users', range: { prefix: ['u'] } }],
      [{ type: 'drop', namespace: 'users' }],
    ]);
    await db.close();
  });

  test('tells each clear of one write with its own bounds, of the store or of a namespace alone', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const words = db.namespace<number>('words');
    for (const key of ['a', 'b', 'c']) await Promise.all([db.put(key, 1), words.put(key, 1)]);
    const since = db.lastLsn;
    await db.transaction((tx) => {
      tx.clear({ lt: 'b' });
      tx.in(words).clear({ gt: 'a', lte: 'b' });
      tx.in(words).clear({ gte: 'c' });
    });
    const ofRoot = { type: 'clear', namespace: '', range: { lt: 'b' } };
    const ofWords = [
      { type: 'clear', namespace: 'words', range: { gt: 'a', lte: 'b' } },
      { type: 'clear', namespace: 'words', range: { gte: 'c' } },
    ];
    const [group] = await groupsOf(db.changes({ since, live: false }));
    expect(group!.changes).toHaveLength(3);
    expect(group!.changes).toEqual(expect.arrayContaining([ofRoot, ...ofWords]));
    const [mine] = await groupsOf(words.changes({ since, live: false }));
    expect(mine!.changes).toEqual(ofWords);
    await db.close();
  });

  test('tells nothing of the birth, of deletes of absent keys and of refused writes', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    expect(await groupsOf(db.changes({ since: 0, live: false }))).toEqual([]);
    await db.delete('a');
    await db.put('a', 1);
    expect(() => db.put('a', 2, { ifVersion: 1 })).toThrow();
    expect(await groupsOf(db.changes({ since: 0, live: false }))).toHaveLength(1);
    await db.close();
  });

  test('tells later writes when they are durable, and by default only those', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    await db.put('a', 1);
    const feed = db.changes();
    const first = next(feed);
    const put = db.put('b', 2);
    const { lsn, changes } = await first;
    expect(lsn).toBeLessThanOrEqual(db.durableLsn);
    expect(changes).toMatchObject([{ key: 'b', value: 2 }]);
    await put;
    for (let count = 0; count < 300; count++) db.put(`k${count}`, count, memory);
    for (let count = 0; count < 300; count++)
      expect((await next(feed)).changes).toMatchObject([{ key: `k${count}`, value: count }]);
    await feed.return?.();
    expect(await feed.next()).toEqual(END);
    await db.close();
  });

  test('continues behind any write, and in a later life, with the same groups', async () => {
    const { open } = inMemory();
    let db = await open<unknown>('/db');
    const names = ['one', 'two', 'three'];
    for (let count = 0; count < 400; count++) {
      const name = names[count % 3]!;
      if (count % 7 === 0) await db.put(`k${count}`, { count, name, text: 'x'.repeat(count) });
      else await db.namespace(name).put(`k${count % 20}`, { count, at: [count] });
      if (count % 100 === 99) await db.drop('two');
      if (count === 250) {
        await db.close();
        db = await open('/db', { autoCheckpoint: false });
      }
    }
    expect(db.stats().journal!.segments).toBeGreaterThan(3);
    const all = await groupsOf(db.changes({ since: 0, live: false }));
    expect(all).toHaveLength(404);
    expect(all.flatMap(({ changes }) => changes).filter(({ type }) => type === 'create')).toHaveLength(6);
    for (let from = 0; from < all.length; from += 13) {
      const rest = await groupsOf(db.changes({ since: all[from]!.lsn, id: db.id, live: false }));
      expect(rest).toEqual(all.slice(from + 1));
    }
    await db.close();
    db = await open('/db');
    expect(await groupsOf(db.changes({ since: 0, live: false }))).toEqual(all);
    await db.close();
  });

  test('follows from a snapshot: the copy with the changes since is the store', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    for (let count = 0; count < 50; count++) db.put(`k${count}`, count, memory);
    const snapshot = db.snapshot();
    const copy = new Map(snapshot.entries());
    const feed = db.changes({ since: snapshot.lsn });
    for (let count = 25; count < 75; count++) db.put(`k${count}`, -count, memory);
    db.delete('k1', memory);
    for (;;) {
      const { lsn, changes } = await next(feed);
      for (const change of changes as Change<string, number>[]) {
        if (change.type === 'put') copy.set(change.key, change.value);
        else if (change.type === 'delete') copy.delete(change.key);
      }
      if (lsn === db.lastLsn) break;
    }
    expect(copy).toEqual(new Map(db.entries()));
    await feed.return?.();
    await db.close();
  });

  test('gives what is durable of a poisoned store, and then its error', async () => {
    const { open, disk } = inMemory();
    const db = await open<number>('/db');
    await db.put('a', 1);
    const live = db.changes({ since: 0 });
    const waiting = db.changes();
    const rejected = waiting.next().catch((error: unknown) => error);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await db.put('b', 2).catch(() => {});
    expect(db.poisoned).not.toBeNull();
    expect((await next(live)).changes).toMatchObject([{ key: 'a' }]);
    expect(await errorOf(() => live.next())).toBe(db.poisoned);
    expect(await rejected).toBe(db.poisoned);
    expect(await live.next()).toEqual(END);
    const later = db.changes({ since: 0, live: false });
    expect((await next(later)).changes).toMatchObject([{ key: 'a' }]);
    expect(await errorOf(() => later.next())).toBe(db.poisoned);
    await db.close();
  });

  test('ends when the store is closed; one that is not live throws there', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    await db.put('a', 1);
    const waiting = db.changes().next();
    const live = db.changes({ since: 0 });
    const cut = db.changes({ since: 0, live: false });
    await db.close();
    expect(await waiting).toEqual(END);
    expect(await live.next()).toEqual(END);
    expect(await errorOf(() => cut.next())).toMatchObject({ code: 'KEELSON_CLOSED' });
    expect(await errorOf(() => db.changes())).toMatchObject({ code: 'KEELSON_CLOSED' });
  });

  test('ends when its signal is aborted, before and while it waits', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const controller = new AbortController();
    const feeds = Array.from({ length: 50 }, () => db.changes({ signal: controller.signal }));
    const steps = feeds.map((feed) => feed.next());
    controller.abort();
    for (const step of await Promise.all(steps)) expect(step).toEqual(END);
    expect(await db.changes({ signal: controller.signal }).next()).toEqual(END);
    expect(db.stats().journal!.pins).toBe(0);
    await db.close();
  });

  test('gives overlapping calls of next() the groups in order', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const feed = db.changes();
    const steps = Array.from({ length: 20 }, () => feed.next());
    for (let count = 0; count < 20; count++) db.put('k', count, memory);
    const values = (await Promise.all(steps)).map(({ value }) => (value as ChangeGroup).changes[0]);
    expect(values).toMatchObject(Array.from({ length: 20 }, (_, value) => ({ value })));
    await feed.return?.();
    await db.close();
  });

  test('keeps the journal from its call on, and lets it go when it ends', async () => {
    const { open } = inMemory();
    const db = await open<string>('/db', { autoCheckpoint: false });
    const feed = db.changes({ since: 0 });
    for (let count = 0; count < 400; count++) db.put(`k${count}`, 'x'.repeat(1000), memory);
    await db.checkpoint();
    await db.checkpoint();
    expect((await next(feed)).changes).toMatchObject([{ key: 'k0' }]);
    await feed.return?.();
    await db.put('last', 'x');
    await db.checkpoint();
    const error = await errorOf(() => db.changes({ since: 0 }));
    expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    const { oldestLsn } = (error as { facts: { oldestLsn: number } }).facts;
    expect(oldestLsn).toBeGreaterThan(0);
    expect(await groupsOf(db.changes({ since: oldestLsn, live: false }))).not.toEqual([]);
    await db.close();
  });

  test('does not keep it for a reader that is too far behind, who is told so', async () => {
    const { open } = inMemory();
    const db = await open<string>('/db', { autoCheckpoint: false });
    const idle = db.changes({ maxLagBytes: 100_000 });
    const slow = db.changes({ maxLagBytes: 300_000 });
    const first = next(slow);
    await db.put('first', 'x');
    await first;
    for (let count = 0; count < 200; count++) await db.put(`k${count}`, 'x'.repeat(2000));
    await db.checkpoint();
    expect(db.stats().journal!.pins).toBe(0);
    for (const feed of [idle, slow]) {
      expect(await errorOf(() => feed.next())).toMatchObject({
        code: 'KEELSON_HISTORY_GONE',
        facts: { oldestLsn: expect.any(Number) },
      });
      expect(await feed.next()).toEqual(END);
    }
    expect(await errorOf(() => db.changes({ since: db.lastLsn - 2000, maxLagBytes: 5 }))).toMatchObject({
      code: 'KEELSON_HISTORY_GONE',
    });
    await db.close();
  });

  test('of 10,000 that are opened and left keeps no pin and no file', async () => {
    const { open, disk } = inMemory();
    const db = await open<number>('/db');
    for (let count = 0; count < 10; count++) await db.put('k', count);
    const files = disk.openFiles();
    for (let round = 0; round < 100; round++) {
      const feeds = Array.from({ length: 100 }, (_, at) => db.changes(at % 2 === 0 ? { since: 0 } : {}));
      const steps = feeds.filter((_, at) => at % 4 < 2).map((feed) => feed.next());
      for (const feed of feeds) void feed.return?.();
      await Promise.all(steps);
    }
    expect(db.stats().journal!.pins).toBe(0);
    // A feed closes its file when the read that is under way has ended.
    for (let turn = 0; turn < 100 && disk.openFiles().length > files.length; turn++)
      await new Promise(setImmediate);
    expect(disk.openFiles()).toEqual(files);
    await db.close();
  });

  test('tells of a commit after the writers that wait for it have gone on', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    let isTold = false;
    const feed = db.changes();
    const told = feed.next().then(() => {
      isTold = true;
    });
    await db.put('a', 1);
    for (let count = 0; count < 50; count++) await undefined;
    expect(isTold).toBe(false);
    await told;
    await feed.return?.();
    await db.close();
  });

  test('tells a creation once, also when two transactions create the namespace', async () => {
    const { open } = inMemory();
    const db = await open<string>('/db', { autoCheckpoint: false });
    const one = db.namespace<string>('one');
    let goOn = () => {};
    const mayEnd = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const late = db.transaction(async (tx) => {
      tx.in(one).put('late', 'x');
      await mayEnd;
    });
    // The function has put its key.
    await new Promise(setImmediate);
    await one.put('early', 'x');
    const { segments } = db.stats().journal!;
    while (db.stats().journal!.segments === segments) await db.put('k', 'x'.repeat(1000));
    const between = await db.put('k', 'x');
    goOn();
    await late;
    const told = db as unknown as Store<never, never>;
    const all = await changesSince(told, 0);
    expect(all.filter(({ type }) => type === 'create')).toHaveLength(1);
    // This feed does not read the segment with the first transaction.
    expect(await changesSince(told, between)).toMatchObject([{ type: 'put', namespace: 'one', key: 'late' }]);
    await db.close();
    expect((await open<string>('/db')).namespace<string>('one').size).toBe(2);
  });
});

describe('feeds that are caught up', () => {
  /** Returns feeds that wait for the next write. */
  async function caughtUp(db: Store<string, unknown>, count: number, first: unknown = 'text') {
    const feeds = Array.from({ length: count }, () => db.changes());
    const steps = feeds.map(next);
    await db.put('first', first);
    await Promise.all(steps);
    return feeds;
  }

  test('get keys and values of their own', async () => {
    const { open } = inMemory();
    const db = await open('/db');
    const pairs = db.namespace('pairs', { keyEncoding: tuple<[string, number]>() });
    await pairs.put(['a', 1], {});
    const feeds = await caughtUp(db, 3);
    await db.transaction((tx) => {
      tx.put('text', 'a');
      tx.in(pairs).put(['b', 1], { list: [1, 2] });
    });
    for (const feed of feeds) {
      const changes = (await next(feed)).changes as unknown as {
        key: unknown[];
        value: { list: number[] };
      }[];
      expect(changes).toMatchObject([
        { key: 'text', value: 'a' },
        { key: ['b', 1], value: { list: [1, 2] } },
      ]);
      changes[1]!.key.pop();
      changes[1]!.value.list.pop();
      Object.assign(changes[0]!, { key: 'other', value: 'other' });
      changes.length = 0;
      await feed.return?.();
    }
    await db.close();
  });

  test('have a value that is no object decoded once', async () => {
    let decoded = 0;
    const counted: CustomValueEncoding<string> = {
      name: 'counted',
      encode: (value) => Buffer.from(value),
      decode(bytes) {
        decoded++;
        return Buffer.from(bytes).toString();
      },
    };
    const { open } = inMemory();
    const db = await open('/db', { valueEncoding: counted });
    const feeds = await caughtUp(db as unknown as Store<string, unknown>, 3);
    decoded = 0;
    for (let count = 0; count < 100; count++) db.put(`k${count}`, `v${count}`, memory);
    for (const feed of feeds)
      for (let count = 0; count < 100; count++)
        expect((await next(feed)).changes).toMatchObject([{ key: `k${count}`, value: `v${count}` }]);
    expect(decoded).toBe(100);
    for (const feed of feeds) await feed.return?.();
    await db.close();
  });

  test('share the last records, and read the others for themselves', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const feeds = await caughtUp(db as unknown as Store<string, unknown>, 2);
    const count = 1000;
    for (let at = 0; at < count; at++) db.put(`k${at}`, at, memory);
    await db.flush();
    for (const feed of feeds) {
      for (let at = 0; at < count; at++)
        expect((await next(feed)).changes).toEqual([
          { type: 'put', namespace: '', key: `k${at}`, value: at },
        ]);
      await feed.return?.();
    }
    await db.close();
  });

  test.each([10, 100, 2000])('get binaries of %i bytes of their own', async (length) => {
    const { open } = inMemory();
    const db = await open('/db', { valueEncoding: 'bytes' });
    const feeds = await caughtUp(db as never, 3, new Uint8Array(1));
    const value = Uint8Array.from({ length }, (_, at) => at);
    await db.put('k', value);
    for (const feed of feeds) {
      const [change] = (await next(feed)).changes as unknown as { value: Uint8Array }[];
      expect(change!.value).toEqual(value);
      change!.value.fill(7);
      await feed.return?.();
    }
    expect(db.get('k')).toEqual(value);
    await db.close();
  });

  test.each([0, 1])('each know what others have read: feed %i goes on alone', async (at) => {
    const { open } = inMemory();
    const db = await open('/db');
    const feeds = await caughtUp(db, 2);
    const one = db.namespace('one');
    await one.put('a', 1);
    for (const feed of feeds)
      expect((await next(feed)).changes).toMatchObject([{ type: 'create' }, { key: 'a' }]);
    await feeds[1 - at]!.return?.();
    await one.put('b', 2);
    expect((await next(feeds[at]!)).changes).toMatchObject([{ namespace: 'one', key: 'b', value: 2 }]);
    await feeds[at]!.return?.();
    await db.close();
  });
});

describe('the start of a feed', () => {
  const misused = [
    [{ sinse: 1 }, TypeError],
    [{ since: '1' }, TypeError],
    [{ since: null }, TypeError],
    [{ since: -1 }, RangeError],
    [{ since: 0.5 }, RangeError],
    [{ since: Number.NaN }, RangeError],
    [{ since: 1e9 }, RangeError],
    [{ id: 7 }, TypeError],
    [{ live: 1 }, TypeError],
    [{ signal: {} }, TypeError],
    [{ maxLagBytes: 0 }, TypeError],
    [{ maxLagBytes: '1' }, TypeError],
    [{ range: {} }, TypeError],
    [null, TypeError],
  ] as const;

  test.each(misused)('at %j is refused at the call', async (options, error) => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    await db.put('a', 1);
    expect(() => db.changes(options as never)).toThrow(error);
    expect(db.stats().journal!.pins).toBe(0);
    await db.close();
  });

  test('inside of a write rejects at the first step', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const lsn = await db.put('a', 1);
    for (const since of [1, lsn - 1]) {
      for (const feed of [db.changes({ since }), db.changes({ since, live: false })]) {
        expect(await errorOf(() => feed.next())).toBeInstanceOf(RangeError);
        expect(await feed.next()).toEqual(END);
      }
    }
    const later = db.put('b', 2);
    const feed = db.changes({ since: lsn + 3 });
    await later;
    expect(await errorOf(() => feed.next())).toBeInstanceOf(RangeError);
    await db.close();
  });

  test('with the id of another store is KEELSON_HISTORY_GONE', async () => {
    const { open } = inMemory();
    const [db, other] = [await open<number>('/db'), await open<number>('/other')];
    expect(await errorOf(() => db.changes({ since: 0, id: other.id }))).toMatchObject({
      code: 'KEELSON_HISTORY_GONE',
      facts: { oldestLsn: 0 },
    });
    expect(await groupsOf(db.changes({ since: 0, id: db.id, live: false }))).toEqual([]);
    await Promise.all([db.close(), other.close()]);
  });

  test('of a read-only store follows the owner, up to what the files prove durable', async () => {
    const { open } = inMemory();
    const db = await open('/db');
    const people = db.namespace('people');
    await people.put('ada', 1);
    const first = await db.put('a', 1);
    const second = await db.put('b', 2);
    const reader = await open('/db', { readOnly: true });
    const feed = reader.changes({ since: 0, id: db.id });
    expect(await next(feed)).toMatchObject({ changes: [{ type: 'create' }, { key: 'ada', value: 1 }] });
    expect(await next(feed)).toMatchObject({ lsn: first, changes: [{ key: 'a', value: 1 }] });
    const later = await db.put('c', 3);
    expect(await next(feed)).toMatchObject({ lsn: second, changes: [{ key: 'b', value: 2 }] });
    await db.close();
    expect(await next(feed)).toMatchObject({ lsn: later, changes: [{ key: 'c', value: 3 }] });
    expect(reader.get('c')).toBe(undefined);
    const waiting = feed.next();
    await reader.close();
    expect(await waiting).toEqual(END);
  });

  // The feed once told the changes of another namespace, to which the log had given the id that the handle had meanwhile.
  test('of a namespace that is not there yet in a read-only store tells that namespace alone', async () => {
    const { open } = inMemory();
    const db = await open('/db');
    await db.put('a', 1);
    const reader = await open('/db', { readOnly: true });
    const feed = reader.namespace('later').changes();
    await db.namespace('other').put('of other', 1);
    const lsn = await db.namespace('later').put('of later', 2);
    await db.namespace('other').put('of other', 3);
    await db.close();
    expect(await next(feed)).toMatchObject({
      lsn,
      changes: [{ type: 'create', namespace: 'later' }, { key: 'of later' }],
    });
    await reader.close();
  });

  // A feed was forgotten when it ended, though it still had the file open that it had been reading.
  test('of a read-only store that is closed right behind it leaves no file open', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { open, disk } = inMemory({ seed });
      const db = await open('/db');
      for (let count = 0; count < 50; count++) await db.put(`k${count}`, 'x'.repeat(1000));
      await db.close();
      const reader = await open('/db', { readOnly: true });
      const feeds = [1, 2, 3].map(() => reader.changes({ since: 0 }));
      for (const feed of feeds) await next(feed);
      for (const feed of feeds) {
        void feed.next();
        void feed.return();
      }
      await reader.close();
      expect(disk.openFiles()).toEqual([]);
    }
  });

  test('of a read-only store that is not live ends before a commit that the files do not prove', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const a = await db.put('a', 1);
    const b = await db.put('b', 2);
    const reader = await open<number>('/db', { readOnly: true });
    expect(await reader.refresh()).toBe(b);
    expect(reader.get('b')).toBe(2);
    const lsnsOf = async () =>
      (await groupsOf(reader.changes({ since: 0, live: false }))).map(({ lsn }) => lsn);
    expect(await lsnsOf()).toEqual([a]);
    await db.close();
    await reader.refresh();
    expect(await lsnsOf()).toEqual([a, b]);
    await reader.close();
  });

  test('of a read-only store goes on behind its snapshot, also when that shows more than is proven', async () => {
    const { open } = inMemory();
    const db = await open('/db');
    await db.put('a', 1);
    const reader = await open('/db', { readOnly: true });
    const { lsn } = reader.snapshot();
    expect(lsn).toBe(db.lastLsn);
    const feed = reader.changes({ since: lsn });
    const b = await db.put('b', 2);
    await db.close();
    expect(await next(feed)).toMatchObject({ lsn: b, changes: [{ key: 'b' }] });
    expect(await groupsOf(reader.changes({ since: lsn, live: false }))).toEqual([]);
    await feed.return();
    await reader.close();
  });
});

describe('changes() of a namespace', () => {
  test('ends when the namespace is dropped before its first write', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    await db.put('a', 1);
    const [jobs, other] = [db.namespace('jobs'), db.namespace('other')];
    const aborted = jobs.changes({ signal: AbortSignal.abort() });
    const [waiting, unread, left] = [jobs.changes(), jobs.changes({ since: 0 }), jobs.changes()];
    const [others, written] = [other.changes(), other.changes()];
    await left.return?.();
    const steps = [waiting, others, written].map((feed) => feed.next());
    await db.drop(jobs);
    expect(await steps[0]).toEqual({ done: true, value: undefined });
    for (const feed of [aborted, waiting, unread, left])
      expect(await feed.next()).toEqual({ done: true, value: undefined });
    // A namespace that has been written to tells its drop.
    await other.put('b', 2);
    const dropped = await db.drop(other);
    for (const feed of [others, written])
      expect((await groupsOf(feed)).at(-1)).toEqual({
        lsn: dropped,
        changes: [{ type: 'drop', namespace: 'other' }],
      });
    expect(db.stats().journal!.pins).toBe(0);
    await db.close();
  });

  test('tells its changes, how far it has come, and ends behind its drop', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const jobs = db.namespace<number>('jobs');
    const feed = jobs.changes({ since: 0 });
    const created = await jobs.put('a', 1);
    expect(await next(feed)).toEqual({
      lsn: created,
      changes: [
        { type: 'create', namespace: 'jobs', keyEncoding: 'utf8', valueEncoding: 'msgpack' },
        { type: 'put', namespace: 'jobs', key: 'a', value: 1 },
      ],
    });
    const other = await db.put('elsewhere', 1);
    expect(await next(feed)).toEqual({ lsn: other, changes: [] });
    const waiting = next(feed);
    const dropped = await db.drop(jobs);
    expect(await waiting).toEqual({ lsn: dropped, changes: [{ type: 'drop', namespace: 'jobs' }] });
    expect(await feed.next()).toEqual(END);
    expect(await errorOf(() => jobs.changes())).toMatchObject({ code: 'KEELSON_DROPPED' });
    await db.namespace<number>('jobs').put('b', 1);
    const again = await groupsOf(db.namespace<number>('jobs').changes({ since: 0, live: false }));
    expect(again.flatMap(({ changes }) => changes).map(({ type }) => type)).toEqual(['create', 'put']);
    await db.close();
  });

  test('tells how far it has come after each 4 MiB', async () => {
    const { open } = inMemory();
    const db = await open<string>('/db', { autoCheckpoint: false });
    const jobs = db.namespace<number>('jobs');
    for (let count = 0; count < 12; count++) await db.put('k', 'x'.repeat(1_000_000));
    const groups = await groupsOf(jobs.changes({ since: 0, live: false }));
    expect(groups.map(({ changes }) => changes)).toEqual([[], [], []]);
    expect(groups.at(-1)!.lsn).toBe(db.lastLsn);
    await db.close();
  });

  test('within a range tells the keys in it, and cuts a clear to it', async () => {
    const { open } = inMemory();
    const db = await open<number>('/db');
    const words = db.namespace<number>('words');
    for (const key of ['a', 'b', 'c', 'd']) await words.put(key, 1);
    await words.clear({ gte: 'a', lt: 'c' });
    await words.clear({ gt: 'c' });
    await words.put('c', 2);
    await words.clear();
    const range = { gt: 'a', lte: 'c' };
    const groups = await groupsOf(words.changes({ since: 0, live: false, range }));
    expect(groups.flatMap(({ changes }) => changes)).toMatchObject([
      { type: 'create' },
      { type: 'put', key: 'b' },
      { type: 'put', key: 'c' },
      { type: 'clear', range: { gt: 'a', lt: 'c' } },
      { type: 'put', key: 'c', value: 2 },
      { type: 'clear', range: { gt: 'a', lte: 'c' } },
    ]);
    expect(() => words.changes({ range: { gt: 'a', gte: 'b' } })).toThrow(TypeError);
    expect(() => words.changes({ range: { limit: 1 } as never })).toThrow(TypeError);
    await db.close();
  });

  test('of tuples tells bounds by prefixes, in the clear and in the filter', async () => {
    const { open } = inMemory();
    const db = await open('/db', { keyEncoding: 'tuple' });
    const users = db.namespace<number>('users', { keyEncoding: 'tuple' });
    const odd = [Number.MIN_SAFE_INTEGER, -Math.PI, 2 ** 53 - 1];
    for (const key of odd) await users.put([key], 1);
    await users.clear({ gte: [odd[0]!], lt: [odd[2]!] });
    await users.put(['u', 1], 1);
    await users.clear({ prefix: ['u'], gt: ['u', 0] });
    await users.put(['u', 1], 1);
    await users.clear({ gte: ['a'] });
    await users.put(['u', 1, 2], 1);
    await users.clear({ prefix: ['u'] });
    const rangesOf = async (range: object): Promise<unknown[]> => {
      const groups = await groupsOf(users.changes({ since: 0, live: false, range }));
      return groups
        .flatMap(({ changes }) => changes)
        .flatMap((change) => (change.type === 'clear' ? [change.range] : []));
    };
    expect(await rangesOf({})).toEqual([
      { gte: [odd[0]!], lt: [odd[2]!] },
      { gt: ['u', 0], prefix: ['u'] },
      { gte: ['a'] },
      { prefix: ['u'] },
    ]);
    expect(await rangesOf({ prefix: ['u'] })).toEqual([
      { gt: ['u', 0], prefix: ['u'] },
      { prefix: ['u'] },
      { prefix: ['u'] },
    ]);
    expect(await rangesOf({ prefix: ['u', 1] })).toEqual([
      { prefix: ['u', 1] },
      { prefix: ['u', 1] },
      { prefix: ['u', 1] },
    ]);
    await db.close();
  });
});

describe('values in encodings of your own', () => {
  const points: CustomValueEncoding<{ x: number }> = {
    name: 'point',
    encode: ({ x }) => Uint8Array.of(x),
    decode: ([x]) => ({ x: x! }),
  };

  test('are decoded by the encoding that was given, and refused without', async () => {
    const { open } = inMemory();
    let db = await open('/db');
    await db.namespace('points', { valueEncoding: points }).put('a', { x: 7 });
    expect((await changesSince(db as never, 0)).at(-1)).toMatchObject({ value: { x: 7 } });
    await db.close();
    db = await open('/db');
    const feed = db.changes({ since: 0 });
    expect(await errorOf(() => feed.next())).toMatchObject({ code: 'KEELSON_ENCODING_MISMATCH' });
    await db.close();
    db = await open('/db', { encodings: [points] });
    expect((await changesSince(db as never, 0)).at(-1)).toMatchObject({ value: { x: 7 } });
    await db.close();
  });
});

describe('on a real disk', () => {
  const directories: string[] = [];
  afterEach(() => {
    for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
  });

  test.each(['fs', 'io_uring'] as const)('with %s, many readers get all groups in order', async (engine) => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-feed-'));
    directories.push(directory);
    let db: Store<string, number>;
    try {
      db = await openOnDisk<number>(path.join(directory, 'db'), { engine });
    } catch {
      return;
    }
    const readers = Array.from({ length: 5 }, async () => {
      const values: unknown[] = [];
      for await (const { changes } of db.changes()) {
        for (const change of changes) if (change.type === 'put') values.push(change.value);
        if (values.length >= 5000) return values;
      }
      return values;
    });
    for (let count = 0; count < 5000; count++) {
      db.put(`k${count % 100}`, count, memory);
      if (count % 50 === 0) await db.put(`k${count % 100}`, count);
    }
    await db.flush();
    const told = await Promise.all(readers);
    for (const values of told) expect(values).toEqual(told[0]);
    expect(new Set(told[0]).size).toBeGreaterThan(4800);
    await db.close();
  });
});
