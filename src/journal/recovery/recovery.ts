// The I/O of recovery: reads every segment, asks tail-decision.ts, and carries the decision out.

import { KeelsonError, NEXT_STEPS } from '../../errors.js';
import { readAhead, type Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk } from '../format/commit-format.js';
import { checkBody } from '../format/frame-cursor.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentSeed } from '../format/segment-format.js';
import { segmentPath } from '../format/segment-names.js';
import { type CopiedCommit, writeLineageSegment } from '../segments/lineage-segment.js';
import { listSegments } from '../segments/segment-files.js';
import { byLineage, type FoundSegment, firstNeededIndex, placeInLog } from './log-geometry.js';
import { type ScannedCommit, SegmentScanner } from './segment-scan.js';
import { skimSegment } from './segment-skim.js';
import {
  decideRecovery,
  type LiveSegment,
  type RecoveryAnchor,
  type RecoveryDecision,
} from './tail-decision.js';

/** The result of recovery: `journal.recovery`. */
export interface JournalRecovery {
  /**
   * `fresh`: there was no journal. `clean`: the last session ended well. `repaired`: it did not, and nothing
   * acknowledged is lost. A read-only open repairs nothing, and reports `clean` instead of `repaired`.
   */
  readonly kind: 'fresh' | 'clean' | 'repaired';
  /** Records above this LSN can be read. */
  readonly startLsn: number;
  /** The end of the log: the LSN of the last record. */
  readonly endLsn: number;
  /** The LSN up to which the files prove that the journal was durable. */
  readonly provenLsn: number;
  /**
   * Bytes at the end of the log that the last session had not finished writing, and that were dropped. No
   * record in them was acknowledged.
   */
  readonly tornBytes: number;
  /** A sentence about where and why the log was cut, or null if nothing was dropped. */
  readonly tornWhy: string | null;
  /** Segments that the journal holds. */
  readonly segments: number;
}

/**
 * Called with the bytes of segment files that recovery has read so far, and with the bytes of all segment
 * files.
 */
export type OnScan = (done: number, total: number) => void;

/** A journal after recovery, ready to be opened. */
export interface RecoveredJournal {
  readonly recovery: JournalRecovery;
  /** Null for a fresh journal. */
  readonly journalId: Uint8Array | null;
  readonly live: readonly LiveSegment[];
  /** The segments before them that can still be read, oldest first. */
  readonly retained: readonly LiveSegment[];
  /** Paths of the other segments, which hold nothing that is needed. */
  readonly stale: readonly string[];
  /** One above the highest sequence in the directory. */
  readonly nextSequence: number;
  /** The held-from LSN that later commits carry. */
  readonly heldFromLsn: number;
}

/**
 * Recovers the journal in `directory`. When this resolves, everything up to the end that it reports is durable.
 *
 * @throws KEELSON_CORRUPT, KEELSON_FOREIGN or KEELSON_FORMAT_VERSION if the decision is to refuse, with
 * segment, offset and LSNs.
 */
export async function recoverJournal(
  storage: Storage,
  directory: string,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
): Promise<RecoveredJournal> {
  const found = await scanNeeded(storage, directory, anchor, onScan);
  const nextSequence = (found.at(-1)?.sequence ?? 0) + 1;
  const decision = orThrow(decideRecovery(found, anchor), directory);
  if (decision.kind === 'fresh') return freshJournal(nextSequence);
  if (decision.kind === 'clean') {
    // The files are whole, but a killed owner may have named one of them and not flushed the directory.
    await storage.flushDirectory(directory);
    return recovered(decision, decision.live, 'clean', nextSequence);
  }
  const live = await repair(storage, directory, decision, nextSequence);
  return recovered(decision, live, 'repaired', nextSequence + 1);
}

/**
 * Reads the journal as it is now, without a lock, and writes nothing. Reports `clean` whatever the end of the
 * journal is: it may be torn, or an owner may be writing.
 *
 * While an owner writes, the files are read at different moments, and some may be retired meanwhile. So
 * KEELSON_CORRUPT and KEELSON_NOT_FOUND may be temporary, and the caller tries again.
 */
export async function recoverJournalReadOnly(
  storage: Storage,
  directory: string,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
): Promise<Pick<RecoveredJournal, 'recovery' | 'journalId' | 'live'>> {
  const found = await scanNeeded(storage, directory, anchor, onScan);
  const decision = orThrow(decideRecovery(found, anchor), directory);
  if (decision.kind === 'fresh') return freshJournal(1);
  const { recovery, journalId, live } = recovered(decision, decision.live, 'clean', 1);
  return { recovery, journalId, live };
}

/**
 * Scans the segments that are needed if an image holds everything up to the anchor, and the one before them, whose claims
 * tell a needed segment of another history. Skims those before it, so that an open does not read the history that a store
 * retains.
 */
async function scanNeeded(
  storage: Storage,
  directory: string,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
): Promise<FoundSegment[]> {
  const sequences = await listSegments(storage, directory);
  if (anchor === null || sequences.length <= 1) return scanAll(storage, directory, sequences, onScan);
  const skimmed: FoundSegment[] = [];
  for (const sequence of sequences)
    skimmed.push(await skimSegment(storage, segmentPath(directory, sequence), sequence));
  const neededFrom = (found: readonly FoundSegment[]): number => {
    const log = placeInLog(found, byLineage);
    const needed = log[firstNeededIndex(log, anchor.lsn)]?.found;
    return needed === undefined ? 0 : Math.max(0, found.indexOf(needed) - 1);
  };
  const from = neededFrom(skimmed);
  // Listed again, because a living owner may have begun another segment meanwhile.
  const needed = (await listSegments(storage, directory)).filter((sequence) => sequence >= sequences[from]!);
  const scanned = await scanAll(storage, directory, needed, onScan);
  const found = [...skimmed.slice(0, from), ...scanned];
  // The body of a commit that seemed to be the first needed one may be damaged. Then more segments are needed, and nobody
  // knows how many.
  return neededFrom(found) < from ? scanSegments(storage, directory, onScan) : found;
}

/** Scans every segment of a directory, in the order of their sequences. */
export async function scanSegments(
  storage: Storage,
  directory: string,
  onScan?: OnScan,
): Promise<FoundSegment[]> {
  return scanAll(storage, directory, await listSegments(storage, directory), onScan);
}

async function scanAll(
  storage: Storage,
  directory: string,
  sequences: readonly number[],
  onScan?: OnScan,
): Promise<FoundSegment[]> {
  const total = onScan === undefined ? 0 : await fileBytesOf(storage, directory, sequences);
  const found: FoundSegment[] = [];
  let done = 0;
  for (const sequence of sequences) {
    const path = segmentPath(directory, sequence);
    const segment = await scanSegment(storage, path, sequence, (bytes) => onScan?.(done + bytes, total));
    found.push(segment);
    done += segment.fileBytes;
  }
  return found;
}

async function fileBytesOf(
  storage: Storage,
  directory: string,
  sequences: readonly number[],
): Promise<number> {
  let total = 0;
  for (const sequence of sequences) {
    const file = await storage.openFile(segmentPath(directory, sequence), false);
    try {
      total += await file.size();
    } finally {
      await file.close();
    }
  }
  return total;
}

/** Scans a segment file to its end. `onBytes` is called with the bytes that have been read so far. */
export async function scanSegment(
  storage: Storage,
  path: string,
  sequence: number,
  onBytes: (done: number) => void = () => {},
): Promise<FoundSegment> {
  const file = await storage.openFile(path, false);
  try {
    const fileBytes = await file.size();
    const head = new Uint8Array(SEGMENT_HEADER_BYTES);
    const verdict = decodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
    const found = { path, sequence, fileBytes, modifiedMs: await file.modifiedMs(), isSkimmed: false };
    if (!verdict.ok) return { ...found, isClosedAtEnd: false, verdict, scan: null };
    const { header } = verdict;
    // The header says how much of the file is ours. The decision refuses a shorter file.
    const lengthBytes = Math.min(fileBytes, header.sizeBytes);
    const scanner = new SegmentScanner(header, lengthBytes, storage.verifyChecksums);
    let done = 0;
    for await (const window of readAhead(file, 0, lengthBytes)) {
      scanner.push(window);
      done += window.length;
      onBytes(done);
    }
    const scan = scanner.finish();
    return { ...found, isClosedAtEnd: scanner.isClosedAtEnd, verdict, scan };
  } finally {
    await file.close();
  }
}

function orThrow(
  decision: RecoveryDecision,
  directory: string,
): Exclude<RecoveryDecision, { readonly kind: 'refuse' }> {
  if (decision.kind !== 'refuse') return decision;
  const { segment, offset, lsn, lsnEnd } = decision.facts;
  const place = segment === undefined ? '' : `, in segment ${segment} at offset ${offset}`;
  const range = lsnEnd === undefined ? '' : ` (LSN ${lsn} to ${lsnEnd})`;
  const text = {
    what: `${directory}: ${decision.why}${place}${range}`,
    next: decision.advice ?? NEXT_STEPS[decision.code],
  };
  throw new KeelsonError(decision.code, text, {
    path: directory,
    ...decision.facts,
  });
}

function freshJournal(nextSequence: number): RecoveredJournal {
  const recovery = {
    kind: 'fresh',
    startLsn: 0,
    endLsn: 0,
    provenLsn: 0,
    tornBytes: 0,
    tornWhy: null,
    segments: 0,
  } as const;
  return { recovery, journalId: null, live: [], retained: [], stale: [], nextSequence, heldFromLsn: 0 };
}

type Usable = Extract<RecoveryDecision, { readonly live: readonly LiveSegment[] }>;

function recovered(
  decision: Usable,
  live: readonly LiveSegment[],
  kind: 'clean' | 'repaired',
  nextSequence: number,
): RecoveredJournal {
  const { startLsn, endLsn, provenLsn, tornBytes, tornWhy, journalId } = decision;
  const { retained, stale, heldFromLsn } = decision;
  const recovery = { kind, startLsn, endLsn, provenLsn, tornBytes, tornWhy, segments: live.length };
  return { recovery, journalId, live, retained, stale, nextSequence, heldFromLsn };
}

/**
 * Copies the valid commits from the lineage start on into a new segment, and makes it durable.
 *
 * A flush of the old file would prove nothing: after a failed flush of the dead owner the kernel may report its
 * data as written, although the disk lacks it. The name of the new segment is the commit point. From then on
 * commits at or above `lineageStart` in older files are dead. That includes a write of the dead owner that is
 * still in flight.
 */
async function repair(
  storage: Storage,
  directory: string,
  decision: Usable,
  sequence: number,
): Promise<LiveSegment[]> {
  const { journalId, blockBytes, lineageStart, endLsn, heldFromLsn } = decision;
  const copied: CopiedCommit[] = [];
  for (const segment of decision.live) {
    const commits = segment.commits.filter(
      (commit) => commit.startLsn >= lineageStart && commit.recordCount > 0,
    );
    for (const commit of commits) {
      const bytes = await readCommit(storage, segment, commit, blockBytes);
      const { startLsn, endLsn, recordCount } = commit;
      copied.push({ startLsn, endLsn, recordCount, bytes });
    }
  }
  const { path, header } = await writeLineageSegment(storage, {
    directory,
    sequence,
    journalId,
    blockBytes,
    lineageStart,
    endLsn,
    heldFromLsn,
    commits: copied,
  });
  const { sizeBytes } = header;
  const lineage = {
    path,
    sequence,
    header,
    startLsn: lineageStart,
    endLsn,
    endOffset: sizeBytes,
    fileBytes: sizeBytes,
    modifiedMs: storage.wallMs(),
    isSkimmed: false,
    commits: [],
  };
  return [...withoutDead(decision.live, lineageStart), lineage];
}

/**
 * Returns the bytes of a commit in whole blocks, header included. Its checksums are those of the old segment.
 */
async function readCommit(
  storage: Storage,
  segment: LiveSegment,
  commit: ScannedCommit,
  blockBytes: number,
): Promise<Uint8Array> {
  const bodyBytes = commit.endLsn - commit.startLsn;
  const bytes = new Uint8Array(commitBytesOnDisk(bodyBytes, blockBytes));
  const file = await storage.openFile(segment.path, false);
  try {
    await file.read(bytes.subarray(0, COMMIT_HEADER_BYTES + bodyBytes), commit.offset);
    const { startLsn, endLsn: lsnEnd, recordCount } = commit;
    // Verified again, because these bytes get new checksums.
    if (
      !checkBody(bytes, COMMIT_HEADER_BYTES, bodyBytes, recordCount, startLsn, segmentSeed(segment.header))
    ) {
      const facts = {
        path: segment.path,
        segment: segment.sequence,
        offset: commit.offset,
        lsn: startLsn,
        lsnEnd,
      };
      throw new KeelsonError(
        'KEELSON_CORRUPT',
        `A commit in ${facts.path} that was whole a moment ago reads differently now`,
        facts,
      );
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Returns the segments for readers, with LSN ranges that end where the lineage starts. */
function withoutDead(live: readonly LiveSegment[], lineageStart: number): LiveSegment[] {
  return live.map((segment) => ({
    ...segment,
    startLsn: Math.min(segment.startLsn, lineageStart),
    endLsn: Math.min(segment.endLsn, lineageStart),
  }));
}
