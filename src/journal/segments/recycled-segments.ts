// Recycled segments: retired files of this life that wait for their next use. Their blocks are allocated and written,
// so that a new segment in one of them costs a header, and not all its bytes once more.
//
// A file comes here under its temporary name, which is its retirement. Until the directory is flushed a power cut may
// bring the old name back, and what it stands for must still be there: so it waits, and only then is free for use.

/** Retired files that wait at a time. A store retires as many at once as it fills between two checkpoints. */
export const RECYCLED_SEGMENTS_MAX = 8;

/** How often one file is used: all its seeds are remembered, and gone through for each new one. */
export const FILE_USES_MAX = 1000;

export interface RecycledSegment {
  /** A temporary name: what this life leaves behind, the next open removes. */
  readonly temporaryPath: string;
  readonly sizeBytes: number;
  /** The seeds of all its uses so far: bytes of any of them may still be in it. */
  readonly usedSeeds: readonly number[];
}

/** Sizes that are of use: from what the next segment has at least, to the largest one wanted. */
export interface SizeRange {
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** Only the list: renaming, flushing and removing are their caller's. */
export class RecycledSegments {
  /** Under their temporary names, which are not durable yet. */
  #waiting: RecycledSegment[] = [];
  #free: RecycledSegment[] = [];

  get bytes(): number {
    return [...this.#waiting, ...this.#free].reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** Whether there is a use, and a place, for a file of that size that has been used so often. */
  wants(sizeBytes: number, useCount: number, range: SizeRange): boolean {
    const isFull = this.#waiting.length + this.#free.length >= RECYCLED_SEGMENTS_MAX;
    return !isFull && useCount < FILE_USES_MAX && isInRange(sizeBytes, range);
  }

  add(segment: RecycledSegment): void {
    this.#waiting.push(segment);
  }

  /** The temporary names are durable: what they name may be used. */
  release(): void {
    this.#free.push(...this.#waiting.splice(0));
  }

  /** Takes out what waits for a flush that has failed. */
  takeWaiting(): RecycledSegment[] {
    return this.#waiting.splice(0);
  }

  /** Takes out one of at least that size. */
  take(bytesMin: number): RecycledSegment | null {
    const at = this.#free.findIndex(({ sizeBytes }) => sizeBytes >= bytesMin);
    return at === -1 ? null : this.#free.splice(at, 1)[0]!;
  }

  /** Takes out what is free and of no use any more. */
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
