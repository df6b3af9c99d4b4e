// The commit pipeline: one write is in flight, and everything that is appended meanwhile goes into the next
// one.
//
// There is no timer. If nothing is in flight, a commit is submitted when the queue of microtasks is empty. The
// durable LSN moves only here, in order, when a write has completed. The first failure to write accepted bytes
// poisons the journal for good.

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

/** The calls by which a pipeline reports to its journal. */
export interface CommitPipelineEvents {
  /** Called first when a commit is durable. Must run no foreign code: no hook, promise or listener. */
  landed(commit: PendingCommit): void;
  /**
   * Called after landed(). May run foreign code.
   *
   * @param durationMs From the submission to the report that the commit is flushed.
   */
  durable(commit: PendingCommit, durationMs: number): void;
  /** Called when everybody was told of the last commit, and the next one, if any, is on its way. Must not throw. */
  submitted(): void;
  poisoned(error: KeelsonError): void;
}

/** Figures of the commits of a session. */
export interface CommitPipelineStats {
  /** Number of durable writes that have completed. Each is one flush of the disk. */
  commits: number;
  /** Records in these commits. */
  records: number;
  /** Bytes of these commits, headers and padding included. */
  bytesWritten: number;
  /** Commits that an append or a blocking sync waited for with the event loop stopped. */
  blockingCommits: number;
  /** Milliseconds from the submission of a commit to the report that it is flushed, the sum of all commits. */
  commitMs: number;
}

/** Submits commits one at a time, and settles the promises that wait for them. */
export class CommitPipeline {
  readonly #layout: CommitLayout;
  readonly #waiters: DurableWaiters;
  readonly #events: CommitPipelineEvents;
  readonly stats: CommitPipelineStats = {
    commits: 0,
    records: 0,
    bytesWritten: 0,
    blockingCommits: 0,
    commitMs: 0,
  };
  readonly #nowMs: () => number;
  /** The time at which the commit in flight was submitted. */
  #submittedMs = 0;
  /** The oldest LSN that the journal holds. The header of every commit carries it. */
  heldFromLsn: number;
  #syncedLsn: number;
  #inFlight: PendingCommit | null = null;
  #isScheduled = false;
  /** The number of calls of the program that are inside the engine now. Calls may be nested. */
  #callersStackDepth = 0;
  #poisonedBy: KeelsonError | null = null;
  #isPoisonTold = false;
  #idle: (() => void)[] = [];
  /** Marks of a poisoned journal whose waiters have not been rejected yet. */
  readonly #unwrittenMarks: CommitMark[] = [];
  /** Entered around changes of the layout, of what is in flight, and of what is durable. */
  readonly #guard: CommitGuard;

  constructor(
    layout: CommitLayout,
    waiters: DurableWaiters,
    events: CommitPipelineEvents,
    guard: CommitGuard,
    start: { readonly syncedLsn: number; readonly heldFromLsn: number; readonly nowMs: () => number },
  ) {
    this.#layout = layout;
    this.#waiters = waiters;
    this.#events = events;
    this.#guard = guard;
    this.#nowMs = start.nowMs;
    this.#syncedLsn = start.syncedLsn;
    this.heldFromLsn = start.heldFromLsn;
  }

  get syncedLsn(): Lsn {
    return this.#syncedLsn as Lsn;
  }

  get poisonedBy(): KeelsonError | null {
    return this.#poisonedBy;
  }

  /** True if a record that is appended now will be submitted without another call. */
  get willSubmit(): boolean {
    return this.#isScheduled || this.#inFlight !== null;
  }

  /**
   * Schedules the submission of everything that is appended until the queue of microtasks is empty.
   *
   * A microtask would run before the continuations that are queued behind it. A tick that a microtask queues
   * runs when the queue of microtasks is empty. Call this before the append: then a record is submitted even if
   * its append is stopped afterwards. Hooks of the program may run.
   */
  schedule(): void {
    if (this.willSubmit) return;
    queueMicrotask(this.#submitNextTick);
    this.#isScheduled = true;
  }

  /**
   * Submits at once what has been appended, unless a write is in flight. For so many bytes that waiting for
   * more records would gain nothing.
   */
  submitAtOnce(): void {
    this.#onCallersStack(() => this.#submitNext());
  }

  /**
   * Blocks until everything up to `lsn` is durable.
   *
   * @throws KEELSON_POISONED if it will never be.
   */
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
      // A completion is lost for ever if the call that it came in was stopped.
      if (this.stats.commits === commits && this.#inFlight === inFlight) throw interrupted();
    }
  }

  /**
   * Calls the engine inside a call of the program, which may be stopped there, for example by a timeout of
   * node:vm. After a stop nobody knows whether the engine has taken a write, or has reported one. So a
   * microtask, which runs however the call ends, checks whether the call came back.
   */
  #onCallersStack(run: () => void): void {
    if (this.#wasStopped()) return;
    queueMicrotask(this.#endCallersStack);
    this.#callersStackDepth++;
    try {
      run();
    } catch (error) {
      // #abandon() may fail as well if the stack is exhausted. Then the depth stays above zero, and the
      // microtask abandons.
      this.#abandon(error);
    }
    this.#callersStackDepth--;
  }

  /**
   * Poisons the journal, and then forgets the commit in flight. If the stack is too short to poison, the commit
   * in flight still shows that something is wrong.
   */
  #abandon(cause: unknown, segment?: WritableSegment): void {
    this.poison(cause, segment);
    this.#inFlight = null;
    this.#tellIdle();
  }

  /**
   * Resolves when nothing is in flight and nothing waits to be submitted. In a poisoned journal, when nothing is
   * in flight.
   */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#isIdle) resolve();
      else this.#idle.push(resolve);
    });
  }

  /** Refuses all later writes, and rejects all promises that wait. The first call decides the cause. */
  poison(cause: unknown, segment?: WritableSegment): void {
    if (this.#poisonedBy !== null) return;
    // An error of the file names the temporary path under which the file was opened. The facts name the
    // segment.
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
    // Queued first, because the call below may be stopped, or may lack the stack.
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

  /** Writes the next commit, blocking. A submitted write would need the event loop, which is blocked. */
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
      this.#submittedMs = this.#nowMs();
      start(commit, { bytes, position: commit.offset, checksums: commit.checksumsDue() });
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
    const durationMs = this.#nowMs() - this.#submittedMs;
    this.#guard.enter();
    this.#inFlight = null;
    this.#syncedLsn = commit.endLsn;
    this.stats.commitMs += durationMs;
    this.stats.commits++;
    this.stats.records += commit.recordCount;
    this.stats.bytesWritten += commit.bytesOnDisk;
    if (this.#isBlocking) this.stats.blockingCommits++;
    this.#events.landed(commit);
    this.#guard.leave();
    // The next commit is submitted before the promises of this one resolve, so that the disk is busy meanwhile.
    // Not during a blocking call: a write that needs the event loop could not complete before that call ends.
    if (!this.#isBlocking) this.#submitNext();
    this.#events.durable(commit, durationMs);
    commit.mark?.settled(null);
    this.#waiters.settle(commit.endLsn);
    this.#tellIdle();
    if (!this.#isBlocking) this.#events.submitted();
  }

  /** Returns true, and poisons, if a change of the log was stopped half-way. */
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
    this.#events.submitted();
  };

  readonly #endCallersStack = (): void => {
    if (this.#callersStackDepth === 0) return;
    this.#callersStackDepth = 0;
    this.#abandon(interrupted());
    this.#tellPoisoned();
  };

  /**
   * Rejects all promises that wait, because the journal is poisoned. A later call continues where an earlier
   * one was stopped.
   */
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

/** Causes whose own next step says more than that of a poisoned journal. */
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
