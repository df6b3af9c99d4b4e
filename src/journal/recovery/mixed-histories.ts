// Two histories in one directory: an owner that was robbed wrote on, or files of a copy were put back. Pure.
//
// One history never goes back, whatever crashed: each later segment begins at or above what an earlier one had proven
// durable, and above what recovery left alive in it. A segment that begins below belongs to a second history.
//
// What is not proven counts only in segments that recovery needs. Among the others a power cut in a retirement may
// have taken the lineage segment that declared a torn tail dead, and such a tail reaches above the next segment.

import { COMMIT_FLAGS } from '../format/commit-format.js';
import type { SegmentHeader } from '../format/segment-format.js';
import type { ScannedCommit, SegmentScan } from './segment-scan.js';

/** A segment that can be read. */
export interface SegmentHistory {
  readonly path: string;
  /** As its name says. */
  readonly sequence: number;
  readonly header: SegmentHeader;
  readonly scan: SegmentScan;
  /** The commits that no later lineage has declared dead. */
  readonly living: readonly ScannedCommit[];
}

/** A segment with records of one history, and the first segment of the other one that contradicts it. */
export interface MixedSegment {
  readonly path: string;
  readonly segment: number;
  /** Where the records that do not count start in the file. */
  readonly offset: number;
  /** Its records above `lsn` and up to `lsnEnd` do not count. */
  readonly lsn: number;
  readonly lsnEnd: number;
  /** The segment that begins at `lsn`, and counts. */
  readonly laterSegment: number;
}

interface Beginning {
  readonly lsn: number;
  readonly sequence: number;
}

/** Where nothing begins. */
const NEVER: Beginning = { lsn: Number.POSITIVE_INFINITY, sequence: 0 };

/** Returns the highest LSN that anything in the segment says to have been durable. */
export function provenIn({ header, scan }: Pick<SegmentHistory, 'header' | 'scan'>): number {
  const marks = scan.commits.filter(({ flags }) => (flags & ENDS_FOR_GOOD) !== 0);
  // Nobody writes such a mark while anything is in flight: all that it stands behind was durable.
  const markedLsn = Math.max(-1, ...marks.map(({ startLsn }) => startLsn));
  return Math.max(scan.durableLsnClaimed, header.durableLsn, markedLsn);
}

/**
 * Returns the segments that hold records of a second history, the oldest first. `segments`: those that can be read, in
 * the order of their sequences. `firstNeeded`: the sequence of the first one that recovery needs.
 */
export function findMixedSegments(segments: readonly SegmentHistory[], firstNeeded: number): MixedSegment[] {
  const mixed: MixedSegment[] = [];
  let firstLater = NEVER;
  let firstLivingLater = NEVER;
  for (const segment of segments.toReversed()) {
    // Under another name it is a copy, and its place in the log is not known.
    if (segment.header.sequence !== segment.sequence) continue;
    const isNeeded = segment.sequence >= firstNeeded;
    const contradicted = [
      ...(provenIn(segment) > firstLater.lsn ? [firstLater] : []),
      ...(isNeeded && livingEndOf(segment) > firstLivingLater.lsn ? [firstLivingLater] : []),
    ];
    if (contradicted.length > 0) mixed.unshift(mixedAt(segment, contradicted.reduce(lower)));
    firstLater = lower(firstLater, { lsn: beginningOf(segment), sequence: segment.sequence });
    const [living] = segment.living;
    if (living !== undefined) {
      firstLivingLater = lower(firstLivingLater, { lsn: living.startLsn, sequence: segment.sequence });
    }
  }
  return mixed;
}

/** Says in a sentence what is wrong with the segment. */
export function whyMixed({ laterSegment }: MixedSegment): string {
  return (
    `two owners' writes, or files of a copy, are mixed: the records from here on are not in the log ` +
    `that segment ${laterSegment} goes on from; those of segment ${laterSegment} count, these do not`
  );
}

const ENDS_FOR_GOOD = COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered;

function lower(a: Beginning, b: Beginning): Beginning {
  return b.lsn <= a.lsn ? b : a;
}

function livingEndOf({ living }: SegmentHistory): number {
  return living.at(-1)?.endLsn ?? -1;
}

/** Where the log stood when the segment was begun. A lineage repeats some of it: recovery had found it up to its end. */
function beginningOf({ header, scan }: SegmentHistory): number {
  if (header.lineageStart !== null) return header.durableLsn;
  return scan.commits[0]?.startLsn ?? NEVER.lsn;
}

function mixedAt(segment: SegmentHistory, { lsn, sequence: laterSegment }: Beginning): MixedSegment {
  const { path, sequence, scan } = segment;
  const first = scan.commits.find(({ endLsn }) => endLsn > lsn);
  const lsnEnd = Math.max(provenIn(segment), scan.commits.at(-1)?.endLsn ?? -1);
  return { path, segment: sequence, offset: first?.offset ?? scan.endOffset, lsn, lsnEnd, laterSegment };
}
