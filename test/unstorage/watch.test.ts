// watch() of the driver for unstorage: every durable write is told, once and in order, whoever made it.

import { createStorage } from 'unstorage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyRange, Store } from '../../src/index.js';
import { inMemory } from '../../src/testing/index.js';
import { keelsonDriver } from '../../src/unstorage/index.js';

let now: number;
let db: Store<string, unknown>;
let told: string[];
let wake: () => void;

beforeEach(async () => {
  now = 1_000_000;
  db = await inMemory().open('/storage', { clock: () => now });
  told = [];
  wake = () => undefined;
});

afterEach(() => db.close());

function listener(event: string, key: string): void {
  told.push(`${event} ${key}`);
  wake();
}

/** Resolves when so many events were told since the last call, with these. */
async function events(count: number): Promise<string[]> {
  while (told.length < count) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  return told.splice(0);
}

describe('a watch', () => {
  test('sees the writes of the driver', async () => {
    const storage = createStorage({ driver: keelsonDriver({ store: db }) });
    const stop = await storage.watch(listener);
    await storage.setItem('a', 1);
    await storage.setItemRaw('b', 2);
    await storage.setItems([{ key: 'c', value: 3 }]);
    await storage.removeItem('a');
    await storage.clear();
    expect(await events(6)).toEqual(['update a', 'update b', 'update c', 'remove a', 'remove b', 'remove c']);
    await stop();
  });

  test('sees the writes of others, each of them, and what expires', async () => {
    await db.put('old', 1);
    const stop = await keelsonDriver({ store: db }).watch(listener);
    db.put('a', 1, { ttl: 1000 });
    db.put('a', 2, { ttl: 1000 });
    await db.transaction((tx) => {
      tx.put('b', 1);
      tx.delete('old');
    });
    expect(await events(4)).toEqual(['update a', 'update a', 'update b', 'remove old']);
    await db.touch('a', { ttl: 1000 });
    now += 1000;
    await db.expireNow();
    expect(await events(1)).toEqual(['remove a']);
    await stop();
  });

  test('sees nothing of other namespaces', async () => {
    const items = db.namespace('items');
    const stopDb = await keelsonDriver({ store: db }).watch(listener);
    await items.put('not told', 1);
    await db.put('told', 1);
    expect(await events(1)).toEqual(['update told']);
    await stopDb();
    const stopItems = await keelsonDriver({ store: items }).watch(listener);
    await db.put('not told', 1);
    await items.put('told', 1);
    expect(await events(1)).toEqual(['update told']);
    await db.drop('items');
    expect((await events(2)).sort()).toEqual(['remove not told', 'remove told']);
    await stopItems();
  });

  // The order of strings puts U+1F600 before U+FF5E, and that of UTF-8 behind it.
  const keys = ['a', 'ab', 'b', '\u{1f600}', '\uff5e'];
  const ranges: readonly [range: KeyRange<string>, removed: readonly string[]][] = [
    [{}, keys],
    [{ prefix: 'a' }, ['a', 'ab']],
    [{ gt: 'a' }, keys.slice(1)],
    [{ gte: 'ab' }, keys.slice(1)],
    [{ lt: 'b' }, ['a', 'ab']],
    [{ lte: 'b' }, ['a', 'ab', 'b']],
    [{ gt: '\u{1f600}' }, ['\uff5e']],
    [{ lt: '\uff5e' }, keys.slice(0, 4)],
  ];

  test.each(ranges)('sees each key that a clear of %j removes', async (range, removed) => {
    for (const key of keys) await db.put(key, 1);
    const stop = await keelsonDriver({ store: db }).watch(listener);
    await db.clear(range);
    await db.put('last', 1);
    const expected = [...removed.map((key) => `remove ${key}`), 'update last'];
    expect((await events(expected.length)).sort()).toEqual(expected.sort());
    await stop();
  });

  test('sees the keys of a clear with a limit, and not those that are gone', async () => {
    for (const key of keys) await db.put(key, 1);
    await db.delete('ab');
    const stop = await keelsonDriver({ store: db }).watch(listener);
    await db.delete('a');
    await db.clear({ limit: 1 });
    expect(await events(2)).toEqual(['remove a', 'remove b']);
    await stop();
  });

  test('tells nothing any more when it is ended, by the driver and from inside', async () => {
    const driver = keelsonDriver({ store: db });
    const stop = await driver.watch(listener);
    const stopInside = await driver.watch((event, key) => {
      void stopInside();
      listener(event, `${key} inside`);
    });
    await db.batch([
      { type: 'put', key: 'a', value: 1 },
      { type: 'put', key: 'b', value: 1 },
    ]);
    expect((await events(3)).sort()).toEqual(['update a', 'update a inside', 'update b']);
    await stop();
    const stopLast = await driver.watch(listener);
    await driver.dispose();
    const stopOther = await keelsonDriver({ store: db }).watch(listener);
    await db.put('c', 1);
    expect(await events(1)).toEqual(['update c']);
    await stopOther();
    await stopLast();
  });

  test('ends with its store', async () => {
    const stop = await keelsonDriver({ store: db }).watch(listener);
    await db.close();
    await stop();
    expect(told).toEqual([]);
    await expect(keelsonDriver({ store: db }).watch(listener)).rejects.toMatchObject({
      code: 'KEELSON_CLOSED',
    });
  });
});
