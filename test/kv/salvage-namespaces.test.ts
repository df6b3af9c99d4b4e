// salvage() and verify() of stores with namespaces, of which some have lost their definitions.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decode } from '@msgpack/msgpack';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Namespace, salvage, verify } from '../../src/index.js';
import { tupleKeyCodec } from '../../src/kv/encoding/key-encoding.js';
import type { Store } from '../../src/kv/store.js';
import { Random } from '../../src/testing/random.js';
import { copyStore, openTiny, TINY } from './damage-tools.js';
import { blockStarts } from './image-tools.js';

let folder: string;
let source: string;
let victim: string;
let out: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-lost-'));
  [source, victim, out] = ['source', 'victim', 'out'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
});

afterEach(() => fs.rmSync(folder, { recursive: true }));

type Ns<K, V> = Namespace<K, V>;
const BYTES = { keyEncoding: 'bytes', valueEncoding: 'bytes' } as const;

function filesOf(directory: string, end: string): string[] {
  const names = fs.readdirSync(directory).filter((name) => name.endsWith(end));
  return names.sort().map((name) => path.join(directory, name));
}

/** Flips a bit of the first place in the journal where this text stands. */
function damageJournalAt(text: string): void {
  for (const file of filesOf(victim, '.journal')) {
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at]! ^= 1;
    fs.writeFileSync(file, bytes);
    return;
  }
  throw new Error(`${text} is nowhere in the journal`);
}

/** Flips a bit in the payload of the blocks of an image. */
function damageBlocks(file: string, numbers: readonly number[]): void {
  const bytes = fs.readFileSync(file);
  const starts = blockStarts(bytes);
  for (const number of numbers) bytes[starts.at(number)! + 30]! ^= 1;
  fs.writeFileSync(file, bytes);
}

/** One segment holds all that a test writes. So nothing defines a namespace again after its creation. */
const ONE_SEGMENT = { ...TINY, segmentBytesMin: 65_536, segmentBytesMax: 65_536 };

/** Writes a store, and copies it to where it is damaged. */
async function make(
  write: (store: Store<string, unknown>) => Promise<void>,
  journal: object = ONE_SEGMENT,
): Promise<void> {
  const store = await openTiny(source, {}, undefined, journal);
  await write(store);
  await store.close();
  copyStore(source, victim);
}

async function salvaged() {
  const report = await salvage(victim, out, { engine: 'fs' });
  // In the new store they are defined.
  const namespaces = report.namespaces.map((found) => ({ ...found, isLost: false }));
  expect(await verify(out)).toMatchObject({ ok: true, namespaces, lastLsn: report.lsn });
  return { report, store: await openTiny(out) };
}

/** Opens a namespace that has lost its name. */
function lost(store: Store<string, unknown>, name: string): Ns<Uint8Array, Uint8Array> {
  return store.namespace(name, BYTES) as unknown as Ns<Uint8Array, Uint8Array>;
}

function textsOf(namespace: Ns<Uint8Array, Uint8Array>): [string, string][] {
  return [...namespace.entries()].map(([key, value]) => [
    Buffer.from(key).toString(),
    Buffer.from(value).toString(),
  ]);
}

describe('a namespace whose creation is lost', () => {
  it('is named by its id, with bytes for keys and values, and all that was written to it since', async () => {
    await make(async (store) => {
      const people = store.namespace('the creation of people', { valueEncoding: 'utf8' } as object) as Ns<
        string,
        string
      >;
      await store.put('own', 1);
      await people.put('lost with it', 'lost');
      for (const key of ['a', 'b', 'c', 'd']) await people.put(key, `first ${key}`);
      await people.delete('b');
      await people.clear({ gte: 'c', lt: 'd' });
      await people.put('a', 'second a');
    });
    damageJournalAt('the creation of people');
    const { report, store } = await salvaged();
    expect(report.namespaces).toEqual([
      { name: 'lost-1', keyEncoding: 'bytes', valueEncoding: 'bytes', entries: 2, isLost: true },
    ]);
    const what = 'nothing says what namespace 1 is, so its keys and values are read as bytes';
    expect(report.damages.filter((damage) => damage.what === what)).toHaveLength(1);
    expect(store.namespaces()).toEqual(['lost-1']);
    expect(store.get('own')).toBe(1);
    const found = lost(store, 'lost-1');
    expect(textsOf(found)).toEqual([
      ['a', 'second a'],
      ['d', 'first d'],
    ]);
    // It is a namespace like any other.
    await found.put(Buffer.from('b'), Buffer.from('third'));
    await store.drop(found);
    expect(store.namespaces()).toEqual([]);
    await store.close();
  });

  it('keeps the versions, and tuples as their bytes', async () => {
    let version = 0;
    await make(async (store) => {
      const pairs = store.namespace('the creation of pairs', {
        keyEncoding: 'tuple',
      } as object) as unknown as Ns<unknown, number>;
      await pairs.put(['lost'], 0);
      version = await pairs.put(['pair', 7], 5);
    });
    damageJournalAt('the creation of pairs');
    const { store } = await salvaged();
    const key = Buffer.from(tupleKeyCodec.toIndexKey('key', ['pair', 7]), 'latin1');
    expect(lost(store, 'lost-1').getEntry(key)).toEqual({ value: new Uint8Array([5]), version });
    await store.close();
  });

  // The values of a namespace refer to shapes by ids, and the new store of salvage() has no namespace that knows these.
  it('has values of whole MessagePack, also those that left out the names of properties', async () => {
    const value = (at: number) => ({ id: at, name: `name ${at}`, tags: ['x'] });
    await make(async (store) => {
      const people = store.namespace('the creation of people');
      for (let at = 0; at < 40; at++) await people.put(`k${at}` as never, value(at) as never);
    });
    damageJournalAt('the creation of people');
    const { report, store } = await salvaged();
    expect(report.namespaces).toMatchObject([{ name: 'lost-1', entries: 39 }]);
    const found = lost(store, 'lost-1');
    for (let at = 1; at < 40; at++) expect(decode(found.get(Buffer.from(`k${at}`))!)).toEqual(value(at));
    await store.close();
  });

  it('takes no name that another namespace has, created before it or after it', async () => {
    await make(async (store) => {
      const text = { valueEncoding: 'utf8' } as object;
      const names = ['lost-3', 'between', 'the creation of people', 'lost-3-2'];
      // Ids are given in the order of these calls: the one that is lost has id 3.
      const all = names.map((name) => store.namespace(name, text) as Ns<string, string>);
      for (const namespace of all) await namespace.put('k', namespace.name);
      for (const namespace of all) await namespace.put('l', namespace.name);
    });
    damageJournalAt('the creation of people');
    const { report, store } = await salvaged();
    const names = report.namespaces.map(({ name, entries, isLost }) => [name, entries, isLost]);
    expect(names).toEqual([
      ['lost-3', 2, false],
      ['between', 2, false],
      ['lost-3-3', 1, true],
      ['lost-3-2', 2, false],
    ]);
    expect(textsOf(lost(store, 'lost-3-3'))).toEqual([['l', 'the creation of people']]);
    expect(store.namespace('lost-3').get('k' as never)).toBe('lost-3');
    await store.close();
  });

  it('has a name of its own beside another lost one', async () => {
    await make(async (store) => {
      const [one, other] = ['creation 1', 'creation 2'].map(
        (name) => store.namespace(name) as Ns<string, number>,
      );
      for (const namespace of [one!, other!])
        for (let at = 0; at < 3; at++) await namespace.put(`k${at}`, at);
    });
    damageJournalAt('creation 1');
    damageJournalAt('creation 2');
    const { store } = await salvaged();
    expect(store.namespaces()).toEqual(['lost-1', 'lost-2']);
    for (const name of store.namespaces()) expect(lost(store, name).size).toBe(2);
    await store.close();
  });

  it('has its name and its values if a later segment defines it again before anything else is read of it', async () => {
    await make(async (store) => {
      const people = store.namespace('the creation of people') as Ns<string, string>;
      await people.put('lost with it', 'x');
      for (let at = 0; at < 30; at++) await store.put(`own ${at}`, 'x'.repeat(300));
      for (const key of ['a', 'b']) await people.put(key, `value of ${key}`);
    }, TINY);
    damageJournalAt('the creation of people');
    const { report, store } = await salvaged();
    expect(report.namespaces).toMatchObject([{ name: 'the creation of people', entries: 2, isLost: false }]);
    const people = store.namespace('the creation of people') as Ns<string, string>;
    expect([...people.entries()]).toEqual([
      ['a', 'value of a'],
      ['b', 'value of b'],
    ]);
    await store.close();
  });

  it('is gone when it was dropped later', async () => {
    await make(async (store) => {
      const people = store.namespace('the creation of people') as Ns<string, number>;
      for (let at = 0; at < 3; at++) await people.put(`k${at}`, at);
      await store.drop(people);
    });
    damageJournalAt('the creation of people');
    const { report, store } = await salvaged();
    expect(report.namespaces).toEqual([]);
    expect(store.namespaces()).toEqual([]);
    await store.close();
  });
});

describe('an image whose two tables are damaged', () => {
  const value = (at: number) => ({ id: at, text: 'x'.repeat(200) });
  /** It starts like a value that refers to a shape. */
  const bytes = (text: string) => Buffer.concat([Buffer.of(0xc1), Buffer.from(text)]);

  it('gives its namespaces by their ids, with the log behind it', async () => {
    await make(async (store) => {
      const people = store.namespace('people') as unknown as Ns<string, object>;
      const blobs = store.namespace('blobs', { valueEncoding: 'bytes' } as object) as unknown as Ns<
        string,
        Uint8Array
      >;
      for (const key of ['a', 'b', 'c']) await blobs.put(key, bytes(`blob ${key}`));
      for (let at = 0; at < 40; at++) await people.put(`k${at}`, value(at));
      await store.checkpoint();
      await blobs.delete('b');
      await blobs.put('c', bytes('later'));
    }, TINY);
    const [image] = filesOf(victim, '.image');
    // The creations are in the first of them.
    for (const file of filesOf(victim, '.journal').slice(0, -2)) fs.rmSync(file);
    damageBlocks(image!, [0, -3]);
    const { report, store } = await salvaged();
    expect(report.namespaces.map(({ name, isLost }) => [name, isLost])).toEqual([
      ['people', false],
      ['lost-2', true],
    ]);
    // The segments that are left define this one again.
    const people = store.namespace('people') as unknown as Ns<string, object>;
    for (let at = 0; at < 40; at++) expect(people.get(`k${at}`)).toEqual(value(at));
    expect([...lost(store, 'lost-2').values()].map((found) => Buffer.from(found))).toEqual([
      bytes('blob a'),
      bytes('later'),
    ]);
    await store.close();
  });
});

describe('salvage of namespaces', () => {
  // The new store had two namespaces of one name, of which nobody could reach or drop the first.
  it('gives one namespace of a name when the drop before its second creation is lost', async () => {
    await make(async (store) => {
      const first = store.namespace('people') as Ns<string, string>;
      await first.put('old', 'old');
      await store.batch([{ type: 'put', key: 'damaged here', value: 1 }]);
      await store.drop(first);
      const second = store.namespace('people') as Ns<string, string>;
      await second.put('new', 'new');
    });
    // The put and the drop stand in commits of their own. One bit more makes the drop unreadable, too.
    damageDrop();
    const { report, store } = await salvaged();
    expect(report.missing.length).toBeGreaterThan(0);
    expect(store.namespaces()).toEqual(['people']);
    expect([...(store.namespace('people') as Ns<string, string>).entries()]).toEqual([['new', 'new']]);
    await store.close();
  });

  // An id is taken when a namespace is asked for. An image that comes before the first write has a higher next id.
  it('keeps a namespace that was asked for before an image and created after it', async () => {
    await make(async (store) => {
      const people = store.namespace('people', { valueEncoding: 'utf8' } as object) as Ns<string, string>;
      await store.put('own', 1);
      await store.checkpoint();
      for (let at = 0; at < 40; at++) await people.put(`k${at}`, 'x'.repeat(200));
      await store.checkpoint();
    });
    const [, newest] = filesOf(victim, '.image');
    // All that is left of the log is behind the newest image, in which a block of the store itself is damaged.
    for (const file of filesOf(victim, '.journal').slice(0, -1)) fs.rmSync(file);
    damageBlocks(newest!, [1]);
    const { report, store } = await salvaged();
    expect(report.namespaces).toMatchObject([{ name: 'people', entries: 40, isLost: false }]);
    await store.close();
  });

  it('gives every write that is not said to be missing, whichever byte is flipped', {
    timeout: 120_000,
  }, async () => {
    const NAMES = ['one', 'two', 'three'];
    const puts: { readonly id: number; readonly key: string; readonly lsn: number }[] = [];
    await make(async (store) => {
      const all = NAMES.map((name) => store.namespace(name) as Ns<string, unknown>);
      for (let at = 0; at < 60; at++) {
        const id = at % 3;
        const key = `k${at % 7}`;
        const lsn = await all[id]!.put(key, { at, text: 'x'.repeat(at) });
        puts.push({ id: id + 1, key, lsn });
        if (at === 20) await store.checkpoint();
      }
    }, TINY);
    const files = [...filesOf(victim, '.journal'), ...filesOf(victim, '.image')];
    const random = new Random(7);
    let lostNames = 0;
    for (let flips = 0; flips < 100; flips++) {
      copyStore(source, victim);
      // Every other time the image is damaged in both of its tables, so that the names are in the log alone.
      if (flips % 2 === 0) damageBlocks(filesOf(victim, '.image')[0]!, [0, -3]);
      if (flips % 10 === 0) damageJournalAt(NAMES[(flips / 10) % 3]!);
      const file = random.pick(files);
      const bytes = fs.readFileSync(file);
      const at = random.below(bytes.length);
      bytes[at]! ^= 1 << random.below(8);
      fs.writeFileSync(file, bytes);
      fs.rmSync(out, { recursive: true, force: true });
      const { report, store } = await salvaged();
      const isMissing = (lsn: number) =>
        report.missing.some((range) => lsn > range.lsn && lsn <= (range.lsnEnd ?? lsn));
      const owed = new Map(
        puts.filter(({ lsn }) => !isMissing(lsn)).map((put) => [`${put.id} ${put.key}`, put]),
      );
      for (const { id, key, lsn } of owed.values()) {
        const isLost = store.namespaces().includes(`lost-${id}`);
        const entry = isLost
          ? lost(store, `lost-${id}`).getEntry(Buffer.from(key))
          : (store.namespace(NAMES[id - 1]!) as Ns<string, unknown>).getEntry(key);
        expect(entry?.version, `${path.basename(file)} ${at}, ${id} ${key}`).toBe(lsn);
      }
      lostNames += report.namespaces.filter(({ isLost }) => isLost).length;
      await store.close();
    }
    expect(lostNames).toBeGreaterThan(0);
  });

  it('of a sound store gives everything, and verify() says what is there', async () => {
    await make(async (store) => {
      const people = store.namespace('people') as Ns<string, number>;
      const pairs = store.namespace('pairs', { keyEncoding: 'tuple', valueEncoding: 'json' } as object);
      const gone = store.namespace('gone') as Ns<string, number>;
      await people.put('a', 1);
      await gone.put('a', 1);
      await store.checkpoint();
      await pairs.put(['a', 1] as never, { id: store.nextId() } as never);
      await store.drop(gone);
      await people.clear();
    });
    const namespaces = [
      { name: 'people', keyEncoding: 'utf8', valueEncoding: 'msgpack', entries: 0, isLost: false },
      { name: 'pairs', keyEncoding: 'tuple', valueEncoding: 'json', entries: 1, isLost: false },
    ];
    expect(await verify(victim)).toMatchObject({ ok: true, namespaces, entries: 1 });
    const { report, store } = await salvaged();
    expect(report).toMatchObject({ damages: [], missing: [], namespaces, entries: 1 });
    expect(store.nextId()).toBe(2);
    expect(store.namespace('pairs').get(['a', 1] as never)).toEqual({ id: 1 });
    await store.close();
  });
});

/** Flips a bit in the record of the only drop in the journal: a write of one operation, opcode 6 and the id 1. */
function damageDrop(): void {
  for (const file of filesOf(victim, '.journal')) {
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf(Uint8Array.of(2, 6, 1));
    if (at < 0) continue;
    bytes[at + 2]! ^= 1;
    fs.writeFileSync(file, bytes);
    return;
  }
  throw new Error('No drop stands in the journal');
}
