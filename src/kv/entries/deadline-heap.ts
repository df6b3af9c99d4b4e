// The deadlines of the entries of one space: which entry is due next. Pure, in memory.
//
// An item is the id of an entry and a key of 32 bits: the milliseconds from `base` to its deadline. An entry has its whole
// deadline itself. Deadlines before `base` have the lowest key, and those of seven weeks or more after it the highest. When
// one of them comes up and is not due, `base` moves. That is O(items), and happens once in weeks.
//
// Nothing removes the item of an entry that was deleted, overwritten or touched. Such an item is stale: its key is above
// that of its entry, or its entry is gone. It is dropped when it comes up, or by a cleaning, which moves the items that
// are not stale to another heap, some with each call.

import type { EntryId } from './entry-handles.js';
import { PAGE_ITEMS, PagedHeap } from './paged-heap.js';
import { NO_DEADLINE } from './slab.js';

/** Returned by takeDue() for an item whose entry does not leave. */
export const NO_ID = -1;

const KEY_MAX = 2 ** 32 - 1;

/** The milliseconds, twelve days, by which the base lies before the deadline for which it is chosen. */
const BASE_BEFORE_MS = 2 ** 30;

/** The items that a cleaning visits at a call. A single page is cleaned at once. */
const CLEANED_ITEMS = 4;

/** Returns the deadline of the entry with an id; NO_DEADLINE for a free id. */
type DeadlineOf = (id: EntryId) => number;

/** A cleaning that is under way. */
interface Cleaning {
  /** The items that it has not visited. */
  readonly from: PagedHeap;
  /** A bit for each id whose item it has moved. Later items of the same id are stale, or as good as that one. */
  readonly moved: Uint8Array;
  /** The items that it visits at a call. */
  readonly visits: number;
}

/** A heap of deadlines. */
export class DeadlineHeap {
  #base = 0;
  /** No deadline is earlier while an item has the lowest key. */
  #lowest = Number.POSITIVE_INFINITY;
  #heap = new PagedHeap();
  #cleaning: Cleaning | null = null;
  /** The number of items up to which push() needs no memory. */
  #reserved = 0;

  /** The number of items, with stale ones. */
  get size(): number {
    return this.#heap.size + (this.#cleaning?.from.size ?? 0);
  }

  get memoryBytes(): number {
    return this.#heap.memoryBytes + (this.#cleaning?.from.memoryBytes ?? 0);
  }

  /** True while a cleaning is under way. */
  get isCleaning(): boolean {
    return this.#cleaning !== null;
  }

  /** A time before which no entry is due; infinity without items. */
  get earliest(): number {
    const first = this.#first;
    if (first.size === 0) return Number.POSITIVE_INFINITY;
    return first.topKey === 0 ? Math.min(this.#lowest, this.#base) : this.#base + first.topKey;
  }

  /** Makes room for `more` items, so that push() of so many needs no memory. Throws NoSlabMemory. */
  reserve(more: number): void {
    // The pages that a cleaning empties have room for what it moves, after the first of them.
    this.#heap.reserve(this.#cleaning === null ? more : more + PAGE_ITEMS);
    this.#reserved = this.size + more;
  }

  push(deadline: number, id: EntryId): void {
    if (this.size === 0) this.#chooseBase(deadline);
    // A past deadline leaves `base` near the others.
    if (deadline <= this.#base) this.#lowest = Math.min(this.#lowest, deadline);
    this.#heap.push(this.#keyOf(deadline), id);
  }

  /**
   * Looks at the first item, whose time must have come. Removes it and returns its id when its entry is due at `now`.
   * Otherwise drops it when it is stale or puts it where it belongs, and returns NO_ID.
   */
  takeDue(now: number, deadlineOf: DeadlineOf): EntryId {
    const heap = this.#first;
    const { topId: id, topKey } = heap;
    const deadline = deadlineOf(id);
    const key = this.#keyOf(deadline);
    if (key < topKey) heap.pop();
    else if (key > topKey) heap.raiseTop(key);
    else if (deadline > now) this.#moveBase(deadlineOf);
    else {
      heap.pop();
      return id;
    }
    return NO_ID;
  }

  /** Returns about how many items are due at `now`, by a sample of about `items` items. Exact while there are fewer. */
  countDue(now: number, items: number): number {
    const heap = this.#heap;
    // An item with the highest key may be due at any time after it.
    const nowKey = Math.min(KEY_MAX - 1, now - this.#base);
    const step = Math.max(1, Math.floor(heap.size / items));
    let sampled = 0;
    let due = 0;
    for (let at = 0; at < heap.size; at += step) {
      sampled++;
      if (heap.keyAt(at) <= nowKey) due++;
    }
    return sampled === 0 ? 0 : (due / sampled) * this.size;
  }

  /** Goes on with a cleaning, or begins one. `ids` is above all ids in use. */
  clean(deadlineOf: DeadlineOf, ids: number): void {
    const cleaning = this.#cleaning ?? this.#startCleaning(ids);
    if (cleaning === null) return;
    const { from, moved, visits } = cleaning;
    for (let visit = 0; visit < visits && from.size > 0; visit++) {
      const last = from.size - 1;
      const id = from.idAt(last);
      const lastKey = from.keyAt(last);
      from.dropLast();
      this.#adoptPages(from);
      const deadline = deadlineOf(id);
      const bit = 1 << (id & 7);
      const key = this.#keyOf(deadline);
      if (key < lastKey || (moved[id >>> 3]! & bit) !== 0) continue;
      moved[id >>> 3]! |= bit;
      this.#heap.push(key, id);
    }
    if (from.size > 0) return;
    this.#cleaning = null;
    this.#heap.giveBack(this.#reserved);
  }

  /** Removes all items, and keeps their memory. */
  clear(): void {
    this.#heap.clear();
    if (this.#cleaning === null) return;
    const { from } = this.#cleaning;
    from.clear();
    this.#adoptPages(from);
    this.#cleaning = null;
  }

  /** Gives back memory that the items do not need. */
  trim(): void {
    if (this.#cleaning === null) this.#heap.trim();
  }

  /** The heap with the first item, or an empty one. */
  get #first(): PagedHeap {
    const heap = this.#heap;
    const from = this.#cleaning?.from;
    if (from === undefined || from.size === 0) return heap;
    return heap.size > 0 && heap.topKey <= from.topKey ? heap : from;
  }

  /** Returns the key of a deadline; a negative number for NO_DEADLINE. */
  #keyOf(deadline: number): number {
    return deadline === NO_DEADLINE ? -1 : Math.max(0, Math.min(KEY_MAX, deadline - this.#base));
  }

  /** Chooses the base for items of which `earliest` is the earliest deadline. */
  #chooseBase(earliest: number): void {
    this.#base = Math.max(0, earliest - BASE_BEFORE_MS);
    this.#lowest = Number.POSITIVE_INFINITY;
  }

  /** Moves the base to the earliest deadline of all. */
  #moveBase(deadlineOf: DeadlineOf): void {
    let earliest = Number.POSITIVE_INFINITY;
    const heaps = this.#cleaning === null ? [this.#heap] : [this.#heap, this.#cleaning.from];
    for (const heap of heaps)
      for (let at = 0; at < heap.size; at++) {
        const deadline = deadlineOf(heap.idAt(at));
        if (deadline !== NO_DEADLINE && deadline < earliest) earliest = deadline;
      }
    this.#chooseBase(earliest);
    // A stale item without an entry gets the lowest key, and is dropped soon.
    for (const heap of heaps) heap.rekey((id) => Math.max(0, this.#keyOf(deadlineOf(id))));
  }

  /** Begins a cleaning. Returns null, with nothing changed, when there is no memory for it. */
  #startCleaning(ids: number): Cleaning | null {
    const from = this.#heap;
    const to = new PagedHeap();
    try {
      // No page is free before a page of items has moved.
      to.reserve(Math.min(from.room, Math.max(0, this.#reserved - from.size) + PAGE_ITEMS));
      const moved = new Uint8Array((ids >>> 3) + 1);
      const visits = from.size <= PAGE_ITEMS ? from.size : CLEANED_ITEMS;
      this.#cleaning = { from, moved, visits };
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
    this.#heap = to;
    this.#adoptPages(from);
    return this.#cleaning;
  }

  /** Takes the pages of a heap that its items do not need. */
  #adoptPages(from: PagedHeap): void {
    for (let page = from.giveAway(); page !== undefined; page = from.giveAway()) this.#heap.adopt(page);
  }
}
