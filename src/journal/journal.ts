// The journal: it connects the commit pipeline, the segments that are held, and the iterations over records.

import { types } from 'node:util';
import type { ClosableIterator } from '../batch-iterator.js';
import { CommitGuard } from '../commit-guard.js';
import { isHeard, tell } from '../diagnostics.js';
import { isKeelsonError, KeelsonError, misuse } from '../errors.js';
import { FairTurns } from '../fair-turns.js';
import { checkNames } from '../options.js';
import { BackgroundCloses, type EngineReport, isFailedFlush, type Storage } from '../storage/index.js';
import { unsharedBytes } from '../unshared-bytes.js';
import { CommitBuffers } from './commit/commit-buffers.js';
import { assertTriesLeft, CommitLayout } from './commit/commit-layout.js';
import { CommitPipeline } from './commit/commit-pipeline.js';
import { DurableWaiters, newPromise, Waiter, waiterOfNewest } from './commit/durable-waiters.js';
import type { PendingCommit, RecordMemory } from './commit/pending-commit.js';
import type { DirectoryLock } from './directory/directory-lock.js';
import { COMMIT_FLAGS } from './format/commit-format.js';
import { checkLsn, type Lsn } from './format/lsn.js';
import type {
  FollowOptions,
  JournalStats,
  Journal as JournalSurface,
  ReadRange,
} from './journal-interface.js';
import type { ResolvedJournalOptions } from './options.js';
import { HeldSegments } from './read/held-segments.js';
import { Iterations } from './read/iterations.js';
import type { JournalRecord, RecordVisit } from './read/journal-reader.js';
import { type RecordFeed, type RecordFeedOptions, RecordFeeds } from './read/record-feed.js';
import type { Retention } from './read/retention.js';
import type { JournalRecovery, RecoveredJournal } from './recovery/recovery.js';
import { SegmentSupply } from './segments/segment-supply.js';
import type { LocalLog } from './store-log.js';

/** The parts from which an open makes a journal. */
export interface JournalParts {
  readonly storage: Storage;
  readonly directory: string;
  readonly options: ResolvedJournalOptions;
  readonly recovered: RecoveredJournal;
  readonly journalId: Uint8Array;
  readonly lock: DirectoryLock;
}

/**
 * An open journal. The interfaces that it implements document its members: journal-interface.ts what users
 * call, store-log.ts what a store calls.
 */
export class Journal implements JournalSurface, LocalLog {
  readonly recovery: JournalRecovery;
  readonly directory: string;
  readonly journalId: Uint8Array;
  readonly #storage: Storage;
  readonly #options: ResolvedJournalOptions;
  readonly #lock: DirectoryLock;
  readonly #held: HeldSegments;
  readonly #room: SegmentSupply;
  readonly #layout: CommitLayout;
  readonly #pipeline: CommitPipeline;
  readonly #waiters = new DurableWaiters();
  /**
   * The promises of drained(). Each waits for LSN 0: settle(0) resolves all of them, and end(-1) rejects all.
   */
  readonly #drainWaiters = new DurableWaiters();
  readonly #turns = new FairTurns();
  readonly #feeds: RecordFeeds;
  readonly #iterations: Iterations;
  readonly #buffers: CommitBuffers;
  readonly #closes = new BackgroundCloses();
  readonly #guard = new CommitGuard((cause) => this.#pipeline.poison(cause));
  #blockingDrains = 0;
  #closing: Promise<void> | null = null;
  #retiring: Promise<void> = Promise.resolve();
  #onPoisoned: (error: KeelsonError) => void = () => {};
  #onSubmitted: () => void = () => {};

  constructor({ storage, directory, options, recovered, journalId, lock }: JournalParts) {
    const { recovery, nextSequence, heldFromLsn } = recovered;
    this.recovery = recovery;
    this.directory = directory;
    this.journalId = journalId;
    this.#storage = storage;
    this.#options = options;
    this.#lock = lock;
    lock.onLost((error) => this.#pipeline.poison(error));
    this.#held = new HeldSegments(recovered, () => storage.wallMs());
    this.#feeds = new RecordFeeds(storage, this.#held, {
      syncedLsn: () => this.syncedLsn,
      isClosed: () => this.#closing !== null,
      poisoned: () => this.poisoned,
    });
    this.#iterations = new Iterations(this.#feeds, this.#turns, {
      startLsn: () => this.startLsn,
      syncedLsn: () => this.syncedLsn,
      assertOpen: () => this.#assertOpen(),
    });
    const start = {
      directory,
      journalId,
      nextSequence,
      durableLsn: () => this.syncedLsn,
      written: () => this.#pipeline.stats,
    };
    this.#buffers = new CommitBuffers(storage);
    this.#room = new SegmentSupply(storage, options, start, this.#closes, (error) =>
      this.#pipeline.poison(error),
    );
    const guard = this.#guard;
    this.#layout = new CommitLayout(storage, this.#room, options, this.#buffers, recovery.endLsn, guard);
    this.#pipeline = new CommitPipeline(
      this.#layout,
      this.#waiters,
      {
        landed: (commit) => this.#landed(commit),
        durable: (commit, durationMs) => this.#durable(commit, durationMs),
        submitted: () => this.#onSubmitted(),
        poisoned: (error) => this.#poisoned(error),
      },
      guard,
      { syncedLsn: recovery.endLsn, heldFromLsn, nowMs: () => storage.nowMs() },
    );
  }

  get nextLsn(): Lsn {
    return this.#layout.nextLsn;
  }

  get syncedLsn(): Lsn {
    return this.#pipeline.syncedLsn;
  }

  get startLsn(): Lsn {
    return (this.#held.startLsn ?? this.recovery.endLsn) as Lsn;
  }

  get engine(): EngineReport['engine'] {
    return this.#storage.report.engine;
  }

  get engineReason(): string {
    return this.#storage.report.engineReason;
  }

  get nativeIoUringActive(): boolean {
    return this.#storage.report.nativeIoUringActive;
  }

  get directIoActive(): boolean {
    return this.#storage.report.directIoActive;
  }

  get poisoned(): KeelsonError | null {
    return this.#pipeline.poisonedBy;
  }

  append(record: Uint8Array): Lsn {
    if (!types.isUint8Array(record)) throw misuse('record', 'a Uint8Array', record);
    return this.#append([unsharedBytes(record)]);
  }

  ensureRoom(recordBytes: number): void {
    this.#ensureRoom(this.#layout.frameBytesOfOne(recordBytes), 1);
  }

  prepareNow(): Promise<void> {
    return this.#room.prepareNow();
  }

  claim(record: RecordMemory): Lsn {
    return this.#layout.appendFrom(record);
  }

  prepareAhead(): void {
    this.#layout.prepareAhead();
  }

  appendBatch(records: readonly Uint8Array[]): Lsn {
    if (!Array.isArray(records)) throw misuse('records', 'an array of Uint8Arrays', records);
    // Each element is read once, because a Proxy or a subclass may return something else the next time.
    const own: Uint8Array[] = [];
    for (let index = 0; index < records.length; index++) {
      const record: unknown = records[index];
      if (!types.isUint8Array(record)) throw misuse(`records[${index}]`, 'a Uint8Array', record);
      own.push(unsharedBytes(record));
    }
    return this.#append(own);
  }

  syncThrough(lsn: number = this.nextLsn): Promise<Lsn> {
    const checked = checkLsn('lsn', lsn, 0, this.nextLsn);
    return this.#whenDurable(checked, checked);
  }

  whenSynced<T>(lsn: Lsn, result: T): Promise<T> {
    return this.#whenDurable(lsn, result);
  }

  settleWhenSynced(
    lsn: Lsn,
    result: unknown,
    resolve: (result: unknown) => void,
    reject: (error: Error) => void,
  ): void {
    this.#add(new Waiter(lsn, result, resolve, reject));
  }

  syncThroughSync(lsn: number = this.nextLsn): Lsn {
    const checked = checkLsn('lsn', lsn, 0, this.nextLsn);
    this.#pipeline.drainThroughSync(checked);
    return checked;
  }

  drained(): Promise<void> {
    this.#assertWritable();
    if (this.#isDrained) return this.#turns.resolved(undefined);
    return new Promise<void>((resolve, reject) => {
      // Checked again, because a hook on the new promise may have drained or poisoned.
      if (this.poisoned !== null) reject(this.poisoned);
      else if (this.#isDrained) resolve();
      else this.#drainWaiters.add(new Waiter(0 as Lsn, undefined, () => resolve(), reject));
    });
  }

  commit(record: Uint8Array): Promise<Lsn> {
    const lsn = this.append(record);
    return this.#whenDurable(lsn, lsn);
  }

  read(range: ReadRange = {}): AsyncIterableIterator<JournalRecord, undefined> {
    this.#assertOpen();
    checkNames('read', range, ['from', 'to']);
    const { from, to } = range;
    const fromLsn = checkLsn('from', from ?? this.startLsn, this.startLsn, this.syncedLsn);
    const toLsn = checkLsn('to', to ?? this.syncedLsn, fromLsn, this.syncedLsn);
    return this.#iterations.read(fromLsn, toLsn);
  }

  follow(options: FollowOptions): ClosableIterator<JournalRecord> {
    this.#assertOpen();
    checkNames('follow', options, ['from', 'signal']);
    const { from, signal } = options;
    const fromLsn = checkLsn('from', from, this.startLsn, this.syncedLsn);
    return this.#iterations.follow(fromLsn, signal);
  }

  truncateBefore(lsn: number): Promise<void> {
    this.#assertWritable();
    checkLsn('lsn', lsn, 0, this.syncedLsn);
    return this.#retireInTurn(lsn, true);
  }

  stats(): JournalStats {
    return {
      ...this.#pipeline.stats,
      ...this.#room.stats,
      segments: this.#held.count,
      segmentBytes: this.#segmentBytes(),
      blockingDrains: this.#blockingDrains,
      pins: this.#held.pinCount,
      undurableBytes: this.nextLsn - this.syncedLsn,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  replay(fromLsn: number, visit: RecordVisit): Promise<void> {
    return this.#iterations.replay(fromLsn, visit);
  }

  get oldestLsn(): Lsn {
    return (this.#held.definedStartLsn ?? this.syncedLsn) as Lsn;
  }

  feed(options: RecordFeedOptions): RecordFeed {
    this.#assertOpen();
    return this.#feeds.open(options);
  }

  retireBehindImage(lsn: number, retention?: Retention): Promise<void> {
    this.#assertWritable();
    return this.#retireInTurn(lsn, false, retention);
  }

  limitSegments(bytes: number): void {
    this.#room.limitSizes(bytes);
  }

  submitAtOnce(): void {
    this.#pipeline.submitAtOnce();
  }

  tryRoomAgain(): void {
    this.#room.restartSizes();
  }

  yieldRoomTo<T>(work: () => Promise<T>): Promise<T> {
    return this.#room.yieldRoomTo(work);
  }

  segmentsAbove(lsn: number): number {
    return this.#held.countAbove(lsn);
  }

  poison(cause: unknown): void {
    this.#pipeline.poison(cause);
  }

  onPoisoned(listener: (error: KeelsonError) => void): void {
    this.#onPoisoned = listener;
  }

  onPartBegun(listener: () => void): void {
    this.#layout.onSegmentTaken = listener;
  }

  onSubmitted(listener: () => void): void {
    this.#onSubmitted = listener;
  }

  #retireInTurn(lsn: number, needsMark: boolean, retention?: Retention): Promise<void> {
    const retiring = this.#retiring.then(() => this.#retire(lsn, needsMark, retention));
    this.#retiring = retiring.catch(() => {});
    return retiring;
  }

  #append(records: readonly Uint8Array[]): Lsn {
    this.#assertWritable();
    const frameBytes = this.#layout.frameBytesOf(records);
    if (frameBytes === 0) return this.nextLsn;
    this.#ensureRoom(frameBytes, records.length);
    // A hook that ran meanwhile may have transferred the memory of a record, which is then empty.
    if (this.#layout.frameBytesOf(records) !== frameBytes) {
      throw new TypeError(
        'records: expected Uint8Arrays that keep their length, got one that a hook has changed',
      );
    }
    let lsn: Lsn;
    try {
      lsn = this.#layout.append(records, frameBytes);
    } catch (error) {
      throw this.poisoned ?? error;
    }
    this.#layout.prepareAhead();
    return lsn;
  }

  #ensureRoom(frameBytes: number, recordCount: number): void {
    // A round may run hooks that write. So everything is checked again, until a round changes nothing.
    for (let tries = 0; !this.#isReadyFor(frameBytes, recordCount); tries++) {
      assertTriesLeft(tries);
      this.#assertWritable();
      if (!this.#isWithinLimit(frameBytes)) {
        this.#blockingDrains++;
        this.#pipeline.drainThroughSync(this.nextLsn);
      }
      this.#pipeline.schedule();
      try {
        if (!this.#layout.isReadyFor(frameBytes, recordCount))
          this.#layout.makeReadyFor(frameBytes, recordCount);
      } catch (error) {
        // If preparing room has poisoned the journal, its error says more.
        throw this.poisoned ?? error;
      }
    }
  }

  #isReadyFor(frameBytes: number, recordCount: number): boolean {
    return (
      this.#closing === null &&
      this.poisoned === null &&
      !this.#guard.isInside &&
      this.#pipeline.willSubmit &&
      this.#isWithinLimit(frameBytes) &&
      this.#layout.isReadyFor(frameBytes, recordCount)
    );
  }

  #isWithinLimit(frameBytes: number): boolean {
    const undurableBytes = this.nextLsn - this.syncedLsn;
    return undurableBytes === 0 || undurableBytes + frameBytes <= this.#options.maxUndurableBytes;
  }

  get #isDrained(): boolean {
    return this.nextLsn - this.syncedLsn < this.#options.maxUndurableBytes / 2;
  }

  #whenDurable<T>(lsn: Lsn, result: T): Promise<T> {
    if (lsn <= this.syncedLsn) return this.#turns.resolved(result);
    const { poisoned } = this;
    if (poisoned !== null) return Promise.reject(poisoned);
    const promise = newPromise();
    // Checked again, because a hook on the new promise may have drained or poisoned.
    this.#add(waiterOfNewest(lsn, result));
    return promise as Promise<T>;
  }

  #add(waiter: Waiter): void {
    if (waiter.lsn <= this.syncedLsn) waiter.resolve(waiter.result);
    else if (this.poisoned !== null) waiter.reject(this.poisoned);
    else this.#waiters.add(waiter);
  }

  async #retire(lsn: number, needsMark: boolean, retention?: Retention): Promise<void> {
    const startLsn = this.#held.startLsnWithout(lsn, retention);
    if (startLsn === null) return;
    this.#assertWritable();
    this.#pipeline.heldFromLsn = Math.max(this.#pipeline.heldFromLsn, startLsn);
    if (needsMark) await this.#mark(0);
    try {
      // Called only now, because a reader may have pinned a segment while the mark became durable.
      for (const [at, { path, isLineage, writtenAs }] of this.#held.retire(startLsn, lsn).entries()) {
        // If a power cut brought back a file without the lineage segment behind it, its dead commits would seem to count.
        if (isLineage && at > 0) await this.#storage.flushDirectory(this.directory);
        const isRecycled = writtenAs !== null && (await this.#room.recycle(writtenAs));
        if (!isRecycled) await this.#remove(path);
        this.#held.forget(path);
      }
      await this.#storage.flushDirectory(this.directory);
      this.#room.retirementFlushed();
      if (needsMark) this.#room.restartSizes();
    } catch (error) {
      this.#room.retirementFailed();
      if (isFailedFlush(error)) this.#pipeline.poison(error);
      throw error;
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#storage.remove(path).catch((error) => {
      // The file is gone already.
      if (!isKeelsonError(error, 'KEELSON_NOT_FOUND')) throw error;
    });
  }

  #segmentBytes(): number {
    const held = [...this.#held];
    // Segments of this session that have no durable commit yet, and so are not held.
    const open = [...this.#layout.openSegments].filter(
      ({ sequence }) => !held.some((segment) => segment.sequence === sequence),
    );
    const sizes = [...held.map(({ sizeBytes }) => sizeBytes), ...open.map(({ header }) => header.sizeBytes)];
    return sizes.reduce((total, sizeBytes) => total + sizeBytes, this.#room.segmentBytes);
  }

  /**
   * Writes a mark behind everything appended so far. A mark without flags only makes the held-from LSN durable.
   */
  #mark(flags: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settled = (error: Error | null) => (error === null ? resolve() : reject(error));
      const mark = { flags, nextSequence: 0, settled };
      if (flags === 0) this.#layout.addMark(mark);
      else this.#layout.addSeal(mark);
      this.#pipeline.schedule();
    });
  }

  async #close(): Promise<void> {
    this.#feeds.wake();
    await this.#retiring;
    // The order matters: everything accepted becomes durable, then unused segments are removed, and then the
    // seal says that the session ended well.
    await this.#pipeline.whenIdle();
    await this.#room.close();
    const { segment } = this.#layout;
    if (segment !== null && this.poisoned === null) await this.#mark(COMMIT_FLAGS.closed).catch(() => {});
    await this.#pipeline.whenIdle();
    // No session writes behind the seal, so the file is cut there. A file that cannot be cut takes room and
    // harms nothing.
    if (segment !== null && this.poisoned === null)
      await segment.file.truncate(segment.nextOffset).catch(() => {});
    for (const open of this.#layout.openSegments) this.#closes.close(open.file);
    for (const file of this.#held.readerFiles) this.#closes.close(file);
    this.#held.readerFiles.clear();
    await this.#closes.whenDone();
    this.#buffers.clear();
    await this.#lock.release();
  }

  #landed(commit: PendingCommit): void {
    this.#held.extend(commit);
    this.#feeds.landed(commit);
  }

  #durable(commit: PendingCommit, durationMs: number): void {
    const { mark, segment } = commit;
    if (mark !== null && mark.flags & COMMIT_FLAGS.rotated) {
      this.#layout.openSegments.delete(segment);
      segment.closed = this.#closes.close(segment.file);
    }
    this.#feeds.wakeSoon();
    if (this.#isDrained) this.#drainWaiters.settle(0);
    if (isHeard('keelson:commit')) this.#tellCommit(commit, durationMs);
  }

  #tellCommit(commit: PendingCommit, durationMs: number): void {
    const { endLsn, recordCount, bytesOnDisk } = commit;
    const figures = { records: recordCount, bytes: bytesOnDisk, durationMs };
    tell('keelson:commit', { directory: this.directory, durableLsn: endLsn, ...figures });
  }

  #poisoned(error: KeelsonError): void {
    tell('keelson:poisoned', { directory: this.directory, error });
    this.#feeds.wake();
    this.#drainWaiters.end(-1, error);
    this.#onPoisoned(error);
  }

  #assertOpen(): void {
    if (this.#closing !== null)
      throw new KeelsonError('KEELSON_CLOSED', `The journal in ${this.directory} is closed`);
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#guard.isInside) this.#guard.stopped();
    if (this.poisoned !== null) throw this.poisoned;
  }
}
