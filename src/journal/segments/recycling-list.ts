// The list of retired segment files that this session can recycle. Pure.
//
// The blocks of such a file are allocated and written, so a new segment in it costs a header and not all its
// bytes. A file comes here under its temporary name. Until the directory is flushed, a power cut may bring the
// old name back, and the old contents must still be there. So a file waits for that flush before it is free for
// use.

/**
 * Limit of the files in the list. A store retires as many segments at once as it fills between two checkpoints.
 */
export const RECYCLED_SEGMENTS_MAX = 8;

/** Limit of the uses of one file. Each new seed is compared with the seeds of all earlier uses. */
export const FILE_USES_MAX = 1000;

/** A retired segment file that can be recycled. */
export interface RecycledSegment {
  /** The temporary path of the file. If this session leaves the file there, the next open removes it. */
  readonly temporaryPath: string;
  readonly sizeBytes: number;
  /** The seeds of all uses so far. Bytes of each use may still be in the file. */
  readonly usedSeeds: readonly number[];
}

/**
 * Useful sizes of a file, in bytes: at least what the next segment needs, at most the largest size that is
 * wanted.
 */
export interface SizeRange {
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** Keeps the list. The caller renames, flushes and removes the files. */
export class RecyclingList {
  /** Files that wait for the flush of the directory: their temporary names are not durable yet. */
  #waiting: RecycledSegment[] = [];
  /** Files that are free for use. */
  #free: RecycledSegment[] = [];

  get bytes(): number {
    return [...this.#waiting, ...this.#free].reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /**
   * Returns true if a file of this size is useful and the list has a place for it.
   *
   * @param useCount How often the file has been used.
   */
  wants(sizeBytes: number, useCount: number, range: SizeRange): boolean {
    const isFull = this.#waiting.length + this.#free.length >= RECYCLED_SEGMENTS_MAX;
    return !isFull && useCount < FILE_USES_MAX && isInRange(sizeBytes, range);
  }

  add(segment: RecycledSegment): void {
    this.#waiting.push(segment);
  }

  /** Frees the files that wait for a flush, because their temporary names are durable now. */
  release(): void {
    this.#free.push(...this.#waiting.splice(0));
  }

  /** Takes out the files that wait for a flush, because the flush has failed. */
  takeWaiting(): RecycledSegment[] {
    return this.#waiting.splice(0);
  }

  /** Takes out a free file of at least `bytesMin` bytes. Returns null if there is none. */
  take(bytesMin: number): RecycledSegment | null {
    const at = this.#free.findIndex(({ sizeBytes }) => sizeBytes >= bytesMin);
    return at === -1 ? null : this.#free.splice(at, 1)[0]!;
  }

  /** Takes out the free files of other sizes. */
  takeUseless(range: SizeRange): RecycledSegment[] {
    const useless = this.#free.filter(({ sizeBytes }) => !isInRange(sizeBytes, range));
    this.#free = this.#free.filter(({ sizeBytes }) => isInRange(sizeBytes, range));
    return useless;
  }

  /** Takes out all free files. */
  takeFree(): RecycledSegment[] {
    return this.#free.splice(0);
  }
}

function isInRange(sizeBytes: number, { bytesMin, bytesMax }: SizeRange): boolean {
  return sizeBytes >= bytesMin && sizeBytes <= bytesMax;
}
