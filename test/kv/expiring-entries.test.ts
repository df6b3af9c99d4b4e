// The deadlines of one space against brute force: heaps, entries that leave in slices, one by one and in the order of keys.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { DeadlineHeap } from '../../src/kv/entries/deadline-heap.js';
import { Entries } from '../../src/kv/entries/entries.js';
import { Random } from '../../src/testing/random.js';

const VALUE = Uint8Array.of(1, 2, 3);

function put(entries: Entries, key: string, deadline: number): void {
  const staged = entries.stage(key, VALUE, 0, VALUE.length, undefined, deadline);
  entries.link(key, 1, staged, true);
}

describe('a heap of deadlines', () => {
  test('gives its items in their order, whatever is delayed, trimmed and built anew', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('push', 'pop', 'delay', 'rebuild', 'trim'), fc.nat(40)), {
          maxLength: 200,
        }),
        (steps) => {
          const heap = new DeadlineHeap();
          let model: { deadline: number; id: number }[] = [];
          let ids = 0;
          for (const [what, number] of steps) {
            const top = model.find(({ id }) => id === heap.topId && heap.size > 0);
            if (what === 'push') {
              model.push({ deadline: number + 1, id: ids });
              heap.push(number + 1, ids++);
            } else if (what === 'pop' && top !== undefined) {
              heap.pop();
              model = model.filter((item) => item !== top);
            } else if (what === 'delay' && top !== undefined) {
              top.deadline += number;
              heap.delayTop(top.deadline);
            } else if (what === 'rebuild') {
              // An entry without a deadline, and one with another.
              heap.rebuild((id) => {
                const { deadline } = model.find((item) => item.id === id)!;
                return id % 3 === 0 ? 0 : deadline + (id % 2);
              }, ids);
              model = model.filter(({ id }) => id % 3 !== 0);
              for (const item of model) item.deadline += item.id % 2;
            } else if (what === 'trim') {
              heap.trim();
            }
            expect(heap.size).toBe(model.length);
            const deadlines = model.map(({ deadline }) => deadline);
            expect(heap.top).toBe(Math.min(Number.POSITIVE_INFINITY, ...deadlines));
          }
        },
      ),
    );
  });

  test('takes 12 bytes for an item, and at most a quarter more when there are many', () => {
    const heap = new DeadlineHeap();
    for (let at = 0; at < 200_000; at++) {
      heap.push(1 + ((at * 7919) % 100_003), at);
      if (at > 70_000 && at % 10_000 === 0) expect(heap.memoryBytes).toBeLessThanOrEqual(at * 12 * 1.26);
    }
    for (let at = 0, last = 0; at < 1000; at++) {
      expect(heap.top).toBeGreaterThanOrEqual(last);
      last = heap.top;
      heap.pop();
    }
    heap.rebuild((id) => (id < 100 ? 5 : 0), 200_000);
    expect(heap.size).toBeLessThanOrEqual(100);
    expect(heap.memoryBytes).toBeLessThan(12 * 1000);
  });
});

describe('due entries', () => {
  /** Plays puts, touches and settlements on many entries, and compares with a map. */
  function play(seed: number, count: number, dueOf: (random: Random) => number, touches: boolean): void {
    const random = new Random(seed);
    const entries = new Entries(seed);
    const model = new Map<string, number>();
    for (let at = 0; at < count; at++) {
      const key = `k${random.below(count * 2)}`;
      const deadline = random.below(5) === 0 ? 0 : dueOf(random);
      put(entries, key, deadline);
      model.set(key, deadline);
    }
    if (touches) {
      for (const key of [...model.keys()].slice(0, count / 10)) {
        put(entries, key, 5000);
        model.set(key, 5000);
      }
    }
    const due = new Set<string>();
    entries.expiryHooks = {
      settle: (max) => entries.settleDue(entries.floor, max),
      left: (key) => due.add(key),
    };
    const now = 1000;
    const visible = (key: string) => {
      const deadline = model.get(key);
      return deadline !== undefined && (deadline === 0 || deadline > now);
    };
    for (let slice = 0; entries.floor !== 0 || slice === 0; slice++) {
      entries.settleDue(now, 1 + random.below(200));
      for (let probe = 0; probe < 5; probe++) {
        const key = `k${random.below(count * 2)}`;
        expect(entries.has(key)).toBe(visible(key));
        expect(entries.isDue(key)).toBe(model.has(key) && !visible(key));
      }
      if (slice % 50 === 0) {
        // What comes meanwhile stays, and what is written over a due entry is new.
        const key = `k${random.below(count * 2)}`;
        put(entries, key, slice % 100 === 0 ? 0 : 2000 + slice);
        model.set(key, slice % 100 === 0 ? 0 : 2000 + slice);
        due.delete(key);
      }
      expect(slice).toBeLessThan(count * 20);
    }
    const expected = [...model.keys()].filter(visible).sort();
    expect([...entries.iterate(ALL_KEYS)].map(([key]) => key)).toEqual(expected);
    expect(entries.size).toBe(expected.length);
    expect(entries.dueCount).toBe([...model.keys()].filter((key) => !visible(key)).length);
    entries.checkValid();
    const removed = new Set<string>();
    while (entries.dueCount > 0) {
      for (const key of entries.dueKeys(77)) {
        expect(removed.has(key)).toBe(false);
        removed.add(key);
        entries.delete(key);
      }
    }
    entries.checkValid();
    expect(entries.earliest).toBeGreaterThan(now);
    // No deadline was forgotten.
    entries.settleDue(1e9, Infinity);
    expect([...entries.iterate(ALL_KEYS)].map(([key]) => key)).toEqual(
      [...model.keys()].filter((key) => model.get(key) === 0).sort(),
    );
  }

  test.each([
    ['few of many', 3000, (random: Random) => 1 + random.below(20_000), false],
    ['most of them, in the order of keys', 20_000, (random: Random) => 1 + random.below(1200), false],
    ['a fifth, in the order of keys', 30_000, (random: Random) => 1 + random.below(5000), false],
    ['all that were not touched', 20_000, (random: Random) => 1 + random.below(900), true],
  ] as const)('leave in slices: %s', (_, count, dueOf, touches) => {
    for (const seed of [1, 2]) play(seed, count, dueOf, touches);
  });

  test('all leave at a read of the order of keys, and a clear takes them along', () => {
    const entries = new Entries(1);
    for (let at = 0; at < 10_000; at++) put(entries, `k${at}`, 1 + (at % 100));
    entries.expiryHooks = { settle: (max) => entries.settleDue(entries.floor, max), left: () => {} };
    entries.settleDue(50, 10);
    expect(entries.has('k1')).toBe(false);
    expect(entries.count(ALL_KEYS)).toBe(5000);
    expect(entries.dueCount).toBe(5000);
    entries.deleteRange({ ...ALL_KEYS, high: 'k5', highInclusive: false });
    entries.checkValid();
    entries.deleteRange(ALL_KEYS);
    expect([entries.size, entries.dueCount, entries.expiringCount]).toEqual([0, 0, 0]);
    entries.checkValid();
    put(entries, 'a', 60);
    entries.settleDue(70, 10);
    expect(entries.dueKeys(10)).toEqual(['a']);
  });

  test('are not counted, also while many of them are in the indexes', () => {
    const entries = new Entries(1);
    const alive: string[] = [];
    for (let at = 0; at < 120_000; at++) {
      const deadline = at % 3 === 0 ? 0 : 1 + (at % 1500);
      put(entries, `k${at}`, deadline);
      if (deadline === 0 || deadline > 1000) alive.push(`k${at}`);
    }
    entries.expiryHooks = { settle: (max) => entries.settleDue(entries.floor, max), left: () => {} };
    const range = { ...ALL_KEYS, low: 'k5', high: 'k9' };
    const inRange = alive.filter((key) => key >= 'k5' && key <= 'k9').length;
    entries.settleDue(1000, 10);
    expect(entries.count(range)).toBe(inRange);
    expect(entries.size).toBe(alive.length);
    expect(entries.count(ALL_KEYS)).toBe(alive.length);
    expect(entries.rank('k4')).toBe(alive.filter((key) => key < 'k4').length);
    expect(entries.dueCount).toBeLessThan(40_000);
    expect(entries.floor).toBe(1000);
    for (let count = 0; entries.floor !== 0; count++) {
      expect(entries.count(range)).toBe(inRange);
      expect(count).toBeLessThan(10);
    }
    expect(entries.size).toBe(alive.length);
    entries.checkValid();
  });

  test('find room for all deadlines that a sweep adds before it adds them', () => {
    const entries = new Entries(1);
    for (let at = 0; at < 10_000; at++) put(entries, `k${at}`, at % 2 === 0 ? 1000 : 5000);
    entries.settleDue(1000, 10);
    expect(entries.dueCount).toBe(10);
    const keys = Array.from({ length: 6000 }, (_, at) => `z${at}`);
    const staged = keys.map((key) => entries.stage(key, VALUE, 0, VALUE.length, undefined, 6000));
    const { deadlineBytes } = entries.memory;
    for (const [at, key] of keys.entries()) entries.link(key, 1, staged[at]!, true);
    entries.settleDue(1000, Infinity);
    expect([entries.dueCount, entries.expiringCount]).toEqual([5000, 11_000]);
    expect(entries.memory.deadlineBytes).toBe(deadlineBytes);
    entries.settleDue(5000, Infinity);
    expect(entries.expiringCount).toBe(6000);
    entries.checkValid();
  });

  test('that were deleted give back the memory of their deadlines', () => {
    const entries = new Entries(1);
    for (let at = 0; at < 10_000; at++) put(entries, `k${at}`, 1000 + at);
    const before = entries.memory.deadlineBytes;
    for (let at = 0; at < 9900; at++) entries.delete(`k${at}`);
    expect(entries.memory.deadlineBytes).toBeLessThan(before / 10);
    entries.settleDue(1e9, Infinity);
    expect(entries.dueCount).toBe(100);
  });
});
