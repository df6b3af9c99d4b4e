// The interface of a view: all that reads need of the entries of one space. Entries and FrozenEntries implement it.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from './entry-handles.js';
import type { EntryHandle } from './slab.js';

/** A walk over a range. The order is undefined when the entries change meanwhile: walk over a frozen view. */
export interface IndexWalk<V> {
  /** Moves to the next key. Returns false when there is none. */
  advance(): boolean;
  /** The key that the last advance() moved to. */
  readonly key: IndexKey;
  /** The value of that key. */
  readonly value: V;
}

/** Entries that an iteration can walk over. */
export interface Walkable {
  /** Returns the LSN of the write that put the entry there. */
  versionOf(handle: EntryHandle): number;

  /** Returns the time at which the entry is due, in milliseconds since 1970; NO_DEADLINE for an entry without one. */
  deadlineOf(handle: EntryHandle): number;

  /**
   * Calls `decode` with the memory that holds the value, `bytes[start, end)`, and returns its result. Nothing is
   * copied: `decode` must keep no reference to the memory.
   */
  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T;

  /**
   * Returns a lazy walk over at most `limit` keys in a range, in the order of `reverse` and without the first `offset`
   * keys in this order. O(log n) to its first key. It gives keys, and ids for handleOf(), without an object for each key.
   * Walk over a frozen view if the entries may change meanwhile.
   */
  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId>;

  /** Returns the handle of an id from walk() or nth(). */
  handleOf(id: EntryId): EntryHandle;
}

/** Keys in their order, each with the id of an entry. */
export interface OrderedKeys {
  readonly size: number;
  /** Returns the number of keys in a range. O(log n). */
  count(bounds: KeyBounds): number;
  /** Returns the number of keys below a key, which may be absent. O(log n). */
  rank(key: IndexKey): number;
  /** Returns the key with `at` keys below it, and its id; undefined for a place that no key has. O(log n). */
  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined;
  /** Returns what walk() of Walkable returns. */
  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId>;
}

/** Ordered keys of which each can be found. */
export interface OrderedKeySet extends OrderedKeys {
  /** Returns true when the key is there. */
  has(key: IndexKey): boolean;
}

/** Readable entries of one space, live or as of one moment. */
export interface View extends Walkable {
  /** The number of keys. */
  readonly size: number;

  /**
   * Returns the handle of the entry of a key, or undefined. A handle of live entries is valid until the next write; a
   * handle of frozen entries stays valid.
   */
  find(key: IndexKey): EntryHandle | undefined;

  /** Returns true when the view has the key. */
  has(key: IndexKey): boolean;

  /** Returns the number of keys in a range. O(log n). */
  count(bounds: KeyBounds): number;

  /** Returns the number of keys below a key, which may be absent. O(log n). */
  rank(key: IndexKey): number;

  /**
   * Returns the key with `at` keys below it, and its id for handleOf(). Returns undefined for a place that no key has.
   * O(log n).
   */
  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined;

  /** Returns the entries of this moment, for an iteration. O(1). */
  view(): Walkable;
}

/** A view whose view() is a whole view. */
export interface LastingView extends View {
  /** Returns the id of an entry. */
  idOf(handle: EntryHandle): EntryId;
  view(): View;
}
