// Intervals of index keys: the cleared parts of an overlay, and the parts that a transaction has read. Pure.

import { type KeyBounds, LOWEST_KEY, successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';

/** The keys from `low`, which is inside, to `end`, which is outside; without `end`, all keys from `low` on. */
export interface KeyInterval {
  readonly low: IndexKey;
  readonly end: IndexKey | undefined;
}

/** The interval of all keys. */
export const ALL_OF_THEM: KeyInterval = { low: LOWEST_KEY, end: undefined };

/** Returns the interval of the keys within bounds. */
export function intervalOf({ low, lowInclusive, high, highInclusive }: KeyBounds): KeyInterval {
  return {
    low: low === undefined ? LOWEST_KEY : lowInclusive ? low : successorOf(low),
    end: high === undefined || !highInclusive ? high : successorOf(high),
  };
}

/** Returns the bounds of an interval. */
export function boundsOf({ low, end }: KeyInterval): KeyBounds {
  return { low, lowInclusive: true, high: end, highInclusive: end === undefined };
}

/** Returns true when the interval can hold no key. */
export function isEmptyInterval({ low, end }: KeyInterval): boolean {
  return end !== undefined && low >= end;
}

/** Returns true when the key is in the interval. */
export function holdsKey({ low, end }: KeyInterval, key: IndexKey): boolean {
  return key >= low && (end === undefined || key < end);
}

/** Returns true when both intervals may hold the same key. */
export function overlap(a: KeyInterval, b: KeyInterval): boolean {
  const aEndsFirst = a.end !== undefined && a.end <= b.low;
  const bEndsFirst = b.end !== undefined && b.end <= a.low;
  return !aEndsFirst && !bEndsFirst && !isEmptyInterval(a) && !isEmptyInterval(b);
}

/** Returns the number of `intervals`, which are disjoint and ascend, that start at or below the key. O(log n). */
export function countFrom(intervals: readonly KeyInterval[], key: IndexKey): number {
  let low = 0;
  let high = intervals.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (intervals[middle]!.low <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the one of `intervals`, which are disjoint and ascend, that holds the key, or undefined. O(log n). */
export function intervalAt(intervals: readonly KeyInterval[], key: IndexKey): KeyInterval | undefined {
  const found = intervals[countFrom(intervals, key) - 1];
  return found !== undefined && holdsKey(found, key) ? found : undefined;
}

/** Returns true when one of `intervals`, which are disjoint and ascend, may hold a key of `interval`. O(log n). */
export function overlapsAny(intervals: readonly KeyInterval[], interval: KeyInterval): boolean {
  const at = countFrom(intervals, interval.low);
  const before = intervals[at - 1];
  const after = intervals[at];
  return (
    (before !== undefined && overlap(before, interval)) || (after !== undefined && overlap(after, interval))
  );
}

/** Returns disjoint and ascending intervals that hold the keys of all intervals. O(n log n). */
export function mergedIntervals(intervals: readonly KeyInterval[]): readonly KeyInterval[] {
  const merged: KeyInterval[] = [];
  for (const next of intervals.toSorted((a, b) => (a.low < b.low ? -1 : a.low === b.low ? 0 : 1))) {
    const last = merged.at(-1);
    if (isEmptyInterval(next)) continue;
    if (last === undefined || (last.end !== undefined && last.end < next.low)) merged.push(next);
    else if (last.end !== undefined && (next.end === undefined || next.end > last.end))
      merged[merged.length - 1] = { low: last.low, end: next.end };
  }
  return merged;
}

/** Returns disjoint and ascending intervals that hold the keys of `intervals`, which are so, too, and of `added`. */
export function withInterval(intervals: readonly KeyInterval[], added: KeyInterval): readonly KeyInterval[] {
  if (isEmptyInterval(added)) return intervals;
  let { low, end } = added;
  const before: KeyInterval[] = [];
  const after: KeyInterval[] = [];
  for (const interval of intervals) {
    if (interval.end !== undefined && interval.end < low) before.push(interval);
    else if (end !== undefined && interval.low > end) after.push(interval);
    else {
      if (interval.low < low) low = interval.low;
      if (end !== undefined && (interval.end === undefined || interval.end > end)) end = interval.end;
    }
  }
  return [...before, { low, end }, ...after];
}
