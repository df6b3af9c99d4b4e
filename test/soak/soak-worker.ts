// One process of the soak: one script after the other, every one told before and after, and now and then a handful of
// damage to stores at rest, or real processes that are killed on real files.

import fs from 'node:fs';
import path from 'node:path';
import { Random } from '../../src/testing/random.js';
import { makeTargets, sampledNumbers, sweep } from '../damage/sweep.js';
import { builtEngines, KilledStore, LIVES_PER_DIRECTORY } from '../processes/kill-rounds.js';
import type { ScriptSearch } from '../simulation/script-crashes.js';
import { generateScript } from '../simulation/script-generator.js';
import { ScriptFailure, type ScriptReplay, searchScript } from '../simulation/script-search.js';

/** What the parent hears. */
export type SoakMessage =
  | { readonly type: 'begins'; readonly seed: number }
  | ({ readonly type: 'done' } & SoakCounts)
  | {
      readonly type: 'failed';
      readonly seed: number;
      readonly told: string;
      readonly replay: ScriptReplay | null;
    };

export interface SoakCounts {
  readonly states: number;
  readonly nestedStates: number;
  readonly powerCuts: number;
  /** Cases of damage. */
  readonly damages: number;
  /** Real processes that were killed. */
  readonly kills: number;
}

/** What the parent says: play this one. */
export interface SoakOrder {
  readonly seed: number;
  /** For real files, if this seed makes any. Nobody else's; what is left in it when nothing has failed is in the way. */
  readonly directory: string;
}

const WIDE: ScriptSearch = { statesMax: 250 };
/** Fewer moments, and every subset of what is pending at them, or as many as there is room for. */
const DEEP: ScriptSearch = { statesMax: 6000, statesPerBoundary: 100, nestedDepth: 0 };
const SCRIPTS_PER_DEEP = 200;
const SCRIPTS_PER_SILENT = 10;
/** Every so many seeds are cases of damage instead: about a tenth of the time. */
const SCRIPTS_PER_DAMAGE = 10;
const DAMAGES = 400;
const DAMAGES_PER_THOROUGH = 20;
/** And every so many are kills of real processes: another tenth. */
const SCRIPTS_PER_KILLS = 150;

const NOTHING: SoakCounts = { states: 0, nestedStates: 0, powerCuts: 0, damages: 0, kills: 0 };

function tell(message: SoakMessage): void {
  process.send?.(message);
}

let targets: Awaited<ReturnType<typeof makeTargets>> | null = null;

/** What is damaged is of the seed, too: its failure names a case that `npm run damage` takes alone. */
async function damage(seed: number): Promise<SoakCounts> {
  targets ??= await makeTargets();
  const random = new Random(seed);
  const target = targets[random.below(targets.length)]!;
  const tally = await sweep(target, sampledNumbers(target, DAMAGES, random), DAMAGES_PER_THOROUGH);
  if (tally.failed > 0) throw new Error(tally.failures.join('\n'));
  return { ...NOTHING, damages: tally.total };
}

/** A directory of lives on each engine. */
async function kill({ seed, directory }: SoakOrder): Promise<SoakCounts> {
  const random = new Random(seed);
  let kills = 0;
  for (const engine of builtEngines()) {
    const base = path.join(directory, engine);
    fs.mkdirSync(base, { recursive: true });
    const store = new KilledStore(base, engine, (below) => random.below(below));
    await store.play(LIVES_PER_DIRECTORY);
    kills += (store.seen.get('lives killed') ?? 0) + (store.seen.get('judges killed') ?? 0);
  }
  fs.rmdirSync(directory);
  return { ...NOTHING, kills };
}

async function play(order: SoakOrder): Promise<SoakCounts> {
  const { seed } = order;
  if (seed % SCRIPTS_PER_DAMAGE === 2) return damage(seed);
  if (seed % SCRIPTS_PER_KILLS === 3) return kill(order);
  const trouble = seed % SCRIPTS_PER_SILENT === 1 ? 'silent' : null;
  const script = generateScript(seed, { trouble });
  const counts = await searchScript(script, seed % SCRIPTS_PER_DEEP === 0 ? DEEP : WIDE);
  const { states, nestedStates, powerCuts } = counts;
  return { ...NOTHING, states, nestedStates, powerCuts };
}

let playing = 0;

function failed(error: unknown): void {
  const replay = error instanceof ScriptFailure ? error.replay : null;
  const told =
    error instanceof Error
      ? `${error.message}\n${(error.cause as Error)?.stack ?? error.stack}`
      : String(error);
  tell({ type: 'failed', seed: playing, told, replay });
}

process.on('message', (order: SoakOrder) => {
  playing = order.seed;
  tell({ type: 'begins', seed: playing });
  play(order).then((counts) => tell({ type: 'done', ...counts }), failed);
});
// A promise of the store that rejects and that nobody holds.
process.on('unhandledRejection', failed);
process.on('disconnect', () => process.exit());
