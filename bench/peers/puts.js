// Single puts: which keys and values they take, and how many writers make them for a time.

import { watchTurns } from './turn-watch.js';
import { KEYS, keyAt, keysOf, scatteredNumber, shuffledNumbers, VALUES } from './workload.js';

/** Puts draw from so many values, or from fewer, so that all of them together stay small. */
const POOLED_VALUES_MAX = 4096;
const POOLED_BYTES_MAX = 4e6;

/** So many latencies are kept. Puts beyond them count, too, but not in the percentiles. */
const LATENCIES_PER_SECOND_MAX = 1_000_000;

/**
 * For each order, a function from the number of entries to the keys that puts take: `numberOf` is the number of a turn's
 * key, and after `cycle` turns the same keys come again.
 */
const ORDERS = {
  ascending: () => ({ numberOf: (turn) => turn, cycle: KEYS }),
  scattered: () => ({ numberOf: scatteredNumber, cycle: KEYS }),
  existing(entries) {
    const shuffled = shuffledNumbers(entries, 4);
    return { numberOf: (turn) => shuffled[turn % entries], cycle: entries };
  },
};

/** Returns what the put of a turn takes. The keys of the first `keysMade` turns, and all values, are made here. */
export function putsIn({ values, order, entries }, keysMade) {
  const { numberOf, cycle } = ORDERS[order](entries);
  const keys = keysOf(Math.min(keysMade, cycle), numberOf);
  const { at: makeValue, bytes } = VALUES[values];
  const pooledCount = Math.min(POOLED_VALUES_MAX, Math.floor(POOLED_BYTES_MAX / bytes));
  const pooled = Array.from({ length: pooledCount }, (_, at) => makeValue(at + POOLED_VALUES_MAX));
  return {
    numberOf,
    keyFor(turn) {
      const at = turn % cycle;
      return at < keys.length ? keys[at] : keyAt(numberOf(turn));
    },
    valueFor: (turn) => pooled[turn % pooledCount],
  };
}

/**
 * Puts for `seconds`, or `puts` times, beginning with the turn `from`. Each of `inFlight` writers awaits its own put and
 * then makes its next: there is no barrier between them. All puts are counted, up to the last acknowledgement. The first
 * `latenciesMax` latencies are kept.
 */
export async function putFor(limits, { db, keyFor, valueFor, inFlight, from }) {
  const { seconds = Infinity, puts = Infinity } = limits;
  const { latenciesMax = Math.min(puts, Math.ceil(LATENCIES_PER_SECOND_MAX * seconds)) } = limits;
  // Memory that is there before the clock runs: an array that grows would stop those who put most.
  const latenciesMs = new Float64Array(latenciesMax).fill(0);
  let count = 0;
  let next = from;
  const turnsEnd = from + puts;
  const endWatch = inFlight > 1 ? watchTurns() : undefined;
  const start = performance.now();
  const end = start + seconds * 1000;
  async function writer() {
    for (let began = performance.now(); began < end && next < turnsEnd; ) {
      const turn = next++;
      await db.put(keyFor(turn), valueFor(turn));
      const ended = performance.now();
      if (count < latenciesMax) latenciesMs[count] = ended - began;
      count++;
      began = ended;
    }
  }
  await Promise.all(Array.from({ length: inFlight }, writer));
  const elapsedMs = performance.now() - start;
  const longestTurnMs = await endWatch?.();
  return {
    next,
    perSecond: count / (elapsedMs / 1000),
    latenciesMs: latenciesMs.subarray(0, count),
    longestTurnMs,
  };
}
