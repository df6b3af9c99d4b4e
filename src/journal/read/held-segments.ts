// The segments that the journal holds, oldest first, as far as they are durable. Readers pin the segments that
// they need, so that none is retired under a reader.

import { KeelsonError, whatHappened } from '../../errors.js';
import type { StorageFile } from '../../storage/index.js';
import type { PendingCommit } from '../commit/pending-commit.js';
import { segmentSeed } from '../format/segment-format.js';
import type { LiveSegment } from '../recovery/tail-decision.js';
import type { WritableSegment } from '../segments/segment-files.js';
import { NO_RETENTION, type Retention, retiredCount } from './retention.js';

/** A segment that the journal holds, as far as it is durable. */
export interface HeldSegment {
  readonly path: string;
  readonly sequence: number;
  readonly seed: number;
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly startLsn: number;
  /** True for a segment that recovery, a backup or a salvage made: see SegmentHeader.lineageStart. */
  readonly isLineage: boolean;
  /** True for a segment of an earlier session that only a reader reads whole: see segment-skim.ts. */
  readonly isSkimmed: boolean;
  /** The end of the durable commits that count. */
  endLsn: number;
  /** The offset in the file at which the commits that count end. */
  endOffset: number;
  /** The wall-clock time when its last commit became durable, in ms since 1970. Unknown for the newest segment. */
  endedMs: number;
  /** The segment as this session wrote it. Null for a segment of an earlier session. */
  readonly writtenAs: WritableSegment | null;
}

/** Segments from which records can be read. */
export interface ReadableSegments {
  /** The LSN at which the oldest segment starts, or null if there is no segment. */
  readonly startLsn: number | null;
  /** Files that readers have open. Whoever takes one out closes it. */
  readonly readerFiles: Set<StorageFile>;
  /** Returns the segment with the record that follows `lsn`, or null if no durable record follows. */
  find(lsn: number): HeldSegment | null;
  /** Returns the error to throw when records of the segment cannot be read, because of `error`. */
  unreadable(segment: HeldSegment, error: KeelsonError): KeelsonError;
}

/** The segments that recovery found. */
export interface FoundSegments {
  /** The segments that are needed, oldest first. */
  readonly live: readonly LiveSegment[];
  /** The segments before them that can be read, oldest first. */
  readonly retained: readonly LiveSegment[];
  /** Paths of the other files. */
  readonly stale: readonly string[];
}

/** A segment file that is no longer needed. */
export interface RetiredSegment {
  readonly path: string;
  readonly isLineage: boolean;
  readonly writtenAs: WritableSegment | null;
}

/** The limit of how far a reader with a pin may be behind. */
export interface PinLag {
  /** The reader has what it asked for up to this LSN. */
  readonly lsn: number;
  readonly bytesMax: number;
  /** Called when the pin was removed, because the reader is further behind. Must run no foreign code. */
  lost(): void;
}

/** A pin: keeps the segments with records above `lsn` from being retired. */
export class SegmentPin {
  lsn: number;
  readonly #lag: PinLag | null;
  readonly #release: (pin: SegmentPin) => void;

  constructor(lsn: number, lag: PinLag | null, release: (pin: SegmentPin) => void) {
    this.lsn = lsn;
    this.#lag = lag;
    this.#release = release;
  }

  /** Releases the pin if its reader is too far behind `endLsn`. Returns true if it has done so. */
  isLostAt(endLsn: number): boolean {
    const lag = this.#lag;
    if (lag === null || endLsn - lag.lsn <= lag.bytesMax) return false;
    this.release();
    lag.lost();
    return true;
  }

  /** Releases the segments. Idempotent. */
  release(): void {
    this.#release(this);
  }
}

/** Keeps the list of the segments that a journal holds, and the pins of its readers. */
export class HeldSegments implements ReadableSegments {
  #segments: HeldSegment[] = [];
  /** Files that the next retirement removes. */
  #stale: RetiredSegment[] = [];
  /**
   * Files of earlier sessions that end where this journal starts, or before. An older image may still need
   * them.
   */
  #inherited: RetiredSegment[];
  readonly #inheritedEndLsn: number;
  readonly #pins = new Set<SegmentPin>();
  /**
   * Files that readers have open. Closing the journal closes them, because an abandoned iteration would keep
   * its file for ever.
   */
  readonly readerFiles = new Set<StorageFile>();

  readonly #wallMs: () => number;

  /** @param wallMs Returns the time, in ms since 1970. Only retention by age needs it. */
  constructor({ live, retained, stale }: FoundSegments, wallMs: () => number) {
    this.#segments = [...retained, ...live].map(heldOf);
    this.#inherited = stale.map((path) => ({ path, isLineage: true, writtenAs: null }));
    this.#inheritedEndLsn = live[0]?.startLsn ?? 0;
    this.#wallMs = wallMs;
  }

  get count(): number {
    return this.#segments.length;
  }

  /** Iterates over the segments, oldest first. */
  [Symbol.iterator](): Iterator<HeldSegment> {
    return this.#segments.values();
  }

  /** Returns the number of segments that hold a record above `lsn`. */
  countAbove(lsn: number): number {
    return this.#segments.filter(({ endLsn }) => endLsn > lsn).length;
  }

  /** The LSN at which the oldest segment starts, or null if there is no segment. */
  get startLsn(): number | null {
    return this.#segments[0]?.startLsn ?? null;
  }

  /** Returns the segment with the record that follows `lsn`, or null if no durable record follows. */
  find(lsn: number): HeldSegment | null {
    return this.#segments.find((segment) => segment.startLsn <= lsn && lsn < segment.endLsn) ?? null;
  }

  /** Adds a commit that has become durable. */
  extend(commit: PendingCommit): void {
    const { path, sequence, seed, header } = commit.segment;
    const last = this.#segments.at(-1);
    const endOffset = commit.offset + commit.bytesOnDisk;
    if (last?.sequence === sequence) {
      last.endLsn = commit.endLsn;
      last.endOffset = endOffset;
      return;
    }
    const { blockBytes, sizeBytes } = header;
    const { startLsn, endLsn, segment: writtenAs } = commit;
    if (last !== undefined) last.endedMs = this.#wallMs();
    this.#segments.push({
      path,
      sequence,
      seed,
      blockBytes,
      sizeBytes,
      startLsn,
      isLineage: false,
      isSkimmed: false,
      endLsn,
      endOffset,
      endedMs: 0,
      writtenAs,
    });
  }

  /**
   * Returns where to start reading, so that what is read defines everything that records above `lsn` refer to: at the
   * start of the segment with the record that follows `lsn`. A segment that recovery made continues the one before it.
   * Returns null if such a segment is no longer held, and `lsn` if no durable record follows.
   */
  definedFrom(lsn: number): number | null {
    const at = this.#segments.findIndex((segment) => segment.startLsn <= lsn && lsn < segment.endLsn);
    if (at < 0) return lsn >= (this.#segments.at(-1)?.endLsn ?? 0) ? lsn : null;
    return this.#segments.slice(0, at + 1).findLast(isSelfContained)?.startLsn ?? null;
  }

  /** The lowest LSN for which definedFrom() returns a place; null if that is the end of what is durable. */
  get definedStartLsn(): number | null {
    return this.#segments.find(isSelfContained)?.startLsn ?? null;
  }

  /** The number of pins. */
  get pinCount(): number {
    return this.#pins.size;
  }

  /**
   * Keeps the segments with records above `lsn` from being retired until the pin is released.
   *
   * @param lag With it, a retirement removes the pin when a reader is too far behind.
   */
  pin(lsn: number, lag: PinLag | null = null): SegmentPin {
    const pin = new SegmentPin(lsn, lag, (released) => this.#pins.delete(released));
    this.#pins.add(pin);
    return pin;
  }

  /**
   * Returns where the journal would start if everything up to `lsn` were retired, except for what is retained. Returns null
   * if there is no file to retire.
   */
  startLsnWithout(lsn: number, retention: Retention = NO_RETENTION): number | null {
    const retirable = this.#retirableCount(lsn);
    const count = retiredCount(this.#segments, retirable, retention, this.#wallMs());
    const hasInherited = this.#inherited.length > 0 && lsn >= this.#inheritedEndLsn;
    if (count === 0 && this.#stale.length === 0 && !hasInherited) return null;
    return this.#segments[count]?.startLsn ?? lsn;
  }

  /**
   * Takes out the segments that hold nothing above `startLsn`, and never the newest. So no reader finds a file that is about
   * to go. Also takes out the files that are no part of the log, if nothing above `lsn` needs them. Returns all files to
   * remove, oldest first. Later calls return them again until forget().
   */
  retire(startLsn: number, lsn: number = startLsn): readonly RetiredSegment[] {
    const retired = this.#segments.splice(0, this.#retirableCount(startLsn));
    if (lsn >= this.#inheritedEndLsn) this.#stale.push(...this.#inherited.splice(0));
    this.#stale.push(...retired);
    return [...this.#stale];
  }

  /**
   * Retained history that cannot be read is gone, because it is damaged, or because the segment behind it is gone. The
   * segment is taken out with all before it. The next retirement removes the files.
   */
  unreadable({ sequence, startLsn, endLsn, isSkimmed }: HeldSegment, error: KeelsonError): KeelsonError {
    if (!isSkimmed) return error;
    const count = 1 + this.#segments.findIndex((segment) => segment.sequence === sequence);
    this.#stale.push(...this.#segments.splice(0, count));
    const what = `The retained history between LSN ${startLsn} and LSN ${endLsn} cannot be read: ${whatHappened(error)}`;
    const oldestLsn = this.definedStartLsn ?? endLsn;
    return new KeelsonError('KEELSON_HISTORY_GONE', what, { oldestLsn }, error);
  }

  /** Forgets a file that has been removed. */
  forget(path: string): void {
    this.#stale = this.#stale.filter((stale) => stale.path !== path);
  }

  #retirableCount(lsn: number): number {
    let limit = lsn;
    const endLsn = this.#segments.at(-1)?.endLsn ?? 0;
    for (const pin of this.#pins) if (!pin.isLostAt(endLsn) && pin.lsn < limit) limit = pin.lsn;
    const kept = this.#segments.findIndex((segment) => segment.endLsn > limit);
    return kept === -1 ? Math.max(0, this.#segments.length - 1) : kept;
  }
}

function heldOf({ path, sequence, header, startLsn, endLsn, ...found }: LiveSegment): HeldSegment {
  const { endOffset, fileBytes, modifiedMs: endedMs, isSkimmed } = found;
  const { blockBytes } = header;
  const sizeBytes = Math.min(header.sizeBytes, fileBytes);
  const seed = segmentSeed(header);
  const isLineage = header.lineageStart !== null;
  const place = { path, sequence, seed, blockBytes, sizeBytes, startLsn, endLsn, endOffset };
  return { ...place, isLineage, isSkimmed, endedMs, writtenAs: null };
}

/** Returns true if the segment has records, and defines everything that they refer to. */
function isSelfContained({ isLineage, startLsn, endLsn }: HeldSegment): boolean {
  return startLsn < endLsn && (!isLineage || startLsn === 0);
}
