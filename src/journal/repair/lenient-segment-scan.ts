// The lenient scan of a segment that may be damaged: everything that verifies, also behind a place that does
// not. For verify() and salvage() only. Recovery decides whether a journal is sound, and believes less.

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
 * A stretch of a segment that is not all zeros, with the records in it that verify. `commit` is the header at
 * its start, or null if none verifies there. The memory is valid until the next piece.
 */
export interface SegmentPiece {
  readonly offset: number;
  readonly offsetEnd: number;
  readonly commit: CommitHeader | null;
  /** True if the commit has all its records. */
  readonly isWhole: boolean;
  readonly bytes: Uint8Array;
  readonly records: readonly FoundRecord[];
}

/**
 * Limit of the bytes that are searched for records without a commit header: the longest record, and what may
 * precede it.
 */
const HEADLESS_BYTES_MAX = RECORD_BYTES_MAX + 2 * BLOCK_BYTES_MAX;

/** The segment that is scanned, and what is known of the log around it. */
export interface LenientScanPlan {
  readonly file: StorageFile;
  /** Bytes of the file, which may be fewer than the header says. */
  readonly fileBytes: number;
  readonly header: SegmentHeader;
  /** Where the log stands before this segment, as far as that is known. */
  readonly logLsn: number;
  /**
   * Commits above this LSN count whole or not at all. So the scan looks for no records there if the commit
   * header is damaged.
   */
  readonly provenLsn: number;
}

/** Iterates over the pieces of a segment, in the order of their places. */
export async function* scanLeniently(plan: LenientScanPlan): AsyncGenerator<SegmentPiece, void, undefined> {
  const { file, fileBytes, header, provenLsn } = plan;
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const window = new FileWindow(file, Math.min(fileBytes, header.sizeBytes));
  /** No commit that follows starts below this LSN. */
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
  // The file became shorter during the scan.
  if (at < 0) return { offset, offsetEnd, commit, isWhole: false, bytes: window.bytes, records: [] };
  const scan = new FrameScan(window.bytes, at + COMMIT_HEADER_BYTES, at + bytesThere, seed);
  await scan.ofCommit(startLsn);
  const { records } = scan;
  const bytesFound = records.reduce((sum, { lsn, startLsn }) => sum + (lsn - startLsn), 0);
  const isWhole = bytesFound === bodyBytes && records.length === recordCount;
  return { offset, offsetEnd, commit, isWhole, bytes: window.bytes, records };
}

/**
 * Measures the stretch from `from` on that has no commit header. Returns where it ends, where its last byte
 * that is not zero ends, and the LSN of the commit behind it.
 */
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

/** Returns the records that verify in a stretch without commit headers. */
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
