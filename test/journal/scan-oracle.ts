// The scan of a segment as its definition reads, over all bytes at once: what the scan in windows must agree with.

import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
} from '../../src/journal/format/commit-format.js';
import { type SegmentHeader, segmentSeed } from '../../src/journal/format/segment-format.js';
import type { ScanEnd, ScannedCommit, SegmentScan } from '../../src/journal/recovery/segment-scan.js';
import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  frameChecksum,
} from '../../src/storage/frame-checksums.js';

export function scanAtOnce(bytes: Uint8Array, header: SegmentHeader): SegmentScan {
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const commits: ScannedCommit[] = [];
  let offset = blockBytes;
  let endsBecause: ScanEnd | null = null;
  while (endsBecause === null) {
    const commit = decodeCommitHeader(bytes, offset, offset, seed);
    const previous = commits.at(-1);
    if (offset >= bytes.length) endsBecause = 'full';
    else if (commit === null) endsBecause = 'header';
    else if (previous !== undefined && commit.startLsn !== previous.endLsn) endsBecause = 'gap';
    else if (offset + COMMIT_HEADER_BYTES + commit.bodyBytes > bytes.length) endsBecause = 'cut off';
    else if (!holds(bytes, offset + COMMIT_HEADER_BYTES, commit, seed)) endsBecause = 'body';
    else {
      const { startLsn, bodyBytes, recordCount, flags, nextSequence } = commit;
      commits.push({ offset, startLsn, endLsn: startLsn + bodyBytes, recordCount, flags, nextSequence });
      offset += commitBytesOnDisk(bodyBytes, blockBytes);
    }
  }
  const endOffset = Math.min(offset, bytes.length);
  const headers: CommitHeader[] = [];
  const claimingOffsets = commits.map((commit) => commit.offset);
  for (let at = endOffset; at < bytes.length; at += blockBytes) claimingOffsets.push(at);
  for (const at of claimingOffsets) {
    const commit = decodeAnywhere(bytes, at, blockBytes, seed);
    if (commit !== null) headers.push(commit);
  }
  return {
    commits,
    endOffset,
    endsBecause,
    // In a file that was a segment before, whatever is behind the end is old, but for what verifies as a commit header.
    hasBytesAfterEnd: header.isRecycled
      ? headers.length > commits.length
      : bytes.subarray(endOffset).some((byte) => byte !== 0),
    durableLsnClaimed: Math.max(-1, ...headers.map(({ durableLsn }) => durableLsn)),
    heldFromLsnClaimed: Math.max(-1, ...headers.map(({ heldFromLsn }) => heldFromLsn)),
  };
}

/** The header at `at`, also one that was written for another block of the segment. */
function decodeAnywhere(
  bytes: Uint8Array,
  at: number,
  blockBytes: number,
  seed: number,
): CommitHeader | null {
  let found = decodeCommitHeader(bytes, at, at, seed);
  for (let offset = blockBytes; found === null && offset < bytes.length; offset += blockBytes) {
    found = decodeCommitHeader(bytes, at, offset, seed);
  }
  return found;
}

/** True when the commit's bytes at `at` are all its frames. */
function holds(bytes: Uint8Array, at: number, commit: CommitHeader, seed: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = at + commit.bodyBytes;
  let next = at;
  let count = 0;
  for (; next + FRAME_OVERHEAD_BYTES <= end; count++) {
    const length = view.getUint32(next + FRAME_LENGTH_AT, true);
    const frameEnd = next + FRAME_OVERHEAD_BYTES + length;
    if (frameEnd > end) return false;
    const lsn = commit.startLsn + frameEnd - at;
    if (view.getUint32(next + FRAME_LSN_LOW_AT, true) !== lsn % 2 ** 32) return false;
    if (view.getUint32(next + FRAME_CHECKSUM_AT, true) !== frameChecksum(bytes, next, length, lsn, seed))
      return false;
    next = frameEnd;
  }
  return next === end && count === commit.recordCount;
}
