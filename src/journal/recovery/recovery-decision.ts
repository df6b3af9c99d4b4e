// The recovery decision: from what all segments prove to what is done about it. Pure; the table is in
// docs/DURABILITY.md, and test/journal/recovery-decision.test.ts goes through its inputs.
//
// The rule: what is known to have been durable (`provenLsn`) must be there, or the journal is damaged and we
// refuse. What lies above it was never acknowledged, or was and is whole: it is kept as far as it is contiguous.

import type { KeelsonErrorCode, KeelsonErrorFacts } from '../../errors.js';
import { COMMIT_FLAGS } from '../format/commit-format.js';
import type { SegmentHeader, SegmentHeaderVerdict } from '../format/segment-format.js';
import { findMixedSegments, type MixedSegment, provenIn, whyMixed } from './mixed-histories.js';
import type { ScanEnd, ScannedCommit, SegmentScan } from './segment-scan.js';

/** One segment file as found: its name's sequence, its header, and its scan when the header holds. */
export interface FoundSegment {
  readonly path: string;
  readonly sequence: number;
  readonly fileBytes: number;
  /** Its last block is the seal of a life that ended well. */
  readonly isClosedAtEnd: boolean;
  readonly verdict: SegmentHeaderVerdict;
  /** Null when the header does not hold. */
  readonly scan: SegmentScan | null;
}

/** What somebody above the journal knows. */
export interface RecoveryAnchor {
  /** An image holds everything up to here, and the journal must hold what comes after. */
  readonly lsn: number;
  /** Up to here the journal had been durable, at least; more than `lsn` when a newer image cannot be read. */
  readonly provenLsn: number;
  readonly journalId: Uint8Array | null;
}

/**
 * A segment from the first needed one on, with the commits that count. One without any, because it was never used or
 * a later lineage has replaced it, starts and ends where the log stands at its turn: so it is retired in its turn.
 */
export interface LiveSegment {
  readonly path: string;
  readonly sequence: number;
  readonly header: SegmentHeader;
  readonly startLsn: number;
  readonly endLsn: number;
  /** Where the commits that count end in the file. */
  readonly endOffset: number;
  readonly commits: readonly ScannedCommit[];
}

export type RecoveryDecision =
  | { readonly kind: 'fresh' }
  | {
      /** `clean`: nothing to do. `repair`: copy what is above `lineageStart` into a new segment, then report. */
      readonly kind: 'clean' | 'repair';
      readonly journalId: Uint8Array;
      readonly blockBytes: number;
      readonly live: readonly LiveSegment[];
      /** Files that hold nothing the journal still answers for. */
      readonly stale: readonly string[];
      readonly startLsn: number;
      readonly endLsn: number;
      readonly provenLsn: number;
      /** The commit boundary at or below provenLsn from which commits are copied. */
      readonly lineageStart: number;
      /** The held-from LSN that the next commits must carry on. */
      readonly heldFromLsn: number;
      /** Bytes behind the valid end of the last life's segments that were dropped as torn. */
      readonly tornBytes: number;
      /** Where and why they were, a sentence; null when there are none. */
      readonly tornWhy: string | null;
    }
  | {
      readonly kind: 'refuse';
      readonly code: KeelsonErrorCode;
      readonly why: string;
      readonly facts: KeelsonErrorFacts;
      /** A sentence on what to do, where the segments are of two histories. */
      readonly advice: string | null;
      /** Segments with records of another history than the one that goes on, the oldest first. */
      readonly mixed: readonly MixedSegment[];
    };

type Refusal = Extract<RecoveryDecision, { kind: 'refuse' }>;

/** A segment whose header holds, with the commits that no later lineage has declared dead. */
interface Candidate {
  readonly found: FoundSegment;
  readonly header: SegmentHeader;
  readonly scan: SegmentScan;
  readonly commits: readonly ScannedCommit[];
}

/** `segments` in the order of their sequences. `anchor` null: the journal answers for itself alone. */
export function decideRecovery(
  segments: readonly FoundSegment[],
  anchor: RecoveryAnchor | null,
): RecoveryDecision {
  const candidates = candidatesOf(segments);
  const newest = segments.at(-1);
  if (newest === undefined) {
    return anchor === null || (anchor.provenLsn === 0 && anchor.journalId === null)
      ? { kind: 'fresh' }
      : refuse('KEELSON_CORRUPT', 'an image is there and its journal is not', {
          lsn: 0,
          lsnEnd: anchor.provenLsn,
        });
  }
  const baseLsn = anchor?.lsn ?? Math.max(0, ...candidates.map(({ scan }) => scan.heldFromLsnClaimed));
  const firstIndex = firstLiveIndex(candidates, baseLsn);
  // Where nothing that can be read starts early enough, every segment is needed, those that cannot be read above all.
  const firstSequence = candidates[firstIndex]?.found.sequence ?? 0;
  const unsound = segments.find((segment) => segment.sequence >= firstSequence && !isSound(segment));
  if (unsound !== undefined) return refuseSegment(unsound);
  // Over all of them: what a segment of another journal claims would make ours look like segments nobody needs.
  const foreign = foreignSegment(candidates, anchor);
  if (foreign !== null) return foreign;
  const mixed = refuseMixed(candidates, firstSequence);
  if (mixed !== null) return mixed;
  const chain = candidates.slice(Math.max(0, firstIndex));

  const { live, endLsn, brokenIn } = contiguousPrefix(chain);
  const startLsn = live[0]?.startLsn ?? 0;
  if (startLsn > baseLsn) {
    return refuse('KEELSON_CORRUPT', 'the oldest records are missing', { lsn: baseLsn, lsnEnd: startLsn });
  }
  const provenLsn = Math.max(anchor?.provenLsn ?? 0, ...candidates.map(provenIn));
  if (endLsn < provenLsn) return refuseBreak(brokenIn ?? chain.at(-1)!, endLsn, provenLsn);

  const missing = missingSuccessor(chain, endLsn);
  if (missing !== null) return missing;

  // Of the newest segment, and only where the log reaches it: whoever wrote to any other may not have ended yet.
  const lastCommit = live.at(-1)!.commits.at(-1);
  const endedWell =
    lastCommit !== undefined && (lastCommit.flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;
  return {
    kind: endedWell ? 'clean' : 'repair',
    journalId: chain[0]!.header.journalId,
    blockBytes: chain.at(-1)!.header.blockBytes,
    live,
    stale: segments.filter((segment) => segment.sequence < firstSequence).map(({ path }) => path),
    startLsn,
    endLsn,
    provenLsn,
    lineageStart: lineageBoundary(live, provenLsn, endLsn),
    heldFromLsn: Math.max(startLsn, ...candidates.map(({ scan }) => scan.heldFromLsnClaimed)),
    ...(endedWell ? { tornBytes: 0, tornWhy: null } : tornTailOf(chain)),
  };
}

/** Segments that can be read, each without the commits that a later lineage replaced. */
function candidatesOf(segments: readonly FoundSegment[]): Candidate[] {
  const candidates: Candidate[] = [];
  let deadFromLsn = Number.POSITIVE_INFINITY;
  for (const found of segments.toReversed()) {
    if (!found.verdict.ok || found.scan === null) continue;
    const { header } = found.verdict;
    const commits = found.scan.commits.filter((commit) => isAlive(commit, deadFromLsn));
    candidates.unshift({ found, header, scan: found.scan, commits });
    deadFromLsn = Math.min(deadFromLsn, header.lineageStart ?? deadFromLsn);
  }
  return candidates;
}

/** A commit without records that sits exactly at a later lineage's start says nothing that is still true. */
function isAlive(commit: ScannedCommit, deadFromLsn: number): boolean {
  return commit.startLsn < deadFromLsn;
}

/**
 * The last segment that starts at or below `baseLsn`: those before it hold only what nobody answers for any more,
 * whatever state they are in. Without one it is -1.
 */
function firstLiveIndex(candidates: readonly Candidate[], baseLsn: number): number {
  return candidates.findLastIndex(({ commits }) => commits.length > 0 && commits[0]!.startLsn <= baseLsn);
}

function isSound(segment: FoundSegment): boolean {
  return (
    segment.verdict.ok &&
    segment.verdict.header.sequence === segment.sequence &&
    (hasAllBytes(segment, segment.verdict.header) || hasLostItsSeal(segment, segment.verdict.header))
  );
}

/** Whether the file has the size that it was made with, or what closing has left of it: all up to its seal. */
export function hasAllBytes(
  { fileBytes, isClosedAtEnd }: FoundSegment,
  { sizeBytes }: SegmentHeader,
): boolean {
  return fileBytes >= sizeBytes || isClosedAtEnd;
}

/**
 * Whether a file that is shorter than it was made lacks its seal alone: all but the last block is whole commits, and no
 * commit begins in that. It opens, and says so; verify() counts it as damaged, for a cut that hit a damaged block looks the same.
 */
function hasLostItsSeal({ fileBytes, scan }: FoundSegment, { blockBytes }: SegmentHeader): boolean {
  return scan?.endsBecause === 'header' && scan.endOffset + blockBytes === fileBytes;
}

/** Says why the file of a segment counts as cut short, for which hasAllBytes() is false. */
export function whyCutShort({ fileBytes }: FoundSegment, { sizeBytes }: SegmentHeader): string {
  return `the file has ${fileBytes} bytes of the ${sizeBytes} it was made with, and does not end where a life has closed it`;
}

function refuseSegment(segment: FoundSegment): Refusal {
  const facts = { path: segment.path, segment: segment.sequence, offset: 0 };
  if (!segment.verdict.ok) return refuse(segment.verdict.code, segment.verdict.why, facts);
  const { header } = segment.verdict;
  if (header.sequence !== segment.sequence) {
    return refuse('KEELSON_CORRUPT', `the header says it is segment ${header.sequence}`, facts);
  }
  return refuse('KEELSON_CORRUPT', whyCutShort(segment, header), { ...facts, offset: segment.fileBytes });
}

function foreignSegment(candidates: readonly Candidate[], anchor: RecoveryAnchor | null): Refusal | null {
  const expected = anchor?.journalId ?? candidates[0]!.header.journalId;
  const foreign = candidates.find(({ header }) => Buffer.compare(header.journalId, expected) !== 0);
  if (foreign === undefined) return null;
  const facts = { path: foreign.found.path, segment: foreign.found.sequence, offset: 0 };
  return refuse('KEELSON_FOREIGN', 'the segment belongs to another journal', facts);
}

const MIXED_ADVICE =
  'Keep a copy of the whole directory. verify() names every such place; salvage() writes what counts into a new store, and says what it leaves';

/** Two histories in one directory: whichever went on, acknowledged writes of the other would vanish. */
function refuseMixed(candidates: readonly Candidate[], firstSequence: number): Refusal | null {
  const histories = candidates.map(({ found: { path, sequence }, header, scan, commits: living }) => ({
    path,
    sequence,
    header,
    scan,
    living,
  }));
  const mixed = findMixedSegments(histories, firstSequence);
  const [first] = mixed;
  if (first === undefined) return null;
  const { laterSegment: _, ...facts } = first;
  return { ...refuse('KEELSON_CORRUPT', whyMixed(first), facts), advice: MIXED_ADVICE, mixed };
}

/** A rotated segment names the one that goes on, which was durable before; that one's absence is a loss. */
function missingSuccessor(chain: readonly Candidate[], endLsn: number): Refusal | null {
  const sequences = new Set(chain.map(({ found }) => found.sequence % 2 ** 32));
  for (const { found, commits } of chain) {
    const last = commits.at(-1);
    if (last === undefined || (last.flags & COMMIT_FLAGS.rotated) === 0) continue;
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

/** Walks the chain while each commit starts where the one before it ended. */
function contiguousPrefix(chain: readonly Candidate[]): {
  live: LiveSegment[];
  endLsn: number;
  brokenIn: Candidate | null;
} {
  const live: LiveSegment[] = [];
  let isContiguous = true;
  let endLsn = chain.flatMap(({ commits }) => commits.slice(0, 1))[0]?.startLsn ?? 0;
  let brokenIn: Candidate | null = null;
  for (const candidate of chain) {
    const { found, header, commits } = candidate;
    const { path, sequence } = found;
    const [first] = commits;
    isContiguous &&= first === undefined || first.startLsn === endLsn;
    if (first === undefined || !isContiguous) {
      live.push({
        path,
        sequence,
        header,
        startLsn: endLsn,
        endLsn,
        endOffset: header.blockBytes,
        commits: [],
      });
      continue;
    }
    const last = commits.at(-1)!;
    endLsn = last.endLsn;
    const endOffset = endOffsetOf(candidate, last);
    live.push({ path, sequence, header, startLsn: first.startLsn, endLsn, endOffset, commits });
    brokenIn = candidate;
  }
  return { live, endLsn, brokenIn };
}

function endOffsetOf(candidate: Candidate, last: ScannedCommit): number {
  const next = candidate.scan.commits[candidate.scan.commits.indexOf(last) + 1];
  return next?.offset ?? candidate.scan.endOffset;
}

function refuseBreak(brokenIn: Candidate, endLsn: number, provenLsn: number): Refusal {
  const last = brokenIn.commits.at(-1);
  return refuse('KEELSON_CORRUPT', 'records that were durable are damaged or missing', {
    path: brokenIn.found.path,
    segment: brokenIn.found.sequence,
    offset: last === undefined ? brokenIn.header.blockBytes : endOffsetOf(brokenIn, last),
    lsn: endLsn,
    lsnEnd: provenLsn,
  });
}

/** The greatest commit boundary at or below `provenLsn`: an image may have been taken in the middle of a commit. */
function lineageBoundary(live: readonly LiveSegment[], provenLsn: number, endLsn: number): number {
  if (provenLsn >= endLsn) return endLsn;
  for (const segment of live.toReversed()) {
    const commit = segment.commits.findLast(({ startLsn }) => startLsn <= provenLsn);
    if (commit !== undefined) return commit.endLsn <= provenLsn ? commit.endLsn : commit.startLsn;
  }
  return endLsn;
}

/** Behind the valid end of the newest segment with anything in it: what the last life had not finished writing. */
function tornTailOf(chain: readonly Candidate[]): { tornBytes: number; tornWhy: string | null } {
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
