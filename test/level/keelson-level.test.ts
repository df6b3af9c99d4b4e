// Facts of KeelsonLevel that the suite of abstract-level does not ask about.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isKeelsonError, open } from '../../src/kv/index.js';
import { KeelsonLevel } from '../../src/level/index.js';

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-level-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

const placeOf = (name: string) => path.join(folder, name);

async function opened(options = {}, name = 'db'): Promise<KeelsonLevel> {
  const db = new KeelsonLevel(placeOf(name), options);
  await db.open();
  return db;
}

/** Returns the error that a promise rejects with. */
const errorOf = (promise: Promise<unknown>) => promise.then(() => null).catch((error) => error);

test('it supports all that classic-level does, apart from the methods of LevelDB', async () => {
  const [ours, theirs] = [new KeelsonLevel(placeOf('ours')), new ClassicLevel(placeOf('theirs'))];
  expect(ours.supports).toEqual({ ...theirs.supports, additionalMethods: {} });
  // Otherwise they would open by themselves when the folder is gone.
  await Promise.all([ours.close(), theirs.close()]);
});

describe('keys and values', () => {
  const texts = ['', 'a', 'ä', '\u{ffff}', '\u{1f600}', 'a\0b', 'x'.repeat(200), 'ß'.repeat(200), 'b\u{80}'];

  test('are the same bytes as text, as Buffer and as Uint8Array', async () => {
    const db = await opened();
    for (const text of texts) await db.put(text, text);
    for (const text of texts) {
      const bytes = Buffer.from(text);
      expect(await db.get(text)).toBe(text);
      expect(await db.get(bytes, { keyEncoding: 'buffer' })).toBe(text);
      expect(await db.get(new Uint8Array(bytes), { keyEncoding: 'view' })).toBe(text);
      expect(db.getSync(text, { valueEncoding: 'buffer' })).toEqual(bytes);
    }
    await db.close();
  });

  test('are in the order of bytes, as in classic-level', async () => {
    const [ours, theirs] = [await opened(), new ClassicLevel(placeOf('theirs'))];
    const operations = texts.map((text) => ({ type: 'put', key: text, value: text }) as const);
    await Promise.all([ours.batch(operations), theirs.batch(operations)]);
    expect(await ours.keys().all()).toEqual(await theirs.keys().all());
    expect(await ours.iterator({ reverse: true }).all()).toEqual(
      await theirs.iterator({ reverse: true }).all(),
    );
    await Promise.all([ours.close(), theirs.close()]);
  });

  test('may hold any bytes and lone surrogates, which text shows as U+FFFD', async () => {
    const db = await opened();
    const bytes = Uint8Array.of(0xff, 0x00, 0xc3);
    await db.put(bytes, bytes, { keyEncoding: 'view', valueEncoding: 'view' });
    await db.put('\ud800', 'a long value with a lone surrogate \udc00');
    expect(await db.keys({ keyEncoding: 'buffer' }).all()).toEqual([
      Buffer.from('\ufffd'),
      Buffer.from(bytes),
    ]);
    expect(await db.values().all()).toEqual(['a long value with a lone surrogate \ufffd', '\ufffd\0\ufffd']);
    await db.close();
  });

  test('may be views of any kind, and change after the call', async () => {
    const db = await opened();
    const words = Uint16Array.of(1, 2);
    const put = db.put(words, words, { keyEncoding: 'view', valueEncoding: 'view' } as object);
    words.fill(9);
    await put;
    expect(await db.iterator({ keyEncoding: 'buffer', valueEncoding: 'buffer' }).all()).toEqual([
      [Buffer.of(1, 0, 2, 0), Buffer.of(1, 0, 2, 0)],
    ]);
    await db.close();
  });

  test('have the limit of a Keelson key', async () => {
    const db = await opened();
    const error = await errorOf(db.put('k'.repeat(65_537), ''));
    expect(isKeelsonError(error, 'KEELSON_KEY_TOO_LARGE')).toBe(true);
    await db.close();
  });
});

describe('a write', () => {
  test('is durable when its promise resolves', async () => {
    const db = await opened();
    const { store } = db;
    await db.put('a', '1');
    expect(store!.durableLsn).toBe(store!.lastLsn);
    await db.batch([
      { type: 'put', key: 'b', value: '2' },
      { type: 'del', key: 'a' },
    ]);
    expect(store!.durableLsn).toBe(store!.lastLsn);
    await db.close();
  });

  test('with durability memory resolves before, and with sync it is durable all the same', async () => {
    const db = await opened({ durability: 'memory' });
    const { store } = db;
    await db.put('a', '1');
    expect(store!.durableLsn).toBeLessThan(store!.lastLsn);
    await db.put('b', '2', { sync: true });
    expect(store!.durableLsn).toBe(store!.lastLsn);
    await db.put('c', '3', { durability: 'disk' });
    expect(store!.durableLsn).toBe(store!.lastLsn);
    await db.close();
  });

  test('with a wrong durability is refused', async () => {
    const db = await opened();
    const error = await errorOf(db.put('a', '1', { durability: 'none' } as object));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("expected 'disk' or 'memory'");
    expect(await db.get('a')).toBe(undefined);
    await db.close();
  });

  test('is there after the database is opened again', async () => {
    const db = await opened({ durability: 'memory' });
    const writes = [db.put('a', '1'), db.batch().put('b', '2').del('none').write()];
    await Promise.all(writes);
    await db.close();
    await db.open();
    expect(await db.iterator().all()).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    await db.close();
  });

  test('that clears by a snapshot leaves what the snapshot does not have', async () => {
    const db = await opened();
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: key })));
    const snapshot = db.snapshot();
    await db.put('bb', 'new');
    await db.clear({ snapshot, gte: 'a', limit: 2, reverse: true });
    expect(await db.keys().all()).toEqual(['a', 'bb']);
    await db.close();
  });
});

test('a batch sees its own operations', async () => {
  const db = await opened();
  await db.batch([
    { type: 'put', key: 'a', value: '1' },
    { type: 'del', key: 'a' },
    { type: 'del', key: 'b' },
    { type: 'put', key: 'b', value: '2' },
  ]);
  expect(await db.iterator().all()).toEqual([['b', '2']]);
  await db.close();
});

test('values are copies', async () => {
  const db = await opened({ valueEncoding: 'buffer' });
  const value = Buffer.alloc(100, 1);
  await db.put('a', value as never);
  ((await db.get('a')) as unknown as Buffer).fill(2);
  expect(await db.get('a')).toEqual(value);
  await db.close();
});

describe('an iterator', () => {
  test('rejects when the store beneath is closed', async () => {
    const db = await opened();
    await db.put('a', '1');
    const iterator = db.iterator();
    await db.store!.close();
    expect(isKeelsonError(await errorOf(iterator.next()), 'KEELSON_CLOSED')).toBe(true);
    await db.close();
  });

  test('shows the entries of the call, however long it is read', async () => {
    const db = await opened({ durability: 'memory' });
    const keys = Array.from({ length: 5000 }, (_, n) => String(n).padStart(4, '0'));
    await db.batch(keys.map((key) => ({ type: 'put', key, value: key })));
    const iterators = [db.keys(), db.keys(), db.keys()] as const;
    await db.clear();
    const stepped: string[] = [];
    for await (const key of iterators[0]) stepped.push(key);
    expect(stepped).toEqual(keys);
    expect(await iterators[1].nextv(4999)).toEqual(keys.slice(0, -1));
    expect(await iterators[2].all()).toEqual(keys);
    expect(await db.keys().all()).toEqual([]);
    await db.close();
  });

  test('gives the event loop its turns', async () => {
    const db = await opened({ durability: 'memory' });
    await db.batch(Array.from({ length: 5000 }, (_, n) => ({ type: 'put', key: `${n}`, value: '' })));
    const reads = {
      get: async () => {
        for (let n = 0; n < 5000; n++) await db.get(`${n}`);
      },
      getMany: async () => {
        for (let n = 0; n < 100; n++) await db.getMany(Array.from({ length: 100 }, (_, at) => `${at}`));
      },
      has: async () => {
        for (let n = 0; n < 5000; n++) await db.has(`${n}`);
      },
      next: async () => {
        for await (const _ of db.keys());
      },
      nextv: async () => {
        const keys = db.keys();
        while ((await keys.nextv(100)).length > 0);
        await keys.close();
      },
      all: () => db.keys().all(),
    };
    for (const [name, read] of Object.entries(reads)) {
      let hasTurned = false;
      setImmediate(() => {
        hasTurned = true;
      });
      await read();
      expect([name, hasTurned]).toEqual([name, true]);
    }
    await db.close();
  });

  test('reads the ranges that classic-level reads, and seeks where it does', async () => {
    const [ours, theirs] = [await opened(), new ClassicLevel(placeOf('theirs'))];
    const puts = ['1', '2', '3', '5', '6', '7'].map((key) => ({ type: 'put', key, value: key }) as const);
    await Promise.all([ours.batch(puts), theirs.batch(puts)]);
    const bounds = [{}, { gt: '2' }, { gte: '2' }, { gt: '5', gte: '2' }, { gt: '1', gte: '4' }, { gte: '' }];
    const ends = [{}, { lt: '6' }, { lte: '6' }, { lt: '3', lte: '6' }, { lt: '7', lte: '6' }, { lte: '' }];
    const ranges = bounds.flatMap((low) =>
      ends.flatMap((high) => [false, true].map((reverse) => ({ ...low, ...high, reverse }))),
    );
    for (const range of ranges) {
      const both = () => [ours.keys(range), theirs.keys(range)] as const;
      const [all, expected] = await Promise.all(both().map((keys) => keys.all()));
      expect([range, all]).toEqual([range, expected]);
      for (const target of ['', '1', '2', '4', '5', '9']) {
        const sought = both();
        for (const keys of sought) keys.seek(target);
        const [first, expectedFirst] = await Promise.all(sought.map((keys) => keys.nextv(2)));
        expect([range, target, first]).toEqual([range, target, expectedFirst]);
        await Promise.all(sought.map((keys) => keys.close()));
      }
    }
    await Promise.all([ours.close(), theirs.close()]);
  });

  test('ends with the abort of its signal, in the middle of all()', async () => {
    const db = await opened({ durability: 'memory' });
    await db.batch(Array.from({ length: 5000 }, (_, n) => ({ type: 'put', key: `${n}`, value: '' })));
    const controller = new AbortController();
    const all = errorOf(db.keys({ signal: controller.signal }).all());
    controller.abort(new Error('enough'));
    expect(await all).toMatchObject({
      name: 'AbortError',
      code: 'LEVEL_ABORTED',
      cause: { message: 'enough' },
    });
    await db.close();
  });
});

describe('errors', () => {
  test('of a store that another has open have the code of LevelDB, and Keelson’s as cause', async () => {
    const db = await opened();
    const error = await errorOf(new KeelsonLevel(placeOf('db')).open());
    expect(error).toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN', cause: { code: 'LEVEL_LOCKED' } });
    expect(isKeelsonError(error.cause.cause, 'KEELSON_LOCKED')).toBe(true);
    expect(error.cause.message).toBe(error.cause.cause.message);
    await db.close();
  });

  test('of a damaged store have the code of LevelDB', async () => {
    const db = await opened();
    await db.put('a', 'a value to be damaged');
    await db.put('b', 'a value behind it');
    await db.close();
    for (const name of fs.readdirSync(placeOf('db'))) {
      const file = path.join(placeOf('db'), name);
      const bytes = fs.readFileSync(file);
      const at = bytes.indexOf('to be damaged');
      if (at !== -1) fs.writeFileSync(file, bytes.fill(0, at, at + 2));
    }
    const error = await errorOf(new KeelsonLevel(placeOf('db')).open());
    expect(error).toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN', cause: { code: 'LEVEL_CORRUPTION' } });
    expect(isKeelsonError(error.cause.cause, 'KEELSON_CORRUPT')).toBe(true);
  });

  test('of a write that will not become durable have the code of LevelDB', async () => {
    const db = await opened({ engine: 'fs' });
    await db.put('a', '1');
    const failed = vi.spyOn(fs, 'fdatasync').mockImplementation((_, callback) => {
      callback(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' }));
    });
    const error = await errorOf(db.put('b', '2'));
    failed.mockRestore();
    expect(error).toMatchObject({ code: 'LEVEL_IO_ERROR' });
    expect(isKeelsonError(error.cause, 'KEELSON_POISONED')).toBe(true);
    await errorOf(db.close());
  });

  test('that Level has no code for are Keelson’s', async () => {
    const store = await open(placeOf('db'));
    await store.close();
    const error = await errorOf(new KeelsonLevel(placeOf('db')).open());
    expect(isKeelsonError(error.cause, 'KEELSON_ENCODING_MISMATCH')).toBe(true);
  });

  test('of a location are misuse', () => {
    for (const location of ['', undefined, 7])
      expect(() => new KeelsonLevel(location as string)).toThrow('location: expected a path, got');
  });
});

describe('the store beneath', () => {
  test('is there while the database is open, and holds the bytes', async () => {
    const db = new KeelsonLevel(placeOf('db'));
    expect(db.store).toBe(null);
    await db.open();
    await db.put('ä', 'ö');
    expect(db.store!.get(Buffer.from('ä'))).toEqual(new Uint8Array(Buffer.from('ö')));
    await db.close();
    expect(db.store).toBe(null);
    const store = await open(placeOf('db'), { keyEncoding: 'bytes', valueEncoding: 'bytes' });
    expect(store.size).toBe(1);
    await store.close();
  });

  test('gets the options of open(), and not those of classic-level', async () => {
    const db = await opened({ cacheSize: 1024, compression: false, maxUndurableBytes: 2 ** 20 });
    await db.put('a', '1');
    await db.close();
    const readOnly = await opened({ readOnly: true });
    expect(await readOnly.get('a')).toBe('1');
    expect(isKeelsonError(await errorOf(readOnly.put('a', '2')), 'KEELSON_READ_ONLY')).toBe(true);
    await readOnly.close();
    const wrong = await errorOf(opened({ engine: 'floppy' }));
    expect(wrong.cause).toBeInstanceOf(TypeError);
  });
});
