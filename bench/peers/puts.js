// Single puts: which keys and values they take.

import { runFor } from './in-flight.js';
import { KEYS, keyAt, keysOf, scatteredNumber, shuffledNumbers, VALUES } from './workload.js';

/** Puts draw from so many values, or from fewer, so that all of them together stay small. */
const POOLED_VALUES_MAX = 4096;
const POOLED_BYTES_MAX = 4e6;

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

/** Puts for `seconds`, or `puts` times, beginning with the turn `from`: see runFor(). */
export function putFor({ puts, ...limits }, { db, keyFor, valueFor, ...workload }) {
  const operation = (turn) => db.put(keyFor(turn), valueFor(turn));
  return runFor({ ...limits, operations: puts }, { operation, ...workload });
}
