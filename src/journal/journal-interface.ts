// What "keelson/journal" promises of an open journal: the surface of the class in journal.ts without what is the store's.

import type { KeelsonError } from '../errors.js';
import type { CommitPipelineStats } from './commit/commit-pipeline.js';
import type { Lsn } from './format/lsn.js';
import type { JournalRecord } from './read/journal-reader.js';
import type { JournalRecovery } from './recovery/recovery.js';
import type { SegmentRoomStats } from './segments/segment-room.js';

export interface ReadRange {
  /** Records above this LSN. Default: the oldest held. */
  readonly from?: number;
  /** Records up to this LSN. Default: everything durable at the call. */
  readonly to?: number;
}

export interface FollowOptions {
  /** Records above this LSN. */
  readonly from: number;
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal;
}

export interface JournalStats extends CommitPipelineStats, SegmentRoomStats {
  /** Segments held, the one being written included. */
  readonly segments: number;
  /** What their files take on the disk, with those that are ready for what comes or wait to be used again. */
  readonly segmentBytes: number;
  /** Appends that had to wait for the disk, blocking, because `maxUndurableBytes` was reached. */
  readonly blockingDrains: number;
  /** Appended and not yet durable, at this moment. */
  readonly undurableBytes: number;
}

/**
 * An open journal: a write-ahead log of records, which are any bytes. Made by openJournal().
 *
 * The LSN of a record is the position just after its frame: the end of the record before it, plus 12, plus its length.
 */
export interface Journal {
  /** What opening found and did. */
  readonly recovery: JournalRecovery;
  /** Where the journal is, as an absolute path. */
  readonly directory: string;
  /** The 16 random bytes that stand in every segment of this journal. */
  readonly journalId: Uint8Array;
  /** The end of the last append. */
  readonly nextLsn: Lsn;
  /** Every record up to here would survive a power cut. */
  readonly syncedLsn: Lsn;
  /** Records above this LSN can be read: those below have been truncated. */
  readonly startLsn: Lsn;
  /** Which engine does the I/O. */
  readonly engine: 'fs' | 'io_uring' | 'simulated';
  /** Why this engine runs, and not a faster one: a sentence. */
  readonly engineReason: string;
  /** True when commits go through io_uring. */
  readonly nativeIoUringActive: boolean;
  /** True when commits bypass the cache of the operating system. */
  readonly directIoActive: boolean;
  /** Why no more records are taken, or null. Reading goes on. */
  readonly poisoned: KeelsonError | null;

  /**
   * Frames a copy of `record` and returns its LSN. The record becomes durable with the next commit; nobody waits for it.
   *
   * Blocks only for a segment that could not be prepared in time, and to keep within `maxUndurableBytes`.
   *
   * @param record At most 2^28 − 1 bytes.
   * @throws With nothing changed, a TypeError for anything but a Uint8Array, KEELSON_RECORD_TOO_LARGE, KEELSON_NO_SPACE,
   * KEELSON_EXHAUSTED, KEELSON_POISONED, KEELSON_CLOSED.
   * @example
   * const lsn = journal.append(new TextEncoder().encode('paid'));
   * await journal.syncThrough(lsn);
   */
  append(record: Uint8Array): Lsn;

  /**
   * Appends all records, or throws and appends none.
   *
   * @param records At most 1 GiB together.
   * @returns The LSN of the last record; of none, the current end.
   * @throws What append() throws.
   * @example
   * await journal.syncThrough(journal.appendBatch([debit, credit]));
   */
  appendBatch(records: readonly Uint8Array[]): Lsn;

  /**
   * Resolves with `lsn` when everything up to it is durable.
   *
   * @param lsn From 0 to the end of the last append, which is the default.
   * @throws A RangeError for another LSN. Rejects with KEELSON_POISONED when it never will be durable.
   * @example
   * await journal.syncThrough();
   */
  syncThrough(lsn?: number): Promise<Lsn>;

  /**
   * Returns `lsn` when everything up to it is durable, blocking the event loop: for exit paths and command-line tools.
   *
   * @param lsn From 0 to the end of the last append, which is the default.
   * @throws A RangeError for another LSN, and KEELSON_POISONED.
   * @example
   * process.on('exit', () => journal.syncThroughSync());
   */
  syncThroughSync(lsn?: number): Lsn;

  /**
   * Resolves when less than half of `maxUndurableBytes` is appended and not yet durable. A loop that appends without
   * awaiting durability waits here now and then, instead of blocking the event loop in append() when the limit is reached.
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
   * Appends a record, and resolves with its LSN when it is durable: append() and syncThrough().
   *
   * @throws What append() throws, at once. Rejects with KEELSON_POISONED when the record will not become durable.
   * @example
   * const lsn = await journal.commit(new TextEncoder().encode('paid'));
   */
  commit(record: Uint8Array): Promise<Lsn>;

  /**
   * Iterates over the durable records above `from` up to `to`, in order. Each is a copy. Later appends are not seen.
   *
   * @param range `from`: the LSN of a record, or `startLsn`, the default. `to`: by default what is durable at the call.
   * @throws A RangeError for a position that is not held or lies in the future; and while reading, for one that is not a
   * record's. While reading KEELSON_CORRUPT for a record that does not verify, KEELSON_CLOSED when the journal is closed.
   * @example
   * for await (const { lsn, record } of journal.read({ from: 0 })) console.log(lsn, record.length);
   */
  read(range?: ReadRange): AsyncIterableIterator<JournalRecord>;

  /**
   * Iterates over the records above `from`, and then over each new one when it is durable. Ends when `signal` is aborted
   * and when the journal is closed.
   *
   * @throws What read() throws.
   * @example
   * for await (const { record } of journal.follow({ from: journal.syncedLsn })) send(record);
   */
  follow(options: FollowOptions): AsyncIterableIterator<JournalRecord>;

  /**
   * Removes segments that hold only records up to `lsn`: whole segments, oldest first, never the newest, and none that a
   * reader still needs. Resolves when that is done, and durable.
   *
   * @param lsn From 0 to `syncedLsn`.
   * @throws A RangeError for another LSN, KEELSON_CLOSED, KEELSON_POISONED. Rejects with what went wrong on the disk.
   * @example
   * await journal.truncateBefore(lastApplied);
   */
  truncateBefore(lsn: number): Promise<void>;

  /**
   * Returns figures as of now: commits, bytes, segments, and how often something had to wait. Also of a closed journal.
   *
   * @example
   * console.log(journal.stats().undurableBytes);
   */
  stats(): JournalStats;

  /**
   * Makes everything appended durable, seals the log and gives the lock back. Followers end. Idempotent, and never rejects:
   * those who wait for what could not be made durable have been told.
   *
   * @example
   * await journal.close();
   */
  close(): Promise<void>;

  /** Closes the journal at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
