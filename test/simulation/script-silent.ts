// Scripts on a disk that lies: one write reports success and is lost, or lands in another place. Nobody can know of it
// while the store runs; when it has been closed well, opening finds the exact state, or says what is damaged and where.
//
// One write can do worse: the closing mark, misdirected over the newest commit. It is the only proof of that commit, and
// has destroyed it. Then the state before that commit is found, as after a torn write.

import { isKeelsonError } from '../../src/errors.js';
import { type CrashCounts, exploreCrashes } from '../../src/testing/index.js';
import { hold, holdEqual, InvariantFailure } from './invariants.js';
import type { FaultPlan, Script } from './script.js';
import { checkFound, type ScriptFact } from './script-facts.js';
import { ScriptLife } from './script-life.js';
import { scriptStateOf } from './script-model.js';
import { birthLsnOf, faultRule, openForScript, SCRIPT_DIRECTORY } from './script-opening.js';

/** Plays it once, without a crash: what is found counts as one state. */
export async function playSilentScript(script: Script): Promise<CrashCounts> {
  const counts = await exploreCrashes<ScriptFact>({
    seed: script.seed,
    disk: { directories: ['/data'] },
    statesMax: 0,
    workload: async (storage, record, disk) => {
      const fault = script.fault as FaultPlan;
      const rule = faultRule(fault);
      let seen = 0;
      disk.faults = (operation) => {
        if (operation.name === fault.operation) seen += 1;
        return rule(operation);
      };
      const life = new ScriptLife(disk, storage, script, [], record);
      await life.open(script.life);
      await life.play(script.steps);
      const expected = { lastLsn: life.store.lastLsn, state: scriptStateOf(life.store, script) };
      await life.close();
      disk.faults = undefined;
      try {
        const store = await openForScript(disk.life(), SCRIPT_DIRECTORY, script, script.life);
        const isMark = fault.operation === 'submit' && seen === fault.nth;
        if (isMark && fault.kind === 'misdirected' && store.lastLsn < expected.lastLsn) {
          const facts = life.facts.filter(({ type }) => type === 'wrote');
          checkFound(store.lastLsn, scriptStateOf(store, script), facts, birthLsnOf(script));
          return;
        }
        const told = `it ended at LSN ${expected.lastLsn}, and ends at ${store.lastLsn}`;
        hold(5, store.lastLsn === expected.lastLsn, told);
        holdEqual(5, scriptStateOf(store, script), expected.state, 'the state that was found');
      } catch (error) {
        if (error instanceof InvariantFailure) throw error;
        const isRefusal = isKeelsonError(error) && error.code !== 'KEELSON_INVARIANT';
        hold(5, isRefusal, `it was not refused, but threw ${error}`);
        const { path, segment } = error.facts;
        hold(5, path !== undefined || segment !== undefined, `the refusal names no place: ${error}`);
      }
    },
    check: () => {},
  });
  return { ...counts, states: 1 };
}
