// A look at a whole journal that may be damaged: what recovery would decide, everything in it that verifies, and each
// place where something is damaged or missing. Changes nothing, and needs no lock.

import { basename } from 'node:path';
import type { Storage } from '../storage/index.js';
import { COMMIT_FLAGS } from './commit-format.js';
import { type FoundRecord, type SegmentPiece, scanLeniently } from './lenient-scan.js';
import { LogCourse } from './log-course.js';
import {
  decideRecovery,
  type FoundSegment,
  type RecoveryAnchor,
  type RecoveryDecision,
} from './recovery-decision.js';
import type { SegmentHeader } from './segment-format.js';

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

interface ReadableSegment {
  readonly found: FoundSegment;
  readonly header: SegmentHeader;
  /** A later segment goes on from here, or has declared dead what is above. */
  readonly deadFromLsn: number;
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
  readonly #found: readonly FoundSegment[];
  readonly #baseLsn: number;
  readonly #journalId: Uint8Array | null;
  readonly #provenLsn: number;
  /** Whole commits above it are not believed: recovery would drop them as torn. */
  readonly #endLsnMax: number;
  readonly #course: LogCourse;
  readonly #damages: Damage[] = [];

  constructor(storage: Storage, { found, anchor, baseLsn, provenLsn, journalId }: JournalExaminationParts) {
    this.#storage = storage;
    this.#found = found;
    this.#baseLsn = baseLsn;
    this.#journalId = journalId;
    this.decision = decideRecovery(found, anchor);
    this.#provenLsn = provenLsnOf(found, provenLsn, journalId);
    const isUsable = this.decision.kind === 'clean' || this.decision.kind === 'repair';
    this.#endLsnMax = isUsable ? this.decision.endLsn : Number.POSITIVE_INFINITY;
    this.#course = new LogCourse(baseLsn);
  }

  /** Everything in the journal that verifies and counts, in the order of the log. To be asked for once, and to its end. */
  async *readRecords(): AsyncGenerator<RecordBatch, void, undefined> {
    const readable = this.#readableSegments();
    const firstNeeded = firstNeededSequence(readable, this.#baseLsn);
    for (const found of this.#found) {
      const file = basename(found.path);
      const isNeeded = found.sequence >= firstNeeded;
      const segment = readable.find((other) => other.found === found);
      const findings: SegmentFindings = {
        file,
        bytes: found.fileBytes,
        isNeeded,
        records: 0,
        lsn: null,
        lsnEnd: null,
      };
      this.segments.push(findings);
      const why = whyUnsound(found, this.#journalId);
      if (why !== null) this.#damages.push({ file, ...why, isNeeded });
      if (segment !== undefined) yield* this.#readSegment(segment, findings);
    }
    this.#course.finish(this.#provenLsn);
  }

  /** Known when all records have been read. */
  get damages(): readonly Damage[] {
    // Recovery reads every segment that it needs from its start on, also what is below the image.
    const needed = this.segments.filter(({ isNeeded }) => isNeeded).map(({ file }) => file);
    const gaps = this.#course.breaks.map((place) => ({
      ...place,
      isNeeded: place.lsnEnd > this.#baseLsn || needed.includes(place.file),
    }));
    const known = [...this.#damages, ...gaps];
    const { firstLsn } = this.#course;
    if (firstLsn !== null && firstLsn > this.#baseLsn) {
      const what = 'the oldest records are missing';
      known.unshift({ file: null, offset: 0, lsn: this.#baseLsn, lsnEnd: firstLsn, what, isNeeded: true });
    }
    return [...known, ...this.#refusal(known)];
  }

  /** Records above the image that nothing in the journal holds. Known when all records have been read. */
  get missing(): LsnRange[] {
    const { lastLsn } = this;
    const missing: LsnRange[] = this.#course.missing(this.#baseLsn, lastLsn);
    if (this.#isEndLost()) missing.push({ lsn: lastLsn, lsnEnd: null });
    return missing;
  }

  /** True when records may have stood at that place of a segment, behind all that have been found. */
  mayHaveEndedAt(file: string, offset: number): boolean {
    if (!this.segments.some((segment) => segment.file === file)) return false;
    const { last } = this.#course;
    if (last === null) return true;
    const isEnd = (last.commit.flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;
    return file > last.file || (file === last.file && !isEnd && offset > last.offset);
  }

  /** True when something that cannot be read came after all that can. */
  #isEndLost(): boolean {
    if (this.decision.kind !== 'refuse') return false;
    const { last } = this.#course;
    if (last === null) return this.#found.length === 0 || this.#found.some(({ verdict }) => !verdict.ok);
    const at = this.#found.findIndex(({ path }) => basename(path) === last.file);
    if (this.#found.slice(at + 1).some(({ verdict }) => !verdict.ok)) return true;
    const { flags, nextSequence } = last.commit;
    const { verdict, fileBytes } = this.#found[at]!;
    if ((flags & COMMIT_FLAGS.rotated) !== 0) {
      return !this.#found.some(({ sequence }) => sequence % 2 ** 32 === nextSequence);
    }
    return flags === 0 && verdict.ok && fileBytes < verdict.header.sizeBytes;
  }

  /** The highest LSN that anything in the journal or the images says to have been written and not torn. */
  get lastLsn(): number {
    const { decision } = this;
    if (decision.kind === 'clean' || decision.kind === 'repair') return decision.endLsn;
    return Math.max(this.#provenLsn, this.#baseLsn, this.#course.lastLsn);
  }

  async *#readSegment(
    { found, header, deadFromLsn }: ReadableSegment,
    findings: SegmentFindings,
  ): AsyncGenerator<RecordBatch, void, undefined> {
    const { file: name } = findings;
    const bytesBefore = this.segments.reduce((sum, { bytes }) => sum + bytes, -findings.bytes);
    const file = await this.#storage.openFile(found.path, false);
    try {
      for await (const piece of scanLeniently(file, found.fileBytes, header, this.#provenLsn)) {
        const records = this.#countingRecords(piece, deadFromLsn);
        this.#course.pass(name, piece, deadFromLsn, records);
        if (records.length === 0) continue;
        findings.records += records.length;
        findings.lsn ??= records[0]!.startLsn;
        findings.lsnEnd = records.at(-1)!.lsn;
        yield { file: name, offset: piece.offset, bytesBefore, bytes: piece.bytes, records };
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

  #readableSegments(): ReadableSegment[] {
    const readable: ReadableSegment[] = [];
    let deadFromLsn = Number.POSITIVE_INFINITY;
    for (const found of this.#found.toReversed()) {
      if (!found.verdict.ok || !isOf(found.verdict.header, this.#journalId)) continue;
      const { header } = found.verdict;
      readable.unshift({ found, header, deadFromLsn });
      const startLsn = found.scan?.commits[0]?.startLsn ?? Number.POSITIVE_INFINITY;
      deadFromLsn = Math.min(deadFromLsn, header.lineageStart ?? startLsn, startLsn);
    }
    return readable;
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

/** The journal id that most files have; of as many, that of the last. `otherIds` are of files that are no segments. */
export function commonJournalId(
  found: readonly FoundSegment[],
  otherIds: readonly Uint8Array[],
): Uint8Array | null {
  const ids = found.flatMap(({ verdict }) => (verdict.ok ? [verdict.header.journalId] : []));
  const counts = new Map<string, number>();
  let common: Uint8Array | null = null;
  let most = 0;
  for (const id of [...otherIds, ...ids]) {
    const text = Buffer.from(id).toString('hex');
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    if (count < most) continue;
    most = count;
    common = id;
  }
  return common;
}

function isOf(header: SegmentHeader, journalId: Uint8Array | null): boolean {
  return journalId !== null && Buffer.compare(header.journalId, journalId) === 0;
}

function provenLsnOf(
  found: readonly FoundSegment[],
  imagesProveLsn: number,
  journalId: Uint8Array | null,
): number {
  const claims = found.map(({ verdict, scan }) =>
    verdict.ok && isOf(verdict.header, journalId)
      ? Math.max(verdict.header.durableLsn, scan?.durableLsnClaimed ?? 0)
      : 0,
  );
  return Math.max(imagesProveLsn, ...claims);
}

/** The last segment that starts at or below what an image holds, and all after it. */
function firstNeededSequence(readable: readonly ReadableSegment[], baseLsn: number): number {
  const first = readable.findLast(({ found, deadFromLsn }) => {
    const startLsn = found.scan?.commits[0]?.startLsn ?? Number.POSITIVE_INFINITY;
    return startLsn <= baseLsn && startLsn < deadFromLsn;
  });
  return first?.found.sequence ?? 0;
}

/** What is wrong with the file as a whole, whatever is in it. */
function whyUnsound(
  { verdict, sequence, fileBytes }: FoundSegment,
  journalId: Uint8Array | null,
): Pick<Damage, 'offset' | 'offsetEnd' | 'what'> | null {
  if (!verdict.ok) return { offset: 0, what: verdict.why };
  const { header } = verdict;
  if (!isOf(header, journalId)) return { offset: 0, what: 'the segment belongs to another journal' };
  if (header.sequence !== sequence)
    return { offset: 0, what: `the header says it is segment ${header.sequence}` };
  if (fileBytes >= header.sizeBytes) return null;
  const what = `the file has ${fileBytes} bytes of the ${header.sizeBytes} it was made with`;
  return { offset: fileBytes, offsetEnd: header.sizeBytes, what };
}
