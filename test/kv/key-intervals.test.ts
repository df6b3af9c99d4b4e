// Intervals of keys against the sets of keys that they hold.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { type KeyBounds, successorOf } from '../../src/kv/encoding/key-bounds.js';
import {
  ALL_OF_THEM,
  boundsOf,
  countFrom,
  holdsKey,
  intervalAt,
  intervalOf,
  isEmptyInterval,
  type KeyInterval,
  mergedIntervals,
  overlap,
  overlapsAny,
  withInterval,
} from '../../src/kv/read/key-intervals.js';

/** All keys of up to three letters, two of which are the lowest and the highest. */
const LETTERS = ['\0', 'a', '\uFFFF'];
const KEYS = [
  '',
  ...LETTERS,
  ...LETTERS.flatMap((a) => LETTERS.flatMap((b) => [a + b, ...LETTERS.map((c) => a + b + c)])),
].sort((a, b) => (a < b ? -1 : 1));
/** Ends of intervals are shorter, so that each that may hold a key holds one of KEYS. */
const ends = fc.constantFrom(...KEYS.filter(({ length }) => length < 3));

const intervals: fc.Arbitrary<KeyInterval> = fc.record({
  low: ends,
  end: fc.option(ends, { nil: undefined, freq: 6 }),
});

const held = (interval: KeyInterval): string[] => KEYS.filter((key) => holdsKey(interval, key));
const RUNS = { seed: 20_262, numRuns: 2000 };

describe('an interval', () => {
  test('holds the keys within bounds, and gives those bounds back', () => {
    const bounds = fc.record({
      low: fc.option(ends, { nil: undefined }),
      high: fc.option(ends, { nil: undefined }),
      lowInclusive: fc.boolean(),
      highInclusive: fc.boolean(),
    });
    const isWithin = ({ low, lowInclusive, high, highInclusive }: KeyBounds, key: string): boolean =>
      (low === undefined || (lowInclusive ? key >= low : key > low)) &&
      (high === undefined || (highInclusive ? key <= high : key < high));
    fc.assert(
      fc.property(bounds, (given) => {
        const interval = intervalOf(given);
        const expected = KEYS.filter((key) => isWithin(given, key));
        assert.deepEqual(held(interval), expected);
        assert.deepEqual(
          KEYS.filter((key) => isWithin(boundsOf(interval), key)),
          expected,
        );
      }),
      RUNS,
    );
  });

  test('of all keys holds each, and a successor is the next possible key', () => {
    assert.deepEqual(held(ALL_OF_THEM), KEYS);
    for (const key of KEYS) {
      assert(successorOf(key) > key);
      assert(KEYS.every((other) => other <= key || other >= successorOf(key)));
    }
  });

  test('is empty when it holds no key, and overlaps another when both hold a key', () => {
    fc.assert(
      fc.property(intervals, intervals, (a, b) => {
        assert.equal(isEmptyInterval(a), held(a).length === 0);
        const shared = held(a).filter((key) => holdsKey(b, key));
        assert.equal(overlap(a, b), shared.length > 0);
        assert.equal(overlap(b, a), overlap(a, b));
      }),
      RUNS,
    );
  });
});

describe('a list of intervals', () => {
  test('stays disjoint and in its order, and holds the keys of all that were added', () => {
    fc.assert(
      fc.property(fc.array(intervals, { maxLength: 8 }), (added) => {
        let list: readonly KeyInterval[] = [];
        const expected = new Set<string>();
        for (const interval of added) {
          const before = JSON.stringify(list);
          const next = withInterval(list, interval);
          // Undo puts the list of before back.
          assert.equal(JSON.stringify(list), before);
          list = next;
          for (const key of held(interval)) expected.add(key);
        }
        for (const [at, { low, end }] of list.entries()) {
          assert(end === undefined || low < end);
          if (at > 0) assert(list[at - 1]!.end! < low, 'intervals that touch are one');
        }
        for (const key of KEYS) {
          const found = intervalAt(list, key);
          assert.equal(found !== undefined, expected.has(key));
          if (found !== undefined) assert(holdsKey(found, key));
          assert.equal(countFrom(list, key), list.filter(({ low }) => low <= key).length);
        }
      }),
      RUNS,
    );
  });

  test('that were merged is disjoint and in its order, and holds the keys of all', () => {
    const counts = { apart: 0, joined: 0 };
    fc.assert(
      fc.property(fc.array(intervals, { maxLength: 8 }), (given) => {
        const before = JSON.stringify(given);
        const merged = mergedIntervals(given);
        assert.equal(JSON.stringify(given), before);
        const expected = new Set(given.flatMap(held));
        for (const [at, { low, end }] of merged.entries()) {
          assert(end === undefined || low < end);
          if (at > 0) assert(merged[at - 1]!.end! < low, 'intervals that touch are one');
        }
        for (const key of KEYS) assert.equal(intervalAt(merged, key) !== undefined, expected.has(key));
        if (merged.length > 1) counts.apart++;
        if (merged.length < given.filter((each) => !isEmptyInterval(each)).length) counts.joined++;
      }),
      RUNS,
    );
    for (const count of Object.values(counts)) assert(count > 200);
  });

  test('overlaps an interval when one of them holds a key of it', () => {
    const counts = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.array(intervals, { maxLength: 5 }), intervals, (given, other) => {
        const merged = mergedIntervals(given);
        const isShared = merged.some((each) => held(each).some((key) => holdsKey(other, key)));
        assert.equal(overlapsAny(merged, other), isShared);
        counts[isShared ? 'yes' : 'no']++;
      }),
      RUNS,
    );
    for (const count of Object.values(counts)) assert(count > 200);
  });
});
