// The image: what a checkpoint writes. A header, blocks of entries in key order, an end block. Pure.
// docs/FORMAT.md is the authority.

import { CRC32C_START, crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../crc32c.js';
import { invariant, isKeelsonError, KeelsonError, type KeelsonErrorCode } from '../errors.js';
import type { IndexKey, KeyCodec } from './key-encoding.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from './leb128.js';
import { readUtf8, writeUtf8 } from './utf8.js';
import { isEncodingName } from './value-encoding.js';

export const IMAGE_FORMAT_VERSION = 1;
export const IMAGE_HEADER_BYTES = 512;
export const IMAGE_BLOCK_HEADER_BYTES = 16;
/** A block is closed when it has reached this; one entry may be larger and then has a block of its own. */
export const IMAGE_BLOCK_BYTES_TARGET = 256 * 1024;

/** Or this: tiny entries, too, make a block that is written, or read, in about a millisecond. */
export const IMAGE_BLOCK_ENTRIES_TARGET = 2048;

/** No block has more: what is in it before its last entry, and that, which came out of one record. */
export const IMAGE_BLOCK_PAYLOAD_BYTES_MAX = IMAGE_BLOCK_BYTES_TARGET + 2 ** 28;

const MAGIC = 0x494e4f53_4c45454bn; // "KEELSONI" read as a little-endian u64
const VERSION_AT = 8;
const CHECKSUM_AT = 12;
const JOURNAL_ID_AT = 16;
const JOURNAL_ID_BYTES = 16;
const LSN_AT = 32;
const ENTRY_COUNT_AT = 40;
const NAMES_AT = 48;

const BLOCK_CHECKSUM_AT = 4;
const BLOCK_ENTRIES_AT = 8;
const BLOCK_NUMBER_AT = 12;
const VERSION_BYTES = 8;
const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const HIGH_HALF = 0x1_0000_0000;
/** More than the two lengths and the version of an entry can take. */
const ENTRY_OVERHEAD_BYTES = 24;

export interface ImageHeader {
  readonly journalId: Uint8Array;
  /** The image holds the effect of every record up to here. */
  readonly lsn: number;
  readonly entryCount: number;
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

export type ImageHeaderVerdict =
  | { readonly ok: true; readonly header: ImageHeader }
  | { readonly ok: false; readonly code: KeelsonErrorCode; readonly why: string };

export function encodeImageHeader(header: ImageHeader): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(VERSION_AT, IMAGE_FORMAT_VERSION, true);
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
  view.setUint32(CHECKSUM_AT, headerChecksum(bytes), true);
  return bytes;
}

/** Checked in the order of the versioning rule: magic, checksum, version. */
export function decodeImageHeader(bytes: Uint8Array): ImageHeaderVerdict {
  const refuse = (code: KeelsonErrorCode, why: string): ImageHeaderVerdict => ({ ok: false, code, why });
  if (bytes.length < IMAGE_HEADER_BYTES) return refuse('KEELSON_CORRUPT', 'the file ends inside its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magicIsOurs = view.getBigUint64(0, true) === MAGIC;
  const checksumHolds = view.getUint32(CHECKSUM_AT, true) === headerChecksum(bytes);
  if (!magicIsOurs && !checksumHolds) return refuse('KEELSON_FOREIGN', 'the file does not start as an image');
  if (!magicIsOurs || !checksumHolds)
    return refuse('KEELSON_CORRUPT', 'the checksum of the image header fails');
  const version = view.getUint32(VERSION_AT, true);
  if (version !== IMAGE_FORMAT_VERSION) {
    return refuse(
      'KEELSON_FORMAT_VERSION',
      `the image has format version ${version}; this Keelson reads version ${IMAGE_FORMAT_VERSION}`,
    );
  }
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
  readonly #keyCodec: KeyCodec<unknown>;
  #bytes: Buffer = Buffer.alloc(IMAGE_BLOCK_BYTES_TARGET * 2);
  #at = IMAGE_BLOCK_HEADER_BYTES;
  #entries = 0;
  #number = 0;

  constructor(seed: number, keyCodec: KeyCodec<unknown>) {
    this.#seed = seed;
    this.#keyCodec = keyCodec;
  }

  get isFull(): boolean {
    return this.#at >= IMAGE_BLOCK_BYTES_TARGET || this.#entries >= IMAGE_BLOCK_ENTRIES_TARGET;
  }

  get isEmpty(): boolean {
    return this.#entries === 0;
  }

  /** The value is `bytes[start, end)`. */
  add(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    const keyBytes = this.#keyCodec.byteLength(key);
    const valueBytes = end - start;
    this.#reserve(ENTRY_OVERHEAD_BYTES + keyBytes + valueBytes);
    this.#at = writeLeb128(this.#bytes, keyBytes, this.#at);
    this.#at += this.#keyCodec.write(key, this.#bytes, this.#at);
    writeUint64(this.#bytes, version, this.#at);
    this.#at = writeLeb128(this.#bytes, valueBytes, this.#at + VERSION_BYTES);
    this.#bytes.set(bytes.subarray(start, end), this.#at);
    this.#at += valueBytes;
    this.#entries++;
  }

  /** The block, good until the next add(). Without entries it is the end block. */
  finish(): Uint8Array {
    const block = this.#bytes.subarray(0, this.#at);
    block.writeUInt32LE(this.#at - IMAGE_BLOCK_HEADER_BYTES, 0);
    block.writeUInt32LE(this.#entries, BLOCK_ENTRIES_AT);
    block.writeUInt32LE(this.#number, BLOCK_NUMBER_AT);
    block.writeUInt32LE(blockChecksum(block, this.#seed), BLOCK_CHECKSUM_AT);
    this.#at = IMAGE_BLOCK_HEADER_BYTES;
    this.#entries = 0;
    this.#number++;
    return block;
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
 * Calls `visit` for every entry of a whole block and returns how many there were: 0 is the end of the image.
 * Throws KEELSON_CORRUPT when the block is not the `number`th of the image with that seed, or is damaged.
 * The value is `block[valueStart, valueEnd)`.
 */
export function readImageBlock(
  block: Uint8Array,
  seed: number,
  number: number,
  keyCodec: KeyCodec<unknown>,
  visit: (key: IndexKey, version: number, valueStart: number, valueEnd: number) => void,
): number {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (!imageBlockHolds(block, seed)) {
    throw damagedBlock(`the checksum of block ${number} fails`);
  }
  if (view.getUint32(BLOCK_NUMBER_AT, true) !== number) throw damagedBlock(`block ${number} is another one`);
  const entries = view.getUint32(BLOCK_ENTRIES_AT, true);
  const cursor: ReadCursor = { at: IMAGE_BLOCK_HEADER_BYTES };
  for (let entry = 0; entry < entries; entry++) {
    const keyBytes = readLength(block, cursor, block.length);
    const key = keyCodec.read(block, cursor.at, cursor.at + keyBytes);
    cursor.at += keyBytes;
    if (cursor.at + VERSION_BYTES > block.length)
      throw damagedBlock(`an entry of block ${number} is cut off`);
    const version = readUint64(view, cursor.at);
    cursor.at += VERSION_BYTES;
    const valueBytes = readLength(block, cursor, block.length);
    visit(key, version, cursor.at, cursor.at + valueBytes);
    cursor.at += valueBytes;
  }
  if (cursor.at !== block.length) throw damagedBlock(`bytes follow the entries of block ${number}`);
  return entries;
}

export function damagedBlock(why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `The image is damaged: ${why}`);
}

/** Of an LSN, below 2^53: no BigInt is made of it. */
function readUint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * HIGH_HALF + view.getUint32(at, true);
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % HIGH_HALF, at);
  bytes.writeUInt32LE(Math.floor(value / HIGH_HALF), at + 4);
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

function headerChecksum(bytes: Uint8Array): number {
  const register = crc32cUpdate(CRC32C_START, bytes, 0, CHECKSUM_AT);
  return crc32cFinish(crc32cUpdate(register, bytes, CHECKSUM_AT + 4, IMAGE_HEADER_BYTES));
}

/** Over the seed and all of the block but the checksum itself. */
function blockChecksum(block: Uint8Array, seed: number): number {
  const register = crc32cUpdate(seed, block, 0, BLOCK_CHECKSUM_AT);
  return crc32cFinish(crc32cUpdate(register, block, BLOCK_CHECKSUM_AT + 4, block.length));
}
