// Reading records back from segments, in order, each checked again as it comes off the disk.

import { KeelsonError } from '../errors.js';
import { FRAME_OVERHEAD_BYTES, type Storage, type StorageFile } from '../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk, decodeCommitHeader } from './commit-format.js';
import { checkFrame } from './frame.js';
import type { HeldSegment, HeldSegments } from './held-segments.js';
import type { Lsn } from './lsn.js';

/** One record, in memory of its own. */
export interface JournalRecord {
  /** The position just after the record's frame. */
  readonly lsn: Lsn;
  readonly record: Uint8Array;
}

const WINDOW_BYTES = 1024 * 1024;

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
): AsyncGenerator<JournalRecord, void, undefined> {
  for await (const body of readBodies(storage, held, place, toLsn)) {
    for (const { lsn, start, end } of framesOf(body, place, toLsn)) {
      yield { lsn, record: body.bytes.slice(start, end) };
    }
  }
}

/** The same without copies and without waiting between records of one commit. */
export async function replayRecords(
  storage: Storage,
  held: HeldSegments,
  place: ReaderPlace,
  toLsn: number,
  visit: (lsn: Lsn, record: Uint8Array) => void,
): Promise<void> {
  for await (const body of readBodies(storage, held, place, toLsn)) {
    for (const { lsn, start, end } of framesOf(body, place, toLsn))
      visit(lsn, body.bytes.subarray(start, end));
  }
}

/** The frames of one commit, in memory that is used again for the next. */
interface CommitBody {
  readonly segment: HeldSegment;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
  readonly startLsn: number;
}

/** The bodies of the commits with records above `place.lsn`. The consumer moves `place.lsn` over their records. */
async function* readBodies(
  storage: Storage,
  held: HeldSegments,
  place: ReaderPlace,
  toLsn: number,
): AsyncGenerator<CommitBody, void, undefined> {
  while (place.lsn < toLsn) {
    const segment = held.find(place.lsn);
    if (segment === null) {
      const facts = { lsn: place.lsn, lsnEnd: held.startLsn ?? place.lsn };
      throw new KeelsonError('KEELSON_CORRUPT', 'The segment with records that were durable is gone', facts);
    }
    if (place.sequence !== segment.sequence) {
      place.sequence = segment.sequence;
      place.offset = segment.blockBytes;
    }
    const file = await storage.openFile(segment.path, false);
    held.readerFiles.add(file);
    try {
      yield* readSegmentBodies(file, segment, place, toLsn);
    } finally {
      held.readerFiles.delete(file);
      await file.close();
    }
  }
}

async function* readSegmentBodies(
  file: StorageFile,
  segment: HeldSegment,
  place: ReaderPlace,
  toLsn: number,
): AsyncGenerator<CommitBody, void, undefined> {
  const window = new SegmentWindow(file);
  while (place.lsn < Math.min(toLsn, segment.endLsn)) {
    const { offset } = place;
    const headerAt = await window.at(offset, COMMIT_HEADER_BYTES);
    const commit = headerAt < 0 ? null : decodeCommitHeader(window.bytes, headerAt, offset, segment.seed);
    if (commit === null) throw damaged(segment, place, 'the header of the commit does not verify');
    const { startLsn, bodyBytes } = commit;
    if (startLsn + bodyBytes > place.lsn) {
      const at = await window.at(offset, COMMIT_HEADER_BYTES + bodyBytes);
      if (at < 0) throw damaged(segment, place, 'the commit is cut off');
      const bodyAt = at + COMMIT_HEADER_BYTES;
      yield { segment, bytes: window.bytes, at: bodyAt, end: bodyAt + bodyBytes, startLsn };
      // Who asked for less than all of this commit may come back for the rest.
      if (place.lsn < startLsn + bodyBytes) return;
    }
    place.offset = offset + commitBytesOnDisk(bodyBytes, segment.blockBytes);
  }
}

/** Where the records above `place.lsn` and up to `toLsn` stand in the body, each verified. Moves `place.lsn` along. */
function* framesOf(
  body: CommitBody,
  place: ReaderPlace,
  toLsn: number,
): Generator<{ readonly lsn: Lsn; readonly start: number; readonly end: number }, void, undefined> {
  const { segment, bytes, end } = body;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = body.at;
  let startLsn = body.startLsn;
  while (at < end && startLsn < toLsn) {
    const length = checkFrame(bytes, view, at, end, startLsn, segment.seed);
    if (length < 0) throw damaged(segment, place, 'the checksum of a record fails');
    const start = at + FRAME_OVERHEAD_BYTES;
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
    if (startLsn < place.lsn && lsn > place.lsn) throw notABoundary('from', place.lsn, lsn);
    if (lsn > place.lsn) {
      if (lsn > toLsn) throw notABoundary('to', toLsn, lsn);
      place.lsn = lsn;
      yield { lsn: lsn as Lsn, start, end: start + length };
    }
    at = start + length;
    startLsn = lsn;
  }
}

function notABoundary(argument: string, lsn: number, endLsn: number): RangeError {
  return new RangeError(
    `${argument}: expected the LSN of a record, got ${lsn}, inside the record that ends at ${endLsn}`,
  );
}

/** A part of a segment in memory, read in large pieces. */
class SegmentWindow {
  readonly #file: StorageFile;
  bytes: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(file: StorageFile) {
    this.#file = file;
  }

  /** Where `offset` of the file stands in `bytes`, with `length` bytes behind it; -1 when the file is too short. */
  async at(offset: number, length: number): Promise<number> {
    const at = offset - this.#offset;
    if (at >= 0 && at + length <= this.bytes.length) return at;
    const window = new Uint8Array(Math.max(length, WINDOW_BYTES));
    const bytesRead = await this.#file.read(window, offset);
    this.bytes = window.subarray(0, bytesRead);
    this.#offset = offset;
    return bytesRead < length ? -1 : 0;
  }
}

function damaged(segment: HeldSegment, place: ReaderPlace, why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `Records that were durable cannot be read: ${why}`, {
    path: segment.path,
    segment: segment.sequence,
    offset: place.offset,
    lsn: place.lsn,
    lsnEnd: segment.endLsn,
  });
}
