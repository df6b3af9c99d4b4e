// Scanning: from the bytes of one segment to what they prove. Pure: bytes in, values out, no judgement.
// Whether a break is a torn tail or damage is decided over all segments, in recovery-decision.ts.

import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
} from './commit-format.js';
import { checkBody } from './frame.js';
import { type SegmentHeader, segmentSeed } from './segment-format.js';

/** A commit that is whole, at its place in the segment. */
export interface ScannedCommit {
  readonly offset: number;
  readonly startLsn: number;
  readonly endLsn: number;
  readonly recordCount: number;
  readonly flags: number;
  readonly nextSequence: number;
}

export interface SegmentScan {
  /** The whole commits from the first on, each starting where the one before it ended. */
  readonly commits: readonly ScannedCommit[];
  /** Where the run of whole commits ends. */
  readonly endOffset: number;
  /** True when anything but zeros follows `endOffset`: a torn write, old bytes, or damage. */
  readonly hasBytesAfterEnd: boolean;
  /** The highest durable LSN that any valid commit header anywhere in the segment claims; -1 if there is none. */
  readonly durableLsnClaimed: number;
  /** The highest held-from LSN so claimed; -1 if there is none. */
  readonly heldFromLsnClaimed: number;
}

/** Scans a whole segment file, header block included. */
export function scanSegment(bytes: Uint8Array, header: SegmentHeader): SegmentScan {
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const commits: ScannedCommit[] = [];
  let durableLsnClaimed = -1;
  let heldFromLsnClaimed = -1;
  const claim = (commit: CommitHeader) => {
    durableLsnClaimed = Math.max(durableLsnClaimed, commit.durableLsn);
    heldFromLsnClaimed = Math.max(heldFromLsnClaimed, commit.heldFromLsn);
  };

  let offset = blockBytes;
  for (;;) {
    const commit = decodeCommitHeader(bytes, offset, offset, seed);
    if (commit === null) break;
    claim(commit);
    const previous = commits.at(-1);
    if (previous !== undefined && commit.startLsn !== previous.endLsn) break;
    const { startLsn, bodyBytes, recordCount, flags, nextSequence } = commit;
    if (!checkBody(bytes, offset + COMMIT_HEADER_BYTES, bodyBytes, recordCount, startLsn, seed)) break;
    commits.push({ offset, startLsn, endLsn: startLsn + bodyBytes, recordCount, flags, nextSequence });
    offset += commitBytesOnDisk(bodyBytes, blockBytes);
  }

  const endOffset = Math.min(offset, bytes.length);
  // Behind the break, only claims count: a header that verifies says what had been durable when it was submitted.
  // A zero block has no magic, so an untouched end of a segment costs one comparison a block.
  for (let at = endOffset; at < bytes.length; at += blockBytes) {
    const commit = decodeCommitHeader(bytes, at, at, seed);
    if (commit !== null) claim(commit);
  }
  return {
    commits,
    endOffset,
    hasBytesAfterEnd: hasNonZero(bytes, endOffset),
    durableLsnClaimed,
    heldFromLsnClaimed,
  };
}

/** Words where they are whole: a file that was cut short ends anywhere, and a range need not start at a word either. */
function hasNonZero(bytes: Uint8Array, from: number): boolean {
  let at = from;
  for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] !== 0) return true;
  if (at === bytes.length) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >>> 2);
  for (let word = 0; word < words.length; word++) if (words[word] !== 0) return true;
  for (at += words.byteLength; at < bytes.length; at++) if (bytes[at] !== 0) return true;
  return false;
}
