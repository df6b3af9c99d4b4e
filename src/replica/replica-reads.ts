// The reads of a replica: those of a read-only store or namespace, and no writes.

import type { Entry, KeyRange, RangeOptions, Reads, VersionedValue } from '../kv/index.js';

/** The reads of one space. */
export class ReplicaReads<K, V> implements Reads<K, V> {
  readonly #reads: Reads<K, V>;

  constructor(reads: Reads<K, V>) {
    this.#reads = reads;
  }

  get size(): number {
    return this.#reads.size;
  }

  get(key: K): V | undefined {
    return this.#reads.get(key);
  }

  getEntry(key: K): VersionedValue<V> | undefined {
    return this.#reads.getEntry(key);
  }

  has(key: K): boolean {
    return this.#reads.has(key);
  }

  getMany(keys: readonly K[]): (V | undefined)[] {
    return this.#reads.getMany(keys);
  }

  getEntryMany(keys: readonly K[]): (VersionedValue<V> | undefined)[] {
    return this.#reads.getEntryMany(keys);
  }

  hasMany(keys: readonly K[]): boolean[] {
    return this.#reads.hasMany(keys);
  }

  getEntries(range?: RangeOptions<K>): IteratorObject<Entry<K, V>, undefined> {
    return this.#reads.getEntries(range);
  }

  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined> {
    return this.#reads.entries(range);
  }

  keys(range?: RangeOptions<K>): IteratorObject<K, undefined> {
    return this.#reads.keys(range);
  }

  values(range?: RangeOptions<K>): IteratorObject<V, undefined> {
    return this.#reads.values(range);
  }

  count(range?: KeyRange<K>): number {
    return this.#reads.count(range);
  }

  rank(key: K): number {
    return this.#reads.rank(key);
  }

  nth(at: number): [K, V] | undefined {
    return this.#reads.nth(at);
  }
}
