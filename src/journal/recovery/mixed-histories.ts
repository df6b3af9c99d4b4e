// Two histories in one directory: an owner that was robbed wrote on, or files of a copy were put back. Pure.
//
// One history never goes back, whatever crashed: each later segment begins at or above what an earlier one had proven
// durable, and above what recovery left alive in it. A segment that begins below belongs to a second history.
//
// What is not proven counts only in segments that recovery needs. Among the others a power cut in a retirement may
// have taken the lineage segment that declared a torn tail dead, and such a tail reaches above the next segment.

import { type LogSegment, provenIn } from './log-geometry.js';

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

/**
 * Returns the segments that hold records of a second history, the oldest first. `segments`: those that can be read, in
 * the order of their sequences. `firstNeeded`: the sequence of the first one that recovery needs.
 */
export function findMixedSegments(segments: readonly LogSegment[], firstNeeded: number): MixedSegment[] {
  const mixed: MixedSegment[] = [];
  let firstLater = NEVER;
  let firstLivingLater = NEVER;
  for (const segment of segments.toReversed()) {
    // Under another name it is a copy, and its place in the log is not known.
    const { sequence } = segment.header;
    if (sequence !== segment.found.sequence) continue;
    const isNeeded = sequence >= firstNeeded;
    const contradicted = [
      ...(provenIn(segment) > firstLater.lsn ? [firstLater] : []),
      ...(isNeeded && livingEndOf(segment) > firstLivingLater.lsn ? [firstLivingLater] : []),
    ];
    if (contradicted.length > 0) mixed.unshift(mixedAt(segment, contradicted.reduce(lower)));
    firstLater = lower(firstLater, { lsn: beginningOf(segment), sequence });
    const [living] = segment.living;
    if (living !== undefined) {
      firstLivingLater = lower(firstLivingLater, { lsn: living.startLsn, sequence });
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

function lower(a: Beginning, b: Beginning): Beginning {
  return b.lsn <= a.lsn ? b : a;
}

function livingEndOf({ living }: LogSegment): number {
  return living.at(-1)?.endLsn ?? -1;
}

/** Where the log stood when the segment was begun. A lineage repeats some of it: recovery had found it up to its end. */
function beginningOf({ header, scan }: LogSegment): number {
  if (header.lineageStart !== null) return header.durableLsn;
  return scan.commits[0]?.startLsn ?? NEVER.lsn;
}

function mixedAt(segment: LogSegment, { lsn, sequence: laterSegment }: Beginning): MixedSegment {
  const { found, scan } = segment;
  const { path, sequence } = found;
  const first = scan.commits.find(({ endLsn }) => endLsn > lsn);
  const lsnEnd = Math.max(provenIn(segment), scan.commits.at(-1)?.endLsn ?? -1);
  return { path, segment: sequence, offset: first?.offset ?? scan.endOffset, lsn, lsnEnd, laterSegment };
}
