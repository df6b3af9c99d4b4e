// The interface of a view: all that reads need of the entries of one space. Entries and FrozenEntries implement it.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from './entry-handles.js';
import type { IndexWalk } from './ordered-index.js';
import type { EntryHandle } from './slab.js';

/** Readable entries of one space, live or as of one moment. */
export interface View {
  /** The number of keys. */
  readonly size: number;

  /**
   * Returns the handle of the entry of a key, or undefined. A handle of live entries is valid until the next write; a
   * handle of frozen entries stays valid.
   */
  find(key: IndexKey): EntryHandle | undefined;

  /** Returns true when the view has the key. */
  has(key: IndexKey): boolean;

  /** Returns the LSN of the write that put the entry there. */
  versionOf(handle: EntryHandle): number;

  /**
   * Calls `decode` with the memory that holds the value, `bytes[start, end)`, and returns its result. Nothing is
   * copied: `decode` must keep no reference to the memory.
   */
  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T;

  /** Returns the number of keys in a range. O(1) for all keys, otherwise O(nodes of the ordered index in the range). */
  count(bounds: KeyBounds): number;

  /**
   * Returns a lazy walk over at most `limit` keys in a range. It gives keys, and ids for handleOf(), without an object
   * for each key. Walk over a frozen view if the entries may change meanwhile.
   */
  walk(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexWalk<EntryId>;

  /** Returns the handle of an id from a walk. */
  handleOf(id: EntryId): EntryHandle;

  /** Returns a view that always shows the entries of this moment. O(1). */
  view(): View;
}
