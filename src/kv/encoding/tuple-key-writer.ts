// Writes tuple keys: makes the index key of a caller's tuple, a string whose code units are the bytes of the tuple.
//
// Reading a part may run foreign code: a getter, or a Proxy in the place of an array. So each part is read once, and a
// key that is written meanwhile gets memory of its own.

import { types } from 'node:util';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED } from '../../errors.js';
import { unsharedBytes } from '../../unshared-bytes.js';
import { KEY_BYTES_MAX } from './key-limits.js';
import { AWAIT_IT, IN_NAMESPACE, isCollection } from './slips.js';
import { AFTER_PART, ESCAPE, NUMBER_BYTES, TAG, TUPLE_DEPTH_MAX } from './tuple-key-format.js';
import { readLatin1 } from './utf8.js';

const BYTES_INITIAL = 1024;

/** The most bytes of one code unit of a string in CESU-8. */
const CESU8_BYTES_PER_UNIT_MAX = 3;

/** The bytes of a part beside its content: a tag, and an end or the length of a bigint. */
const PART_OVERHEAD_BYTES = 3;

const PART = 'null, a boolean, a number, a bigint, a string, a Uint8Array or an array of these';

/** A writer that nobody uses, or null. After a throw a writer does not come back, and the next one is new. */
let spare: TupleWriter | null = null;

/**
 * Returns the index key of a tuple. Throws a TypeError that names `argument` and the place of a wrong part, as in
 * `key[1]`, and KEELSON_KEY_TOO_LARGE.
 */
export function encodeTuple(argument: ArgumentName, tuple: unknown): string {
  if (!Array.isArray(tuple))
    throw misuse(argument, 'an array, the parts of a tuple', tuple, arrayInstead(tuple));
  const writer = spare ?? new TupleWriter();
  spare = null;
  const key = writer.write(argument, tuple);
  spare = writer;
  return key;
}

/**
 * Returns the bytes of one part as code units, as they stand in the index key of a tuple. AFTER_PART and `suffix` follow them
 * unless it is null: all in one piece, which is compared faster than a concatenation. Throws what encodeTuple() throws; a wrong
 * part is called `argument`.
 */
export function encodePart(argument: ArgumentName, part: unknown, suffix: string | null = null): string {
  const writer = spare ?? new TupleWriter();
  spare = null;
  const bytes = writer.writePart(argument, part, suffix);
  spare = writer;
  return bytes;
}

/** The place of a part that is no part of a tuple. */
const ALONE = -1;

/** Returns the name of a part in a message. */
function nameOf(argument: ArgumentName, index: number): string {
  return index === ALONE ? `${argument}` : `${argument}[${index}]`;
}

class TupleWriter {
  #bytes = new Uint8Array(BYTES_INITIAL);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  write(argument: ArgumentName, tuple: readonly unknown[]): string {
    this.#at = 0;
    this.#parts(argument, tuple, 0);
    return this.#finish(argument);
  }

  writePart(argument: ArgumentName, part: unknown, suffix: string | null): string {
    this.#at = 0;
    this.#part(argument, ALONE, part, 0);
    if (suffix === null || this.#at > KEY_BYTES_MAX) return this.#finish(argument);
    const { length } = suffix;
    const bytes = this.#bytes;
    const start = this.#at + 1;
    if (start + length > bytes.length) return this.#finish(argument) + AFTER_PART + suffix;
    bytes[this.#at] = AFTER_PART.charCodeAt(0);
    for (let at = 0; at < length; at++) {
      const unit = suffix.charCodeAt(at);
      if (unit > 0xff) return this.#finish(argument) + AFTER_PART + suffix;
      bytes[start + at] = unit;
    }
    return readLatin1(bytes, 0, start + length);
  }

  #finish(argument: ArgumentName): string {
    if (this.#at > KEY_BYTES_MAX) throw tooLarge(argument);
    return readLatin1(this.#bytes, 0, this.#at);
  }

  #parts(argument: ArgumentName, parts: readonly unknown[], depth: number): void {
    const { length } = parts;
    for (let index = 0; index < length; index++) {
      this.#part(argument, index, parts[index], depth);
    }
  }

  #part(argument: ArgumentName, index: number, part: unknown, depth: number): void {
    if (typeof part === 'string') this.#string(argument, index, part);
    else if (typeof part === 'number') this.#number(argument, index, part);
    else this.#other(argument, index, part, depth);
  }

  #other(argument: ArgumentName, index: number, part: unknown, depth: number): void {
    if (part === null) this.#tag(argument, TAG.null);
    else if (typeof part === 'boolean') this.#tag(argument, part ? TAG.true : TAG.false);
    else if (typeof part === 'bigint') this.#bigint(argument, part);
    else if (types.isUint8Array(part)) this.#byteString(argument, part);
    else if (Array.isArray(part)) this.#array(argument, index, part, depth);
    else throw misuse(nameOf(argument, index), PART, part, partInstead(part));
  }

  #array(argument: ArgumentName, index: number, parts: readonly unknown[], depth: number): void {
    if (depth === TUPLE_DEPTH_MAX)
      throw misuse(nameOf(argument, index), `at most ${TUPLE_DEPTH_MAX} arrays inside each other`, parts);
    this.#tag(argument, TAG.array);
    // The text of the place is made only for an error.
    this.#parts({ toString: () => nameOf(argument, index) }, parts, depth + 1);
    this.#tag(argument, TAG.end);
  }

  #string(argument: ArgumentName, index: number, text: string): void {
    const { length } = text;
    this.#reserve(argument, length, CESU8_BYTES_PER_UNIT_MAX);
    const bytes = this.#bytes;
    let at = this.#at;
    let hasSurrogates = false;
    bytes[at++] = TAG.string;
    for (let unitAt = 0; unitAt < length; unitAt++) {
      const unit = text.charCodeAt(unitAt);
      if (unit < 0x80) {
        bytes[at++] = unit;
        if (unit === 0) bytes[at++] = ESCAPE;
        continue;
      }
      if (unit < 0x800) bytes[at++] = 0xc0 | (unit >>> 6);
      else {
        if ((unit & 0xf800) === 0xd800) hasSurrogates = true;
        bytes[at++] = 0xe0 | (unit >>> 12);
        bytes[at++] = 0x80 | ((unit >>> 6) & 0x3f);
      }
      bytes[at++] = 0x80 | (unit & 0x3f);
    }
    if (hasSurrogates && !text.isWellFormed())
      throw misuse(nameOf(argument, index), 'a string without lone surrogates', text, WELL_FORMED);
    bytes[at++] = TAG.end;
    this.#at = at;
  }

  #number(argument: ArgumentName, index: number, value: number): void {
    if (Number.isNaN(value))
      throw misuse(nameOf(argument, index), 'a number that has an order', value, 'Use null in its place');
    this.#reserve(argument, NUMBER_BYTES, 1);
    const view = this.#view;
    const at = this.#at + 1;
    this.#bytes[at - 1] = TAG.number;
    // Adding 0 makes 0 of −0.
    view.setFloat64(at, value + 0);
    const high = view.getInt32(at);
    if (high < 0) {
      view.setInt32(at, ~high);
      view.setInt32(at + 4, ~view.getInt32(at + 4));
    } else {
      this.#bytes[at]! |= 0x80;
    }
    this.#at = at + NUMBER_BYTES;
  }

  #bigint(argument: ArgumentName, value: bigint): void {
    const isNegative = value < 0n;
    const magnitude = magnitudeOf(isNegative ? -value : value);
    const { length } = magnitude;
    this.#reserve(argument, length, 1);
    const inverted = isNegative ? 0xff : 0;
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = isNegative ? TAG.negativeBigint : TAG.bigint;
    bytes[at++] = (length >>> 8) ^ inverted;
    bytes[at++] = length ^ inverted;
    for (let from = 0; from < length; from++) bytes[at++] = magnitude[from]! ^ inverted;
    this.#at = at;
  }

  #byteString(argument: ArgumentName, given: Uint8Array): void {
    const part = unsharedBytes(given);
    const { length } = part;
    this.#reserve(argument, length, 2);
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = TAG.bytes;
    for (let from = 0; from < length; from++) {
      const byte = part[from]!;
      bytes[at++] = byte;
      if (byte === 0) bytes[at++] = ESCAPE;
    }
    bytes[at++] = TAG.end;
    this.#at = at;
  }

  #tag(argument: ArgumentName, tag: number): void {
    this.#reserve(argument, 0, 0);
    this.#bytes[this.#at++] = tag;
  }

  /**
   * Makes room for a tag, `units` of at most `bytesPerUnit` bytes, and an end or a length. Throws KEELSON_KEY_TOO_LARGE
   * when one byte for each unit would be too many, so that no part makes the memory grow far beyond the limit.
   */
  #reserve(argument: ArgumentName, units: number, bytesPerUnit: number): void {
    const needed = this.#at + units * bytesPerUnit + PART_OVERHEAD_BYTES;
    if (needed <= this.#bytes.length) return;
    if (this.#at + units > KEY_BYTES_MAX) throw tooLarge(argument);
    const grown = new Uint8Array(needed * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Returns the bytes of a bigint of 0 or more, big-endian, without leading zeros. */
function magnitudeOf(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
}

function tooLarge(argument: ArgumentName): KeelsonError {
  return new KeelsonError(
    'KEELSON_KEY_TOO_LARGE',
    `${argument}: a key has at most ${KEY_BYTES_MAX} bytes, the bytes of this tuple are more`,
  );
}

function arrayInstead(key: unknown): string {
  if (types.isPromise(key)) return AWAIT_IT;
  if (isCollection(key)) return IN_NAMESPACE;
  if (typeof key === 'string')
    return "Make a tuple of it, such as [key], or use a store that was made with keyEncoding: 'utf8'";
  if (types.isUint8Array(key))
    return "Make a tuple of it, such as [key], or use a store that was made with keyEncoding: 'bytes'";
  return "Make a tuple of it, such as ['user', 7]";
}

function partInstead(part: unknown): string | undefined {
  if (types.isPromise(part)) return AWAIT_IT;
  if (part === undefined) return 'Leave the part out, or use null in its place';
  if (types.isDate(part)) return 'Use its getTime() or its toISOString()';
  return typeof part === 'object' ? 'Use its fields as parts' : undefined;
}
