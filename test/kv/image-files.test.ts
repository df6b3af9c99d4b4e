// Images: what is written is loaded, in whatever pieces; and whatever is damaged is refused, where it is damaged.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Scratch } from '../../src/kv/encoding/scratch.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { ImageBlockWriter } from '../../src/kv/image/image-block-writer.js';
import { IMAGE_BLOCK_BYTES_TARGET, IMAGE_BLOCK_ENTRIES_TARGET } from '../../src/kv/image/image-format.js';
import { decodeImageHeader, encodeImageHeader, type ImageHeader } from '../../src/kv/image/image-header.js';
import { type LoadedSpaces, loadImage } from '../../src/kv/image/image-loader.js';
import { writeImage } from '../../src/kv/image/image-writer.js';
import type { Storage, StorageFile } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import {
  BLOCK_FIELDS,
  BLOCK_HEADER_BYTES,
  blockStarts,
  blocksOf,
  ENTRIES,
  endBlock,
  entriesBlock,
  FILE_HEADER_BYTES,
  imageOf,
  type LooseBlock,
  leb128,
  lengthAnd,
  loosened,
  TABLE,
  tableBlock,
} from './image-tools.js';
import { addSpace, contentOf, newSchema, type PlainEntry, plainSpaces, putEntry } from './schema-tools.js';

const PATH = '/data/0000000000000777.image';
const LSN = 2 ** 41;
const JOURNAL_ID = new Uint8Array(16).fill(5);

function newStorage(): Storage {
  return new SimulatedDisk({ seed: 3, directories: ['/data'] }).life();
}

function headerFor(schema: Schema): ImageHeader {
  const { keyCodec, valueEncodingName } = schema.root;
  const entryCount = schema.wholeView(LSN).size;
  return { journalId: JOURNAL_ID, lsn: LSN, entryCount, keyEncodingName: keyCodec.name, valueEncodingName };
}

function write(
  storage: Storage,
  schema: Schema,
  onBlock: (entriesDone: number, bytesWritten: number) => void = () => {},
): Promise<number> {
  return writeImage(storage, PATH, { journalId: JOURNAL_ID, view: schema.wholeView(LSN), schema, onBlock });
}

function load(
  storage: Storage,
  header: ImageHeader,
  onEntries = (_: number): void => {},
): Promise<LoadedSpaces> {
  return loadImage(storage, PATH, header, newSchema(), onEntries);
}

/** Loads an image of one space, and returns its entries. */
async function loadRoot(storage: Storage, header: ImageHeader, onEntries?: (count: number) => void) {
  const { spaces, nextSpaceId } = await load(storage, header, onEntries);
  expect(spaces).toHaveLength(1);
  expect(nextSpaceId).toBe(1);
  return spaces[0]!;
}

const keyOf = (number: number) => `key ${String(number).padStart(6, '0')}`;

/** A root space with values of these lengths. */
function schemaOf(lengths: readonly number[]): Schema {
  const schema = newSchema();
  lengths.forEach((length, number) => {
    putEntry(schema.root, keyOf(number), 2 ** 40 + number, new Uint8Array(length).fill(number + 1));
  });
  return schema;
}

async function readAll(storage: Storage): Promise<Uint8Array> {
  const file = await storage.openFile(PATH, false);
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** Gives the file other contents, or makes it. */
async function replace(storage: Storage, bytes: Uint8Array): Promise<void> {
  await storage.remove(PATH).catch(() => {});
  const file = await storage.createFile(PATH);
  await file.write(bytes, 0);
  await file.close();
}

async function damageOf(storage: Storage, header: ImageHeader): Promise<unknown> {
  return load(storage, header).then(
    () => 'loaded',
    (error) => error,
  );
}

const damageAt = (offset: number, message: RegExp | string = '') =>
  expect.objectContaining({
    code: 'KEELSON_CORRUPT',
    facts: { path: PATH, offset },
    message: expect.stringMatching(message),
  });

describe('an image', () => {
  const mixes: { name: string; lengths: number[] }[] = [
    { name: 'nothing', lengths: [] },
    { name: 'one entry without a byte', lengths: [0] },
    { name: 'many tiny ones', lengths: Array.from({ length: 20_000 }, (_, number) => number % 3) },
    { name: 'as many as are looked up at a time', lengths: Array.from({ length: 1024 }, () => 10) },
    { name: 'twice as many, which fill a block', lengths: Array.from({ length: 2048 }, () => 10) },
    { name: 'more than one piece of small ones', lengths: Array.from({ length: 9000 }, () => 600) },
    {
      name: 'values larger than a piece, between others',
      lengths: [5, 5_000_000, 7, 4_300_000, 4_194_250, 9],
    },
    { name: 'a value as large as a piece at its end', lengths: [4_194_304 - 512, 100_000] },
  ];

  test.each(mixes)('of $name is loaded as it was written', async ({ lengths }) => {
    const storage = newStorage();
    const schema = schemaOf(lengths);
    await write(storage, schema);
    const told: number[] = [];
    const { entries, lastLsn } = await loadRoot(storage, headerFor(schema), (count) => told.push(count));
    entries.checkValid();
    expect(contentOf(entries)).toEqual(contentOf(schema.root.entries));
    expect(lastLsn).toBe(schema.root.lastLsn);
    expect(told.at(-1) ?? 0).toBe(lengths.length);
    expect(entries.memory.valueBytes).toBe(schema.root.entries.memory.valueBytes);
  });

  test('of any keys and values is loaded as it was written', async () => {
    const item = fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat({ max: 400_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 30 }), async (items) => {
        const storage = newStorage();
        const schema = newSchema(bytesKeyCodec);
        items.forEach(([key, length], number) => {
          const name = bytesKeyCodec.toIndexKey('key', key);
          putEntry(schema.root, name, number, new Uint8Array(length).fill(number));
        });
        await write(storage, schema);
        const loaded = await loadRoot(storage, headerFor(schema));
        loaded.entries.checkValid();
        expect(contentOf(loaded.entries)).toEqual(contentOf(schema.root.entries));
      }),
      { numRuns: 30 },
    );
  });

  test('takes what is put into it after it was loaded, and keeps the rest', async () => {
    const storage = newStorage();
    const schema = schemaOf(Array.from({ length: 5000 }, () => 50));
    await write(storage, schema);
    const loaded = await loadRoot(storage, headerFor(schema));
    for (const space of [schema.root, loaded]) {
      for (let number = 0; number < 5000; number += 3) {
        putEntry(space, `${keyOf(number)}.`, 1, new Uint8Array(70));
        space.entries.delete(keyOf(number + 1));
      }
    }
    loaded.entries.checkValid();
    expect(contentOf(loaded.entries)).toEqual(contentOf(schema.root.entries));
  });

  test('has blocks of bounded bytes and entries, and tells after each how far it is', async () => {
    const storage = newStorage();
    const schema = schemaOf(Array.from({ length: 6000 }, (_, number) => (number < 5000 ? 1 : 1000)));
    const told: [number, number][] = [];
    const bytes = await write(storage, schema, (...progress) => told.push(progress));
    const image = await readAll(storage);
    const starts = blockStarts(image);
    expect(told.map(([, bytesWritten]) => bytesWritten)).toEqual(starts.slice(1));
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).sort((a, b) => a - b));
    expect(told.at(-1)).toEqual([6000, bytes]);
    const blocks = blocksOf(image);
    for (const block of blocks) {
      expect(block.length).toBeLessThan(IMAGE_BLOCK_BYTES_TARGET + 2000);
      expect(loosened(block).entries).toBeLessThanOrEqual(IMAGE_BLOCK_ENTRIES_TARGET);
    }
    const counts = blocks.map(loosened).filter(({ kind }) => kind === ENTRIES);
    expect(counts.length).toBeGreaterThan(5);
    expect(counts.reduce((sum, { entries }) => sum + entries, 0)).toBe(6000);
  });

  // Blocks of 100 bytes end where entries have been looked up and copied, those of 300 while some are looked up only.
  test.each([100, 300])(
    'with values of %i bytes is of the view it was given, whatever is written while it is',
    async (bytes) => {
      const storage = newStorage();
      const schema = schemaOf(Array.from({ length: 6000 }, () => bytes));
      const { entries } = schema.root;
      const expected = contentOf(entries);
      const header = headerFor(schema);
      let round = 0;
      const churn = () => {
        round++;
        for (let number = 0; number < 6000; number++) {
          if ((number + round) % 5 === 0) entries.delete(keyOf(number));
          else putEntry(schema.root, keyOf(number), round, new Uint8Array(bytes + 50).fill(round));
        }
      };
      await write(storage, schema, churn);
      expect(round).toBeGreaterThan(2);
      expect(contentOf((await loadRoot(storage, header)).entries)).toEqual(expected);
      entries.checkValid();
    },
  );

  test('lets the program have its turn, on a disk that is done at once too, while small entries fill a block', async () => {
    const atOnce: StorageFile = {
      write: async () => {},
      flush: async () => {},
      close: async () => {},
    } as unknown as StorageFile;
    const report = { engine: 'simulated' };
    const storage = { report, createFile: async () => atOnce } as unknown as Storage;
    const schema = schemaOf(Array.from({ length: 10_000 }, () => 1));
    let turns = 0;
    let isWritten = false;
    const turn = () => {
      turns++;
      if (!isWritten) setImmediate(turn);
    };
    setImmediate(turn);
    await write(storage, schema);
    isWritten = true;
    expect(turns).toBeGreaterThanOrEqual(10_000 / IMAGE_BLOCK_ENTRIES_TARGET - 1);
  });
});

/** A store of several spaces: empty ones, one that was dropped, other encodings, and ids that are not next to each other. */
function severalSpaces(): Schema {
  const schema = newSchema(utf8KeyCodec, 'msgpack');
  for (const [at, key] of ['a', 'ab', 'b'].entries()) putEntry(schema.root, key, LSN - at, `value of ${key}`);
  const orders = addSpace(schema, 3, 'orders', bytesKeyCodec);
  for (const [at, key] of ['', '\x00', '\xff\xfe'].entries()) putEntry(orders, key, 9 + at, `order ${at}`);
  addSpace(schema, 4, 'never written');
  const cleared = addSpace(schema, 5, 'cleared', utf8KeyCodec, 'json');
  cleared.lastLsn = 777;
  const other = addSpace(schema, 300, 'Größe \u{1f4be}', utf8KeyCodec, 'an encoding of my own');
  putEntry(other, 'a', 1, '');
  addSpace(schema, 301, 'dropped');
  schema.drop(301);
  return schema;
}

describe('an image of several spaces', () => {
  test('is loaded as it was written: empty spaces, their last LSNs, and the id of the next space', async () => {
    const storage = newStorage();
    const schema = severalSpaces();
    await write(storage, schema);
    const into = newSchema();
    const told: number[] = [];
    const loaded = await loadImage(storage, PATH, headerFor(schema), into, (count) => told.push(count));
    for (const { entries } of loaded.spaces) entries.checkValid();
    expect(plainSpaces(loaded.spaces)).toEqual(plainSpaces(schema.spaces));
    expect(plainSpaces(loaded.spaces)).toMatchObject([
      { id: 0, name: '', lastLsn: LSN },
      { id: 3, name: 'orders', keyEncoding: 'bytes', valueEncoding: 'bytes', lastLsn: 11 },
      { id: 4, name: 'never written', lastLsn: 0, entries: [] },
      { id: 5, name: 'cleared', valueEncoding: 'json', lastLsn: 777, entries: [] },
      { id: 300, name: 'Größe \u{1f4be}', valueEncoding: 'an encoding of my own', lastLsn: 1 },
    ]);
    expect(loaded.nextSpaceId).toBe(302);
    expect(told.at(-1)).toBe(7);
    // The caller decides whether the spaces count.
    expect(into.spaces).toHaveLength(1);
    expect(into.root.entries.size).toBe(0);
  });

  test('of any names, encodings, keys and values is loaded as it was written', async () => {
    const anySpace = fc.record({
      idsLeftOut: fc.nat(1000),
      name: fc.string({ unit: 'binary', maxLength: 20 }),
      keyCodec: fc.constantFrom(utf8KeyCodec, bytesKeyCodec),
      valueEncodingName: fc.constantFrom('bytes', 'utf8', 'json', 'mine'),
      isWritten: fc.boolean(),
      entries: fc.array(fc.tuple(fc.uint8Array({ maxLength: 9 }), fc.nat(60_000)), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anySpace, { maxLength: 8 }), fc.nat(3), async (spaces, dropped) => {
        const storage = newStorage();
        const schema = newSchema();
        let id = 0;
        for (const { idsLeftOut, name, keyCodec, valueEncodingName, isWritten, entries } of spaces) {
          id += 1 + idsLeftOut;
          const space = addSpace(schema, id, name, keyCodec, valueEncodingName);
          if (isWritten) space.lastLsn = 1000 + id;
          for (const [key, length] of entries) {
            const indexKey = bytesKeyCodec.toIndexKey('key', key);
            putEntry(space, indexKey, length, new Uint8Array(length).fill(id));
          }
        }
        for (let at = 0; at < dropped; at++) {
          addSpace(schema, schema.nextSpaceId, 'dropped');
          schema.drop(schema.nextSpaceId - 1);
        }
        await write(storage, schema);
        const loaded = await load(storage, headerFor(schema));
        for (const { entries } of loaded.spaces) entries.checkValid();
        expect(plainSpaces(loaded.spaces)).toEqual(plainSpaces(schema.spaces));
        expect(loaded.nextSpaceId).toBe(schema.nextSpaceId);
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  test('has the bytes that docs/FORMAT.md says', async () => {
    const storage = newStorage();
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const orders = addSpace(schema, 3, 'orders', bytesKeyCodec);
    addSpace(schema, 200, 'empty');
    const content: Record<number, PlainEntry[]> = {
      0: [
        ['a', LSN, 'x'],
        ['b', LSN - 200, ''],
      ],
      3: [['\x80', 5, 'order']],
    };
    for (const [key, version, value] of content[0]!) putEntry(schema.root, key, version, value);
    for (const [key, version, value] of content[3]!) putEntry(orders, key, version, value);
    await write(storage, schema);
    const rows = schema.wholeView(LSN).spaces.map(({ space, entries, bytes, lastLsn }) => ({
      id: space.id,
      name: space.name,
      keyEncoding: space.keyCodec.name,
      valueEncoding: space.valueEncodingName,
      entries: entries.size,
      bytes,
      lastLsn,
    }));
    const table = tableBlock({ nextSpaceId: 201, rows });
    const inOrders: LooseBlock = {
      kind: ENTRIES,
      spaceId: 3,
      entries: 1,
      payload: Uint8Array.of(0, 1, 0x80, ...leb128(LSN - 5), 5, ...Buffer.from('order'), 0),
    };
    const blocks = [table, entriesBlock(0, LSN, content[0]!), inOrders, table, endBlock];
    expect(await readAll(storage)).toEqual(imageOf(headerFor(schema), blocks));
  });

  test('has blocks of one space each, in the order of ids, and none of an empty space', async () => {
    const storage = newStorage();
    const schema = severalSpaces();
    for (let number = 0; number < 5000; number++) putEntry(schema.space(3)!, keyOf(number), 1, 'x');
    await write(storage, schema);
    const blocks = blocksOf(await readAll(storage)).map(loosened);
    expect(blocks.map(({ kind, spaceId }) => [kind, spaceId])).toEqual([
      [TABLE, 0],
      [ENTRIES, 0],
      [ENTRIES, 3],
      [ENTRIES, 3],
      [ENTRIES, 3],
      [ENTRIES, 300],
      [TABLE, 0],
      [endBlock.kind, 0],
    ]);
    expect(blocks.at(-2)).toEqual(blocks[0]);
    expect(blocks[0]!.entries).toBe(5);
  });

  test('of thousands of spaces, whose table is larger than a block of entries, is loaded as it was written', async () => {
    const storage = newStorage();
    const schema = newSchema();
    for (let id = 1; id <= 3000; id++) addSpace(schema, id, `space ${id} `.padEnd(100, 'x'));
    putEntry(schema.space(1500)!, 'key', 5, 'value');
    const bytes = await write(storage, schema);
    expect(bytes).toBeGreaterThan(2 * IMAGE_BLOCK_BYTES_TARGET);
    const loaded = await load(storage, headerFor(schema));
    expect(plainSpaces(loaded.spaces)).toEqual(plainSpaces(schema.spaces));
  });

  test('takes what is put into one space after it was loaded, and keeps the others', async () => {
    const storage = newStorage();
    const schema = severalSpaces();
    await write(storage, schema);
    const into = newSchema();
    const { spaces, nextSpaceId } = await loadImage(storage, PATH, headerFor(schema), into, () => {});
    into.replaceAll(spaces, nextSpaceId);
    for (const each of [schema, into]) {
      for (let number = 0; number < 3000; number++) putEntry(each.space(4)!, keyOf(number), number, 'new');
      putEntry(each.root, 'ab', LSN + 1, 'new');
      each.space(3)!.entries.delete('');
      addSpace(each, each.nextSpaceId, 'new');
    }
    for (const { entries } of into.spaces) entries.checkValid();
    expect(plainSpaces(into.spaces)).toEqual(plainSpaces(schema.spaces));
    expect(into.spaces.map(({ id }) => id)).toEqual([0, 3, 4, 5, 300, 302]);
  });

  test('is of the view it was given, whatever is put, created and dropped while it is written', async () => {
    const storage = newStorage();
    const schema = severalSpaces();
    for (let number = 0; number < 3000; number++)
      putEntry(schema.space(4)!, keyOf(number), 1, 'x'.repeat(300));
    const expected = plainSpaces(schema.spaces);
    const header = headerFor(schema);
    let round = 0;
    await write(storage, schema, () => {
      round++;
      for (const { id, entries } of schema.spaces) {
        for (const [key] of contentOf(entries)) putEntry(schema.space(id)!, key, LSN + round, 'another');
        schema.space(id)!.entries.delete('a');
      }
      if (round === 2) schema.drop(4);
      addSpace(schema, schema.nextSpaceId, `created ${round}`);
    });
    expect(round).toBeGreaterThan(6);
    const loaded = await load(storage, header);
    expect(plainSpaces(loaded.spaces)).toEqual(expected);
    expect(loaded.nextSpaceId).toBe(302);
  });

  test('defines a shape in every block that refers to it, of whatever space; and in a space of bytes nothing refers', async () => {
    const storage = newStorage();
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const { value, definition } = shapedValue(schema);
    const people = addSpace(schema, 1, 'people', utf8KeyCodec, 'msgpack');
    const bytes = addSpace(schema, 2, 'bytes', utf8KeyCodec, 'bytes');
    for (const space of [schema.root, people, bytes]) putEntry(space, 'key', 5, value);
    putEntry(bytes, 'cut off', 5, Uint8Array.of(value[0]!));
    await write(storage, schema);
    const blocks = blocksOf(await readAll(storage)).map((block) => Buffer.from(block));
    const counts = blocks.map((block) => [block.indexOf(definition) > 0, block[BLOCK_FIELDS.spaceId]]);
    expect(counts.slice(1, 4)).toEqual([
      [true, 0],
      [true, 1],
      [false, 2],
    ]);
    const into = newSchema(utf8KeyCodec, 'msgpack', 2);
    const loaded = await loadImage(storage, PATH, headerFor(schema), into, () => {});
    expect(plainSpaces(loaded.spaces)).toEqual(plainSpaces(schema.spaces));
    // The values decode with what the image defines.
    const { entries } = loaded.spaces[1]!;
    expect(entries.read(entries.find('key')!, into.msgpack.decode)).toEqual({ id: 9 });
  });

  test('is refused with any one bit wrong, at the block that has it, and wherever it is cut off', async () => {
    const storage = newStorage();
    const schema = severalSpaces();
    await write(storage, schema);
    const image = await readAll(storage);
    const header = headerFor(schema);
    const starts = blockStarts(image);
    const random = new Random(11);
    for (let at = FILE_HEADER_BYTES; at < image.length; at++) {
      const damaged = image.slice();
      damaged[at]! ^= 1 << random.below(8);
      await replace(storage, damaged);
      const start = starts.findLast((offset) => offset <= at)!;
      expect(await damageOf(storage, header), `byte ${at}`).toEqual(damageAt(start));
      await replace(storage, image.slice(0, at));
      expect(await damageOf(storage, header), `${at} bytes`).toEqual(damageAt(start));
    }
  });
});

describe('a damaged image', () => {
  async function written(): Promise<{
    storage: Storage;
    image: Uint8Array;
    header: ImageHeader;
    starts: number[];
  }> {
    const storage = newStorage();
    const schema = schemaOf([...Array.from({ length: 3000 }, () => 200), 4_500_000, 10]);
    await write(storage, schema);
    const image = await readAll(storage);
    return { storage, image, header: headerFor(schema), starts: blockStarts(image) };
  }

  test('is refused at the block in which a bit is wrong, whichever it is', async () => {
    const { storage, image, header, starts } = await written();
    const places = starts.slice(0, -1).flatMap((start, number) => {
      const end = starts[number + 1]!;
      return [0, 3, 4, 8, 12, 15, 16, 19, 20, 23, 24, 25, Math.floor((end - start) / 2), end - start - 1]
        .map((at) => start + at)
        .filter((at) => at < end);
    });
    for (const at of places) {
      const damaged = image.slice();
      damaged[at]! ^= 0x10;
      await replace(storage, damaged);
      const start = starts.findLast((offset) => offset <= at);
      expect(await damageOf(storage, header), `byte ${at}`).toEqual(damageAt(start!));
    }
  });

  test('is refused when it ends too early, wherever, or too late', async () => {
    const { storage, image, header, starts } = await written();
    const lengths = starts
      .slice(0, -1)
      .flatMap((start) => [start, start + 1, start + 23, start + 24, start + 25]);
    for (const length of lengths.filter((bytes) => bytes < image.length)) {
      await replace(storage, image.slice(0, length));
      const start = starts.findLast((offset) => offset <= length);
      expect(await damageOf(storage, header), `${length} bytes`).toEqual(damageAt(start!));
    }
    for (const more of [1, 24, 100_000]) {
      await replace(storage, Buffer.concat([image, new Uint8Array(more)]));
      const why = new RegExp(`ends ${more} bytes before its file does`);
      expect(await damageOf(storage, header)).toEqual(damageAt(image.length, why));
    }
  });

  test('whose block claims to be enormous is refused before memory is taken for it', async () => {
    const { storage, image, header, starts } = await written();
    for (const length of [0xffff_ffff, 0x7fff_ffff, image.length]) {
      for (const start of starts.slice(0, 2)) {
        const damaged = image.slice();
        new DataView(damaged.buffer).setUint32(start, length, true);
        await replace(storage, damaged);
        expect(await damageOf(storage, header)).toEqual(damageAt(start, /does not fit in the file/));
      }
    }
  });

  test('is refused when a block is missing, twice there, out of order, or of another image', async () => {
    const { storage, image, header, starts } = await written();
    const [table, first, second, ...rest] = blocksOf(image);
    const head = image.subarray(0, FILE_HEADER_BYTES);
    const mixes = [
      { blocks: [first!, second!, ...rest], at: FILE_HEADER_BYTES },
      { blocks: [table!, table!, first!, second!, ...rest], at: starts[1]! },
      { blocks: [first!, table!, second!, ...rest], at: FILE_HEADER_BYTES },
      { blocks: [table!, second!, ...rest], at: starts[1]! },
      { blocks: [table!, first!, first!, second!, ...rest], at: starts[2]! },
      { blocks: [table!, second!, first!, ...rest], at: starts[1]! },
      { blocks: [table!, first!, ...rest], at: starts[2]! },
    ];
    for (const mix of mixes) {
      await replace(storage, Buffer.concat([head, ...mix.blocks]));
      expect(await damageOf(storage, header)).toEqual(damageAt(mix.at, /is another one/));
    }
    await replace(storage, image);
    for (const other of [{ lsn: 778 }, { journalId: new Uint8Array(16) }]) {
      const damage = await damageOf(storage, { ...header, ...other });
      expect(damage).toEqual(damageAt(FILE_HEADER_BYTES, /checksum/));
    }
  });

  test.each([
    { keys: [['b', 'a']], name: 'within a block' },
    { keys: [['a', 'a']], name: 'but equal within a block' },
    { keys: [['a', 'b'], ['b']], name: 'over two blocks' },
    { keys: [['a', 'c'], ['d'], ['b']], name: 'over three blocks' },
  ])('is refused when its keys are not in order, $name', async ({ keys }) => {
    const storage = newStorage();
    const header = { ...headerFor(newSchema()), entryCount: keys.flat().length };
    const table = tableBlock({ nextSpaceId: 1, rows: [{ ...ROOT_ROW, entries: header.entryCount }] });
    const blocks = keys.map((block) =>
      entriesBlock(
        0,
        LSN,
        block.map((key) => [key, 1, 'xyz']),
      ),
    );
    const image = imageOf(header, [table, ...blocks, table, endBlock]);
    await replace(storage, image);
    const at = blockStarts(image)[keys.length]!;
    expect(await damageOf(storage, header)).toEqual(damageAt(at, /not in key order/));
  });

  test('is refused when it has fewer or more entries than its header says', async () => {
    const { storage, header } = await written();
    for (const entryCount of [header.entryCount - 1, header.entryCount + 1, 0]) {
      expect(await damageOf(storage, { ...header, entryCount })).toEqual(
        damageAt(FILE_HEADER_BYTES, /header says \d+ entries, its table of spaces \d+/),
      );
    }
  });

  test('is refused when it has fewer or more entries than its header and its table say', async () => {
    const storage = newStorage();
    const block = entriesBlock(0, LSN, [
      ['a', 1, ''],
      ['b', 1, ''],
    ]);
    for (const entryCount of [0, 1, 3]) {
      const header = { ...headerFor(newSchema()), entryCount };
      const table = tableBlock({ nextSpaceId: 1, rows: [{ ...ROOT_ROW, entries: entryCount }] });
      const image = imageOf(header, [table, block, table, endBlock]);
      await replace(storage, image);
      const why = new RegExp(`has 2 of ${entryCount} entries of space 0`);
      expect(await damageOf(storage, header)).toEqual(damageAt(blockStarts(image)[2]!, why));
    }
  });

  test('that cannot be read is an error of the disk, and no damage', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'] });
    const storage = disk.life();
    const schema = schemaOf(Array.from({ length: 20_000 }, () => 500));
    await write(storage, schema);
    for (const failing of [1, 2, 3]) {
      let reads = 0;
      disk.faults = ({ name }) => (name === 'read' && ++reads === failing ? { errno: 'EIO' } : undefined);
      expect(await damageOf(storage, headerFor(schema))).toMatchObject({ code: 'KEELSON_IO' });
      expect(reads).toBeGreaterThanOrEqual(failing);
    }
  });

  test('is refused, and nothing else comes to light, when the read ahead of it fails as well', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'] });
    const storage = disk.life();
    const schema = schemaOf(Array.from({ length: 20_000 }, () => 500));
    await write(storage, schema);
    const image = await readAll(storage);
    for (const block of [0, 1]) {
      const start = blockStarts(image)[block]!;
      const damaged = image.slice();
      damaged[start + BLOCK_HEADER_BYTES + 1]! ^= 1;
      disk.faults = undefined;
      await replace(storage, damaged);
      let reads = 0;
      disk.faults = ({ name }) => (name === 'read' && ++reads === 2 ? { errno: 'EIO' } : undefined);
      expect(await damageOf(storage, headerFor(schema))).toEqual(damageAt(start, /checksum/));
      // An unhandled rejection would come after a turn of the event loop, and fail the run.
      await new Promise((resolve) => setImmediate(resolve));
      expect(reads).toBe(2);
    }
  });

  test('of a file that is large enough for a block that no record can make is refused all the same', async () => {
    const file: Pick<StorageFile, 'size' | 'read' | 'close'> = {
      size: async () => 2 ** 40,
      read: async (into, position) => {
        into.fill(0xff);
        return position === FILE_HEADER_BYTES ? into.length : 0;
      },
      close: async () => {},
    };
    const randomBytes = (length: number) => new Uint8Array(length);
    const storage = { openFile: async () => file, randomBytes } as unknown as Storage;
    expect(await damageOf(storage, headerFor(newSchema()))).toEqual(
      damageAt(FILE_HEADER_BYTES, /does not fit in the file/),
    );
  });
});

const ROOT_ROW = {
  id: 0,
  name: '',
  keyEncoding: 'utf8',
  valueEncoding: 'bytes',
  entries: 0,
  bytes: 0,
  lastLsn: 0,
};

/** A value that refers to a shape, and what a block that holds it has to say of the shape. */
function shapedValue(schema: Schema, name = 'id'): { value: Uint8Array; definition: Uint8Array } {
  const out = new Scratch(1000);
  for (let number = 0; number < 10; number++) {
    out.at = 0;
    schema.msgpack.encode({ [name]: number }, 'value', out);
  }
  const value = out.bytes.slice(0, out.at);
  expect(value[0]).toBe(0xc1);
  const definition = Uint8Array.of(...value.subarray(1, 7), 1, name.length, ...Buffer.from(name));
  return { value, definition };
}

describe('a block that lies under a checksum that holds is refused', () => {
  const HEADER: ImageHeader = {
    ...headerFor(newSchema()),
    lsn: 5,
    entryCount: 2,
    valueEncodingName: 'msgpack',
  };

  /** The payload of two entries, their values with the shape that the block defines. */
  function makePayload(): { readonly payload: Uint8Array; readonly definitionsAt: number } {
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const { value, definition } = shapedValue(schema);
    for (const key of ['key 1', 'key 2']) putEntry(schema.root, key, 5, value);
    const writer = new ImageBlockWriter(HEADER, schema.definitions);
    const entries = schema.root.entries.view();
    const { id, keyCodec, hasReferences } = schema.root;
    writer.startSpace({ id, keyCodec, hasReferences, hasDeadlines: false });
    for (const walk = entries.walk(ALL_KEYS); walk.advance(); )
      writer.add(entries.slabs, walk.value, entries.handleOf(walk.value));
    const { payload } = loosened(writer.finish().slice());
    const definitionsAt = payload.length - 1 - definition.length;
    expect(payload.subarray(definitionsAt)).toEqual(Uint8Array.of(1, ...definition));
    return { payload, definitionsAt };
  }

  async function loaded(payload: Uint8Array, entries = 2): Promise<unknown> {
    const storage = newStorage();
    const table = tableBlock({
      nextSpaceId: 1,
      rows: [{ ...ROOT_ROW, valueEncoding: 'msgpack', entries: 2 }],
    });
    const block = { kind: ENTRIES, spaceId: 0, entries, payload };
    const image = imageOf(HEADER, [table, block, table, endBlock]);
    await replace(storage, image);
    const schema = newSchema(utf8KeyCodec, 'msgpack', 2);
    return loadImage(storage, PATH, HEADER, schema, () => {}).then(
      ({ spaces }) => contentOf(spaces[0]!.entries),
      (error) => {
        expect(error).toEqual(damageAt(blockStarts(image)[1]!));
        return error.message;
      },
    );
  }

  test('unless it does not', async () => {
    expect(await loaded(makePayload().payload)).toHaveLength(2);
  });

  test('when a key has more in common with the one before than that has', async () => {
    const { payload } = makePayload();
    payload[0] = 1;
    expect(await loaded(payload)).toMatch(/a key of block 1 is no key/);
  });

  test('when a key is longer than a key can be', async () => {
    const long = 'x'.repeat(65_536);
    const two = (second: number[]) =>
      Buffer.concat([Buffer.of(0), Buffer.from(lengthAnd(long)), Buffer.from([0, 0, ...second, 0, 0, 0])]);
    expect(await loaded(two([...leb128(65_535), 1, 0x79]))).toHaveLength(2);
    expect(await loaded(two([...leb128(65_536), 1, 0x79]))).toMatch(/a key of block 1 is no key/);
    expect(await loaded(two([...leb128(65_535), 2, 0x79, 0x79]))).toMatch(/a key of block 1 is no key/);
  });

  test('when a key is not what keys of its space are', async () => {
    const { payload } = makePayload();
    payload[2] = 0xff;
    expect(await loaded(payload)).toMatch(/UTF-8/);
  });

  test('when an entry is older than the log', async () => {
    const { payload } = makePayload();
    const ageAt = 2 + 'key 1'.length;
    expect(payload[ageAt]).toBe(0);
    payload[ageAt] = 6;
    expect(await loaded(payload)).toMatch(/older than the log/);
  });

  test('when it does not define what its values have, or more than that', async () => {
    const { payload, definitionsAt } = makePayload();
    const without = Buffer.concat([payload.subarray(0, definitionsAt), Buffer.of(0)]);
    expect(await loaded(without)).toMatch(/has other definitions than its values refer to/);
    const other = shapedValue(newSchema(utf8KeyCodec, 'msgpack', 7), 'other').definition;
    const instead = Buffer.concat([payload.subarray(0, definitionsAt), Buffer.of(1), other]);
    expect(await loaded(instead)).toMatch(/has other definitions than its values refer to/);
    const both = [
      payload.subarray(0, definitionsAt),
      Buffer.of(2),
      payload.subarray(definitionsAt + 1),
      other,
    ];
    expect(await loaded(Buffer.concat(both))).toMatch(/has other definitions than its values refer to/);
  });

  test('when a value ends within its reference', async () => {
    const cut = Buffer.from([0, 1, 0x61, 0, 3, 0xc1, 1, 2, 0, 1, 0x62, 0, 0, 0]);
    expect(await loaded(cut)).toMatch(/ends inside the id of its shape/);
  });

  test('when it has more entries or fewer than its header says, or bytes behind them', async () => {
    const { payload } = entriesBlock(0, 5, [
      ['a', 5, ''],
      ['b', 5, 'value'],
    ]);
    expect(await loaded(payload)).toHaveLength(2);
    expect(await loaded(payload, 1)).toMatch(/bytes follow the definitions of block 1/);
    expect(await loaded(payload, 3)).toMatch(/The length at byte \d+ is not one that fits what follows/);
    const more = Buffer.concat([payload, Buffer.of(0)]);
    expect(await loaded(more)).toMatch(/bytes follow the definitions of block 1/);
    expect(await loaded(payload, 0)).toMatch(/block 1 is of no known kind/);
  });
});

describe('the header of an image', () => {
  const header = headerFor(newSchema());

  test('with any one bit flipped is damaged, in its magic and its version too', () => {
    const bytes = encodeImageHeader(header);
    for (let bit = 0; bit < FILE_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeImageHeader(bytes), `bit ${bit}`).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(decodeImageHeader(bytes)).toEqual({ ok: true, header });
  });

  test('that is cut off anywhere is damaged, never foreign', () => {
    const bytes = encodeImageHeader(header);
    for (let length = 0; length < FILE_HEADER_BYTES; length++) {
      const verdict = decodeImageHeader(bytes.subarray(0, length));
      expect(verdict, `${length} bytes`).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
    }
  });

  test.each([
    ['text', Buffer.from('#!/bin/sh\n'.repeat(100))],
    ['text shorter than a header', Buffer.from('hello')],
    ['a segment', segment()],
  ])('is foreign when the file holds %s', (_, bytes) => {
    expect(decodeImageHeader(bytes)).toMatchObject({ ok: false, code: 'KEELSON_FOREIGN' });
  });

  function segment(): Uint8Array {
    const sizes = { sequence: 1, sizeBytes: 8192, blockBytes: 512 };
    const ids = { journalId: header.journalId, salt: new Uint8Array(8) };
    const marks = { lineageStart: null, isRecycled: false, durableLsn: 0, wallMs: 0 };
    return encodeSegmentHeader({ ...sizes, ...ids, ...marks });
  }
});
