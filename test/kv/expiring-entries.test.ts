// The deadlines of one space against brute force: heaps, entries that leave in slices, one by one and in the order of keys.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { DeadlineHeap, NO_ID } from '../../src/kv/entries/deadline-heap.js';
import { Entries } from '../../src/kv/entries/entries.js';
import { Random } from '../../src/testing/random.js';

afterEach(() => vi.unstubAllGlobals());

const VALUE = Uint8Array.of(1, 2, 3);

function put(entries: Entries, key: string, deadline: number): void {
  const staged = entries.stage(key, VALUE, 0, VALUE.length, undefined, deadline);
  entries.link(key, 1, staged, true);
}

describe('a heap of deadlines', () => {
  /** Entries with deadlines, and the heap that must know which of them are due. */
  class Model {
    readonly heap = new DeadlineHeap();
    readonly deadlines: number[] = [];

    readonly deadlineOf = (id: number): number => this.deadlines[id] ?? 0;

    set(id: number, deadline: number): void {
      const before = this.deadlineOf(id);
      this.deadlines[id] = deadline;
      if (deadline !== 0 && (before === 0 || deadline < before)) this.heap.push(deadline, id);
    }

    clean(): void {
      this.heap.clean(this.deadlineOf, this.deadlines.length);
    }

    /** Takes all that are due at `now`, and frees their ids. */
    takeDue(now: number): number[] {
      const taken = [];
      while (this.heap.earliest <= now) {
        const id = this.heap.takeDue(now, this.deadlineOf);
        if (id === NO_ID) continue;
        this.deadlines[id] = 0;
        taken.push(id);
      }
      return taken.sort((a, b) => a - b);
    }

    dueAt(now: number): number[] {
      return [...this.deadlines.keys()].filter((id) => this.deadlineOf(id) > 0 && this.deadlineOf(id) <= now);
    }
  }

  const DAY = 86_400_000;

  test('gives exactly what is due, whatever is pushed, freed, brought forward, delayed, cleaned and trimmed', () => {
    const step = fc.tuple(
      fc.constantFrom('set', 'set', 'set', 'free', 'take', 'clean', 'trim', 'clear'),
      fc.nat(40),
      fc.constantFrom(1, 1000, DAY, 11 * DAY, 3650 * DAY, Number.MAX_SAFE_INTEGER / 50),
      fc.nat(40),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const model = new Model();
        for (const [what, id, unit, number] of steps) {
          const time = Math.floor(number * unit);
          if (what === 'set') model.set(id, 1 + time);
          else if (what === 'free') model.deadlines[id] = 0;
          else if (what === 'clean') model.clean();
          else if (what === 'trim') model.heap.trim();
          else if (what === 'clear' && number === 0) {
            model.heap.clear();
            model.deadlines.length = 0;
          } else if (what === 'take') {
            const due = model.dueAt(time);
            expect(model.takeDue(time)).toEqual(due);
            expect(model.heap.earliest).toBeGreaterThan(time);
          }
        }
        const due = model.dueAt(Number.MAX_SAFE_INTEGER);
        expect(model.takeDue(Number.MAX_SAFE_INTEGER)).toEqual(due);
        expect(model.heap.size).toBe(0);
      }),
    );
  });

  test('forgets none of many while it is cleaned a little at a time, also when deadlines come weeks earlier', () => {
    const random = new Random(1);
    const model = new Model();
    const ids = 12_000;
    let origin = 400 * DAY;
    let lowered = 0;
    let itemsMax = 0;
    for (let turn = 0; turn < 100_000; turn++) {
      const id = random.below(ids);
      const isFreed = turn % 3 === 0 && turn < 80_000;
      model.set(id, isFreed ? 0 : origin + random.below(turn % 2 === 0 ? 500 : 60 * DAY));
      if (model.heap.size > 2 * ids || model.heap.isCleaning) model.clean();
      itemsMax = Math.max(itemsMax, model.heap.size);
      if (model.heap.isCleaning && turn - lowered > 10_000) {
        lowered = turn;
        origin -= 40 * DAY;
      }
      if (turn % 10_000 !== 0) continue;
      const now = origin + random.below(100);
      const due = model.dueAt(now);
      expect(model.takeDue(now)).toEqual(due);
    }
    expect(origin).toBeLessThan(360 * DAY);
    expect(itemsMax).toBeLessThanOrEqual(2.5 * ids);
    for (let id = 0; !model.heap.isCleaning; id++) {
      const deadline = model.deadlineOf(id % ids);
      if (deadline > 0) model.set(id % ids, deadline - 1);
      if (model.heap.size > 2 * ids) model.clean();
    }
    for (let now = origin; now <= 460 * DAY; now += 20 * DAY) {
      const due = model.dueAt(now);
      expect(model.takeDue(now)).toEqual(due);
    }
    expect(model.heap.size).toBe(0);
  });

  test('needs no memory for what is reserved, also when a cleaning begins meanwhile', () => {
    for (const items of [100, 4000, 4096, 5000, 12_288, 20_000]) {
      for (const reserved of [1, 100, 5000]) {
        const model = new Model();
        for (let id = 0; id < items; id++) model.set(id, 1 + id);
        model.heap.reserve(reserved);
        const { memoryBytes } = model.heap;
        model.clean();
        vi.stubGlobal('Uint32Array', null);
        for (let id = items; id < items + reserved; id++) {
          model.set(id, 1 + id);
          model.clean();
        }
        while (model.heap.isCleaning) model.clean();
        vi.unstubAllGlobals();
        expect(model.takeDue(Number.MAX_SAFE_INTEGER).length).toBe(items + reserved);
        expect(model.heap.memoryBytes).toBeLessThanOrEqual(memoryBytes);
      }
    }
  });

  test('has few items when deadlines are brought forward and delayed again and again', () => {
    const model = new Model();
    const ids = 6000;
    let itemsMax = 0;
    for (let turn = 0; turn < ids * 20; turn++) {
      for (const deadline of [2000, 1000]) {
        model.set(turn % ids, deadline);
        if (model.heap.size > 2 * ids || model.heap.isCleaning) model.clean();
      }
      itemsMax = Math.max(itemsMax, model.heap.size);
    }
    expect(itemsMax).toBeLessThanOrEqual(3 * ids);
    expect(model.takeDue(999)).toEqual([]);
    expect(model.takeDue(1000).length).toBe(ids);
  });

  // Each put of a session that has expired moved all other deadlines, twice: 0.9 s for half a million of them.
  test('moves no other deadline for one that is long past', () => {
    const model = new Model();
    const ids = 10_000;
    for (let id = 0; id < ids; id++) model.set(id, 400 * DAY + id);
    let asked = 0;
    const deadlineOf = (id: number): number => {
      asked++;
      return model.deadlineOf(id);
    };
    for (let turn = 0; turn < 100; turn++) {
      model.set(ids, 1 + (turn % 3));
      expect(model.heap.earliest).toBeLessThanOrEqual(1 + (turn % 3));
      if (turn % 2 === 0) model.deadlines[ids] = 0;
      while (model.heap.earliest <= 399 * DAY) model.heap.takeDue(399 * DAY, deadlineOf);
      model.deadlines[ids] = 0;
    }
    expect(asked).toBe(100);
    expect(model.takeDue(500 * DAY).length).toBe(ids);
  });

  test('moves its base when a deadline before it comes up and is not due', () => {
    const model = new Model();
    for (const [id, deadline] of [400, 300, 200, 500, 100].entries()) model.set(id, deadline * DAY);
    expect(model.heap.earliest).toBe(100 * DAY);
    for (const [now, id] of [
      [100, 4],
      [200, 2],
      [300, 1],
      [400, 0],
      [500, 3],
    ] as const) {
      expect(model.takeDue(now * DAY - 1)).toEqual([]);
      expect(model.takeDue(now * DAY)).toEqual([id]);
    }
  });

  test('takes 8 bytes for an item, and at most a page more when there are many', () => {
    const model = new Model();
    for (let id = 0; id < 200_000; id++) {
      model.set(id, 1 + ((id * 7919) % 100_003));
      const { memoryBytes } = model.heap;
      if (id > 10_000 && id % 1000 === 0) expect(memoryBytes).toBeLessThanOrEqual(id * 8 + 32_768);
    }
    for (let id = 100; id < 200_000; id++) model.deadlines[id] = 0;
    do model.clean();
    while (model.heap.isCleaning);
    model.heap.trim();
    expect(model.heap.size).toBe(100);
    expect(model.heap.memoryBytes).toBeLessThan(8 * 1000);
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
      for (const key of entries.expiring!.dueKeys(77)) {
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
    expect(entries.expiring!.dueKeys(10)).toEqual(['a']);
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
    for (let at = 0; at < 100_000; at++) put(entries, `k${at}`, 1000 + at);
    const before = entries.memory.deadlineBytes;
    for (let at = 0; at < 99_900; at++) entries.delete(`k${at}`);
    entries.expiring!.trim();
    expect(entries.memory.deadlineBytes).toBeLessThan(before / 10);
    entries.settleDue(1e9, Infinity);
    expect(entries.dueCount).toBe(100);
  });
});
