// The recovery decision: whether a journal is opened, repaired or refused, from what all its segments prove.
// Pure.
//
// The rule: everything that is known to have been durable (`provenLsn`) must be there, or recovery refuses.
// Commits above it are kept as far as they are whole and contiguous. Anything else above it was never
// acknowledged. docs/DURABILITY.md has the table of decisions, and test/journal/tail-decision.test.ts tries its
// inputs.

import type { KeelsonErrorCode, KeelsonErrorFacts } from '../../errors.js';
import { endsForGood } from '../format/commit-format.js';
import type { SegmentHeader } from '../format/segment-format.js';
import {
  byLineage,
  type FoundSegment,
  firstNeededIndex,
  hasAllBytes,
  isRotation,
  type LogSegment,
  lowHalfOf,
  placeInLog,
  provenIn,
  unsoundnessOf,
} from './log-geometry.js';
import { findMixedSegments, type MixedSegment, whyMixed } from './mixed-histories.js';
import type { ScanEnd, ScannedCommit } from './segment-scan.js';

/** The knowledge that a store has about its journal. */
export interface RecoveryAnchor {
  /** An image holds everything up to this LSN. The journal must hold everything after it. */
  readonly lsn: number;
  /** The journal was durable at least up to this LSN. Higher than `lsn` if a newer image cannot be read. */
  readonly provenLsn: number;
  readonly journalId: Uint8Array | null;
}

/**
 * A needed segment with the commits that count. No commit counts if the segment was never used, if a later
 * lineage segment has replaced its commits, or if it lies behind the end of the log. Then it starts and ends at
 * the LSN that the log has reached there, so that it is retired in its turn.
 */
export interface LiveSegment {
  readonly path: string;
  readonly sequence: number;
  readonly header: SegmentHeader;
  readonly startLsn: number;
  readonly endLsn: number;
  /** The offset in the file at which the commits that count end. */
  readonly endOffset: number;
  readonly fileBytes: number;
  /** See FoundSegment. */
  readonly modifiedMs: number;
  readonly isSkimmed: boolean;
  readonly commits: readonly ScannedCommit[];
}

/** The decision: there is no journal (`fresh`), it can be used (`clean`, `repair`), or it is refused. */
export type RecoveryDecision =
  | { readonly kind: 'fresh' }
  | {
      /**
       * `clean`: there is nothing to do. `repair`: recovery copies everything above `lineageStart` into a new
       * segment.
       */
      readonly kind: 'clean' | 'repair';
      readonly journalId: Uint8Array;
      readonly blockBytes: number;
      readonly live: readonly LiveSegment[];
      /**
       * The segments before the needed ones that can still be read, oldest first. Together with them they are one log.
       * Empty if one is missing or damaged right before the needed ones.
       */
      readonly retained: readonly LiveSegment[];
      /** The other files, which hold nothing that is needed. */
      readonly stale: readonly string[];
      readonly startLsn: number;
      readonly endLsn: number;
      readonly provenLsn: number;
      /** The commit boundary, at or below provenLsn, from which commits are copied. */
      readonly lineageStart: number;
      /** The held-from LSN that later commits carry. */
      readonly heldFromLsn: number;
      /** Bytes behind the valid end that are dropped as torn. */
      readonly tornBytes: number;
      /** A sentence about where and why the log is cut, or null if nothing is dropped. */
      readonly tornWhy: string | null;
    }
  | {
      readonly kind: 'refuse';
      readonly code: KeelsonErrorCode;
      readonly why: string;
      readonly facts: KeelsonErrorFacts;
      /** A sentence about what to do, or null for the step that belongs to the code. */
      readonly advice: string | null;
      /** Segments with records of another history than the one that counts, oldest first. */
      readonly mixed: readonly MixedSegment[];
    };

type Refusal = Extract<RecoveryDecision, { kind: 'refuse' }>;

/**
 * Decides what recovery does.
 *
 * @param segments In the order of their sequences.
 * @param anchor Null if there is no store above the journal.
 */
export function decideRecovery(
  segments: readonly FoundSegment[],
  anchor: RecoveryAnchor | null,
): RecoveryDecision {
  const log = placeInLog(segments, byLineage);
  const newest = segments.at(-1);
  if (newest === undefined) {
    return anchor === null || (anchor.provenLsn === 0 && anchor.journalId === null)
      ? { kind: 'fresh' }
      : refuse('KEELSON_CORRUPT', 'an image is there and its journal is not', {
          lsn: 0,
          lsnEnd: anchor.provenLsn,
        });
  }
  const baseLsn = anchor?.lsn ?? Math.max(0, ...log.map(({ scan }) => scan.heldFromLsnClaimed));
  const firstIndex = firstNeededIndex(log, baseLsn);
  // If no readable segment starts at or below `baseLsn`, every segment is needed: an unreadable one may hold
  // that start.
  const firstSequence = log[firstIndex]?.found.sequence ?? 0;
  const unsound = segments.find((segment) => segment.sequence >= firstSequence && !isSound(segment));
  if (unsound !== undefined) return refuseSegment(unsound);
  // Every segment is compared, needed or not: the claims of a foreign segment could make ours look unneeded.
  const foreign = foreignSegment(log, anchor);
  if (foreign !== null) return foreign;
  const mixed = refuseMixed(log, firstSequence);
  if (mixed !== null) return mixed;
  const chain = log.slice(Math.max(0, firstIndex));

  const { live, endLsn, brokenIn } = contiguousPrefix(chain);
  const startLsn = live[0]?.startLsn ?? 0;
  if (startLsn > baseLsn) {
    return refuse('KEELSON_CORRUPT', 'the oldest records are missing', { lsn: baseLsn, lsnEnd: startLsn });
  }
  const provenLsn = Math.max(anchor?.provenLsn ?? 0, ...log.map(provenIn));
  if (endLsn < provenLsn) return refuseBreak(brokenIn ?? chain.at(-1)!, endLsn, provenLsn);

  const missing = missingSuccessor(chain, endLsn);
  if (missing !== null) return missing;

  const unsoundBefore = segments.findLast(
    (segment) => segment.sequence < firstSequence && unsoundnessOf(segment) !== null,
  );
  const before = log.filter(
    ({ found }) => found.sequence < firstSequence && found.sequence > (unsoundBefore?.sequence ?? -1),
  );
  const retained = retainedBefore(before, startLsn);
  // Only a mark of the newest segment counts, and only if the log reaches it. Behind a mark in an older
  // segment, a later session may have crashed.
  const lastCommit = live.at(-1)!.commits.at(-1);
  const endedWell = lastCommit !== undefined && endsForGood(lastCommit.flags);
  return {
    kind: endedWell ? 'clean' : 'repair',
    journalId: chain[0]!.header.journalId,
    blockBytes: chain.at(-1)!.header.blockBytes,
    live,
    retained,
    stale: segments
      .filter(({ sequence, path }) => sequence < firstSequence && !retained.some((one) => one.path === path))
      .map(({ path }) => path),
    startLsn,
    endLsn,
    provenLsn,
    lineageStart: lineageBoundary(live, provenLsn, endLsn),
    heldFromLsn: Math.max(startLsn, ...log.map(({ scan }) => scan.heldFromLsnClaimed)),
    ...(endedWell ? { tornBytes: 0, tornWhy: null } : tornTailOf(chain)),
  };
}

function isSound(segment: FoundSegment): boolean {
  return unsoundnessOf(segment) === null || hasLostItsSeal(segment);
}

/**
 * Returns true if a file that is shorter than it was made has lost nothing but its seal: whole commits fill all
 * but the last block, and no commit header verifies there. Such a journal opens, and `tornWhy` says so.
 * verify() counts the file as damaged, because a file that was cut behind a damaged commit looks the same.
 */
function hasLostItsSeal({ verdict, sequence, fileBytes, scan }: FoundSegment): boolean {
  if (!verdict.ok || verdict.header.sequence !== sequence) return false;
  const { blockBytes } = verdict.header;
  return scan?.endsBecause === 'header' && scan.endOffset + blockBytes === fileBytes;
}

function refuseSegment(segment: FoundSegment): Refusal {
  const { code, why, offset } = unsoundnessOf(segment)!;
  return refuse(code, why, { path: segment.path, segment: segment.sequence, offset });
}

function foreignSegment(log: readonly LogSegment[], anchor: RecoveryAnchor | null): Refusal | null {
  const expected = anchor?.journalId ?? log[0]!.header.journalId;
  const foreign = log.find(({ header }) => Buffer.compare(header.journalId, expected) !== 0);
  if (foreign === undefined) return null;
  const facts = { path: foreign.found.path, segment: foreign.found.sequence, offset: 0 };
  return refuse('KEELSON_FOREIGN', 'the segment belongs to another journal', facts);
}

const MIXED_ADVICE =
  'Keep a copy of the whole directory. verify() names every such place; salvage() writes what counts into a new store, and says what it leaves';

/**
 * Refuses two histories in one directory. Whichever one recovery chose, acknowledged writes of the other would
 * vanish.
 */
function refuseMixed(log: readonly LogSegment[], firstSequence: number): Refusal | null {
  const mixed = findMixedSegments(log, firstSequence);
  const [first] = mixed;
  if (first === undefined) return null;
  const { laterSegment: _, ...facts } = first;
  return { ...refuse('KEELSON_CORRUPT', whyMixed(first), facts), advice: MIXED_ADVICE, mixed };
}

/**
 * Refuses a rotated segment whose successor is missing. The successor was durable before the mark that names
 * it.
 */
function missingSuccessor(chain: readonly LogSegment[], endLsn: number): Refusal | null {
  const sequences = new Set(chain.map(({ found }) => lowHalfOf(found.sequence)));
  for (const { found, living } of chain) {
    const last = living.at(-1);
    if (last === undefined || !isRotation(last)) continue;
    if (sequences.has(last.nextSequence)) continue;
    const facts = { path: found.path, segment: found.sequence, offset: last.offset, lsn: endLsn };
    return refuse(
      'KEELSON_CORRUPT',
      `the segment ${last.nextSequence} that goes on from here is missing`,
      facts,
    );
  }
  return null;
}

/** Returns the segments with the commits that count: each commit starts where the one before it ends. */
function contiguousPrefix(chain: readonly LogSegment[]): {
  live: LiveSegment[];
  endLsn: number;
  brokenIn: LogSegment | null;
} {
  const live: LiveSegment[] = [];
  let isContiguous = true;
  let endLsn = chain.flatMap(({ living }) => living.slice(0, 1))[0]?.startLsn ?? 0;
  let brokenIn: LogSegment | null = null;
  for (const segment of chain) {
    const { living: commits } = segment;
    const file = fileOf(segment);
    const [first] = commits;
    isContiguous &&= first === undefined || first.startLsn === endLsn;
    if (first === undefined || !isContiguous) {
      live.push({ ...file, startLsn: endLsn, endLsn, endOffset: segment.header.blockBytes, commits: [] });
      continue;
    }
    const last = commits.at(-1)!;
    endLsn = last.endLsn;
    const endOffset = endOffsetOf(segment, last);
    live.push({ ...file, startLsn: first.startLsn, endLsn, endOffset, commits });
    brokenIn = segment;
  }
  return { live, endLsn, brokenIn };
}

/**
 * Returns those of sound segments that come before the needed ones, which begin at `endLsn`. Each ends where the next one begins. Whether
 * its records reach so far, only a reader finds out: the segment may be damaged, or the one behind it may be gone.
 */
function retainedBefore(log: readonly LogSegment[], endLsn: number): LiveSegment[] {
  const retained: LiveSegment[] = [];
  let nextStartLsn = endLsn;
  for (const segment of log.toReversed()) {
    const { found, header, living } = segment;
    const [first] = living;
    // Never used, or replaced by a later segment.
    if (first === undefined || first.startLsn >= nextStartLsn) continue;
    if (!found.isSkimmed && living.at(-1)!.endLsn !== nextStartLsn) break;
    const { startLsn } = first;
    const endOffset = Math.min(found.fileBytes, header.sizeBytes);
    retained.unshift({ ...fileOf(segment), startLsn, endLsn: nextStartLsn, endOffset, commits: [] });
    nextStartLsn = startLsn;
  }
  return retained;
}

type SegmentFile = Omit<LiveSegment, 'startLsn' | 'endLsn' | 'endOffset' | 'commits'>;

function fileOf({ found, header }: LogSegment): SegmentFile {
  const { path, sequence, fileBytes, modifiedMs, isSkimmed } = found;
  return { path, sequence, header, fileBytes, modifiedMs, isSkimmed };
}

function endOffsetOf({ scan }: LogSegment, last: ScannedCommit): number {
  const next = scan.commits[scan.commits.indexOf(last) + 1];
  return next?.offset ?? scan.endOffset;
}

function refuseBreak(brokenIn: LogSegment, endLsn: number, provenLsn: number): Refusal {
  const last = brokenIn.living.at(-1);
  return refuse('KEELSON_CORRUPT', 'records that were durable are damaged or missing', {
    path: brokenIn.found.path,
    segment: brokenIn.found.sequence,
    offset: last === undefined ? brokenIn.header.blockBytes : endOffsetOf(brokenIn, last),
    lsn: endLsn,
    lsnEnd: provenLsn,
  });
}

/**
 * Returns the highest commit boundary at or below `provenLsn`. That LSN may lie inside a commit, because an
 * image may end there.
 */
function lineageBoundary(live: readonly LiveSegment[], provenLsn: number, endLsn: number): number {
  if (provenLsn >= endLsn) return endLsn;
  for (const segment of live.toReversed()) {
    const commit = segment.commits.findLast(({ startLsn }) => startLsn <= provenLsn);
    if (commit !== undefined) return commit.endLsn <= provenLsn ? commit.endLsn : commit.startLsn;
  }
  return endLsn;
}

/**
 * Returns what the last session had not finished writing, behind the valid end of the newest segment that is
 * not empty.
 */
function tornTailOf(chain: readonly LogSegment[]): { tornBytes: number; tornWhy: string | null } {
  const torn = chain.findLast(({ scan }) => scan.hasBytesAfterEnd || scan.commits.length > 0);
  if (torn === undefined) return { tornBytes: 0, tornWhy: null };
  const { endOffset, endsBecause } = torn.scan;
  if (!hasAllBytes(torn.found, torn.header)) {
    const tornBytes = torn.found.fileBytes - endOffset;
    return {
      tornBytes,
      tornWhy: `The last block of segment ${torn.found.sequence}, which a close has cut, is not its seal`,
    };
  }
  if (!torn.scan.hasBytesAfterEnd) return { tornBytes: 0, tornWhy: null };
  return {
    tornBytes: Math.min(torn.header.sizeBytes, torn.found.fileBytes) - endOffset,
    tornWhy: `The commit at offset ${endOffset} of segment ${torn.found.sequence} was not finished: ${UNFINISHED_BECAUSE[endsBecause]}`,
  };
}

const UNFINISHED_BECAUSE: Record<ScanEnd, string> = {
  full: 'the file ends',
  header: 'its header does not verify',
  gap: 'it does not start where the one before it ended',
  'cut off': 'it is longer than the segment',
  body: 'its records do not verify',
};

function refuse(code: KeelsonErrorCode, why: string, facts: KeelsonErrorFacts): Refusal {
  return { kind: 'refuse', code, why, facts, advice: null, mixed: [] };
}
