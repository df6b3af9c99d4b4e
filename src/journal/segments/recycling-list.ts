// The list of retired segment files of this session that wait to be recycled. Pure.
//
// The blocks of such a file are allocated and written, so a new segment in it costs a header and not all its
// bytes again. A file comes here under its temporary name. A power cut may bring the old name back until the
// directory is flushed, and the contents must still be there then. So a file waits for that flush before it is
// free for use.

/** Retired files that wait at a time. A store retires as many at once as it fills between two checkpoints. */
export const RECYCLED_SEGMENTS_MAX = 8;

/** Uses of one file. Each new seed is compared with all earlier seeds of the file. */
export const FILE_USES_MAX = 1000;

/** A retired segment file that waits to be recycled. */
export interface RecycledSegment {
  /** The temporary path. The next open removes what this session leaves there. */
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

/** The list alone. The caller renames, flushes and removes files. */
export class RecyclingList {
  /** Files whose temporary names are not durable yet. */
  #waiting: RecycledSegment[] = [];
  #free: RecycledSegment[] = [];

  get bytes(): number {
    return [...this.#waiting, ...this.#free].reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /**
   * Returns whether there is a use and a place for a file of that size.
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

  /** Frees the files that wait: their temporary names are durable. */
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

  takeFree(): RecycledSegment[] {
    return this.#free.splice(0);
  }
}

function isInRange(sizeBytes: number, { bytesMin, bytesMax }: SizeRange): boolean {
  return sizeBytes >= bytesMin && sizeBytes <= bytesMax;
}
