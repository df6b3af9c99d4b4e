// The driver for unstorage under the real createStorage(): what unstorage documents of drivers, in our words.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createStorage, type Driver, prefixStorage, type Storage, type StorageValue } from 'unstorage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { open, type Store } from '../../src/index.js';
import { inMemory } from '../../src/testing/index.js';
import defaultExport, { keelsonDriver } from '../../src/unstorage/index.js';

let now: number;
let db: Store<string, unknown>;
let storage: Storage;

beforeEach(async () => {
  now = 1_000_000;
  db = await inMemory().open('/storage', { clock: () => now });
  storage = createStorage({ driver: keelsonDriver({ store: db }) });
});

afterEach(async () => {
  await storage.dispose();
  await db.close();
});

describe('the driver', () => {
  test('is the default export, too, and a driver by the types of unstorage', () => {
    expect(defaultExport).toBe(keelsonDriver);
    const driver: Driver = keelsonDriver({ store: db });
    expect(driver.name).toBe('keelson');
    expect(driver.getInstance!()).toBe(db);
  });

  test('sets, gets, and tells what is there', async () => {
    await storage.setItem('user:7', { name: 'Ada' });
    expect(await storage.getItem('user:7')).toEqual({ name: 'Ada' });
    expect(await storage.hasItem('user:7')).toBe(true);
    expect(await storage.getItem('user:8')).toBeNull();
    expect(await storage.getItemRaw('user:8')).toBeNull();
    expect(await storage.hasItem('user:8')).toBe(false);
    expect([...db.entries()]).toEqual([['user:7', '{"name":"Ada"}']]);
  });

  test.each(['text', '', 0, 7.5, true, false, null, [1, 'a'], { nested: { deep: [null] } }])(
    'gives %j back as it was',
    async (value) => {
      await storage.setItem('a', value);
      expect(await storage.getItem('a')).toEqual(value);
    },
  );

  test('keeps raw values as they are: bytes, and what the encoding takes', async () => {
    const bytes = Uint8Array.of(0, 255, 128);
    await storage.setItemRaw('bytes', bytes);
    expect(await storage.getItemRaw('bytes')).toEqual(bytes);
    await storage.setItemRaw('map', new Map([[1, new Date(0)]]));
    expect(await storage.getItemRaw('map')).toEqual(new Map([[1, new Date(0)]]));
    await storage.setItemRaw('buffer', Buffer.from('abc'));
    expect(Buffer.from((await storage.getItemRaw<Uint8Array>('buffer'))!)).toEqual(Buffer.from('abc'));
  });

  test('resolves when the write is durable', async () => {
    await storage.setItem('a', 1);
    expect(db.durableLsn).toBe(db.lastLsn);
    await storage.setItemRaw('a', 2);
    expect(db.durableLsn).toBe(db.lastLsn);
    await storage.removeItem('a');
    expect(db.durableLsn).toBe(db.lastLsn);
    expect(db.size).toBe(0);
  });

  test('sets many items as one write, and gets many', async () => {
    const groups = db.changes();
    await storage.setItems<StorageValue>([
      { key: 'a', value: 1 },
      { key: 'b', value: { c: 2 }, options: { ttl: 2 } },
    ]);
    expect((await groups.next()).value?.changes).toHaveLength(2);
    await groups.return?.();
    expect(await storage.getItems(['a', 'b', 'x'])).toEqual([
      { key: 'a', value: 1 },
      { key: 'b', value: { c: 2 } },
      { key: 'x', value: null },
    ]);
    expect(db.getEntry('b')?.expiresAt).toBe(now + 2000);
  });

  test('lists keys, all of them or below a base, to a depth', async () => {
    for (const key of ['a', 'user:1', 'user:2:name', 'users:3']) await storage.setItem(key, 1);
    expect(await storage.getKeys()).toEqual(['a', 'user:1', 'user:2:name', 'users:3']);
    expect(await storage.getKeys('user')).toEqual(['user:1', 'user:2:name']);
    expect(await storage.getKeys('user', { maxDepth: 1 })).toEqual(['user:1']);
    expect(await keelsonDriver({ store: db }).getKeys()).toHaveLength(4);
  });

  test('clears all items, or those below a base, as one write', async () => {
    for (const key of ['a', 'user:1', 'user:2', 'users:3']) await storage.setItem(key, 1);
    const before = db.lastLsn;
    const groups = db.changes({ since: before });
    // createStorage() clears mount points below a base, and leaves parts of a mount point to nobody but the driver.
    await keelsonDriver({ store: db }).clear('user:');
    expect([...db.keys()]).toEqual(['a', 'users:3']);
    expect((await groups.next()).value?.changes).toHaveLength(1);
    await groups.return?.();
    await storage.clear();
    expect(db.size).toBe(0);
  });

  test('keeps metadata that is set beside items', async () => {
    await storage.setItem('a', 1);
    await storage.setMeta('a', { by: 'ada' });
    expect(await storage.getMeta('a')).toMatchObject({ by: 'ada' });
    await storage.removeItem('a', { removeMeta: true });
    expect(db.size).toBe(0);
  });

  test('serves below a mount point, and below a prefix', async () => {
    const root = createStorage();
    root.mount('data', keelsonDriver({ store: db }));
    await prefixStorage(root, 'data:user').setItem('7', 'Ada');
    expect([...db.keys()]).toEqual(['user:7']);
    expect(await root.getKeys()).toEqual(['data:user:7']);
    await root.unmount('data');
  });

  test('takes a namespace, and leaves everything else alone', async () => {
    await db.put('mine', 1);
    const items = createStorage({ driver: keelsonDriver({ store: db.namespace('items') }) });
    await items.setItem('a', 1);
    expect(await items.getKeys()).toEqual(['a']);
    await items.clear();
    expect([...db.keys()]).toEqual(['mine']);
  });
});

describe('an item with a time to live', () => {
  test('in seconds leaves the store when the time is over', async () => {
    await storage.setItem('a', 1, { ttl: 2 });
    await storage.setItemRaw('b', 1, { ttl: 0.5 });
    await storage.setItem('c', 1, { ttl: 0 });
    now += 500;
    expect(await storage.getKeys()).toEqual(['a', 'c']);
    now += 1500;
    expect(await storage.getItem('a')).toBeNull();
    await db.expireNow();
    expect(db.size).toBe(1);
  });

  test('has that of the driver, if it has none of its own', async () => {
    const driven = createStorage({ driver: keelsonDriver({ store: db, ttl: 10 }) });
    await driven.setItem('a', 1);
    await driven.setItem('b', 1, { ttl: 20 });
    await driven.setItems([{ key: 'c', value: 1 }]);
    const deadlines = [...db.getEntries()].map(({ expiresAt }) => expiresAt);
    expect(deadlines).toEqual([now + 10_000, now + 20_000, now + 10_000]);
  });
});

describe('a directory', () => {
  test('is opened at the first use and closed by dispose()', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-unstorage-'));
    const base = path.join(folder, 'data');
    const disposed = createStorage({ driver: keelsonDriver({ base }) });
    expect(fs.existsSync(base)).toBe(false);
    const stop = await disposed.watch(() => undefined);
    await disposed.setItem('a', 1);
    await disposed.dispose();
    await stop();
    const reopened = await open(base);
    expect(reopened.get('a')).toBe('1');
    await reopened.close();
    fs.rmSync(folder, { recursive: true });
  });

  test.each([undefined, {}, { base: './a', store: {} }, { base: '' }, { base: 7 }, { store: {} }])(
    'is refused with the options %j',
    (options) => {
      expect(() => keelsonDriver(options as never)).toThrow(/^options[.a-z]*: expected /);
    },
  );
});
