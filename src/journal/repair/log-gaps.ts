// The gaps of a log: where it breaks off and continues later, and which records are there. Pure.
//
// A break is a gap only if the log continues above it, or is known to have continued. Otherwise it is the end
// of the log, torn or not.

import type { CommitHeader } from '../format/commit-format.js';
import type { FoundRecord } from './frame-scan.js';
import type { SegmentPiece } from './lenient-segment-scan.js';

/** A gap: the log breaks off at `lsn`, and continues, or is known to have been durable, at `lsnEnd`. */
export interface LogGap {
  readonly file: string;
  readonly offset: number;
  readonly offsetEnd?: number;
  readonly lsn: number;
  readonly lsnEnd: number;
  readonly what: string;
}

interface Range {
  lsn: number;
  lsnEnd: number;
}

/** A break that may be the end of the log, or of what one session wrote. */
interface OpenGap {
  readonly file: string;
  readonly offset: number;
  offsetEnd: number;
  readonly lsn: number;
  readonly what: string;
}

/** Follows a log piece by piece, and collects its gaps. Call pass() for each piece, then finish(). */
export class LogGaps {
  readonly gaps: LogGap[] = [];
  /** The LSN at which the oldest piece starts, or null before the first piece. */
  firstLsn: number | null = null;
  /** The end of the highest whole commit, as an LSN. */
  lastLsn = 0;
  /** The last whole commit. */
  last: { readonly file: string; readonly offset: number; readonly commit: CommitHeader } | null = null;
  readonly #baseLsn: number;
  readonly #ranges: Range[] = [];
  #place: { readonly file: string; readonly offset: number } | null = null;
  #open: OpenGap | null = null;

  /** @param baseLsn The log is wanted above this LSN. */
  constructor(baseLsn: number) {
    this.#baseLsn = baseLsn;
  }

  /**
   * Takes the next piece of the log.
   *
   * @param deadFromLsn Commits that start here or above do not count.
   * @param records The records of the piece that count.
   */
  pass(file: string, piece: SegmentPiece, deadFromLsn: number, records: readonly FoundRecord[]): void {
    for (const { startLsn, lsn } of records) this.#cover(startLsn, lsn);
    const { commit, isWhole, offset, offsetEnd } = piece;
    if (commit !== null && commit.startLsn >= deadFromLsn) return;
    if (!isWhole || commit === null) {
      this.#openGap(file, piece);
      return;
    }
    this.#goOn(file, offset, commit.startLsn);
    this.lastLsn = Math.max(this.lastLsn, commit.startLsn + commit.bodyBytes);
    this.#place = { file, offset: offsetEnd };
    this.last = { file, offset, commit };
  }

  /**
   * Ends the log.
   *
   * @param provenLsn The log is known to have been durable up to this LSN.
   */
  finish(provenLsn: number): void {
    const lsn = this.#open?.lsn ?? this.lastLsn;
    if (provenLsn > lsn) this.#addGap(provenLsn);
  }

  /** Returns the ranges above `lsn` and up to `lsnEnd` that no record covers. */
  missing(lsn: number, lsnEnd: number): Range[] {
    const missing: Range[] = [];
    let at = lsn;
    for (const range of this.#ranges.toSorted((a, b) => a.lsn - b.lsn)) {
      if (range.lsn >= lsnEnd) break;
      if (range.lsn > at) missing.push({ lsn: at, lsnEnd: range.lsn });
      at = Math.max(at, range.lsnEnd);
    }
    if (at < lsnEnd) missing.push({ lsn: at, lsnEnd });
    return missing;
  }

  #cover(lsn: number, lsnEnd: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.lsnEnd === lsn) last.lsnEnd = lsnEnd;
    else this.#ranges.push({ lsn, lsnEnd });
  }

  #openGap(file: string, { offset, offsetEnd, commit }: SegmentPiece): void {
    if (this.#open?.file === file) {
      this.#open.offsetEnd = offsetEnd;
      return;
    }
    // An open gap of an earlier segment was a torn end, so this one replaces it.
    const lsn = this.firstLsn === null ? (commit?.startLsn ?? this.#baseLsn) : this.lastLsn;
    if (this.firstLsn === null) {
      this.firstLsn = lsn;
      this.lastLsn = lsn;
    }
    const what =
      commit === null ? 'what stands here is no commit that verifies' : 'a commit is damaged, or cut off';
    this.#open = { file, offset, offsetEnd, lsn, what };
  }

  /**
   * Continues the log with a whole commit at `startLsn`. There is a gap before it if the log has not reached
   * `startLsn`, or if this segment broke off before.
   */
  #goOn(file: string, offset: number, startLsn: number): void {
    if (this.firstLsn === null) {
      this.firstLsn = startLsn;
      this.lastLsn = startLsn;
    }
    const isInside = this.#open?.file === file;
    if (startLsn > (this.#open?.lsn ?? this.lastLsn) || isInside) {
      if (isInside && this.#open !== null) this.#open.offsetEnd = offset;
      this.#addGap(startLsn);
    }
    this.#open = null;
  }

  #addGap(lsnEnd: number): void {
    if (this.#open !== null) {
      const { lsn, ...place } = this.#open;
      this.gaps.push({ ...place, lsn: Math.min(lsn, lsnEnd), lsnEnd });
      return;
    }
    // Segments below `baseLsn` are retired, and a power cut may leave any of them.
    if (this.#place === null || lsnEnd <= this.#baseLsn) return;
    this.gaps.push({
      ...this.#place,
      lsn: this.lastLsn,
      lsnEnd,
      what: 'the records that follow are missing',
    });
  }
}
