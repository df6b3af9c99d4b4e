// StoreLog: all that a store asks of the log it writes through. A Journal is such a log; a replicated log can be another.

import type { KeelsonError } from '../errors.js';
import type { Lsn } from './format/lsn.js';
import type { JournalStats } from './journal-interface.js';
import type { RecordVisit } from './read/journal-reader.js';

/**
 * A log of records that a store writes through.
 *
 * A write is ensureRoom(), claim(), prepareAhead(), in this order and in one turn of the event loop. The record is in the log
 * from claim() on, and durable when syncThrough() of its LSN resolves.
 */
export interface StoreLog {
  /** The 16 random bytes that identify this log. An image carries the id of the log that it belongs to. */
  readonly journalId: Uint8Array;

  /** The end of the last append, which is the LSN of the last record. */
  readonly nextLsn: Lsn;

  /** The end of the durable part of the log. Never above `nextLsn`. */
  readonly syncedLsn: Lsn;

  /** Why the log takes no more records, or null. Set once, for good. */
  readonly poisoned: KeelsonError | null;

  /**
   * Prepares the append of `records`: claim() of them then needs neither room nor memory. Holds until other code runs. Hooks
   * of the program may run in here, and may append or even close the log.
   *
   * Blocks when no room could be prepared in time, and to keep within `maxUndurableBytes`; a log that cannot block throws.
   *
   * @returns The bytes that the records take in the log, which claim() asks for.
   * @throws KEELSON_RECORD_TOO_LARGE, KEELSON_NO_SPACE, KEELSON_EXHAUSTED, KEELSON_POISONED, KEELSON_CLOSED, with nothing
   * appended.
   */
  ensureRoom(records: readonly Uint8Array[]): number;

  /**
   * Appends a copy of `records`, all or none. Runs no foreign code. Call it right after ensureRoom() of the same records.
   *
   * @param frameBytes What ensureRoom() returned.
   * @returns The LSN of the last record.
   */
  claim(records: readonly Uint8Array[], frameBytes: number): Lsn;

  /** Starts to prepare room for later appends when it is due. Call it after each write. Hooks of the program may run. */
  prepareAhead(): void;

  /** Submits what is appended now instead of at the end of the turn, unless a write is in flight. For large records. */
  submitAtOnce(): void;

  /**
   * Appends one record, and resolves with its LSN when it is durable.
   *
   * @throws What ensureRoom() throws, at once. Rejects with KEELSON_POISONED when the record will not become durable.
   */
  commit(record: Uint8Array): Promise<Lsn>;

  /**
   * Resolves with `lsn` when every record up to it is durable.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN. Rejects with KEELSON_POISONED when it never will be durable.
   */
  syncThrough(lsn?: number): Promise<Lsn>;

  /**
   * Returns `lsn` when every record up to it is durable, and blocks the event loop until then. A log whose durability
   * depends on a network cannot block, and throws.
   *
   * @param lsn From 0 to `nextLsn`, which is the default.
   * @throws A RangeError for another LSN, and KEELSON_POISONED.
   */
  syncThroughSync(lsn?: number): Lsn;

  /**
   * Resolves when less than half of `maxUndurableBytes` is appended and not durable.
   *
   * @throws KEELSON_POISONED, KEELSON_CLOSED. Rejects with KEELSON_POISONED.
   */
  drained(): Promise<void>;

  /**
   * Calls `visit` with every durable record above `fromLsn`, in order. The bytes are valid during the call only: the visitor
   * copies what it keeps. Resolves after the last record.
   *
   * @param fromLsn The LSN of a record that the log holds, or where the log begins.
   * @throws Rejects with KEELSON_CORRUPT for a record that does not verify, and with what `visit` throws.
   */
  replay(fromLsn: number, visit: RecordVisit): Promise<void>;

  /**
   * Ends writing for good, because of a failure outside the log that durability rests on: a failed flush of the directory,
   * or memory that contradicts itself. Everyone who waits for durability is rejected. Later calls do nothing.
   */
  poison(cause: unknown): void;

  /** Sets the listener that is called once, when the log is poisoned. */
  onPoisoned(listener: (error: KeelsonError) => void): void;

  /** Returns figures as of now. Also of a closed log. */
  stats(): JournalStats;

  /** Makes everything appended durable, and releases the log. Idempotent, and never rejects. */
  close(): Promise<void>;
}

/** The files of a log on the local disk, and the room they take. */
export interface LogFiles {
  /** Prepares the segment for the next append, so that the append need not block. Resolves when that is done or has failed. */
  prepareNow(): Promise<void>;

  /**
   * Sets the largest size of later segments, within the limits of the options. A segment that is ready keeps its size, and a
   * record that would not fit gets a larger one.
   */
  limitSegments(bytes: number): void;

  /** Returns the number of segments that hold a record above `lsn`. */
  segmentsAbove(lsn: number): number;

  /**
   * Retires the segments that hold only records up to `lsn`, oldest first, and never the newest nor one that a reader needs.
   * Resolves when that is durable.
   *
   * Nothing is written before, so that a full disk can be relieved: call it only when an image that holds everything up to
   * `lsn` has a durable name.
   *
   * @throws KEELSON_POISONED, KEELSON_CLOSED. Rejects with what went wrong on the disk.
   */
  retireBehindImage(lsn: number): Promise<void>;

  /** Deletes the retired segments that wait to be used again. Resolves when their room on the disk is free. */
  releaseRecycled(): Promise<void>;

  /**
   * Lets the next segment be of the smallest size, where there was no room for one of the size whose turn it was. Call it when
   * no checkpoint can free more.
   */
  tryRoomAgain(): void;
}

/** A log that is all on the local disk. */
export interface LocalLog extends StoreLog, LogFiles {}
