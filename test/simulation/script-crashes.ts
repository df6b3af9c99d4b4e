// Plays a script and crashes it everywhere: the seven invariants, on every disk that is found.

import { isKeelsonError, type KeelsonError } from '../../src/errors.js';
import type { Storage } from '../../src/storage/index.js';
import {
  type Boundary,
  type Crash,
  type CrashContext,
  type CrashCounts,
  exploreCrashes,
  type SimulatedDisk,
} from '../../src/testing/index.js';
import { mixSeeds, Random } from '../../src/testing/random.js';
import { hold, holdEqual, InvariantFailure } from './invariants.js';
import type { Script } from './script.js';
import type { ScriptFact } from './script-facts.js';
import { ScriptLife } from './script-life.js';
import { type ScriptState, scriptStateOf } from './script-model.js';
import { faultRule, openForScript, SCRIPT_DIRECTORY, UnknowableNames } from './script-opening.js';

export interface ScriptSearch {
  readonly statesMax: number;
  readonly statesPerBoundary?: number;
  readonly nestedDepth?: number;
  readonly replay?: readonly Crash[];
  /** What the store sees the disk through: to show that faults of it are seen. */
  readonly through?: (storage: Storage) => Storage;
}

/** Crashes a script; rejects with a CrashFailure whose cause is an InvariantFailure or a HangError. */
export function crashScript(script: Script, { through, ...search }: ScriptSearch): Promise<CrashCounts> {
  return exploreCrashes<ScriptFact, ScriptLife | null>({
    seed: script.seed,
    disk: {
      directories: ['/data'],
      ...(script.capacityBytes === null ? {} : { capacityBytes: script.capacityBytes }),
    },
    nestedDepth: 2,
    nestedStates: 1,
    ...(losesNames(script) ? { kinds: ['power-cut', 'power-cut-strict'] as const } : {}),
    ...search,
    workload: async (storage, record, disk) => {
      if (script.fault !== null) disk.faults = faultRule(script.fault);
      const life = new ScriptLife(disk, storage, script, [], record, through);
      await untilUnknowable(async () => {
        await life.open(script.life);
        await life.play(script.steps);
        if (script.isClosed) await life.close();
      });
    },
    recover: async (storage, record, context) => {
      const { disk, facts } = context;
      const chance = chanceOf(script, context);
      const life = new ScriptLife(disk, storage, script, facts, record, through);
      if (chance.chance(LOOK_CHANCE)) await life.look(script.life);
      if (script.recoveryFault !== null && chance.chance(0.25)) disk.faults = faultRule(script.recoveryFault);
      const isKnown = await untilUnknowable(() => life.open(script.life));
      disk.faults = undefined;
      if (!isKnown) return null;
      // What is reported after a recovery must last, also where nothing is written that would make it durable by the way.
      if (chance.chance(0.4)) await life.play(script.after);
      return life;
    },
    verify: async (life, _facts, context) => {
      if (life !== null) await checkLife(script, life, context);
    },
  });
}

/**
 * Where a flush of a directory fails and drops names, everybody sees them until the machine boots anew: a life that follows
 * a killed one cannot know. See UnknowableNames, which is the same within a life.
 */
function losesNames({ fault, recoveryFault }: Script): boolean {
  return [fault, recoveryFault].some(
    (plan) => plan?.operation === 'flushDirectory' && plan.kind === 'dropped',
  );
}

/** False when nothing can be promised any more. */
export async function untilUnknowable(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof UnknowableNames) return false;
    throw error;
  }
}

function chanceOf(script: Script, { crashes }: CrashContext<ScriptFact>, about = 0): Random {
  const last = crashes.at(-1);
  const crashSeed = last?.kind === 'power-cut' ? last.choice.seed : (last?.seed ?? 0);
  return new Random(mixSeeds(script.seed, crashes.length, crashSeed, about));
}

/** What must hold after a recovery: it ends well, another open changes nothing, and backups are whole or refused. */
async function checkLife(script: Script, life: ScriptLife, context: CrashContext<ScriptFact>): Promise<void> {
  const { disk } = context;
  const { store } = life;
  life.compareAll();
  const state = scriptStateOf(store, script);
  const { lastLsn } = store;
  if (store.poisoned === null) life.draw();
  await life.close();
  await checkBackups(script, life);
  if (chanceOf(script, context, 1).chance(REOPEN_CHANCE))
    await checkReopening(script, life, context.disk, state, lastLsn);
  holdEqual(7, disk.openFiles(), [], 'files that were left open');
}

/** How often the store that crashed is read before anybody repairs it. */
const LOOK_CHANCE = 0.1;
/** Opening takes as long as all else together, so that not every state is opened once more. */
const REOPEN_CHANCE = 0.35;

async function checkReopening(
  script: Script,
  { storage, clock }: ScriptLife,
  disk: SimulatedDisk,
  state: ScriptState,
  lastLsn: number,
): Promise<void> {
  // Not even a lock fits on a full disk.
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  const writes = watchWrites(disk);
  const again = await openForScript(storage, SCRIPT_DIRECTORY, script, script.life, { clock }).catch(
    (error) => {
      throw new InvariantFailure(1, `after a close: ${error}`, error);
    },
  );
  hold(
    3,
    again.lastLsn === lastLsn,
    `it ended at LSN ${lastLsn}, and ends at ${again.lastLsn} when opened again`,
  );
  holdEqual(3, scriptStateOf(again, script), state, 'the state after another open');
  hold(3, again.recovery.kind !== 'repaired', 'a store that was closed well was repaired');
  await again.close();
  disk.onBoundary = undefined;
  holdEqual(3, writes, [], 'what an open and a close without a write changed');
}

const WRITING: ReadonlySet<Boundary['operation']> = new Set([
  'makeDirectory',
  'rename',
  'link',
  'remove',
  'createFile',
  'createLogFile',
  'openLogFile',
  'write',
  'zeroFill',
  'flush',
  'submit',
]);

/** Everything that changes the disk from now on, but for the lock. */
function watchWrites(disk: SimulatedDisk): string[] {
  const seen: string[] = [];
  disk.onBoundary = ({ phase, operation, path }) => {
    if (phase === 'submit' && WRITING.has(operation) && !/\/(LOCK|LIVE)\./.test(path))
      seen.push(`${operation} ${path}`);
  };
  return seen;
}

/**
 * A backup is whole when that was said; before, it is whole, refused or not there. One that is whole holds nothing that
 * its source has lost: whoever opens the two sees one history.
 */
async function checkBackups(script: Script, { storage, facts }: ScriptLife): Promise<void> {
  const done = new Set(facts.flatMap((fact) => (fact.type === 'backed up' ? [fact.directory] : [])));
  for (const [at, fact] of facts.entries()) {
    if (fact.type !== 'backup began') continue;
    const { directory } = fact;
    const backup = await openBackup(storage, script, directory);
    if (isKeelsonError(backup)) {
      hold(4, !done.has(directory), `the backup in ${directory}: ${backup}`);
      continue;
    }
    hold(4, backup.lastLsn === fact.lsn, `the backup of LSN ${fact.lsn} ends at ${backup.lastLsn}`);
    holdEqual(4, scriptStateOf(backup, script), fact.state, `the backup in ${directory}`);
    await backup.close();
    const found = facts.slice(at).find(({ type }) => type === 'opened');
    const isBehind = found !== undefined && found.lsn < fact.lsn;
    hold(
      2,
      !isBehind,
      `the backup of LSN ${fact.lsn} holds what its source has lost, which ends at ${found?.lsn}`,
    );
  }
}

/** What refuses it, when that is what refuses a backup which is not finished. */
async function openBackup(
  storage: Storage,
  script: Script,
  directory: string,
): Promise<Awaited<ReturnType<typeof openForScript>> | KeelsonError> {
  try {
    return await openForScript(storage, directory, script, script.life, { create: false, readOnly: true });
  } catch (error) {
    const isRefused =
      isKeelsonError(error, 'KEELSON_INCOMPLETE') || isKeelsonError(error, 'KEELSON_NOT_FOUND');
    if (isRefused) return error;
    throw new InvariantFailure(4, `the backup in ${directory}: ${error}`, error);
  }
}
