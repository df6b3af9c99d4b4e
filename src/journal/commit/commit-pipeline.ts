// The commit path: one write in flight, everyone who came meanwhile in the next. No timer and no window: with nothing
// in flight a commit goes at the end of the current microtask turn. The durable LSN moves here and nowhere else,
// only over writes that have completed, in order. The first failure of accepted bytes poisons, for good.

import { type CommitGuard, interrupted, namedStop } from '../../commit-guard.js';
import {
  invariant,
  isKeelsonError,
  KeelsonError,
  type KeelsonErrorCode,
  NEXT_STEPS,
  nextStepOf,
  whatHappened,
} from '../../errors.js';
import { nextTick, queueMicrotask } from '../../schedulers.js';
import type { DurableWrite } from '../../storage/index.js';
import type { Lsn } from '../format/lsn.js';
import type { WritableSegment } from '../segments/segment-files.js';
import type { CommitLayout } from './commit-layout.js';
import type { DurableWaiters } from './durable-waiters.js';
import type { CommitMark, PendingCommit } from './pending-commit.js';

export interface CommitPipelineEvents {
  /** A commit is durable: what is held changes, and no foreign code runs. */
  landed(commit: PendingCommit): void;
  /** Told after that. */
  durable(commit: PendingCommit): void;
  poisoned(error: KeelsonError): void;
}

export interface CommitPipelineStats {
  /** Durable writes completed: each is one flush of the disk. */
  commits: number;
  /** Records in them. */
  records: number;
  /** Bytes in them, headers and padding included. */
  bytesWritten: number;
  /** Of the commits, those that an append or a blocking sync waited for with the event loop stopped. */
  blockingCommits: number;
}

export class CommitPipeline {
  readonly #layout: CommitLayout;
  readonly #waiters: DurableWaiters;
  readonly #events: CommitPipelineEvents;
  readonly stats: CommitPipelineStats = { commits: 0, records: 0, bytesWritten: 0, blockingCommits: 0 };
  /** What every commit says of the oldest LSN the journal answers for. */
  heldFromLsn: number;
  #syncedLsn: number;
  #inFlight: PendingCommit | null = null;
  #isScheduled = false;
  /** Calls of the program that are in the engine now, one inside the other. */
  #callersStackDepth = 0;
  #poisonedBy: KeelsonError | null = null;
  #isPoisonTold = false;
  #idle: (() => void)[] = [];
  /** Of a poisoned journal: nobody will write them. */
  readonly #unwrittenMarks: CommitMark[] = [];
  /** Stands around every change of the layout, and of what is in flight and durable. */
  readonly #guard: CommitGuard;

  constructor(
    layout: CommitLayout,
    waiters: DurableWaiters,
    events: CommitPipelineEvents,
    guard: CommitGuard,
    start: { readonly syncedLsn: number; readonly heldFromLsn: number },
  ) {
    this.#layout = layout;
    this.#waiters = waiters;
    this.#events = events;
    this.#guard = guard;
    this.#syncedLsn = start.syncedLsn;
    this.heldFromLsn = start.heldFromLsn;
  }

  get syncedLsn(): Lsn {
    return this.#syncedLsn as Lsn;
  }

  get poisonedBy(): KeelsonError | null {
    return this.#poisonedBy;
  }

  /** True when what is appended now goes out without anybody doing more: see schedule(). */
  get willSubmit(): boolean {
    return this.#isScheduled || this.#inFlight !== null;
  }

  /**
   * What is appended goes out at the end of this microtask turn, together with what the rest of the turn appends. A
   * microtask alone would run before continuations that are queued behind it; a tick queued by a microtask runs when
   * the queue is empty. Called before the append, so that one that is stopped behind it goes out all the same. Hooks of
   * the program may run.
   */
  schedule(): void {
    if (this.willSubmit) return;
    queueMicrotask(this.#submitNextTick);
    this.#isScheduled = true;
  }

  /** What was appended goes out now, unless a write is in flight: there is so much of it that waiting for more gains nothing. */
  submitAtOnce(): void {
    this.#onCallersStack(() => this.#submitNext());
  }

  /** Blocks until everything up to `lsn` is durable. Throws KEELSON_POISONED when it will not be. */
  drainThroughSync(lsn: number): void {
    this.#onCallersStack(() => this.#drain(lsn));
    if (!this.#layout.isEmpty) this.schedule();
    if (this.#syncedLsn < lsn && this.#poisonedBy !== null) throw this.#poisonedBy;
  }

  #drain(lsn: number): void {
    while (this.#syncedLsn < lsn && this.#poisonedBy === null) {
      const { commits } = this.stats;
      const inFlight = this.#inFlight;
      if (inFlight === null) this.#writeNextSync();
      else inFlight.segment.file.drainSync();
      // A completion that was lost, because the call that it came in was stopped, does not come again.
      if (this.stats.commits === commits && this.#inFlight === inFlight) throw interrupted();
    }
  }

  /**
   * Calls into the engine from a call of the program, which may be stopped in it: then nobody can tell whether the engine
   * has taken a write, or told of one. A microtask, which runs when the call has ended in whatever way, finds out.
   */
  #onCallersStack(run: () => void): void {
    if (this.#wasStopped()) return;
    queueMicrotask(this.#endCallersStack);
    this.#callersStackDepth++;
    try {
      run();
    } catch (error) {
      // For want of stack this may fail as well: then the depth stays, and the microtask does it.
      this.#abandon(error);
    }
    this.#callersStackDepth--;
  }

  /** In this order: where poisoning has no stack, what is in flight still shows that something is wrong. */
  #abandon(cause: unknown, segment?: WritableSegment): void {
    this.poison(cause, segment);
    this.#inFlight = null;
    this.#tellIdle();
  }

  /** Resolves when nothing is in flight and nothing waits for its turn; in a poisoned journal, when nothing is in flight. */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#isIdle) resolve();
      else this.#idle.push(resolve);
    });
  }

  /** Refuses everything from here on, and everyone who waits. The first call decides the cause. */
  poison(cause: unknown, segment?: WritableSegment): void {
    if (this.#poisonedBy !== null) return;
    // The file was opened under a temporary name, and knows no other.
    const place = segment === undefined ? {} : { path: segment.path, segment: segment.sequence };
    const root = namedStop(isKeelsonError(cause, 'KEELSON_POISONED') ? (cause.cause ?? cause) : cause);
    const facts = { ...(root instanceof KeelsonError ? root.facts : {}), ...place };
    const lsn = this.#syncedLsn;
    const lsnEnd = this.#layout.nextLsn;
    const error = new KeelsonError(
      'KEELSON_POISONED',
      {
        what:
          lsn === lsnEnd
            ? `Nothing more can be written. Everything that was accepted is durable (up to LSN ${lsn}): ${whatHappened(root)}`
            : `Nothing more can be written. Durable up to LSN ${lsn}; what was accepted after it may be lost: ${whatHappened(root)}`,
        next: stepAfter(root),
      },
      { ...facts, lsn, lsnEnd },
      root,
    );
    // First: whoever poisons may be stopped while it tells, or have no stack for it.
    queueMicrotask(this.#tellPoisoned);
    this.#poisonedBy = error;
    this.#tellPoisoned();
  }

  get #isBlocking(): boolean {
    return this.#callersStackDepth > 0;
  }

  get #isIdle(): boolean {
    return this.#inFlight === null && (this.#layout.isEmpty || this.#poisonedBy !== null);
  }

  #submitNext(): void {
    this.#startNext((commit, write) => {
      commit.segment.file.submit(write, (error, memoryIsFree) =>
        this.#completed(commit, error, memoryIsFree),
      );
    });
  }

  /** The blocking form goes past the event loop from the start: what it would submit there, it could only wait for. */
  #writeNextSync(): void {
    this.#startNext((commit, write) => {
      let failure: Error | null = null;
      try {
        commit.segment.file.writeDurableSync(write);
      } catch (error) {
        failure = error as Error;
      }
      this.#completed(commit, failure, true);
    });
  }

  #startNext(start: (commit: PendingCommit, write: DurableWrite) => void): void {
    if (this.#inFlight !== null || this.#poisonedBy !== null || this.#wasStopped()) return;
    this.#guard.enter();
    const commit = this.#layout.takeNext();
    this.#inFlight = commit;
    this.#guard.leave();
    if (commit === null) return;
    try {
      invariant(commit.startLsn === this.#syncedLsn, 'a commit starts where the durable log does not end', {
        segment: commit.segment.sequence,
        lsn: commit.startLsn,
      });
      const bytes = commit.finish(this.#syncedLsn, this.heldFromLsn);
      start(commit, { bytes, position: commit.offset, seal: commit.sealWith() });
    } catch (error) {
      this.#abandon(error, commit.segment);
      commit.mark?.settled(this.#poisonedBy);
    }
  }

  #completed(commit: PendingCommit, error: Error | null, memoryIsFree: boolean): void {
    if (memoryIsFree) commit.release();
    const isLost = error !== null || this.#poisonedBy !== null || this.#wasStopped();
    if (isLost) {
      if (this.#inFlight === commit) this.#inFlight = null;
      this.poison(error, commit.segment);
      commit.mark?.settled(this.#poisonedBy);
      this.#tellIdle();
      return;
    }
    this.#guard.enter();
    this.#inFlight = null;
    this.#syncedLsn = commit.endLsn;
    this.stats.commits++;
    this.stats.records += commit.recordCount;
    this.stats.bytesWritten += commit.bytesOnDisk;
    if (this.#isBlocking) this.stats.blockingCommits++;
    this.#events.landed(commit);
    this.#guard.leave();
    // What gathered meanwhile goes first, so that the disk works while those who waited go on. Not while somebody
    // blocks: a write handed to the event loop could not come back before they are done.
    if (!this.#isBlocking) this.#submitNext();
    this.#events.durable(commit);
    commit.mark?.settled(null);
    this.#waiters.settle(commit.endLsn);
    this.#tellIdle();
  }

  /** Poisons, and returns true, when a change of the log was stopped half-way. */
  #wasStopped(): boolean {
    if (!this.#guard.isInside) return false;
    this.#guard.stopped();
    return true;
  }

  #tellIdle(): void {
    while (this.#isIdle && this.#idle.length > 0) {
      const [resolve] = this.#idle;
      resolve!();
      if (this.#idle[0] === resolve) this.#idle.shift();
    }
  }

  readonly #submitNextTick = (): void => nextTick(this.#submitScheduled);

  readonly #submitScheduled = (): void => {
    this.#isScheduled = false;
    this.#submitNext();
  };

  readonly #endCallersStack = (): void => {
    if (this.#callersStackDepth === 0) return;
    this.#callersStackDepth = 0;
    this.#abandon(interrupted());
    this.#tellPoisoned();
  };

  /** Ends everybody's waiting. Where it was stopped, it goes on. */
  readonly #tellPoisoned = (): void => {
    const error = this.#poisonedBy;
    if (error === null) return;
    this.#unwrittenMarks.push(...this.#layout.drop());
    if (!this.#isPoisonTold) this.#events.poisoned(error);
    this.#isPoisonTold = true;
    while (this.#unwrittenMarks.length > 0) {
      const [mark] = this.#unwrittenMarks;
      mark!.settled(error);
      if (this.#unwrittenMarks[0] === mark) this.#unwrittenMarks.shift();
    }
    this.#waiters.end(this.#syncedLsn, error);
    this.#tellIdle();
  };
}

/** Causes that know better than the code of a poisoned journal what to do next. */
const CAUSES_WITH_STEPS: readonly KeelsonErrorCode[] = [
  'KEELSON_EXISTS',
  'KEELSON_INTERRUPTED',
  'KEELSON_INVARIANT',
  'KEELSON_LOCK_LOST',
];

function stepAfter(cause: unknown): string {
  const isKnown = cause instanceof KeelsonError && CAUSES_WITH_STEPS.includes(cause.code);
  return isKnown ? nextStepOf(cause) : NEXT_STEPS.KEELSON_POISONED;
}
