// A schedule: one store, several actors with random programs, and the order of their steps, all from one seed. It plays the
// actors and checks the history.

import { expect } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { History } from './history.js';
import { Run, runNow, runWithPauses, type Tx } from './interpreter.js';
import { type ModelAttempt, type ModelState, START_MS } from './model.js';
import { type PlainWrite, plainWrite, type Target } from './plain-writes.js';
import { PLACES, type PlaceName, ProgramGenerator, type Step } from './programs.js';
import { Scheduler } from './scheduler.js';
import { namespaceIn, newDisk, openOn } from './stores.js';

/** What came of the asynchronous transactions of schedules. */
export interface Outcomes {
  commits: number;
  /** Attempts that were not the first. */
  retries: number;
  conflicts: number;
  dropped: number;
  aborted: number;
}

/**
 * Plays the schedule of a seed. Adds what came of it to `outcomes`, and returns what has happened. Throws when the history is
 * not serializable.
 */
export async function playSchedule(seed: number, outcomes: Outcomes): Promise<readonly string[]> {
  const random = new Random(seed);
  const disk = newDisk(seed);
  // With a small write log, old transactions compare views.
  const clock = { now: START_MS };
  const db = await openOn(disk.life(), random.pick([1, 3, 8, 1000]), () => clock.now);
  const schedule = new Schedule({ db, promises: [], clock }, random, outcomes);
  try {
    const state = await schedule.play();
    expect(contentsOf(db), 'the store at the end').toEqual(state.contents);
    if (random.chance(0.1)) await checkReplay(disk, schedule.target, state);
    return schedule.log;
  } catch (error) {
    throw new Error(`Seed ${seed}: ${(error as Error).message}\n\n${schedule.log.join('\n')}`, {
      cause: error,
    });
  } finally {
    await db.close();
  }
}

/** Checks that the log says the same as the memory. */
async function checkReplay(disk: SimulatedDisk, { db, clock }: Target, state: ModelState): Promise<void> {
  await db.close();
  const opened = await openOn(disk.life(), undefined, () => clock.now);
  try {
    expect(contentsOf(opened), 'the store that was opened again').toEqual(state.contents);
  } finally {
    await opened.close();
  }
}

/** Returns the contents as a model has them. */
function contentsOf(db: Store<string, unknown>): unknown {
  const names = db.namespaces();
  return PLACES.map((place) => {
    const at = place === '' ? db : db.namespace(place);
    return [place, place === '' || names.includes(place), [...at.getEntries()]];
  });
}

const PLANNED = new Error('The transaction is to fail');

/** What an asynchronous transaction does. */
interface Program {
  readonly steps: readonly Step[];
  readonly isFailing: boolean;
  readonly isAborted: boolean;
}

class Schedule {
  /** What has happened, for the message of a failure. */
  readonly log: string[] = [];
  readonly target: Target;
  readonly #random: Random;
  readonly #generator: ProgramGenerator;
  readonly #scheduler: Scheduler;
  readonly #history = new History();
  readonly #outcomes: Outcomes;

  constructor(target: Target, random: Random, outcomes: Outcomes) {
    this.target = target;
    this.#random = random;
    this.#generator = new ProgramGenerator(random);
    this.#scheduler = new Scheduler(random);
    this.#outcomes = outcomes;
  }

  /** Plays all actors. Returns the state at the end, as the model has it. */
  async play(): Promise<ModelState> {
    const random = this.#random;
    for (let left = 4 + random.below(8); left > 0; left--) this.#write(plainWrite(random, this.#generator));
    for (let left = 2 + random.below(3); left > 0; left--) this.#scheduler.start(() => this.#transact());
    this.#scheduler.start(() => this.#writePlainly());
    this.#scheduler.start(() => this.#readSnapshot());
    await this.#scheduler.run();
    await Promise.all(this.target.promises);
    return this.#history.check();
  }

  async #writePlainly(): Promise<void> {
    for (let left = 2 + this.#random.below(10); left > 0; left--) {
      await this.#scheduler.pause();
      if (this.#random.chance(0.05)) this.target.promises.push(this.target.db.checkpoint());
      else this.#write(plainWrite(this.#random, this.#generator));
    }
  }

  #write({ what, toStore, toModel }: PlainWrite): void {
    const { db } = this.target;
    const run = new Run((name) => namespaceIn(db, name));
    const sinceLsn = db.lastLsn;
    toStore(this.target, run);
    const untilLsn = db.lastLsn;
    const lsn = untilLsn === sinceLsn ? null : untilLsn;
    this.log.push(`LSN ${untilLsn}: ${what}`);
    this.#history.add({ what, run, lsn, sinceLsn, untilLsn, replay: replayOf(toModel) });
  }

  async #readSnapshot(): Promise<void> {
    for (let left = this.#random.below(10); left > 0; left--) await this.#scheduler.pause();
    const { db } = this.target;
    const snapshot = db.snapshot();
    const views = PLACES.map((place) => (place === '' ? snapshot : snapshot.in(db.namespace(place))));
    for (let left = this.#random.below(10); left > 0; left--) await this.#scheduler.pause();
    const run = modelRun();
    for (const view of views) run.note({ do: 'snapshot' }, [...view.getEntries()]);
    const { lsn } = snapshot;
    snapshot.close();
    const replay = replayOf((attempt, replayed) => {
      for (const place of PLACES) replayed.note({ do: 'snapshot' }, attempt.entriesOf(place));
    });
    this.#history.add({ what: 'snapshot', run, lsn: null, sinceLsn: lsn, untilLsn: lsn, replay });
  }

  async #transact(): Promise<void> {
    for (let left = 1 + this.#random.below(2); left > 0; left--) {
      await this.#scheduler.pause();
      await this.#transactOnce();
    }
  }

  async #transactOnce(): Promise<void> {
    const [random, { db }] = [this.#random, this.target];
    const kind = { hasPauses: true, hasWrites: random.chance(0.85), depth: 2, isAtCommit: false };
    const steps = this.#generator.program(8, kind);
    const program = { steps, isFailing: random.chance(0.05), isAborted: random.chance(0.05) };
    const attempts = new Attempts(db, program, () => this.#scheduler.pause());
    const what = `transaction ${JSON.stringify(steps)}`;
    try {
      await db.transaction((tx) => attempts.begin(tx as unknown as Tx), {
        maxAttempts: random.pick([1, 2, 8]),
        durability: random.pick(['disk', 'memory']),
        signal: attempts.signal,
      });
      this.#noteSuccess(what, program, attempts);
    } catch (error) {
      this.log.push(`LSN ${db.lastLsn}, view ${attempts.viewLsn}: ${(error as Error).message}: ${what}`);
      this.#noteFailure(error, attempts);
    }
    this.#outcomes.retries += attempts.count - 1;
  }

  #noteSuccess(what: string, { steps }: Program, { run, lsn, viewLsn }: Attempts): void {
    this.#outcomes.commits++;
    this.log.push(`LSN ${lsn}, view ${viewLsn}: ${what}`);
    const runsAtCommit = JSON.stringify(steps).includes('"atCommit"');
    // Without parts at the commit, a transaction without writes is serial at its view.
    const untilLsn = runsAtCommit ? this.target.db.lastLsn : viewLsn;
    const replay = replayOf((attempt, replayed) => {
      runNow(steps, attempt.tx, replayed);
      attempt.runAtCommits();
    });
    this.#history.add({ what, run, lsn, sinceLsn: viewLsn, untilLsn, replay });
  }

  #noteFailure(error: unknown, attempts: Attempts): void {
    if (error === PLANNED) return;
    if (isKeelsonError(error, 'KEELSON_CONFLICT')) {
      this.#outcomes.conflicts++;
      attempts.assertChanged();
    } else if (isKeelsonError(error, 'KEELSON_DROPPED')) this.#outcomes.dropped++;
    else if (isKeelsonError(error, 'KEELSON_ABORTED')) this.#outcomes.aborted++;
    else throw error;
  }
}

/** The attempts of one transaction. Only what the last of them has read counts. */
class Attempts {
  count = 0;
  run: Run;
  /** The LSN of the view of the last attempt. */
  viewLsn = 0;
  readonly #db: Store<string, unknown>;
  readonly #program: Program;
  readonly #pause: () => Promise<void>;
  readonly #controller = new AbortController();
  #tx: Tx | null = null;
  /** The namespaces as of the view. */
  #namespaces = new Map<PlaceName, unknown>();
  /** True from the end of the function on: parts at the commit see the namespaces of then. */
  #isCommitting = false;

  constructor(db: Store<string, unknown>, program: Program, pause: () => Promise<void>) {
    this.#db = db;
    this.#program = program;
    this.#pause = pause;
    this.run = this.#newRun();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get lsn(): number | null {
    return (this.#tx as unknown as { readonly lsn: number | null }).lsn;
  }

  async begin(tx: Tx): Promise<void> {
    if (this.#tx !== null) this.assertChanged();
    this.count++;
    this.#tx = tx;
    this.viewLsn = this.#db.lastLsn;
    this.run = this.#newRun();
    this.#isCommitting = false;
    // A name may have another namespace by the commit, so the handles are those of the view.
    this.#namespaces = new Map(PLACES.slice(1).map((place) => [place, namespaceIn(this.#db, place)]));
    await runWithPauses(this.#program.steps, tx, this.run, this.#pause);
    if (this.#program.isFailing) throw PLANNED;
    if (this.#program.isAborted) this.#controller.abort();
    this.#isCommitting = true;
  }

  /** Throws when nothing has changed since the view of the last attempt, which then had no reason to fail. */
  assertChanged(): void {
    // The drop of a namespace that was never written to writes nothing.
    const isSame = [...this.#namespaces].every(([place, handle]) => this.#db.namespace(place) === handle);
    if (isSame && this.#db.lastLsn === this.viewLsn)
      throw new Error('An attempt has failed, and nothing has changed');
  }

  #newRun(): Run {
    return new Run((place) =>
      this.#isCommitting ? namespaceIn(this.#db, place) : this.#namespaces.get(place),
    );
  }
}

/** Returns a run over a model, whose namespaces are names. */
function modelRun(): Run {
  return new Run((place) => place);
}

function replayOf(toModel: (attempt: ModelAttempt, run: Run) => void): (attempt: ModelAttempt) => Run {
  return (attempt) => {
    const run = modelRun();
    toModel(attempt, run);
    return run;
  };
}
