// The value encodings: the built-in encodings by name, and encodings of callers. The first record of a store and every
// image hold the name of the encoding.
//
// Binary values of 65 to 1,024 bytes are copied into a pool, which is module state that all stores share. Each part of
// a pool is given out once, so values never share bytes.

import { types } from 'node:util';
import { markAsUntransferable } from 'node:worker_threads';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED, whatHappened } from '../../errors.js';
import { unsharedBytes } from '../../unshared-bytes.js';
import type { CustomValueEncoding, ValueEncoding, ValueType } from './encoding-types.js';
import type { Scratch } from './scratch.js';
import { AWAIT_IT, CALL_IT } from './slips.js';
import { readUtf8 } from './utf8.js';

/** The names of the built-in value encodings. */
const VALUE_ENCODING_NAMES = ['msgpack', 'json', 'utf8', 'bytes'] as const;

/** The name of a built-in value encoding. */
export type ValueEncodingName = (typeof VALUE_ENCODING_NAMES)[number];

/** A value encoding as the store uses it. */
export interface ValueCodec<V> {
  readonly name: string;
  /**
   * Appends the bytes of a value to `out`. Throws a TypeError that names `argument` for a value that cannot be encoded,
   * KEELSON_RECORD_TOO_LARGE, and what an encoder of a caller throws; the record in `out` is lost then. May run foreign
   * code: getters, Proxies, an encoder of a caller.
   */
  encode(value: V, argument: ArgumentName, out: Scratch): void;
  /**
   * Returns the value in `bytes[start, end)`, without sharing their memory. Throws KEELSON_DECODE for bytes that are no
   * value. Does not use `this`.
   */
  readonly decode: (bytes: Uint8Array, start: number, end: number) => V;
  /** Returns the value in all of `bytes`, as decode() does. Only where a caller that has such a view saves time with it. */
  readonly decodeAll?: (bytes: Uint8Array) => V;
}

/** The size of a pool. A program that keeps one value keeps its whole pool in memory. */
const POOL_BYTES = 8192;
/** The largest binary value that gets a part of a pool. */
const POOLED_BYTES_MAX = POOL_BYTES / 8;
/** The largest binary value that V8 keeps on its own heap, where it needs no pool. */
const HEAP_BYTES_MAX = 64;
/** The alignment of values in a pool, so that a typed array of any kind can view their memory. */
const POOL_ALIGNMENT_BYTES = 8;

/** The longest name of an encoding, in UTF-8. The header of an image has 512 bytes for two names and other fields. */
export const ENCODING_NAME_BYTES_MAX = 128;

const OTHER_ENCODING = 'Convert it, or use a store that was made with another valueEncoding';

const jsonValueCodec: ValueCodec<unknown> = {
  name: 'json',

  encode(value, argument, out) {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (error) {
      // JSON.stringify() throws for a bigint and for a cycle, and when a toJSON() throws.
      throw new TypeError(`${argument}: expected what JSON can hold (${whatHappened(error)})`, {
        cause: error,
      });
    }
    // A promise has no properties, so nothing of it would be stored.
    if (text === '{}' && types.isPromise(value))
      throw misuse(argument, 'what JSON can hold', value, AWAIT_IT);
    if (text === undefined) {
      throw misuse(argument, 'what JSON can hold', value, 'Store null in its place, or delete the key');
    }
    out.appendText(text);
  },

  decode(bytes, start, end) {
    try {
      return JSON.parse(readUtf8(bytes, start, end));
    } catch (error) {
      throw undecodable('json', error);
    }
  },
};

const utf8ValueCodec: ValueCodec<string> = {
  name: 'utf8',

  encode(value: unknown, argument, out) {
    if (typeof value !== 'string') throw misuse(argument, 'a string', value, otherValue(value));
    if (!value.isWellFormed()) throw misuse(argument, 'a string without lone surrogates', value, WELL_FORMED);
    out.appendText(value);
  },

  decode: readUtf8,
};

/** The codec for values that are Uint8Arrays. */
export const bytesValueCodec: ValueCodec<Uint8Array> = {
  name: 'bytes',

  encode(value: unknown, argument, out) {
    if (!types.isUint8Array(value)) throw misuse(argument, 'a Uint8Array', value, otherValue(value));
    out.append(unsharedBytes(value));
  },

  decode: (bytes, start, end) => pooledCopyOf(partOf(bytes, start, end)),
  decodeAll: pooledCopyOf,
};

const BUILT_IN = { json: jsonValueCodec, utf8: utf8ValueCodec, bytes: bytesValueCodec };

/**
 * Returns the codec for the option `valueEncoding`: a name, a marker that msgpack() or json() returns, or an encoding of
 * the caller. `msgpack` is the msgpack codec of the store, which is also the
 * default. Throws a TypeError that names `argument` when the option is no encoding.
 */
export function resolveValueEncoding<V = unknown>(
  option: ValueEncoding<V> | undefined,
  argument: string,
  msgpack: ValueCodec<unknown>,
): ValueCodec<V> {
  const given: unknown = option === undefined ? 'msgpack' : isMarker(option) ? option.name : option;
  if (given === 'msgpack') return msgpack as ValueCodec<V>;
  if (isBuiltInName(given)) return BUILT_IN[given as keyof typeof BUILT_IN] as ValueCodec<never>;
  if (typeof given === 'object' && given !== null) {
    return customValueCodec(given as CustomValueEncoding<V>, argument);
  }
  const names = VALUE_ENCODING_NAMES.map((name) => `'${name}'`).join(', ');
  throw misuse(
    argument,
    `one of ${names} or { name, encode, decode }`,
    given,
    typeof given === 'function' ? CALL_IT : undefined,
  );
}

/** Returns the next step for a value of another type than the encoding takes. */
function otherValue(value: unknown): string {
  if (value === undefined) return 'Give a value as the second argument, or delete the key';
  return types.isPromise(value) ? AWAIT_IT : OTHER_ENCODING;
}

/** Returns true for what msgpack() and json() return: no encoding of a caller has one of these names. */
function isMarker<V>(option: ValueEncoding<V>): option is ValueType<V> {
  if (typeof option !== 'object' || option === null || 'encode' in option || 'decode' in option) return false;
  return option.name === 'msgpack' || option.name === 'json';
}

function customValueCodec<V>(encoding: CustomValueEncoding<V>, argument: string): ValueCodec<V> {
  const { name } = encoding;
  checkCustomName(`${argument}.name`, name);
  for (const method of ['encode', 'decode'] as const) {
    if (typeof encoding[method] !== 'function') {
      throw misuse(`${argument}.${method}`, 'a function', encoding[method]);
    }
  }
  return {
    name,

    encode(value, _argument, out) {
      const bytes: unknown = encoding.encode(value);
      if (!types.isUint8Array(bytes)) throw misuse(`the result of ${name}.encode()`, 'a Uint8Array', bytes);
      out.append(unsharedBytes(bytes));
    },

    decode(bytes, start, end) {
      try {
        return encoding.decode(copyOf(partOf(bytes, start, end)));
      } catch (error) {
        throw undecodable(name, error);
      }
    },
  };
}

/** Returns a view of `bytes[start, end)`. subarray() takes longer, because it asks `bytes` for the class to make. */
export function partOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** Returns a copy of `bytes`: a plain Uint8Array with memory of its own, whatever class `bytes` has. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The pool that is given out now, and the position of its free part. */
let pool = new Uint8Array(0);
let poolAt = 0;

/**
 * Returns a copy of `bytes`. A copy of 65 to 1,024 bytes is a part of a pool, because V8 takes much longer
 * to make an ArrayBuffer for it.
 */
function pooledCopyOf(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length <= HEAP_BYTES_MAX || length > POOLED_BYTES_MAX) return copyOf(bytes);
  if (poolAt + length > pool.length) {
    pool = new Uint8Array(POOL_BYTES);
    // A transfer of one value to a worker would take the other values of the pool away.
    markAsUntransferable(pool.buffer);
    poolAt = 0;
  }
  const copy = partOf(pool, poolAt, poolAt + length);
  copy.set(bytes);
  poolAt = Math.ceil((poolAt + length) / POOL_ALIGNMENT_BYTES) * POOL_ALIGNMENT_BYTES;
  return copy;
}

function checkCustomName(argument: string, name: unknown): void {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
    throw misuse(argument, 'a string that is not empty', name);
  }
  if (isBuiltInName(name)) throw misuse(argument, 'a name that is not that of a built-in encoding', name);
  if (!isEncodingName(name)) throw misuse(argument, `at most ${ENCODING_NAME_BYTES_MAX} bytes`, name);
}

/** Returns true for a text that may be the name of a value encoding, built-in or not. */
export function isEncodingName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name !== '' &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= ENCODING_NAME_BYTES_MAX
  );
}

/** Returns true for the name of a built-in value encoding. */
export function isBuiltInName(name: unknown): name is ValueEncodingName {
  return VALUE_ENCODING_NAMES.includes(name as ValueEncodingName);
}

function undecodable(name: string, cause: unknown): KeelsonError {
  return new KeelsonError(
    'KEELSON_DECODE',
    `A value does not decode as '${name}': ${whatHappened(cause)}`,
    {},
    cause,
  );
}
