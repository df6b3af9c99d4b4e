// KeyvKeelson where the published suite of Keyv does not look: directories, expiry, namespaces, errors, the contract of
// Keyv 6, and packages that use Keyv.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createCache } from 'cache-manager';
import { Cacheable } from 'cacheable';
import Keyv, { type KeyvStoreAdapter } from 'keyv';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { open, type Store } from '../../src/index.js';
import DefaultExport, { KeyvKeelson } from '../../src/keyv/index.js';
import { inMemory } from '../../src/testing/index.js';

let now: number;
let db: Store<string, unknown>;
let folder: string;

beforeEach(async () => {
  now = Date.now();
  db = await inMemory().open('/cache', { clock: () => now });
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-keyv-'));
});

afterEach(async () => {
  await db.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function itemsOf(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('KeyvKeelson', () => {
  test('is the default export, too, and an adapter by the types of Keyv', () => {
    expect(DefaultExport).toBe(KeyvKeelson);
    const adapter: KeyvStoreAdapter = new KeyvKeelson(db);
    expect(adapter.opts.dialect).toBe('sqlite');
  });

  test('takes a namespace of a store, and leaves everything else alone', async () => {
    await db.put('mine', 1);
    const cache = db.namespace('cache');
    const keyv = new Keyv({ store: new KeyvKeelson(cache), useKeyPrefix: false });
    keyv.namespace = undefined;
    await keyv.set('a', 'b');
    expect([...cache.keys()]).toEqual(['a']);
    await keyv.clear();
    expect([...cache.keys()]).toEqual([]);
    expect(db.get('mine')).toBe(1);
  });

  test.each([undefined, null, 7, '', {}, new Map(), new URL('http://localhost/cache')])(
    'refuses %s',
    (given) => {
      expect(() => new KeyvKeelson(given as never)).toThrow(
        /^store: expected an open store, a namespace or a directory, got /,
      );
    },
  );

  test('resolves a set when it is durable', async () => {
    const adapter = new KeyvKeelson(db);
    await adapter.set('a', 'b');
    expect(db.durableLsn).toBe(db.lastLsn);
    await adapter.setMany([{ key: 'c', value: 'd' }]);
    expect(db.durableLsn).toBe(db.lastLsn);
    await adapter.delete('a');
    expect(db.durableLsn).toBe(db.lastLsn);
  });

  test('with durability memory resolves a write before it is durable', async () => {
    const adapter = new KeyvKeelson(db, { durability: 'memory' });
    const writes = [
      () => adapter.set('a', 'b', 1000),
      () => adapter.setMany([{ key: 'c', value: 'd' }]),
      () => adapter.delete('a'),
      () => adapter.deleteMany(['c']),
      () => adapter.set('e', 'f').then(() => adapter.clear()),
    ];
    for (const write of writes) {
      await db.flush();
      await write();
      expect(db.durableLsn).toBeLessThan(db.lastLsn);
    }
    expect(db.size).toBe(0);
  });

  test.each([{ durability: 'none' }, { durable: true }, 7])('refuses the options %o', (options) => {
    expect(() => new KeyvKeelson(db, options as never)).toThrow(/^KeyvKeelson.*(option|expected)/);
  });

  test('writes many entries, and deletes many, as one write', async () => {
    const adapter = new KeyvKeelson(db);
    const before = db.lastLsn;
    const groups = db.changes({ since: before, live: true });
    await adapter.setMany([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
    ]);
    await adapter.deleteMany(['a', 'b', 'c']);
    expect((await groups.next()).value?.changes).toHaveLength(2);
    expect((await groups.next()).value?.changes).toHaveLength(2);
    await groups.return?.();
  });

  test('tells whether a key that is deleted was there', async () => {
    const adapter = new KeyvKeelson(db);
    await adapter.set('a', 1);
    expect(await adapter.delete('b')).toBe(false);
    expect(await adapter.deleteMany(['b', 'c'])).toBe(false);
    expect(await adapter.deleteMany(['a', 'b'])).toBe(true);
    expect(await adapter.delete('a')).toBe(false);
  });

  test('passes the errors of the store on, and changes nothing', async () => {
    const adapter = new KeyvKeelson(db);
    await expect(adapter.set('a', Symbol('no'))).rejects.toThrow(TypeError);
    await expect(
      adapter.setMany([
        { key: 'a', value: 1 },
        { key: 'k'.repeat(65_537), value: 2 },
      ]),
    ).rejects.toMatchObject({ code: 'KEELSON_KEY_TOO_LARGE' });
    expect(db.size).toBe(0);
  });
});

describe('an entry with a time to live', () => {
  test('leaves the store when the time is over', async () => {
    const keyv = new Keyv(new KeyvKeelson(db), { namespace: 'n' });
    await keyv.set('a', 1, 1000);
    await keyv.setMany([
      { key: 'b', value: 2, ttl: 2000 },
      { key: 'c', value: 3 },
    ]);
    expect(db.size).toBe(3);
    now += 1001;
    expect(await db.expireNow()).toBe(1);
    expect([...db.keys()]).toEqual(['n:b', 'n:c']);
    now += 1000;
    expect([...db.keys()]).toEqual(['n:c']);
  });

  test('of 0 or without end does not expire, and one below 0 is past', async () => {
    const adapter = new KeyvKeelson(db);
    await adapter.set('zero', 1, 0);
    await adapter.set('endless', 1, Number.POSITIVE_INFINITY);
    await adapter.set('past', 1, -1);
    await expect(adapter.set('none', 1, Number.NaN)).rejects.toThrow(TypeError);
    now += 1e12;
    expect([...db.keys()]).toEqual(['endless', 'zero']);
  });
});

describe('a namespace', () => {
  test('is a prefix of keys, and clear() and iterator() keep to it', async () => {
    const [a, b] = ['a', 'ab'].map((namespace) => new Keyv(new KeyvKeelson(db), { namespace }));
    await a!.set('x', 1);
    await b!.set('y', 2);
    expect([...db.keys()]).toEqual(['a:x', 'ab:y']);
    expect(await itemsOf(a!.iterator!(undefined))).toEqual([['x', 1]]);
    await a!.clear();
    expect([...db.keys()]).toEqual(['ab:y']);
  });
});

describe('a directory', () => {
  test('is opened at the first call, and closed by disconnect()', async () => {
    const directory = path.join(folder, 'cache');
    const adapter = new KeyvKeelson(directory);
    expect(fs.existsSync(directory)).toBe(false);
    await adapter.set('a', 1);
    await expect(open(directory)).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await adapter.disconnect();
    const reopened = await open(directory);
    expect(reopened.get('a')).toBe(1);
    await reopened.close();
  });

  test('is shared by the adapters of a process, and closed by the last', async () => {
    const directory = path.join(folder, 'cache');
    const [one, two] = [new KeyvKeelson(directory), new KeyvKeelson(pathToFileURL(directory))];
    await Promise.all([one.set('a', 1), two.set('b', 2)]);
    expect(await one.get('b')).toBe(2);
    await one.disconnect();
    await one.disconnect();
    expect(await two.get('a')).toBe(1);
    await two.disconnect();
    await (await open(directory)).close();
  });

  test('is opened again whenever the next adapter comes while the last one closes it', async () => {
    const directory = path.join(folder, 'cache');
    let adapter = new KeyvKeelson(directory);
    await adapter.set('a', 1);
    for (let turns = 0; turns < 30; turns++) {
      const closing = adapter.disconnect();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      adapter = new KeyvKeelson(directory);
      expect(await adapter.get('a')).toBe(1);
      await closing;
      expect(await adapter.get('a')).toBe(1);
    }
    await adapter.disconnect();
  });

  test('is closed, too, when disconnect() comes while it is being opened', async () => {
    const directory = path.join(folder, 'cache');
    const adapter = new KeyvKeelson(directory);
    const written = adapter.set('a', 1);
    await adapter.disconnect();
    expect(await written).toBe(true);
    await (await open(directory)).close();
  });

  test('that was never used is not opened by disconnect()', async () => {
    const directory = path.join(folder, 'cache');
    await new KeyvKeelson(directory).disconnect();
    expect(fs.existsSync(directory)).toBe(false);
  });

  test('is refused after disconnect()', async () => {
    const adapter = new KeyvKeelson(path.join(folder, 'cache'));
    await adapter.disconnect();
    await expect(adapter.get('a')).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
  });

  test('that does not open is told as an event and by the call, and tried again by the next call', async () => {
    const directory = path.join(folder, 'cache');
    const owner = await open<unknown>(directory);
    const keyv = new Keyv(new KeyvKeelson(directory));
    const errors: unknown[] = [];
    keyv.on('error', (error) => errors.push(error));
    // Keyv 5 keeps the failures of reads to itself.
    expect(await keyv.get('a')).toBeUndefined();
    expect(errors).toMatchObject([{ code: 'KEELSON_LOCKED' }]);
    await expect(new KeyvKeelson(directory).get('a')).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await owner.close();
    expect(await keyv.set('a', 1)).toBe(true);
    await keyv.disconnect();
  });

  test('stays open when the store was given', async () => {
    const adapter = new KeyvKeelson(db);
    await adapter.disconnect();
    await db.put('a', 1);
    await expect(adapter.get('a')).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
  });
});

describe('the contract of Keyv 6', () => {
  function adapter6(namespace?: string): KeyvKeelson {
    const adapter = new KeyvKeelson(db);
    // Keyv 6 asks for the capabilities before anything else, and then sets the namespace.
    expect(adapter.capabilities).toMatchObject({ compatible: true, store: 'keyvStorage', expires: true });
    adapter.namespace = namespace;
    return adapter;
  }

  test('names methods that are there', () => {
    const adapter = adapter6();
    const { methods } = adapter.capabilities;
    expect(Object.keys(methods)).toHaveLength(11);
    for (const name of Object.keys(methods) as (keyof typeof methods)[]) {
      expect(methods[name]).toEqual({ exists: true, methodType: 'async' });
      expect(adapter[name]).toBeTypeOf('function');
    }
  });

  test('gives keys without a namespace, which the adapter puts before them', async () => {
    const [one, two] = [adapter6('one'), adapter6('two')];
    await one.set('a', 1);
    await two.setMany([{ key: 'a', value: 2 }]);
    expect([...db.entries()]).toEqual([
      ['one:a', 1],
      ['two:a', 2],
    ]);
    expect(await one.get('a')).toBe(1);
    expect(await one.getMany(['a', 'b'])).toEqual([1, undefined]);
    expect(await two.has('a')).toBe(true);
    expect(await two.hasMany(['a', 'b'])).toEqual([true, false]);
    expect(await itemsOf(two.iterator())).toEqual([['a', 2]]);
    expect(await itemsOf(adapter6().iterator())).toEqual([
      ['one:a', 1],
      ['two:a', 2],
    ]);
    await one.clear();
    expect([...db.keys()]).toEqual(['two:a']);
    expect(await two.delete('a')).toBe(true);
    expect(db.size).toBe(0);
  });

  test('gives the times at which entries expire', async () => {
    const adapter = adapter6();
    expect(await adapter.set('a', 1, now + 1000)).toBe(true);
    expect(
      await adapter.setMany([
        { key: 'b', value: 2, expires: now + 2000 },
        { key: 'past', value: 3, expires: now },
        { key: 'c', value: 4, expires: undefined },
      ]),
    ).toEqual([true, true, true]);
    expect([...db.keys()]).toEqual(['a', 'b', 'c']);
    now += 1000;
    expect(await adapter.get('a')).toBeUndefined();
    now += 1000;
    expect(await db.expireNow()).toBe(2);
    expect([...db.keys()]).toEqual(['c']);
  });

  test('expects of deleteMany() which keys were there', async () => {
    const adapter = adapter6('n');
    await adapter.set('a', 1);
    expect(await adapter.deleteMany(['a', 'b'])).toEqual([true, false]);
  });
});

describe('packages that use Keyv', () => {
  test('cache-manager keeps its cache in a store', async () => {
    const cache = createCache({ stores: [new Keyv({ store: new KeyvKeelson(db), namespace: 'c' })] });
    let calls = 0;
    const load = () => cache.wrap('user:7', () => ({ name: 'Ada', calls: ++calls }), 60_000);
    expect(await load()).toEqual({ name: 'Ada', calls: 1 });
    expect(await load()).toEqual({ name: 'Ada', calls: 1 });
    await cache.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2, ttl: 60_000 },
    ]);
    expect(await cache.mget(['a', 'b', 'x'])).toEqual([1, 2, undefined]);
    expect(await cache.mdel(['a'])).toBe(true);
    expect([...db.keys()]).toEqual(['c:b', 'c:user:7']);
    now += 60_001;
    expect(db.size).toBe(0);
    await cache.clear();
  });

  test('cacheable finds in a store what its memory has lost', async () => {
    const secondary = () => new Keyv({ store: new KeyvKeelson(db), namespace: 'c' });
    const before = new Cacheable({ secondary: secondary() });
    await before.set('a', { b: [1] }, '1h');
    await before.setMany([{ key: 'x', value: 1 }]);
    const after = new Cacheable({ secondary: secondary() });
    expect(await after.get('a')).toEqual({ b: [1] });
    expect(await after.getMany(['x', 'y'])).toEqual([1, undefined]);
    expect(await after.has('a')).toBe(true);
    expect(await after.delete('a')).toBe(true);
    expect([...db.keys()]).toEqual(['c:x']);
    await after.clear();
    expect(db.size).toBe(0);
  });
});
