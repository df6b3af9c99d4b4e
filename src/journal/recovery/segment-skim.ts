// The skim of a segment: only its header and the header of its first commit are read. Enough for a segment behind the
// image, which recovery does not need. Its records are verified when somebody reads them.

import type { Storage } from '../../storage/index.js';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  decodeCommitHeader,
  endsForGood,
} from '../format/commit-format.js';
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentSeed,
} from '../format/segment-format.js';
import type { FoundSegment } from './log-geometry.js';
import type { SegmentScan } from './segment-scan.js';

/** Skims a segment file. */
export async function skimSegment(storage: Storage, path: string, sequence: number): Promise<FoundSegment> {
  const file = await storage.openFile(path, false);
  const commitHeaderAt = async (offset: number, header: SegmentHeader): Promise<CommitHeader | null> => {
    const bytes = new Uint8Array(COMMIT_HEADER_BYTES);
    await file.read(bytes, offset);
    return decodeCommitHeader(bytes, 0, offset, segmentSeed(header));
  };
  try {
    const fileBytes = await file.size();
    const head = new Uint8Array(SEGMENT_HEADER_BYTES);
    const verdict = decodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
    const found = { path, sequence, fileBytes, modifiedMs: await file.modifiedMs(), isSkimmed: true };
    if (!verdict.ok) return { ...found, isClosedAtEnd: false, verdict, scan: null };
    const { header } = verdict;
    const { blockBytes, sizeBytes } = header;
    const scan = scanOf(await commitHeaderAt(blockBytes, header), blockBytes);
    // A file of its whole size needs no seal.
    const last = fileBytes < sizeBytes ? await commitHeaderAt(fileBytes - blockBytes, header) : null;
    const isClosedAtEnd = last !== null && endsForGood(last.flags);
    return { ...found, isClosedAtEnd, verdict, scan };
  } finally {
    await file.close();
  }
}

/** Returns the scan of a segment as far as the header of its first commit tells it. */
function scanOf(first: CommitHeader | null, blockBytes: number): SegmentScan {
  const end = { endOffset: blockBytes, endsBecause: 'header', hasBytesAfterEnd: false } as const;
  if (first === null) return { ...end, commits: [], durableLsnClaimed: -1, heldFromLsnClaimed: -1 };
  const { startLsn, bodyBytes, recordCount, flags, nextSequence, durableLsn, heldFromLsn } = first;
  const endLsn = startLsn + bodyBytes;
  const commit = { offset: blockBytes, startLsn, endLsn, recordCount, flags, nextSequence };
  return { ...end, commits: [commit], durableLsnClaimed: durableLsn, heldFromLsnClaimed: heldFromLsn };
}
