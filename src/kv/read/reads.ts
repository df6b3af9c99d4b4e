// The reads of stores, namespaces, snapshots and transactions: their interface, and its implementation over a view.

import { misuse } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { KeyCodec } from '../encoding/key-encoding.js';
import {
  BOUND_NAMES,
  type KeyRange,
  RANGE_NAMES,
  type RangeOptions,
  resolveRange,
} from '../encoding/range.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import { type EntryHandle, NO_DEADLINE } from '../entries/slab.js';
import type { IndexWalk, View, Walkable } from '../entries/view.js';
import { RawReads, type ReadAccess } from './raw-reads.js';

/**
 * A value, and the LSN of the write that put it there.
 *
 * @example
 * const entry = db.getEntry('user:ada');
 * if (entry !== undefined) console.log(entry.value, entry.version);
 */
export interface VersionedValue<V> {
  /** The value: a copy, as get() returns it. */
  readonly value: V;
  /**
   * The LSN of the write. No two writes of a store have the same LSN, and a later write has a greater one. All entries of a
   * batch or a transaction have the same one. 0 for what a transaction has written itself and not committed.
   */
  readonly version: Lsn;
  /** The time at which the entry expires, in milliseconds since 1970. Not there for an entry that never expires. */
  readonly expiresAt?: number;
}

/**
 * An entry: a key, its value, and the LSN of the write that put it there.
 *
 * @example
 * const changed = [...db.getEntries({ prefix: 'user:' })].filter(({ version }) => version > lastSeen);
 */
export interface Entry<K, V> extends VersionedValue<V> {
  /** The key: a copy, as keys() gives it. */
  readonly key: K;
}

/**
 * The reads of stores, namespaces, snapshots and transactions. They are synchronous. Reads of a store and of a namespace
 * show every write whose call has returned, durable or not. Reads of a snapshot show the store as of one LSN. Reads of a
 * transaction show its own writes, over the store as it was when the transaction began to wait. All keys and values are
 * copies.
 *
 * Reads throw a TypeError that names a wrong key or range, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED, and KEELSON_DECODE
 * for a value that the encoding cannot decode. After JavaScript was stopped in the middle of a write, for example by a
 * timeout of node:vm, reads of the store throw KEELSON_POISONED.
 */
export interface Reads<K, V> {
  /**
   * Returns the value of a key, or undefined when the key is absent.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @throws A TypeError for a wrong key, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED, and KEELSON_DECODE for a value that the
   * encoding cannot decode.
   * @example
   * const user = db.get('user:ada');
   */
  get(key: K): V | undefined;

  /**
   * Returns the value of a key with the LSN of the write that put it there, or undefined when the key is absent.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @throws What get() throws.
   * @example
   * const before = db.getEntry('user:ada');
   * // Later: is the value still the same?
   * const isUnchanged = db.getEntry('user:ada')?.version === before?.version;
   */
  getEntry(key: K): VersionedValue<V> | undefined;

  /**
   * Returns true when the key is present. Does not decode its value.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @throws A TypeError for a wrong key, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED.
   * @example
   * if (!db.has('user:ada')) await db.put('user:ada', { logins: 0 });
   */
  has(key: K): boolean;

  /**
   * Returns the values of many keys, in the order of `keys`, with undefined for absent keys.
   *
   * @param keys An array of keys, which may hold a key more than once.
   * @throws What get() throws, and a TypeError for another value than an array. A TypeError names the place, as in
   * `keys[3]`.
   * @example
   * const [ada, alan] = db.getMany(['user:ada', 'user:alan']);
   */
  getMany(keys: readonly K[]): (V | undefined)[];

  /**
   * Returns the values of many keys with the LSNs of the writes that put them there, in the order of `keys`, with
   * undefined for absent keys.
   *
   * @param keys An array of keys, which may hold a key more than once.
   * @throws What getMany() throws.
   * @example
   * const [ada, alan] = db.getEntryMany(['user:ada', 'user:alan']);
   * console.log(ada?.version, alan?.version);
   */
  getEntryMany(keys: readonly K[]): (VersionedValue<V> | undefined)[];

  /**
   * Returns, for each of many keys, true when the key is present, in the order of `keys`. Does not decode values.
   *
   * @param keys An array of keys, which may hold a key more than once.
   * @throws What getMany() throws, apart from KEELSON_DECODE.
   * @example
   * const [hasAda, hasAlan] = db.hasMany(['user:ada', 'user:alan']);
   */
  hasMany(keys: readonly K[]): boolean[];

  /**
   * Returns an iterator over entries, in the order of their keys. An entry is a new object with a key, its value and its
   * version. The iterator is lazy, and shows the entries at the time of the call.
   *
   * @param range The range, the order, the offset and the number of keys. By default all keys, upwards.
   * @throws What entries() throws.
   * @example
   * for (const { key, value, version } of db.getEntries({ prefix: 'user:' })) console.log(key, value, version);
   */
  getEntries(range?: RangeOptions<K>): IteratorObject<Entry<K, V>, undefined>;

  /**
   * Returns an iterator over keys and their values, in the order of keys. It is lazy, and shows the entries at the time
   * of the call: later writes do not change it.
   *
   * @param range The range, the order, the offset and the number of keys. By default all keys, upwards.
   * @throws A TypeError for a wrong range, KEELSON_KEY_TOO_LARGE for a bound, KEELSON_CLOSED. A step of the iterator
   * throws KEELSON_CLOSED when the store is closed before the last entry, and KEELSON_DECODE for a value that the
   * encoding cannot decode.
   * @example
   * for (const [key, value] of db.entries({ prefix: 'user:', limit: 10 })) console.log(key, value);
   */
  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined>;

  /**
   * Returns an iterator over keys, in their order. It is lazy, shows the keys at the time of the call, and reads no
   * values.
   *
   * @param range The range, the order, the offset and the number of keys. By default all keys, upwards.
   * @throws What entries() throws, apart from KEELSON_DECODE.
   * @example
   * const newest = db.keys({ prefix: 'log:', reverse: true, limit: 1 }).next().value;
   */
  keys(range?: RangeOptions<K>): IteratorObject<K, undefined>;

  /**
   * Returns an iterator over values, in the order of their keys. It is lazy, and shows the values at the time of the
   * call.
   *
   * @param range The range, the order, the offset and the number of keys. By default all keys, upwards.
   * @throws What entries() throws.
   * @example
   * const users = [...db.values({ prefix: 'user:' })];
   */
  values(range?: RangeOptions<K>): IteratorObject<V, undefined>;

  /**
   * The number of keys.
   *
   * @throws KEELSON_CLOSED.
   * @example
   * console.log(db.size);
   */
  readonly size: number;

  /**
   * Returns the number of keys in a range. O(log n).
   *
   * @param range The range. By default all keys. `reverse`, `offset` and `limit` are unknown options here.
   * @throws A TypeError for a wrong range, KEELSON_KEY_TOO_LARGE for a bound, KEELSON_CLOSED.
   * @example
   * const users = db.count({ prefix: 'user:' });
   */
  count(range?: KeyRange<K>): number;

  /**
   * Returns the number of keys below a key. The key itself may be absent. O(log n). For the keys below the first parts of a
   * tuple, use count({ lt: parts }).
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @throws A TypeError for a wrong key, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED.
   * @example
   * // With keys in the order of scores, each followed by a name:
   * const place = db.size - db.rank('score:00420:ada');
   */
  rank(key: K): number;

  /**
   * Returns the key at a place in the order of keys and its value, or undefined when no key has this place. O(log n).
   *
   * @param at An integer: the number of keys below the key. A negative one counts from the end, so -1 is the highest key.
   * @throws A TypeError when `at` is not an integer, KEELSON_CLOSED, and KEELSON_DECODE for a value that the encoding
   * cannot decode.
   * @example
   * const median = db.nth(db.size >> 1);
   * const [highestKey] = db.nth(-1) ?? [];
   */
  nth(at: number): [K, V] | undefined;
}

/** The codecs of the keys and values of one space. */
export interface Codecs<K, V> {
  readonly key: KeyCodec<K>;
  readonly value: ValueCodec<V>;
}

/** The reads of one space, over a view of its entries. */
export class SpaceReads<K, V> implements Reads<K, V> {
  readonly #codecs: Codecs<K, V>;
  readonly #access: ReadAccess;

  constructor(codecs: Codecs<K, V>, access: ReadAccess) {
    this.#codecs = codecs;
    this.#access = access;
  }

  /** A getter, because console.log() and JSON.stringify() of a store show fields. */
  protected get codecs(): Codecs<K, V> {
    return this.#codecs;
  }

  get size(): number {
    this.#access.assertOpen();
    return this.#access.view().size;
  }

  get(key: K): V | undefined {
    const handle = this.#find('key', key);
    return handle === undefined ? undefined : this.#access.view().read(handle, this.#codecs.value.decode);
  }

  getEntry(key: K): VersionedValue<V> | undefined {
    const handle = this.#find('key', key);
    if (handle === undefined) return undefined;
    return this.#entryAt(this.#access.view(), handle);
  }

  has(key: K): boolean {
    return this.#find('key', key) !== undefined;
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    const { decode } = this.#codecs.value;
    return this.#findMany(keys, (view, handle) =>
      handle === undefined ? undefined : view.read(handle, decode),
    );
  }

  getEntryMany(keys: readonly K[]): (VersionedValue<V> | undefined)[] {
    return this.#findMany(keys, (view, handle) =>
      handle === undefined ? undefined : this.#entryAt(view, handle),
    );
  }

  hasMany(keys: readonly K[]): boolean[] {
    return this.#findMany(keys, (_, handle) => handle !== undefined);
  }

  getEntries(range?: RangeOptions<K>): IteratorObject<Entry<K, V>, undefined> {
    const { key } = this.#codecs;
    return this.#iterate(range, (view, walk) => ({
      key: key.fromIndexKey(walk.key),
      ...this.#entryAt(view, view.handleOf(walk.value)),
    }));
  }

  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined> {
    const { key, value } = this.#codecs;
    return this.#iterate(range, (view, walk): [K, V] => [
      key.fromIndexKey(walk.key),
      view.read(view.handleOf(walk.value), value.decode),
    ]);
  }

  keys(range?: RangeOptions<K>): IteratorObject<K, undefined> {
    const { key } = this.#codecs;
    return this.#iterate(range, (_, walk) => key.fromIndexKey(walk.key));
  }

  values(range?: RangeOptions<K>): IteratorObject<V, undefined> {
    const { value } = this.#codecs;
    return this.#iterate(range, (view, walk) => view.read(view.handleOf(walk.value), value.decode));
  }

  count(range?: KeyRange<K>): number {
    this.#access.assertOpen();
    const { bounds } = resolveRange(this.#codecs.key, 'range', BOUND_NAMES, range);
    return this.#access.view().count(bounds);
  }

  rank(key: K): number {
    this.#access.assertOpen();
    const indexKey = this.#codecs.key.toIndexKey('key', key);
    return this.#access.view().rank(indexKey);
  }

  nth(at: number): [K, V] | undefined {
    this.#access.assertOpen();
    if (!Number.isInteger(at)) throw misuse('at', 'an integer', at);
    const view = this.#access.view();
    const found = view.nth(at < 0 ? view.size + at : at);
    if (found === undefined) return undefined;
    const [key, id] = found;
    return [this.#codecs.key.fromIndexKey(key), view.read(view.handleOf(id), this.#codecs.value.decode)];
  }

  /** Returns the raw reads of the same entries. It is no method, because reads are in the hands of users. @internal */
  static rawOf<K, V>(reads: SpaceReads<K, V>): RawReads {
    return new RawReads(reads.#access);
  }

  /** Returns what `project` makes of the handle of each key. */
  #findMany<T>(keys: readonly K[], project: (view: View, handle: EntryHandle | undefined) => T): T[] {
    this.#access.assertOpen();
    if (!Array.isArray(keys)) throw misuse('keys', 'an array of keys', keys);
    const view = this.#access.view();
    const found: T[] = [];
    // A key is found when the one before it has been read, because a decoder may be foreign code that writes, and a
    // handle is valid until the next write. A hole is no key: map() would pass over it.
    for (let at = 0; at < keys.length; at++) found.push(project(view, this.#find(`keys[${at}]`, keys[at]!)));
    return found;
  }

  #entryAt(view: Walkable, handle: EntryHandle): VersionedValue<V> {
    // The version is read first, because a decoder may be foreign code that writes, and a handle is valid until the
    // next write.
    const version = view.versionOf(handle) as Lsn;
    const deadline = view.deadlineOf(handle);
    const value = view.read(handle, this.#codecs.value.decode);
    return deadline === NO_DEADLINE ? { value, version } : { value, version, expiresAt: deadline };
  }

  #find(argument: string, key: K): EntryHandle | undefined {
    this.#access.assertOpen();
    // The key comes first, because it may be foreign code that ends what is read.
    const indexKey = this.#codecs.key.toIndexKey(argument, key);
    return this.#access.view().find(indexKey);
  }

  /** Returns an iterator over a view that is taken now. `project` makes the items. */
  #iterate<T>(range: unknown, project: Projection<T>): IteratorObject<T, undefined> {
    this.#access.assertOpen();
    const { bounds, reverse, limit, offset } = resolveRange(this.#codecs.key, 'range', RANGE_NAMES, range);
    const view = this.#access.view().view();
    return new RangeIterator(view, view.walk(bounds, reverse, limit, offset), project, this.#access);
  }
}

/** A function that makes an item of the entry at which a walk stands. */
type Projection<T, W = Walkable> = (view: W, walk: IndexWalk<EntryId>) => T;

/** Returns an iterator over the entries of a walk over `view`. `project` makes the items. */
export function iterateWalk<T, W = Walkable>(
  view: W,
  walk: IndexWalk<EntryId>,
  project: Projection<T, W>,
  access: Pick<ReadAccess, 'assertOpen'>,
): IteratorObject<T, undefined> {
  return new RangeIterator(view, walk, project, access);
}

/** The iterator over a range. It is no generator, because resuming a generator takes longer than reading a key. */
class RangeIterator<T, W = Walkable> implements IteratorObject<T, undefined> {
  readonly #project: Projection<T, W>;
  readonly #access: Pick<ReadAccess, 'assertOpen'>;
  #view: W | null;
  #walk: IndexWalk<EntryId> | null;

  constructor(
    view: W,
    walk: IndexWalk<EntryId>,
    project: Projection<T, W>,
    access: Pick<ReadAccess, 'assertOpen'>,
  ) {
    this.#view = view;
    this.#walk = walk;
    this.#project = project;
    this.#access = access;
  }

  next(): IteratorResult<T, undefined> {
    const [walk, view] = [this.#walk, this.#view];
    if (walk === null || view === null) return { done: true, value: undefined };
    if (!walk.advance()) return this.return();
    let isDone = true;
    try {
      // The range has another entry. If the store was closed, an end without an error would look like the end of the
      // range.
      this.#access.assertOpen();
      const value = this.#project(view, walk);
      isDone = false;
      return { done: false, value };
    } finally {
      // An error ends the iterator, so that no caller steps over a value that does not decode.
      if (isDone) this.return();
    }
  }

  /** Ends the iterator, and drops its view. */
  return(value?: undefined): IteratorReturnResult<undefined> {
    this.#walk = null;
    this.#view = null;
    return { done: true, value };
  }

  [Symbol.iterator](): this {
    return this;
  }

  [Symbol.dispose](): void {
    this.return();
  }
}

// The iterator inherits from Iterator.prototype, as generators do. So it has the methods of a newer Node.js, such as
// map().
Object.setPrototypeOf(RangeIterator.prototype, Object.getPrototypeOf(Object.getPrototypeOf([].values())));
