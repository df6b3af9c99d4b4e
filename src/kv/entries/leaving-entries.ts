// How due entries leave the indexes of one space. Their memory stays: expiring-entries.ts chooses the entries, and knows
// those that have left.

import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type EntryHandles, type EntryId, isFree } from './entry-handles.js';
import type { EntrySlabs } from './entry-slabs.js';
import type { HashIndex } from './hash-index.js';
import type { OrderedIndex } from './ordered-index.js';
import { type EntryHandle, NO_DEADLINE } from './slab.js';
import type { IndexWalk } from './view.js';

/** Returns true for a deadline that is due at `now`. */
export function isDueAt(deadline: number, now: number): boolean {
  return deadline !== NO_DEADLINE && deadline <= now;
}

/** The part of the entries of one space that their expiry uses. */
export class LeavingEntries {
  readonly #orderedIndex: OrderedIndex<EntryId>;
  readonly #hashIndex: HashIndex<IndexKey>;
  readonly #handles: EntryHandles;
  readonly #slabs: EntrySlabs;
  readonly #seed: number;

  /** `seed` is the seed of the hashes of keys. */
  constructor(
    orderedIndex: OrderedIndex<EntryId>,
    hashIndex: HashIndex<IndexKey>,
    handles: EntryHandles,
    slabs: EntrySlabs,
    seed: number,
  ) {
    this.#orderedIndex = orderedIndex;
    this.#hashIndex = hashIndex;
    this.#handles = handles;
    this.#slabs = slabs;
    this.#seed = seed;
  }

  /** The number of entries in the indexes. */
  get size(): number {
    return this.#orderedIndex.size;
  }

  /** An id above all ids in use. */
  get endOfIds(): EntryId {
    return this.#handles.end;
  }

  /** Returns the deadline of the entry with this id; NO_DEADLINE for a free id. */
  deadlineOfId(id: EntryId): number {
    // An item of the heap may be older than a clear.
    if (id >= this.#handles.end) return NO_DEADLINE;
    const handle = this.#handles.get(id);
    return isFree(handle) ? NO_DEADLINE : this.#slabs.deadlineOf(handle);
  }

  keyOfId(id: EntryId): IndexKey {
    return this.#slabs.keyOf(this.#handles.get(id));
  }

  /** Walks over the ids of the entries in the indexes. */
  walk(bounds: KeyBounds): IndexWalk<EntryId> {
    return this.#orderedIndex.walk(bounds);
  }

  /** Removes an entry from all indexes. Returns false when it is in none. */
  leave(id: EntryId, key: IndexKey): boolean {
    if (!this.#orderedIndex.delete(key)) return false;
    this.#removeHash(this.#handles.get(id));
    return true;
  }

  /**
   * Removes entries with a deadline up to `now` from all indexes, in the order of keys: those behind the key `from`, at most
   * `max`, of at most `visited` keys. Calls `onLeft` with each, and `onKept` with each that has a later deadline. Returns the
   * last key that was visited, or null at the end.
   */
  leaveInOrder(
    from: IndexKey | null,
    now: number,
    max: number,
    visited: number,
    onLeft: (key: IndexKey, id: EntryId, deadline: number) => void,
    onKept: (deadline: number, id: EntryId) => void,
  ): IndexKey | null {
    const walk = this.walk({ ...ALL_KEYS, low: from ?? undefined, lowInclusive: from === null });
    /** The first and last keys of due entries between which there is no other entry. */
    const runs: [IndexKey, IndexKey][] = [];
    let run: [IndexKey, IndexKey] | null = null;
    let last: IndexKey | null = null;
    for (let at = 0, left = 0; ; at++) {
      if (at >= visited || left >= max) break;
      if (!walk.advance()) {
        last = null;
        break;
      }
      const { key, value: id } = walk;
      last = key;
      const handle = this.#handles.get(id);
      const deadline = this.#slabs.deadlineOf(handle);
      if (!isDueAt(deadline, now)) {
        run = null;
        if (deadline !== NO_DEADLINE) onKept(deadline, id);
        continue;
      }
      if (run === null) {
        run = [key, key];
        runs.push(run);
      } else run[1] = key;
      this.#removeHash(handle);
      onLeft(key, id, deadline);
      left++;
    }
    for (const [low, high] of runs) {
      if (low === high) this.#orderedIndex.delete(low);
      else this.#orderedIndex.deleteRange({ low, lowInclusive: true, high, highInclusive: true });
    }
    return last;
  }

  #removeHash(handle: EntryHandle): void {
    this.#hashIndex.remove(this.#slabs.hashOf(handle, this.#seed), handle);
  }
}
