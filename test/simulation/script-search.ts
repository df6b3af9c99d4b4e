// The search of one script, with what makes its failures useful: a script that is as short as it can be made, and one
// command that plays it again.

import { type Crash, type CrashCounts, CrashFailure } from '../../src/testing/index.js';
import type { Script } from './script.js';
import { crashScript, type ScriptSearch } from './script-crashes.js';
import { shrinkScript } from './script-shrink.js';
import { playSilentScript } from './script-silent.js';

/** What `npm run simulate -- --replay` reads. */
export interface ScriptReplay {
  readonly script: Script;
  readonly crashes: readonly Crash[];
}

export class ScriptFailure extends Error {
  override readonly name = 'ScriptFailure';
  readonly seed: number;
  readonly replay: ScriptReplay;

  constructor(seed: number, replay: ScriptReplay, steps: number, cause: Error) {
    const { script } = replay;
    super(
      `${cause.message.split('\n', 1)[0]}\n${tellScript(script)}\n` +
        `From seed ${seed}, shortened from ${steps} steps to ${script.steps.length + script.after.length}. Play it again with\n` +
        `npm run simulate -- --replay '${JSON.stringify(replay)}'`,
      { cause },
    );
    this.seed = seed;
    this.replay = replay;
  }
}

/** Crashes a script as `search` says; rejects with a ScriptFailure at the first broken invariant. */
export async function searchScript(script: Script, search: ScriptSearch): Promise<CrashCounts> {
  try {
    return await playScript(script, search);
  } catch (error) {
    if (!(error instanceof CrashFailure)) throw error;
    const shrunk = await shrinkScript(script, error, (shorter) => failureOf(shorter, search));
    const replay = { script: shrunk.script, crashes: shrunk.failure.replay };
    throw new ScriptFailure(script.seed, replay, script.steps.length + script.after.length, shrunk.failure);
  }
}

/** Plays the one crash of a replay; rejects with what it finds. */
export function playReplay(
  { script, crashes }: ScriptReplay,
  search: Pick<ScriptSearch, 'through'> = {},
): Promise<CrashCounts> {
  return playScript(script, { ...search, statesMax: crashes.length, replay: crashes });
}

function playScript(script: Script, search: ScriptSearch): Promise<CrashCounts> {
  const { kind } = script.fault ?? {};
  const isSilent = kind === 'lost' || kind === 'misdirected';
  return isSilent ? playSilentScript(script) : crashScript(script, search);
}

async function failureOf(script: Script, search: ScriptSearch): Promise<CrashFailure | null> {
  try {
    await playScript(script, search);
    return null;
  } catch (error) {
    if (error instanceof CrashFailure) return error;
    throw error;
  }
}

function tellScript({ steps, after, isClosed, ...rest }: Script): string {
  const lines = steps.map((step) => `  ${JSON.stringify(step)}`);
  if (isClosed) lines.push('  close');
  if (after.length > 0)
    lines.push('after a crash, sometimes:', ...after.map((step) => `  ${JSON.stringify(step)}`));
  return [JSON.stringify(rest), ...lines].join('\n');
}
