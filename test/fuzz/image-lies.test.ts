// Images that were taken apart and put together wrongly, under checksums that hold: exactly the entries that were written,
// or a typed error; and verify()'s look at an image agrees with the load of it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CRC32C_START, crc32cFinish, crc32cUpdate } from '../../src/crc32c.js';
import { isKeelsonError } from '../../src/errors.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Shapes } from '../../src/kv/encoding/shapes.js';
import type { Entries } from '../../src/kv/entries/entries.js';
import { imagePath, loadImage, readImageHeader } from '../../src/kv/image/image-files.js';
import {
  decodeImageHeader,
  encodeImageHeader,
  IMAGE_HEADER_BYTES,
  ImageBlockWriter,
  type ImageHeader,
  imageSeed,
} from '../../src/kv/image/image-format.js';
import { ImageExamination } from '../../src/kv/repair/image-examination.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { anyBytes, codeOfError, fieldValue, runs } from './fuzz-tools.js';

const JOURNAL_ID = new Uint8Array(16).fill(7);
const LSN = 123_456;
const BLOCK_HEADER_BYTES = 16;

type Entry = readonly [key: string, version: number, value: string];

interface Image {
  readonly header: Uint8Array;
  readonly blocks: Uint8Array[];
}

const names = { keyEncodingName: 'utf8', valueEncodingName: 'msgpack' };

/** Blocks of so many entries each. Their keys go up. */
function makeImage(entries: readonly Entry[], entriesPerBlock: number): Image {
  const header: ImageHeader = { journalId: JOURNAL_ID, lsn: LSN, entryCount: entries.length, ...names };
  const writer = new ImageBlockWriter(header, utf8KeyCodec, new Shapes(randomBytes));
  const blocks: Uint8Array[] = [];
  for (const [at, [key, version, value]] of entries.entries()) {
    const bytes = Buffer.from(value);
    writer.add(key, version, bytes, 0, bytes.length);
    if ((at + 1) % entriesPerBlock === 0) blocks.push(new Uint8Array(writer.finish()));
  }
  if (!writer.isEmpty) blocks.push(new Uint8Array(writer.finish()));
  blocks.push(new Uint8Array(writer.finish()));
  return { header: encodeImageHeader(header), blocks };
}

const anyEntries: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(fc.string({ unit: 'binary', maxLength: 20 }), { minLength: 1, maxLength: 40 })
  .map((keys) => keys.sort())
  .chain((keys) =>
    fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), fc.nat(LSN), fc.string({ maxLength: 30 })))),
  );

interface Lie {
  readonly about:
    | 'removed'
    | 'twice'
    | 'swapped'
    | 'payloadBytes'
    | 'entries'
    | 'number'
    | 'contents'
    | 'header';
  readonly block: number;
  readonly at: number;
  readonly to: (now: bigint) => bigint;
  /** Whether the length in the block's header is the block's, and its checksum right. */
  readonly isSealed: boolean;
}

const anyLie: fc.Arbitrary<Lie> = fc.record({
  about: fc.constantFrom(
    'removed',
    'twice',
    'swapped',
    'payloadBytes',
    'entries',
    'number',
    'contents',
    'header',
  ),
  block: fc.nat(20),
  at: fc.nat(4000),
  to: fieldValue,
  isSealed: fc.boolean(),
});

const BLOCK_FIELDS = { payloadBytes: 0, entries: 8, number: 12 } as const;

function tell({ header, blocks }: Image, { about, block, at, to, isSealed }: Lie): void {
  const index = block % blocks.length;
  const told = blocks[index]!;
  const view = new DataView(told.buffer, told.byteOffset, told.byteLength);
  switch (about) {
    case 'removed':
      blocks.splice(index, 1);
      // Always one to lie about.
      if (blocks.length === 0) blocks.push(told);
      return;
    case 'twice':
      blocks.splice(index, 0, new Uint8Array(told));
      return;
    case 'swapped':
      blocks.push(...blocks.splice(index, 1));
      return;
    case 'header': {
      // The version, the journal id, the LSN, the number of entries, the names and what follows them.
      const field = 8 + (at % (IMAGE_HEADER_BYTES - 8));
      header[field] = Number(BigInt.asUintN(8, to(BigInt(header[field]!))));
      if (isSealed) sealHeader(header);
      return;
    }
    case 'contents': {
      const byte = BLOCK_HEADER_BYTES + (at % Math.max(1, told.length - BLOCK_HEADER_BYTES));
      if (byte < told.length) told[byte] = Number(BigInt.asUintN(8, to(BigInt(told[byte]!))));
      break;
    }
    default: {
      const field = BLOCK_FIELDS[about];
      view.setUint32(field, Number(BigInt.asUintN(32, to(BigInt(view.getUint32(field, true))))), true);
    }
  }
  if (!isSealed) return;
  const seed = imageSeed({ journalId: JOURNAL_ID, lsn: LSN });
  const covered = crc32cUpdate(crc32cUpdate(seed, told, 0, 4), told, 8, told.length);
  view.setUint32(4, crc32cFinish(covered), true);
}

function sealHeader(header: Uint8Array): void {
  const covered = crc32cUpdate(crc32cUpdate(CRC32C_START, header, 0, 12), header, 16, IMAGE_HEADER_BYTES);
  new DataView(header.buffer).setUint32(12, crc32cFinish(covered), true);
}

async function onDisk({ header, blocks }: Image): Promise<Storage> {
  const storage = new SimulatedDisk({ seed: 1, directories: ['/data'] }).life();
  const file = await storage.createFile(imagePath('/data', LSN));
  await file.write(new Uint8Array(Buffer.concat([header, ...blocks])), 0);
  await file.close();
  return storage;
}

/** The entries of the image, or the error that says why not. */
async function load(storage: Storage): Promise<Entry[] | Error> {
  const path = imagePath('/data', LSN);
  try {
    const { verdict } = await readImageHeader(storage, path);
    if (!verdict.ok) return new Error(verdict.code);
    const plan = { path, header: verdict.header, keyCodec: utf8KeyCodec, shapes: new Shapes(randomBytes) };
    return entriesOf(await loadImage(storage, plan, () => {}));
  } catch (error) {
    codeOfError(error);
    assert(isKeelsonError(error) && error.facts.path === path, `no place: ${(error as Error).message}`);
    return error;
  }
}

function entriesOf(entries: Entries): Entry[] {
  const found: Entry[] = [];
  for (const [key, handle] of entries.iterate(ALL_KEYS)) {
    const value = entries.read(handle, (bytes, start, end) =>
      Buffer.from(bytes.subarray(start, end)).toString(),
    );
    found.push([key, entries.versionOf(handle), value]);
  }
  return found;
}

describe('an image', () => {
  test('gives back the entries it was made of, however they are put into blocks', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries, fc.integer({ min: 1, max: 50 }), async (entries, perBlock) => {
        const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
        expect(await load(await onDisk(makeImage(sorted, perBlock)))).toEqual(sorted);
      }),
      runs(100),
    );
  });

  test('whose blocks lie gives a typed error with its place, or is an image that one could write', async () => {
    const counts = { loaded: 0, refused: 0 };
    const anyLies = fc.array(anyLie, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        anyEntries,
        fc.integer({ min: 1, max: 8 }),
        anyLies,
        async (entries, perBlock, lies) => {
          const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
          const image = makeImage(sorted, perBlock);
          for (const lie of lies) tell(image, lie);
          const storage = await onDisk(image);
          const loaded = await load(storage);
          const isWhole = await isWholeByExamination(storage);
          if (loaded instanceof Error) {
            counts.refused++;
            assert.notEqual(isWhole, true, `examined it is whole; loaded it is refused: ${loaded.message}`);
            return;
          }
          counts.loaded++;
          assert.equal(isWhole, true, 'examined it is damaged; it loads');
          const saysOther = lies.some(
            ({ about, isSealed }) => isSealed && (about === 'contents' || about === 'header'),
          );
          if (!saysOther) expect(loaded).toEqual(sorted);
          expect(loaded.map(([key]) => key)).toEqual(loaded.map(([key]) => key).sort());
        },
      ),
      runs(1200),
    );
    expect(Math.min(counts.loaded, counts.refused)).toBeGreaterThan(10);
  });

  test('has a header that of any bytes makes a verdict, and never throws', () => {
    fc.assert(
      fc.property(anyBytes(600), fc.nat(40), fc.boolean(), (bytes, zeros, isSealed) => {
        const header = new Uint8Array(Math.max(IMAGE_HEADER_BYTES, bytes.length));
        header.set(bytes);
        header.fill(0, 60 + zeros);
        header.set(new TextEncoder().encode('KEELSONI'));
        new DataView(header.buffer).setUint32(8, 1, true);
        if (isSealed) sealHeader(header);
        const codes = ['KEELSON_CORRUPT', 'KEELSON_FOREIGN', 'KEELSON_FORMAT_VERSION'];
        const verdict = decodeImageHeader(header);
        if (!verdict.ok) expect(codes).toContain(verdict.code);
        else expect(Buffer.compare(encodeImageHeader(verdict.header), header)).toBe(0);
      }),
      runs(2000),
    );
  });
});

async function isWholeByExamination(storage: Storage): Promise<boolean> {
  try {
    const image = await ImageExamination.of(storage, '/data', LSN);
    await image.read(image.header?.journalId ?? JOURNAL_ID, utf8KeyCodec, new Shapes(randomBytes));
    return image.isWhole;
  } catch (error) {
    codeOfError(error);
    return false;
  }
}
