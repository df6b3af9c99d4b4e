// Makes a failing script shorter while it fails in the same way: steps are left out, in halves, quarters and one by one;
// values become small; what is special about the disk and the options goes. Every try searches for a crash anew,
// because a shorter script has another history; their number is bounded.

import type { CrashFailure } from '../../src/testing/index.js';
import { brokenBy } from './invariants.js';
import type { BatchStep, Script, Step } from './script.js';

const TRIES_MAX = 250;

export interface ShrunkScript {
  readonly script: Script;
  readonly failure: CrashFailure;
}

export async function shrinkScript(
  script: Script,
  failure: CrashFailure,
  fails: (script: Script) => Promise<CrashFailure | null>,
): Promise<ShrunkScript> {
  const broken = brokenBy(failure);
  let best: ShrunkScript = { script, failure };
  let tries = 0;
  const attempt = async (shorter: Script): Promise<boolean> => {
    if (tries >= TRIES_MAX) return false;
    tries += 1;
    const found = await fails(shorter);
    if (found === null || brokenBy(found) !== broken) return false;
    best = { script: shorter, failure: found };
    return true;
  };
  await attempt({ ...best.script, after: [] });
  await leaveOut('steps', () => best.script, attempt);
  await leaveOut('after', () => best.script, attempt);
  for (const simpler of simplifications(best.script)) await attempt({ ...best.script, ...simpler });
  for (let at = 0; at < best.script.steps.length; at++) {
    const steps = best.script.steps.with(at, small(best.script.steps[at] as Step));
    if (JSON.stringify(steps) !== JSON.stringify(best.script.steps)) await attempt({ ...best.script, steps });
    await shortenStep(at, () => best.script, attempt);
  }
  return best;
}

/** Leaves out as many of the steps as it can, starting with halves. */
async function leaveOut(
  part: 'steps' | 'after',
  current: () => Script,
  attempt: (script: Script) => Promise<boolean>,
): Promise<void> {
  let size = Math.ceil(current()[part].length / 2);
  while (size >= 1) {
    for (let at = 0; at < current()[part].length; ) {
      const steps = current()[part];
      const isLeftOut = await attempt({ ...current(), [part]: steps.toSpliced(at, size) });
      if (!isLeftOut) at += size;
    }
    size = size === 1 ? 0 : Math.ceil(size / 2);
  }
}

/** Leaves out as many parts of one step as it can. */
async function shortenStep(
  at: number,
  current: () => Script,
  attempt: (script: Script) => Promise<boolean>,
): Promise<void> {
  for (let isShorter = true; isShorter; ) {
    isShorter = false;
    for (const step of withLess(current().steps[at]!)) {
      isShorter = await attempt({ ...current(), steps: current().steps.with(at, step) });
      if (isShorter) break;
    }
  }
}

function simplifications(script: Script): Partial<Script>[] {
  const simpler: Partial<Script>[] = [];
  if (script.capacityBytes !== null) simpler.push({ capacityBytes: null });
  if (script.fault !== null) simpler.push({ fault: null });
  if (script.recoveryFault !== null) simpler.push({ recoveryFault: null });
  if (script.isIndexed) simpler.push({ isIndexed: false });
  if (script.keyEncoding !== 'utf8') simpler.push({ keyEncoding: 'utf8' });
  if (script.isClosed) simpler.push({ isClosed: false });
  return simpler;
}

function small(step: Step): Step {
  if (step.do === 'put') return smallPut(step) as Step;
  if (step.do === 'batch') return { ...step, operations: step.operations.map(smallPut) };
  return step;
}

/** The step with one part or operation less, for each of them. */
function withLess(step: Step): Step[] {
  if (step.do === 'batch') return lessOf(step.operations).map((operations) => ({ ...step, operations }));
  if (step.do !== 'transaction') return [];
  return lessOf(step.parts).map((parts) => ({ ...step, parts }));
}

function lessOf<T>(items: readonly T[]): T[][] {
  return items.map((_, at) => items.toSpliced(at, 1));
}

function smallPut<S extends BatchStep>(step: S): S {
  return step.do === 'put' ? { ...step, value: { ...step.value, bytes: 8 } } : step;
}
