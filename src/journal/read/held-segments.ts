// The segments that the journal holds, oldest first, as far as they are durable. Readers pin the segments that
// they need, so that none is retired under a reader.

import type { StorageFile } from '../../storage/index.js';
import type { PendingCommit } from '../commit/pending-commit.js';
import { segmentSeed } from '../format/segment-format.js';
import type { LiveSegment } from '../recovery/tail-decision.js';
import type { WritableSegment } from '../segments/segment-files.js';

/** A segment that the journal holds, as far as it is durable. */
export interface HeldSegment {
  readonly path: string;
  readonly sequence: number;
  readonly seed: number;
  readonly blockBytes: number;
  /** Bytes of the file as it was made. A close may have cut it since. */
  readonly sizeBytes: number;
  readonly startLsn: number;
  /** The end of the durable commits that count. */
  endLsn: number;
  /** The offset in the file at which the commits that count end. */
  endOffset: number;
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
}

/** A segment file that is no longer needed. */
export interface RetiredSegment {
  readonly path: string;
  readonly writtenAs: WritableSegment | null;
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
  readonly #pins = new Map<symbol, number>();
  /**
   * Files that readers have open. Closing the journal closes them, because an abandoned iteration would keep
   * its file for ever.
   */
  readonly readerFiles = new Set<StorageFile>();

  constructor(live: readonly LiveSegment[], stale: readonly string[]) {
    this.#segments = live.map(({ path, sequence, header, startLsn, endLsn, endOffset }) => {
      const { blockBytes, sizeBytes } = header;
      const seed = segmentSeed(header);
      const writtenAs = null;
      return { path, sequence, seed, blockBytes, sizeBytes, startLsn, endLsn, endOffset, writtenAs };
    });
    this.#inherited = stale.map((path) => ({ path, writtenAs: null }));
    this.#inheritedEndLsn = live[0]?.startLsn ?? 0;
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
    this.#segments.push({
      path,
      sequence,
      seed,
      blockBytes,
      sizeBytes,
      startLsn,
      endLsn,
      endOffset,
      writtenAs,
    });
  }

  /**
   * Keeps the segments with records above `lsn` from being retired until the pin is released. move() raises
   * `lsn`.
   */
  pin(lsn: number): { move(lsn: number): void; release(): void } {
    const key = Symbol('pin');
    this.#pins.set(key, lsn);
    return { move: (to) => this.#pins.set(key, to), release: () => this.#pins.delete(key) };
  }

  /**
   * Returns where the journal would start if everything up to `lsn` were retired. Returns null if there is no
   * file to retire.
   */
  startLsnWithout(lsn: number): number | null {
    const count = this.#retirableCount(lsn);
    const hasInherited = this.#inherited.length > 0 && lsn >= this.#inheritedEndLsn;
    if (count === 0 && this.#stale.length === 0 && !hasInherited) return null;
    return this.#segments[count]?.startLsn ?? lsn;
  }

  /**
   * Takes out the segments that hold nothing above `lsn`, and never the newest. So no reader finds a file that
   * is about to go. Returns all files to remove, oldest first. Later calls return them again until forget().
   */
  retire(lsn: number): readonly RetiredSegment[] {
    const retired = this.#segments.splice(0, this.#retirableCount(lsn));
    if (lsn >= this.#inheritedEndLsn) this.#stale.push(...this.#inherited.splice(0));
    this.#stale.push(...retired.map(({ path, writtenAs }) => ({ path, writtenAs })));
    return [...this.#stale];
  }

  /** Forgets a file that has been removed. */
  forget(path: string): void {
    this.#stale = this.#stale.filter((stale) => stale.path !== path);
  }

  #retirableCount(lsn: number): number {
    const limit = Math.min(lsn, ...this.#pins.values());
    const kept = this.#segments.findIndex((segment) => segment.endLsn > limit);
    return kept === -1 ? Math.max(0, this.#segments.length - 1) : kept;
  }
}
