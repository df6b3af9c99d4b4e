// The types of keys and values, as the encodings in the options decide them, and the markers that carry such a type.

/**
 * A part of a tuple key. Parts are in this order: null, false, true, numbers, bigints, strings, Uint8Arrays, arrays.
 *
 * @example
 * const parts: TuplePart[] = ['user', 7, 12n, null, Uint8Array.of(1, 2), ['nested', true]];
 */
export type TuplePart = null | boolean | number | bigint | string | Uint8Array | readonly TuplePart[];

/**
 * A tuple key: a key of `keyEncoding: 'tuple'`. Tuples are compared part by part, and a tuple comes before its
 * extensions.
 *
 * @example
 * const key: Tuple = ['user', 7, 'login'];
 */
export type Tuple = readonly TuplePart[];

/**
 * The marker of tuple keys of type `K`, which tuple() returns.
 *
 * @example
 * const byUser: KeyType<[string, number]> = tuple();
 */
export interface KeyType<K extends Tuple> {
  /** The name of the key encoding, which the store records. */
  readonly name: 'tuple';
  /** Carries the type. It is never there. */
  readonly __key?: K;
}

/**
 * The marker of values of type `V`, which msgpack() and json() return.
 *
 * @example
 * const users: ValueType<User> = msgpack();
 */
export interface ValueType<V> {
  /** The name of the value encoding, which the store records. */
  readonly name: 'msgpack' | 'json';
  /** Carries the type. It is never there. */
  readonly __value?: V;
}

/**
 * A value encoding of your own, for the option `valueEncoding`.
 *
 * @example
 * const dates: CustomValueEncoding<Date> = {
 *   name: 'date',
 *   encode: (date) => Buffer.from(date.toISOString()),
 *   decode: (bytes) => new Date(Buffer.from(bytes).toString()),
 * };
 */
export interface CustomValueEncoding<V> {
  /**
   * The name, which the store records: 1 to 128 bytes of UTF-8, and no name of a built-in encoding. Opening the store
   * with an encoding of another name fails with KEELSON_ENCODING_MISMATCH.
   */
  readonly name: string;
  /**
   * Returns the bytes of a value. put() copies them, so the buffer may be reused. If this throws, put() throws the
   * same.
   */
  encode(value: V): Uint8Array;
  /** Returns the value of `bytes`, a copy that the value may keep. If this throws, get() throws KEELSON_DECODE. */
  decode(bytes: Uint8Array): V;
}

/**
 * A key encoding: 'utf8' for strings, 'bytes' for Uint8Arrays, 'tuple' or tuple() for tuples.
 *
 * @example
 * const keyEncoding: KeyEncoding = tuple<[string, number]>();
 */
export type KeyEncoding = 'utf8' | 'bytes' | 'tuple' | KeyType<Tuple>;

/**
 * An encoding of values of type `V`: a built-in one by its name or its marker, or one of your own.
 *
 * @example
 * const valueEncoding: ValueEncoding<User> = json<User>();
 */
export type ValueEncoding<V> = 'msgpack' | 'json' | 'utf8' | 'bytes' | ValueType<V> | CustomValueEncoding<V>;

/** An encoding of values of some type. */
// biome-ignore lint/suspicious/noExplicitAny: an encoding takes only values of its type
export type AnyValueEncoding = ValueEncoding<any>;

/**
 * The type of the keys of a key encoding.
 *
 * @example
 * const key: KeyOf<'bytes'> = Uint8Array.of(1, 2);
 */
export type KeyOf<E> = KeyEncoding extends E
  ? string
  : E extends KeyType<infer K>
    ? K
    : E extends 'bytes'
      ? Uint8Array
      : E extends 'tuple'
        ? Tuple
        : string;

/**
 * The type of the values of a value encoding.
 *
 * @example
 * const value: ValueOf<ValueType<User>> = { name: 'Ada' };
 */
export type ValueOf<E> = AnyValueEncoding extends E
  ? unknown
  : E extends ValueType<infer V>
    ? V
    : E extends CustomValueEncoding<infer V>
      ? V
      : E extends 'utf8'
        ? string
        : E extends 'bytes'
          ? Uint8Array
          : unknown;

/**
 * The type of a bound of a range: a key, or for tuples of fixed length also the first parts of one.
 *
 * @example
 * const bound: PrefixOf<[string, number]> = ['user'];
 */
export type PrefixOf<K> = K extends readonly [infer A, ...infer R]
  ? readonly [] | readonly [A, ...PrefixOf<R>]
  : K;

const TUPLE = Object.freeze({ name: 'tuple' });
const MSGPACK = Object.freeze({ name: 'msgpack' });
const JSON_VALUES = Object.freeze({ name: 'json' });

/**
 * Returns the marker of tuple keys of type `K`, for the option `keyEncoding`. It means the same as 'tuple', and carries
 * the type.
 *
 * @example
 * const db = await open('./data', { keyEncoding: tuple<[string, number]>() });
 * await db.put(['user', 7], 'Ada');
 */
export function tuple<K extends Tuple = Tuple>(): KeyType<K> {
  return TUPLE as KeyType<K>;
}

/**
 * Returns the marker of msgpack values of type `V`, for the option `valueEncoding`. It means the same as 'msgpack', and
 * carries the type.
 *
 * @example
 * const db = await open('./data', { valueEncoding: msgpack<User>() });
 */
export function msgpack<V = unknown>(): ValueType<V> {
  return MSGPACK as ValueType<V>;
}

/**
 * Returns the marker of JSON values of type `V`, for the option `valueEncoding`. It means the same as 'json', and
 * carries the type.
 *
 * @example
 * const db = await open('./data', { valueEncoding: json<User>() });
 */
export function json<V = unknown>(): ValueType<V> {
  return JSON_VALUES as ValueType<V>;
}
