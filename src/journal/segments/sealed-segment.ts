// The segment of a journal that has no past: it holds the mark that ends a recovery, and says that everything below
// it is answered for by an image. What a backup and a salvage put beside the image that they write.

import type { Storage } from '../../storage/index.js';
import { FIRST_SEQUENCE } from '../directory/incomplete.js';
import { COMMIT_FLAGS, encodeCommitHeader } from '../format/commit-format.js';
import { writeLineageSegment } from './segment-files.js';

const BLOCK_BYTES = 4096;

export interface SealedSegmentPlan {
  /** Without any other segment. */
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** The journal ends here, well, and holds no record. The first one that is written follows. */
  readonly lsn: number;
}

/** Makes the segment. It and every name in the directory are durable when this returns. */
export async function writeSealedSegment(storage: Storage, plan: SealedSegmentPlan): Promise<void> {
  const { directory, journalId, lsn } = plan;
  const inHeader = {
    sequence: FIRST_SEQUENCE,
    journalId,
    blockBytes: BLOCK_BYTES,
    sizeBytes: 2 * BLOCK_BYTES,
  };
  const lineage = { lineageStart: lsn, durableLsn: lsn };
  await writeLineageSegment(storage, { directory, ...inHeader, ...lineage }, (seed) =>
    recoveredMark(lsn, seed),
  );
}

/** The block of an empty commit at `lsn`, the first of its segment. */
function recoveredMark(lsn: number, seed: number): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const mark = {
    startLsn: lsn,
    durableLsn: lsn,
    heldFromLsn: lsn,
    bodyBytes: 0,
    recordCount: 0,
    flags: COMMIT_FLAGS.recovered,
    nextSequence: 0,
  };
  encodeCommitHeader(block, mark, BLOCK_BYTES, seed);
  return block;
}
