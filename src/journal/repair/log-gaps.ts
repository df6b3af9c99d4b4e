// Following the log through the pieces of its segments: where it breaks off and goes on later, and which records are
// there. Pure. A break is one only when the log goes on above it, or is known to have: otherwise it is the end, torn
// or not.

import type { CommitHeader } from '../format/commit-format.js';
import type { FoundRecord } from './frame-scan.js';
import type { SegmentPiece } from './lenient-scan.js';

/** Where the log breaks off at `lsn`; it goes on, or is known to have been durable, at `lsnEnd`. */
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

/** What may be the end of the log, or of what one life wrote of it. */
interface OpenGap {
  readonly file: string;
  readonly offset: number;
  offsetEnd: number;
  readonly lsn: number;
  readonly what: string;
}

export class LogGaps {
  readonly gaps: LogGap[] = [];
  /** Where the oldest piece starts, as far as that is known; null before there is one. */
  firstLsn: number | null = null;
  /** Where the log stands: the end of the highest whole commit. */
  lastLsn = 0;
  /** The last whole commit. */
  last: { readonly file: string; readonly offset: number; readonly commit: CommitHeader } | null = null;
  readonly #baseLsn: number;
  readonly #ranges: Range[] = [];
  #place: { readonly file: string; readonly offset: number } | null = null;
  #open: OpenGap | null = null;

  /** `baseLsn`: from where on the log is wanted. */
  constructor(baseLsn: number) {
    this.#baseLsn = baseLsn;
  }

  /**
   * The next piece of the log. `deadFromLsn`: commits that start there or above do not count. `records`: those of the
   * piece that do.
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

  /** There are no more pieces. `provenLsn`: so far the log is known to have been durable. */
  finish(provenLsn: number): void {
    const lsn = this.#open?.lsn ?? this.lastLsn;
    if (provenLsn > lsn) this.#addGap(provenLsn);
  }

  /** The ranges above `lsn` and up to `lsnEnd` of which no record is there. */
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
    // Torn where an earlier life ended; what this life left undone is the news.
    const lsn = this.firstLsn === null ? (commit?.startLsn ?? this.#baseLsn) : this.lastLsn;
    if (this.firstLsn === null) {
      this.firstLsn = lsn;
      this.lastLsn = lsn;
    }
    const what =
      commit === null ? 'what stands here is no commit that verifies' : 'a commit is damaged, or cut off';
    this.#open = { file, offset, offsetEnd, lsn, what };
  }

  /** A whole commit at `startLsn`: whatever came before it was either all there, or breaks off no longer unnoticed. */
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
    // Below what is wanted segments are retired, and a power cut may leave any of them.
    if (this.#place === null || lsnEnd <= this.#baseLsn) return;
    this.gaps.push({
      ...this.#place,
      lsn: this.lastLsn,
      lsnEnd,
      what: 'the records that follow are missing',
    });
  }
}
