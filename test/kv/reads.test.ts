// The reads of stores and snapshots against a sorted array, also while a decoder writes to the store.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CustomValueEncoding, RangeOptions, Reads, Store } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';

interface Item {
  readonly key: string;
  readonly value: number;
  readonly version: number;
}

const key = fc.integer({ min: 0, max: 40 }).map((number) => `key ${number}`);
const writes = fc.array(fc.tuple(key, fc.boolean()), { maxLength: 60 });
const range: fc.Arbitrary<RangeOptions<string>> = fc.record(
  {
    gte: key,
    lt: key,
    prefix: fc.constantFrom('key 1', 'key 2', 'k', 'x'),
    reverse: fc.boolean(),
    offset: fc.nat({ max: 30 }),
    limit: fc.nat({ max: 30 }),
  },
  { requiredKeys: [] },
);

/** Puts and deletes keys, and returns the entries that are there then, in the order of their keys. */
async function itemsAfter(
  db: Store<string, number>,
  changes: readonly (readonly [string, boolean])[],
): Promise<Item[]> {
  const items = new Map<string, Item>();
  for (const [at, [name, isDeleted]] of changes.entries()) {
    if (isDeleted) {
      db.delete(name);
      items.delete(name);
    } else items.set(name, { key: name, value: at, version: await db.put(name, at) });
  }
  return [...items.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function inRange(items: readonly Item[], { gte, lt, prefix = '' }: RangeOptions<string>): Item[] {
  return items.filter(
    (item) =>
      (gte === undefined || item.key >= gte) &&
      (lt === undefined || item.key < lt) &&
      item.key.startsWith(prefix),
  );
}

function expectRange(
  reads: Reads<string, number>,
  items: readonly Item[],
  options: RangeOptions<string>,
): void {
  const { reverse = false, offset = 0, limit = Number.POSITIVE_INFINITY, ...bounds } = options;
  const within = inRange(items, options);
  const expected = (reverse ? within.toReversed() : within).slice(offset, offset + limit);
  expect([...reads.getEntries(options)]).toEqual(expected);
  expect([...reads.entries(options)]).toEqual(expected.map((item) => [item.key, item.value]));
  expect([...reads.keys(options)]).toEqual(expected.map((item) => item.key));
  expect([...reads.values(options)]).toEqual(expected.map((item) => item.value));
  expect(reads.count(bounds)).toBe(within.length);
}

function expectSingles(reads: Reads<string, number>, items: readonly Item[], keys: readonly string[]): void {
  const found = keys.map((name) => items.find((item) => item.key === name));
  const versioned = found.map((item) => item && { value: item.value, version: item.version });
  expect(reads.getEntryMany(keys)).toEqual(versioned);
  expect(keys.map((name) => reads.getEntry(name))).toEqual(versioned);
  expect(reads.getMany(keys)).toEqual(found.map((item) => item?.value));
  expect(reads.hasMany(keys)).toEqual(found.map((item) => item !== undefined));
  expect(keys.map((name) => reads.rank(name))).toEqual(
    keys.map((name) => items.filter((item) => item.key < name).length),
  );
  const places = Array.from({ length: 2 * items.length + 4 }, (_, at) => at - items.length - 2);
  const pairs = items.map((item) => [item.key, item.value]);
  expect(places.map((at) => reads.nth(at))).toEqual(places.map((at) => pairs.at(at)));
}

describe('the reads', () => {
  it('of a store, and of a snapshot when the store has changed, agree with an array', async () => {
    await fc.assert(
      fc.asyncProperty(writes, range, fc.array(key, { maxLength: 8 }), async (changes, options, keys) => {
        const db = await inMemory().open<number>('/db');
        const items = await itemsAfter(db, changes);
        const snapshot = db.snapshot();
        for (const reads of [db, snapshot]) {
          expectRange(reads, items, options);
          expectSingles(reads, items, keys);
          await db.clear();
        }
        expect([db.count(), db.nth(0), db.rank('z')]).toEqual([0, undefined, 0]);
        await db.close();
      }),
    );
  });

  it('take bytes for a rank, in the order of bytes', async () => {
    const db = await inMemory().open<number>('/db', { keyEncoding: 'bytes' });
    for (const byte of [0xff, 1, 0x80]) db.put(Uint8Array.of(byte), byte);
    expect([0, 1, 0x90, 0xff].map((byte) => db.rank(Uint8Array.of(byte)))).toEqual([0, 0, 2, 2]);
    expect(db.nth(1)).toEqual([Uint8Array.of(0x80), 0x80]);
    await db.close();
  });

  it('refuse a place that is no integer, keys that are no array, and a hole among keys', async () => {
    const db: Store<string, number> = await inMemory().open<number>('/db');
    const refusal = (message: string) => expect.objectContaining({ name: 'TypeError', message });
    for (const [at, got] of [
      [1.5, 'the number 1.5'],
      [Number.NaN, 'the number NaN'],
      [Number.POSITIVE_INFINITY, 'the number Infinity'],
      ['1', 'the string "1"'],
      [undefined, 'undefined'],
    ] as const) {
      expect(() => db.nth(at as number)).toThrow(refusal(`at: expected an integer, got ${got}`));
    }
    for (const read of ['getMany', 'getEntryMany', 'hasMany'] as const) {
      expect(() => db[read]('a' as never)).toThrow(
        refusal('keys: expected an array of keys, got the string "a"'),
      );
      expect(() => db[read](new Array(1))).toThrow(refusal('keys[0]: expected a string, got undefined'));
    }
    expect(() => db.rank(1 as never)).toThrow(/^key: expected a string, got the number 1/);
    await db.close();
  });

  // console.log(db) and an accidental JSON answer showed the machinery of the encodings.
  it('are done by objects that show what they are, and nothing of how they work', async () => {
    const db = await inMemory().open('/s');
    expect(Object.keys(db)).toEqual(['recovery', 'directory', 'id']);
    expect(Object.keys(db.namespace('n'))).toEqual(['name']);
    expect(Object.keys(db.snapshot())).toEqual(['lsn', 'now']);
    await db.transaction((tx) => expect(Object.keys(tx)).toEqual([]));
    const { indexes } = db.namespace('i', { indexes: (index) => ({ by: index(() => 1) }) });
    expect(Object.keys(indexes.by)).toEqual([]);
    await db.close();
  });

  it('throw KEELSON_CLOSED when the store is closed', async () => {
    const db = await inMemory().open<number>('/db');
    await db.put('a', 1);
    const snapshot = db.snapshot();
    await db.close();
    for (const reads of [db, snapshot] as const) {
      for (const read of [
        () => reads.getEntryMany([]),
        () => reads.hasMany([]),
        () => reads.getEntries(),
        () => reads.rank('a'),
        () => reads.nth(0),
        () => reads.nth(0.5),
      ]) {
        expect(read).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
      }
    }
  });
});

interface Meddling {
  /** Called with each value that the decoder decodes. */
  also?: (text: string) => void;
}

describe('a decoder that writes', () => {
  /** Opens a store with 1,000 values. */
  async function openWith(meddling: Meddling): Promise<Store<string, string>> {
    const encoding: CustomValueEncoding<string> = {
      name: 'meddling',
      encode: (text) => Buffer.from(text),
      decode(bytes) {
        const text = Buffer.from(bytes).toString();
        meddling.also?.(text);
        return text;
      },
    };
    const db: Store<string, string> = await inMemory().open('/db', { valueEncoding: encoding });
    for (let at = 0; at < 1000; at++) db.put(nameAt(at), `value ${at}`);
    await db.flush();
    return db;
  }

  const nameAt = (at: number): string => `key ${String(at).padStart(4, '0')}`;

  it('leaves an entry the version of its value', async () => {
    const meddling: Meddling = {};
    const db = await openWith(meddling);
    const { version } = db.getEntry(nameAt(7))!;
    meddling.also = () => {
      db.clear();
      for (let at = 0; at < 100; at++) db.put(nameAt(at), 'another value');
    };
    expect(db.getEntry(nameAt(7))).toEqual({ value: 'value 7', version });
    await db.close();
  });

  it('shows its writes to the rest of the keys that are read with it', async () => {
    const meddling: Meddling = {};
    const db = await openWith(meddling);
    const keys = [1, 2, 3].map(nameAt);
    meddling.also = (text) => {
      if (text !== 'value 1') return;
      db.clear();
      db.put(nameAt(3), 'new');
    };
    expect(db.getMany(keys)).toEqual(['value 1', undefined, 'new']);
    const versionOf3 = db.getEntry(nameAt(3))!.version;
    const lsn = await db.put(nameAt(1), 'value 1');
    meddling.also = (text) => {
      if (text === 'value 1') db.delete(nameAt(1));
    };
    expect(db.getEntryMany([...keys, nameAt(1)])).toEqual([
      { value: 'value 1', version: lsn },
      undefined,
      { value: 'new', version: versionOf3 },
      undefined,
    ]);
    await db.close();
  });

  it('changes neither an iteration over entries nor the entry at a place', async () => {
    const meddling: Meddling = {};
    const db = await openWith(meddling);
    const expected = [...db.getEntries()];
    let writes = 0;
    meddling.also = () => {
      if (writes++ % 100 === 0) db.clear();
      else db.put(nameAt(writes), 'new');
    };
    expect([...db.getEntries()]).toEqual(expected);
    meddling.also = () => db.clear();
    db.put('last', 'last');
    expect(db.nth(-1)).toEqual(['last', 'last']);
    expect(db.nth(-1)).toBeUndefined();
    await db.close();
  });
});
