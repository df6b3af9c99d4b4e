// The store's journal record: one put, one batch, one clear is one record. Pure: bytes in, calls out, and back.
//
//   byte 0   kind: 1 birth, 2 write
//   birth    u8 record format version, key encoding name, value encoding name   (each LEB128 length, UTF-8)
//   write    operations until the end of the record
//
//   operation: u8, low four bits the opcode, high four bits flags that are zero in this version
//   1 put      LEB128 key length, key, LEB128 value length, value
//   2 delete   LEB128 key length, key
//   3 clear    u8 bounds (1 low present, 2 low inclusive, 4 high present, 8 high inclusive),
//              then low key and high key as present, each with its LEB128 length
//   4 shape    a definition that values behind it need, here and in later records: see shapes.ts
//
// The journal's CRC vouches for the bytes, so what does not read here was written by a newer version or by
// something else. Either way it is KEELSON_DECODE, and never a guess.

import { isKeelsonError, KeelsonError, NEXT_STEPS } from '../../errors.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from '../encoding/leb128.js';
import {
  readShape,
  SHAPE_DEFINITION_BYTES_MAX,
  SHAPED,
  type Shape,
  type Shapes,
  shapeIdAt,
  writeShape,
} from '../encoding/shapes.js';
import { readUtf8, UTF8_BYTES_PER_UNIT_MAX, writeUtf8 } from '../encoding/utf8.js';

export const RECORD_FORMAT_VERSION = 1;

export const RECORD_KIND_BIRTH = 1;
export const RECORD_KIND_WRITE = 2;

export type RecordKind = typeof RECORD_KIND_BIRTH | typeof RECORD_KIND_WRITE;

const OPCODE_PUT = 1;
const OPCODE_DELETE = 2;
const OPCODE_CLEAR = 3;
const OPCODE_SHAPE = 4;
const OPCODE_MASK = 0x0f;

const BOUND_LOW = 1;
const BOUND_LOW_INCLUSIVE = 2;
const BOUND_HIGH = 4;
const BOUND_HIGH_INCLUSIVE = 8;
const BOUND_MASK = BOUND_LOW | BOUND_LOW_INCLUSIVE | BOUND_HIGH | BOUND_HIGH_INCLUSIVE;

const SCRATCH_BYTES_INITIAL = 16 * 1024;

/** A scratch buffer that a giant record has grown past this is let go at the next begin(). */
export const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/** A key of so few code units has a one-byte length, whatever its characters. */
const SHORT_KEY_UNITS_MAX = Math.floor(0x7f / UTF8_BYTES_PER_UNIT_MAX);

const NONE_DEFINED: Shape[] = [];

/** Any key codec: writing needs only its index keys. */
type AnyKeyCodec = KeyCodec<unknown>;

/**
 * Builds one record at a time in a scratch buffer that is used again for the next: `begin`, operations, `finish`.
 * After a throw the record is abandoned; the next `begin` starts afresh.
 */
export class RecordWriter {
  readonly #recordBytesMax: number;
  readonly #shapes: Shapes | null;
  /** In this record. Mostly none, and emptying a Set would take a tenth of a put. */
  #defined: Shape[] = NONE_DEFINED;
  /** No Buffer: a view of one takes three times as long to make. */
  #scratch = newScratch(SCRATCH_BYTES_INITIAL);
  #at = 0;

  /**
   * `recordBytesMax` is the journal's limit: a record that would pass it is KEELSON_RECORD_TOO_LARGE. `shapes` are those
   * that values have; null where they can have none.
   */
  constructor(recordBytesMax: number, shapes: Shapes | null) {
    this.#recordBytesMax = recordBytesMax;
    this.#shapes = shapes;
  }

  /** The bytes of the record so far. */
  get length(): number {
    return this.#at;
  }

  /** The memory that is kept for the next record. */
  get scratchBytes(): number {
    return this.#scratch.length;
  }

  /** Starts a record of writes. What finish() returned before is overwritten. */
  begin(): void {
    this.#start(RECORD_KIND_WRITE);
  }

  /** Returns where in the record the value begins; it ends where the record does so far. */
  put(codec: AnyKeyCodec, key: IndexKey, value: Uint8Array): number {
    if (this.#shapes !== null && value[0] === SHAPED) this.#define(this.#shapes, value);
    this.#operation(OPCODE_PUT);
    this.#key(codec, key);
    const { length } = value;
    this.#reserve(LEB128_BYTES_MAX + length);
    this.#at = writeLeb128(this.#scratch, length, this.#at);
    this.#scratch.set(value, this.#at);
    this.#at += length;
    return this.#at - length;
  }

  delete(codec: AnyKeyCodec, key: IndexKey): void {
    this.#operation(OPCODE_DELETE);
    this.#key(codec, key);
  }

  clear(codec: AnyKeyCodec, bounds: KeyBounds): void {
    const { low, high } = bounds;
    const flags =
      (low === undefined ? 0 : BOUND_LOW | (bounds.lowInclusive ? BOUND_LOW_INCLUSIVE : 0)) |
      (high === undefined ? 0 : BOUND_HIGH | (bounds.highInclusive ? BOUND_HIGH_INCLUSIVE : 0));
    this.#operation(OPCODE_CLEAR);
    this.#reserve(1);
    this.#scratch[this.#at++] = flags;
    if (low !== undefined) this.#key(codec, low);
    if (high !== undefined) this.#key(codec, high);
  }

  /** The record: a view of the scratch buffer, good until the next begin() or birth(). */
  finish(): Uint8Array {
    // Checked here once more, for #reserve asks for the worst case and so can only refuse what is surely too long.
    this.#checkSize(this.#at);
    return this.#scratch.subarray(0, this.#at);
  }

  /** The whole birth record, a view like that of finish(). */
  birth(keyEncodingName: string, valueEncodingName: string): Uint8Array {
    this.#start(RECORD_KIND_BIRTH);
    this.#reserve(1);
    this.#scratch[this.#at++] = RECORD_FORMAT_VERSION;
    this.#text(keyEncodingName);
    this.#text(valueEncodingName);
    return this.finish();
  }

  /** The record is in the log, and with it what it defines. */
  appended(): void {
    if (this.#defined === NONE_DEFINED) return;
    for (const shape of this.#defined) this.#shapes!.recorded(shape);
    this.#defined = NONE_DEFINED;
  }

  /** Lets go of what a giant record has taken, and of that record. */
  trim(): void {
    if (this.#scratch.length > SCRATCH_BYTES_KEPT_MAX) this.#scratch = newScratch(SCRATCH_BYTES_INITIAL);
  }

  #start(kind: RecordKind): void {
    this.trim();
    this.#defined = NONE_DEFINED;
    this.#scratch[0] = kind;
    this.#at = 1;
  }

  /** What the value needs, unless it is known by now. */
  #define(shapes: Shapes, value: Uint8Array): void {
    const shape = shapes.get(shapeIdAt(value, 0, value.length));
    if (shapes.isRecorded(shape) || this.#defined.includes(shape)) return;
    this.#defined = [...this.#defined, shape];
    this.#operation(OPCODE_SHAPE);
    this.#reserve(SHAPE_DEFINITION_BYTES_MAX);
    this.#at = writeShape(this.#scratch, shape, this.#at);
  }

  #operation(opcode: number): void {
    this.#reserve(1);
    this.#scratch[this.#at++] = opcode;
  }

  #key(codec: AnyKeyCodec, key: IndexKey): void {
    if (key.length <= SHORT_KEY_UNITS_MAX) {
      // The length fits one byte, so it can be filled in after the key: one walk over the key instead of two.
      this.#reserve(1 + key.length * UTF8_BYTES_PER_UNIT_MAX);
      const lengthBytes = codec.write(key, this.#scratch, this.#at + 1);
      this.#scratch[this.#at] = lengthBytes;
      this.#at += 1 + lengthBytes;
      return;
    }
    const lengthBytes = codec.byteLength(key);
    this.#reserve(LEB128_BYTES_MAX + lengthBytes);
    this.#at = writeLeb128(this.#scratch, lengthBytes, this.#at);
    this.#at += codec.write(key, this.#scratch, this.#at);
  }

  #text(text: string): void {
    const lengthBytes = Buffer.byteLength(text);
    this.#reserve(LEB128_BYTES_MAX + lengthBytes);
    this.#at = writeLeb128(this.#scratch, lengthBytes, this.#at);
    this.#at += writeUtf8(this.#scratch, text, this.#at);
  }

  /** Makes room for so many more bytes. */
  #reserve(lengthBytes: number): void {
    const needed = this.#at + lengthBytes;
    if (needed <= this.#scratch.length) return;
    // The estimate may be a few bytes over what is written, so only what is over by more is refused here.
    this.#checkSize(needed - LEB128_BYTES_MAX - SHORT_KEY_UNITS_MAX * UTF8_BYTES_PER_UNIT_MAX);
    const grown = newScratch(Math.max(needed, this.#scratch.length * 2));
    grown.set(this.#scratch.subarray(0, this.#at));
    this.#scratch = grown;
  }

  #checkSize(lengthBytes: number): void {
    if (lengthBytes <= this.#recordBytesMax) return;
    throw new KeelsonError(
      'KEELSON_RECORD_TOO_LARGE',
      `A record, which is one put or one whole batch, has at most ${this.#recordBytesMax} bytes; this one would have ${lengthBytes} or more`,
    );
  }
}

/** Not zeroed: what is handed out has been written. */
function newScratch(lengthBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(lengthBytes).buffer);
}

/** What readWrites() calls for every operation, in order. */
export interface RecordVisitor {
  /** The value is `record[valueStart, valueEnd)`: the visitor copies what it keeps. */
  put(key: IndexKey, record: Uint8Array, valueStart: number, valueEnd: number): void;
  delete(key: IndexKey): void;
  clear(bounds: KeyBounds): void;
  shape(shape: Shape): void;
}

/** What a birth record says of its store. */
export interface Birth {
  readonly formatVersion: number;
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

/** The kind of the record `bytes[start, end)`; KEELSON_DECODE for none that this version knows. */
export function recordKind(bytes: Uint8Array, start = 0, end = bytes.length): RecordKind {
  const kind = start < end ? bytes[start] : undefined;
  if (kind === RECORD_KIND_BIRTH || kind === RECORD_KIND_WRITE) return kind;
  throw kind === undefined ? undecodable('the record is empty', 0) : newerVersion(`record kind ${kind}`, 0);
}

/** The content of the birth record of the store in `directory`. A format version above ours is KEELSON_FORMAT_VERSION. */
export function readBirth(record: Uint8Array, directory: string): Birth {
  if (recordKind(record) !== RECORD_KIND_BIRTH) throw undecodable('expected a birth record', 0);
  if (record.length < 2) throw undecodable('the birth record is cut off', record.length);
  const formatVersion = record[1]!;
  if (formatVersion === 0 || formatVersion > RECORD_FORMAT_VERSION) {
    throw new KeelsonError(
      'KEELSON_FORMAT_VERSION',
      `The records of the store in ${directory} have format version ${formatVersion}; this Keelson reads up to ${RECORD_FORMAT_VERSION}`,
      { path: directory },
    );
  }
  const cursor: ReadCursor = { at: 2 };
  const keyEncodingName = readText(record, cursor);
  const valueEncodingName = readText(record, cursor);
  if (cursor.at !== record.length) throw undecodable('bytes follow the birth record', cursor.at);
  return { formatVersion, keyEncodingName, valueEncodingName };
}

/**
 * Calls the visitor for every operation of the write record `bytes[start, end)`.
 * On KEELSON_DECODE the operations before the faulty one have been visited already: a caller that must have all or
 * nothing visits twice, or gives up what it was building.
 */
export function readWrites(
  codec: AnyKeyCodec,
  bytes: Uint8Array,
  start: number,
  end: number,
  visitor: RecordVisitor,
): void {
  try {
    readOperations(codec, bytes, start, end, visitor);
  } catch (error) {
    // What is wrong is said again with offsets that count from the start of the record, not of the memory around it.
    if (isKeelsonError(error, 'KEELSON_DECODE') && start > 0) {
      readOperations(codec, bytes.slice(start, end), 0, end - start, NO_VISITOR);
    }
    throw error;
  }
}

const NO_VISITOR: RecordVisitor = { put() {}, delete() {}, clear() {}, shape() {} };

function readOperations(
  codec: AnyKeyCodec,
  record: Uint8Array,
  start: number,
  end: number,
  visitor: RecordVisitor,
): void {
  if (recordKind(record, start, end) !== RECORD_KIND_WRITE) throw undecodable('expected a write record', 0);
  const cursor: ReadCursor = { at: start + 1 };
  while (cursor.at < end) {
    const operation = record[cursor.at]!;
    if ((operation & ~OPCODE_MASK) !== 0) throw newerVersion(`operation flags in ${operation}`, cursor.at);
    cursor.at++;
    switch (operation) {
      case OPCODE_PUT: {
        const key = readKey(codec, record, cursor, end);
        const valueLength = readLength(record, cursor, end);
        const valueStart = cursor.at;
        cursor.at = valueStart + valueLength;
        visitor.put(key, record, valueStart, cursor.at);
        break;
      }
      case OPCODE_DELETE:
        visitor.delete(readKey(codec, record, cursor, end));
        break;
      case OPCODE_CLEAR:
        visitor.clear(readBounds(codec, record, cursor, end));
        break;
      case OPCODE_SHAPE:
        visitor.shape(readShape(record, cursor, end));
        break;
      default:
        throw newerVersion(`operation ${operation}`, cursor.at - 1);
    }
  }
}

function readKey(codec: AnyKeyCodec, record: Uint8Array, cursor: ReadCursor, end: number): IndexKey {
  const length = readLength(record, cursor, end);
  const start = cursor.at;
  cursor.at = start + length;
  return codec.read(record, start, cursor.at);
}

function readText(record: Uint8Array, cursor: ReadCursor): string {
  const length = readLength(record, cursor, record.length);
  const start = cursor.at;
  cursor.at = start + length;
  return readUtf8(record, start, cursor.at);
}

function readBounds(codec: AnyKeyCodec, record: Uint8Array, cursor: ReadCursor, end: number): KeyBounds {
  if (cursor.at >= end) throw undecodable('a clear is cut off', cursor.at);
  const flags = record[cursor.at]!;
  if ((flags & ~BOUND_MASK) !== 0) throw newerVersion(`bound flags ${flags}`, cursor.at);
  const lowInclusive = (flags & BOUND_LOW_INCLUSIVE) !== 0;
  const highInclusive = (flags & BOUND_HIGH_INCLUSIVE) !== 0;
  if ((lowInclusive && (flags & BOUND_LOW) === 0) || (highInclusive && (flags & BOUND_HIGH) === 0)) {
    throw undecodable('a bound that is absent cannot be inclusive', cursor.at);
  }
  cursor.at++;
  const low = (flags & BOUND_LOW) === 0 ? undefined : readKey(codec, record, cursor, end);
  const high = (flags & BOUND_HIGH) === 0 ? undefined : readKey(codec, record, cursor, end);
  // An open end counts as inclusive, as it does in the bounds of a resolved range.
  return {
    low,
    lowInclusive: low === undefined || lowInclusive,
    high,
    highInclusive: high === undefined || highInclusive,
  };
}

function undecodable(what: string, offset: number): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A record of the store does not decode: ${what}`, { offset });
}

function newerVersion(what: string, offset: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_DECODE',
    {
      what: `A record of the store does not decode: ${what} is unknown, so a newer version of Keelson wrote it`,
      next: NEXT_STEPS.KEELSON_FORMAT_VERSION,
    },
    { offset },
  );
}
