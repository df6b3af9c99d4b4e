// What can be read, of a store as of a snapshot: one interface, and its one implementation over an index.

import { misuse } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import type { KeyCodec } from './key-encoding.js';
import type { Entry, OrderedIndex } from './ordered-index.js';
import { BOUND_NAMES, type KeyRange, RANGE_NAMES, type RangeOptions, resolveRange } from './range.js';
import type { ValueCodec } from './value-encoding.js';

/** A value and the LSN of the write that put it there. */
export interface VersionedValue<V> {
  readonly value: V;
  readonly version: Lsn;
}

/** Everything that is handed out is a copy. A wrong key or range is a TypeError that names it. */
export interface Reads<K, V> {
  get(key: K): V | undefined;
  getEntry(key: K): VersionedValue<V> | undefined;
  has(key: K): boolean;
  /** In the order of the keys; undefined for those that are absent. */
  getMany(keys: readonly K[]): (V | undefined)[];
  /** Lazily, in key order, as of the call: later writes are not seen. Ends when the store is closed. */
  entries(range?: RangeOptions<K>): IterableIterator<[K, V]>;
  keys(range?: RangeOptions<K>): IterableIterator<K>;
  values(range?: RangeOptions<K>): IterableIterator<V>;
  /** How many keys there are. */
  readonly size: number;
  /** How many keys are in the range; of all, without looking. */
  count(range?: KeyRange<K>): number;
}

export interface Codecs<K, V> {
  readonly key: KeyCodec<K>;
  readonly value: ValueCodec<V>;
}

export class IndexReads<K, V> implements Reads<K, V> {
  protected readonly codecs: Codecs<K, V>;
  readonly #indexNow: () => OrderedIndex;
  readonly #assertOpen: () => void;
  readonly #isOpen: () => boolean;

  /**
   * `indexNow` is asked at every call, and throws when reading is over; `isOpen` is asked at every step of an
   * iteration, which then ends.
   */
  constructor(
    codecs: Codecs<K, V>,
    access: { index: () => OrderedIndex; assertOpen: () => void; isOpen: () => boolean },
  ) {
    this.codecs = codecs;
    this.#indexNow = access.index;
    this.#assertOpen = access.assertOpen;
    this.#isOpen = access.isOpen;
  }

  get size(): number {
    this.#assertOpen();
    return this.#indexNow().size;
  }

  get(key: K): V | undefined {
    const entry = this.#find('key', key);
    return entry === undefined ? undefined : this.codecs.value.decode(entry.value);
  }

  getEntry(key: K): VersionedValue<V> | undefined {
    const entry = this.#find('key', key);
    if (entry === undefined) return undefined;
    return { value: this.codecs.value.decode(entry.value), version: entry.version as Lsn };
  }

  has(key: K): boolean {
    return this.#find('key', key) !== undefined;
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    this.#assertOpen();
    if (!Array.isArray(keys)) throw misuse('keys', 'an array of keys', keys);
    return keys.map((key, at) => {
      const entry = this.#find(`keys[${at}]`, key);
      return entry === undefined ? undefined : this.codecs.value.decode(entry.value);
    });
  }

  entries(range?: RangeOptions<K>): IterableIterator<[K, V]> {
    const { key, value } = this.codecs;
    return this.#iterate(range, (indexKey, entry): [K, V] => [
      key.fromIndexKey(indexKey),
      value.decode(entry.value),
    ]);
  }

  keys(range?: RangeOptions<K>): IterableIterator<K> {
    const { key } = this.codecs;
    return this.#iterate(range, (indexKey) => key.fromIndexKey(indexKey));
  }

  values(range?: RangeOptions<K>): IterableIterator<V> {
    const { value } = this.codecs;
    return this.#iterate(range, (_, entry) => value.decode(entry.value));
  }

  count(range?: KeyRange<K>): number {
    this.#assertOpen();
    return this.#indexNow().count(resolveRange(this.codecs.key, 'range', BOUND_NAMES, range).bounds);
  }

  #find(argument: string, key: K): Entry | undefined {
    this.#assertOpen();
    return this.#indexNow().get(this.codecs.key.toIndexKey(argument, key));
  }

  /** The view is taken here, at the call; the generator only walks it. */
  #iterate<T>(range: unknown, project: (key: string, entry: Entry) => T): IterableIterator<T> {
    this.#assertOpen();
    const { bounds, reverse, limit } = resolveRange(this.codecs.key, 'range', RANGE_NAMES, range);
    const steps = this.#indexNow().clone().iterate(bounds, reverse, limit);
    return walk(steps, project, this.#isOpen);
  }
}

function* walk<T>(
  steps: Iterable<readonly [string, Entry]>,
  project: (key: string, entry: Entry) => T,
  isOpen: () => boolean,
): Generator<T, void, undefined> {
  for (const [key, entry] of steps) {
    if (!isOpen()) return;
    yield project(key, entry);
  }
}
