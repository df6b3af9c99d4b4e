// Keys that a replay gathers unsorted: they come out in the order of code units, whatever their units and lengths, and the
// ordered index has them as if each had been set at once.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { OrderedIndex } from '../../src/kv/entries/ordered-index.js';
import { UnsortedKeys } from '../../src/kv/entries/unsorted-keys.js';

/** Slices of so many keys, so that a few keys already take several slices and merges. */
const SLICE_KEYS = 4;

/** Keys of several kinds: shared beginnings, units above a byte, unpaired surrogates, and keys that begin another key. */
const anyKey = fc.oneof(
  fc.nat(999_999).map((number) => `user:${String(number).padStart(9, '0')}`),
  fc
    .array(fc.constantFrom('', 'a', 'b', '\0', 'ÿ', 'Ā', '\ud800', '\uffff'), { maxLength: 6 })
    .map((units) => units.join('')),
  fc.string({ maxLength: 100 }),
  fc.nat(30).map((length) => 'x'.repeat(length)),
);
const differentKeys = fc.uniqueArray(anyKey, { maxLength: 60 });

function sortedBy(keys: readonly string[], sliceKeys: number): { order: string[]; yields: number } {
  const unsorted = new UnsortedKeys<number>(sliceKeys);
  for (const [at, key] of keys.entries()) unsorted.add(key, at);
  const steps = unsorted.sorted();
  let yields = 0;
  for (;;) {
    const { done, value } = steps.next();
    if (done) {
      expect([...value].map((place) => unsorted.valueAt(place))).toEqual([...value]);
      return { order: [...value].map((place) => unsorted.keyAt(place)), yields };
    }
    yields++;
  }
}

const inCodeUnits = (keys: readonly string[]) => [...keys].sort((a, b) => (a < b ? -1 : a === b ? 0 : 1));

describe('unsorted keys', () => {
  test('come out in the order of their code units, in slices of any size', () => {
    fc.assert(
      fc.property(differentKeys, fc.constantFrom(1, 3, SLICE_KEYS, 1000), (keys, sliceKeys) => {
        expect(sortedBy(keys, sliceKeys).order).toEqual(inCodeUnits(keys));
      }),
      { numRuns: 500 },
    );
  });

  test('that differ only behind what a code can count are sorted by all of their units', () => {
    // More than 29 bits of different units stand before the units that decide.
    const tails = ['d', 'b', 'a', 'c'];
    const keys = Array.from({ length: 64 }, (_, at) => `${String.fromCharCode(at * 1000)}`.repeat(3)).flatMap(
      (head) => tails.map((tail) => head + tail),
    );
    expect(sortedBy(keys, SLICE_KEYS).order).toEqual(inCodeUnits(keys));
  });

  test('are sorted when many of them, or few, differ only behind what a code can count', () => {
    const heads = Array.from({ length: 64 }, (_, at) => `${String.fromCharCode(at * 1000)}`.repeat(3));
    const tailsOf = (at: number) => Array.from({ length: at }, (_, tail) => `${(tail * 7) % at}`);
    const keys = heads.flatMap((head, at) => tailsOf(at).map((tail) => head + tail));
    expect(sortedBy(keys, 1000).order).toEqual(inCodeUnits(keys));
  });

  test('are kept in chunks, of which there may be many', () => {
    const keys = Array.from({ length: 10_000 }, (_, at) => `k${(at * 7919) % 10_000}`);
    expect(sortedBy(keys, 1000).order).toEqual(inCodeUnits(keys));
  });

  test('with equal codes are sorted in shorter slices, because they take longer', () => {
    const head = (at: number) => `${String.fromCharCode(at * 1000)}`.repeat(3);
    const different = Array.from({ length: 64 }, (_, at) => head(at));
    const tied = Array.from({ length: 64 }, (_, at) => `${head(at >> 1)}${at % 2}`);
    expect(sortedBy(tied, 16).yields).toBe(sortedBy(different, 16).yields + 16);
  });

  test('are sorted in slices, so that no slice grows with the number of keys', () => {
    const keys = Array.from({ length: 1000 }, (_, at) => `k${(at * 7919) % 1000}`);
    const { order, yields } = sortedBy(keys, 10);
    expect(order).toEqual(inCodeUnits(keys));
    // Two looks at each key, each slice sorted once, and seven rounds of merges.
    expect(yields).toBeGreaterThan(1000);
  });
});

describe('an ordered index that gathers', () => {
  const operations = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('set' as const), key: anyKey }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: anyKey }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('count' as const), key: anyKey }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear below' as const), key: anyKey }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constantFrom('clear' as const, 'clone' as const),
          key: fc.constant(''),
        }),
      },
    ),
    { maxLength: 80 },
  );

  test('has the keys of one that does not, after every look and at the end', () => {
    fc.assert(
      fc.property(differentKeys, operations, (before, given) => {
        const index = new OrderedIndex<number>(4, 8);
        const plain = new Map<string, number>();
        let next = 0;
        const set = (key: string): void => {
          // Gathering takes new keys only.
          if (plain.has(key)) return;
          plain.set(key, ++next);
          expect(index.set(key, next)).toBe(true);
        };
        const content = () => inCodeUnits([...plain.keys()]).map((key) => [key, plain.get(key)]);
        for (const key of before) set(key);
        index.gather();
        for (const { kind, key } of given) {
          const below = { low: undefined, lowInclusive: true, high: key, highInclusive: false };
          const keysBelow = [...plain.keys()].filter((each) => each < key);
          if (kind === 'set') set(key);
          else if (kind === 'delete') expect(index.delete(key)).toBe(plain.delete(key));
          else if (kind === 'count') expect(index.count(below)).toBe(keysBelow.length);
          else if (kind === 'clone') expect([...index.clone().iterate(ALL_KEYS)]).toEqual(content());
          else if (kind === 'clear') {
            expect(index.deleteRange(ALL_KEYS)).toBe(plain.size);
            plain.clear();
          } else {
            expect(index.deleteRange(below)).toBe(keysBelow.length);
            for (const each of keysBelow) plain.delete(each);
          }
          expect(index.size).toBe(plain.size);
        }
        for (const _ of index.endGathering()) expect(index.isSettled).toBeDefined();
        expect(index.isSettled).toBe(true);
        expect([...index.iterate(ALL_KEYS)]).toEqual(content());
        index.checkValid();
        // It does not gather any more: a key that is there is replaced.
        for (const key of plain.keys()) expect(index.set(key, 0)).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  test('is settled by a look, and says before that it is not', () => {
    const index = new OrderedIndex<number>();
    index.gather();
    for (const key of ['b', 'a']) index.set(key, 1);
    expect([index.isSettled, index.size]).toEqual([false, 2]);
    expect(index.get('a')).toBe(1);
    expect(index.isSettled).toBe(true);
  });
});
