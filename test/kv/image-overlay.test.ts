// A damaged image of several spaces, put over an older one: what its whole blocks say counts, for the keys that they span
// and for those between blocks that follow each other; all else is as it was before.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { imagePath } from '../../src/kv/image/image-names.js';
import { publishImage } from '../../src/kv/image/image-writer.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { examineStore } from '../../src/kv/repair/store-examination.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import {
  blockStarts,
  blocksOf,
  ENTRIES,
  endBlock,
  entriesBlock,
  imageOf,
  type LooseBlock,
  loosened,
  tableBlock,
} from './image-tools.js';
import {
  addSpace,
  contentOf,
  newSchema,
  type PlainEntry,
  type PlainSpace,
  plainSpaces,
  putEntry,
} from './schema-tools.js';

const DIRECTORY = '/data/store';
const OUT = '/data/out';
const JOURNAL_ID = new Uint8Array(16).fill(7);

/** A space in an image. Its keys are ASCII, which both key encodings write alike. */
interface Content {
  readonly id: number;
  readonly name?: string;
  readonly keyEncoding?: 'utf8' | 'bytes';
  readonly lastLsn?: number;
  readonly entries: readonly PlainEntry[];
}

interface Image {
  readonly lsn: number;
  readonly nextSpaceId: number;
  readonly highestId?: number;
  /** The root space first. */
  readonly spaces: readonly Content[];
  readonly entriesPerBlock?: number;
  /** The numbers of the blocks in which a bit is wrong. */
  readonly damaged?: readonly number[];
  readonly journalId?: Uint8Array;
}

const nameOf = ({ id, name }: Content) => name ?? (id === 0 ? '' : `space ${id}`);

function blocksFor({ lsn, nextSpaceId, highestId = 0, spaces, entriesPerBlock = 1 }: Image): LooseBlock[] {
  const rows = spaces.map((space) => ({
    id: space.id,
    name: nameOf(space),
    keyEncoding: space.keyEncoding ?? 'utf8',
    valueEncoding: 'bytes',
    entries: space.entries.length,
    bytes: 100,
    lastLsn: space.lastLsn ?? 0,
  }));
  const table = tableBlock({ nextSpaceId, highestId, rows });
  const blocks = [table];
  for (const { id, entries } of spaces) {
    for (let at = 0; at < entries.length; at += entriesPerBlock)
      blocks.push(entriesBlock(id, lsn, entries.slice(at, at + entriesPerBlock)));
  }
  return [...blocks, table, endBlock];
}

function bytesOf(image: Image): Uint8Array {
  const { lsn, spaces, damaged = [], journalId = JOURNAL_ID } = image;
  const bytes = imageOf(
    {
      journalId,
      lsn,
      entryCount: spaces.reduce((sum, { entries }) => sum + entries.length, 0),
      keyEncodingName: 'utf8',
      valueEncodingName: 'bytes',
    },
    blocksFor(image),
  );
  const starts = blockStarts(bytes);
  for (const number of damaged) bytes[starts[number + 1]! - 1]! ^= 1;
  return bytes;
}

async function onDisk(images: readonly Image[]): Promise<Storage> {
  const storage = new SimulatedDisk({ seed: 1, directories: ['/data', DIRECTORY] }).life();
  for (const image of images) await put(storage, image.lsn, bytesOf(image));
  return storage;
}

/** Gives the image at an LSN these bytes. */
async function put(storage: Storage, lsn: number, bytes: Uint8Array): Promise<void> {
  const path = imagePath(DIRECTORY, lsn);
  await storage.remove(path).catch(() => {});
  const file = await storage.createFile(path);
  await file.write(bytes, 0);
  await file.close();
}

/** Puts together what is whole in the store. */
async function examinedOn(storage: Storage) {
  const plan = { storage, directory: DIRECTORY, encodings: null, onProgress: undefined };
  const { schema, damages } = await examineStore(plan);
  for (const { entries } of schema.spaces) entries.checkValid();
  // There is no log, which is a damage without a file.
  return { schema, spaces: plainSpaces(schema.spaces), damages: damages.filter(({ file }) => file !== null) };
}

const examined = async (...images: readonly Image[]) => examinedOn(await onDisk(images));

/** The keys of each space, with their values: `{ 0: 'a=1 b=2', 3: '' }`. */
function keysOf(spaces: readonly PlainSpace[]): Record<number, string> {
  return Object.fromEntries(
    spaces.map(({ id, entries }) => [id, entries.map(([key, , value]) => `${key}=${value}`).join(' ')]),
  );
}

/** The entries of such a text, all of one version. */
function entriesOf(text: string, version: number): PlainEntry[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map((pair) => {
      const [key, value] = pair.split('=') as [string, string];
      return [key, version, value];
    });
}

function imageAt(
  lsn: number,
  nextSpaceId: number,
  texts: Record<number, string>,
  more: Partial<Image> = {},
): Image {
  const spaces = Object.entries(texts).map(([id, text]) => ({
    id: Number(id),
    entries: entriesOf(text, lsn - 1),
  }));
  return { lsn, nextSpaceId, spaces, ...more };
}

describe('a damaged image of several spaces', () => {
  // Block 0 is the table; the entries are blocks 1 to 6, one each; the table again is block 7, the end block 8.
  const texts = { 0: 'a=1 b=2', 3: 'a=3 b=4 c=5', 4: '', 9: 'a=6' };

  it.each([
    { block: 0, gone: {} },
    { block: 1, gone: { 0: 'b=2' } },
    { block: 2, gone: { 0: 'a=1' } },
    { block: 3, gone: { 3: 'b=4 c=5' } },
    { block: 4, gone: { 3: 'a=3 c=5' } },
    { block: 5, gone: { 3: 'a=3 b=4' } },
    { block: 6, gone: { 9: '' } },
    { block: 7, gone: {} },
    { block: 8, gone: {} },
  ])(
    'loses the keys of block $block when a bit of that is wrong, and keeps all other keys',
    async ({ block, gone }) => {
      const { spaces } = await examined(imageAt(100, 12, texts, { damaged: [block] }));
      expect(keysOf(spaces)).toEqual({ ...texts, ...gone });
      for (const { entries } of spaces) for (const [, version] of entries) expect(version).toBe(99);
    },
  );

  it('keeps the names, the encodings and the empty spaces, by whichever table is whole', async () => {
    const image: Image = {
      lsn: 100,
      nextSpaceId: 12,
      spaces: [
        { id: 0, entries: entriesOf('a=1', 9) },
        { id: 3, name: 'orders', keyEncoding: 'bytes', entries: entriesOf('a=2', 9) },
        { id: 4, name: 'Größe', entries: [] },
      ],
    };
    // The table, root, orders, the table, the end.
    for (const damaged of [[0], [1], [3], [4], [0, 1], [1, 3]]) {
      const { spaces } = await examined({ ...image, damaged });
      expect(spaces.map(({ id, name, keyEncoding }) => [id, name, keyEncoding])).toEqual([
        [0, '', 'utf8'],
        [3, 'orders', 'bytes'],
        [4, 'Größe', 'utf8'],
      ]);
      expect(keysOf(spaces)[3]).toBe('a=2');
    }
  });

  it('has one place of damage, when one bit is wrong', async () => {
    const file = '0000000000000100.image';
    const starts = blockStarts(bytesOf(imageAt(100, 12, texts)));
    for (let block = 0; block <= 8; block++) {
      const { damages } = await examined(imageAt(100, 12, texts, { damaged: [block] }));
      const offsetEnd = starts[block + 1]!;
      expect(damages, `block ${block}`).toMatchObject([{ file, offset: starts[block]!, offsetEnd }]);
    }
  });

  it('of which no table is whole gives all blocks, and names the spaces by their ids that no older image has', async () => {
    const damaged = [0, 7];
    const namesOf = (spaces: readonly PlainSpace[]) => spaces.map(({ name }) => name);
    const alone = await examined(imageAt(100, 12, texts, { damaged }));
    expect(keysOf(alone.spaces)).toEqual({ 0: 'a=1 b=2', 3: 'a=3 b=4 c=5', 9: 'a=6' });
    expect(namesOf(alone.spaces)).toEqual(['', 'lost-3', 'lost-9']);
    const older = imageAt(50, 10, { 0: 'A=0 z=0', 3: 'bb=0 d=0' });
    const { spaces } = await examined(older, imageAt(100, 12, texts, { damaged }));
    expect(keysOf(spaces)).toEqual({ 0: 'A=0 a=1 b=2', 3: 'a=3 b=4 c=5', 9: 'a=6' });
    expect(namesOf(spaces)).toEqual(['', 'space 3', 'lost-9']);
  });

  it('of which no table is whole keeps all keys of a lost space, whose order may be that of another encoding', async () => {
    // In the order of UTF-16. In the order of bytes, the first is the last.
    const keys = ['\u{10000}', '\ue000', '\uffff'];
    const spaces: Content[] = [
      { id: 0, entries: [] },
      { id: 3, entries: keys.map((key): PlainEntry => [key, 9, 'value']) },
      { id: 9, entries: entriesOf('a=1', 9) },
    ];
    const damaged = [0, 5];
    const found = await examined({ lsn: 100, nextSpaceId: 12, spaces, damaged });
    expect(found.spaces.map(({ id, entries }) => [id, entries.length])).toEqual([
      [0, 0],
      [3, 3],
      [9, 1],
    ]);
  });
});

describe('a damaged image over an older one', () => {
  it('drops the spaces that its table does not have, with all their keys', async () => {
    const older = imageAt(50, 6, { 0: 'a=0', 2: 'x=0', 3: 'a=0', 5: '' });
    // The table, root, space 3, the table, the end.
    for (const damaged of [[0], [1], [2], [3], [0, 1, 2], [1, 2, 3]]) {
      const newer = imageAt(100, 6, { 0: 'a=1', 3: 'a=1' }, { damaged });
      expect(Object.keys(keysOf((await examined(older, newer)).spaces)), `${damaged}`).toEqual(['0', '3']);
    }
    // Without a table, no more is known than that it has no keys between two blocks.
    const newer = imageAt(100, 6, { 0: 'a=1', 3: 'a=1' }, { damaged: [0, 3] });
    expect(keysOf((await examined(older, newer)).spaces)).toEqual({ 0: 'a=1', 2: '', 3: 'a=1', 5: '' });
  });

  it('drops no space that was created after it', async () => {
    const first = imageAt(50, 2, { 0: 'a=0', 1: 'x=0' });
    const second = imageAt(100, 2, { 0: 'a=1' }, { damaged: [1] });
    const third = imageAt(150, 4, { 0: 'a=2', 2: 'y=0', 3: 'z=0' }, { damaged: [3] });
    const { spaces } = await examined(first, second, third);
    expect(keysOf(spaces)).toEqual({ 0: 'a=2', 2: 'y=0', 3: '' });
  });

  it('creates the spaces that are new in it, also the empty ones', async () => {
    const older = imageAt(50, 1, { 0: 'a=0' });
    for (const damaged of [[0], [1], [3]]) {
      const newer = imageAt(100, 9, { 0: 'a=1', 3: 'a=1', 8: '' }, { damaged });
      const keys = keysOf((await examined(older, newer)).spaces);
      expect(keys, `${damaged}`).toEqual({ 0: damaged[0] === 1 ? 'a=0' : 'a=1', 3: 'a=1', 8: '' });
    }
  });

  it('clears what was deleted between two whole blocks, across the boundaries of spaces', async () => {
    const older = imageAt(50, 6, { 0: 'a=0 b=0 c=0', 1: 'x=0', 2: 'a=0 b=0 c=0', 5: 'a=0 b=0' });
    const texts = { 0: 'b=1', 1: '', 2: 'b=1', 5: 'b=1' };
    // The table, the three spaces with entries, the table, the end.
    const after = async (...damaged: number[]) =>
      keysOf((await examined(older, imageAt(100, 6, texts, { damaged }))).spaces);
    // All that is not in a damaged block, or beside one, is known.
    expect(await after(1)).toEqual({ 0: 'a=0 b=0 c=0', 1: 'x=0', 2: 'a=0 b=1', 5: 'b=1' });
    expect(await after(2)).toEqual({ 0: 'b=1 c=0', 1: 'x=0', 2: 'a=0 b=0 c=0', 5: 'a=0 b=1' });
    expect(await after(3)).toEqual({ 0: 'b=1', 1: '', 2: 'b=1 c=0', 5: 'a=0 b=0' });
    // Nothing says that no key is in front of the first block, or behind the last.
    expect(await after(0)).toEqual({ 0: 'a=0 b=1', 1: '', 2: 'b=1', 5: 'b=1' });
    expect(await after(4)).toEqual({ 0: 'b=1', 1: '', 2: 'b=1', 5: 'b=1' });
    expect(await after(1, 2)).toEqual({ 0: 'a=0 b=0 c=0', 1: 'x=0', 2: 'a=0 b=0 c=0', 5: 'a=0 b=1' });
  });

  it('clears the spaces that are empty in it, when the tables follow each other', async () => {
    const older = imageAt(50, 6, { 0: 'a=0', 3: 'a=0', 5: 'a=0' });
    // The end of the file is damaged: the image is not whole, and says all that it says.
    const { spaces } = await examined(older, imageAt(100, 6, { 0: '', 3: '', 5: '' }, { damaged: [2] }));
    expect(keysOf(spaces)).toEqual({ 0: '', 3: '', 5: '' });
  });

  it('counts at its LSN among several of them', async () => {
    const images = [
      imageAt(50, 6, { 0: 'a=0', 3: 'a=0 b=0 c=0' }),
      imageAt(100, 6, { 0: 'a=1', 3: 'a=1 c=1' }, { damaged: [1] }),
      imageAt(150, 6, { 0: 'a=2', 3: 'a=2 d=2' }, { damaged: [2] }),
    ];
    expect(keysOf((await examined(...images)).spaces)).toEqual({ 0: 'a=2', 3: 'a=1 c=1 d=2' });
  });

  /** As a writer has it: small spaces have one block each. */
  const ALL_IN_ONE = 100;

  /** What the examination should make of two images, by docs and not by blocks. */
  function expected(older: Image, newer: Image, damaged: ReadonlySet<number>): Record<number, PlainEntry[]> {
    const blocks = blocksFor(newer);
    const tables = [0, blocks.length - 2];
    const hasTable = tables.some((number) => !damaged.has(number));
    const contentOf = ({ spaces }: Image, id: number) => spaces.find((space) => space.id === id)?.entries;
    const isThere = (id: number) => {
      const [before, after] = [contentOf(older, id), contentOf(newer, id)];
      const hasWholeBlock = spans.some(({ number, spaceId }) => spaceId === id && !damaged.has(number));
      if (after !== undefined) return hasTable || before !== undefined || hasWholeBlock;
      return before !== undefined && (!hasTable || id >= newer.nextSpaceId);
    };
    /** The place of each block of entries in the order of space and key. */
    const spans: { number: number; spaceId: number; low: string; high: string }[] = [];
    for (const { id, entries } of newer.spaces) {
      for (let at = 0; at < entries.length; at += newer.entriesPerBlock!) {
        const keys = entries.slice(at, at + newer.entriesPerBlock!).map(([key]) => key);
        spans.push({ number: spans.length + 1, spaceId: id, low: keys[0]!, high: keys.at(-1)! });
      }
    }
    const isWhole = (number: number) => !damaged.has(number);
    const isKnown = (id: number, key: string) => {
      if (id >= newer.nextSpaceId) return false;
      const isBefore = (spaceId: number, other: string) => spaceId < id || (spaceId === id && other < key);
      const before = spans.findLast(
        ({ spaceId, low }) => isBefore(spaceId, low) || (spaceId === id && low === key),
      );
      const number = before?.number ?? 0;
      const isWithin = before !== undefined && !isBefore(before.spaceId, before.high);
      return isWithin ? isWhole(number) : isWhole(number) && isWhole(number + 1);
    };
    const ids = [...new Set([...older.spaces, ...newer.spaces].map(({ id }) => id))].filter(isThere);
    return Object.fromEntries(
      ids.map((id) => {
        const after = (contentOf(newer, id) ?? []).filter(([key]) => isKnown(id, key));
        const before = (contentOf(older, id) ?? []).filter(([key]) => !isKnown(id, key));
        return [id, [...before, ...after].sort(([one], [other]) => (one < other ? -1 : 1))];
      }),
    );
  }

  it('says, with any of its blocks damaged, what a model says', async () => {
    const keys = 'abcdefgh'.split('');
    const anyEntries = (lsn: number) =>
      fc
        .subarray(keys)
        .chain((some) =>
          fc.tuple(...some.map((key) => fc.tuple(fc.constant(key), fc.integer({ min: 1, max: lsn })))),
        )
        .map((some) => some.map(([key, version]): PlainEntry => [key, version, `${key} of ${version}`]));
    const anyImage = (lsn: number, nextSpaceId: number) =>
      fc
        .subarray([1, 2, 3, 4, 5, 6].filter((id) => id < nextSpaceId))
        .chain((ids) =>
          fc.tuple(...[0, ...ids].map((id) => anyEntries(lsn).map((entries): Content => ({ id, entries })))),
        )
        .chain((spaces) =>
          fc
            .integer({ min: 1, max: 3 })
            .map((entriesPerBlock): Image => ({ lsn, nextSpaceId, spaces, entriesPerBlock })),
        );
    /** A space that was dropped never returns. */
    const withoutReturns = (older: Image, newer: Image): Image => ({
      ...newer,
      spaces: newer.spaces.filter(
        ({ id }) => id >= older.nextSpaceId || older.spaces.some((space) => space.id === id),
      ),
    });
    const anyNumbers = fc.array(fc.nat(40), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(anyImage(50, 4), anyImage(100, 7), anyNumbers, async (older, any, numbers) => {
        const whole = withoutReturns(older, any);
        const { length } = blocksFor(whole);
        const damaged = [...new Set(numbers.map((number) => number % length))].filter(
          // Only where full blocks end can one behind two damaged ones be told from a value that looks like one.
          (number, _, all) => whole.entriesPerBlock === ALL_IN_ONE || !all.includes(number - 1),
        );
        const newer = { ...whole, damaged };
        const { spaces, damages } = await examined(older, newer);
        expect(damages.length).toBeGreaterThan(0);
        expect(spaces.map(({ id }) => id)).toEqual(spaces.map(({ id }) => id).sort((a, b) => a - b));
        const found = Object.fromEntries(spaces.map(({ id, entries }) => [id, entries]));
        expect(found).toEqual(expected(older, newer, new Set(damaged)));
      }),
      { numRuns: 400, seed: 20 },
    );
  });
});

describe('an examination of images of several spaces', () => {
  it('takes from the newest whole image which spaces there are, whatever an older one has', async () => {
    const older = imageAt(50, 4, { 0: 'a=0', 1: 'x=0', 3: 'a=0' });
    const newer = imageAt(100, 9, { 0: 'a=1', 3: '', 5: 'a=1' });
    const { spaces, damages } = await examined(older, newer);
    expect(damages).toEqual([]);
    expect(keysOf(spaces)).toEqual({ 0: 'a=1', 3: '', 5: 'a=1' });
  });

  it('takes a name that an older image has for another space', async () => {
    const at = (lsn: number, id: number): Image => ({
      lsn,
      nextSpaceId: id + 1,
      spaces: [
        { id: 0, entries: [] },
        { id, name: 'orders', entries: entriesOf('a=1', lsn) },
      ],
    });
    for (const damaged of [[], [0], [3]]) {
      const { spaces } = await examined(at(50, 1), { ...at(100, 2), damaged });
      expect(spaces.map(({ id, name }) => [id, name])).toEqual([
        [0, ''],
        [2, 'orders'],
      ]);
    }
  });

  it('keeps the id of the next space, and the highest id that was drawn', async () => {
    for (const damaged of [[], [0], [1], [2], [3]]) {
      const { schema } = await examined(imageAt(100, 40, { 0: 'a=1', 3: '' }, { damaged, highestId: 700 }));
      expect([schema.nextSpaceId, schema.highestId], `${damaged}`).toEqual([40, 700]);
    }
  });

  it('takes the LSNs of the last writes from the table, and none that is above the image', async () => {
    const image: Image = {
      lsn: 100,
      nextSpaceId: 9,
      spaces: [
        { id: 0, lastLsn: 90, entries: entriesOf('a=1 b=1', 10) },
        { id: 3, lastLsn: 80, entries: [] },
        { id: 5, lastLsn: 70, entries: entriesOf('a=1', 60) },
      ],
    };
    for (const damaged of [[], [0], [1], [2], [3], [4], [5], [1, 3]]) {
      const { spaces } = await examined({ ...image, damaged });
      expect(spaces).toHaveLength(3);
      for (const [at, { lastLsn }] of spaces.entries()) {
        expect(lastLsn, `${damaged}`).toBeGreaterThanOrEqual(image.spaces[at]!.lastLsn!);
        expect(lastLsn, `${damaged}`).toBeLessThanOrEqual(100);
      }
    }
  });

  it('takes nothing from the spaces of an image of another journal', async () => {
    const theirs = imageAt(200, 9, { 0: 'z=9', 1: 'z=9', 8: 'z=9' }, { journalId: new Uint8Array(16) });
    const ours: Image = {
      lsn: 100,
      nextSpaceId: 3,
      spaces: [
        { id: 0, entries: entriesOf('a=1', 9) },
        { id: 1, name: 'ours', entries: entriesOf('a=1', 9) },
      ],
    };
    const older = { ...ours, lsn: 50 };
    const { spaces, damages } = await examined(older, ours, theirs);
    expect(damages.map(({ file }) => file)).toEqual(['0000000000000200.image']);
    expect(spaces.map(({ id, name }) => [id, name])).toEqual([
      [0, ''],
      [1, 'ours'],
    ]);
    expect(keysOf(spaces)).toEqual({ 0: 'a=1', 1: 'a=1' });
  });
});

describe('an image of several spaces, as a checkpoint writes it,', () => {
  const LSN = 1000;
  const LARGE = 100_000;

  /** Three spaces of several blocks, one after the other, and an empty one between. */
  async function written() {
    const schema = newSchema();
    const spaces = [schema.root, ...[2, 3, 7].map((id) => addSpace(schema, id, `space ${id}`))];
    for (const [at, space] of spaces.entries()) {
      // Keys that a shift by one block would put into another order.
      for (let key = 0; at !== 2 && key < 8; key++)
        putEntry(space, `${key} ${at}`, 10 * key + at + 1, new Uint8Array(LARGE).fill(key));
    }
    const storage = new SimulatedDisk({ seed: 1, directories: ['/data', DIRECTORY] }).life();
    const plan = { journalId: JOURNAL_ID, view: schema.wholeView(LSN), schema, onBlock: () => {} };
    await publishImage(storage, DIRECTORY, plan, async () => {});
    const file = await storage.openFile(imagePath(DIRECTORY, LSN), false);
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    return { schema, storage, bytes };
  }

  it.each([
    { what: 'zeros', fill: (bytes: Uint8Array) => bytes.fill(0) },
    { what: 'ones', fill: (bytes: Uint8Array) => bytes.fill(0xff) },
    { what: 'garbage', fill: (bytes: Uint8Array) => bytes.set(new Random(7).bytes(bytes.length)) },
  ])('keeps the keys of all blocks but the one whose header and first bytes are $what', async ({ fill }) => {
    const { schema, storage, bytes } = await written();
    const starts = blockStarts(bytes);
    const blocks = blocksOf(bytes).map(loosened);
    expect(blocks.filter(({ kind }) => kind === ENTRIES)).toHaveLength(9);
    // How many entries of its space stand before each block.
    let [space, before] = [0, 0];
    for (const [number, { kind, spaceId, entries }] of blocks.entries()) {
      const damaged = bytes.slice();
      fill(damaged.subarray(starts[number]!, Math.min(starts[number]! + 5000, starts[number + 1]!)));
      await put(storage, LSN, damaged);
      const found = await examinedOn(storage);
      if (spaceId !== space) [space, before] = [spaceId, 0];
      const expected = plainSpaces(schema.spaces).map(({ id, name, entries: content }) => ({
        id,
        name,
        entries:
          kind === ENTRIES && id === spaceId
            ? [...content.slice(0, before), ...content.slice(before + entries)]
            : content,
      }));
      if (kind === ENTRIES) before += entries;
      expect(found.spaces, `block ${number}`).toMatchObject(expected);
    }
  });

  it('is salvaged into a store that has all of them, and opens', async () => {
    const { schema, storage, bytes } = await written();
    const damaged = bytes.slice();
    // The second block of the second space.
    damaged[blockStarts(bytes)[5]! + 30_000]! ^= 1;
    await put(storage, LSN, damaged);
    const { entries, lsn } = await salvageOn(storage, DIRECTORY, OUT);
    expect(lsn).toBe(LSN);
    const path = imagePath(OUT, LSN);
    const { verdict } = await readImageHeader(storage, path);
    if (!verdict.ok) throw new Error(verdict.why);
    const loaded = await loadImage(storage, path, verdict.header, newSchema(), () => {});
    const lost = plainSpaces(schema.spaces).map(
      ({ entries: content }, at) => content.length - loaded.spaces[at]!.entries.size,
    );
    expect(lost).toEqual([0, 3, 0, 0]);
    expect(entries).toBe(21);
    expect(loaded.spaces.map(({ id, name }) => [id, name])).toEqual(
      schema.spaces.map(({ id, name }) => [id, name]),
    );
    expect(contentOf(loaded.spaces[3]!.entries)).toEqual(contentOf(schema.space(7)!.entries));
    const db = await openStoreOn(storage, OUT, resolveStoreOptions({ valueEncoding: 'bytes' }));
    expect(db.size).toBe(8);
    await db.put('more', new Uint8Array(1));
    await db.checkpoint();
    await db.close();
    const { spaces } = await examineStore({
      storage,
      directory: OUT,
      encodings: null,
      onProgress: undefined,
    }).then(({ schema: again, damages }) => {
      expect(damages).toEqual([]);
      return { spaces: plainSpaces(again.spaces) };
    });
    expect(spaces.map(({ entries: content }) => content.length)).toEqual([9, 5, 0, 8]);
  });
});
