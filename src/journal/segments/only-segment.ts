// The only segment of a new store that a backup or a salvage writes. It holds no record, but one recovered
// mark. An image holds everything up to the LSN of the mark.

import type { Storage } from '../../storage/index.js';
import { FIRST_SEQUENCE } from '../directory/incomplete.js';
import { LINEAGE_BLOCK_BYTES, writeLineageSegment } from './lineage-segment.js';

/** The plan of the only segment of a new store. */
export interface OnlySegmentPlan {
  /** The directory, which has no other segment. */
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** The LSN at which the journal ends. The journal holds no record, and the first append continues here. */
  readonly lsn: number;
}

/** Writes the segment. When this resolves, the segment and every name in the directory are durable. */
export async function writeOnlySegment(
  storage: Storage,
  { directory, journalId, lsn }: OnlySegmentPlan,
): Promise<void> {
  await writeLineageSegment(storage, {
    directory,
    sequence: FIRST_SEQUENCE,
    journalId,
    blockBytes: LINEAGE_BLOCK_BYTES,
    lineageStart: lsn,
    endLsn: lsn,
    heldFromLsn: lsn,
    commits: [],
  });
}
