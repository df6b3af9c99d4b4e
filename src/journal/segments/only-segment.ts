// The only segment of a new store that a backup or a salvage writes. It holds no record, but one recovered
// mark. An image holds everything up to the LSN of the mark.

import type { Storage } from '../../storage/index.js';
import { FIRST_SEQUENCE } from '../directory/incomplete.js';
import { COMMIT_FLAGS, encodeCommitHeader } from '../format/commit-format.js';
import { writeLineageSegment } from './segment-files.js';

const BLOCK_BYTES = 4096;

/** The plan of the only segment of a new store. */
export interface OnlySegmentPlan {
  /** The directory, which has no other segment. */
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** The LSN at which the journal ends. The journal holds no record, and the first append continues here. */
  readonly lsn: number;
}

/** Writes the segment. When this resolves, the segment and every name in the directory are durable. */
export async function writeOnlySegment(storage: Storage, plan: OnlySegmentPlan): Promise<void> {
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

/** Returns the block of a recovered mark at `lsn`, as the first commit of a segment. */
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
