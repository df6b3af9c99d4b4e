// simulateCrashes(): the search for crashes, for people who build on the store. Their code gets the store's own open(),
// on a disk whose power is cut and whose process is killed at every boundary.

import { misuse } from '../errors.js';
import { checkNames } from '../options.js';
import {
  type Crash,
  type CrashCounts,
  CrashFailure,
  type CrashKind,
  exploreCrashes,
  STATES_MAX,
} from './crash-explorer.js';
import { type Open, openOn } from './in-memory.js';
import type { SimulatedDisk } from './simulated-disk.js';

/** What the workload works with. */
export interface WorkloadRun<Note> {
  /** The `open` of `keelson`, on the simulated disk. Any path will do. */
  readonly open: Open;
  /**
   * Notes what is known for certain from this moment on: “order 7 was confirmed”. Each crash is checked against what was
   * noted before it. Note what you are about to do before you do it, and what was promised after it was.
   */
  readonly note: (fact: Note) => void;
  /** For faults and limits. */
  readonly disk: SimulatedDisk;
}

/** What the check works with: the disk that was found after a crash. */
export interface CheckRun<Note> {
  readonly open: Open;
  /** What was noted before the crash, in order. */
  readonly notes: readonly Note[];
  /** The crash, and those of the checks before this one that were crashed in turn. */
  readonly crashes: readonly Crash[];
  readonly disk: SimulatedDisk;
}

/** `Note` is whatever the workload notes: a string, a number, an object of yours. */
export interface CrashSimulation<Note> {
  /** Your code, at work. Runs once. It need not close what it opens. What it throws is a failure. */
  readonly workload: (run: WorkloadRun<Note>) => Promise<unknown>;
  /**
   * Runs on every disk that is found after a crash: opens the store, and throws when what it finds breaks a promise. It
   * may repair first what your code repairs when it starts: the check itself is crashed, too, and then run again.
   */
  readonly check: (run: CheckRun<Note>) => Promise<unknown>;
  /** One seed, one search. A new one each time when absent; a failure names it. */
  readonly seed?: number;
  /** So many crashes are tried, at most; 1000 when absent. */
  readonly states?: number;
  /** Of which kinds; all when absent. */
  readonly kinds?: readonly CrashKind[];
  /** How often a check is crashed and run again in a row; 1 when absent, 0 for never. */
  readonly nestedDepth?: number;
  /**
   * Turns of the event loop without a step of the disk after which your code hangs; 10,000 when absent. Infinity for
   * code that waits for timers, sockets or threads; better to leave those out, they make no two runs the same.
   */
  readonly idleTurnsMax?: number;
  /** What a failure printed: only this crash is run, with its seed. */
  readonly replay?: readonly Crash[];
}

const SIMULATION_NAMES: readonly (keyof CrashSimulation<unknown>)[] = [
  'workload',
  'check',
  'seed',
  'states',
  'kinds',
  'nestedDepth',
  'idleTurnsMax',
  'replay',
];

const SEEDS = 2 ** 32;
const NOTES_TOLD_MAX = 8;

/**
 * Runs `workload` on a simulated disk, kills its process and cuts its power at every boundary of what it does there, in
 * many ways, and runs `check` on each disk that is found. Rejects with a CrashFailure at the first broken promise: it
 * says where the crash was, what was noted before it, and how to replay it alone. Rejects with a TypeError for misuse.
 *
 * ```ts
 * await simulateCrashes<string>({
 *   workload: async ({ open, note }) => {
 *     const orders = new Orders(await open('/orders'));
 *     for (const id of ['a', 'b', 'c']) {
 *       await orders.place(id);
 *       note(id);
 *     }
 *   },
 *   check: async ({ open, notes }) => {
 *     const orders = new Orders(await open('/orders'));
 *     for (const id of notes) assert(orders.has(id));
 *   },
 * });
 * ```
 *
 * Two runs of the workload must do the same: give it seeded chance and a clock of its own if it needs them.
 */
export async function simulateCrashes<Note = unknown>(
  simulation: CrashSimulation<Note>,
): Promise<CrashCounts> {
  assertSimulation(simulation);
  const { workload, check, states, seed, ...rest } = simulation;
  try {
    return await exploreCrashes<Note, void>({
      ...rest,
      seed: seed ?? Math.floor(Math.random() * SEEDS),
      statesMax: states ?? STATES_MAX,
      workload: (storage, note, disk) => workload({ open: openOn(storage), note, disk }),
      recover: async (storage, _record, { crashes, disk, facts: notes }) => {
        await check({ open: openOn(storage), notes, crashes, disk });
      },
      verify: () => {},
    });
  } catch (error) {
    throw error instanceof CrashFailure ? withNotes(error) : error;
  }
}

function assertSimulation<Note>(simulation: CrashSimulation<Note>): void {
  checkNames('simulateCrashes', simulation, SIMULATION_NAMES);
  const { workload, check, seed, states } = simulation;
  if (typeof workload !== 'function') throw misuse('workload', 'a function', workload);
  if (typeof check !== 'function') throw misuse('check', 'a function', check);
  if (seed !== undefined && !Number.isSafeInteger(seed)) throw misuse('seed', 'a whole number', seed);
  const isCount = states === undefined || (Number.isSafeInteger(states) && states > 0);
  if (!isCount) throw misuse('states', 'a whole number above 0', states);
}

function withNotes(failure: CrashFailure): CrashFailure {
  const { seed, replay, facts, cause } = failure;
  const told = facts.slice(-NOTES_TOLD_MAX).map((note) => JSON.stringify(note) ?? String(note));
  if (facts.length > told.length) told.unshift(`… ${facts.length - told.length} more`);
  const notes = told.length === 0 ? 'Nothing was noted before it.' : `Noted before it: ${told.join(', ')}`;
  return new CrashFailure(`${failure.message}\n${notes}`, { seed, replay, facts, cause });
}
