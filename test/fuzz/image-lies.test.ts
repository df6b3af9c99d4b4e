// Images that were taken apart and put together wrongly, under checksums that hold: exactly the spaces that were written,
// or a typed error; and verify()'s look at an image agrees with the load of it.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import {
  type IndexKey,
  KEY_ENCODING_NAMES,
  type KeyCodec,
  type KeyEncodingName,
  resolveKeyEncoding,
  utf8KeyCodec,
} from '../../src/kv/encoding/key-encoding.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { ImageBlockWriter } from '../../src/kv/image/image-block-writer.js';
import {
  decodeImageHeader,
  encodeImageHeader,
  IMAGE_HEADER_BYTES,
  type ImageHeader,
} from '../../src/kv/image/image-header.js';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { imagePath } from '../../src/kv/image/image-names.js';
import { outlineOf } from '../../src/kv/image/image-parts.js';
import { ImageExamination } from '../../src/kv/repair/image-examination.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { BLOCK_FIELDS, BLOCK_HEADER_BYTES, seal, sealHeader } from '../kv/image-tools.js';
import { addSpace, newSchema, type PlainSpace, plainSpaces, putEntry } from '../kv/schema-tools.js';
import { anyBytes, codeOfError, fieldValue, runs } from './fuzz-tools.js';

const JOURNAL_ID = new Uint8Array(16).fill(7);
const LSN = 123_456;

interface Image {
  readonly header: Uint8Array;
  readonly blocks: Uint8Array[];
}

const NAMES = { keyEncodingName: 'utf8', valueEncodingName: 'msgpack' };

/** Blocks of so many entries each. */
function makeImage(schema: Schema, entriesPerBlock: number): Image {
  const view = schema.wholeView(LSN);
  const header: ImageHeader = { journalId: JOURNAL_ID, lsn: LSN, entryCount: view.size, ...NAMES };
  const { table, tableRows, definitions } = outlineOf(JOURNAL_ID, view, schema);
  const writer = new ImageBlockWriter(header, definitions);
  const blocks = [writer.table(table, tableRows).slice()];
  for (const { space, entries } of view.spaces) {
    let left = entriesPerBlock;
    writer.startSpace({
      id: space.id,
      keyCodec: space.keyCodec,
      hasReferences: space.hasReferences,
      hasDeadlines: false,
    });
    for (const walk = entries.walk(ALL_KEYS); walk.advance(); ) {
      writer.add(entries.slabs, walk.value, entries.handleOf(walk.value));
      if (--left > 0) continue;
      blocks.push(writer.finish().slice());
      left = entriesPerBlock;
    }
    if (!writer.isEmpty) blocks.push(writer.finish().slice());
  }
  blocks.push(writer.table(table, tableRows).slice());
  blocks.push(writer.end().slice());
  return { header: encodeImageHeader(header), blocks };
}

type Put = readonly [key: string, version: number, value: string];

const anyPuts = (puts: { minLength?: number; maxLength: number }): fc.Arbitrary<Put[]> =>
  fc.array(
    fc.tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.nat(LSN), fc.string({ maxLength: 30 })),
    puts,
  );

interface Plan {
  readonly root: readonly Put[];
  readonly others: readonly {
    readonly idsLeftOut: number;
    readonly name: string;
    readonly keyEncoding: KeyEncodingName;
    readonly puts: readonly Put[];
  }[];
  readonly idsLeftOut: number;
}

/** A root space with entries, and up to four other spaces, which may be empty. */
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  root: anyPuts({ minLength: 1, maxLength: 40 }),
  others: fc.array(
    fc.record({
      idsLeftOut: fc.nat(3),
      name: fc.string({ unit: 'binary', maxLength: 8 }),
      keyEncoding: fc.constantFrom(...KEY_ENCODING_NAMES),
      puts: anyPuts({ maxLength: 12 }),
    }),
    { maxLength: 4 },
  ),
  idsLeftOut: fc.nat(3),
});

function schemaOf({ root, others, idsLeftOut }: Plan): Schema {
  const schema = newSchema(utf8KeyCodec, 'msgpack');
  for (const put of root) putEntry(schema.root, ...put);
  for (const { name, keyEncoding, puts, idsLeftOut: before } of others) {
    const codec = resolveKeyEncoding('key encoding', keyEncoding) as KeyCodec<unknown>;
    const space = addSpace(schema, schema.nextSpaceId + before, name, codec);
    for (const [key, version, value] of puts) {
      putEntry(space, indexKeyOf(codec, key), version, value);
    }
  }
  schema.replaceAll(schema.spaces, schema.nextSpaceId + idsLeftOut);
  return schema;
}

function indexKeyOf(codec: KeyCodec<unknown>, text: string): IndexKey {
  const keys = { utf8: text, bytes: Buffer.from(text), tuple: [text, text.length] };
  return codec.toIndexKey('key', keys[codec.name]);
}

interface Lie {
  readonly about:
    | 'removed'
    | 'twice'
    | 'swapped'
    | 'payloadBytes'
    | 'entries'
    | 'number'
    | 'spaceId'
    | 'kind'
    | 'contents'
    | 'header';
  readonly block: number;
  readonly at: number;
  readonly to: (now: bigint) => bigint;
  /** True when the checksum is right. Where blocks have other places, each is then numbered by its place. */
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
    'spaceId',
    'kind',
    'contents',
    'header',
  ),
  block: fc.nat(20),
  at: fc.nat(4000),
  to: fieldValue,
  isSealed: fc.boolean(),
});

/** Tells lies about one image, and knows whether any other contents lie under a checksum that holds. */
class Liar {
  readonly #image: Image;
  /** Blocks with contents that nobody wrote. */
  readonly #changed = new Set<Uint8Array>();
  saysOther = false;

  constructor(image: Image) {
    this.#image = image;
  }

  tell({ about, block, at, to, isSealed }: Lie): void {
    const { header, blocks } = this.#image;
    const index = block % blocks.length;
    const told = blocks[index]!;
    const view = new DataView(told.buffer, told.byteOffset, told.byteLength);
    switch (about) {
      case 'removed':
        blocks.splice(index, 1);
        // Always one to lie about.
        if (blocks.length === 0) blocks.push(told);
        if (isSealed) this.#renumber();
        return;
      case 'twice': {
        const copy = new Uint8Array(told);
        if (this.#changed.has(told)) this.#changed.add(copy);
        blocks.splice(index, 0, copy);
        if (isSealed) this.#renumber();
        return;
      }
      case 'swapped':
        blocks.splice(at % blocks.length, 0, ...blocks.splice(index, 1));
        if (isSealed) this.#renumber();
        return;
      case 'header': {
        // The version, the journal id, the LSN, the number of entries, the names and what follows them.
        const field = 8 + (at % (IMAGE_HEADER_BYTES - 8));
        header[field] = Number(BigInt.asUintN(8, to(BigInt(header[field]!))));
        if (!isSealed) return;
        sealHeader(header);
        this.saysOther = true;
        return;
      }
      case 'contents': {
        const byte = BLOCK_HEADER_BYTES + (at % Math.max(1, told.length - BLOCK_HEADER_BYTES));
        if (byte < told.length) told[byte] = Number(BigInt.asUintN(8, to(BigInt(told[byte]!))));
        this.#changed.add(told);
        break;
      }
      default: {
        const field = BLOCK_FIELDS[about];
        view.setUint32(field, Number(BigInt.asUintN(32, to(BigInt(view.getUint32(field, true))))), true);
      }
    }
    if (isSealed) this.#seal(told);
  }

  /** Numbers every block by its place. */
  #renumber(): void {
    for (const [number, block] of this.#image.blocks.entries()) {
      new DataView(block.buffer, block.byteOffset).setUint32(BLOCK_FIELDS.number, number, true);
      this.#seal(block);
    }
  }

  #seal(block: Uint8Array): void {
    if (this.#changed.has(block)) this.saysOther = true;
    seal(block, { journalId: JOURNAL_ID, lsn: LSN });
  }
}

async function onDisk({ header, blocks }: Image): Promise<Storage> {
  const storage = new SimulatedDisk({ seed: 1, directories: ['/data'] }).life();
  const file = await storage.createFile(imagePath('/data', LSN));
  await file.write(new Uint8Array(Buffer.concat([header, ...blocks])), 0);
  await file.close();
  return storage;
}

interface Loaded {
  readonly spaces: PlainSpace[];
  readonly nextSpaceId: number;
}

const loadedLike = (schema: Schema): Loaded => ({
  spaces: plainSpaces(schema.spaces),
  nextSpaceId: schema.nextSpaceId,
});

/** The spaces of the image, or the error that says why not. */
async function load(storage: Storage): Promise<Loaded | Error> {
  const path = imagePath('/data', LSN);
  try {
    const { verdict } = await readImageHeader(storage, path);
    if (!verdict.ok) return new Error(verdict.code);
    const { spaces, nextSpaceId } = await loadImage(storage, path, verdict.header, newSchema(), () => {});
    for (const { entries } of spaces) entries.checkValid();
    return { spaces: plainSpaces(spaces), nextSpaceId };
  } catch (error) {
    codeOfError(error);
    assert(isKeelsonError(error) && error.facts.path === path, `no place: ${(error as Error).message}`);
    return error;
  }
}

describe('an image', () => {
  test('gives back the spaces it was made of, however their entries are put into blocks', async () => {
    await fc.assert(
      fc.asyncProperty(anyPlan, fc.integer({ min: 1, max: 50 }), async (plan, perBlock) => {
        const schema = schemaOf(plan);
        expect(await load(await onDisk(makeImage(schema, perBlock)))).toEqual(loadedLike(schema));
      }),
      runs(100),
    );
  });

  test('whose blocks lie gives a typed error with its place, or is an image that one could write', async () => {
    const counts = { loaded: 0, refused: 0 };
    const anyLies = fc.array(anyLie, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(anyPlan, fc.integer({ min: 1, max: 8 }), anyLies, async (plan, perBlock, lies) => {
        const schema = schemaOf(plan);
        const image = makeImage(schema, perBlock);
        const liar = new Liar(image);
        for (const lie of lies) liar.tell(lie);
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
        if (!liar.saysOther) expect(loaded).toEqual(loadedLike(schema));
        assertSorted(loaded.spaces.map(({ id }) => id));
        for (const { entries } of loaded.spaces) assertSorted(entries.map(([key]) => key));
        assert(loaded.spaces.at(-1)!.id < loaded.nextSpaceId, 'the id of the next space is there already');
      }),
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

/** Each is above the one before. */
function assertSorted(values: readonly (string | number)[]): void {
  for (const [at, value] of values.entries()) assert(at === 0 || values[at - 1]! < value, 'out of order');
}

async function isWholeByExamination(storage: Storage): Promise<boolean> {
  try {
    const image = await ImageExamination.of(storage, '/data', LSN);
    const { keyEncodingName, valueEncodingName } = image.header ?? NAMES;
    // The store learns what its keys and values are from the header, and refuses what it does not know.
    if (!KEY_ENCODING_NAMES.includes(keyEncodingName as KeyEncodingName)) return false;
    const schema = newSchema(resolveKeyEncoding('keyEncoding', keyEncodingName), valueEncodingName);
    await image.read(image.header?.journalId ?? JOURNAL_ID, schema);
    return image.isWhole;
  } catch (error) {
    codeOfError(error);
    return false;
  }
}
