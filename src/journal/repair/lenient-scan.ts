// Reading a segment that may be damaged: everything in it that verifies, also behind a place that does not. For
// looking and for salvage only. Whether a journal is sound is decided by recovery, which believes less.

import { FileWindow, RECORD_BYTES_MAX, type StorageFile } from '../../storage/index.js';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
} from '../format/commit-format.js';
import { BLOCK_BYTES_MAX, type SegmentHeader, segmentSeed } from '../format/segment-format.js';
import { type FoundRecord, FrameScan, type HeadlessCommits } from './frame-scan.js';

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

/** Where no commit header verifies, records are looked for as far as this: the longest one, and what is before it. */
const HEADLESS_BYTES_MAX = RECORD_BYTES_MAX + 2 * BLOCK_BYTES_MAX;

export interface LenientScanPlan {
  readonly file: StorageFile;
  /** May be less than the header says. */
  readonly fileBytes: number;
  readonly header: SegmentHeader;
  /** Where the log stands before this segment, as far as that is known. */
  readonly logLsn: number;
  /** Above it a commit counts whole or not at all: there no records are looked for where its header is damaged. */
  readonly provenLsn: number;
}

/** The pieces of a segment, in the order of their places. */
export async function* scanLeniently(plan: LenientScanPlan): AsyncGenerator<SegmentPiece, void, undefined> {
  const { file, fileBytes, header, provenLsn } = plan;
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const window = new FileWindow(file, Math.min(fileBytes, header.sizeBytes));
  /** No commit that is still to come starts below. */
  let lsnMin = header.lineageStart ?? header.durableLsn;
  let lsn: number | null = header.lineageStart ?? plan.logLsn;
  for (let offset = blockBytes; offset < window.fileBytes; ) {
    const commit = await commitAt(window, offset, seed);
    if (commit !== null) {
      yield await readCommit(window, offset, commit, seed, blockBytes);
      lsn = commit.startLsn + commit.bodyBytes;
      lsnMin = Math.max(lsnMin, lsn);
      offset += commitBytesOnDisk(commit.bodyBytes, blockBytes);
      continue;
    }
    const stretch = await measureStretch(window, offset, seed, blockBytes);
    const lsnMax = Math.min(provenLsn, stretch.nextLsn);
    if (stretch.usedEnd > offset) {
      const commits = { blockBytes, startLsn: lsn, lsnMin, lsnMax };
      yield await readHeadless(window, offset, stretch.usedEnd, commits, seed);
    }
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
  const scan = new FrameScan(window.bytes, at + COMMIT_HEADER_BYTES, at + bytesThere, seed);
  await scan.ofCommit(startLsn);
  const { records } = scan;
  const bytesFound = records.reduce((sum, { lsn, startLsn }) => sum + (lsn - startLsn), 0);
  const isWhole = bytesFound === bodyBytes && records.length === recordCount;
  return { offset, offsetEnd, commit, isWhole, bytes: window.bytes, records };
}

/** Where the next commit header that verifies stands, or the file ends; where what is not zero ends before that; and its LSN. */
async function measureStretch(
  window: FileWindow,
  from: number,
  seed: number,
  blockBytes: number,
): Promise<{ readonly end: number; readonly usedEnd: number; readonly nextLsn: number }> {
  let usedEnd = from;
  for (let offset = from; offset < window.fileBytes; offset += blockBytes) {
    const next = offset > from ? await commitAt(window, offset, seed) : null;
    if (next !== null) return { end: offset, usedEnd, nextLsn: next.startLsn };
    const length = Math.min(blockBytes, window.fileBytes - offset);
    const at = await window.at(offset, length);
    if (at < 0 || !isZero(window.bytes.subarray(at, at + length))) usedEnd = offset + length;
  }
  return { end: window.fileBytes, usedEnd, nextLsn: Number.POSITIVE_INFINITY };
}

const ZEROS = new Uint8Array(BLOCK_BYTES_MAX);

function isZero(block: Uint8Array): boolean {
  return Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0;
}

/** What stands where commits should start has no header. Their records may verify all the same. */
async function readHeadless(
  window: FileWindow,
  offset: number,
  offsetEnd: number,
  commits: HeadlessCommits,
  seed: number,
): Promise<SegmentPiece> {
  const piece = { offset, offsetEnd, commit: null, isWhole: false };
  const length = Math.min(offsetEnd - offset, HEADLESS_BYTES_MAX);
  const at = commits.lsnMin < commits.lsnMax ? await window.at(offset, length) : -1;
  if (at < 0) return { ...piece, bytes: window.bytes, records: [] };
  const scan = new FrameScan(window.bytes, at, at + length, seed);
  await scan.ofCommits(commits);
  return { ...piece, bytes: window.bytes, records: scan.records };
}
