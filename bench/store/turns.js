// How long does the event loop wait for a turn: in loops that await, in writes of many keys, and behind many puts?

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { keyAt, openStore, valueAt } from './workload.js';

const AWAITED = 400_000;
const BATCH = 1_000_000;
const CLEARED = 100_000;
const IN_FLIGHT = 100_000;
/** Shorter turns are not kept. */
const TURN_MS_MIN = 1;

export const title = 'turns: how long the event loop waits for its turn';

/** Returns the longest ms between two turns while `run` goes on, with the rest of the turn in which it ends. */
export async function longestDelayMs(run, onTurn = null) {
  let longestMs = 0;
  let lastMs = performance.now();
  let isOver = false;
  const turn = () => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    onTurn?.(lastMs, nowMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await run();
  await nextTurn();
  isOver = true;
  await nextTurn();
  return longestMs;
}

/** Returns what longestDelayMs() returns, and the same without the garbage collections of V8 in each turn. */
export async function longestDelays(run) {
  const turns = [];
  const collections = [];
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  const longestMs = await longestDelayMs(run, (startMs, endMs) => {
    if (endMs - startMs > TURN_MS_MIN) turns.push({ startMs, endMs });
  });
  // V8 tells of its collections a turn later.
  await nextTurn();
  await nextTurn();
  observer.disconnect();
  const withoutMs = turns.map(({ startMs, endMs }) => {
    const inside = collections.filter(({ startTime }) => startTime >= startMs && startTime < endMs);
    return inside.reduce((ms, { duration }) => ms - duration, endMs - startMs);
  });
  return { longestMs, withoutMs: Math.max(TURN_MS_MIN, ...withoutMs) };
}

function batchOf(from, count) {
  return Array.from({ length: count }, (_, at) => ({
    type: 'put',
    key: keyAt(from + at),
    value: valueAt(at),
  }));
}

export const steps = {
  async loops({ directory, awaited }) {
    const memory = { durability: 'memory' };
    const db = await openStore(directory);
    const puts = await longestDelayMs(async () => {
      for (let at = 0; at < awaited; at++) await db.put(keyAt(at % 1000), valueAt(at), memory);
    });
    const drained = await longestDelayMs(async () => {
      for (let at = 0; at < awaited; at++) {
        db.put(keyAt(at % 1000), valueAt(at), memory);
        await db.drained();
      }
    });
    await db.flush();
    const flushes = await longestDelayMs(async () => {
      for (let at = 0; at < awaited; at++) await db.flush();
    });
    await db.close();
    return { puts, drained, flushes };
  },

  async writes({ directory, batch, cleared, inFlight }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    const operations = batchOf(0, batch);
    const whole = await longestDelayMs(() => db.batch(operations));
    const part = await longestDelayMs(() => db.clear({ gte: keyAt(0), lt: keyAt(cleared) }));
    const all = await longestDelayMs(() => db.clear());
    const slices = await longestDelayMs(async () => {
      for (let at = 0; at < batch; at += 1000) await db.batch(operations.slice(at, at + 1000));
    });
    const settled = await longestDelayMs(async () => {
      const puts = [];
      for (let at = 0; at < inFlight; at++) {
        puts.push(db.put(keyAt(at), valueAt(at)));
        if (at % 1000 === 0) await new Promise(setImmediate);
      }
      await Promise.all(puts);
    });
    await db.close();
    return { whole, part, all, slices, settled };
  },
};

export async function round({ run, directory, scaled }) {
  const awaited = scaled(AWAITED);
  const batch = scaled(BATCH);
  const cleared = scaled(CLEARED);
  const inFlight = scaled(IN_FLIGHT);
  const loops = await run('loops', { directory: `${directory}/loops`, awaited });
  const writes = await run('writes', { directory: `${directory}/writes`, batch, cleared, inFlight });
  const row = (name, value, goal) => ({ name: `${name}, ms`, value, goal });
  return [
    row(`${awaited} awaited 'memory' puts`, loops.puts, '≤ 100'),
    row(`${awaited} 'memory' puts, each behind drained()`, loops.drained, '≤ 100'),
    row(`${awaited} flushes of nothing`, loops.flushes, '≤ 100'),
    row(`one batch of ${batch}`, writes.whole),
    row(`the same in batches of 1,000, each awaited`, writes.slices),
    row(`a clear of ${cleared} keys of them`, writes.part),
    row('a clear of all that is left', writes.all),
    row(`${inFlight} puts in flight`, writes.settled),
  ];
}
