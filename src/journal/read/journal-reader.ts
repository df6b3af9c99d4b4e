// The reader of records from segments, in order. Every record is verified again.

import { dirname } from 'node:path';
import { isKeelsonError, KeelsonError } from '../../errors.js';
import { readAhead, type Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk, decodeCommitHeader } from '../format/commit-format.js';
import { FrameCursor } from '../format/frame-cursor.js';
import type { Lsn } from '../format/lsn.js';
import type { HeldSegment, ReadableSegments } from './held-segments.js';

/** A record in memory of its own. */
export interface JournalRecord {
  /** The position right after the frame of the record. */
  readonly lsn: Lsn;
  /** The bytes of the record. */
  readonly record: Uint8Array;
}

/**
 * Receives the record `bytes[start, end)`. The memory is used again after the call, so a visitor copies what it
 * keeps.
 */
export type RecordVisit = (lsn: Lsn, bytes: Uint8Array, start: number, end: number) => void;

/** A window of records. The consumer takes every record of a window before it asks for the next window. */
export interface RecordWindow {
  /** Finds the next record. Returns false if this window has no more. */
  next(): boolean;
  /** The LSN of the record that next() found. */
  readonly lsn: Lsn;
  /** Holds the record that next() found, as `bytes[start, end)`, until the next window is asked for. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** A list for what consumers make of each record, in the order of the records, if others read the same window. */
  readonly shared: unknown[] | null;
}

/**
 * The place where a reader continues: after `lsn`. In the segment `sequence` it continues at `offset`, and in
 * any other at the first commit.
 */
export interface ReaderPlace {
  lsn: number;
  sequence: number;
  offset: number;
}

/**
 * Iterates over copies of the records above `place.lsn` and up to `toLsn`, which must be durable. Moves `place`
 * along.
 *
 * @throws A RangeError if `place.lsn` or `toLsn` lies inside a record, KEELSON_CORRUPT if a record does not
 * verify or its segment is gone, KEELSON_CLOSED if the journal is closed meanwhile.
 */
export async function* readRecords(
  storage: Storage,
  held: ReadableSegments,
  place: ReaderPlace,
  toLsn: number,
  windowBytes?: number,
): AsyncGenerator<JournalRecord, undefined, undefined> {
  for await (const records of readWindows(storage, held, place, toLsn, windowBytes)) {
    while (records.next()) {
      yield { lsn: records.lsn, record: records.bytes.slice(records.start, records.end) };
    }
  }
}

/**
 * Calls `visit` with the records above `place.lsn` and up to `toLsn`, which must be durable. Makes no copies,
 * and does not wait between the records of one window. Moves `place` along.
 *
 * @throws What readRecords() throws, and what `visit` throws.
 */
export async function replayRecords(
  storage: Storage,
  held: ReadableSegments,
  place: ReaderPlace,
  toLsn: number,
  visit: RecordVisit,
  windowBytes?: number,
): Promise<void> {
  for await (const records of readWindows(storage, held, place, toLsn, windowBytes)) {
    while (records.next()) visit(records.lsn, records.bytes, records.start, records.end);
  }
}

function closedJournal(directory: string): KeelsonError {
  return new KeelsonError('KEELSON_CLOSED', `The journal in ${directory} is closed`, { path: directory });
}

/**
 * Iterates over windows of records, from segment to segment. The consumer takes every record of a window before
 * it continues.
 */
export async function* readWindows(
  storage: Storage,
  held: ReadableSegments,
  place: ReaderPlace,
  toLsn: number,
  windowBytes?: number,
): AsyncGenerator<RecordWindow, void, undefined> {
  while (place.lsn < toLsn) {
    const segment = held.find(place.lsn);
    if (segment === null) {
      const facts = { lsn: place.lsn, lsnEnd: held.startLsn ?? place.lsn };
      throw new KeelsonError(
        'KEELSON_CORRUPT',
        `The segment with the records from LSN ${place.lsn} on, which were durable, is gone`,
        facts,
      );
    }
    if (place.sequence !== segment.sequence) {
      place.sequence = segment.sequence;
      place.offset = segment.blockBytes;
    }
    const file = await storage.openFile(segment.path, false).catch((error) => {
      throw isKeelsonError(error, 'KEELSON_NOT_FOUND') ? held.unreadable(segment, error) : error;
    });
    held.readerFiles.add(file);
    try {
      const records = new SegmentRecords(storage, held, segment, place, toLsn);
      for await (const window of readAhead(file, place.offset, records.endOffset, windowBytes)) {
        records.push(window);
        yield records;
        if (records.isDone) break;
      }
      records.finish();
    } catch (error) {
      // The journal was closed meanwhile, and this file with it.
      if (!held.readerFiles.has(file)) throw closedJournal(dirname(segment.path));
      throw error;
    } finally {
      held.readerFiles.delete(file);
      await file.close();
    }
  }
}

/**
 * The records of one segment above `place.lsn`, read in windows from `place.offset` on. Moves `place` along.
 */
class SegmentRecords implements RecordWindow {
  readonly shared = null;
  readonly #held: ReadableSegments;
  readonly #segment: HeldSegment;
  readonly #place: ReaderPlace;
  readonly #toLsn: number;
  readonly #lastLsn: number;
  readonly #frames: FrameCursor;
  /** The offset at which the commits that count end. More commits may follow later. */
  readonly endOffset: number;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset: number;
  /** The offset at which the commit ends whose frames are being read, or null between two commits. */
  #commitEndOffset: number | null = null;

  constructor(
    storage: Storage,
    held: ReadableSegments,
    segment: HeldSegment,
    place: ReaderPlace,
    toLsn: number,
  ) {
    this.#held = held;
    this.#segment = segment;
    this.#place = place;
    this.#toLsn = toLsn;
    this.#lastLsn = Math.min(toLsn, segment.endLsn);
    this.#frames = new FrameCursor(segment.seed, true, storage.verifyChecksums);
    this.endOffset = segment.endOffset;
    this.#windowOffset = place.offset;
  }

  /** Holds the record that next() found, as `bytes[start, end)`. */
  get bytes(): Uint8Array {
    return this.#frames.bytes;
  }

  get start(): number {
    return this.#frames.recordStart;
  }

  get end(): number {
    return this.#frames.recordEnd;
  }

  get lsn(): Lsn {
    return this.#frames.lsn as Lsn;
  }

  /** True if every record that was asked for in this segment has been found. */
  get isDone(): boolean {
    return this.#place.lsn >= this.#lastLsn;
  }

  push(window: Uint8Array): void {
    this.#windowOffset += this.#window.length;
    this.#window = window;
    if (this.#commitEndOffset !== null) this.#frames.feed(window, 0);
  }

  /** Finds the next record. Returns false if this window has no more. */
  next(): boolean {
    for (;;) {
      if (this.#commitEndOffset !== null) {
        if (this.#nextFrame()) return true;
        if (!this.#frames.isDone) return false;
        this.#place.offset = this.#commitEndOffset;
        this.#commitEndOffset = null;
      }
      if (this.isDone || this.#place.offset >= this.#windowOffset + this.#window.length) return false;
      this.#startCommit();
    }
  }

  /** Ends the segment after its last window. Throws KEELSON_CORRUPT if records are missing. */
  finish(): void {
    if (this.isDone) return;
    throw this.#damaged(
      this.#commitEndOffset === null ? 'the file ends before they do' : 'the commit is cut off',
    );
  }

  /**
   * Finds the next record above the place, and verifies it. Returns false at the end of the commit, of the
   * window, or of the range.
   */
  #nextFrame(): boolean {
    const frames = this.#frames;
    const place = this.#place;
    while (frames.lsn < this.#toLsn) {
      const startLsn = frames.lsn;
      if (!frames.next()) {
        if (frames.isBroken) throw this.#damaged('the checksum of a record fails');
        return false;
      }
      const { lsn } = frames;
      if (lsn <= place.lsn) continue;
      if (startLsn < place.lsn) throw notABoundary('from', place.lsn, lsn);
      if (lsn > this.#toLsn) throw notABoundary('to', this.#toLsn, lsn);
      if (lsn > this.#lastLsn) throw this.#damaged('a later segment begins inside of a record');
      place.lsn = lsn;
      return true;
    }
    return false;
  }

  /** Enters the commit at the place, or skips it if it holds nothing above the place. */
  #startCommit(): void {
    const { offset } = this.#place;
    const at = offset - this.#windowOffset;
    const commit = decodeCommitHeader(this.#window, at, offset, this.#segment.seed);
    if (commit === null) throw this.#damaged('the header of the commit does not verify');
    const { startLsn, bodyBytes } = commit;
    const endOffset = offset + commitBytesOnDisk(bodyBytes, this.#segment.blockBytes);
    if (endOffset > this.endOffset) throw this.#damaged('the commit claims more than the segment has');
    if (startLsn + bodyBytes <= this.#place.lsn) {
      this.#place.offset = endOffset;
      return;
    }
    this.#commitEndOffset = endOffset;
    this.#frames.begin(startLsn, bodyBytes);
    this.#frames.feed(this.#window, at + COMMIT_HEADER_BYTES);
  }

  #damaged(why: string): KeelsonError {
    const { path, sequence, endLsn } = this.#segment;
    const { offset, lsn } = this.#place;
    const facts = { path, segment: sequence, offset, lsn, lsnEnd: endLsn };
    const what = `Records in ${path} that were durable cannot be read: ${why}`;
    return this.#held.unreadable(this.#segment, new KeelsonError('KEELSON_CORRUPT', what, facts));
  }
}

/** Returns the error for a position inside the record that ends at `endLsn`. */
export function notABoundary(argument: string, lsn: number, endLsn: number): RangeError {
  return new RangeError(
    `${argument}: expected the LSN of a record, got ${lsn}, inside the record that ends at ${endLsn}`,
  );
}
