// A segment to which no session appends: copied commits, and the mark that ends them. Recovery, backup and salvage write
// such segments.

import { isKeelsonError } from '../../errors.js';
import { BackgroundCloses, checksumFrames, runSteps, type Storage } from '../../storage/index.js';
import { COMMIT_FLAGS, COMMIT_HEADER_BYTES, encodeCommitHeader } from '../format/commit-format.js';
import { prepareSegment, type WritableSegment } from './segment-files.js';

/** The block size of a segment in a new directory, in bytes. */
export const LINEAGE_BLOCK_BYTES = 4096;

/** A commit that is copied into another segment. */
export interface CopiedCommit {
  readonly startLsn: number;
  readonly endLsn: number;
  readonly recordCount: number;
  /** Whole blocks: room for the header, the frames without checksums, and zeros. The writer changes it. */
  readonly bytes: Uint8Array;
}

/** The plan of a segment that is written whole. */
export interface LineagePlan {
  readonly directory: string;
  readonly sequence: number;
  readonly journalId: Uint8Array;
  readonly blockBytes: number;
  /** The LSN at which the first commit starts. */
  readonly lineageStart: number;
  /** The LSN at which the last commit ends: `lineageStart` without one. */
  readonly endLsn: number;
  /** The oldest LSN that the journal holds. */
  readonly heldFromLsn: number;
  readonly commits: readonly CopiedCommit[];
}

/** Writes the segment. When this resolves, the segment and every name in the directory are durable. */
export async function writeLineageSegment(storage: Storage, plan: LineagePlan): Promise<WritableSegment> {
  const { directory, sequence, journalId, blockBytes, lineageStart, endLsn: durableLsn, commits } = plan;
  const bodyBytes = commits.reduce((total, { bytes }) => total + bytes.length, 0);
  const sizeBytes = 2 * blockBytes + bodyBytes;
  const header = { directory, sequence, journalId, sizeBytes, blockBytes, lineageStart, durableLsn };
  const closes = new BackgroundCloses();
  const contents = (seed: number) => contentsOf(plan, seed);
  const segment = await runSteps(prepareSegment(storage, header, contents, closes))
    .catch((error) => {
      // There is no open journal to poison, so the cause is the error.
      throw isKeelsonError(error, 'KEELSON_POISONED') ? error.cause : error;
    })
    .finally(() => closes.whenDone());
  await segment.file.close();
  return segment;
}

/** Returns the commits with checksums that start from `seed`, and the mark behind them. */
function contentsOf({ blockBytes, lineageStart, endLsn, heldFromLsn, commits }: LineagePlan, seed: number) {
  const contents: Uint8Array[] = [];
  const nothing = { heldFromLsn, bodyBytes: 0, recordCount: 0, flags: 0, nextSequence: 0 };
  let offset = blockBytes;
  for (const { startLsn, endLsn: commitEndLsn, recordCount, bytes } of commits) {
    const bodyBytes = commitEndLsn - startLsn;
    checksumFrames(bytes, { seed, startLsn, bodyOffset: COMMIT_HEADER_BYTES, bodyLength: bodyBytes });
    const header = { ...nothing, startLsn, durableLsn: lineageStart, bodyBytes, recordCount };
    encodeCommitHeader(bytes, header, offset, seed);
    contents.push(bytes);
    offset += bytes.length;
  }
  const mark = new Uint8Array(blockBytes);
  const { recovered: flags } = COMMIT_FLAGS;
  encodeCommitHeader(mark, { ...nothing, startLsn: endLsn, durableLsn: endLsn, flags }, offset, seed);
  return Buffer.concat([...contents, mark]);
}
