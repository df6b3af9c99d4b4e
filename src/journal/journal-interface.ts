// The interface of an open journal that "keelson/journal" exports.

import type { ClosableIterator } from '../batch-iterator.js';
import '../platform-types.js';
import type { KeelsonError } from '../errors.js';
import type { CommitPipelineStats } from './commit/commit-pipeline.js';
import type { Lsn } from './format/lsn.js';
import type { JournalRecord } from './read/journal-reader.js';
import type { JournalRecovery } from './recovery/recovery.js';
import type { SegmentSupplyStats } from './segments/segment-supply.js';

/** The records that read() iterates over. */
export interface ReadRange {
  /** Iterates over records above this LSN: the LSN of a record, or `startLsn`, which is the default. */
  readonly from?: number;
  /** Iterates over records up to this LSN, which is the LSN of a record. Default: `syncedLsn` at the call. */
  readonly to?: number;
}

/** The options of follow(). */
export interface FollowOptions {
  /** Iterates over records above this LSN: the LSN of a record, or `startLsn`. */
  readonly from: number;
  /** Ends the iteration when the signal is aborted. */
  readonly signal?: AbortSignal;
}

/** Figures of a journal. */
export interface JournalStats extends CommitPipelineStats, SegmentSupplyStats {
  /**
   * Segments that the journal holds: those of earlier sessions, and those of this session with a durable
   * commit.
   */
  readonly segments: number;
  /** Bytes of the segment files that the journal holds, has prepared, or can recycle. */
  readonly segmentBytes: number;
  /**
   * Appends that blocked until the disk had caught up, because they would have exceeded `maxUndurableBytes`.
   */
  readonly blockingDrains: number;
  /** Readers that keep segments from being retired: iterations of read() and follow(), and feeds of a store. */
  readonly pins: number;
  /** Bytes that are appended and not durable, as of now. */
  readonly undurableBytes: number;
}

/**
 * An open journal: a write-ahead log of records, which are any bytes. openJournal() returns it.
 *
 * The LSN of a record is the position right after its frame: the LSN before it, plus 12, plus the length of the
 * record.
 */
export interface Journal {
  /** The result of recovery when the journal was opened. */
  readonly recovery: JournalRecovery;
  /** The absolute path of the directory. */
  readonly directory: string;
  /** The 16 random bytes in every segment of this journal. */
  readonly journalId: Uint8Array;
  /** The end of the log: the LSN of the last record, durable or not. */
  readonly nextLsn: Lsn;
  /** Every record up to this LSN is durable. */
  readonly syncedLsn: Lsn;
  /** Records above this LSN can be read. Records up to it have been removed. */
  readonly startLsn: Lsn;
  /** The engine that does the I/O. */
  readonly engine: 'fs' | 'io_uring' | 'simulated';
  /** A sentence that says why this engine runs and not a faster one. */
  readonly engineReason: string;
  /** True if commits go through io_uring. */
  readonly nativeIoUringActive: boolean;
  /** True if commits bypass the page cache of the operating system. */
  readonly directIoActive: boolean;
  /** The error for which the journal takes no more records, or null. Reading continues. */
  readonly poisoned: KeelsonError | null;

  /**
   * Appends a copy of `record` and returns its LSN. The record becomes durable with the next commit, which this
   * call does not wait for.
   *
   * Blocks if no segment with room is ready, or if the record would exceed `maxUndurableBytes`. The first
   * append of a session always blocks, because it makes a segment.
   *
   * @param record At most 2^28 − 1 bytes.
   * @throws With nothing appended: a TypeError for anything but a Uint8Array, KEELSON_RECORD_TOO_LARGE,
   * KEELSON_NO_SPACE, also when there is no memory, KEELSON_ACCESS, KEELSON_IO, KEELSON_EXHAUSTED, KEELSON_POISONED,
   * KEELSON_CLOSED.
   * @example
   * const lsn = journal.append(new TextEncoder().encode('paid'));
   * await journal.syncThrough(lsn);
   */
  append(record: Uint8Array): Lsn;

  /**
   * Appends all records, or throws and appends none.
   *
   * @param records At most 1 GiB together, frames included.
   * @returns The LSN of the last record, or `nextLsn` if there are no records.
   * @throws What append() throws.
   * @example
   * await journal.syncThrough(journal.appendBatch([debit, credit]));
   */
  appendBatch(records: readonly Uint8Array[]): Lsn;

  /**
   * Resolves with `lsn` when every record up to it is durable.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN. Rejects with KEELSON_POISONED if it will never be durable.
   * @example
   * await journal.syncThrough();
   */
  syncThrough(lsn?: number): Promise<Lsn>;

  /**
   * Returns `lsn` when every record up to it is durable, and blocks the event loop until then. For exit paths
   * and command-line tools.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN. KEELSON_POISONED if it will never be durable.
   * @example
   * process.on('exit', () => journal.syncThroughSync());
   */
  syncThroughSync(lsn?: number): Lsn;

  /**
   * Resolves when less than half of `maxUndurableBytes` is appended and not durable. A loop that appends
   * without waiting for durability waits here now and then, so that append() does not block the event loop at
   * the limit.
   *
   * @throws KEELSON_POISONED, KEELSON_CLOSED. Rejects with KEELSON_POISONED.
   * @example
   * for await (const line of lines) {
   *   journal.append(line);
   *   await journal.drained();
   * }
   */
  drained(): Promise<void>;

  /**
   * Appends a record and resolves with its LSN when the record is durable.
   *
   * @param record At most 2^28 − 1 bytes, of which it appends a copy.
   * @throws What append() throws, at once. Rejects with KEELSON_POISONED if the record will not become durable.
   * @example
   * const lsn = await journal.commit(new TextEncoder().encode('paid'));
   */
  commit(record: Uint8Array): Promise<Lsn>;

  /**
   * Iterates over copies of the durable records above `from` and up to `to`, in order. Records that are
   * appended later are not seen.
   *
   * @param range `from`: the LSN of a record, or `startLsn`, which is the default. `to`: the LSN of a record,
   * by default `syncedLsn` at the call.
   * @throws KEELSON_CLOSED, a TypeError for an unknown option, and a RangeError if a position is below
   * `startLsn` or above `syncedLsn`. The iteration throws a RangeError if a position is not the LSN of a
   * record, KEELSON_CORRUPT if a record does not verify, and KEELSON_CLOSED if the journal is closed meanwhile.
   * @example
   * for await (const { lsn, record } of journal.read({ from: 0 })) console.log(lsn, record.length);
   */
  read(range?: ReadRange): AsyncIterableIterator<JournalRecord, undefined>;

  /**
   * Iterates over copies of the durable records above `from`, and then over each later record when it is
   * durable. Ends when `signal` is aborted or the journal is closed. A poisoned journal gives what is durable, and
   * then the iteration throws.
   *
   * @param options `from`: the LSN of a record, or `startLsn`. `signal` ends the iteration.
   * @throws KEELSON_CLOSED, a TypeError for an unknown option, and a RangeError if `from` is below `startLsn`
   * or above `syncedLsn`. The iteration throws a RangeError if `from` is not the LSN of a record,
   * KEELSON_CORRUPT if a record does not verify, and KEELSON_POISONED.
   * @example
   * for await (const { record } of journal.follow({ from: journal.syncedLsn })) send(record);
   */
  follow(options: FollowOptions): ClosableIterator<JournalRecord>;

  /**
   * Removes the segments that hold only records up to `lsn`, oldest first. The newest segment stays, and so
   * does one that a reader still needs. Resolves when the removal is durable.
   *
   * @param lsn From 0 to `syncedLsn`.
   * @throws A RangeError for another LSN, KEELSON_CLOSED, KEELSON_POISONED. Rejects with what fails on the
   * disk.
   * @example
   * await journal.truncateBefore(lastApplied);
   */
  truncateBefore(lsn: number): Promise<void>;

  /**
   * Returns figures as of now: commits, bytes, segments, and how often something blocked. Never throws, also not after close().
   *
   * @example
   * console.log(journal.stats().undurableBytes);
   */
  stats(): JournalStats;

  /**
   * Makes everything appended durable, seals the log and releases the lock. Iterations of follow() end.
   * Idempotent. Never rejects: the promises for records that cannot become durable have rejected before.
   *
   * @example
   * await journal.close();
   */
  close(): Promise<void>;

  /** Calls close(), at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
