// Well-known packages for Level databases, unchanged, on KeelsonLevel and beside it on classic-level.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type { AbstractLevel } from 'abstract-level';
import { ClassicLevel } from 'classic-level';
import { LevelDatastore } from 'datastore-level';
import { Key } from 'interface-datastore';
import { EntryStream, KeyStream, ValueStream } from 'level-read-stream';
import * as web from 'level-web-stream';
import { Quadstore } from 'quadstore';
import { DataFactory } from 'rdf-data-factory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// @ts-expect-error: its package.json hides its types.
import { LeveldbPersistence } from 'y-leveldb';
import * as Y from 'yjs';
import { KeelsonLevel } from '../../src/level/index.js';

type AnyLevel = AbstractLevel<unknown, unknown, unknown>;

const charwise = createRequire(import.meta.url)('charwise');

/** In the order of charwise. */
const VALUES = [
  false,
  true,
  -1e300,
  -2,
  -0.5,
  0,
  0.5,
  2,
  1e300,
  '',
  'a',
  'aa',
  'b',
  [],
  [1],
  [1, 'a'],
  [2],
  ['a'],
];

type LevelClass = new (location: string, options?: object) => unknown;

const DATABASES: readonly (readonly [name: string, Level: LevelClass])[] = [
  ['KeelsonLevel', KeelsonLevel],
  ['classic-level', ClassicLevel],
];

/** Returns all that a stream gives. */
async function read(stream: unknown): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream as AsyncIterable<unknown>) items.push(item);
  return items;
}

describe.each(DATABASES)('on %s', (_name, Level) => {
  let folder: string;
  let db: AnyLevel;

  const open = (options?: object) => {
    db = new Level(folder, options) as AnyLevel;
  };

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-level-'));
  });

  afterEach(async () => {
    await db.close();
    fs.rmSync(folder, { recursive: true });
  });

  test('charwise keys are found, and in their order', async () => {
    open({ keyEncoding: charwise, valueEncoding: 'json' });
    await db.batch(VALUES.toReversed().map((key) => ({ type: 'put', key, value: key })));
    expect(await db.keys().all()).toEqual(VALUES);
    for (const key of VALUES) expect(await db.get(key)).toEqual(key);
    expect(await db.values({ gte: [1], lt: [2] }).all()).toEqual([[1], [1, 'a']]);
  });

  test('level-read-stream streams entries, keys and values', async () => {
    open();
    const keys = Array.from({ length: 3000 }, (_, n) => `key ${String(n).padStart(4, '0')}`);
    await db.batch(keys.map((key) => ({ type: 'put', key, value: key.toUpperCase() })));
    const level = db as AbstractLevel<unknown>;
    expect(await read(new KeyStream(level, {}))).toEqual(keys);
    expect(await read(new ValueStream(level, { reverse: true, limit: 2 }))).toEqual(['KEY 2999', 'KEY 2998']);
    expect(await read(new EntryStream(level, { gte: 'key 2998', highWaterMark: 1 }))).toEqual([
      { key: 'key 2998', value: 'KEY 2998' },
      { key: 'key 2999', value: 'KEY 2999' },
    ]);
  });

  test('level-web-stream streams into the database and out of it', async () => {
    open();
    const operations = Array.from({ length: 1200 }, (_, n) => [`key ${String(n).padStart(4, '0')}`, `${n}`]);
    const source = new ReadableStream({
      start(controller) {
        for (const operation of [...operations, { type: 'del', key: 'key 0001' }])
          controller.enqueue(operation);
        controller.close();
      },
    });
    // Its types are for abstract-level 1.
    const level = db as never;
    await source.pipeTo(new web.BatchStream(level) as never);
    const [first, , ...others] = operations;
    expect(await read(new web.EntryStream(level))).toEqual([first, ...others]);
    expect(await read(new web.KeyStream(level, { lt: 'key 0003' }))).toEqual(['key 0000', 'key 0002']);
    const values = new web.ValueStream(level, { reverse: true, highWaterMark: 1 });
    const reader = (values as unknown as ReadableStream<unknown>).getReader();
    expect(await reader.read()).toEqual({ done: false, value: '1199' });
    await reader.cancel();
  });

  test('y-leveldb keeps the documents of Yjs', async () => {
    // Where a database throws, it resolves with null.
    const persistence = new LeveldbPersistence(folder, { Level });
    await persistence._transact(async (made: AnyLevel) => {
      db = made;
    });
    const doc = new Y.Doc();
    const stored: Promise<number>[] = [];
    doc.on('update', (update: Uint8Array) => stored.push(persistence.storeUpdate('doc', update)));
    for (let n = 0; n < 20; n++) doc.getArray('words').push([`word ${n}`]);
    expect(await Promise.all(stored)).toEqual(stored.map((_, n) => n));
    await persistence.storeUpdate('other', Y.encodeStateAsUpdate(doc));
    await persistence.setMeta('doc', 'title', { text: 'A title' });
    await persistence.setMeta('doc', 'pages', 7);

    const words = doc.getArray('words').toJSON();
    const wordsOf = (kept: Y.Doc) => kept.getArray('words').toJSON();
    expect(wordsOf(await persistence.getYDoc('doc'))).toEqual(words);
    await persistence.flushDocument('doc');
    expect(wordsOf(await persistence.getYDoc('doc'))).toEqual(words);
    expect(await persistence.getStateVector('doc')).toEqual(Y.encodeStateVector(doc));
    expect(await persistence.getAllDocNames()).toEqual(['doc', 'other']);
    expect([...(await persistence.getMetas('doc'))]).toEqual([
      ['pages', 7],
      ['title', { text: 'A title' }],
    ]);
    await persistence.clearDocument('doc');
    expect(await persistence.getAllDocNames()).toEqual(['other']);
    expect(await persistence.getMeta('doc', 'title')).toBe(undefined);
    expect(wordsOf(await persistence.getYDoc('other'))).toEqual(words);
    await persistence.destroy();
  });

  test('quadstore finds the quads of a pattern and of a range', async () => {
    open();
    const factory = new DataFactory();
    const store = new Quadstore({ backend: db, dataFactory: factory as never });
    await store.open();
    const [age, knows] = ['age', 'knows'].map((name) => factory.namedNode(`ex:${name}`));
    const person = (n: number) => factory.namedNode(`ex:person/${n}`);
    const ageOf = (n: number) => factory.literal(String(n).padStart(3, '0'));
    const ages = Array.from({ length: 100 }, (_, n) => factory.quad(person(n), age!, ageOf(n)));
    const scope = await store.initScope();
    await store.multiPut(ages as never);
    await store.put(factory.quad(person(1), knows!, person(2)) as never);
    await store.put(factory.quad(factory.blankNode('b'), knows!, person(3)) as never, { scope });

    const { items } = await store.get({ subject: person(1) as never });
    expect(items.map(({ object }) => object.value)).toEqual(['001', 'ex:person/2']);
    const range = { termType: 'Range', gte: ageOf(10), lt: ageOf(13) } as never;
    const found = await store.get({ predicate: age as never, object: range });
    expect(found.items.map(({ subject }) => subject.value)).toEqual([10, 11, 12].map((n) => person(n).value));
    expect(await read(store.match(undefined, knows as never))).toHaveLength(2);

    await store.patch(ages[0] as never, factory.quad(person(0), age!, ageOf(200)) as never);
    await store.multiDel(ages.slice(50) as never);
    const left = await store.get({
      predicate: age as never,
      object: { termType: 'Range', gte: ageOf(49) } as never,
    });
    expect(left.items.map(({ object }) => object.value)).toEqual(['049', '200']);
    expect((await store.loadScope(scope.id)).blankNodes.size).toBe(1);
  });

  test('datastore-level keeps, queries and deletes the values of paths', async () => {
    open({ valueEncoding: 'view' });
    const datastore = new LevelDatastore(db as never);
    await datastore.open();
    const bytesOf = (text: string) => new TextEncoder().encode(text);
    const batch = datastore.batch();
    for (const name of ['a', 'b', 'c']) batch.put(new Key(`/blocks/${name}`), bytesOf(name));
    await datastore.put(new Key('/pins/a'), bytesOf('pin'));
    expect(await datastore.has(new Key('/blocks/a'))).toBe(false);
    await batch.commit();
    const value = await datastore.get(new Key('/blocks/a'));
    expect([...value]).toEqual([...bytesOf('a')]);
    await datastore.delete(new Key('/blocks/b'));
    await expect(datastore.get(new Key('/blocks/b'))).rejects.toMatchObject({ name: 'NotFoundError' });
    const pairs = await read(
      datastore.query({ prefix: '/blocks', orders: [(one, other) => (one.key.less(other.key) ? 1 : -1)] }),
    );
    expect(pairs.map((pair) => String((pair as { key: Key }).key))).toEqual(['/blocks/c', '/blocks/a']);
    const keys = await read(datastore.queryKeys({ filters: [(key) => key.name() === 'a'], offset: 1 }));
    expect(keys.map(String)).toEqual(['/pins/a']);
  });
});
