// Who waits for which LSN: the queue by itself.

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { DurableWaiters, Waiter } from '../../src/journal/commit/durable-waiters.js';
import type { Lsn } from '../../src/journal/index.js';

function noting() {
  const waiters = new DurableWaiters();
  const settled: number[] = [];
  const rejected: number[] = [];
  const waitFor = (lsn: number) => {
    const waiter = new Waiter(
      lsn as Lsn,
      lsn,
      () => settled.push(lsn),
      () => rejected.push(lsn),
    );
    waiters.add(waiter);
    return waiter;
  };
  return { waiters, settled, rejected, waitFor };
}

describe('durable waiters', () => {
  test('are settled up to the durable LSN, in the order of their LSNs, and once', () => {
    const { waiters, settled, waitFor } = noting();
    for (const lsn of [10, 30, 20, 30, 40]) waitFor(lsn);
    waiters.settle(30);
    expect(settled).toEqual([10, 20, 30, 30]);
    expect(waiters.count).toBe(1);
    waiters.settle(30);
    waiters.settle(40);
    expect(settled).toEqual([10, 20, 30, 30, 40]);
    expect(waiters.count).toBe(0);
  });

  test('that are left behind a commit are as many and in the same order, be they few or many', () => {
    const { waiters, settled, waitFor } = noting();
    const count = 20_000;
    for (let lsn = 1; lsn <= count; lsn++) waitFor(lsn);
    for (const durable of [0, 1, 9000, 9001, 11_000, 15_999, 16_000, count - 1, count]) {
      waiters.settle(durable);
      expect(waiters.count).toBe(count - durable);
    }
    expect(settled).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  });

  test('are rejected once, those that have been settled not at all', () => {
    const { waiters, settled, rejected, waitFor } = noting();
    // So many that the settled one is still in the queue.
    for (let lsn = 1; lsn <= 10_000; lsn++) waitFor(lsn);
    waiters.settle(1);
    waiters.rejectAll(new Error('the disk is gone'));
    waiters.settle(10_000);
    expect(settled).toEqual([1]);
    expect(rejected).toEqual(Array.from({ length: 9999 }, (_, at) => at + 2));
  });

  test('that come, or are settled, while others are being settled are settled once', () => {
    const { waiters, settled, waitFor } = noting();
    waitFor(1);
    const during = () => {
      waitFor(3);
      waiters.settle(3);
      waitFor(4);
    };
    waiters.add(new Waiter(2 as Lsn, 2, during, () => {}));
    waitFor(2);
    waiters.settle(2);
    expect(settled).toEqual([1, 2, 3]);
    waiters.settle(4);
    expect(settled).toEqual([1, 2, 3, 4]);
  });

  // A call that was stopped between taking a waiter out of the queue and settling it left that one waiting for ever.
  test('one that was not settled to the end is settled with the others at the end', () => {
    const { waiters, settled, rejected, waitFor } = noting();
    let calls = 0;
    const stopped = () => {
      if (calls++ === 0) throw new Error('stopped');
    };
    waiters.add(new Waiter(1 as Lsn, 1, stopped, () => {}));
    waitFor(2);
    waitFor(3);
    expect(() => waiters.settle(2)).toThrow('stopped');
    waiters.end(2, new Error('poisoned'));
    expect({ calls, settled, rejected }).toEqual({ calls: 2, settled: [2], rejected: [3] });
  });

  // A thousand puts in flight left a few of them waiting at every commit. The settled ones stayed in the array before
  // those, which got old; and what hangs on something old V8 copies, and takes into its old space, where it is garbage.
  test('that are settled are let go of, though others wait behind them', async () => {
    const { waiters, waitFor } = noting();
    const first = new WeakRef(waitFor(1));
    const second = new WeakRef(waitFor(2));
    waiters.settle(1);
    // What a WeakRef is made of stays until the end of its turn.
    await setImmediate();
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    expect(first.deref()).toBeUndefined();
    expect(second.deref()).toBeDefined();
    expect(waiters.count).toBe(1);
  });
});
