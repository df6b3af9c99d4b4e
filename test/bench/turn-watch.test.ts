// The longest turn of the event loop, without garbage collection.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { longestTurnMs, watchTurns } from './peers.js';

describe('the longest turn', () => {
  test('is the longest gap between two calls of the timer, less the millisecond that it waits', () => {
    expect(longestTurnMs([0, 1, 2, 22, 25], [])).toBe(19);
  });

  test('is nothing where the timer was never late, and where nothing was measured', () => {
    expect(longestTurnMs([0, 1, 2, 3], [])).toBe(0);
    expect(longestTurnMs([5], [])).toBe(0);
  });

  test('has no collection in it, wherever in the gap that was', () => {
    expect(longestTurnMs([0, 30], [{ from: 10, to: 15 }])).toBe(24);
    expect(
      longestTurnMs(
        [0, 30],
        [
          { from: 20, to: 22 },
          { from: 10, to: 15 },
        ],
      ),
    ).toBe(22);
  });

  test('can be another one than the longest gap', () => {
    expect(longestTurnMs([0, 30, 50], [{ from: 5, to: 25 }])).toBe(19);
  });

  test('has only that part of a collection taken off that is in the gap', () => {
    expect(longestTurnMs([10, 30], [{ from: 0, to: 14 }])).toBe(15);
    expect(longestTurnMs([10, 30], [{ from: 28, to: 40 }])).toBe(17);
    expect(longestTurnMs([10, 30, 50], [{ from: 25, to: 35 }])).toBe(14);
    expect(longestTurnMs([10, 30], [{ from: 0, to: 10 }])).toBe(19);
  });

  test('has collections that overlap taken off once', () => {
    const outer = { from: 5, to: 20 };
    const inner = { from: 8, to: 10 };
    const later = { from: 15, to: 25 };
    expect(longestTurnMs([0, 40], [outer, inner])).toBe(24);
    expect(longestTurnMs([0, 40], [inner, later, outer])).toBe(19);
  });

  test('is never below nothing', () => {
    expect(longestTurnMs([0, 10], [{ from: 0, to: 10 }])).toBe(0);
  });
});

describe('a watch', () => {
  test('sees a stop between two turns, and one that goes on until the end', async () => {
    for (const isLast of [false, true]) {
      const end = watchTurns();
      await sleep(5);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      if (!isLast) await sleep(5);
      expect(await end()).toBeGreaterThan(50);
    }
  });
});
