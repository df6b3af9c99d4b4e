// Many operations at once for a time: so many writers, each of which awaits its own operation and then begins its next.

import { watchTurns } from './turn-watch.js';

/** So many latencies are kept. Operations beyond them count, too, but not in the percentiles. */
const LATENCIES_PER_SECOND_MAX = 1_000_000;

/**
 * Calls `operation` with the numbers of turns from `from` on, for `seconds`, or `operations` times. Each of `inFlight` writers
 * awaits what it returns and then makes its next call: there is no barrier between them. All calls are counted, up to the
 * last acknowledgement and until `whenDone` has resolved. The first `latenciesMax` latencies are kept.
 */
export async function runFor(limits, { operation, inFlight, from, whenDone }) {
  const { seconds = Infinity, operations = Infinity } = limits;
  const { latenciesMax = Math.min(operations, Math.ceil(LATENCIES_PER_SECOND_MAX * seconds)) } = limits;
  // Memory that is there before the clock runs: an array that grows would stop those who do most.
  const latenciesMs = new Float64Array(latenciesMax).fill(0);
  let count = 0;
  let next = from;
  const turnsEnd = from + operations;
  const endWatch = inFlight > 1 ? watchTurns() : undefined;
  const start = performance.now();
  const end = start + seconds * 1000;
  async function writer() {
    for (let began = performance.now(); began < end && next < turnsEnd; ) {
      await operation(next++);
      const ended = performance.now();
      if (count < latenciesMax) latenciesMs[count] = ended - began;
      count++;
      began = ended;
    }
  }
  await Promise.all(Array.from({ length: inFlight }, writer));
  await whenDone?.();
  const elapsedMs = performance.now() - start;
  const longestTurnMs = await endWatch?.();
  return {
    next,
    perSecond: count / (elapsedMs / 1000),
    latenciesMs: latenciesMs.subarray(0, count),
    longestTurnMs,
  };
}
