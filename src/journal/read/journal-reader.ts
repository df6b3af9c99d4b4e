// Reading records back from segments, in order, each checked again as it comes off the disk.

import { dirname } from 'node:path';
import { KeelsonError } from '../../errors.js';
import { readAhead, type Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk, decodeCommitHeader } from '../format/commit-format.js';
import { FrameCursor } from '../format/frame-cursor.js';
import type { Lsn } from '../format/lsn.js';
import type { HeldSegment, HeldSegments } from './held-segments.js';

/** One record, in memory of its own. */
export interface JournalRecord {
  /** The position just after the record's frame. */
  readonly lsn: Lsn;
  readonly record: Uint8Array;
}

/** The record is `bytes[start, end)`: memory of the reader's, which is used again. A visitor copies what it keeps. */
export type RecordVisit = (lsn: Lsn, bytes: Uint8Array, start: number, end: number) => void;

/** Where a reader goes on: after `lsn`, at `offset` of the segment with that sequence if it was there already. */
export interface ReaderPlace {
  lsn: number;
  sequence: number;
  offset: number;
}

/**
 * The records above `place.lsn` up to `toLsn`, which is durable, each a copy. Moves `place` along.
 * Throws a RangeError when the start is not a record boundary, KEELSON_CORRUPT when a record is damaged.
 */
export async function* readRecords(
  storage: Storage,
  held: HeldSegments,
  place: ReaderPlace,
  toLsn: number,
  windowBytes?: number,
): AsyncGenerator<JournalRecord, void, undefined> {
  for await (const records of readWindows(storage, held, place, toLsn, windowBytes)) {
    while (records.next()) {
      yield { lsn: records.lsn, record: records.bytes.slice(records.start, records.end) };
    }
  }
}

/** The same without copies and without waiting between the records of one window. */
export async function replayRecords(
  storage: Storage,
  held: HeldSegments,
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

/** Window by window, from segment to segment. The consumer takes what next() finds, all of it, before it goes on. */
async function* readWindows(
  storage: Storage,
  held: HeldSegments,
  place: ReaderPlace,
  toLsn: number,
  windowBytes: number | undefined,
): AsyncGenerator<SegmentRecords, void, undefined> {
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
    const file = await storage.openFile(segment.path, false);
    held.readerFiles.add(file);
    try {
      const records = new SegmentRecords(segment, place, toLsn);
      for await (const window of readAhead(file, place.offset, records.endOffset, windowBytes)) {
        records.push(window);
        yield records;
        if (records.isDone) break;
      }
      records.finish();
    } catch (error) {
      // While we waited the journal was closed, and our file with it.
      if (!held.readerFiles.has(file)) throw closedJournal(dirname(segment.path));
      throw error;
    } finally {
      held.readerFiles.delete(file);
      await file.close();
    }
  }
}

/** The records of one segment above `place.lsn`, in windows of its file from `place.offset` on. Moves `place` along. */
class SegmentRecords {
  readonly #segment: HeldSegment;
  readonly #place: ReaderPlace;
  readonly #toLsn: number;
  readonly #lastLsn: number;
  readonly #frames: FrameCursor;
  /** Where the commits that count end; more may follow before we are done with them. */
  readonly endOffset: number;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset: number;
  /** Where the commit ends whose frames are being read; null between commits. */
  #commitEndOffset: number | null = null;

  constructor(segment: HeldSegment, place: ReaderPlace, toLsn: number) {
    this.#segment = segment;
    this.#place = place;
    this.#toLsn = toLsn;
    this.#lastLsn = Math.min(toLsn, segment.endLsn);
    this.#frames = new FrameCursor(segment.seed, true);
    this.endOffset = segment.endOffset;
    this.#windowOffset = place.offset;
  }

  /** The record that next() found is `bytes[start, end)`. */
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

  /** True when everything that was asked for of this segment has been found. */
  get isDone(): boolean {
    return this.#place.lsn >= this.#lastLsn;
  }

  push(window: Uint8Array): void {
    this.#windowOffset += this.#window.length;
    this.#window = window;
    if (this.#commitEndOffset !== null) this.#frames.feed(window, 0);
  }

  /** Finds the next record; false when there is none left in this window. */
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

  /** No more windows come. */
  finish(): void {
    if (this.isDone) return;
    throw this.#damaged(
      this.#commitEndOffset === null ? 'the file ends before they do' : 'the commit is cut off',
    );
  }

  /** The next record above the place, verified. False when the commit, the window or what was asked for ends. */
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
      place.lsn = lsn;
      return true;
    }
    return false;
  }

  /** The commit at the place: into its frames when there is something above the place in them, or past it. */
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
    return new KeelsonError(
      'KEELSON_CORRUPT',
      `Records in ${path} that were durable cannot be read: ${why}`,
      {
        path,
        segment: sequence,
        offset: this.#place.offset,
        lsn: this.#place.lsn,
        lsnEnd: endLsn,
      },
    );
  }
}

function notABoundary(argument: string, lsn: number, endLsn: number): RangeError {
  return new RangeError(
    `${argument}: expected the LSN of a record, got ${lsn}, inside the record that ends at ${endLsn}`,
  );
}
