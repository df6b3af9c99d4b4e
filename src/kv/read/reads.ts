// Reads of a store and of a snapshot: one interface, and its one implementation over a view.

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
import type { EntryHandle } from '../entries/entry-slabs.js';
import type { IndexWalk } from '../entries/ordered-index.js';
import type { View } from '../entries/view.js';

/** A value and the LSN of the write that put it there. */
export interface VersionedValue<V> {
  /** A copy, as get() returns it. */
  readonly value: V;
  /** The LSN of the write: no two writes of a store have the same, and a later one has a greater. */
  readonly version: Lsn;
}

/**
 * What can be read, of a store as of a snapshot. All reads are synchronous, and show every write whose call has returned,
 * durable or not. Everything that is handed out is a copy.
 *
 * All of them throw a TypeError that names a wrong key or range, KEELSON_KEY_TOO_LARGE, and KEELSON_CLOSED.
 */
export interface Reads<K, V> {
  /**
   * Returns the value of a key, or undefined when it is absent.
   *
   * @param key A string, or a Uint8Array where the store's keys are bytes; at most 65,536 bytes on the disk.
   * @throws A TypeError for a wrong key, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED, and KEELSON_DECODE for a value that its
   * encoding does not read.
   * @example
   * const user = db.get('user:ada');
   */
  get(key: K): V | undefined;

  /**
   * Returns the value of a key with the LSN of the write that put it there, or undefined when the key is absent.
   *
   * @throws What get() throws.
   * @example
   * const before = db.getEntry('user:ada');
   * // … later: has somebody written it meanwhile?
   * const isUnchanged = db.getEntry('user:ada')?.version === before?.version;
   */
  getEntry(key: K): VersionedValue<V> | undefined;

  /**
   * Returns true when the key is there. Does not read its value.
   *
   * @throws A TypeError for a wrong key, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED.
   * @example
   * if (!db.has('user:ada')) await db.put('user:ada', { logins: 0 });
   */
  has(key: K): boolean;

  /**
   * Returns the values of many keys, in the order of the keys; undefined for those that are absent.
   *
   * @param keys An array of keys. A key may come more than once.
   * @throws What get() throws. A TypeError names the place: `keys[3]`.
   * @example
   * const [ada, alan] = db.getMany(['user:ada', 'user:alan']);
   */
  getMany(keys: readonly K[]): (V | undefined)[];

  /**
   * Iterates over keys and values in key order, lazily, as of the call: later writes are not seen.
   *
   * @param range Which keys, in which order, and how many; by default all, upwards.
   * @throws A TypeError for a wrong range, KEELSON_KEY_TOO_LARGE for a bound, KEELSON_CLOSED. A step throws KEELSON_CLOSED
   * when the store was closed before the last entry, and KEELSON_DECODE for a value that its encoding does not read.
   * @example
   * for (const [key, value] of db.entries({ prefix: 'user:', limit: 10 })) console.log(key, value);
   */
  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined>;

  /**
   * Iterates over keys in key order, lazily, as of the call. Does not read values.
   *
   * @param range Which keys, in which order, and how many; by default all, upwards.
   * @throws What entries() throws, apart from KEELSON_DECODE.
   * @example
   * const newest = db.keys({ prefix: 'log:', reverse: true, limit: 1 }).next().value;
   */
  keys(range?: RangeOptions<K>): IteratorObject<K, undefined>;

  /**
   * Iterates over values in the order of their keys, lazily, as of the call.
   *
   * @param range Which keys, in which order, and how many; by default all, upwards.
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
   * Returns the number of keys in a range, without a look at each of them.
   *
   * @param range Which keys; by default all. `reverse` and `limit` are unknown here.
   * @throws A TypeError for a wrong range, KEELSON_KEY_TOO_LARGE for a bound, KEELSON_CLOSED.
   * @example
   * const users = db.count({ prefix: 'user:' });
   */
  count(range?: KeyRange<K>): number;
}

export interface Codecs<K, V> {
  readonly key: KeyCodec<K>;
  readonly value: ValueCodec<V>;
}

export class IndexReads<K, V> implements Reads<K, V> {
  protected readonly codecs: Codecs<K, V>;
  readonly #view: () => View;
  readonly #assertOpen: () => void;

  /** `access.assertOpen` is asked at every call, and at every step of an iteration: it throws when reading is over. */
  constructor(codecs: Codecs<K, V>, access: { view: () => View; assertOpen: () => void }) {
    this.codecs = codecs;
    this.#view = access.view;
    this.#assertOpen = access.assertOpen;
  }

  get size(): number {
    this.#assertOpen();
    return this.#view().size;
  }

  get(key: K): V | undefined {
    const handle = this.#find('key', key);
    return handle === undefined ? undefined : this.#view().read(handle, this.codecs.value.decode);
  }

  getEntry(key: K): VersionedValue<V> | undefined {
    const handle = this.#find('key', key);
    if (handle === undefined) return undefined;
    const entries = this.#view();
    // First the version: a handle is good until the next write, and a decoder may be the caller's own code.
    const version = entries.versionOf(handle) as Lsn;
    return { value: entries.read(handle, this.codecs.value.decode), version };
  }

  has(key: K): boolean {
    return this.#find('key', key) !== undefined;
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    this.#assertOpen();
    if (!Array.isArray(keys)) throw misuse('keys', 'an array of keys', keys);
    const entries = this.#view();
    return keys.map((key, at) => {
      const handle = this.#find(`keys[${at}]`, key);
      return handle === undefined ? undefined : entries.read(handle, this.codecs.value.decode);
    });
  }

  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined> {
    const { key, value } = this.codecs;
    return this.#iterate(range, (view, walk): [K, V] => [
      key.fromIndexKey(walk.key),
      view.read(view.handleOf(walk.value), value.decode),
    ]);
  }

  keys(range?: RangeOptions<K>): IteratorObject<K, undefined> {
    const { key } = this.codecs;
    return this.#iterate(range, (_, walk) => key.fromIndexKey(walk.key));
  }

  values(range?: RangeOptions<K>): IteratorObject<V, undefined> {
    const { value } = this.codecs;
    return this.#iterate(range, (view, walk) => view.read(view.handleOf(walk.value), value.decode));
  }

  count(range?: KeyRange<K>): number {
    this.#assertOpen();
    return this.#view().count(resolveRange(this.codecs.key, 'range', BOUND_NAMES, range).bounds);
  }

  #find(argument: string, key: K): EntryHandle | undefined {
    this.#assertOpen();
    return this.#view().find(this.codecs.key.toIndexKey(argument, key));
  }

  /** The view is taken here, at the call; the iterator only walks it. */
  #iterate<T>(range: unknown, project: Projection<T>): IteratorObject<T, undefined> {
    this.#assertOpen();
    const { bounds, reverse, limit } = resolveRange(this.codecs.key, 'range', RANGE_NAMES, range);
    const view = this.#view().view();
    return new RangeIterator(view, view.walk(bounds, reverse, limit), project, this.#assertOpen);
  }
}

/** Of the entry that the walk has come to. */
type Projection<T> = (view: View, walk: IndexWalk<EntryId>) => T;

/** Not a generator: one of those takes longer to go on than a key to be read. */
class RangeIterator<T> implements IteratorObject<T, undefined> {
  readonly #project: Projection<T>;
  readonly #assertOpen: () => void;
  #view: View | null;
  #walk: IndexWalk<EntryId> | null;

  constructor(view: View, walk: IndexWalk<EntryId>, project: Projection<T>, assertOpen: () => void) {
    this.#view = view;
    this.#walk = walk;
    this.#project = project;
    this.#assertOpen = assertOpen;
  }

  next(): IteratorResult<T, undefined> {
    const [walk, view] = [this.#walk, this.#view];
    if (walk === null || view === null) return { done: true, value: undefined };
    if (!walk.advance()) return this.return();
    let isDone = true;
    try {
      // There is another entry, and it cannot be read any more: to end here would look like the end of all.
      this.#assertOpen();
      const value = this.#project(view, walk);
      isDone = false;
      return { done: false, value };
    } finally {
      // Of a value that does not decode: nobody steps over it unawares.
      if (isDone) this.return();
    }
  }

  /** It lets go of what it has held. */
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

// As generators have it: what a newer Node gives to all iterators (map, filter, take …) is there on these, too.
Object.setPrototypeOf(RangeIterator.prototype, Object.getPrototypeOf(Object.getPrototypeOf([].values())));
