// The deadlines of the entries of one space, in a binary heap: the earliest is on top. Pure, in memory.
//
// An item is a deadline and the id of an entry, in typed arrays: 12 bytes. Nothing removes the item of an entry that was
// deleted, overwritten or touched. Such an item is stale, and the owner of the heap finds that out when the item is on top.

import type { EntryId } from './entry-handles.js';
import { NO_DEADLINE, NoSlabMemory } from './slab.js';

/** The fewest items that a heap has room for. */
const ITEMS_MIN = 16;

/** A heap with room for fewer items grows to its double, and a larger one by a quarter, so that little stays unused. */
const DOUBLED_ITEMS_MAX = 65_536;

const BYTES_PER_ITEM = 12;

/** The items of a sample. */
const SAMPLE_ITEMS = 64;

/** A heap of deadlines. */
export class DeadlineHeap {
  #deadlines = new Float64Array(0);
  #ids = new Uint32Array(0);
  #size = 0;

  /** The number of items, with stale ones. */
  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.#ids.length * BYTES_PER_ITEM;
  }

  /** The earliest deadline; infinity without items. */
  get top(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#deadlines[0]!;
  }

  /** The id of the item with the earliest deadline. */
  get topId(): EntryId {
    return this.#ids[0]!;
  }

  /** Makes room for `more` items, so that push() of so many needs no memory. Throws NoSlabMemory. */
  reserve(more: number): void {
    const needed = this.#size + more;
    const { length } = this.#ids;
    if (needed <= length) return;
    const grown = length < DOUBLED_ITEMS_MAX ? length * 2 : Math.ceil(length * 1.25);
    this.#resize(Math.max(ITEMS_MIN, grown, needed));
  }

  push(deadline: number, id: EntryId): void {
    this.reserve(1);
    const deadlines = this.#deadlines;
    const ids = this.#ids;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (deadlines[parent]! <= deadline) break;
      deadlines[at] = deadlines[parent]!;
      ids[at] = ids[parent]!;
      at = parent;
    }
    deadlines[at] = deadline;
    ids[at] = id;
  }

  /** Removes the item on top. */
  pop(): void {
    const last = --this.#size;
    this.#sink(0, this.#deadlines[last]!, this.#ids[last]!);
  }

  /** Returns about how many items are due at `now`, by a sample. */
  countDue(now: number): number {
    const step = Math.max(1, Math.floor(this.#size / SAMPLE_ITEMS));
    let sampled = 0;
    let due = 0;
    for (let at = 0; at < this.#size; at += step) {
      sampled++;
      if (this.#deadlines[at]! <= now) due++;
    }
    return sampled === 0 ? 0 : (due / sampled) * this.#size;
  }

  /** Removes all items, and keeps their memory. */
  clear(): void {
    this.#size = 0;
  }

  /** Gives the item on top a later deadline. */
  delayTop(deadline: number): void {
    this.#sink(0, deadline, this.#ids[0]!);
  }

  /**
   * Drops stale items. `deadlineOf` returns the deadline of the entry with an id, or NO_DEADLINE. `ids` is the number of ids.
   * O(items), and a bit for each id.
   */
  rebuild(deadlineOf: (id: EntryId) => number, ids: number): void {
    const seen = new Uint8Array((ids >>> 3) + 1);
    let kept = 0;
    for (let at = 0; at < this.#size; at++) {
      const id = this.#ids[at]!;
      const deadline = deadlineOf(id);
      const bit = 1 << (id & 7);
      if (deadline === NO_DEADLINE || (seen[id >>> 3]! & bit) !== 0) continue;
      seen[id >>> 3]! |= bit;
      this.#deadlines[kept] = deadline;
      this.#ids[kept++] = id;
    }
    this.#size = kept;
    this.#order();
  }

  /** Makes a heap of items in any order, and gives back memory that they do not need. */
  #order(): void {
    const size = this.#size;
    for (let at = (size >>> 1) - 1; at >= 0; at--) this.#sink(at, this.#deadlines[at]!, this.#ids[at]!);
    this.trim();
  }

  /** Gives back memory that the items do not need. */
  trim(): void {
    const items = Math.max(ITEMS_MIN, this.#size * 2);
    if (items * 2 >= this.#ids.length) return;
    try {
      this.#resize(items);
    } catch (error) {
      // Without memory for the smaller heap, the larger one stays.
      if (!(error instanceof NoSlabMemory)) throw error;
    }
  }

  /** Puts an item in the place `at`, or below it. */
  #sink(from: number, deadline: number, id: EntryId): void {
    const deadlines = this.#deadlines;
    const ids = this.#ids;
    const size = this.#size;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && deadlines[child + 1]! < deadlines[child]!) child++;
      if (deadlines[child]! >= deadline) break;
      deadlines[at] = deadlines[child]!;
      ids[at] = ids[child]!;
      at = child;
    }
    deadlines[at] = deadline;
    ids[at] = id;
  }

  #resize(items: number): void {
    let deadlines: Float64Array<ArrayBuffer>;
    let ids: Uint32Array<ArrayBuffer>;
    try {
      deadlines = new Float64Array(items);
      ids = new Uint32Array(items);
    } catch (cause) {
      throw new NoSlabMemory(`No memory for ${items} deadlines: ${String(cause)}`, { cause });
    }
    deadlines.set(this.#deadlines.subarray(0, this.#size));
    ids.set(this.#ids.subarray(0, this.#size));
    this.#deadlines = deadlines;
    this.#ids = ids;
  }
}
