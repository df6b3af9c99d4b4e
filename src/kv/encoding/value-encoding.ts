// The value encodings: built-in ones by name, or a caller's own. Pure.
// The name is recorded in the store's first record and in every image.

import { types } from 'node:util';
import { markAsUntransferable } from 'node:worker_threads';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED, whatHappened } from '../../errors.js';
import { unsharedBytes } from '../../unshared-bytes.js';
import type { Scratch } from './scratch.js';
import { readUtf8 } from './utf8.js';

export const VALUE_ENCODING_NAMES = ['msgpack', 'json', 'utf8', 'bytes'] as const;

export type ValueEncodingName = (typeof VALUE_ENCODING_NAMES)[number];

/** A caller's own encoding. */
export interface CustomValueEncoding<V> {
  /** Recorded in the store: opening it under another name is refused. */
  readonly name: string;
  /** The bytes are copied before put() returns, so the encoder may use its buffer again. */
  encode(value: V): Uint8Array;
  /** The bytes are a copy of the decoder's own: the value may refer to them. */
  decode(bytes: Uint8Array): V;
}

/** A value encoding as the store uses it. */
export interface ValueCodec<V> {
  readonly name: string;
  /**
   * Writes the bytes of a value behind what is in `out`. Throws a TypeError that calls the value `argument` when it cannot be
   * encoded; `out` is then of no more use. May run foreign code: getters, Proxies, a caller's encoder.
   */
  encode(value: V, argument: ArgumentName, out: Scratch): void;
  /**
   * Returns the value of `bytes[start, end)`, which shares no memory with them. Throws KEELSON_DECODE when they are no value.
   * Needs no `this`, so that it can be passed on.
   */
  readonly decode: (bytes: Uint8Array, start: number, end: number) => V;
}

/** Buffer's own pool is as large. One small value that is kept keeps all of it. */
const POOL_BYTES = 8192;
const POOLED_BYTES_MAX = POOL_BYTES / 8;
/** Up to this V8 has typed arrays on its own heap, at no such price. */
const HEAP_BYTES_MAX = 64;
/** So that a value can be looked at as numbers of any kind. */
const POOL_ALIGNMENT_BYTES = 8;

/** An encoding's name lies in the 512-byte header of an image, beside another one. */
export const ENCODING_NAME_BYTES_MAX = 128;

const OTHER_ENCODING = 'Convert it, or use a store that was made with another valueEncoding';

const jsonValueCodec: ValueCodec<unknown> = {
  name: 'json',

  encode(value, argument, out) {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (error) {
      // A bigint, a cycle, or a toJSON() that throws.
      throw new TypeError(`${argument}: expected what JSON can hold (${whatHappened(error)})`, {
        cause: error,
      });
    }
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
    if (typeof value !== 'string') throw misuse(argument, 'a string', value, OTHER_ENCODING);
    if (!value.isWellFormed()) throw misuse(argument, 'a string without lone surrogates', value, WELL_FORMED);
    out.appendText(value);
  },

  decode: readUtf8,
};

const bytesValueCodec: ValueCodec<Uint8Array> = {
  name: 'bytes',

  encode(value: unknown, argument, out) {
    if (!types.isUint8Array(value)) throw misuse(argument, 'a Uint8Array', value, OTHER_ENCODING);
    out.append(unsharedBytes(value));
  },

  decode: pooledCopyOf,
};

const BUILT_IN = { json: jsonValueCodec, utf8: utf8ValueCodec, bytes: bytesValueCodec };

/**
 * Returns the codec of the `valueEncoding` option. `msgpack` is the codec for that encoding and for no option, which
 * belongs to the store. Throws a TypeError that names `argument` for an option that is no encoding.
 */
export function resolveValueEncoding<V = unknown>(
  option: ValueEncodingName | CustomValueEncoding<V> | undefined,
  argument: string,
  msgpack: ValueCodec<unknown>,
): ValueCodec<V> {
  const given: unknown = option === undefined ? 'msgpack' : option;
  if (given === 'msgpack') return msgpack as ValueCodec<V>;
  if (isBuiltInName(given)) return BUILT_IN[given as keyof typeof BUILT_IN] as ValueCodec<never>;
  if (typeof given === 'object' && given !== null) {
    return customValueCodec(given as CustomValueEncoding<V>, argument);
  }
  const names = VALUE_ENCODING_NAMES.map((name) => `'${name}'`).join(', ');
  throw misuse(argument, `one of ${names} or { name, encode, decode }`, given);
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
        return encoding.decode(copyOf(bytes, start, end));
      } catch (error) {
        throw undecodable(name, error);
      }
    },
  };
}

/** A plain Uint8Array of its own, whatever kind `bytes` is. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

let pool = new Uint8Array(0);
let poolAt = 0;

/**
 * The same, with a part of an ArrayBuffer that other small values have parts of, as Buffer's pool does it: memory of its own
 * takes six times as long.
 */
function pooledCopyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  if (length <= HEAP_BYTES_MAX || length > POOLED_BYTES_MAX) return copyOf(bytes, start, end);
  if (poolAt + length > pool.length) {
    pool = new Uint8Array(POOL_BYTES);
    // Who transferred one value would take the others away.
    markAsUntransferable(pool.buffer);
    poolAt = 0;
  }
  const copy = pool.subarray(poolAt, poolAt + length);
  copy.set(bytes.subarray(start, end));
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

/** True for what may be recorded as the name of an encoding, built in or not. */
export function isEncodingName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name !== '' &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= ENCODING_NAME_BYTES_MAX
  );
}

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
