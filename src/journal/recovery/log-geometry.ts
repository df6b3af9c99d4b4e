// The geometry of a log: which commits of its segments count, which segments are needed, what is proven durable, and what is
// wrong with a file as a whole. Recovery and repair decide on it alike. Pure.

import { COMMIT_FLAGS, endsForGood } from '../format/commit-format.js';
import { type HeaderRefusal, refuse } from '../format/file-header.js';
import type { SegmentHeader, SegmentHeaderVerdict } from '../format/segment-format.js';
import type { ScannedCommit, SegmentScan } from './segment-scan.js';

/** A segment file as a scan has found it. */
export interface FoundSegment {
  readonly path: string;
  /** The sequence in the name of the file. */
  readonly sequence: number;
  readonly fileBytes: number;
  /** True when the last block is the seal of a life that ended well. */
  readonly isClosedAtEnd: boolean;
  readonly verdict: SegmentHeaderVerdict;
  /** Null when the header does not hold. */
  readonly scan: SegmentScan | null;
}

/** A segment whose header holds, at its place in the log. */
export interface LogSegment {
  readonly found: FoundSegment;
  readonly header: SegmentHeader;
  readonly scan: SegmentScan;
  /** Commits of this segment that start here or above are dead: a later segment has replaced them. */
  readonly deadFromLsn: number;
  /** The commits that are not dead. */
  readonly living: readonly ScannedCommit[];
}

type SegmentContents = Pick<LogSegment, 'header' | 'scan'>;

/** Returns from which LSN on a segment replaces the commits of the segments before it. */
export type ReplacesFrom = (segment: SegmentContents) => number;

/** Recovery makes a segment that replaces what is above its lineage start. Any other one replaces nothing. */
export const byLineage: ReplacesFrom = ({ header }) => header.lineageStart ?? Number.POSITIVE_INFINITY;

/** In a damaged log the later segment is believed: it replaces all from its first commit on. */
export const byAnyLater: ReplacesFrom = (segment) =>
  Math.min(byLineage(segment), segment.scan.commits[0]?.startLsn ?? Number.POSITIVE_INFINITY);

/** Returns the segments whose headers hold, in the order of `segments`, which is that of the log. */
export function placeInLog(segments: readonly FoundSegment[], replacesFrom: ReplacesFrom): LogSegment[] {
  const placed: LogSegment[] = [];
  let deadFromLsn = Number.POSITIVE_INFINITY;
  for (const found of segments.toReversed()) {
    const { verdict, scan } = found;
    if (!verdict.ok || scan === null) continue;
    const { header } = verdict;
    // A mark that sits exactly at a later lineage's start is dead as well: it says nothing that is still true.
    const living = scan.commits.filter(({ startLsn }) => startLsn < deadFromLsn);
    placed.unshift({ found, header, scan, deadFromLsn, living });
    deadFromLsn = Math.min(deadFromLsn, replacesFrom({ header, scan }));
  }
  return placed;
}

/**
 * Returns the index of the first segment that is needed when an image holds everything up to `baseLsn`: the last one whose
 * living commits start at or below it. Those before it may be in any state. Returns -1 when no segment starts so early.
 */
export function firstNeededIndex(segments: readonly LogSegment[], baseLsn: number): number {
  return segments.findLastIndex(({ living }) => living[0] !== undefined && living[0].startLsn <= baseLsn);
}

/** Returns the highest LSN that anything in the segment says to have been durable; -1 or more. */
export function provenIn({ header, scan }: SegmentContents): number {
  const marks = scan.commits.filter(({ flags }) => endsForGood(flags));
  // Nobody writes such a mark while anything is in flight: all that it stands behind was durable.
  const markedLsn = Math.max(-1, ...marks.map(({ startLsn }) => startLsn));
  return Math.max(scan.durableLsnClaimed, header.durableLsn, markedLsn);
}

/** What is wrong with a file as a whole, and where in the file. */
export interface Unsoundness extends Pick<HeaderRefusal, 'code' | 'why'> {
  readonly offset: number;
  readonly offsetEnd?: number;
}

/** Returns what is wrong with the file of a segment, whatever its commits are; null when nothing is. */
export function unsoundnessOf(segment: FoundSegment): Unsoundness | null {
  const { verdict, sequence, fileBytes } = segment;
  if (!verdict.ok) return { ...verdict, offset: 0 };
  const { header } = verdict;
  if (header.sequence !== sequence)
    return { ...refuse('KEELSON_CORRUPT', `the header says it is segment ${header.sequence}`), offset: 0 };
  if (hasAllBytes(segment, header)) return null;
  const { sizeBytes } = header;
  const why = `the file has ${fileBytes} bytes of the ${sizeBytes} it was made with, and does not end where a life has closed it`;
  return { ...refuse('KEELSON_CORRUPT', why), offset: fileBytes, offsetEnd: sizeBytes };
}

/** Returns true when the file has the size that it was made with, or all up to the seal behind which closing has cut it. */
export function hasAllBytes(
  { fileBytes, isClosedAtEnd }: FoundSegment,
  { sizeBytes }: SegmentHeader,
): boolean {
  return fileBytes >= sizeBytes || isClosedAtEnd;
}

/** Returns what a rotated commit says of the segment that goes on: the low half of the sequence. */
export function lowHalfOf(sequence: number): number {
  return sequence % 2 ** 32;
}

/** Returns true for the mark that ends a full segment and names the one that goes on. */
export function isRotation({ flags }: Pick<ScannedCommit, 'flags'>): boolean {
  return (flags & COMMIT_FLAGS.rotated) !== 0;
}
