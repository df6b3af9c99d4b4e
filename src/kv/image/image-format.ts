// The image: what a checkpoint writes. A header, blocks of entries in key order, an end block. Pure.
// docs/FORMAT.md is the authority.

import { CRC32C_START, crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../crc32c.js';
import { invariant, isKeelsonError, KeelsonError } from '../../errors.js';
import { FILE_HEADER_BYTES, FileHeaderCodec, type HeaderRefusal, refuse } from '../../journal/internal.js';
import { type IndexKey, KEY_BYTES_MAX, type KeyCodec } from '../encoding/key-encoding.js';
import {
  LEB128_BYTES_MAX,
  type ReadCursor,
  readLeb128,
  readLength,
  writeLeb128,
} from '../encoding/leb128.js';
import {
  encodeShapes,
  SHAPE_DEFINITION_BYTES_MAX,
  SHAPED,
  type Shapes,
  shapeIdAt,
} from '../encoding/shapes.js';
import { readUtf8, writeUtf8 } from '../encoding/utf8.js';
import { isEncodingName } from '../encoding/value-encoding.js';

export const IMAGE_FORMAT_VERSION = 1;
export const IMAGE_HEADER_BYTES = FILE_HEADER_BYTES;
export const IMAGE_BLOCK_HEADER_BYTES = 16;
/** A block is closed when it has reached this; one entry may be larger and then has a block of its own. */
export const IMAGE_BLOCK_BYTES_TARGET = 256 * 1024;

/** Or this: tiny entries, too, make a block that is written, or read, in about a millisecond. */
export const IMAGE_BLOCK_ENTRIES_TARGET = 2048;

/** No block has more: what is in it before its last entry, that, which came out of one record, and a shape for each. */
export const IMAGE_BLOCK_PAYLOAD_BYTES_MAX =
  IMAGE_BLOCK_BYTES_TARGET + 2 ** 28 + IMAGE_BLOCK_ENTRIES_TARGET * SHAPE_DEFINITION_BYTES_MAX;

const HEADERS = new FileHeaderCodec({
  magic: 'KEELSONI',
  version: IMAGE_FORMAT_VERSION,
  noun: 'image',
  article: 'an',
});

const JOURNAL_ID_AT = 16;
const JOURNAL_ID_BYTES = 16;
const LSN_AT = 32;
const ENTRY_COUNT_AT = 40;
const NAMES_AT = 48;

/** Up to this a loop takes less time than the call that copies. */
const LOOP_BYTES_MAX = 32;

const BLOCK_CHECKSUM_AT = 4;
const BLOCK_ENTRIES_AT = 8;
const BLOCK_NUMBER_AT = 12;
const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** More than the three lengths and the age of an entry can take. */
const ENTRY_OVERHEAD_BYTES = 24;

export interface ImageHeader {
  readonly journalId: Uint8Array;
  /** The image holds the effect of every record up to here. */
  readonly lsn: number;
  readonly entryCount: number;
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

export type ImageHeaderVerdict = { readonly ok: true; readonly header: ImageHeader } | HeaderRefusal;

export function encodeImageHeader(header: ImageHeader): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(header.journalId, JOURNAL_ID_AT);
  view.setBigUint64(LSN_AT, BigInt(header.lsn), true);
  view.setBigUint64(ENTRY_COUNT_AT, BigInt(header.entryCount), true);
  let at = NAMES_AT;
  for (const name of [header.keyEncodingName, header.valueEncodingName]) {
    const end = at + LEB128_BYTES_MAX + Buffer.byteLength(name);
    invariant(
      name.isWellFormed() && end <= IMAGE_HEADER_BYTES,
      'the names of the encodings do not fit into an image header',
    );
    at = writeLeb128(bytes, Buffer.byteLength(name), at);
    at += writeUtf8(Buffer.from(bytes.buffer), name, at);
  }
  HEADERS.seal(bytes);
  return bytes;
}

/** Reads the first IMAGE_HEADER_BYTES of a file. */
export function decodeImageHeader(bytes: Uint8Array): ImageHeaderVerdict {
  const refusal = HEADERS.check(bytes);
  if (refusal !== null) return refusal;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lsn = view.getBigUint64(LSN_AT, true);
  const entryCount = view.getBigUint64(ENTRY_COUNT_AT, true);
  if (lsn > NUMBER_MAX || entryCount > NUMBER_MAX)
    return refuse('KEELSON_CORRUPT', `the image header claims ${entryCount} entries at LSN ${lsn}`);
  const names = readNames(bytes);
  if (names === null)
    return refuse('KEELSON_CORRUPT', 'the image header does not say what keys and values are');
  const header: ImageHeader = {
    journalId: bytes.slice(JOURNAL_ID_AT, JOURNAL_ID_AT + JOURNAL_ID_BYTES),
    lsn: Number(lsn),
    entryCount: Number(entryCount),
    ...names,
  };
  return { ok: true, header };
}

/** The checksum register that every block of an image starts from: a block of another image never verifies. */
export function imageSeed({ journalId, lsn }: Pick<ImageHeader, 'journalId' | 'lsn'>): number {
  return crc32cUpdateUint64(crc32cUpdate(CRC32C_START, journalId, 0, JOURNAL_ID_BYTES), lsn);
}

/** Fills blocks with entries, one after the other, in memory that is used again. */
export class ImageBlockWriter {
  readonly #seed: number;
  readonly #lsn: number;
  readonly #keyCodec: KeyCodec<unknown>;
  readonly #shapes: Shapes | null;
  /** Of the values in the block. */
  readonly #shapeIds = new Set<number>();
  #lastShapeId: number | null = null;
  /** The key of the entry before, and room for that of the next. */
  #lastKey = new Uint8Array(KEY_BYTES_MAX);
  #lastKeyBytes = 0;
  #key = new Uint8Array(KEY_BYTES_MAX);
  #bytes: Buffer = Buffer.alloc(IMAGE_BLOCK_BYTES_TARGET * 2);
  #at = IMAGE_BLOCK_HEADER_BYTES;
  #entries = 0;
  #number = 0;

  constructor(
    header: Pick<ImageHeader, 'journalId' | 'lsn'>,
    keyCodec: KeyCodec<unknown>,
    shapes: Shapes | null,
  ) {
    this.#seed = imageSeed(header);
    this.#lsn = header.lsn;
    this.#keyCodec = keyCodec;
    this.#shapes = shapes;
  }

  get isFull(): boolean {
    return this.#at >= IMAGE_BLOCK_BYTES_TARGET || this.#entries >= IMAGE_BLOCK_ENTRIES_TARGET;
  }

  get isEmpty(): boolean {
    return this.#entries === 0;
  }

  /** The value is `bytes[start, end)`. */
  add(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    invariant(version <= this.#lsn, 'an entry is newer than the image it goes into');
    const valueBytes = end - start;
    const keyBytes = this.#keyCodec.write(key, this.#key, 0);
    this.#reserve(ENTRY_OVERHEAD_BYTES + keyBytes + valueBytes);
    this.#addKey(keyBytes);
    this.#at = writeLeb128(this.#bytes, this.#lsn - version, this.#at);
    this.#at = writeLeb128(this.#bytes, valueBytes, this.#at);
    this.#addValue(bytes, start, end);
    this.#entries++;
    if (this.#shapes !== null && start < end && bytes[start] === SHAPED) {
      this.#addShape(shapeIdAt(bytes, start, end));
    }
  }

  /** The block, good until the next add(). Without entries it is the end block. */
  finish(): Uint8Array {
    if (this.#entries > 0) this.#addDefinitions();
    const block = this.#bytes.subarray(0, this.#at);
    block.writeUInt32LE(this.#at - IMAGE_BLOCK_HEADER_BYTES, 0);
    block.writeUInt32LE(this.#entries, BLOCK_ENTRIES_AT);
    block.writeUInt32LE(this.#number, BLOCK_NUMBER_AT);
    block.writeUInt32LE(blockChecksum(block, this.#seed), BLOCK_CHECKSUM_AT);
    this.#at = IMAGE_BLOCK_HEADER_BYTES;
    this.#entries = 0;
    this.#lastKeyBytes = 0;
    this.#number++;
    return block;
  }

  /** What it has in common with the key before is not written again. */
  #addKey(keyBytes: number): void {
    const [key, last] = [this.#key, this.#lastKey];
    const sharedMax = Math.min(keyBytes, this.#lastKeyBytes);
    let shared = 0;
    while (shared < sharedMax && key[shared] === last[shared]) shared++;
    this.#at = writeLeb128(this.#bytes, shared, this.#at);
    this.#at = writeLeb128(this.#bytes, keyBytes - shared, this.#at);
    for (let index = shared; index < keyBytes; index++) this.#bytes[this.#at++] = key[index]!;
    [this.#key, this.#lastKey] = [last, key];
    this.#lastKeyBytes = keyBytes;
  }

  #addValue(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > LOOP_BYTES_MAX) this.#bytes.set(bytes.subarray(start, end), this.#at);
    else for (let at = start, to = this.#at; at < end; at++) this.#bytes[to++] = bytes[at]!;
    this.#at += end - start;
  }

  #addShape(id: number): void {
    if (id === this.#lastShapeId) return;
    this.#lastShapeId = id;
    this.#shapeIds.add(id);
  }

  #addDefinitions(): void {
    const definitions = encodeShapes([...this.#shapeIds].map((id) => this.#shapes!.get(id)));
    this.#reserve(definitions.length);
    this.#bytes.set(definitions, this.#at);
    this.#at += definitions.length;
    this.#shapeIds.clear();
    this.#lastShapeId = null;
  }

  #reserve(lengthBytes: number): void {
    const needed = this.#at + lengthBytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.alloc(needed);
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

/** How many bytes follow the header of the block, so that it can be read whole. Not verified yet. */
export function imageBlockPayloadBytes(header: Uint8Array): number {
  return new DataView(header.buffer, header.byteOffset).getUint32(0, true);
}

/** What it takes to read the blocks of an image. */
export interface ImageSource {
  readonly seed: number;
  readonly lsn: number;
  readonly keyCodec: KeyCodec<unknown>;
  /** Where definitions go; null where values can have no shapes. */
  readonly shapes: Shapes | null;
}

/** What the header of a block says. Not verified. */
export interface ImageBlockHead {
  readonly payloadBytes: number;
  readonly entries: number;
  readonly number: number;
}

export function readImageBlockHead(bytes: Uint8Array, at: number): ImageBlockHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, IMAGE_BLOCK_HEADER_BYTES);
  return {
    payloadBytes: view.getUint32(0, true),
    entries: view.getUint32(BLOCK_ENTRIES_AT, true),
    number: view.getUint32(BLOCK_NUMBER_AT, true),
  };
}

/** True when the checksum of a block, which is there as long as its header says, holds. */
export function imageBlockHolds(block: Uint8Array, seed: number): boolean {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  return view.getUint32(BLOCK_CHECKSUM_AT, true) === blockChecksum(block, seed);
}

/**
 * Calls `visit` for every entry of a whole block, enters the shapes that it defines, and returns how many entries there
 * were: 0 is the end of the image. Throws KEELSON_CORRUPT or KEELSON_DECODE when the block is not the `number`th of the
 * image with that seed, or is damaged; some of it may have been visited then. The value is `block[valueStart, valueEnd)`.
 */
export function readImageBlock(
  block: Uint8Array,
  number: number,
  { seed, lsn, keyCodec, shapes }: ImageSource,
  visit: (key: IndexKey, version: number, valueStart: number, valueEnd: number) => void,
): number {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (!imageBlockHolds(block, seed)) {
    throw damagedBlock(`the checksum of block ${number} fails`);
  }
  if (view.getUint32(BLOCK_NUMBER_AT, true) !== number) throw damagedBlock(`block ${number} is another one`);
  const entries = view.getUint32(BLOCK_ENTRIES_AT, true);
  const shapeIds = new Set<number>();
  let lastShapeId: number | null = null;
  let keyBytes = 0;
  const cursor: ReadCursor = { at: IMAGE_BLOCK_HEADER_BYTES };
  for (let entry = 0; entry < entries; entry++) {
    keyBytes = readKey(block, cursor, keyBytes, number);
    const key = keyCodec.read(keyRead, 0, keyBytes);
    const version = lsn - readLeb128(block, cursor, block.length);
    if (version < 0) throw damagedBlock(`an entry of block ${number} is older than the log`);
    const valueBytes = readLength(block, cursor, block.length);
    const valueEnd = cursor.at + valueBytes;
    if (shapes !== null && valueBytes > 0 && block[cursor.at] === SHAPED) {
      const id = shapeIdAt(block, cursor.at, valueEnd);
      if (id !== lastShapeId) shapeIds.add(id);
      lastShapeId = id;
    }
    visit(key, version, cursor.at, valueEnd);
    cursor.at = valueEnd;
  }
  if (entries > 0) readDefinitions(block, cursor.at, number, shapes, shapeIds);
  else if (cursor.at !== block.length) throw damagedBlock(`bytes follow in block ${number}, the last one`);
  return entries;
}

/** Of the entry that is read, or of the one before. */
const keyRead = new Uint8Array(KEY_BYTES_MAX);

/** Completes the key before, of which it has a part, to the next one; returns its length. */
function readKey(block: Uint8Array, cursor: ReadCursor, lastBytes: number, number: number): number {
  const shared = readLeb128(block, cursor, block.length);
  const rest = readLength(block, cursor, block.length);
  if (shared > lastBytes || shared + rest > KEY_BYTES_MAX)
    throw damagedBlock(`a key of block ${number} is no key`);
  for (let index = 0; index < rest; index++) keyRead[shared + index] = block[cursor.at + index]!;
  cursor.at += rest;
  return shared + rest;
}

/** Every block can be read by itself: those of its own values, and no others, are defined in it. */
function readDefinitions(
  block: Uint8Array,
  start: number,
  number: number,
  shapes: Shapes | null,
  shapeIds: ReadonlySet<number>,
): void {
  const isNone = start === block.length - 1 && block[start] === 0;
  const defined = isNone ? [] : shapes?.define(block, start, block.length);
  const isOwn = defined?.length === shapeIds.size && defined.every((id) => shapeIds.has(id));
  if (!isOwn) throw damagedBlock(`block ${number} defines other shapes than its values have`);
}

export function damagedBlock(why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `The image is damaged: ${why}`);
}

/** Null where the names are not whole, or more than zeros follows them, which no writer makes. */
function readNames(bytes: Uint8Array): Pick<ImageHeader, 'keyEncodingName' | 'valueEncodingName'> | null {
  const cursor: ReadCursor = { at: NAMES_AT };
  try {
    const names = { keyEncodingName: readName(bytes, cursor), valueEncodingName: readName(bytes, cursor) };
    const hasReserved = bytes.subarray(cursor.at, IMAGE_HEADER_BYTES).some((byte) => byte !== 0);
    return isEncodingName(names.valueEncodingName) && !hasReserved ? names : null;
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_DECODE')) throw error;
    return null;
  }
}

function readName(bytes: Uint8Array, cursor: ReadCursor): string {
  const length = readLength(bytes, cursor, IMAGE_HEADER_BYTES);
  cursor.at += length;
  return readUtf8(bytes, cursor.at - length, cursor.at);
}

/** Over the seed and all of the block but the checksum itself. */
function blockChecksum(block: Uint8Array, seed: number): number {
  const register = crc32cUpdate(seed, block, 0, BLOCK_CHECKSUM_AT);
  return crc32cFinish(crc32cUpdate(register, block, BLOCK_CHECKSUM_AT + 4, block.length));
}
