// The key encodings: turn a key of a caller into a string for the index and into bytes for the disk, and back. Pure.
//
// In the index, every key is a string, and keys are compared with `<`, by code units. For 'utf8' the string is the key
// itself. For 'bytes' and 'tuple' the code units of the string are the bytes of the key (latin1), so the order of
// strings is the order of bytes. So the store needs only one kind of index, and never keeps a buffer of a caller. The
// first record of a store and every image hold the name of the encoding.

import { types } from 'node:util';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED } from '../../errors.js';
import { unsharedBytes } from '../../unshared-bytes.js';
import type { Tuple } from './encoding-types.js';
import { checkKeyLength, KEY_BYTES_MAX } from './key-limits.js';
import { AWAIT_IT, CALL_IT, IN_NAMESPACE, isCollection } from './slips.js';
import { AFTER_EXTENSIONS, ESCAPE } from './tuple-key-format.js';
import { decodeTuple, isTuple } from './tuple-key-reader.js';
import { encodeTuple } from './tuple-key-writer.js';
import { readLatin1, readUtf8, UTF8_BYTES_PER_UNIT_MAX, writeUtf8 } from './utf8.js';

/** A key as the index holds it. */
export type IndexKey = string;

/** The names of all key encodings. */
export const KEY_ENCODING_NAMES = ['utf8', 'bytes', 'tuple'] as const;

/**
 * The name of a key encoding: with `'utf8'` keys are strings, with `'bytes'` they are Uint8Arrays, with `'tuple'` they
 * are arrays of parts.
 */
export type KeyEncodingName = (typeof KEY_ENCODING_NAMES)[number];

export { KEY_BYTES_MAX };

/** A key encoding. */
export interface KeyCodec<K> {
  readonly name: KeyEncodingName;
  /** True if the code units of an index key are its bytes on the disk. */
  readonly isLatin1: boolean;
  /**
   * Returns the index key of a caller's key. Throws a TypeError that names `argument` for a wrong key, and
   * KEELSON_KEY_TOO_LARGE for a key above KEY_BYTES_MAX.
   */
  toIndexKey(argument: ArgumentName, key: unknown): IndexKey;
  /** Returns the key as callers see it. For 'bytes' it is a new Uint8Array, for 'tuple' a new array. */
  fromIndexKey(indexKey: IndexKey): K;
  /** Returns the number of bytes that write() writes. */
  byteLength(indexKey: IndexKey): number;
  /** Writes the bytes of a key at `at`, and returns their number. The target must have room for byteLength() bytes. */
  write(indexKey: IndexKey, target: Uint8Array, at: number): number;
  /**
   * Returns the key in `bytes[start, end)`, without sharing their memory. Throws KEELSON_DECODE when the bytes are no
   * key of this encoding.
   */
  read(bytes: Uint8Array, start: number, end: number): IndexKey;
  /** Returns the bound of a range in `bytes[start, end)`: a key, or what afterPrefix() returns. Throws what read() throws. */
  readBound(bytes: Uint8Array, start: number, end: number): IndexKey;
  /**
   * Returns the smallest key above all keys that start with `prefix`, or undefined when there is no key above them. For
   * 'utf8' the result is a well-formed string, so that it can be written to the disk as a bound of a range.
   */
  afterPrefix(prefix: IndexKey): IndexKey | undefined;
}

/** The codec for keys that are strings. */
export const utf8KeyCodec: KeyCodec<string> = {
  name: 'utf8',

  isLatin1: false,

  toIndexKey(argument, key) {
    if (typeof key !== 'string') throw misuse(argument, 'a string', key, stringInstead(key));
    if (!key.isWellFormed()) throw misuse(argument, 'a string without lone surrogates', key, WELL_FORMED);
    if (key.length * UTF8_BYTES_PER_UNIT_MAX > KEY_BYTES_MAX)
      checkKeyLength(argument, Buffer.byteLength(key));
    return key;
  },

  fromIndexKey: (indexKey) => indexKey,

  byteLength: (indexKey) => Buffer.byteLength(indexKey),

  write: (indexKey, target, at) => writeUtf8(target, indexKey, at),

  read: readUtf8,

  readBound: readUtf8,

  afterPrefix(prefix) {
    for (let end = prefix.length; end > 0; ) {
      const at = isLowSurrogate(prefix.charCodeAt(end - 1)) ? end - 2 : end - 1;
      const next = nextInCodeUnitOrder(prefix.codePointAt(at)!);
      if (next !== undefined) return prefix.slice(0, at) + String.fromCodePoint(next);
      end = at;
    }
    return undefined;
  },
};

/** The codec for keys that are Uint8Arrays. */
export const bytesKeyCodec: KeyCodec<Uint8Array> = {
  name: 'bytes',

  isLatin1: true,

  toIndexKey(argument, key) {
    // `instanceof` would refuse a Uint8Array of another realm, such as the sandbox of a test runner.
    if (!types.isUint8Array(key)) throw misuse(argument, 'a Uint8Array', key, bytesInstead(key));
    const bytes = unsharedBytes(key);
    checkKeyLength(argument, bytes.length);
    return readLatin1(bytes, 0, bytes.length);
  },

  fromIndexKey(indexKey) {
    const key = new Uint8Array(indexKey.length);
    writeCodeUnits(indexKey, key, 0);
    return key;
  },

  byteLength: (indexKey) => indexKey.length,

  write: writeCodeUnits,

  read: readLatin1,

  readBound: readLatin1,

  afterPrefix(prefix) {
    for (let at = prefix.length - 1; at >= 0; at--) {
      const unit = prefix.charCodeAt(at);
      if (unit < 0xff) return prefix.slice(0, at) + String.fromCharCode(unit + 1);
    }
    return undefined;
  },
};

/** The codec for keys that are tuples. A prefix goes by parts. */
export const tupleKeyCodec: KeyCodec<Tuple> = {
  name: 'tuple',

  isLatin1: true,

  toIndexKey: encodeTuple,

  fromIndexKey: decodeTuple,

  byteLength: (indexKey) => indexKey.length,

  write: writeCodeUnits,

  read(bytes, start, end) {
    if (end - start > KEY_BYTES_MAX || !isTuple(bytes, start, end)) throw noTuple(start, end);
    return readLatin1(bytes, start, end);
  },

  readBound(bytes, start, end) {
    // No tuple ends with this byte behind a whole part, so it makes a bound and never a key.
    const isAfterPrefix = end > start && bytes[end - 1] === ESCAPE && isTuple(bytes, start, end - 1);
    return isAfterPrefix && end - 1 - start <= KEY_BYTES_MAX
      ? readLatin1(bytes, start, end)
      : this.read(bytes, start, end);
  },

  afterPrefix: (prefix) => prefix + AFTER_EXTENSIONS,
};

/**
 * Returns the codec of a key encoding: its name, or the marker that tuple() returns; the 'utf8' codec for undefined.
 * Throws a TypeError that names `argument` for anything else.
 */
export function resolveKeyEncoding(
  argument: string,
  encoding: unknown,
): KeyCodec<string> | KeyCodec<Uint8Array> | KeyCodec<Tuple> {
  if (encoding === undefined || encoding === 'utf8') return utf8KeyCodec;
  if (encoding === 'bytes') return bytesKeyCodec;
  if (encoding === 'tuple' || isTupleMarker(encoding)) return tupleKeyCodec;
  const names = KEY_ENCODING_NAMES.map((known) => `'${known}'`).join(', ');
  throw misuse(argument, `one of ${names}`, encoding, typeof encoding === 'function' ? CALL_IT : undefined);
}

function isTupleMarker(encoding: unknown): boolean {
  return typeof encoding === 'object' && (encoding as { name?: unknown } | null)?.name === 'tuple';
}

/**
 * Throws KEELSON_FORMAT_VERSION for an unknown name of a key encoding, which a newer Keelson wrote into the file
 * `path`.
 */
export function assertKnownKeyEncoding(name: string, path: string): asserts name is KeyEncodingName {
  if (KEY_ENCODING_NAMES.includes(name as KeyEncodingName)) return;
  const text = `${path} has ${name} keys, which this Keelson does not know`;
  throw new KeelsonError('KEELSON_FORMAT_VERSION', text, { path });
}

function stringInstead(key: unknown): string | undefined {
  if (types.isPromise(key)) return AWAIT_IT;
  if (isCollection(key)) return IN_NAMESPACE;
  if (types.isUint8Array(key))
    return "Make a string of it, or use a store that was made with keyEncoding: 'bytes'";
  if (typeof key === 'number') return 'Make a string of it; numbers padded with zeros keep their order';
  if (Array.isArray(key))
    return "Make a string of it, such as key.join('/'), or use a store that was made with keyEncoding: 'tuple'";
  return key === undefined || key === null ? undefined : 'Make a string of it';
}

function bytesInstead(key: unknown): string | undefined {
  if (types.isPromise(key)) return AWAIT_IT;
  if (isCollection(key)) return IN_NAMESPACE;
  if (typeof key === 'string')
    return "Make bytes of it, such as Buffer.from(key), or use a store that was made with keyEncoding: 'utf8'";
  return key === undefined || key === null ? undefined : 'Make a Uint8Array of it';
}

function noTuple(start: number, end: number): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `Bytes ${start} to ${end} are not a tuple key`, {
    offset: start,
  });
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * Returns the next code point in the order of UTF-16 code units, or undefined after the last one, U+FFFF. In this
 * order, the code points above U+FFFF stand between U+D7FF and U+E000, because surrogates (D800 to DFFF) encode them.
 */
function nextInCodeUnitOrder(codePoint: number): number | undefined {
  switch (codePoint) {
    case 0xd7ff:
      return 0x10000;
    case 0x10ffff:
      return 0xe000;
    case 0xffff:
      return undefined;
    default:
      return codePoint + 1;
  }
}

function writeCodeUnits(indexKey: IndexKey, target: Uint8Array, at: number): number {
  const length = indexKey.length;
  for (let index = 0; index < length; index++) target[at + index] = indexKey.charCodeAt(index);
  return length;
}
