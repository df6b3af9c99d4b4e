// The log that a store writes through. A Journal is such a log, and a replicated log can be another.

import type { KeelsonError } from '../errors.js';
import type { RecordMemory } from './commit/pending-commit.js';
import type { Lsn } from './format/lsn.js';
import type { JournalStats } from './journal-interface.js';
import type { RecordVisit } from './read/journal-reader.js';
import type { RecordFeed, RecordFeedOptions } from './read/record-feed.js';
import type { Retention } from './read/retention.js';

/**
 * A log of records that a store writes through.
 *
 * A write is three calls in one turn of the event loop: ensureRoom(), claim(), prepareAhead(). The record is in
 * the log after claim(). It is durable when syncThrough() of its LSN resolves.
 */
export interface StoreLog {
  /** The 16 random bytes that identify this log. An image carries the id of its log. */
  readonly journalId: Uint8Array;

  /** The end of the log: the LSN of the last record, durable or not. */
  readonly nextLsn: Lsn;

  /** Every record up to this LSN is durable. */
  readonly syncedLsn: Lsn;

  /** The error for which the log takes no more records, or null. It never changes once it is set. */
  readonly poisoned: KeelsonError | null;

  /**
   * Prepares the append of a record, so that claim() needs neither room on the disk nor memory. This holds until
   * other code runs. Hooks of the program (async_hooks) may run in here, and may append or close the log.
   *
   * Blocks if no segment with room is ready, or if the record would exceed `maxUndurableBytes`. A log that
   * cannot block throws instead.
   *
   * @param recordBytes The length of the record.
   * @throws With nothing appended: KEELSON_RECORD_TOO_LARGE, KEELSON_NO_SPACE, KEELSON_ACCESS, KEELSON_IO,
   * KEELSON_EXHAUSTED, KEELSON_POISONED, KEELSON_CLOSED, or NoMemory.
   */
  ensureRoom(recordBytes: number): void;

  /**
   * Appends a copy of the record at the start of `memory`. Runs no foreign code. Call it right after ensureRoom()
   * of its length. Returns the LSN of the record.
   */
  claim(memory: RecordMemory): Lsn;

  /**
   * Starts to prepare room for later appends if that is due. Call it after each write. Hooks of the program may
   * run.
   */
  prepareAhead(): void;

  /**
   * Submits at once what has been appended, instead of at the end of the turn, unless a write is in flight. For
   * large records.
   */
  submitAtOnce(): void;

  /**
   * Appends a record and resolves with its LSN when the record is durable.
   *
   * @throws What ensureRoom() throws, at once. Rejects with KEELSON_POISONED if the record will not become
   * durable.
   */
  commit(record: Uint8Array): Promise<Lsn>;

  /**
   * Resolves with `lsn` when every record up to it is durable.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN. Rejects with KEELSON_POISONED if it will never be durable.
   */
  syncThrough(lsn?: number): Promise<Lsn>;

  /** Resolves with `result` when every record up to `lsn` is durable. Otherwise like syncThrough(). */
  whenSynced<T>(lsn: Lsn, result: T): Promise<T>;

  /**
   * Calls `resolve` with `result` when every record up to `lsn` is durable, or `reject` with KEELSON_POISONED if it will never
   * be. For promises that were made before the record was appended.
   */
  settleWhenSynced(
    lsn: Lsn,
    result: unknown,
    resolve: (result: unknown) => void,
    reject: (error: Error) => void,
  ): void;

  /**
   * Returns `lsn` when every record up to it is durable, and blocks the event loop until then. A log that
   * depends on a network cannot block, and throws.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN. KEELSON_POISONED if it will never be durable.
   */
  syncThroughSync(lsn?: number): Lsn;

  /**
   * Resolves when less than half of `maxUndurableBytes` is appended and not durable.
   *
   * @throws KEELSON_POISONED, KEELSON_CLOSED. Rejects with KEELSON_POISONED.
   */
  drained(): Promise<void>;

  /**
   * Calls `visit` with every durable record above `fromLsn`, in order. The bytes are valid during the call, so
   * the visitor copies what it keeps. Resolves after the last record.
   *
   * @param fromLsn The LSN of a record that the log holds, or where the log begins.
   * @throws Rejects with KEELSON_CORRUPT if a record does not verify, and with what `visit` throws.
   */
  replay(fromLsn: number, visit: RecordVisit): Promise<void>;

  /**
   * The lowest LSN from which feed() can start with `isDefined`. Lower records are gone, or what they refer to is. It grows.
   */
  readonly oldestLsn: Lsn;

  /**
   * Returns a feed of the durable records above an LSN. It pins the segments that it needs from the call on, until it is
   * closed or too far behind.
   *
   * @param options `fromLsn` is at least `oldestLsn`, and at most `nextLsn`.
   * @throws KEELSON_CLOSED.
   */
  feed(options: RecordFeedOptions): RecordFeed;

  /**
   * Refuses all later writes and rejects all promises that wait for durability. For a failure outside the log
   * after which it cannot keep its promises: a failed flush of the directory, or memory that contradicts the
   * log. Later calls do nothing.
   */
  poison(cause: unknown): void;

  /** Sets the listener that is called once, when the log is poisoned. */
  onPoisoned(listener: (error: KeelsonError) => void): void;

  /**
   * Sets the listener that is called whenever a commit is on its way to the disk, or has arrived, and this thread would
   * otherwise wait for the disk. It must not throw.
   */
  onSubmitted(listener: () => void): void;

  /**
   * Sets the listener that is called in ensureRoom() when the next record begins another part of the log. Each part may be
   * read without the parts before it, so its records must repeat the definitions that they need. It must not throw.
   */
  onPartBegun(listener: () => void): void;

  /** Returns figures as of now. May be called after close(). */
  stats(): JournalStats;

  /** Makes everything appended durable and releases the log. Idempotent, and never rejects. */
  close(): Promise<void>;
}

/** The files of a log on the local disk. */
export interface LogFiles {
  /**
   * Prepares the next segment, so that the next append need not block. Resolves when that has succeeded or
   * failed.
   */
  prepareNow(): Promise<void>;

  /**
   * Sets the largest size of later segments, in bytes, within the limits of the options. A segment that is
   * ready keeps its size. A record that does not fit gets a larger segment.
   */
  limitSegments(bytes: number): void;

  /** Returns the number of segments that hold a record above `lsn`. */
  segmentsAbove(lsn: number): number;

  /**
   * Retires the segments that hold only records up to `lsn`, oldest first. The newest segment stays, and so
   * does one that a reader still needs, and what is retained. Resolves when the removal is durable.
   *
   * Call it only when an image that holds everything up to `lsn` has a durable name. For that reason it writes
   * no mark first, unlike truncateBefore() of a journal, and so it can free a full disk.
   *
   * @param retention How much of them is retained, for readers of history. Default nothing.
   * @throws KEELSON_POISONED, KEELSON_CLOSED. Rejects with what fails on the disk.
   */
  retireBehindImage(lsn: number, retention?: Retention): Promise<void>;

  /**
   * Runs `work`, which needs room on the disk, after giving up the segments that are prepared ahead and the retired ones
   * that are free for use. Prepares no segment ahead until `work` has ended. One call at a time.
   */
  yieldRoomTo<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Lets the next segment have the smallest size if there was no room for a larger one. Call it when no
   * checkpoint can free more.
   */
  tryRoomAgain(): void;
}

/** A log that is completely on the local disk. */
export interface LocalLog extends StoreLog, LogFiles {}
