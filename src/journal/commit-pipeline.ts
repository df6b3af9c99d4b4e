// The commit path: one write in flight, everyone who came meanwhile in the next. No timer and no window: with nothing
// in flight a commit goes at the end of the current microtask turn. The durable LSN moves here and nowhere else,
// only over writes that have completed, in order. The first failure of accepted bytes poisons, for good.

import { invariant, isKeelsonError, KeelsonError } from '../errors.js';
import type { DurableWrite } from '../storage/index.js';
import type { CommitLayout } from './commit-layout.js';
import type { DurableWaiters } from './durable-waiters.js';
import type { Lsn } from './lsn.js';
import type { PendingCommit } from './pending-commit.js';
import type { WritableSegment } from './segment-files.js';

export interface CommitPipelineEvents {
  /** A commit is durable. */
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
  #isBlocking = false;
  #poisonedBy: KeelsonError | null = null;
  #idle: (() => void)[] = [];

  constructor(
    layout: CommitLayout,
    waiters: DurableWaiters,
    events: CommitPipelineEvents,
    start: { readonly syncedLsn: number; readonly heldFromLsn: number },
  ) {
    this.#layout = layout;
    this.#waiters = waiters;
    this.#events = events;
    this.#syncedLsn = start.syncedLsn;
    this.heldFromLsn = start.heldFromLsn;
  }

  get syncedLsn(): Lsn {
    return this.#syncedLsn as Lsn;
  }

  get poisonedBy(): KeelsonError | null {
    return this.#poisonedBy;
  }

  /**
   * Something was appended: it goes out at the end of this microtask turn, together with what the rest of the turn
   * appends. A microtask alone would run before continuations that are queued behind it; a tick queued by a
   * microtask runs when the queue is empty.
   */
  schedule(): void {
    if (this.#isScheduled || this.#inFlight !== null) return;
    this.#isScheduled = true;
    queueMicrotask(() => process.nextTick(() => this.#submitScheduled()));
  }

  /** What was appended goes out now, unless a write is in flight: there is so much of it that waiting for more gains nothing. */
  submitAtOnce(): void {
    this.#submitNext();
  }

  /** Blocks until everything up to `lsn` is durable. Throws KEELSON_POISONED when it will not be. */
  drainThroughSync(lsn: number): void {
    this.#isBlocking = true;
    try {
      while (this.#syncedLsn < lsn && this.#poisonedBy === null) {
        if (this.#inFlight === null) this.#writeNextSync();
        else this.#inFlight.segment.file.drainSync();
      }
    } finally {
      this.#isBlocking = false;
    }
    if (!this.#layout.isEmpty) this.schedule();
    if (this.#syncedLsn < lsn && this.#poisonedBy !== null) throw this.#poisonedBy;
  }

  /** Resolves when nothing is in flight and nothing waits for its turn; in a poisoned journal, when nothing is in flight. */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Refuses everything from here on, and everyone who waits. The first call decides the cause. */
  poison(cause: unknown, segment?: WritableSegment): void {
    if (this.#poisonedBy !== null) return;
    // The file was opened under a temporary name, and knows no other.
    const place = segment === undefined ? {} : { path: segment.path, segment: segment.sequence };
    const root = isKeelsonError(cause, 'KEELSON_POISONED') ? (cause.cause ?? cause) : cause;
    const facts = { ...(root instanceof KeelsonError ? root.facts : {}), ...place };
    const why = root instanceof Error ? root.message : String(root);
    const error = new KeelsonError(
      'KEELSON_POISONED',
      `The journal takes no more writes. Durable up to LSN ${this.#syncedLsn}; what was accepted after it may be lost: ${why}`,
      { ...facts, lsn: this.#syncedLsn, lsnEnd: this.#layout.nextLsn },
      root,
    );
    this.#poisonedBy = error;
    for (const mark of this.#layout.drop()) mark.settled(error);
    this.#waiters.settle(this.#syncedLsn);
    this.#waiters.rejectAll(error);
    this.#events.poisoned(error);
    this.#tellIdle();
  }

  get #isIdle(): boolean {
    return this.#inFlight === null && (this.#layout.isEmpty || this.#poisonedBy !== null);
  }

  #submitScheduled(): void {
    this.#isScheduled = false;
    this.#submitNext();
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
    if (this.#inFlight !== null || this.#poisonedBy !== null) return;
    const commit = this.#layout.takeNext();
    if (commit === null) return;
    this.#inFlight = commit;
    try {
      invariant(commit.startLsn === this.#syncedLsn, 'a commit starts where the durable log does not end', {
        segment: commit.segment.sequence,
        lsn: commit.startLsn,
      });
      const bytes = commit.finish(this.#syncedLsn, this.heldFromLsn);
      start(commit, { bytes, position: commit.offset, seal: commit.sealWith() });
    } catch (error) {
      this.#inFlight = null;
      this.poison(error, commit.segment);
      commit.mark?.settled(this.#poisonedBy);
    }
  }

  #completed(commit: PendingCommit, error: Error | null, memoryIsFree: boolean): void {
    this.#inFlight = null;
    if (memoryIsFree) commit.release();
    if (error !== null || this.#poisonedBy !== null) {
      this.poison(error, commit.segment);
      commit.mark?.settled(this.#poisonedBy);
      this.#tellIdle();
      return;
    }
    this.#syncedLsn = commit.endLsn;
    this.stats.commits++;
    this.stats.records += commit.recordCount;
    this.stats.bytesWritten += commit.bytesOnDisk;
    if (this.#isBlocking) this.stats.blockingCommits++;
    // What gathered meanwhile goes first, so that the disk works while those who waited go on. Not while somebody
    // blocks: a write handed to the event loop could not come back before they are done.
    if (!this.#isBlocking) this.#submitNext();
    this.#events.durable(commit);
    commit.mark?.settled(null);
    this.#waiters.settle(commit.endLsn);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (!this.#isIdle || this.#idle.length === 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
