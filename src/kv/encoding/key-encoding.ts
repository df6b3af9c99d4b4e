// What a key may be, and its two other forms: the string the index orders by, and the bytes on disk.
// Pure. The names of the encodings are recorded in the store's first record and in every image.
//
// Inside the store a key is always a string, compared by code unit with `<`. For 'utf8' it is the key itself;
// for 'bytes' it is the string whose code units are the bytes ("latin1"), whose order is the bytewise order.
// So a caller's buffer is never kept, what goes out is a fresh Uint8Array, and there is one index to test.

import { types } from 'node:util';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED } from '../../errors.js';
import { readLatin1, readUtf8, UTF8_BYTES_PER_UNIT_MAX, writeUtf8 } from './utf8.js';

/** A key as the index holds it. */
export type IndexKey = string;

export const KEY_ENCODING_NAMES = ['utf8', 'bytes'] as const;

export type KeyEncodingName = (typeof KEY_ENCODING_NAMES)[number];

/** The longest key, in bytes on disk. A range bound counts as a key. */
export const KEY_BYTES_MAX = 65_536;

/** A key encoding: from the caller's key to the index's, and from that to bytes, and back. */
export interface KeyCodec<K> {
  readonly name: KeyEncodingName;
  /**
   * The index's key of a caller's key. A wrong key is a TypeError that names `argument`;
   * a key over KEY_BYTES_MAX is KEELSON_KEY_TOO_LARGE.
   */
  toIndexKey(argument: ArgumentName, key: unknown): IndexKey;
  /** The caller's key: for 'bytes' a fresh Uint8Array. */
  fromIndexKey(indexKey: IndexKey): K;
  /** The length that write() will write. */
  byteLength(indexKey: IndexKey): number;
  /** Writes the key's bytes at `at` and returns their number. The target has room for byteLength(). */
  write(indexKey: IndexKey, target: Uint8Array, at: number): number;
  /** The key of `bytes[start, end)`, which shares no memory with them. KEELSON_DECODE when they are no key. */
  read(bytes: Uint8Array, start: number, end: number): IndexKey;
  /**
   * The smallest key above every key that starts with `prefix`; undefined when no key is.
   * For 'utf8' it is a well-formed string again, so that a range that ends there can be written to disk.
   */
  afterPrefix(prefix: IndexKey): IndexKey | undefined;
}

export const utf8KeyCodec: KeyCodec<string> = {
  name: 'utf8',

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

export const bytesKeyCodec: KeyCodec<Uint8Array> = {
  name: 'bytes',

  toIndexKey(argument, key) {
    // Not `instanceof`: a Buffer of another realm (a test runner's sandbox) is a Uint8Array too.
    if (!types.isUint8Array(key)) throw misuse(argument, 'a Uint8Array', key, bytesInstead(key));
    checkKeyLength(argument, key.length);
    return readLatin1(key, 0, key.length);
  },

  fromIndexKey(indexKey) {
    const key = new Uint8Array(indexKey.length);
    writeCodeUnits(indexKey, key, 0);
    return key;
  },

  byteLength: (indexKey) => indexKey.length,

  write: writeCodeUnits,

  read: readLatin1,

  afterPrefix(prefix) {
    for (let at = prefix.length - 1; at >= 0; at--) {
      const unit = prefix.charCodeAt(at);
      if (unit < 0xff) return prefix.slice(0, at) + String.fromCharCode(unit + 1);
    }
    return undefined;
  },
};

/** The codec of a name from the options or from disk; a TypeError that names `argument` for any other. */
export function resolveKeyEncoding(argument: string, name: unknown): KeyCodec<string> | KeyCodec<Uint8Array> {
  if (name === undefined || name === 'utf8') return utf8KeyCodec;
  if (name === 'bytes') return bytesKeyCodec;
  throw misuse(argument, `one of ${KEY_ENCODING_NAMES.map((known) => `'${known}'`).join(', ')}`, name);
}

/** Throws KEELSON_FORMAT_VERSION for the name of a key encoding that only a newer Keelson knows; `path` has it. */
export function assertKnownKeyEncoding(name: string, path: string): asserts name is KeyEncodingName {
  if (KEY_ENCODING_NAMES.includes(name as KeyEncodingName)) return;
  const text = `${path} has ${name} keys, which this Keelson does not know`;
  throw new KeelsonError('KEELSON_FORMAT_VERSION', text, { path });
}

function stringInstead(key: unknown): string | undefined {
  if (types.isUint8Array(key))
    return "Make a string of it, or use a store that was made with keyEncoding: 'bytes'";
  if (typeof key === 'number') return 'Make a string of it; numbers padded with zeros keep their order';
  if (Array.isArray(key)) return "Make a string of it, such as key.join('/')";
  return key === undefined || key === null ? undefined : 'Make a string of it';
}

function bytesInstead(key: unknown): string {
  if (typeof key !== 'string') return 'Make a Uint8Array of it';
  return "Make bytes of it, such as Buffer.from(key), or use a store that was made with keyEncoding: 'utf8'";
}

function checkKeyLength(argument: ArgumentName, lengthBytes: number): void {
  if (lengthBytes <= KEY_BYTES_MAX) return;
  throw new KeelsonError(
    'KEELSON_KEY_TOO_LARGE',
    `${argument}: a key has at most ${KEY_BYTES_MAX} bytes, this one has ${lengthBytes}`,
  );
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * The code point that follows in the order of UTF-16 code units, where the code points above U+FFFF (written
 * as surrogates, D800 to DFFF) stand between U+D7FF and U+E000; undefined after the last, U+FFFF.
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
