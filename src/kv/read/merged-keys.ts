// The keys of an overlay in their order: those of the view beneath, without the cleared and deleted ones, and with those
// that were written above it. Counts and places are found in O(log² n), without visiting the keys.

import { type KeyBounds, successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import { OrderedIndex } from '../entries/ordered-index.js';
import type { IndexWalk, OrderedKeySet, OrderedKeys } from '../entries/view.js';
import {
  boundsOf,
  countFrom,
  holdsKey,
  intervalAt,
  intervalOf,
  isEmptyInterval,
  type KeyInterval,
  withInterval,
} from './key-intervals.js';

/** Stands for the id of a key that was deleted above the view. Ids of written keys are negative. */
export const DELETED_ID = 0;

/** The keys of an overlay. */
export class MergedKeys {
  readonly #base: OrderedKeySet;
  /** All keys that were written above the base, with their ids or DELETED_ID. */
  readonly #written: OrderedIndex<EntryId>;
  /** The written keys that the base lacks, or has in a cleared interval. */
  readonly #added: OrderedIndex<EntryId>;
  /** The deleted keys that the base has outside of cleared intervals. */
  readonly #removed: OrderedIndex<EntryId>;
  #cleared: readonly KeyInterval[];
  /** The number of keys of the base in each cleared interval and in those before it, or null while nobody needs it. */
  #clearedCounts: number[] | null = null;

  constructor(base: OrderedKeySet, cleared: readonly KeyInterval[], from?: MergedKeys) {
    this.#base = base;
    this.#cleared = cleared;
    this.#written = from === undefined ? new OrderedIndex() : from.#written.clone();
    this.#added = from === undefined ? new OrderedIndex() : from.#added.clone();
    this.#removed = from === undefined ? new OrderedIndex() : from.#removed.clone();
  }

  /** Returns the keys of this moment over `base`, which is a view of the base of this moment. O(1). */
  over(base: OrderedKeySet): MergedKeys {
    return new MergedKeys(base, this.#cleared, this);
  }

  /** Returns the id of a written key, DELETED_ID for a deleted one, or undefined for a key that was not written. */
  written(key: IndexKey): EntryId | undefined {
    return this.#written.get(key);
  }

  isCleared(key: IndexKey): boolean {
    return this.#cleared.length > 0 && intervalAt(this.#cleared, key) !== undefined;
  }

  /** Notes that a key was written. `id` is DELETED_ID for a delete. */
  write(key: IndexKey, id: EntryId): void {
    const isInBase = this.#base.has(key) && !this.isCleared(key);
    this.#written.set(key, id);
    if (id === DELETED_ID) {
      this.#added.delete(key);
      if (isInBase) this.#removed.set(key, DELETED_ID);
    } else {
      this.#removed.delete(key);
      if (!isInBase) this.#added.set(key, id);
    }
  }

  /** Notes that a range was cleared. Calls `onKey` with each written key in it. */
  clear(bounds: KeyBounds, onKey: (key: IndexKey) => void): void {
    const interval = intervalOf(bounds);
    if (isEmptyInterval(interval)) return;
    const walk = this.#written.walk(bounds);
    while (walk.advance()) onKey(walk.key);
    for (const index of [this.#written, this.#added, this.#removed]) index.deleteRange(bounds);
    this.#cleared = withInterval(this.#cleared, interval);
    this.#clearedCounts = null;
  }

  get size(): number {
    return this.#below(undefined);
  }

  count(bounds: KeyBounds): number {
    const interval = intervalOf(bounds);
    return isEmptyInterval(interval) ? 0 : this.#below(interval.end) - this.#below(interval.low);
  }

  rank(key: IndexKey): number {
    return this.#below(key);
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    if (at < 0 || at >= this.size) return undefined;
    let addedBefore = 0;
    for (let high = this.#added.size; addedBefore < high; ) {
      const middle = (addedBefore + high) >> 1;
      if (this.#below(this.#added.nth(middle)![0]) <= at) addedBefore = middle + 1;
      else high = middle;
    }
    const last = this.#added.nth(addedBefore - 1);
    if (last !== undefined && this.#below(last[0]) === at) return last;
    return this.#nthOfBase(at - addedBefore);
  }

  walk(bounds: KeyBounds, reverse = false, limit = Number.POSITIVE_INFINITY, offset = 0): IndexWalk<EntryId> {
    const interval = intervalOf(bounds);
    const rest = offset === 0 ? interval : this.#behindOffset(interval, reverse, offset);
    return new MergedWalk(this.#base, this.#written, this.#cleared, rest, reverse, limit);
  }

  /** Returns what is left of an interval behind its first `offset` keys. */
  #behindOffset(interval: KeyInterval, reverse: boolean, offset: number): KeyInterval {
    const { low, end } = interval;
    const at = reverse ? this.#below(end) - 1 - offset : this.#below(low) + offset;
    const key = this.nth(at)?.[0];
    if (key === undefined || !holdsKey(interval, key)) return { low, end: low };
    return reverse ? { low, end: successorOf(key) } : { low: key, end };
  }

  /** Returns the number of keys below `key`, or of all keys. */
  #below(key: IndexKey | undefined): number {
    return this.#keptBelow(key) + (key === undefined ? this.#added.size : this.#added.rank(key));
  }

  /** Returns the number of keys of the base below `key` that are neither cleared nor deleted. */
  #keptBelow(key: IndexKey | undefined): number {
    if (key === undefined) return this.#base.size - this.#clearedBelow(key) - this.#removed.size;
    return this.#base.rank(key) - this.#clearedBelow(key) - this.#removed.rank(key);
  }

  #clearedBelow(key: IndexKey | undefined): number {
    if (this.#cleared.length === 0) return 0;
    this.#clearedCounts ??= this.#countCleared();
    const counts = this.#clearedCounts;
    const started = key === undefined ? counts.length : countFrom(this.#cleared, key);
    if (started === 0) return 0;
    const last = this.#cleared[started - 1]!;
    if (key === undefined || !holdsKey(last, key)) return counts[started - 1]!;
    return (counts[started - 2] ?? 0) + this.#base.rank(key) - this.#base.rank(last.low);
  }

  #countCleared(): number[] {
    let sum = 0;
    return this.#cleared.map((interval) => {
      sum += this.#base.count(boundsOf(interval));
      return sum;
    });
  }

  /** Returns the key of the base with `at` keys below it, of those that are neither cleared nor deleted. */
  #nthOfBase(at: number): readonly [key: IndexKey, id: EntryId] {
    let low = at;
    for (let high = this.#base.size - 1; low < high; ) {
      const middle = (low + high) >> 1;
      const [key] = this.#base.nth(middle)!;
      if (this.#keptBelow(successorOf(key)) > at) high = middle;
      else low = middle + 1;
    }
    const [key, id] = this.#base.nth(low)!;
    return [key, this.#written.get(key) ?? id];
  }
}

/** A walk over the keys of an overlay, in either direction. */
class MergedWalk implements IndexWalk<EntryId> {
  key: IndexKey = '';
  value: EntryId = 0;
  readonly #base: OrderedKeys;
  readonly #cleared: readonly KeyInterval[];
  readonly #reverse: boolean;
  #left: number;
  #rest: KeyInterval;
  #baseWalk: IndexWalk<EntryId>;
  #baseKey: IndexKey | undefined;
  readonly #writtenWalk: IndexWalk<EntryId>;
  #writtenKey: IndexKey | undefined;

  constructor(
    base: OrderedKeys,
    written: OrderedIndex<EntryId>,
    cleared: readonly KeyInterval[],
    interval: KeyInterval,
    reverse: boolean,
    limit: number,
  ) {
    this.#base = base;
    this.#cleared = cleared;
    this.#reverse = reverse;
    this.#left = limit;
    this.#rest = interval;
    this.#baseWalk = base.walk(boundsOf(interval), reverse);
    this.#writtenWalk = written.walk(boundsOf(interval), reverse);
    if (limit <= 0) return;
    this.#moveBase();
    this.#moveWritten();
  }

  advance(): boolean {
    if (this.#left <= 0) return false;
    for (;;) {
      const [base, written] = [this.#baseKey, this.#writtenKey];
      if (base === undefined && written === undefined) return false;
      if (written === undefined || (base !== undefined && this.#comesFirst(base, written))) {
        this.key = base!;
        this.value = this.#baseWalk.value;
        this.#moveBase();
        break;
      }
      this.key = written;
      this.value = this.#writtenWalk.value;
      if (base === written) this.#moveBase();
      this.#moveWritten();
      if (this.value !== DELETED_ID) break;
    }
    this.#left--;
    return true;
  }

  #comesFirst(base: IndexKey, written: IndexKey): boolean {
    return this.#reverse ? base > written : base < written;
  }

  #moveWritten(): void {
    this.#writtenKey = this.#writtenWalk.advance() ? this.#writtenWalk.key : undefined;
  }

  /** Moves to the next key of the base that is not cleared. */
  #moveBase(): void {
    for (;;) {
      this.#baseKey = this.#baseWalk.advance() ? this.#baseWalk.key : undefined;
      if (this.#baseKey === undefined || this.#cleared.length === 0) return;
      const interval = intervalAt(this.#cleared, this.#baseKey);
      if (interval === undefined) return;
      const { low, end } = this.#rest;
      // A clear may hold many keys, so the walk starts again behind it.
      if (this.#reverse) this.#rest = { low, end: interval.low };
      else this.#rest = { low: interval.end ?? low, end: interval.end === undefined ? low : end };
      this.#baseWalk = this.#base.walk(boundsOf(this.#rest), this.#reverse);
    }
  }
}
