// How the lives of a script open their store, and the faults that a script plans.

import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Storage } from '../../src/storage/index.js';
import type { FaultRule } from '../../src/testing/index.js';
import type { FaultPlan, LifeOptions, Script } from './script.js';
import { CLOCK_START_MS } from './script-deadlines.js';
import type { ScriptStore } from './script-model.js';

/** Two levels that the store must make, and make durable. */
export const SCRIPT_DIRECTORY = '/data/deep/store';

/** The birth record without the names of the encodings: a frame, two bytes and two lengths. */
const BIRTH_BYTES = 16;

export function birthLsnOf(script: Script): number {
  return BIRTH_BYTES + script.keyEncoding.length + script.valueEncoding.length;
}

export function openForScript(
  storage: Storage,
  directory: string,
  script: Script,
  life: LifeOptions,
  options: object = {},
): Promise<ScriptStore> {
  const { keyEncoding, valueEncoding } = script;
  const clock = () => CLOCK_START_MS;
  const resolved = resolveStoreOptions({ ...life.store, keyEncoding, valueEncoding, clock, ...options });
  return openStoreOn(storage, directory, resolved, life.journal);
}

/** The rule that has this fault, in the files of stores only: a lock that is lost in silence is another story. */
export function faultRule(plan: FaultPlan): FaultRule {
  const isSilent = plan.errno === '';
  let seen = 0;
  return ({ name, path }) => {
    if (name !== plan.operation || (isSilent && path.includes('LOCK'))) return undefined;
    seen += 1;
    if (seen < plan.nth || seen >= plan.nth + plan.count) return undefined;
    if (plan.kind === 'lost' || plan.kind === 'misdirected') return { kind: plan.kind };
    return { errno: plan.errno, ...(plan.kind === undefined ? {} : { kind: plan.kind }) };
  };
}

/**
 * A flush of a directory failed during an opening, and has lost names that everybody goes on seeing. The next opening
 * finds them, flushes the directory with success, and cannot know. File systems with a journal stop at such a failure;
 * on others nothing can be promised until the machine has booted anew.
 */
export class UnknowableNames extends Error {}
