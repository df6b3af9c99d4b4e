// Crash exploration. Runs a workload once on a simulated disk and captures the disk at boundaries. Crashes every
// captured state in many ways, lets the code under test recover, and checks what it recovers. Crashes the recoveries
// as well. A failure contains the few numbers that replay its crash.

import { checkNames } from '../options.js';
import type { Storage } from '../storage/storage.js';
import { type Captured, CrashSampler } from './crash-sampler.js';
import { IDLE_TURNS_MAX, settledOrHung } from './hang.js';
import type { PowerCutChoice } from './power-cut.js';
import { mixSeeds, Random } from './random.js';
import { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js';

/**
 * Kind of a crash. `power-cut`: any part of the data that is not durable survives, and in each directory the first
 * few of the pending changes of names. `power-cut-strict`: any subset of the changes of names survives.
 * `process-kill`: the process dies and the disk keeps running.
 */
export type CrashKind = 'power-cut' | 'power-cut-strict' | 'process-kill';

/**
 * One crash: the index of the `boundary` at which it happens, its `kind`, and what it leaves on the disk, which `choice` or
 * `seed` decides. Plain data that can be printed and replayed.
 */
export type Crash =
  | { readonly boundary: number; readonly kind: 'power-cut'; readonly choice: PowerCutChoice }
  | { readonly boundary: number; readonly kind: 'process-kill'; readonly seed: number };

/** The crash that a recovery or a check runs after. */
export interface CrashContext<Fact = unknown> {
  /** The crash of the workload, followed by the crashes of recoveries. */
  readonly crashes: readonly Crash[];
  /** Disk after the crash, for further lives and for faults. */
  readonly disk: SimulatedDisk;
  /** Facts recorded before the last crash. */
  readonly facts: readonly Fact[];
}

/**
 * Options of exploreCrashes() with a separate recovery. `Fact` is what the workload records and the check relies on,
 * for example "submitted 7" or "acknowledged 7". `Recovered` is what `recover` passes to `verify`, for example an
 * open store.
 */
export interface CrashExploration<Fact, Recovered> {
  /** Seed of the exploration. The same seed and workload give the same crashes. */
  readonly seed: number;
  /** Options of the simulated disk. Default: an empty disk without faults or limits. */
  readonly disk?: Omit<SimulatedDiskOptions, 'seed'>;
  /**
   * Code under test. Runs once. `record` adds a fact, and the check after every later crash gets it. The workload
   * need not close anything, because a store left open is also a state to crash in.
   */
  readonly workload: (
    storage: Storage,
    record: (fact: Fact) => void,
    disk: SimulatedDisk,
  ) => Promise<unknown>;
  /** Runs on the disk after every crash, and is crashed itself. Facts that it records hold for later crashes. */
  readonly recover: (
    storage: Storage,
    record: (fact: Fact) => void,
    context: CrashContext<Fact>,
  ) => Promise<Recovered>;
  /** Throws or rejects if a promise is broken. Is never crashed. */
  readonly verify: (
    recovered: Recovered,
    facts: readonly Fact[],
    context: CrashContext<Fact>,
  ) => Promise<void> | void;
  /** Limit of all crashes, those of recoveries included. Default: 1000. */
  readonly statesMax?: number;
  /** Kinds of crashes to try. Default: all. */
  readonly kinds?: readonly CrashKind[];
  /**
   * Levels of crashes in recoveries: 0 crashes no recovery, 1 crashes recoveries, 2 also crashes the recoveries after
   * those. Default: 1.
   */
  readonly nestedDepth?: number;
  /** Crashes to try in each recovery. Default: 2. */
  readonly nestedStates?: number;
  /** Crashes per captured boundary, on average. A larger number crashes fewer boundaries more often. Default: 8. */
  readonly statesPerBoundary?: number;
  /** Turns of the event loop without a step of the disk after which unsettled work counts as hung. Default: 10,000. */
  readonly idleTurnsMax?: number;
  /** Crashes that a failure printed. If given, only these run. Give the `seed` of the failure, too. */
  readonly replay?: readonly Crash[];
}

/** Options of exploreCrashes() for code that recovers and checks in one function. That function is not crashed. */
export type CrashCheck<Fact> = Omit<CrashExploration<Fact, Storage>, 'recover' | 'verify'> & {
  /** Opens the disk after a crash. Throws or rejects if a promise is broken. */
  readonly check: (
    storage: Storage,
    facts: readonly Fact[],
    context: CrashContext<Fact>,
  ) => Promise<void> | void;
};

const COMMON_NAMES = [
  'seed',
  'disk',
  'workload',
  'statesMax',
  'kinds',
  'nestedDepth',
  'nestedStates',
  'statesPerBoundary',
  'idleTurnsMax',
  'replay',
] as const;
const CHECK_NAMES: readonly (keyof CrashCheck<unknown>)[] = [...COMMON_NAMES, 'check'];
const EXPLORATION_NAMES: readonly (keyof CrashExploration<unknown, unknown>)[] = [
  ...COMMON_NAMES,
  'recover',
  'verify',
];

/** Result of an exploration that found no failure. */
export interface CrashCounts {
  /** Crashes that were tried. */
  states: number;
  /** Crashes of a recovery; part of `states`. */
  nestedStates: number;
  /** Boundaries of the workload. */
  boundaries: number;
  /** Boundaries of the workload at which the disk was captured to be crashed, its end included. */
  boundariesCrashed: number;
  /** Power cuts; part of `states`. */
  powerCuts: number;
  /** Process kills; part of `states`. */
  processKills: number;
}

/**
 * Error for a promise that was broken after a crash. `cause` is the error of the check. Passing `seed` and `replay`
 * back as options runs this crash alone.
 */
export class CrashFailure extends Error {
  /** Always 'CrashFailure'. */
  override readonly name = 'CrashFailure';
  /** Seed of the exploration. */
  readonly seed: number;
  /** Crashes that led to the failure. Empty if the workload failed before any crash. */
  readonly replay: readonly Crash[];
  /** Facts recorded before the failure. */
  readonly facts: readonly unknown[];

  /** @internal */
  constructor(told: string, { seed, replay, facts, cause }: FailureParts) {
    super(told, { cause });
    this.seed = seed;
    this.replay = replay;
    this.facts = facts;
  }
}

interface FailureParts {
  readonly seed: number;
  readonly replay: readonly Crash[];
  readonly facts: readonly unknown[];
  readonly cause: unknown;
}

/** Builds the error. `events` describes the boundary of each crash in `replay`. */
function failureOf(events: readonly string[], parts: FailureParts): CrashFailure {
  const { seed, replay, cause } = parts;
  const told = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const crashes = replay.map((crash, at) => describeCrash(crash, events[at] as string));
  const when =
    replay.length === 0 ? 'Before any crash' : `After a crash at ${crashes.join(', then in recovery at ')}`;
  const how = `Replay it alone with { seed: ${seed}, replay: ${JSON.stringify(replay)} }`;
  return new CrashFailure(`${when}: ${told}\n${how}`, parts);
}

export const STATES_MAX = 1000;
/** Average crashes per boundary. Few crashes at many boundaries find more than many crashes at few boundaries. */
const STATES_PER_BOUNDARY = 8;
export const CRASH_KINDS: readonly CrashKind[] = ['power-cut', 'power-cut-strict', 'process-kill'];

/**
 * Runs a workload once on a simulated disk, crashes it in many ways, and checks what the code under test recovers.
 * simulateCrashes() does this for code that opens a store. This function gives the code a storage, and may have a
 * recovery of its own.
 *
 * @param options A workload and a check, or a recovery and a check of its result; see CrashExploration and CrashCheck.
 * @returns The counts of the crashes, when every check has passed. Nothing is written to a real disk.
 * @throws Rejects with a CrashFailure at the first broken promise, and with a TypeError for an unknown option.
 *
 * @example
 * await exploreCrashes<{ submitted?: string; acknowledged?: string }, OwnStore>({
 *   seed: 1,
 *   workload: async (storage, record) => {
 *     const store = await openOwnStore(storage);
 *     for (const key of ['a', 'b', 'c']) {
 *       record({ submitted: key });
 *       await store.put(key, '1');
 *       record({ acknowledged: key });
 *     }
 *   },
 *   recover: (storage) => openOwnStore(storage),
 *   verify: (store, facts) => {
 *     for (const { acknowledged } of facts) if (acknowledged) assert(store.has(acknowledged));
 *   },
 * });
 */
export async function exploreCrashes<Fact, Recovered = Storage>(
  options: CrashExploration<Fact, Recovered> | CrashCheck<Fact>,
): Promise<CrashCounts> {
  checkNames('exploreCrashes', options, 'check' in options ? CHECK_NAMES : EXPLORATION_NAMES);
  const explorer =
    'check' in options ? new Explorer<Fact, Storage>(fromCheck(options)) : new Explorer(options);
  return explorer.run();
}

function fromCheck<Fact>(options: CrashCheck<Fact>): CrashExploration<Fact, Storage> {
  const { check, ...rest } = options;
  return { ...rest, nestedDepth: 0, recover: async (storage) => storage, verify: check };
}

/** Crashes so far, and a description of the boundary of each. */
interface Path {
  readonly crashes: readonly Crash[];
  readonly events: readonly string[];
}

const NO_CRASH: Path = { crashes: [], events: [] };

class Explorer<Fact, Recovered> {
  readonly #counts: CrashCounts = {
    states: 0,
    nestedStates: 0,
    boundaries: 0,
    boundariesCrashed: 0,
    powerCuts: 0,
    processKills: 0,
  };
  readonly #options: CrashExploration<Fact, Recovered>;
  readonly #random: Random;
  readonly #statesMax: number;
  readonly #nestedDepth: number;
  readonly #nestedStates: number;
  readonly #idleTurnsMax: number;

  constructor(options: CrashExploration<Fact, Recovered>) {
    this.#options = options;
    this.#random = new Random(mixSeeds(options.seed, 0xe8));
    this.#statesMax = options.statesMax ?? STATES_MAX;
    this.#nestedDepth = options.replay ? options.replay.length - 1 : (options.nestedDepth ?? 1);
    this.#nestedStates = options.nestedStates ?? 2;
    this.#idleTurnsMax = options.idleTurnsMax ?? IDLE_TURNS_MAX;
  }

  async run(): Promise<CrashCounts> {
    const captured = await this.#runWorkload();
    if (this.#options.replay) {
      await this.#replayFrom(captured, this.#options.replay, 0, NO_CRASH);
      return this.#counts;
    }
    // Reserves a share of the budget for recoveries. What they leave unused goes to the boundaries that follow.
    const nestedShare = this.#nestedDepth > 0 ? this.#nestedStates : 0;
    for (const [at, moment] of captured.entries()) {
      const left = (this.#statesMax - this.#counts.states) / (captured.length - at);
      const budget = Math.max(1, Math.floor(left / (1 + nestedShare)));
      for (const crash of this.#crashesOf(moment, budget)) {
        if (this.#counts.states >= this.#statesMax) return this.#counts;
        await this.#crash(moment, crash, NO_CRASH, this.#nestedDepth);
      }
    }
    return this.#counts;
  }

  async #runWorkload(): Promise<readonly Captured<Fact>[]> {
    const { seed, replay } = this.#options;
    const disk = new SimulatedDisk({ ...this.#options.disk, seed });
    const perBoundary = this.#options.statesPerBoundary ?? STATES_PER_BOUNDARY;
    const momentsMax = Math.max(1, Math.floor(this.#statesMax / perBoundary));
    const sampler = new CrashSampler<Fact>(disk, [], {
      seed,
      momentsMax,
      only: replay?.[0]?.boundary ?? null,
    });
    try {
      const work = this.#options.workload(disk.life(), (fact) => sampler.record(fact), disk);
      await settledOrHung(work, disk, this.#idleTurnsMax);
    } catch (cause) {
      throw failureOf([], { seed, replay: [], facts: sampler.facts(), cause });
    } finally {
      disk.halt();
    }
    const captured = sampler.finish();
    this.#counts.boundaries = disk.boundaries;
    this.#counts.boundariesCrashed = captured.length;
    return captured;
  }

  /**
   * Yields at most `budget` seeded crashes of one captured state: one or two process kills, and power cuts of both
   * profiles.
   */
  *#crashesOf(moment: Captured<Fact>, budget: number): Generator<Crash> {
    const { boundary, state } = moment;
    const kinds = this.#options.kinds ?? CRASH_KINDS;
    const first = this.#random.below(kinds.length);
    let left = budget;
    for (let at = 0; at < kinds.length && left > 0; at += 1) {
      // If the budget is smaller than the number of kinds, a random first kind at each boundary gives every kind its
      // turn.
      const kind = kinds[(first + at) % kinds.length] as CrashKind;
      const share = Math.max(1, Math.floor(left / (kinds.length - at)));
      if (kind === 'process-kill') {
        const killCount = Math.min(share, 2);
        left -= killCount;
        for (let kill = 0; kill < killCount; kill += 1) {
          yield { boundary, kind, seed: this.#random.uint32() };
        }
        continue;
      }
      const profile = kind === 'power-cut' ? 'prefix' : 'strict';
      for (const choice of state.powerCuts({ profile, budget: share, seed: this.#random.uint32() })) {
        left -= 1;
        yield { boundary, kind: 'power-cut', choice };
      }
    }
  }

  /** Runs one crash, the recovery after it, its check, and then the crashes of that recovery. */
  async #crash(
    moment: Captured<Fact>,
    crash: Crash,
    before: Path,
    depth: number,
  ): Promise<{ readonly moments: readonly Captured<Fact>[]; readonly path: Path }> {
    const path: Path = { crashes: [...before.crashes, crash], events: [...before.events, moment.event] };
    const { crashes } = path;
    const disk =
      crash.kind === 'power-cut' ? moment.state.powerCut(crash.choice) : moment.state.processKill(crash.seed);
    this.#count(crash, crashes.length > 1);
    const only = this.#options.replay?.[crashes.length]?.boundary ?? null;
    const momentsMax = depth > 0 ? this.#nestedStates : 0;
    const sampler = new CrashSampler<Fact>(disk, moment.facts, { seed: disk.seed, momentsMax, only });
    const context: CrashContext<Fact> = { crashes, disk, facts: moment.facts };
    let recoveryMoments: readonly Captured<Fact>[] = [];
    try {
      const recovering = this.#options.recover(disk.life(), (fact) => sampler.record(fact), context);
      const recovered = await settledOrHung(recovering, disk, this.#idleTurnsMax);
      recoveryMoments = sampler.finish();
      const verifying = Promise.resolve(this.#options.verify(recovered, sampler.facts(), context));
      await settledOrHung(verifying, disk, this.#idleTurnsMax);
    } catch (cause) {
      // `replay` ends with this crash, so a replay of the failure stops at the recovery that failed.
      const { seed } = this.#options;
      throw failureOf(path.events, { seed, replay: crashes, facts: sampler.facts(), cause });
    } finally {
      disk.halt();
    }
    if (!this.#options.replay) await this.#crashRecovery(recoveryMoments, path, depth);
    return { moments: recoveryMoments, path };
  }

  async #crashRecovery(moments: readonly Captured<Fact>[], before: Path, depth: number): Promise<void> {
    for (const moment of moments) {
      for (const crash of this.#crashesOf(moment, 1)) {
        if (this.#counts.states >= this.#statesMax) return;
        await this.#crash(moment, crash, before, depth - 1);
      }
    }
  }

  async #replayFrom(
    moments: readonly Captured<Fact>[],
    replay: readonly Crash[],
    at: number,
    before: Path,
  ): Promise<void> {
    const crash = replay[at];
    if (crash === undefined) return;
    const moment = moments.find((each) => each.boundary === crash.boundary);
    if (moment === undefined) {
      throw new RangeError(
        `replay: boundary ${crash.boundary} was not reached: the workload is not the one that failed`,
      );
    }
    const next = await this.#crash(moment, crash, before, replay.length - 1 - at);
    await this.#replayFrom(next.moments, replay, at + 1, next.path);
  }

  #count(crash: Crash, isNested: boolean): void {
    this.#counts.states += 1;
    if (isNested) this.#counts.nestedStates += 1;
    if (crash.kind === 'power-cut') this.#counts.powerCuts += 1;
    else this.#counts.processKills += 1;
  }
}

function describeCrash(crash: Crash, event: string): string {
  const where = `boundary ${crash.boundary}, ${event}`;
  if (crash.kind === 'process-kill') return `${where} (process kill, seed ${crash.seed})`;
  const { profile, grain, pattern, index, seed } = crash.choice;
  return `${where} (power cut: ${profile}, ${pattern} ${index} of ${grain}s, seed ${seed})`;
}
