// The bounds of a range of index keys. Pure.

import type { IndexKey } from './key-encoding.js';

/** A range of index keys. Without a bound, the range is open at that end, and the flag of the bound has no meaning. */
export interface KeyBounds {
  readonly low: IndexKey | undefined;
  readonly lowInclusive: boolean;
  readonly high: IndexKey | undefined;
  readonly highInclusive: boolean;
}

/** The range of all keys. */
export const ALL_KEYS: KeyBounds = {
  low: undefined,
  lowInclusive: true,
  high: undefined,
  highInclusive: true,
};

/** Returns true for bounds between which all keys are. */
export function isUnbounded(bounds: KeyBounds): boolean {
  return bounds.low === undefined && bounds.high === undefined;
}

/** The lowest of all possible keys. */
export const LOWEST_KEY: IndexKey = '';

/** Returns the next possible key. So an exclusive low bound becomes an inclusive one. */
export function successorOf(key: IndexKey): IndexKey {
  return `${key}\0`;
}

/** Returns true when the key is within bounds. */
export function isWithin({ low, lowInclusive, high, highInclusive }: KeyBounds, key: IndexKey): boolean {
  if (low !== undefined && (lowInclusive ? key < low : key <= low)) return false;
  return high === undefined || (highInclusive ? key <= high : key < high);
}
