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
 * The records above `place.lsn` up to `toLsn`, which is durable. Moves `place` along.
 * Throws a RangeError when the start is not a record boundary, KEELSON_CORRUPT when a record is damaged.
 */
export async function* readRecords(
  storage: Storage,
  held: HeldSegments,
  place: ReaderPlace,
  toLsn: number,
): AsyncGenerator<JournalRecord, void, undefined> {
  while (place.lsn < toLsn) {
    const segment = held.find(place.lsn);
    if (segment === null) throw damaged(held, place, 'the segment that holds them is gone');
    if (place.sequence !== segment.sequence) {
      place.sequence = segment.sequence;
      place.offset = segment.blockBytes;
    }
    const file = await storage.openFile(segment.path, false);
    try {
      yield* readSegment(file, segment, place, toLsn);
    } finally {
      await file.close();
    }
  }
}

async function* readSegment(
  file: StorageFile,
  segment: HeldSegment,
  place: ReaderPlace,
  toLsn: number,
): AsyncGenerator<JournalRecord, void, undefined> {
  const window = new SegmentWindow(file);
  const endLsn = Math.min(toLsn, segment.endLsn);
  while (place.lsn < endLsn) {
    const { offset } = place;
    let at = await window.at(offset, COMMIT_HEADER_BYTES);
    const commit = at < 0 ? null : decodeCommitHeader(window.bytes, at, offset, segment.seed);
    if (commit === null) throw damagedCommit(segment, place, 'the header of the commit does not verify');
    const bytesOnDisk = commitBytesOnDisk(commit.bodyBytes, segment.blockBytes);
    if (commit.startLsn + commit.bodyBytes > place.lsn) {
      at = await window.at(offset, COMMIT_HEADER_BYTES + commit.bodyBytes);
      if (at < 0) throw damagedCommit(segment, place, 'the commit is cut off');
      const body = { at: at + COMMIT_HEADER_BYTES, bytes: commit.bodyBytes, startLsn: commit.startLsn };
      yield* readBody(window.bytes, body, segment, place, endLsn);
      // Inside this commit there may be more to come later, for who asked for less than all of it.
      if (place.lsn < commit.startLsn + commit.bodyBytes) return;
    }
    place.offset = offset + bytesOnDisk;
  }
}

function* readBody(
  bytes: Uint8Array,
  body: { readonly at: number; readonly bytes: number; readonly startLsn: number },
  segment: HeldSegment,
  place: ReaderPlace,
  endLsn: number,
): Generator<JournalRecord, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = body.at + body.bytes;
  let at = body.at;
  let startLsn = body.startLsn;
  while (at < end && startLsn < endLsn) {
    const length = checkFrame(bytes, view, at, end, startLsn, segment.seed);
    if (length < 0) throw damagedCommit(segment, place, 'the checksum of a record fails');
    const recordAt = at + FRAME_OVERHEAD_BYTES;
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
    if (startLsn < place.lsn && lsn > place.lsn) {
      throw new RangeError(
        `from: expected the LSN of a record, got ${place.lsn}, inside the record that ends at ${lsn}`,
      );
    }
    if (lsn > place.lsn) {
      if (lsn > endLsn) {
        throw new RangeError(
          `to: expected the LSN of a record, got ${endLsn}, inside the record that ends at ${lsn}`,
        );
      }
      place.lsn = lsn;
      yield { lsn: lsn as Lsn, record: bytes.slice(recordAt, recordAt + length) };
    }
    at = recordAt + length;
    startLsn = lsn;
  }
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

function damagedCommit(segment: HeldSegment, place: ReaderPlace, why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `Records that were durable cannot be read: ${why}`, {
    path: segment.path,
    segment: segment.sequence,
    offset: place.offset,
    lsn: place.lsn,
    lsnEnd: segment.endLsn,
  });
}

function damaged(held: HeldSegments, place: ReaderPlace, why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `Records that were durable cannot be read: ${why}`, {
    lsn: place.lsn,
    lsnEnd: held.startLsn ?? place.lsn,
  });
}
