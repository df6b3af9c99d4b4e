// The sizes of the segments of a session. They double from the smallest one up to a limit. Pure.

/**
 * Blocks that records leave free at the end of a segment: one for the mark that ends it (closed or rotated),
 * and one for another mark. So a journal on a full disk can still write the mark that must precede a retirement.
 */
export const RESERVED_BLOCKS = 2;

/**
 * Limit of the size of a segment that is filled while the event loop is stopped, if its first commit fits. A smaller
 * one would be full at once, with commits of 2 MiB and more.
 */
const URGENT_BYTES_MAX = 4 * 1024 * 1024;

/** The sizes of segments. The options of openJournal() document them. */
export interface SegmentOptions {
  readonly blockBytes: number;
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
}

/**
 * Useful sizes of a file, in bytes: at least what the next segment needs, at most the largest size that is
 * wanted.
 */
export interface SizeRange {
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** Plans the sizes. All are whole blocks. */
export class SegmentSizes {
  readonly #options: SegmentOptions;
  #nextBytes: number;
  /** The size at which doubling stops. */
  #capBytes: number;
  /** True after the disk had no room for a segment of the next size. */
  #isShortOfRoom = false;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.#nextBytes = options.segmentBytesMin;
    this.#capBytes = options.segmentBytesMax;
  }

  /**
   * Sets the size at which doubling stops, within the limits of the options. The size is rounded down to one
   * that doubling gives, so that a limit that moves a little does not make every retired segment useless.
   */
  limit(bytes: number): void {
    const { segmentBytesMin, segmentBytesMax } = this.#options;
    const bytesMax = Math.min(bytes, segmentBytesMax);
    this.#capBytes = segmentBytesMin;
    while (this.#capBytes * 2 <= bytesMax) this.#capBytes *= 2;
    if (bytesMax === segmentBytesMax) this.#capBytes = segmentBytesMax;
    this.#nextBytes = Math.min(this.#nextBytes, this.#capBytes);
  }

  /** Returns the size of the next segment, or a larger one if `commitBytes` do not fit into it. */
  next(commitBytes: number): number {
    return this.#wholeBlocks(Math.max(this.needed(commitBytes), this.#nextBytes));
  }

  /** Returns the size of the segment after the next. */
  get afterNext(): number {
    return this.#wholeBlocks(Math.max(this.needed(0), Math.min(this.#nextBytes * 2, this.#capBytes)));
  }

  /**
   * Returns the size of a segment that is filled with zeros while an append waits, with the event loop stopped: at most
   * URGENT_BYTES_MAX if `commitBytes` fit. If the disk was short of room, it is the next size all the same: the last
   * room on a disk is for the image of the checkpoint that frees more. While that image is written (`isYielding`), it is
   * small again.
   */
  urgent(commitBytes: number, isYielding: boolean): number {
    if (this.#isShortOfRoom && !isYielding) return this.next(commitBytes);
    return this.#wholeBlocks(Math.max(this.needed(commitBytes), Math.min(this.#nextBytes, URGENT_BYTES_MAX)));
  }

  /** Returns the smallest size of a segment for these commits: header, commits and reserved blocks. */
  needed(commitBytes: number): number {
    const { blockBytes } = this.#options;
    return blockBytes + commitBytes + RESERVED_BLOCKS * blockBytes;
  }

  /**
   * The sizes at which a file is useful. A smaller one would undo the doubling, and a larger one would break the
   * limit.
   */
  get useful(): SizeRange {
    const bytesMin = this.next(0);
    return { bytesMin, bytesMax: Math.max(bytesMin, this.#wholeBlocks(this.#capBytes)) };
  }

  /** Doubles the next size. Only a segment that is used counts: failed tries must not ask for more and more. */
  double(): void {
    this.#nextBytes = Math.min(this.#nextBytes * 2, this.#capBytes);
  }

  /** Notes that there was no room for a segment that was needed next. */
  foundNoRoom(): void {
    this.#isShortOfRoom = true;
  }

  /** Notes that there was room for a segment of this size. A smaller one than the next does not count. */
  foundRoom(sizeBytes: number): void {
    if (sizeBytes >= this.next(0)) this.#isShortOfRoom = false;
  }

  /** Lets sizes double from the smallest again if there was no room. Returns false if there was room. */
  restart(): boolean {
    if (!this.#isShortOfRoom) return false;
    this.#isShortOfRoom = false;
    this.#nextBytes = this.#options.segmentBytesMin;
    return true;
  }

  #wholeBlocks(bytes: number): number {
    const { blockBytes } = this.#options;
    return Math.ceil(bytes / blockBytes) * blockBytes;
  }
}
