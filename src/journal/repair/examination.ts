// A look at a whole journal that may be damaged: what recovery would decide, everything in it that verifies, and each
// place where something is damaged or missing. Changes nothing, and needs no lock.

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
import { decideRecovery, type RecoveryAnchor, type RecoveryDecision } from '../recovery/recovery-decision.js';
import type { FoundRecord } from './frame-scan.js';
import { type SegmentPiece, scanLeniently } from './lenient-scan.js';
import { LogGaps } from './log-gaps.js';

/** A place in the files of a store where something is damaged or missing. */
export interface Damage {
  /** The name of the file; null for one that is missing and whose name nobody knows. */
  readonly file: string | null;
  /** Where in the file it starts, in bytes. */
  readonly offset: number;
  /** Where it ends, as far as that is known. */
  readonly offsetEnd?: number;
  /** Of a journal: records above `lsn` and up to `lsnEnd` are concerned. */
  readonly lsn?: number;
  readonly lsnEnd?: number;
  /** A sentence, for people. */
  readonly what: string;
  /** False when the store can do without: another file holds the same, or more. */
  readonly isNeeded: boolean;
}

/** The records above `lsn` and up to `lsnEnd`; null: all that followed, and nobody knows how far. */
export interface LsnRange {
  readonly lsn: number;
  readonly lsnEnd: number | null;
}

export interface SegmentFindings {
  readonly file: string;
  readonly bytes: number;
  /** False when nothing in it is needed any more, because an image holds it. */
  readonly isNeeded: boolean;
  /** Records in it that verify and count. */
  records: number;
  /** From where to where those records reach; null when there are none. */
  lsn: number | null;
  lsnEnd: number | null;
}

/** Records of one commit, in memory that is used again for the next. */
export interface RecordBatch {
  readonly file: string;
  readonly offset: number;
  /** Of all segments before this one. */
  readonly bytesBefore: number;
  readonly bytes: Uint8Array;
  readonly records: readonly FoundRecord[];
}

/** A file at its place in the log. */
interface PlacedSegment {
  readonly found: FoundSegment;
  readonly name: string;
  /** What the header says; where that does not hold, or is not of this journal, what the name says. */
  readonly sequence: number;
  /** What is wrong with the file as a whole, whatever is in it. */
  readonly unsound: Pick<Damage, 'offset' | 'offsetEnd' | 'what'> | null;
  /** Null when there is nothing to read in it: it is not of this journal, or a copy of another one. */
  readonly inLog: LogSegment | null;
}

export interface JournalExaminationParts {
  /** All segments, as scanSegments() has found them. */
  readonly found: readonly FoundSegment[];
  /** What an open of the store would know. */
  readonly anchor: RecoveryAnchor;
  /** An image of this journal holds everything up to here. */
  readonly baseLsn: number;
  /** An image of this journal, whole or not, says that it was durable up to here. */
  readonly provenLsn: number;
  /** Null when nothing that is left says it. */
  readonly journalId: Uint8Array | null;
}

export class JournalExamination {
  readonly decision: RecoveryDecision;
  readonly segments: SegmentFindings[] = [];
  readonly #storage: Storage;
  readonly #placed: readonly PlacedSegment[];
  readonly #baseLsn: number;
  readonly #provenLsn: number;
  /** Whole commits above it are not believed: recovery would drop them as torn. */
  readonly #endLsnMax: number;
  readonly #log: LogGaps;
  readonly #damages: Damage[] = [];
  /** Behind the last whole commit stands something that may have been one. */
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

  /** Everything in the journal that verifies and counts, in the order of the log. To be asked for once, and to its end. */
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

  /** Known when all records have been read. */
  get damages(): readonly Damage[] {
    // Recovery reads every segment that it needs from its start on, also what is below the image.
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

  /** Records above the image that nothing in the journal holds. Known when all records have been read. */
  get missing(): LsnRange[] {
    const { lastLsn } = this;
    const missing: LsnRange[] = this.#log.missing(this.#baseLsn, lastLsn);
    // Another history has records in their place; of these nothing is left.
    for (const { lsn, lsnEnd } of this.#mixed()) missing.push({ lsn, lsnEnd });
    if (this.#isEndLost()) missing.push({ lsn: lastLsn, lsnEnd: null });
    return missing;
  }

  /** True when records may have stood at that place of a segment, behind all that have been found. */
  mayHaveEndedAt(file: string, offset: number): boolean {
    const at = this.#placed.findIndex(({ name }) => name === file);
    if (at < 0) return false;
    const { last } = this.#log;
    if (last === null) return true;
    const lastAt = this.#placed.findIndex(({ name }) => name === last.file);
    if (at !== lastAt) return at > lastAt;
    return offset > last.offset && !endsForGood(last.commit.flags);
  }

  /** True when something that cannot be read came after all that can, or must have. */
  #isEndLost(): boolean {
    if (this.decision.kind !== 'refuse') return false;
    const { last, lastLsn } = this.#log;
    if (last === null)
      return this.#placed.length === 0 || this.#placed.some(({ unsound }) => unsound !== null);
    // An image that is newer than all that is left of the log: it went on, and nothing says how far.
    if (lastLsn < this.#provenLsn || this.#isUnfinished) return true;
    const at = this.#placed.findIndex(({ name }) => name === last.file);
    const { found, sequence, inLog } = this.#placed[at]!;
    const { flags, nextSequence } = last.commit;
    const isRotated = isRotation(last.commit);
    const successor = isRotated ? nextSequence : lowHalfOf(sequence + 1);
    const later = this.#placed.slice(at + 1);
    if (later.some((other) => !other.found.verdict.ok)) return true;
    // By their names: a successor that was written over with something else has kept that.
    const successors = this.#placed.filter((other) => lowHalfOf(other.found.sequence) === successor);
    if (successors.some(({ unsound }) => unsound !== null)) return true;
    if (isRotated) return !this.#placed.some((other) => lowHalfOf(other.sequence) === successor);
    return flags === 0 && found.fileBytes < inLog!.header.sizeBytes;
  }

  /** The highest LSN that anything in the journal or the images says to have been written and not torn. */
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
        else this.#isUnfinished ||= isCommit(piece, header) && (piece.commit?.startLsn ?? 0) < deadFromLsn;
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

  /** Of a commit that is not whole only what had been durable: above that it is torn, and nobody was told of it. */
  #countingRecords({ isWhole, commit, records }: SegmentPiece, deadFromLsn: number): readonly FoundRecord[] {
    const endMax = Math.min(deadFromLsn, isWhole ? this.#endLsnMax : this.#provenLsn);
    if (isWhole && commit !== null && commit.startLsn + commit.bodyBytes <= endMax) return records;
    return records.filter(({ lsn }) => lsn <= endMax);
  }

  /** The records of a second history: those that the newer segments contradict are left out. */
  #mixed(): (Damage & LsnRange & { readonly lsnEnd: number })[] {
    if (this.decision.kind !== 'refuse') return [];
    return this.decision.mixed.map((mixed) => {
      const { path, offset, lsn, lsnEnd } = mixed;
      return { file: basename(path), offset, lsn, lsnEnd, what: whyMixed(mixed), isNeeded: true };
    });
  }

  /** What recovery would refuse for, where nothing that has been found says so already. */
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

/** Whether it may have been one. In a recycled segment old bytes follow in any case: there only a header tells. */
function isCommit({ commit }: SegmentPiece, { isRecycled }: SegmentHeader): boolean {
  return commit !== null || !isRecycled;
}

/** The segments in the order of the log, whatever their names. Of one that is there twice only one is read. */
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

/** Of all files with that header the one whose log goes furthest; of as far, the one with the right name, or the first. */
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

/** The first segment that is needed above what an image holds, and all after it. */
function firstNeededSequence(placed: readonly PlacedSegment[], baseLsn: number): number {
  const inLog = placed.flatMap((segment) => segment.inLog ?? []);
  return inLog[firstNeededIndex(inLog, baseLsn)]?.header.sequence ?? 0;
}

/** What is wrong with the file as a whole, whatever is in it. */
function whyUnsound(found: FoundSegment, journalId: Uint8Array | null): PlacedSegment['unsound'] {
  const { verdict } = found;
  if (verdict.ok && !isOf(verdict.header, journalId))
    return { offset: 0, what: 'the segment belongs to another journal' };
  const unsoundness = unsoundnessOf(found);
  if (unsoundness === null) return null;
  const { why: what, offset, offsetEnd } = unsoundness;
  return { what, offset, ...(offsetEnd === undefined ? {} : { offsetEnd }) };
}
