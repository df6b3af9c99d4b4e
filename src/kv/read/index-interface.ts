// The public interfaces of secondary indexes: how they are declared, and how they are read. The classes are in
// read/index-reads.ts and write/index-declaration.ts.

import type { PrefixOf, TuplePart } from '../encoding/encoding-types.js';
import type { KeyRange, RangeOptions } from '../encoding/range.js';
import type { Reads } from './reads.js';

/**
 * The definition of an index, which a function of an IndexFactory returns. `U` is true for a unique index. `X` is the type of
 * index values.
 *
 * @example
 * const indexes = (index: IndexFactory<string, User>) => ({ byEmail: index.unique((user) => user.email) });
 */
export interface IndexDefinition<U extends boolean, X = TuplePart> {
  /** Carries the type, for the compiler alone. */
  readonly __unique: U;
  readonly __value: X;
}

/**
 * The definitions of the indexes of a namespace, by their names.
 *
 * @example
 * const definitions: IndexDefinitions = { byAge: index((user) => user.age) };
 */
export interface IndexDefinitions {
  readonly [name: string]: IndexDefinition<boolean>;
}

/**
 * The definitions of a namespace without indexes.
 *
 * @example
 * const plain: Namespace<string, User, NoIndexes> = db.namespace<User>('users');
 */
export type NoIndexes = Record<never, never>;

/**
 * The maker of definitions of indexes: the option `indexes` of db.namespace() is a function that takes it. Each definition is
 * a function that takes a value, as the store returns it, and its key, and returns an index value: null, a boolean, a number,
 * a bigint, a string, a Uint8Array, or an array of these; at most 65,536 bytes. Index values have the order of the parts of
 * tuple keys.
 *
 * The function must return the same for the same entry, and it must not write to the store. What it throws, a put throws.
 *
 * @example
 * const people = db.namespace('people', {
 *   valueEncoding: msgpack<Person>(),
 *   indexes: (index) => ({
 *     byEmail: index.unique((person) => person.email),
 *     byAge: index((person) => [person.age, person.name]),
 *     byTag: index.many((person) => person.tags),
 *   }),
 * });
 */
export interface IndexFactory<K, V> {
  /**
   * Defines an index in which several entries may have the same value. Entries for which the function returns undefined are
   * not in the index.
   *
   * @param value A function that returns the index value of an entry.
   * @throws A TypeError for anything but a function.
   * @example
   * const definitions = { byAge: index((person) => person.age) };
   */
  <const X extends TuplePart>(value: (value: V, key: K) => X | undefined): IndexDefinition<false, X>;

  /**
   * Defines an index in which no two entries may have the same value. A write after which two would have it throws
   * KEELSON_UNIQUE. Entries for which the function returns undefined are not in the index.
   *
   * @param value A function that returns the index value of an entry.
   * @throws A TypeError for anything but a function.
   * @example
   * const definitions = { byEmail: index.unique((person) => person.email) };
   */
  unique<const X extends TuplePart>(value: (value: V, key: K) => X | undefined): IndexDefinition<true, X>;

  /**
   * Defines an index in which an entry has any number of values. Doubles count once.
   *
   * @param values A function that returns an array of the index values of an entry.
   * @throws A TypeError for anything but a function.
   * @example
   * const definitions = { byTag: index.many((person) => person.tags) };
   */
  many<const X extends TuplePart>(values: (value: V, key: K) => readonly X[]): IndexDefinition<false, X>;
}

/**
 * The type of the values of an index whose function returns `X`: a literal type counts as the type of all its values, so that
 * any of them can be a bound.
 *
 * @example
 * const value: IndexValueOf<readonly ['open', 7]> = ['closed', 12];
 */
export type IndexValueOf<X> = [TuplePart] extends [X]
  ? TuplePart
  : X extends string
    ? string
    : X extends number
      ? number
      : X extends bigint
        ? bigint
        : X extends boolean
          ? boolean
          : X extends readonly unknown[]
            ? { readonly [At in keyof X]: IndexValueOf<X[At]> }
            : X;

/**
 * A range of index values.
 *
 * @example
 * const admins: IndexRange<string> = { equals: 'admin' };
 */
export interface IndexRange<X> extends KeyRange<X> {
  /** Only this index value. Not together with another bound. */
  readonly equals?: X | undefined;
}

/**
 * A range of index values, with the order of an iteration, the number of entries to skip, and the most entries to iterate over.
 *
 * @example
 * const newest: IndexRangeOptions<string> = { equals: 'admin', reverse: true, limit: 10 };
 */
export interface IndexRangeOptions<X> extends RangeOptions<X> {
  /** Only this index value. Not together with another bound. */
  readonly equals?: X | undefined;
}

/**
 * The reads of an index. Its entries are in the order of index values; those of one value are in the order of their keys. A
 * `prefix` is an array, and has all index values that are arrays and begin with it. All reads are synchronous.
 *
 * Reads throw a TypeError that names a wrong value or range, KEELSON_KEY_TOO_LARGE, KEELSON_NOT_READY before the index is
 * built and in a view that is older than that, KEELSON_UNIQUE when it was given up because of doubles, KEELSON_DROPPED,
 * KEELSON_CLOSED, and KEELSON_DECODE for a value that the encoding cannot decode.
 */
export interface Index<K, V, X = TuplePart> {
  /**
   * Returns an iterator over index values with the keys and values of their entries. It is lazy, and shows the index at the
   * time of the call.
   *
   * @param range A range of index values, the order, the offset and the number of entries. By default all, upwards.
   * @throws What the reads of an index throw.
   * @example
   * for (const [age, key, person] of people.indexes.byAge.entries({ gte: [18], lt: [65] })) console.log(age, key, person);
   */
  entries(range?: IndexRangeOptions<X>): IteratorObject<[index: X, key: K, value: V], undefined>;

  /**
   * Returns an iterator over the keys of entries, in the order of the index. It is lazy, shows the index at the time of the
   * call, and reads no values.
   *
   * @param range A range of index values, the order, the offset and the number of entries. By default all, upwards.
   * @throws What the reads of an index throw, apart from KEELSON_DECODE.
   * @example
   * const keys = [...people.indexes.byTag.keys({ equals: 'admin' })];
   */
  keys(range?: IndexRangeOptions<X>): IteratorObject<K, undefined>;

  /**
   * Returns an iterator over the values of entries, in the order of the index. It is lazy, and shows the index at the time of
   * the call.
   *
   * @param range A range of index values, the order, the offset and the number of entries. By default all, upwards.
   * @throws What the reads of an index throw.
   * @example
   * const oldest = people.indexes.byAge.values({ reverse: true, limit: 10 });
   */
  values(range?: IndexRangeOptions<X>): IteratorObject<V, undefined>;

  /**
   * Returns the number of entries in a range of index values. O(log n).
   *
   * @param range The range. By default all. `reverse`, `offset` and `limit` are unknown options here.
   * @throws What the reads of an index throw, apart from KEELSON_DECODE.
   * @example
   * const adults = people.indexes.byAge.count({ gte: [18] });
   */
  count(range?: IndexRange<X>): number;

  /**
   * Returns the number of entries with a lower index value. O(log n).
   *
   * @param index An index value, which no entry needs to have.
   * @throws What the reads of an index throw, apart from KEELSON_DECODE.
   * @example
   * const younger = people.indexes.byAge.rank([30]);
   */
  rank(index: PrefixOf<X>): number;

  /**
   * Returns the entry at a place in the index, or undefined when no entry has this place. O(log n).
   *
   * @param at An integer: the number of entries below. A negative one counts from the end, so -1 is the highest entry.
   * @throws What the reads of an index throw, and a TypeError when `at` is not an integer.
   * @example
   * const [age, key, person] = people.indexes.byAge.nth(-1) ?? [];
   */
  nth(at: number): [index: X, key: K, value: V] | undefined;
}

/**
 * The reads of a unique index, in which a value has at most one entry.
 *
 * @example
 * const ada = people.indexes.byEmail.get('ada@example.com');
 */
export interface UniqueIndex<K, V, X = TuplePart> extends Index<K, V, X> {
  /**
   * Returns the value of the entry with an index value, or undefined when there is none. In a transaction that has put two,
   * which its commit refuses, the one that was put last.
   *
   * @param index An index value.
   * @throws What the reads of an index throw.
   * @example
   * const ada = people.indexes.byEmail.get('ada@example.com');
   */
  get(index: X): V | undefined;

  /**
   * Returns the key of the entry with an index value, or undefined when there is none.
   *
   * @param index An index value.
   * @throws What the reads of an index throw, apart from KEELSON_DECODE.
   * @example
   * const key = people.indexes.byEmail.getKey('ada@example.com');
   */
  getKey(index: X): K | undefined;
}

/**
 * The indexes of a namespace by their names.
 *
 * @example
 * const { byEmail }: IndexesOf<string, Person, { byEmail: IndexDefinition<true> }> = people.indexes;
 */
export type IndexesOf<K, V, I> = {
  readonly [N in keyof I]: I[N] extends IndexDefinition<infer U, infer X>
    ? U extends true
      ? UniqueIndex<K, V, IndexValueOf<X>>
      : Index<K, V, IndexValueOf<X>>
    : never;
};

/**
 * The reads of a namespace with indexes.
 *
 * @example
 * const before = db.snapshot().in(people);
 * console.log(before.size, before.indexes.byAge.count({ gte: [18] }));
 */
export interface IndexedReads<K, V, I> extends Reads<K, V> {
  /** The indexes by their names. */
  readonly indexes: IndexesOf<K, V, I>;
}
