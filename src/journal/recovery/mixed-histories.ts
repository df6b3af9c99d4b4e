// The check for two histories in one directory: two owners wrote there, or somebody put files of a copy back.
// Pure.
//
// In one history, whatever crashed, a segment begins at or above every LSN that an earlier segment proves
// durable. It also begins at or above the end of the commits in an earlier segment that are not dead. A segment
// that begins below one of these belongs to a second history.
//
// Commits that are not proven durable are compared only in the segments that recovery needs. In older segments
// they may be a torn tail that a lineage segment replaced, and that segment may be gone, because a power cut
// interrupted a retirement. In one history, too, such a tail may end above the beginning of the next segment.

import { type LogSegment, provenIn } from './log-geometry.js';

/** A segment with records of one history, and the first segment of the other history that contradicts it. */
export interface MixedSegment {
  readonly path: string;
  readonly segment: number;
  /** The offset in the file of the first commit that does not count. */
  readonly offset: number;
  /** The records above `lsn` and up to `lsnEnd` do not count. */
  readonly lsn: number;
  readonly lsnEnd: number;
  /** The sequence of the segment that begins at `lsn`, and counts. */
  readonly laterSegment: number;
}

interface Beginning {
  readonly lsn: number;
  readonly sequence: number;
}

/** The beginning if there is no later segment. */
const NEVER: Beginning = { lsn: Number.POSITIVE_INFINITY, sequence: 0 };

/**
 * Returns the segments that hold records of a second history, oldest first.
 *
 * @param segments In the order of their sequences.
 * @param firstNeeded The sequence of the first segment that recovery needs.
 */
export function findMixedSegments(segments: readonly LogSegment[], firstNeeded: number): MixedSegment[] {
  const mixed: MixedSegment[] = [];
  let firstLater = NEVER;
  let firstLivingLater = NEVER;
  for (const segment of segments.toReversed()) {
    // A file under another name is a copy, and its place in the log is unknown.
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

/** Returns a sentence about the fault of the segment. */
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

/**
 * Returns the LSN that the log had reached when the segment was begun. A lineage segment repeats earlier
 * commits.
 */
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
