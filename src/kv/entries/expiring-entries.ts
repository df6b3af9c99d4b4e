// The entries of one space that have deadlines, and those that were found due. Pure, in memory.
//
// An entry that is found due leaves the indexes at once, so no read sees it. Its memory stays, and it is on the due list
// until its removal is in the log. With many due entries, only some leave at a time. Then `floor` hides the rest: all
// entries in the indexes with a deadline up to it are due.

import { isUnbounded, isWithin, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { DeadlineHeap, NO_ID } from './deadline-heap.js';
import type { EntryId } from './entry-handles.js';
import { isDueAt, type LeavingEntries } from './leaving-entries.js';
import { NO_DEADLINE } from './slab.js';

/** The value of `floor` while no due entry is in the indexes. */
export const NO_FLOOR = 0;

/** With fewer due entries, they leave one by one, in the order of their deadlines. */
const SWEPT_ENTRIES_MIN = 4096;
/** With at least this part of all entries due, they leave in the order of keys, which is much faster. */
const SWEPT_FRACTION_MIN = 1 / 8;

/** The items of the heap that decide whether due entries leave in the order of keys. */
const SWEEP_SAMPLE_ITEMS = 64;
/** The items of the heap from which the backlog is estimated. They take some microseconds. */
const BACKLOG_SAMPLE_ITEMS = 1024;

/** The items of the heap that one settlement looks at, for each entry that may leave. The others are stale. */
const ITEMS_PER_ENTRY = 16;

/** The stale items that a heap may have beside as many as it has others. */
const STALE_ITEMS_MIN = 64;

/** Called with the key, the deadline and the id of each entry that was found due. */
type OnLeft = (key: IndexKey, deadline: number, id: EntryId) => void;

/**
 * A visit of all keys in their order, at which due entries leave. Meanwhile the heap has the items of the entries that were
 * visited or have come since. So it is built anew, a little at a time, and no stale item has to be looked for in it.
 */
interface Sweep {
  /** The last key that was visited; null before the first. */
  key: IndexKey | null;
  /** The most items that the rest of the visit adds to the heap. */
  itemsLeft: number;
  /** About the part of all entries with deadlines that were due at the start. */
  readonly dueFraction: number;
}

/** The expiring and the due entries of one space. */
export class ExpiringEntries {
  /** The number of entries in the indexes that have a deadline. */
  count = 0;
  /** All entries in the indexes with a deadline up to this time are due; NO_FLOOR for none. */
  floor = NO_FLOOR;
  /** The entries that have left the indexes and whose removal is not in the log, by their keys. */
  readonly due: Map<IndexKey, EntryId>;
  /**
   * Where the next dueKeys() goes on. A Map keeps the places of deleted keys for a while, so to begin anew each time would
   * take long.
   */
  #next: Iterator<IndexKey> | null = null;
  readonly #heap: DeadlineHeap;
  readonly #entries: LeavingEntries;
  readonly #deadlineOf = (id: EntryId): number => this.#entries.deadlineOfId(id);
  /** The sweep that is under way, or null. */
  #sweep: Sweep | null = null;

  /** A loader gives the heap and the list that it has filled, and the number of items in the heap. */
  constructor(entries: LeavingEntries, heap = new DeadlineHeap(), due = new Map<IndexKey, EntryId>()) {
    this.#entries = entries;
    this.#heap = heap;
    this.due = due;
    this.count = heap.size;
  }

  get memoryBytes(): number {
    return this.#heap.memoryBytes;
  }

  /** About the number of entries that are due and still in the indexes, hidden by the floor. O(1), by a sample. */
  get hiddenEstimate(): number {
    if (this.floor === NO_FLOOR) return 0;
    const inHeap = this.#heap.countDue(this.floor, BACKLOG_SAMPLE_ITEMS);
    const unvisited = this.#sweep === null ? 0 : this.#sweep.itemsLeft * this.#sweep.dueFraction;
    return Math.min(this.count, Math.ceil(inHeap + unvisited));
  }

  /** The deadline of the entry that was found due first among those on the due list; NO_DEADLINE without any. */
  get oldestDue(): number {
    for (const id of this.due.values()) return this.#entries.deadlineOfId(id);
    return NO_DEADLINE;
  }

  /** True while there is something to expire or to remove. */
  get isUsed(): boolean {
    return this.count > 0 || this.due.size > 0;
  }

  /** A time before which nothing is due; infinity when nothing will be. */
  get earliest(): number {
    // Nobody knows the deadlines that a sweep has not visited.
    return this.#sweep === null ? this.#heap.earliest : NO_DEADLINE;
  }

  /** Makes sure that linked() needs no memory for so many entries. Throws NoSlabMemory. */
  reserve(entries: number): void {
    // An entry that comes during a sweep may have two items: its own, and one of the visit.
    this.#heap.reserve(this.#sweep === null ? entries : entries * 2 + this.#sweep.itemsLeft);
  }

  /** Gives back memory that is not needed. Call it outside of changes, when nothing is staged. */
  trim(): void {
    if (this.#sweep === null) this.#heap.trim();
  }

  /** Notes that an entry has another deadline than before, or none. */
  linked(id: EntryId, before: number, deadline: number): void {
    if (deadline === NO_DEADLINE) {
      if (before !== NO_DEADLINE) this.count--;
      return;
    }
    if (before === NO_DEADLINE) {
      this.count++;
      if (this.#sweep !== null) this.#sweep.itemsLeft++;
    }
    // The item of an earlier deadline comes up first, and is put back then.
    if (before === NO_DEADLINE || deadline < before) this.#heap.push(deadline, id);
    this.#dropStale();
  }

  /** Notes that an entry with this deadline was removed from the indexes, for another reason than its deadline. */
  unlinked(deadline: number): void {
    if (deadline === NO_DEADLINE) return;
    this.count--;
    this.#dropStale();
  }

  /**
   * Has at most `max` entries leave the indexes that are due at `now`, and those that were found due before. Calls `onLeft`
   * for each. Hides the rest of them by the floor. Returns the number of entries that have left because of `now`,
   * without those that were due at `known`.
   */
  settle(now: number, max: number, onLeft: OnLeft, known: number): number {
    // The clock went back. Entries that come from now on are judged by it alone, so none may meet the old floor.
    if (now < this.floor) this.#settleUpTo(this.floor, Number.POSITIVE_INFINITY, onLeft, known);
    return this.#settleUpTo(now, max, onLeft, known);
  }

  #settleUpTo(now: number, max: number, onLeft: OnLeft, known: number): number {
    let left = 0;
    let unknown = 0;
    const onDue = (key: IndexKey, id: EntryId, deadline: number): void => {
      this.count--;
      if (this.#sweep !== null) this.#sweep.itemsLeft--;
      this.due.set(key, id);
      left++;
      if (deadline > known) unknown++;
      onLeft(key, deadline, id);
    };
    if (this.#mustSweep(now)) this.#sweepOn(now, max, onDue);
    if (this.#sweep === null) this.#leaveByDeadline(now, max - left, onDue);
    this.floor = this.earliest <= now ? now : NO_FLOOR;
    return unknown;
  }

  /** Has due entries leave in the order of their deadlines. */
  #leaveByDeadline(
    now: number,
    max: number,
    onDue: (key: IndexKey, id: EntryId, deadline: number) => void,
  ): void {
    const heap = this.#heap;
    let items = max * ITEMS_PER_ENTRY;
    for (let left = 0; heap.earliest <= now && left < max && items > 0; items--) {
      const id = heap.takeDue(now, this.#deadlineOf);
      if (id === NO_ID) continue;
      const deadline = this.#entries.deadlineOfId(id);
      const key = this.#entries.keyOfId(id);
      // The item may be that of an entry that is due already.
      if (this.due.get(key) === id || !this.#entries.leave(id, key)) continue;
      onDue(key, id, deadline);
      left++;
    }
  }

  /** Returns true when a sweep is under way, or so many entries are due that one starts. */
  #mustSweep(now: number): boolean {
    const heap = this.#heap;
    if (this.#sweep !== null) return true;
    if (heap.size < SWEPT_ENTRIES_MIN || heap.earliest > now) return false;
    const due = heap.countDue(now, SWEEP_SAMPLE_ITEMS);
    if (due < SWEPT_ENTRIES_MIN || due < this.#entries.size * SWEPT_FRACTION_MIN) return false;
    const { size } = heap;
    // The heap had an item for each entry, and keeps its memory. So there is room for those that the sweep adds.
    heap.clear();
    this.#sweep = { key: null, itemsLeft: this.count, dueFraction: due / size };
    return true;
  }

  /** Goes on with a sweep. */
  #sweepOn(now: number, max: number, onDue: (key: IndexKey, id: EntryId, deadline: number) => void): void {
    const sweep = this.#sweep!;
    const onKept = (deadline: number, id: EntryId): void => {
      sweep.itemsLeft--;
      this.#heap.push(deadline, id);
    };
    sweep.key = this.#entries.leaveInOrder(sweep.key, now, max, max / SWEPT_FRACTION_MIN, onDue, onKept);
    if (sweep.key === null) this.#sweep = null;
  }

  /** Hides the entries that are due at `now`. */
  hide(now: number): void {
    if (this.earliest <= now && now > this.floor) this.floor = now;
  }

  /** Returns true for an entry that was found due and has left the indexes. */
  hasLeft(id: EntryId): boolean {
    return this.due.size > 0 && this.due.get(this.#entries.keyOfId(id)) === id;
  }

  /** Returns the number of keys in a range whose entries are due and have not left the indexes. */
  hiddenIn(bounds: KeyBounds): number {
    let hidden = 0;
    if (this.floor === NO_FLOOR) return hidden;
    if (isUnbounded(bounds)) {
      // Entries lie in memory about in the order of their ids. Their order by keys takes many times as long.
      for (let id = 0; id < this.#entries.endOfIds; id++) if (this.#isHidden(id)) hidden++;
      for (const id of this.due.values()) if (this.#isHidden(id)) hidden--;
      return hidden;
    }
    const walk = this.#entries.walk(bounds);
    while (walk.advance()) if (this.#isHidden(walk.value)) hidden++;
    return hidden;
  }

  #isHidden(id: EntryId): boolean {
    return isDueAt(this.#entries.deadlineOfId(id), this.floor);
  }

  /** Removes a key from the due list, and returns its id; undefined for a key that is not in it. */
  takeDue(key: IndexKey): EntryId | undefined {
    if (this.due.size === 0) return undefined;
    const id = this.due.get(key);
    if (id !== undefined) this.due.delete(key);
    return id;
  }

  /** Returns at most `max` keys of the due list. One call after the other comes to all of them, again and again. */
  dueKeys(max: number): IndexKey[] {
    const keys: IndexKey[] = [];
    const wanted = Math.min(max, this.due.size);
    while (keys.length < wanted) {
      this.#next ??= this.due.keys();
      const { done, value } = this.#next.next();
      if (done) {
        this.#next = null;
        // What comes next was in this call already.
        if (keys.length > 0) break;
      } else keys.push(value);
    }
    return keys;
  }

  /** Removes the keys in a range from the due list, and calls `onId` with their ids. */
  takeDueIn(bounds: KeyBounds, onId: (id: EntryId) => void): void {
    if (this.due.size === 0) return;
    for (const [key, id] of this.due) {
      if (!isWithin(bounds, key)) continue;
      this.due.delete(key);
      onId(id);
    }
  }

  /** Returns true when all keys of the due list are in a range. */
  isAllDueIn(bounds: KeyBounds): boolean {
    for (const key of this.due.keys()) if (!isWithin(bounds, key)) return false;
    return true;
  }

  /** Forgets all entries. Keeps the memory that was reserved. */
  clear(): void {
    this.count = 0;
    this.floor = NO_FLOOR;
    this.#heap.clear();
    this.#sweep = null;
    this.due.clear();
  }

  /** Drops some stale items while they are many. */
  #dropStale(): void {
    if (this.#sweep !== null) return;
    const heap = this.#heap;
    // A due entry may have an item, too.
    const isFull = heap.size > (this.count + this.due.size) * 2 + STALE_ITEMS_MIN;
    if (isFull || heap.isCleaning) heap.clean(this.#deadlineOf, this.#entries.endOfIds);
  }
}
