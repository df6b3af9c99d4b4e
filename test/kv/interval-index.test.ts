// The index of intervals: finds the same items as a look at each of them.

import { describe, expect, test } from 'vitest';
import { IntervalIndex } from '../../src/kv/read/interval-index.js';
import { holdsKey, isEmptyInterval, type KeyInterval, overlap } from '../../src/kv/read/key-intervals.js';
import { Random } from '../../src/testing/random.js';

interface Item {
  readonly interval: KeyInterval;
}

const KEYS = ['', 'a', 'aa', 'ab', 'b', 'ba', 'c', 'd', 'e', 'f'];

const keyOf = (random: Random): string => KEYS[random.below(KEYS.length)]!;

function intervalOf(random: Random): KeyInterval {
  return { low: keyOf(random), end: random.below(4) === 0 ? undefined : keyOf(random) };
}

/** Returns what a search adds to its result. */
function found(search: (into: Item[]) => void): Set<Item> {
  const into: Item[] = [];
  search(into);
  expect(new Set(into).size).toBe(into.length);
  return new Set(into);
}

describe('an index of intervals', () => {
  test.each([1, 2, 3, Date.now() % 1_000_000])('finds what a scan finds (seed %i)', (seed) => {
    const random = new Random(seed);
    const index = new IntervalIndex<Item>();
    const items = new Set<Item>();
    for (let step = 0; step < 2000; step++) {
      if (random.below(5) < (items.size < 40 ? 3 : 2)) {
        const item = { interval: intervalOf(random) };
        items.add(item);
        index.add(item);
      } else {
        const [item] = [...items].slice(random.below(items.size || 1));
        if (item !== undefined) {
          items.delete(item);
          index.delete(item);
        }
      }
      const key = keyOf(random);
      const interval = intervalOf(random);
      expect(index.size).toBe(items.size);
      expect(found((into) => index.holding(key, into))).toEqual(
        new Set([...items].filter((item) => holdsKey(item.interval, key))),
      );
      if (isEmptyInterval(interval)) continue;
      const overlapping = found((into) => index.overlapping(interval, into));
      // An interval that can hold no key overlaps nothing, and may be found.
      const wrong = [...items].filter(
        (item) =>
          !isEmptyInterval(item.interval) && overlapping.has(item) !== overlap(item.interval, interval),
      );
      expect(wrong).toEqual([]);
    }
  });

  test('looks at few items where few match', () => {
    const index = new IntervalIndex<Item>();
    let looks = 0;
    for (let at = 0; at < 10_000; at++) {
      const low = String(at).padStart(5, '0');
      const interval = { low, end: `${low}~` };
      index.add({
        get interval() {
          looks++;
          return interval;
        },
      });
    }
    expect(found((into) => index.holding('07000x', into)).size).toBe(1);
    looks = 0;
    expect(found((into) => index.holding('07001x', into)).size).toBe(1);
    expect(looks).toBeLessThan(100);
  });

  test('ignores the deletion of what is not there', () => {
    const index = new IntervalIndex<Item>();
    const interval = { low: 'a', end: 'b' };
    index.add({ interval });
    index.delete({ interval });
    expect(index.size).toBe(1);
  });
});
