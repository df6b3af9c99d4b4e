// The segments that hold what the journal answers for, oldest first, as far as they are durable; and the pins that
// readers put on them, so that nothing is retired under a reader.

import type { StorageFile } from '../../storage/index.js';
import type { PendingCommit } from '../commit/pending-commit.js';
import { segmentSeed } from '../format/segment-format.js';
import type { LiveSegment } from '../recovery/recovery-decision.js';
import type { WritableSegment } from '../segments/segment-files.js';

export interface HeldSegment {
  readonly path: string;
  readonly sequence: number;
  readonly seed: number;
  readonly blockBytes: number;
  /** Of its file. */
  readonly sizeBytes: number;
  readonly startLsn: number;
  /** Durable and alive up to here. */
  endLsn: number;
  /** Where the commits that count end in the file. */
  endOffset: number;
  /** What this life wrote it as; null for a segment of an earlier one. */
  readonly writtenAs: WritableSegment | null;
}

/** A file that holds nothing the journal answers for. */
export interface RetiredSegment {
  readonly path: string;
  readonly writtenAs: WritableSegment | null;
}

export class HeldSegments {
  #segments: HeldSegment[] = [];
  /** They go with the next retirement. */
  #stale: RetiredSegment[] = [];
  /** Those of earlier lives that hold only what lies below where this one starts: an older image may go on from them. */
  #inherited: RetiredSegment[];
  readonly #inheritedEndLsn: number;
  readonly #pins = new Map<symbol, number>();
  /** Files that readers have open: an iteration that nobody goes on with would keep its file for ever. */
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

  /** The segments, oldest first, as they are now. */
  [Symbol.iterator](): Iterator<HeldSegment> {
    return this.#segments.values();
  }

  /** How many hold anything above `lsn`. */
  countAbove(lsn: number): number {
    return this.#segments.filter(({ endLsn }) => endLsn > lsn).length;
  }

  /** The LSN of the oldest byte held, or null when nothing is. */
  get startLsn(): number | null {
    return this.#segments[0]?.startLsn ?? null;
  }

  /** The segment with the bytes that follow `lsn`, if any is durable. */
  find(lsn: number): HeldSegment | null {
    return this.#segments.find((segment) => segment.startLsn <= lsn && lsn < segment.endLsn) ?? null;
  }

  /** A commit became durable. */
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

  /** Until the pin is released, nothing above `lsn`, or where it was moved to, is retired. */
  pin(lsn: number): { move(lsn: number): void; release(): void } {
    const key = Symbol('pin');
    this.#pins.set(key, lsn);
    return { move: (to) => this.#pins.set(key, to), release: () => this.#pins.delete(key) };
  }

  /** Where the journal would start if everything up to `lsn` were retired; null when there is no file to retire. */
  startLsnWithout(lsn: number): number | null {
    const count = this.#retirableCount(lsn);
    const hasInherited = this.#inherited.length > 0 && lsn >= this.#inheritedEndLsn;
    if (count === 0 && this.#stale.length === 0 && !hasInherited) return null;
    return this.#segments[count]?.startLsn ?? lsn;
  }

  /**
   * Takes out what may be retired when the journal answers for nothing below `lsn`, never the newest segment, before
   * any of it goes: so no reader comes upon a file that is going. Returns the files that go, oldest first; they count as
   * stale until they are forgotten.
   */
  retire(lsn: number): readonly RetiredSegment[] {
    const retired = this.#segments.splice(0, this.#retirableCount(lsn));
    if (lsn >= this.#inheritedEndLsn) this.#stale.push(...this.#inherited.splice(0));
    this.#stale.push(...retired.map(({ path, writtenAs }) => ({ path, writtenAs })));
    return [...this.#stale];
  }

  /** Forgets a file whose name is gone. */
  forget(path: string): void {
    this.#stale = this.#stale.filter((stale) => stale.path !== path);
  }

  #retirableCount(lsn: number): number {
    const limit = Math.min(lsn, ...this.#pins.values());
    const kept = this.#segments.findIndex((segment) => segment.endLsn > limit);
    return kept === -1 ? Math.max(0, this.#segments.length - 1) : kept;
  }
}
