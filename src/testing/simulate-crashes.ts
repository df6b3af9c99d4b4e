// simulateCrashes(): the search for crashes after which code on top of the store breaks its promises. The code gets
// the `open` of `keelson` on a simulated disk, whose power is cut and whose process is killed.

import { misuse } from '../errors.js';
import { checkNames } from '../options.js';
import {
  CRASH_KINDS,
  type Crash,
  type CrashCounts,
  CrashFailure,
  type CrashKind,
  exploreCrashes,
  STATES_MAX,
} from './crash-explorer.js';
import { type Open, openOn } from './in-memory.js';
import type { SimulatedDisk } from './simulated-disk.js';

/** Argument of the workload. */
export interface WorkloadRun<Note> {
  /** The `open` of `keelson` on the simulated disk. Takes any path. */
  readonly open: Open;
  /**
   * Notes a fact that holds from now on, for example "order 7 was confirmed". A crash is checked against the facts
   * noted before it. Note an intention before the call that carries it out, and a result after that call has
   * resolved.
   */
  readonly note: (fact: Note) => void;
  /** The simulated disk, for faults and limits. */
  readonly disk: SimulatedDisk;
}

/** Argument of the check, on the disk after a crash. */
export interface CheckRun<Note> {
  /** The `open` of `keelson` on the disk after the crash. Takes any path. */
  readonly open: Open;
  /** Facts noted before the crash, in order. */
  readonly notes: readonly Note[];
  /** The crash of the workload, followed by the crashes of earlier checks. */
  readonly crashes: readonly Crash[];
  /** The disk after the crash, for faults and limits. */
  readonly disk: SimulatedDisk;
}

/** Options of simulateCrashes(). `Note` is the type of a noted fact, for example a string or an object. */
export interface CrashSimulation<Note> {
  /** Code under test. Runs once, and need not close what it opens. An error that it throws is a failure. */
  readonly workload: (run: WorkloadRun<Note>) => Promise<unknown>;
  /**
   * Runs on the disk after every crash. Opens the store, and throws or rejects if a promise is broken. It may first
   * repair what your code repairs at its start. The check itself is crashed as well, and then runs again.
   */
  readonly check: (run: CheckRun<Note>) => Promise<unknown>;
  /** Seed of the search. Default: a new seed each time, which a failure prints. */
  readonly seed?: number;
  /** Limit of crashes. Default: 1000. */
  readonly states?: number;
  /** Kinds of crashes to try. Default: all. */
  readonly kinds?: readonly CrashKind[];
  /**
   * Levels of crashes in checks: 1 crashes checks, 2 also crashes the checks after those, 0 crashes none. Default: 1.
   */
  readonly nestedDepth?: number;
  /**
   * Turns of the event loop without a step of the disk after which your code counts as hung. Default: 10,000.
   * Infinity allows code that waits for timers, sockets or threads, but then no two runs are the same.
   */
  readonly idleTurnsMax?: number;
  /** Crashes that a failure printed. If given, only these run. Give the `seed` of the failure, too. */
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
 * Runs `workload` once on a simulated disk, crashes the disk at many boundaries of that run, and runs `check` on the
 * disk after each crash. A crash is a power cut or a process kill. A boundary is the submission or the
 * completion of an operation on the disk.
 *
 * Every run of the workload must do the same, or a replay does not reach its crash. If the workload needs random
 * numbers or a clock, give it seeded random numbers and a clock of its own.
 *
 * @param simulation The workload, the check and the options of the search; see CrashSimulation.
 * @returns The counts of the search, when every check has passed. Nothing is written to a real disk.
 * @throws Rejects with a CrashFailure at the first broken promise. Its message names the crash, the last facts noted before
 * it, and the options that replay it alone. Rejects with a TypeError for wrong options.
 * @example
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
  const { workload, check, seed, states, kinds = CRASH_KINDS } = simulation;
  if (typeof workload !== 'function') throw misuse('workload', 'a function', workload);
  if (typeof check !== 'function') throw misuse('check', 'a function', check);
  if (seed !== undefined && !Number.isSafeInteger(seed)) throw misuse('seed', 'a whole number', seed);
  const isCount = states === undefined || (Number.isSafeInteger(states) && states > 0);
  if (!isCount) throw misuse('states', 'a whole number above 0', states);
  // A search without a kind that it knows would pass without a crash.
  if (!Array.isArray(kinds) || kinds.length === 0) throw misuse('kinds', 'an array of kinds', kinds);
  const wrong = kinds.find((kind) => !CRASH_KINDS.includes(kind));
  if (wrong !== undefined) throw misuse('kinds', `any of '${CRASH_KINDS.join("', '")}'`, wrong);
}

function withNotes(failure: CrashFailure): CrashFailure {
  const { seed, replay, facts, cause } = failure;
  const told = facts.slice(-NOTES_TOLD_MAX).map((note) => JSON.stringify(note) ?? String(note));
  if (facts.length > told.length) told.unshift(`… ${facts.length - told.length} more`);
  const notes = told.length === 0 ? 'Nothing was noted before it.' : `Noted before it: ${told.join(', ')}`;
  return new CrashFailure(`${failure.message}\n${notes}`, { seed, replay, facts, cause });
}
