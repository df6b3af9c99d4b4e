// What can be read, of a store as of a snapshot: one interface, and its one implementation over entries.

import { misuse } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import type { EntriesView, EntryHandle, EntryId } from './entries.js';
import type { KeyCodec } from './key-encoding.js';
import type { IndexWalk } from './ordered-index.js';
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
  entries(range?: RangeOptions<K>): IteratorObject<[K, V], undefined>;
  keys(range?: RangeOptions<K>): IteratorObject<K, undefined>;
  values(range?: RangeOptions<K>): IteratorObject<V, undefined>;
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
  readonly #entriesNow: () => EntriesView;
  readonly #assertOpen: () => void;

  /** `access.assertOpen` is asked at every call, and at every step of an iteration: it throws when reading is over. */
  constructor(codecs: Codecs<K, V>, access: { entries: () => EntriesView; assertOpen: () => void }) {
    this.codecs = codecs;
    this.#entriesNow = access.entries;
    this.#assertOpen = access.assertOpen;
  }

  get size(): number {
    this.#assertOpen();
    return this.#entriesNow().size;
  }

  get(key: K): V | undefined {
    const handle = this.#find('key', key);
    return handle === undefined ? undefined : this.#entriesNow().read(handle, this.codecs.value.decode);
  }

  getEntry(key: K): VersionedValue<V> | undefined {
    const handle = this.#find('key', key);
    if (handle === undefined) return undefined;
    const entries = this.#entriesNow();
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
    const entries = this.#entriesNow();
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
    return this.#entriesNow().count(resolveRange(this.codecs.key, 'range', BOUND_NAMES, range).bounds);
  }

  #find(argument: string, key: K): EntryHandle | undefined {
    this.#assertOpen();
    return this.#entriesNow().find(this.codecs.key.toIndexKey(argument, key));
  }

  /** The view is taken here, at the call; the iterator only walks it. */
  #iterate<T>(range: unknown, project: Projection<T>): IteratorObject<T, undefined> {
    this.#assertOpen();
    const { bounds, reverse, limit } = resolveRange(this.codecs.key, 'range', RANGE_NAMES, range);
    const view = this.#entriesNow().clone();
    return new RangeIterator(view, view.walk(bounds, reverse, limit), project, this.#assertOpen);
  }
}

/** Of the entry that the walk has come to. */
type Projection<T> = (view: EntriesView, walk: IndexWalk<EntryId>) => T;

/** Not a generator: one of those takes longer to go on than a key to be read. */
class RangeIterator<T> implements IteratorObject<T, undefined> {
  readonly #project: Projection<T>;
  readonly #assertOpen: () => void;
  #view: EntriesView | null;
  #walk: IndexWalk<EntryId> | null;

  constructor(view: EntriesView, walk: IndexWalk<EntryId>, project: Projection<T>, assertOpen: () => void) {
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
