// What must hold of a store whatever crashes, by number: CRASH-TESTING.md has the list. A failure names its number, so
// that a script can be shortened without changing what fails.

import assert from 'node:assert/strict';
import { type CrashFailure, HangError } from '../../src/testing/index.js';

const INVARIANTS = {
  1: 'a crash alone never makes a store refuse to open',
  2: 'the state is the one after k writes, with acknowledged ≤ k ≤ submitted',
  3: 'k never changes by reopening, and reopening alone writes nothing',
  4: 'what is acknowledged after a recovery survives the next crash',
  5: 'damage to a closed store gives the exact state or a typed error with its place',
  6: 'after a failed write every later write rejects, and reads go on; a write that throws has changed nothing',
  7: 'snapshots and iterators show one point in time, and nothing is left open',
  8: 'conditions and transactions are serial: what a write has seen was so right before it',
  9: 'what has ended holds nothing: no view, no log of writes',
  10: 'an id that was drawn before a record never comes again',
  11: 'rank, nth, count, offset and limit are those of an array',
  12: 'indexes are what their functions make of the entries, and no two entries have one value of a unique index',
} as const;

export type InvariantNumber = keyof typeof INVARIANTS;

export class InvariantFailure extends Error {
  override readonly name = 'InvariantFailure';
  readonly invariant: InvariantNumber;

  constructor(invariant: InvariantNumber, told: string, cause?: unknown) {
    super(`invariant ${invariant} (${INVARIANTS[invariant]}): ${told}`, { cause });
    this.invariant = invariant;
  }
}

/**
 * What is broken, so that a shorter script is taken only when it breaks the same. Which of 2, 3 and 4 it is depends on
 * what was known when it crashed, not on what went wrong.
 */
export function brokenBy(failure: CrashFailure): string {
  const { cause } = failure;
  if (cause instanceof InvariantFailure) {
    const { invariant } = cause;
    return invariant >= 2 && invariant <= 4 ? 'promise' : `invariant ${invariant}`;
  }
  return cause instanceof HangError ? 'hang' : String((cause as Error)?.name);
}

/** Throws a failure of that invariant unless `isTrue`. */
export function hold(invariant: InvariantNumber, isTrue: boolean, told: string): asserts isTrue {
  if (!isTrue) throw new InvariantFailure(invariant, told);
}

export function holdEqual(invariant: InvariantNumber, found: unknown, expected: unknown, told: string): void {
  try {
    assert.deepEqual(found, expected);
  } catch (error) {
    throw new InvariantFailure(invariant, `${told}: ${(error as Error).message}`, error);
  }
}
