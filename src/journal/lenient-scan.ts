// Reading a segment that may be damaged: everything in it that verifies, also behind a place that does not. For
// looking and for salvage only. Whether a journal is sound is decided by recovery, which believes less.

import {
  FileWindow,
  FRAME_CHECKSUM_AT,
  FRAME_OVERHEAD_BYTES,
  frameChecksum,
  type StorageFile,
} from '../storage/index.js';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
} from './commit-format.js';
import { recordLengthAt } from './frame.js';
import { BLOCK_BYTES_MAX, type SegmentHeader, segmentSeed } from './segment-format.js';

/** A record that verifies: `bytes[start, end)` of its piece. */
export interface FoundRecord {
  readonly startLsn: number;
  readonly lsn: number;
  readonly start: number;
  readonly end: number;
}

/**
 * A stretch of a segment that is more than zeros, with the records in it that verify. `commit` is the header that stands
 * at its start; null when none that verifies does. The memory is good until the next piece is asked for.
 */
export interface SegmentPiece {
  readonly offset: number;
  readonly offsetEnd: number;
  readonly commit: CommitHeader | null;
  /** The commit is there with all of its records. */
  readonly isWhole: boolean;
  readonly bytes: Uint8Array;
  readonly records: readonly FoundRecord[];
}

/** Behind a commit header that is damaged, records are looked for as far as this. */
const HEADLESS_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The pieces of a segment, in the order of their places. `fileBytes` may be less than the header says. Above
 * `provenLsn` a commit counts whole or not at all: there no records are looked for where its header is damaged.
 */
export async function* scanLeniently(
  file: StorageFile,
  fileBytes: number,
  header: SegmentHeader,
  provenLsn: number,
): AsyncGenerator<SegmentPiece, void, undefined> {
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const window = new FileWindow(file, Math.min(fileBytes, header.sizeBytes));
  let lsn: number | null = null;
  for (let offset = blockBytes; offset < window.fileBytes; ) {
    const commit = await commitAt(window, offset, seed);
    if (commit !== null) {
      yield await readCommit(window, offset, commit, seed, blockBytes);
      lsn = commit.startLsn + commit.bodyBytes;
      offset += commitBytesOnDisk(commit.bodyBytes, blockBytes);
      continue;
    }
    const stretch = await measureStretch(window, offset, seed, blockBytes);
    const startLsn = lsn !== null && lsn < provenLsn ? lsn : null;
    if (stretch.usedEnd > offset) yield await readHeadless(window, offset, stretch.usedEnd, startLsn, seed);
    offset = stretch.end;
    lsn = null;
  }
}

async function commitAt(window: FileWindow, offset: number, seed: number): Promise<CommitHeader | null> {
  const at = await window.at(offset, COMMIT_HEADER_BYTES);
  return at < 0 ? null : decodeCommitHeader(window.bytes, at, offset, seed);
}

async function readCommit(
  window: FileWindow,
  offset: number,
  commit: CommitHeader,
  seed: number,
  blockBytes: number,
): Promise<SegmentPiece> {
  const { startLsn, bodyBytes, recordCount } = commit;
  const bytesThere = Math.min(COMMIT_HEADER_BYTES + bodyBytes, window.fileBytes - offset);
  const at = await window.at(offset, bytesThere);
  const offsetEnd = Math.min(offset + commitBytesOnDisk(bodyBytes, blockBytes), window.fileBytes);
  // The file has become shorter under us.
  if (at < 0) return { offset, offsetEnd, commit, isWhole: false, bytes: window.bytes, records: [] };
  const records = recordsIn(window.bytes, at + COMMIT_HEADER_BYTES, at + bytesThere, startLsn, seed);
  const bytesFound = records.reduce((sum, record) => sum + record.lsn - record.startLsn, 0);
  const isWhole = bytesFound === bodyBytes && records.length === recordCount;
  return { offset, offsetEnd, commit, isWhole, bytes: window.bytes, records };
}

/** Where the next commit header that verifies stands, or the file ends; and where what is not zero ends before that. */
async function measureStretch(
  window: FileWindow,
  from: number,
  seed: number,
  blockBytes: number,
): Promise<{ readonly end: number; readonly usedEnd: number }> {
  let usedEnd = from;
  for (let offset = from; offset < window.fileBytes; offset += blockBytes) {
    if (offset > from && (await commitAt(window, offset, seed)) !== null) return { end: offset, usedEnd };
    const length = Math.min(blockBytes, window.fileBytes - offset);
    const at = await window.at(offset, length);
    if (at < 0 || !isZero(window.bytes.subarray(at, at + length))) usedEnd = offset + length;
  }
  return { end: window.fileBytes, usedEnd };
}

const ZEROS = new Uint8Array(BLOCK_BYTES_MAX);

function isZero(block: Uint8Array): boolean {
  return Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0;
}

/** What stands where a commit should start has no header. If it is known at which LSN it starts, its records may verify. */
async function readHeadless(
  window: FileWindow,
  offset: number,
  offsetEnd: number,
  startLsn: number | null,
  seed: number,
): Promise<SegmentPiece> {
  const length = Math.min(offsetEnd - offset, HEADLESS_BYTES_MAX);
  const at = startLsn === null ? -1 : await window.at(offset, length);
  const records =
    startLsn === null || at < 0
      ? []
      : recordsIn(window.bytes, at + COMMIT_HEADER_BYTES, at + length, startLsn, seed);
  return { offset, offsetEnd, commit: null, isWhole: false, bytes: window.bytes, records };
}

/**
 * The records that verify in `bytes[from, end)`, where one that starts at `from` starts at `startLsn`. Its LSN is in the
 * checksum of each frame: so after a damaged one the next is found, and nothing else is taken for one.
 */
function recordsIn(
  bytes: Uint8Array,
  from: number,
  end: number,
  startLsn: number,
  seed: number,
): FoundRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: FoundRecord[] = [];
  let at = from;
  while (at + FRAME_OVERHEAD_BYTES <= end) {
    const frameLsn = startLsn + (at - from);
    const length = recordLengthAt(view, at, end - at, frameLsn);
    const lsn = frameLsn + FRAME_OVERHEAD_BYTES + length;
    const holds =
      length >= 0 &&
      view.getUint32(at + FRAME_CHECKSUM_AT, true) === frameChecksum(bytes, at, length, lsn, seed);
    if (!holds) {
      at++;
      continue;
    }
    const start = at + FRAME_OVERHEAD_BYTES;
    records.push({ startLsn: frameLsn, lsn, start, end: start + length });
    at = start + length;
  }
  return records;
}
