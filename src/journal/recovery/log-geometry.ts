// The geometry of a log: which commits count, which segments are needed, what is proven durable, and what is
// wrong with a file as a whole. Pure. Recovery and repair both use it.

import { COMMIT_FLAGS, endsForGood } from '../format/commit-format.js';
import { type HeaderRefusal, refuse } from '../format/file-header.js';
import type { SegmentHeader, SegmentHeaderVerdict } from '../format/segment-format.js';
import type { ScannedCommit, SegmentScan } from './segment-scan.js';

/** A segment file as a scan found it. */
export interface FoundSegment {
  readonly path: string;
  /** The sequence in the name of the file. */
  readonly sequence: number;
  readonly fileBytes: number;
  /** The wall-clock time of the last write to the file, in ms since 1970. */
  readonly modifiedMs: number;
  /** True if the last block is the seal of a session that ended well. */
  readonly isClosedAtEnd: boolean;
  readonly verdict: SegmentHeaderVerdict;
  /** Null if the header does not verify. */
  readonly scan: SegmentScan | null;
  /** True if only its header and the header of its first commit were read: see segment-skim.ts. */
  readonly isSkimmed: boolean;
}

/** A segment whose header verifies, at its place in the log. */
export interface LogSegment {
  readonly found: FoundSegment;
  readonly header: SegmentHeader;
  readonly scan: SegmentScan;
  /** Commits that start here or above are dead, because a later segment replaces them. */
  readonly deadFromLsn: number;
  /** The commits that are not dead. */
  readonly living: readonly ScannedCommit[];
}

type SegmentContents = Pick<LogSegment, 'header' | 'scan'>;

/** Returns the LSN from which a segment replaces the commits of the segments before it. */
export type ReplacesFrom = (segment: SegmentContents) => number;

/** Returns the lineage start of a segment. A segment without one replaces nothing. */
export const byLineage: ReplacesFrom = ({ header }) => header.lineageStart ?? Number.POSITIVE_INFINITY;

/**
 * Returns the lineage start or the start of the first commit, whichever is lower. For repair: in a damaged log
 * the later segment counts.
 */
export const byAnyLater: ReplacesFrom = (segment) =>
  Math.min(byLineage(segment), segment.scan.commits[0]?.startLsn ?? Number.POSITIVE_INFINITY);

/**
 * Returns the segments whose headers verify.
 *
 * @param segments In the order of the log.
 */
export function placeInLog(segments: readonly FoundSegment[], replacesFrom: ReplacesFrom): LogSegment[] {
  const placed: LogSegment[] = [];
  let deadFromLsn = Number.POSITIVE_INFINITY;
  for (const found of segments.toReversed()) {
    const { verdict, scan } = found;
    if (!verdict.ok || scan === null) continue;
    const { header } = verdict;
    // A mark right at the start of a later lineage is dead too: it says nothing that is still true.
    const living = scan.commits.filter(({ startLsn }) => startLsn < deadFromLsn);
    placed.unshift({ found, header, scan, deadFromLsn, living });
    deadFromLsn = Math.min(deadFromLsn, replacesFrom({ header, scan }));
  }
  return placed;
}

/**
 * Returns the index of the first segment that is needed if an image holds everything up to `baseLsn`: the last
 * one whose living commits start at or below `baseLsn`. Earlier segments may be in any state. Returns -1 if no
 * segment starts so early.
 */
export function firstNeededIndex(segments: readonly LogSegment[], baseLsn: number): number {
  return segments.findLastIndex(({ living }) => living[0] !== undefined && living[0].startLsn <= baseLsn);
}

/** Returns the highest LSN that the segment proves durable, or -1. */
export function provenIn({ header, scan }: SegmentContents): number {
  const marks = scan.commits.filter(({ flags }) => endsForGood(flags));
  // No session writes such a mark while anything is in flight, so everything before the mark was durable.
  const markedLsn = Math.max(-1, ...marks.map(({ startLsn }) => startLsn));
  return Math.max(scan.durableLsnClaimed, header.durableLsn, markedLsn);
}

/** A fault of a file as a whole, and its place in the file. */
export interface Unsoundness extends Pick<HeaderRefusal, 'code' | 'why'> {
  readonly offset: number;
  readonly offsetEnd?: number;
}

/**
 * Returns the fault of the file of a segment as a whole, whatever its commits are. Returns null if there is
 * none.
 */
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

/**
 * Returns true if the file has the size that it was made with, or ends with the seal behind which a close has
 * cut it.
 */
export function hasAllBytes(
  { fileBytes, isClosedAtEnd }: FoundSegment,
  { sizeBytes }: SegmentHeader,
): boolean {
  return fileBytes >= sizeBytes || isClosedAtEnd;
}

/** Returns the low 32 bits of a sequence, which a rotated mark holds. */
export function lowHalfOf(sequence: number): number {
  return sequence % 2 ** 32;
}

/** Returns true for the mark that ends a full segment and names the next one. */
export function isRotation({ flags }: Pick<ScannedCommit, 'flags'>): boolean {
  return (flags & COMMIT_FLAGS.rotated) !== 0;
}
