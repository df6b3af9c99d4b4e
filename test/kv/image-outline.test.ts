// The outline of an image: a table of spaces, their entries, the same table, the end. Whatever breaks it under checksums
// that hold is refused by a load, and named by verify(), at the same place.

import { describe, expect, it } from 'vitest';
import { resolveKeyEncoding } from '../../src/kv/encoding/key-encoding.js';
import type { ImageHeader } from '../../src/kv/image/image-header.js';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { imagePath } from '../../src/kv/image/image-names.js';
import { ImageExamination } from '../../src/kv/repair/image-examination.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import {
  blockStarts,
  endBlock,
  entriesBlock,
  imageOf,
  type LooseBlock,
  type LooseRow,
  type LooseTable,
  tableBlock,
} from './image-tools.js';
import { newSchema, plainSpaces } from './schema-tools.js';

const LSN = 123_456;
const PATH = imagePath('/data', LSN);

const HEADER: ImageHeader = {
  journalId: new Uint8Array(16).fill(7),
  lsn: LSN,
  entryCount: 5,
  keyEncodingName: 'utf8',
  valueEncodingName: 'msgpack',
};

const rowOf = (id: number, name: string, entries: number, more: Partial<LooseRow> = {}): LooseRow => ({
  id,
  name,
  keyEncoding: 'utf8',
  valueEncoding: 'bytes',
  entries,
  bytes: 100,
  lastLsn: 9,
  ...more,
});

const ROOT = rowOf(0, '', 2, { valueEncoding: 'msgpack' });
const ORDERS = rowOf(3, 'orders', 3, { keyEncoding: 'bytes' });
const EMPTY = rowOf(5, 'empty', 0, { lastLsn: 0 });
const SOUND: LooseTable = { nextSpaceId: 8, rows: [ROOT, ORDERS, EMPTY] };
const TABLE = tableBlock(SOUND);
const A = entriesBlock(0, LSN, [['a', 1, 'one']]);
const B = entriesBlock(0, LSN, [['b', 2, 'two']]);
const C = entriesBlock(3, LSN, [
  ['c', 3, 'three'],
  ['d', 4, 'four'],
]);
const D = entriesBlock(3, LSN, [['e', 5, 'five']]);

async function onDisk(image: Uint8Array): Promise<Storage> {
  const storage = new SimulatedDisk({ seed: 1, directories: ['/data'] }).life();
  const file = await storage.createFile(PATH);
  await file.write(image, 0);
  await file.close();
  return storage;
}

async function load(storage: Storage) {
  const { verdict } = await readImageHeader(storage, PATH);
  if (!verdict.ok) throw new Error(verdict.why);
  const { spaces, nextSpaceId } = await loadImage(storage, PATH, verdict.header, newSchema(), () => {});
  return { spaces: plainSpaces(spaces), nextSpaceId };
}

/** Looks at the image as verify() does, which learns from its header what the keys and values of the store are. */
async function examine(storage: Storage): Promise<ImageExamination> {
  const image = await ImageExamination.of(storage, '/data', LSN);
  const { journalId, keyEncodingName, valueEncodingName } = image.header!;
  const keyCodec = resolveKeyEncoding('keyEncoding', keyEncodingName);
  await image.read(journalId, newSchema(keyCodec, valueEncodingName));
  return image;
}

interface Lie {
  readonly name: string;
  readonly blocks: readonly LooseBlock[];
  readonly header?: Partial<ImageHeader>;
  /** The number of the block at which it is refused; the number of blocks for the end of the file. */
  readonly at: number;
  readonly why: RegExp;
  /** What verify() says, where it does not say the same. */
  readonly whyVerify?: RegExp;
}

const UNVERIFIED = /what stands here is no block that verifies/;
const ROOT_BEHIND: LooseTable = {
  nextSpaceId: 8,
  rows: [{ ...ROOT, entries: 0 }, rowOf(1, 'first', 1), rowOf(2, 'second', 1)],
};

/** Lies in which blocks of a sound image are missing, or stand in other places. */
const misplaced: Lie[] = [
  {
    name: 'the table is missing at the start',
    blocks: [A, B, C, D, TABLE, endBlock],
    at: 0,
    why: /does not begin with the table of its spaces/,
  },
  {
    name: 'there is nothing but the end',
    blocks: [endBlock],
    at: 0,
    why: /does not begin with the table of its spaces/,
  },
  {
    name: 'the table is missing before the end',
    blocks: [TABLE, A, B, C, D, endBlock],
    at: 5,
    why: /block 5 stands in the wrong place/,
  },
  {
    name: 'there is one table and the end',
    blocks: [tableBlock({ ...SOUND, rows: [{ ...ROOT, entries: 0 }] }), endBlock],
    header: { entryCount: 0 },
    at: 1,
    why: /block 1 stands in the wrong place/,
  },
  {
    name: 'there is a third table',
    blocks: [TABLE, A, B, C, D, TABLE, TABLE, endBlock],
    at: 6,
    why: /block 6 stands in the wrong place/,
  },
  {
    name: 'entries follow the second table',
    blocks: [TABLE, A, B, C, D, TABLE, D, endBlock],
    at: 6,
    why: /block 6 stands in the wrong place/,
  },
  {
    name: 'the table comes twice at the start',
    blocks: [TABLE, TABLE, A, B, C, D, endBlock],
    at: 1,
    why: /has 0 of 2 entries of space 0/,
  },
  {
    name: 'the end is missing',
    blocks: [TABLE, A, B, C, D, TABLE],
    at: 6,
    why: /ends without its end block/,
    whyVerify: /from here on nothing verifies, or is there/,
  },
  {
    name: 'there is nothing',
    blocks: [],
    at: 0,
    why: /ends without its end block/,
    whyVerify: /from here on nothing verifies, or is there/,
  },
  {
    name: 'the end comes twice',
    blocks: [TABLE, A, B, C, D, TABLE, endBlock, endBlock],
    at: 7,
    why: /ends 24 bytes before its file does/,
    whyVerify: /bytes follow the end of the image/,
  },
  {
    name: 'the end comes before the second table',
    blocks: [TABLE, A, B, C, D, endBlock, TABLE],
    at: 5,
    why: /block 5 stands in the wrong place/,
  },
  {
    name: 'a space comes before the one in front of it',
    blocks: [TABLE, C, D, A, B, TABLE, endBlock],
    at: 1,
    why: /has 0 of 2 entries of space 0/,
  },
  {
    name: 'the blocks of two spaces alternate',
    blocks: [TABLE, A, C, B, D, TABLE, endBlock],
    at: 2,
    why: /has 1 of 2 entries of space 0/,
  },
  {
    name: 'a space without entries has them, behind those of the next',
    blocks: [tableBlock(ROOT_BEHIND), { ...A, spaceId: 1 }, A, { ...B, spaceId: 2 }, TABLE, endBlock],
    header: { entryCount: 2 },
    at: 2,
    why: /block 2 is of space 0, which its table does not have/,
  },
  {
    name: 'the first block of a space is missing',
    blocks: [TABLE, A, B, D, TABLE, endBlock],
    at: 4,
    why: /has 1 of 3 entries of space 3/,
  },
  {
    name: 'all blocks of the first space are missing',
    blocks: [TABLE, C, D, TABLE, endBlock],
    at: 1,
    why: /has 0 of 2 entries of space 0/,
  },
  {
    name: 'all blocks of the last space are missing',
    blocks: [TABLE, A, B, TABLE, endBlock],
    at: 3,
    why: /has 0 of 3 entries of space 3/,
  },
  {
    name: 'an empty space has a block',
    blocks: [TABLE, A, B, C, D, { ...A, spaceId: 5 }, TABLE, endBlock],
    at: 6,
    why: /has 1 of 0 entries of space 5/,
  },
  ...[1, 4, 6, 7, 8, 0xffff_ffff].map((spaceId) => ({
    name: `a block is of space ${spaceId}, which the table does not have`,
    blocks:
      spaceId < 3
        ? [TABLE, A, B, { ...A, spaceId }, C, D, TABLE, endBlock]
        : [TABLE, A, B, C, D, { ...A, spaceId }, TABLE, endBlock],
    at: spaceId < 3 ? 3 : 5,
    why: new RegExp(`is of space ${spaceId}, which its table does not have`),
  })),
];

/** Lies in both tables alike, with all else as it should be. */
function inTables(
  name: string,
  table: Partial<LooseTable>,
  why: RegExp,
  header: Partial<ImageHeader> = {},
): Lie {
  const block = tableBlock({ ...SOUND, ...table });
  return { name, blocks: [block, A, B, C, D, block, endBlock], header, at: 0, why };
}

/** The count of spaces, in the tables and in their headers. */
function withCount(name: string, count: number, why: RegExp): Lie {
  const block = { ...tableBlock({ ...SOUND, count }), entries: count };
  return { name, blocks: [block, A, B, C, D, block, endBlock], at: 0, why };
}

const inBothTables: Lie[] = [
  inTables('the reserved number is set', { reserved: 1 }, /a reserved number in the table .* is set/),
  inTables(
    'spaces are not in the order of their ids',
    { rows: [ROOT, EMPTY, ORDERS] },
    /not in the order of their ids/,
  ),
  inTables(
    'two spaces have one id',
    { rows: [ROOT, ORDERS, { ...EMPTY, id: 3 }] },
    /not in the order of their ids/,
  ),
  inTables('the root space comes twice', { rows: [ROOT, ROOT, ORDERS] }, /not in the order of their ids/),
  inTables('a space has the id of the next one', { nextSpaceId: 5 }, /not in the order of their ids/),
  inTables('the id of the next space is 0', { nextSpaceId: 0 }, /not in the order of their ids/),
  { ...inTables('there is no space', { rows: [] }, /has no root space/), whyVerify: UNVERIFIED },
  inTables('there is no root space', { rows: [ORDERS, EMPTY] }, /has no root space/),
  inTables('the root space has a name', { rows: [{ ...ROOT, name: 'root' }, ORDERS] }, /has no root space/),
  inTables(
    'it says that there are more spaces than its header says',
    { count: 4 },
    /table has 4 of 3 spaces/,
  ),
  inTables(
    'it says that there are fewer spaces than its header says',
    { count: 2 },
    /table has 2 of 3 spaces/,
  ),
  withCount('there are fewer spaces than it and its header say', 4, /is not one that fits what follows/),
  withCount('there are more spaces than it and its header say', 2, /bytes follow the table of spaces/),
  inTables(
    'it says that there are more spaces than bytes',
    { count: 2 ** 40 },
    /is not one that fits what follows/,
  ),
  inTables(
    'a key encoding is one that nobody knows',
    { rows: [ROOT, { ...ORDERS, keyEncoding: 'utf9' }, EMPTY] },
    /names the key encoding utf9, which this Keelson does not know/,
  ),
  inTables(
    'the number of entries of the root space is another one',
    { rows: [{ ...ROOT, entries: 3 }, ORDERS, EMPTY] },
    /header says 5 entries, its table of spaces 6/,
  ),
  inTables(
    'the number of entries of an empty space is another one',
    { rows: [ROOT, ORDERS, { ...EMPTY, entries: 1 }] },
    /header says 5 entries, its table of spaces 6/,
  ),
  inTables(
    'the number of entries in the header is another one',
    {},
    /header says 4 entries, its table of spaces 5/,
    {
      entryCount: 4,
    },
  ),
  inTables(
    'the header names another key encoding',
    {},
    /its header and its table of spaces name other encodings/,
    { keyEncodingName: 'bytes' },
  ),
  inTables(
    'the header names another value encoding',
    {},
    /its header and its table of spaces name other encodings/,
    { valueEncodingName: 'json' },
  ),
  inTables(
    'the table names another key encoding for the root space',
    { rows: [{ ...ROOT, keyEncoding: 'bytes' }, ORDERS, EMPTY] },
    /its header and its table of spaces name other encodings/,
  ),
  inTables(
    'the table names another value encoding for the root space',
    { rows: [{ ...ROOT, valueEncoding: 'json' }, ORDERS, EMPTY] },
    /its header and its table of spaces name other encodings/,
  ),
];

/** Lies about how many entries each space has, in both tables alike and with the right sum. */
const countsElsewhere: Lie[] = [
  {
    ...inTables(
      'the first space has fewer entries than the table says',
      { rows: [{ ...ROOT, entries: 3 }, { ...ORDERS, entries: 2 }, EMPTY] },
      /has 2 of 3 entries of space 0/,
    ),
    at: 3,
  },
  {
    ...inTables(
      'the first space has more entries than the table says',
      { rows: [{ ...ROOT, entries: 1 }, { ...ORDERS, entries: 4 }, EMPTY] },
      /has 2 of 1 entries of space 0/,
    ),
    at: 3,
  },
  {
    ...inTables(
      'the last space with entries has more than the table says',
      { rows: [ROOT, { ...ORDERS, entries: 2 }, { ...EMPTY, entries: 1 }] },
      /has 3 of 2 entries of space 3/,
    ),
    at: 5,
  },
];

function inSecondTable(name: string, table: Partial<LooseTable>): Lie {
  const second = tableBlock({ ...SOUND, ...table });
  const blocks = [TABLE, A, B, C, D, second, endBlock];
  return { name, blocks, at: 5, why: /its two tables of spaces differ/ };
}

const tablesThatDiffer: Lie[] = [
  inSecondTable('the id of the next space is another one', { nextSpaceId: 9 }),
  inSecondTable('a name is another one', { rows: [ROOT, { ...ORDERS, name: 'order' }, EMPTY] }),
  inSecondTable('a key encoding is another one', { rows: [ROOT, { ...ORDERS, keyEncoding: 'utf8' }, EMPTY] }),
  inSecondTable('a value encoding is another one', {
    rows: [ROOT, ORDERS, { ...EMPTY, valueEncoding: 'json' }],
  }),
  inSecondTable('a number of entries is another one', { rows: [ROOT, ORDERS, { ...EMPTY, entries: 1 }] }),
  inSecondTable('a number of bytes is another one', { rows: [ROOT, ORDERS, { ...EMPTY, bytes: 1 }] }),
  inSecondTable('a last LSN is another one', { rows: [ROOT, ORDERS, { ...EMPTY, lastLsn: 1 }] }),
  inSecondTable('an id is another one', { rows: [ROOT, ORDERS, { ...EMPTY, id: 6 }] }),
  inSecondTable('a space is missing', { rows: [ROOT, ORDERS] }),
  inSecondTable('there is one space more', { rows: [ROOT, ORDERS, EMPTY, rowOf(7, 'more', 0)] }),
];

/** Lies in which a payload is one that no writer makes. */
function withPayload(name: string, change: (payload: number[]) => void, why: RegExp): Lie {
  const payload = [...TABLE.payload];
  change(payload);
  const block = { ...TABLE, payload: Uint8Array.from(payload) };
  return { name, blocks: [block, A, B, C, D, block, endBlock], at: 0, why };
}

const nameAt = Buffer.from(TABLE.payload).indexOf('orders');
const malformed: Lie[] = [
  withPayload('a byte follows', (payload) => payload.push(0), /bytes follow the table of spaces/),
  withPayload('the last byte is missing', (payload) => payload.pop(), /is not one that fits what follows/),
  withPayload('half of it is missing', (payload) => payload.splice(payload.length / 2), /fits what follows/),
  withPayload('a number has a longer form than it needs', (payload) => payload.splice(0, 1, 0x88, 0), /fits/),
  withPayload(
    'a number is larger than a safe integer',
    (payload) => payload.splice(0, 1, ...new Array(8).fill(0xff), 0x7f),
    /fits what follows/,
  ),
  withPayload('a name is no UTF-8', (payload) => payload.splice(nameAt, 1, 0xff), /UTF-8/),
  withPayload(
    'a name is longer than what follows',
    (payload) => payload.splice(nameAt - 1, 1, 100),
    /fits what follows/,
  ),
];

/** Lies in the header of a block about what it is. */
function withHead(name: string, of: LooseBlock, head: Partial<LooseBlock>, at: number): Lie {
  const blocks = [TABLE, A, B, C, D, TABLE, endBlock];
  blocks[at] = { ...of, ...head };
  return {
    name,
    blocks,
    at,
    why: new RegExp(`block ${at} is of no known kind`),
    whyVerify: at === blocks.length - 1 ? /nothing verifies, or is there/ : UNVERIFIED,
  };
}

const heads: Lie[] = [
  withHead('a block is of kind 0', A, { kind: 0 }, 1),
  withHead('a block is of kind 4', A, { kind: 4 }, 1),
  withHead('a block is of the highest kind', A, { kind: 0xffff_ffff }, 1),
  withHead('a block of zeros stands at the end', endBlock, { kind: 0 }, 6),
  withHead('a block of entries has none', A, { entries: 0, payload: Uint8Array.of(0) }, 1),
  withHead('the first table is of a space', TABLE, { spaceId: 3 }, 0),
  withHead('the second table is of a space', TABLE, { spaceId: 3 }, 5),
  withHead('the end is of a space', endBlock, { spaceId: 3 }, 6),
  withHead('the end has entries', endBlock, { entries: 1 }, 6),
  withHead('the end has a payload', endBlock, { payload: Uint8Array.of(0) }, 6),
];

/** A table says in its header, too, how many spaces it has. */
const countsInHeads: Lie[] = [0, 1, 2, 4, 8, 0xffff_ffff].flatMap((entries) =>
  [0, 5].map((at) => {
    const blocks = [TABLE, A, B, C, D, TABLE, endBlock];
    blocks[at] = { ...TABLE, entries };
    const mayBeTable = entries > 0 && 4 * entries <= TABLE.payload.length;
    return {
      name: `the header of the ${at === 0 ? 'first' : 'second'} table says ${entries} spaces`,
      blocks,
      at,
      why: new RegExp(`the table has 3 of ${entries} spaces`),
      ...(mayBeTable ? {} : { whyVerify: UNVERIFIED }),
    };
  }),
);

describe('an image under checksums that hold', () => {
  it('is loaded with all of its spaces, and whole for verify()', async () => {
    const storage = await onDisk(imageOf(HEADER, [TABLE, A, B, C, D, TABLE, endBlock]));
    const { spaces, nextSpaceId } = await load(storage);
    expect(nextSpaceId).toBe(8);
    expect(spaces).toEqual([
      {
        id: 0,
        name: '',
        keyEncoding: 'utf8',
        valueEncoding: 'msgpack',
        lastLsn: 9,
        entries: [
          ['a', 1, 'one'],
          ['b', 2, 'two'],
        ],
      },
      {
        id: 3,
        name: 'orders',
        keyEncoding: 'bytes',
        valueEncoding: 'bytes',
        lastLsn: 9,
        entries: [
          ['c', 3, 'three'],
          ['d', 4, 'four'],
          ['e', 5, 'five'],
        ],
      },
      { id: 5, name: 'empty', keyEncoding: 'utf8', valueEncoding: 'bytes', lastLsn: 0, entries: [] },
    ]);
    const image = await examine(storage);
    expect(image).toMatchObject({ isWhole: true, damages: [], findings: { entries: 5, isWhole: true } });
  });

  it('may put the entries of a space into any number of blocks', async () => {
    for (const blocks of [
      [A, B, entriesBlock(3, LSN, [['c', 3, 'three']]), entriesBlock(3, LSN, [['d', 4, '']]), D],
      [
        entriesBlock(0, LSN, [
          ['a', 1, 'one'],
          ['b', 2, 'two'],
        ]),
        C,
        D,
      ],
    ]) {
      const storage = await onDisk(imageOf(HEADER, [TABLE, ...blocks, TABLE, endBlock]));
      expect((await load(storage)).spaces.map(({ entries }) => entries.length)).toEqual([2, 3, 0]);
      expect((await examine(storage)).isWhole).toBe(true);
    }
  });
});

describe.each([
  { what: 'whose blocks are not all there, or not in their places', lies: misplaced },
  { what: 'whose tables say what no writer writes', lies: inBothTables },
  { what: 'whose entries are other than its tables say', lies: countsElsewhere },
  { what: 'whose two tables differ', lies: tablesThatDiffer },
  { what: 'whose tables are malformed', lies: malformed },
  { what: 'with a block that is of no kind', lies: heads },
  { what: 'whose tables have another number of spaces than their headers say', lies: countsInHeads },
])('an image $what', ({ lies }) => {
  it.each(lies)('is refused by a load, and damaged for verify(), at one place: $name', async (lie) => {
    const { blocks, header, at, why, whyVerify = why } = lie;
    const image = imageOf({ ...HEADER, ...header }, blocks);
    const offset = blockStarts(image)[at]!;
    const storage = await onDisk(image);
    await expect(load(storage)).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      facts: { path: PATH, offset },
      message: expect.stringMatching(why),
    });
    const examined = await examine(storage);
    expect(examined.isWhole).toBe(false);
    expect(examined.damages[0]).toMatchObject({ offset, what: expect.stringMatching(whyVerify) });
  });
});
