// A collection: the reads, writes and watches of one space. The store and its namespaces are collections.

import type { ClosableIterator } from '../batch-iterator.js';
import { misuse } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import { BOUND_NAMES, CLEAR_NAMES, type KeyRange, type RangeWrite, resolveRange } from './encoding/range.js';
import { NO_TIME } from './entries/expiry.js';
import type { Space } from './entries/space.js';
import type { RangeState } from './read/range-state.js';
import { type Codecs, SpaceReads } from './read/reads.js';
import { resolveWatchOptions, type WatchOptions } from './watch/watch-options.js';
import type { KeyState, Watches } from './watch/watches.js';
import { addBatch, addCheckedBatch, type CheckedOperation, type Place, type PlaceOf } from './write/batch.js';
import { addClear } from './write/clear.js';
import { assertNotDropped } from './write/conditions.js';
import { deadlineOf, FOR_NEVER, isPast, resolveExpiry } from './write/expiry-options.js';
import {
  CONDITIONAL_OPTIONS,
  type ConditionalOptions,
  PUT_OPTIONS,
  type PutOptions,
  resolveDurability,
  resolveIfVersion,
  TOUCH_OPTIONS,
  type TouchOptions,
  WRITE_OPTIONS,
  type WriteOptions,
} from './write/write-options.js';
import type { WriteSet } from './write/write-set.js';
import type { Writer } from './write/writer.js';

/** The most times that a batch is read, when keys or values in it write to the store each time. */
const BATCH_TRIES_MAX = 3;

/** Adds operations to a write set: see addBatch(). */
type AddBatch<T> = (
  root: Place,
  operations: T,
  writes: WriteSet,
  placeOf: PlaceOf,
  now: () => number,
) => boolean;

/** The part of a store that its collections use. */
export interface CollectionStore {
  /** Throws when the store takes no reads. */
  assertOpen(): void;
  /** Returns the writer. Throws when the store takes no writes. */
  writable(): Writer;
  /** Returns the time by which entries expire. Runs foreign code. */
  now(): number;
  readonly watches: Watches;
  /** Returns the space and the codecs of a namespace that a caller gave. Throws a TypeError for anything else. */
  placeOf(argument: { toString(): string }, namespace: unknown): Place;
}

/** The reads, writes and watches of one space. collection-interface.ts documents it for callers. */
export class SpaceCollection<K, V> extends SpaceReads<K, V> {
  readonly #store: CollectionStore;
  readonly #space: Space;
  readonly #placeOf: PlaceOf;
  readonly #now = (): number => this.#store.now();

  constructor(codecs: Codecs<K, V>, store: CollectionStore, space: Space) {
    super(codecs, {
      view: () => space.current,
      assertOpen: () => {
        store.assertOpen();
        if (space.isDropped) assertNotDropped(space);
      },
    });
    this.#store = store;
    this.#space = space;
    this.#placeOf = (argument, namespace) => store.placeOf(argument, namespace);
  }

  put(key: K, value: V, options?: PutOptions): Promise<Lsn> {
    const writer = this.#store.writable();
    // First of all, because a wrong key, as in tx.put(namespace, key, value), makes the other arguments wrong as well.
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const durability = resolveDurability(options, PUT_OPTIONS);
    const ifVersion = resolveIfVersion(options);
    const expiry = options === undefined ? null : resolveExpiry('options', options);
    const now = expiry === null ? NO_TIME : this.#store.now();
    const space = this.#usable();
    const writes = writer.path.take();
    try {
      if (ifVersion !== undefined) writes.check(space, indexKey, ifVersion);
      if (expiry === null) writes.put(space, indexKey, this.codecs.value, value, 'value');
      else {
        writes.now = now;
        writes.put(space, indexKey, this.codecs.value, value, 'value', deadlineOf(expiry, now));
        if (isPast(expiry, now)) writes.expire(space, indexKey);
      }
      return writer.commit(writes, durability);
    } finally {
      writer.path.giveBack(writes);
    }
  }

  delete(key: K, options?: ConditionalOptions): Promise<Lsn> {
    const writer = this.#store.writable();
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const durability = resolveDurability(options, CONDITIONAL_OPTIONS);
    const ifVersion = resolveIfVersion(options);
    const space = this.#usable();
    const writes = writer.path.take();
    try {
      if (ifVersion !== undefined) writes.check(space, indexKey, ifVersion);
      if (space.current.has(indexKey)) writes.delete(space, indexKey);
      return writer.commit(writes, durability);
    } finally {
      writer.path.giveBack(writes);
    }
  }

  touch(key: K, options: TouchOptions): Promise<Lsn> {
    const writer = this.#store.writable();
    const indexKey = this.codecs.key.toIndexKey('key', key);
    if (typeof options !== 'object' || options === null)
      throw misuse('expiry', 'an object with ttl or expiresAt', options);
    const durability = resolveDurability(options, TOUCH_OPTIONS);
    const expiry = resolveExpiry('expiry', options);
    if (expiry === null) throw misuse('expiry', 'ttl or expiresAt', options, FOR_NEVER);
    const now = this.#store.now();
    const space = this.#usable();
    const writes = writer.path.take();
    try {
      writes.now = now;
      if (space.currentAt(now).has(indexKey)) {
        writes.touch(space, indexKey, deadlineOf(expiry, now));
        if (isPast(expiry, now)) writes.expire(space, indexKey);
      }
      return writer.commit(writes, durability);
    } finally {
      writer.path.giveBack(writes);
    }
  }

  batch(operations: readonly unknown[], options?: WriteOptions): Promise<Lsn> {
    return this.#batch(addBatch, operations, options);
  }

  /** Applies operations that are known to be well-formed. It is no method, because collections are in the hands of users. @internal */
  static batchOfChecked<K, V>(
    collection: SpaceCollection<K, V>,
    operations: readonly CheckedOperation<K, V>[],
    options: WriteOptions,
  ): Promise<Lsn> {
    return collection.#batch(addCheckedBatch, operations, options);
  }

  #batch<T>(add: AddBatch<T>, operations: T, options: WriteOptions | undefined): Promise<Lsn> {
    const writer = this.#store.writable();
    const durability = resolveDurability(options, WRITE_OPTIONS);
    const place = { space: this.#usable(), codecs: this.codecs };
    const writes = writer.path.take();
    try {
      for (let tries = 1; ; tries++) {
        const { commits } = writer.path;
        const hasLooked = add(place, operations, writes, this.#placeOf, this.#now);
        if (!hasLooked || commits === writer.path.commits) return writer.commit(writes, durability);
        if (tries === BATCH_TRIES_MAX) throw neverStill();
        writes.begin();
      }
    } finally {
      writer.path.giveBack(writes);
    }
  }

  clear(range?: RangeWrite<K>, options?: WriteOptions): Promise<Lsn> {
    const writer = this.#store.writable();
    const durability = resolveDurability(options, WRITE_OPTIONS);
    const resolved = resolveRange(this.codecs.key, 'range', CLEAR_NAMES, range);
    const space = this.#usable();
    const writes = writer.path.take();
    try {
      const count = addClear(writes, space, resolved, space.current);
      return writer.commit(writes, durability, count);
    } finally {
      writer.path.giveBack(writes);
    }
  }

  watch(key: K, options?: WatchOptions): ClosableIterator<KeyState<V>> {
    this.#store.assertOpen();
    const resolved = resolveWatchOptions('watch', options);
    const { key: codec } = this.codecs;
    const indexKey = codec.toIndexKey('key', key);
    // The caller may change the key later, if it is an array.
    const ownKey = codec.fromIndexKey(indexKey);
    return this.#store.watches.key(this.#usable(), indexKey, () => this.getEntry(ownKey), resolved);
  }

  watchRange(range?: KeyRange<K>, options?: WatchOptions): ClosableIterator<RangeState<K, V>> {
    this.#store.assertOpen();
    const resolved = resolveWatchOptions('watchRange', options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, range);
    return this.#store.watches.range(this.#usable(), bounds, this.codecs, resolved);
  }

  /** Returns the space. Throws KEELSON_DROPPED. */
  #usable(): Space {
    const space = this.#space;
    if (space.isDropped) assertNotDropped(space);
    return space;
  }
}

function neverStill(): TypeError {
  return new TypeError(
    `operations: expected values that do not write to the store, because a delete or a clear with a limit depends on it, got writes each of ${BATCH_TRIES_MAX} times. Write before the batch`,
  );
}
