// The facts of a script: what is known for certain at some moment, and what an opening may find therefore.

import { isDeepStrictEqual } from 'node:util';
import { hold, holdEqual, type InvariantNumber } from './invariants.js';
import { contentsOf, EMPTY_STATE, type ScriptState, stateIn, withoutDue } from './script-model.js';

/**
 * What is known for certain at some moment. The LSN of a write is that of its end. Entries that were found due after it are a
 * fact of the same LSN: an image may know of them before a record does.
 */
export type ScriptFact =
  | { readonly type: 'opened' | 'acknowledged'; readonly lsn: number }
  | ({ readonly type: 'wrote'; readonly lsn: number } & Known)
  | {
      readonly type: 'backup began' | 'backed up';
      readonly directory: string;
      readonly lsn: number;
      readonly state: ScriptState;
    };

/** What is known of the store after a write. */
export interface Known {
  readonly state: ScriptState;
  /** The highest id that was drawn before the write, so that its record or an earlier one carries it. */
  readonly drawn: number;
}

const BORN: Known = { state: EMPTY_STATE, drawn: 0 };

/**
 * Checks what an opening found at the time `now` against everything known before it. Returns what is known of the state of that
 * LSN.
 */
export function checkFound(
  lsn: number,
  state: ScriptState,
  facts: readonly ScriptFact[],
  birthLsn: number,
  now = 0,
): Known {
  const possible = new Map<number, readonly Known[]>([
    [0, [BORN]],
    [birthLsn, [BORN]],
  ]);
  let acknowledgedLsn = 0;
  let openings = 0;
  let acknowledgedSince = false;
  for (const fact of facts) {
    if (fact.type === 'wrote') possible.set(fact.lsn, [...(possible.get(fact.lsn) ?? []), fact]);
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
  const alive = ({ state: all }: Known) => stateIn(withoutDue(contentsOf(all), now));
  const last = expected.at(-1)!;
  const found = expected.find((one) => isDeepStrictEqual(state, alive(one))) ?? last;
  holdEqual(2, state, alive(found), `the state at LSN ${lsn}`);
  return found;
}

/** The birth record goes before the first write and may survive without it. */
function forgetAllBut(lsn: number, birthLsn: number, possible: Map<number, readonly Known[]>): void {
  for (const known of [...possible.keys()]) {
    const isBirthToCome = lsn === 0 && known === birthLsn;
    if (known !== lsn && !isBirthToCome) possible.delete(known);
  }
}
