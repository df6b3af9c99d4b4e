// The examination of a journal that may be damaged: what recovery would decide, every record that verifies, and
// each place where something is damaged or missing. Changes nothing, and needs no lock.

import { basename } from 'node:path';
import type { Storage } from '../../storage/index.js';
import { endsForGood } from '../format/commit-format.js';
import type { SegmentHeader } from '../format/segment-format.js';
import {
  byAnyLater,
  type FoundSegment,
  firstNeededIndex,
  isRotation,
  type LogSegment,
  lowHalfOf,
  placeInLog,
  provenIn,
  unsoundnessOf,
} from '../recovery/log-geometry.js';
import { whyMixed } from '../recovery/mixed-histories.js';
import { decideRecovery, type RecoveryAnchor, type RecoveryDecision } from '../recovery/tail-decision.js';
import type { FoundRecord } from './frame-scan.js';
import { type SegmentPiece, scanLeniently } from './lenient-segment-scan.js';
import { LogGaps } from './log-gaps.js';

/** A place in the files of a store where something is damaged or missing. */
export interface Damage {
  /** The name of the file, or null for a missing file whose name nobody knows. */
  readonly file: string | null;
  /** Where the damage starts in the file, in bytes. */
  readonly offset: number;
  /** Where the damage ends in the file, in bytes, if that is known. */
  readonly offsetEnd?: number;
  /** The LSN above which records are affected. Only set for a journal. */
  readonly lsn?: number;
  /** The LSN up to which records are affected. Only set for a journal. */
  readonly lsnEnd?: number;
  /** A sentence for people. */
  readonly what: string;
  /** False if the store does not need the damaged bytes, because another file holds the same or more. */
  readonly isNeeded: boolean;
}

/**
 * The records above `lsn` and up to `lsnEnd`. If `lsnEnd` is null, all records after `lsn`, and nobody knows
 * how many.
 */
export interface LsnRange {
  /** The LSN above which the range begins. */
  readonly lsn: number;
  /** The LSN of the last record of the range, or null when nobody knows it. */
  readonly lsnEnd: number | null;
}

/** The result of an examination of one segment. */
export interface SegmentFindings {
  /** The name of the file. */
  readonly file: string;
  /** The size of the file in bytes. */
  readonly bytes: number;
  /** False if an image holds everything that the segment holds. */
  readonly isNeeded: boolean;
  /** The number of records that verify and count. */
  records: number;
  /** The LSN above which these records are, or null if there are none. */
  lsn: number | null;
  /** The LSN of the last of these records, or null if there are none. */
  lsnEnd: number | null;
}

/**
 * Records of one commit, or of one stretch without a commit header that verifies. The memory is reused for the
 * next batch.
 */
export interface RecordBatch {
  readonly file: string;
  /** Where the commit or the stretch starts in the file. */
  readonly offset: number;
  /** Bytes of all segments before this one. */
  readonly bytesBefore: number;
  readonly bytes: Uint8Array;
  readonly records: readonly FoundRecord[];
}

/** A segment file at its place in the log. */
interface PlacedSegment {
  readonly found: FoundSegment;
  readonly name: string;
  /**
   * The sequence in the header. If the header does not verify, or is of another journal, the sequence in the
   * name.
   */
  readonly sequence: number;
  /** The fault of the file as a whole, or null. */
  readonly unsound: Pick<Damage, 'offset' | 'offsetEnd' | 'what'> | null;
  /**
   * Null if nothing in the file is read: its header does not verify, it is of another journal, or another copy
   * of the segment is read.
   */
  readonly inLog: LogSegment | null;
}

/** The segments of the journal that is examined, and what its images say about it. */
export interface JournalExaminationParts {
  /** All segments, as scanSegments() returned them. */
  readonly found: readonly FoundSegment[];
  /** The knowledge with which an open of the store would recover the journal. */
  readonly anchor: RecoveryAnchor;
  /** An image of this journal holds everything up to this LSN. */
  readonly baseLsn: number;
  /** An image of this journal, whole or not, says that the journal was durable up to this LSN. */
  readonly provenLsn: number;
  /** Null if no readable file names the journal. */
  readonly journalId: Uint8Array | null;
}

/** Examines a journal: call readRecords() first, then ask for damages and missing records. */
export class JournalExamination {
  readonly decision: RecoveryDecision;
  readonly segments: SegmentFindings[] = [];
  readonly #storage: Storage;
  readonly #placed: readonly PlacedSegment[];
  readonly #baseLsn: number;
  readonly #provenLsn: number;
  /** Whole commits above this LSN do not count, because recovery would drop them as torn. */
  readonly #endLsnMax: number;
  readonly #log: LogGaps;
  readonly #damages: Damage[] = [];
  /** True if something behind the last whole commit may have been a commit. */
  #isUnfinished = false;

  constructor(storage: Storage, { found, anchor, baseLsn, provenLsn, journalId }: JournalExaminationParts) {
    this.#storage = storage;
    this.#placed = placedInLog(found, journalId);
    this.#baseLsn = baseLsn;
    this.decision = decideRecovery(found, anchor);
    this.#provenLsn = provenLsnOf(found, provenLsn, journalId);
    const isUsable = this.decision.kind === 'clean' || this.decision.kind === 'repair';
    this.#endLsnMax = isUsable ? this.decision.endLsn : Number.POSITIVE_INFINITY;
    this.#log = new LogGaps(baseLsn);
  }

  /**
   * Iterates over every record that verifies and counts, in the order of the log. Call it once, and iterate to
   * the end.
   */
  async *readRecords(): AsyncGenerator<RecordBatch, void, undefined> {
    const firstNeeded = firstNeededSequence(this.#placed, this.#baseLsn);
    for (const segment of this.#placed) {
      const { found, name: file, sequence, unsound, inLog } = segment;
      const isNeeded = sequence >= firstNeeded;
      const nothing = { records: 0, lsn: null, lsnEnd: null };
      const findings: SegmentFindings = { file, bytes: found.fileBytes, isNeeded, ...nothing };
      this.segments.push(findings);
      if (unsound !== null) this.#damages.push({ file, ...unsound, isNeeded });
      if (inLog !== null) yield* this.#readSegment(inLog, findings);
    }
    this.#log.finish(this.#provenLsn);
  }

  /** All damages. Ask for them when all records have been read. */
  get damages(): readonly Damage[] {
    // Recovery reads a segment that it needs from its start, so the part below the image matters too.
    const needed = this.segments.filter(({ isNeeded }) => isNeeded).map(({ file }) => file);
    const gaps = this.#log.gaps.map((place) => ({
      ...place,
      isNeeded: place.lsnEnd > this.#baseLsn || needed.includes(place.file),
    }));
    const known = [...this.#damages, ...gaps];
    const { firstLsn } = this.#log;
    if (firstLsn !== null && firstLsn > this.#baseLsn) {
      const what = 'the oldest records are missing';
      known.unshift({ file: null, offset: 0, lsn: this.#baseLsn, lsnEnd: firstLsn, what, isNeeded: true });
    }
    known.push(...this.#mixed());
    return [...known, ...this.#refusal(known)];
  }

  /**
   * The ranges of records above the image that the journal does not hold. Ask for them when all records have
   * been read.
   */
  get missing(): LsnRange[] {
    const { lastLsn } = this;
    const missing: LsnRange[] = this.#log.missing(this.#baseLsn, lastLsn);
    // Records of a second history do not count. They are lost, although other records have their LSNs.
    for (const { lsn, lsnEnd } of this.#mixed()) missing.push({ lsn, lsnEnd });
    if (this.#isEndLost()) missing.push({ lsn: lastLsn, lsnEnd: null });
    return missing;
  }

  /**
   * Returns true if lost records may have followed the last whole commit at this offset of a segment. A closed
   * or recovered mark rules that out in its own segment.
   */
  mayHaveEndedAt(file: string, offset: number): boolean {
    const at = this.#placed.findIndex(({ name }) => name === file);
    if (at < 0) return false;
    const { last } = this.#log;
    if (last === null) return true;
    const lastAt = this.#placed.findIndex(({ name }) => name === last.file);
    if (at !== lastAt) return at > lastAt;
    return offset > last.offset && !endsForGood(last.commit.flags);
  }

  /**
   * Returns true if records are lost after the last one that was found: something that cannot be read follows
   * it, or something is known to have followed.
   */
  #isEndLost(): boolean {
    if (this.decision.kind !== 'refuse') return false;
    const { last, lastLsn } = this.#log;
    if (last === null)
      return this.#placed.length === 0 || this.#placed.some(({ unsound }) => unsound !== null);
    // The log does not reach an LSN that was durable, or something unreadable follows its last commit. Nothing
    // says how many records are lost.
    if (lastLsn < this.#provenLsn || this.#isUnfinished) return true;
    const at = this.#placed.findIndex(({ name }) => name === last.file);
    const { found, sequence, inLog } = this.#placed[at]!;
    const { flags, nextSequence } = last.commit;
    const isRotated = isRotation(last.commit);
    const successor = isRotated ? nextSequence : lowHalfOf(sequence + 1);
    const later = this.#placed.slice(at + 1);
    if (later.some((other) => !other.found.verdict.ok)) return true;
    // Compares names, because an overwritten successor still has its name.
    const successors = this.#placed.filter((other) => lowHalfOf(other.found.sequence) === successor);
    if (successors.some(({ unsound }) => unsound !== null)) return true;
    if (isRotated) return !this.#placed.some((other) => lowHalfOf(other.sequence) === successor);
    return flags === 0 && found.fileBytes < inLog!.header.sizeBytes;
  }

  /**
   * The end of the log: of what recovery would keep, or else the highest LSN that a file proves durable or a
   * whole commit reaches.
   */
  get lastLsn(): number {
    const { decision } = this;
    if (decision.kind === 'clean' || decision.kind === 'repair') return decision.endLsn;
    return Math.max(this.#provenLsn, this.#baseLsn, this.#log.lastLsn);
  }

  async *#readSegment(
    { found, header, deadFromLsn }: LogSegment,
    findings: SegmentFindings,
  ): AsyncGenerator<RecordBatch, void, undefined> {
    const bytesBefore = this.segments.reduce((sum, { bytes }) => sum + bytes, -findings.bytes);
    const file = await this.#storage.openFile(found.path, false);
    const { fileBytes } = found;
    const logLsn = this.#log.lastLsn;
    try {
      for await (const piece of scanLeniently({
        file,
        fileBytes,
        header,
        logLsn,
        provenLsn: this.#provenLsn,
      })) {
        const records = this.#countingRecords(piece, deadFromLsn);
        this.#log.pass(findings.file, piece, deadFromLsn, records);
        if (piece.isWhole) this.#isUnfinished &&= piece.commit!.startLsn >= deadFromLsn;
        else this.#isUnfinished ||= mayBeCommit(piece, header) && (piece.commit?.startLsn ?? 0) < deadFromLsn;
        if (records.length === 0) continue;
        findings.records += records.length;
        findings.lsn ??= records[0]!.startLsn;
        findings.lsnEnd = records.at(-1)!.lsn;
        yield { file: findings.file, offset: piece.offset, bytesBefore, bytes: piece.bytes, records };
      }
    } finally {
      await file.close();
    }
  }

  /**
   * Returns the records of a piece that count. In a commit that is not whole these are the records that are
   * proven durable. The others are torn, and were never acknowledged.
   */
  #countingRecords({ isWhole, commit, records }: SegmentPiece, deadFromLsn: number): readonly FoundRecord[] {
    const endMax = Math.min(deadFromLsn, isWhole ? this.#endLsnMax : this.#provenLsn);
    if (isWhole && commit !== null && commit.startLsn + commit.bodyBytes <= endMax) return records;
    return records.filter(({ lsn }) => lsn <= endMax);
  }

  /** Returns the damages of a second history. Records that a later segment contradicts do not count. */
  #mixed(): (Damage & LsnRange & { readonly lsnEnd: number })[] {
    if (this.decision.kind !== 'refuse') return [];
    return this.decision.mixed.map((mixed) => {
      const { path, offset, lsn, lsnEnd } = mixed;
      return { file: basename(path), offset, lsn, lsnEnd, what: whyMixed(mixed), isNeeded: true };
    });
  }

  /** Returns the reason why recovery refuses the journal, unless a known damage says it already. */
  #refusal(known: readonly Damage[]): Damage[] {
    if (this.decision.kind !== 'refuse') return [];
    const { why, facts } = this.decision;
    const { path, offset = 0, lsn, lsnEnd } = facts;
    const file = path === undefined ? null : basename(path);
    const isKnown = known.some(
      (damage) =>
        (damage.file === file && damage.offset === offset) || (lsn !== undefined && damage.lsn === lsn),
    );
    if (isKnown) return [];
    const range = { ...(lsn === undefined ? {} : { lsn }), ...(lsnEnd === undefined ? {} : { lsnEnd }) };
    return [{ file, offset, ...range, what: why, isNeeded: true }];
  }
}

function isOf(header: SegmentHeader, journalId: Uint8Array | null): boolean {
  return journalId !== null && Buffer.compare(header.journalId, journalId) === 0;
}

function provenLsnOf(
  found: readonly FoundSegment[],
  imagesProveLsn: number,
  journalId: Uint8Array | null,
): number {
  const claims = found.map((segment) => {
    const header = ownHeader(segment, journalId);
    return header === null ? 0 : provenIn({ header, scan: segment.scan! });
  });
  return Math.max(imagesProveLsn, ...claims);
}

/**
 * Returns true if the piece may have been a commit. In a recycled segment old bytes follow the last commit, so
 * there a piece needs a header.
 */
function mayBeCommit({ commit }: SegmentPiece, { isRecycled }: SegmentHeader): boolean {
  return commit !== null || !isRecycled;
}

/**
 * Returns the segments in the order of the log, whatever their names. Of several copies of a segment only one
 * is read.
 */
function placedInLog(found: readonly FoundSegment[], journalId: Uint8Array | null): PlacedSegment[] {
  const sorted = found
    .map((segment) => {
      const header = ownHeader(segment, journalId);
      const isRead = header !== null && isBestOfCopies(segment, header, found);
      return { segment, sequence: header?.sequence ?? segment.sequence, isRead };
    })
    .sort((a, b) => a.sequence - b.sequence || a.segment.sequence - b.segment.sequence);
  const read = sorted.filter(({ isRead }) => isRead).map(({ segment }) => segment);
  const inLog = new Map(placeInLog(read, byAnyLater).map((segment) => [segment.found, segment]));
  return sorted.map(({ segment, sequence }) => ({
    found: segment,
    name: basename(segment.path),
    sequence,
    unsound: whyUnsound(segment, journalId),
    inLog: inLog.get(segment) ?? null,
  }));
}

function ownHeader({ verdict }: FoundSegment, journalId: Uint8Array | null): SegmentHeader | null {
  return verdict.ok && isOf(verdict.header, journalId) ? verdict.header : null;
}

/**
 * Returns true for the file that is read among those with this sequence in the header: the one whose commits
 * reach the highest LSN. Among equals the one with the right name comes first, and then the first.
 */
function isBestOfCopies(
  segment: FoundSegment,
  { journalId, sequence }: SegmentHeader,
  found: readonly FoundSegment[],
): boolean {
  const endOf = ({ scan }: FoundSegment) => scan?.commits.at(-1)?.endLsn ?? -1;
  const isRightlyNamed = (other: FoundSegment) => other.sequence === sequence;
  const copies = found.filter((other) => ownHeader(other, journalId)?.sequence === sequence);
  const [best] = copies.toSorted(
    (a, b) => endOf(b) - endOf(a) || Number(isRightlyNamed(b)) - Number(isRightlyNamed(a)),
  );
  return best === segment;
}

/** Returns the sequence of the first segment that is needed if an image holds everything up to `baseLsn`. */
function firstNeededSequence(placed: readonly PlacedSegment[], baseLsn: number): number {
  const inLog = placed.flatMap((segment) => segment.inLog ?? []);
  return inLog[firstNeededIndex(inLog, baseLsn)]?.header.sequence ?? 0;
}

/** Returns the fault of the file as a whole, whatever its commits are. Returns null if there is none. */
function whyUnsound(found: FoundSegment, journalId: Uint8Array | null): PlacedSegment['unsound'] {
  const { verdict } = found;
  if (verdict.ok && !isOf(verdict.header, journalId))
    return { offset: 0, what: 'the segment belongs to another journal' };
  const unsoundness = unsoundnessOf(found);
  if (unsoundness === null) return null;
  const { why: what, offset, offsetEnd } = unsoundness;
  return { what, offset, ...(offsetEnd === undefined ? {} : { offsetEnd }) };
}
