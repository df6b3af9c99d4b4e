// Watches the event loop: how long it stopped at most while something was measured.

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** A free event loop calls the timer this often. */
const TIMER_MS = 1;

/** Returns the ms between two times that collections took. They are in order of `from`, and may overlap. */
function collectedMs(start, end, collections) {
  let sumMs = 0;
  let counted = start;
  for (const { from, to } of collections) {
    const begin = Math.max(from, counted);
    const stop = Math.min(to, end);
    if (stop <= begin) continue;
    sumMs += stop - begin;
    counted = stop;
  }
  return sumMs;
}

/**
 * Returns the longest stop in ms: the longest gap between two consecutive `times`, less the garbage collections in that gap
 * and less the time that the timer waits anyway. `collections` are `{ from, to }` on the same clock, in any order. They may
 * overlap, because a collection can contain another one.
 */
export function longestTurnMs(times, collections) {
  const inOrder = collections.toSorted((a, b) => a.from - b.from);
  let longestMs = 0;
  for (let at = 1; at < times.length; at++) {
    const [start, end] = [times[at - 1], times[at]];
    longestMs = Math.max(longestMs, end - start - collectedMs(start, end, inOrder) - TIMER_MS);
  }
  return longestMs;
}

/** Starts to watch. Returns a function that ends it and resolves with the longest stop in ms. */
export function watchTurns() {
  const collections = [];
  const keep = (entries) => {
    for (const { startTime, duration } of entries)
      collections.push({ from: startTime, to: startTime + duration });
  };
  const observer = new PerformanceObserver((list) => keep(list.getEntries()));
  observer.observe({ type: 'gc' });
  const times = [performance.now()];
  const timer = setInterval(() => times.push(performance.now()), TIMER_MS);
  return async () => {
    times.push(performance.now());
    clearInterval(timer);
    // Node hands over the entry of a collection in the next turn.
    await nextTurn();
    keep(observer.takeRecords());
    observer.disconnect();
    return longestTurnMs(times, collections);
  };
}
