// Crash exploration: runs a workload once on a simulated disk, captures the disk at its boundaries, crashes every
// captured state in many ways, lets the code under test recover, and asks whether what it finds keeps the promise.
// Recoveries are crashed too. A failure carries the few numbers that replay it alone.

import { checkNames } from '../options.js';
import type { Storage } from '../storage/storage.js';
import { type Captured, CrashSampler } from './crash-sampler.js';
import { IDLE_TURNS_MAX, settledOrHung } from './hang.js';
import type { PowerCutChoice } from './power-cut.js';
import { mixSeeds, Random } from './random.js';
import { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js';

/** `power-cut`: of names, a prefix per directory survives. `power-cut-strict`: any of them. */
export type CrashKind = 'power-cut' | 'power-cut-strict' | 'process-kill';

/** One crash: where, and what it left. */
export type Crash =
  | { readonly boundary: number; readonly kind: 'power-cut'; readonly choice: PowerCutChoice }
  | { readonly boundary: number; readonly kind: 'process-kill'; readonly seed: number };

/** What a recovery or a check may want to know of the crash before it. */
export interface CrashContext<Fact = unknown> {
  /** The crash of the workload, and then of each recovery that was crashed in turn. */
  readonly crashes: readonly Crash[];
  /** The disk that was found, for further lives or faults on it. */
  readonly disk: SimulatedDisk;
  /** What was recorded before the last crash. */
  readonly facts: readonly Fact[];
}

/**
 * `Fact` is what the workload knows for certain and its check relies on: “submitted 7”, “acknowledged 7”.
 * `Recovered` is what recovery hands to verification: an open store, for instance.
 */
export interface CrashExploration<Fact, Recovered> {
  readonly seed: number;
  readonly disk?: Omit<SimulatedDiskOptions, 'seed'>;
  /**
   * Runs once. `record` notes a fact from this moment on: each crash is checked against the facts recorded before it.
   * When it returns nothing needs to be closed; that too is a state to crash in.
   */
  readonly workload: (
    storage: Storage,
    record: (fact: Fact) => void,
    disk: SimulatedDisk,
  ) => Promise<unknown>;
  /** Runs on every disk found after a crash, and is crashed itself. What it records holds for crashes after that. */
  readonly recover: (
    storage: Storage,
    record: (fact: Fact) => void,
    context: CrashContext<Fact>,
  ) => Promise<Recovered>;
  /** Throws when the promise is broken. Is never crashed. */
  readonly verify: (
    recovered: Recovered,
    facts: readonly Fact[],
    context: CrashContext<Fact>,
  ) => Promise<void> | void;
  /** At most so many crashes in all, those of recoveries included; 1000 when absent. */
  readonly statesMax?: number;
  /** Of which kinds; all when absent. */
  readonly kinds?: readonly CrashKind[];
  /** How often a recovery is crashed again, and the recovery after that; 1 when absent, 0 for never. */
  readonly nestedDepth?: number;
  /** How many crashes are tried in each recovery; 2 when absent. */
  readonly nestedStates?: number;
  /** At so many moments fewer than states, so that each is crashed about this often; 8 when absent. */
  readonly statesPerBoundary?: number;
  /** Turns without a step of the disk after which work that has not settled hangs; 10,000 when absent. */
  readonly idleTurnsMax?: number;
  /** The crashes that a failure printed: only these are run. */
  readonly replay?: readonly Crash[];
}

/** The same for code that recovers and checks in one go, where recovery itself is not crashed. */
export type CrashCheck<Fact> = Omit<CrashExploration<Fact, Storage>, 'recover' | 'verify'> & {
  /** Opens what was found, and throws when the promise is broken. */
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

export interface CrashCounts {
  /** Crashes tried. */
  states: number;
  /** Those of them that hit a recovery. */
  nestedStates: number;
  /** Boundaries the workload went through. */
  boundaries: number;
  /** Boundaries of the workload that were crashed at. */
  boundariesCrashed: number;
  powerCuts: number;
  processKills: number;
}

/** A promise was broken after a crash. `cause` is what the check threw; `replay` runs this crash alone. */
export class CrashFailure extends Error {
  override readonly name = 'CrashFailure';
  readonly seed: number;
  /** Empty when the workload failed before any crash. */
  readonly replay: readonly Crash[];
  /** What was known when it crashed. */
  readonly facts: readonly unknown[];

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

/** `events` says of each crash at which event it was. */
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
/** Rather crash at many moments a few times than at few moments often. */
const STATES_PER_BOUNDARY = 8;
const ALL_KINDS: readonly CrashKind[] = ['power-cut', 'power-cut-strict', 'process-kill'];

/**
 * Explores the crashes of a workload; rejects with a CrashFailure at the first broken promise.
 *
 * ```ts
 * await exploreCrashes<{ submitted?: string; acknowledged?: string }, Store>({
 *   seed: 1,
 *   workload: async (storage, record) => {
 *     const store = await openStore(storage);
 *     for (const key of ['a', 'b', 'c']) {
 *       record({ submitted: key });
 *       await store.put(key, '1');
 *       record({ acknowledged: key });
 *     }
 *   },
 *   recover: (storage) => openStore(storage),
 *   verify: (store, facts) => {
 *     for (const { acknowledged } of facts) if (acknowledged) assert(store.has(acknowledged));
 *   },
 * });
 * ```
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

/** The crashes that led here, and at which event each was. */
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
    // A share of the budget is for the recoveries; what they do not use comes back to the boundaries that follow.
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

  /** Seeded crashes of one captured moment: a process kill or two, and power cuts of both profiles. */
  *#crashesOf(moment: Captured<Fact>, budget: number): Generator<Crash> {
    const { boundary, state } = moment;
    const kinds = this.#options.kinds ?? ALL_KINDS;
    const first = this.#random.below(kinds.length);
    let left = budget;
    for (let at = 0; at < kinds.length && left > 0; at += 1) {
      // With less budget than kinds, each boundary starts with another kind, so that over all of them none is left out.
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

  /** One crash, the recovery after it, its check, and the crashes of that recovery. */
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
      // The recovery that fails is the one to look at, unless a replay goes on from a moment inside it.
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
