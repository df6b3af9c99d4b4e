// What must hold of a store whatever crashes, by number: CRASH-TESTING.md has the list. A failure names its number, so
// that a script can be shortened without changing what fails.

import assert from 'node:assert/strict';
import { type CrashFailure, HangError } from '../../src/testing/index.js';
import type { StoreState } from './store-workload.js';

export const INVARIANTS = {
  1: 'a crash alone never makes a store refuse to open',
  2: 'the state is the one after k writes, with acknowledged ≤ k ≤ submitted',
  3: 'k never changes by reopening, and reopening alone writes nothing',
  4: 'what is acknowledged after a recovery survives the next crash',
  5: 'damage to a closed store gives the exact state or a typed error with its place',
  6: 'after a failed write every later write rejects, and reads go on; a write that throws has changed nothing',
  7: 'snapshots and iterators show one point in time, and nothing is left open',
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

/** What is known for certain at some moment. The LSN of a write is that of its end. */
export type ScriptFact =
  | { readonly type: 'opened' | 'acknowledged'; readonly lsn: number }
  | { readonly type: 'wrote'; readonly lsn: number; readonly state: StoreState }
  | {
      readonly type: 'backup began' | 'backed up';
      readonly directory: string;
      readonly lsn: number;
      readonly state: StoreState;
    };

/** Checks what an opening found against everything known before it. Returns the state that has that LSN. */
export function checkFound(
  lsn: number,
  state: StoreState,
  facts: readonly ScriptFact[],
  birthLsn: number,
): void {
  const possible = new Map<number, StoreState>([
    [0, []],
    [birthLsn, []],
  ]);
  let acknowledgedLsn = 0;
  let openings = 0;
  let acknowledgedSince = false;
  for (const fact of facts) {
    if (fact.type === 'wrote') possible.set(fact.lsn, fact.state);
    else if (fact.type === 'acknowledged') {
      acknowledgedLsn = Math.max(acknowledgedLsn, fact.lsn);
      acknowledgedSince = openings > 1;
    } else if (fact.type === 'opened') {
      openings += 1;
      acknowledgedSince = false;
      // What this opening found is durable from then on, and all else is gone for good.
      acknowledgedLsn = Math.max(acknowledgedLsn, fact.lsn);
      forgetAllBut(fact.lsn, birthLsn, possible);
    }
  }
  const broken: InvariantNumber = acknowledgedSince ? 4 : openings > 1 ? 3 : 2;
  hold(broken, lsn >= acknowledgedLsn, `LSN ${acknowledgedLsn} was promised; the store ends at ${lsn}`);
  const expected = possible.get(lsn);
  const known = [...possible.keys()].join(', ');
  hold(broken, expected !== undefined, `no write that may be there ended at LSN ${lsn}, but at ${known}`);
  holdEqual(2, state, expected, `the state at LSN ${lsn}`);
}

/** The birth record goes before the first write and may survive without it. */
function forgetAllBut(lsn: number, birthLsn: number, possible: Map<number, StoreState>): void {
  for (const known of [...possible.keys()]) {
    const isBirthToCome = lsn === 0 && known === birthLsn;
    if (known !== lsn && !isBirthToCome) possible.delete(known);
  }
}
