// An index of intervals that may overlap: finds the ones that hold a key. Pure.
//
// The items stand in an array by the lows of their intervals. The array is read as a balanced search tree, whose nodes
// know the highest end below them. A search takes O(log n) and the number of items that it finds. To add or delete an item
// takes O(n), and so does the search after that, which makes the ends anew. Watches come and go with their readers, not with
// each state, so that is rare.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { KeyInterval } from './key-intervals.js';

/** An item of the index. */
export interface WithInterval {
  readonly interval: KeyInterval;
}

/** The items whose intervals hold a key, or overlap an interval. */
export class IntervalIndex<T extends WithInterval> {
  readonly #items: T[] = [];
  /** The highest end in the subtree of each item; undefined when one of them has no end. */
  readonly #highestEnds: (IndexKey | undefined)[] = [];
  #areEndsOld = false;

  get size(): number {
    return this.#items.length;
  }

  /** The items, in no useful order. */
  get items(): readonly T[] {
    return this.#items;
  }

  add(item: T): void {
    this.#items.splice(this.#firstFrom(item.interval.low), 0, item);
    this.#areEndsOld = true;
  }

  /** Deletes an item, if it is there. */
  delete(item: T): void {
    const at = this.#items.indexOf(item, this.#firstFrom(item.interval.low));
    if (at === -1) return;
    this.#items.splice(at, 1);
    this.#areEndsOld = true;
  }

  /** Adds to `found` the items whose intervals hold a key. */
  holding(key: IndexKey, found: T[]): void {
    this.#makeEnds();
    this.#collect(0, this.#items.length, key, (low) => low > key, found);
  }

  /** Adds to `found` the items whose intervals overlap an interval, which is not empty. */
  overlapping({ low, end }: KeyInterval, found: T[]): void {
    this.#makeEnds();
    const isBehind = (other: IndexKey): boolean => end !== undefined && other >= end;
    this.#collect(0, this.#items.length, low, isBehind, found);
  }

  /** Adds to `found` the items of a subtree that end above `low` and do not start behind what is searched. */
  #collect(from: number, to: number, low: IndexKey, isBehind: (low: IndexKey) => boolean, found: T[]): void {
    if (from >= to) return;
    const middle = (from + to) >> 1;
    if (!endsAbove(this.#highestEnds[middle], low)) return;
    this.#collect(from, middle, low, isBehind, found);
    const item = this.#items[middle]!;
    if (isBehind(item.interval.low)) return;
    if (endsAbove(item.interval.end, low)) found.push(item);
    this.#collect(middle + 1, to, low, isBehind, found);
  }

  #makeEnds(): void {
    if (!this.#areEndsOld) return;
    this.#areEndsOld = false;
    const { length } = this.#items;
    this.#highestEnds.length = length;
    if (length > 0) this.#makeEndsOf(0, length);
  }

  /** Sets the highest end of each node of a subtree that is not empty, and returns that of its root. */
  #makeEndsOf(from: number, to: number): IndexKey | undefined {
    const middle = (from + to) >> 1;
    let highest = this.#items[middle]!.interval.end;
    for (const [start, end] of [
      [from, middle],
      [middle + 1, to],
    ] as const) {
      if (start < end) highest = higherEnd(highest, this.#makeEndsOf(start, end));
    }
    this.#highestEnds[middle] = highest;
    return highest;
  }

  /** Returns the place of the first item whose low is `low` or above it. */
  #firstFrom(low: IndexKey): number {
    let [from, to] = [0, this.#items.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#items[middle]!.interval.low < low) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function endsAbove(end: IndexKey | undefined, key: IndexKey): boolean {
  return end === undefined || end > key;
}

function higherEnd(a: IndexKey | undefined, b: IndexKey | undefined): IndexKey | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a > b ? a : b;
}
