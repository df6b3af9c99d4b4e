// Scripts of stores, killed and cut at their boundaries: the seven invariants on every disk that is found. New seeds
// every run; a failure prints its seed, its crashes, and a script that was made as short as it could be.

import { describe, expect, it } from 'vitest';
import { mixSeeds } from '../../src/testing/random.js';
import { tries } from '../counts.js';
import { generateScript, type ScriptKind } from './script-generator.js';
import { searchScript } from './script-search.js';

/** Many scripts, each crashed a little: a fault or an order of steps that matters is in few of them. */
const STATES_PER_SCRIPT = 160;
/** KEELSON_SEED runs the same scripts again. */
const FIRST_SEED = Number(process.env['KEELSON_SEED'] ?? mixSeeds(Date.now(), process.pid));
const NEW_SCRIPTS = tries(8, 24);
const KINDS: readonly ScriptKind['trouble'][] = ['none', 'fault', 'full'];

/** The same in every run: when one of them fails, the code has changed, and not the luck. */
const CORPUS: readonly (readonly [seed: number, trouble: ScriptKind['trouble']])[] = Array.from(
  { length: tries(12, 36) },
  (_, at) => [at + 1, KINDS[at % KINDS.length]!] as const,
);

/** A script takes a second. One that fails is played again and again, to make it shorter. */
const TIMEOUT = { timeout: 600_000 };
const STATES_MIN = tries(3_000, 9_000);
let statesTried = 0;

async function run(seed: number, trouble: ScriptKind['trouble']): Promise<void> {
  const counts = await searchScript(generateScript(seed, { trouble }), { statesMax: STATES_PER_SCRIPT });
  expect(counts.states).toBeGreaterThan(0);
  statesTried += counts.states;
}

describe('a crash at any boundary of a script', () => {
  it.each(CORPUS)('breaks no invariant (seed %i, trouble: %s)', TIMEOUT, run);

  const fresh = Array.from({ length: NEW_SCRIPTS }, (_, at) => [FIRST_SEED + at, null] as const);
  it.each(fresh)('breaks no invariant (new seed %i)', TIMEOUT, run);

  it(`is tried in ${STATES_MIN} states at least`, () =>
    expect(statesTried).toBeGreaterThanOrEqual(STATES_MIN));
});
