// The list of files that can become segments: files of retired segments, and a draft that was filled ahead. Pure.
//
// The blocks of such a file are allocated and written, so a new segment in it costs a header and not all its
// bytes. A retired file comes here under its temporary name. Until the directory is flushed, a power cut may bring
// the old name back, and the old contents must still be there. So a retired file waits for that flush before it is
// free for use.

import type { SegmentDraft } from './segment-drafts.js';
import type { SizeRange } from './segment-sizes.js';

/**
 * Limit of the files in the list. A store retires as many segments at once as it fills between two checkpoints.
 */
export const RECYCLED_SEGMENTS_MAX = 8;

/** Limit of the uses of one file. Each new seed is compared with the seeds of all earlier uses. */
export const FILE_USES_MAX = 1000;

/** Keeps the list. The caller renames, flushes and removes the files. */
export class RecyclingList {
  /** Files that wait for the flush of the directory: their temporary names are not durable yet. */
  #waiting: SegmentDraft[] = [];
  /** Files that are free for use. */
  #free: SegmentDraft[] = [];

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

  add(retired: SegmentDraft): void {
    this.#waiting.push(retired);
  }

  /** Adds a new file, which no segment has used. It waits for nothing. */
  addNew(draft: SegmentDraft): void {
    this.#free.push(draft);
  }

  /** Frees the files that wait for a flush, because their temporary names are durable now. */
  release(): void {
    this.#free.push(...this.#waiting.splice(0));
  }

  /** Takes out the files that wait for a flush, because the flush has failed. */
  takeWaiting(): SegmentDraft[] {
    return this.#waiting.splice(0);
  }

  /** Takes out a free file of at least `bytesMin` bytes. Returns null if there is none. */
  take(bytesMin: number): SegmentDraft | null {
    const at = this.#free.findIndex(({ sizeBytes }) => sizeBytes >= bytesMin);
    return at === -1 ? null : this.#free.splice(at, 1)[0]!;
  }

  /** Takes out the free files of other sizes. */
  takeUseless(range: SizeRange): SegmentDraft[] {
    const useless = this.#free.filter(({ sizeBytes }) => !isInRange(sizeBytes, range));
    this.#free = this.#free.filter(({ sizeBytes }) => isInRange(sizeBytes, range));
    return useless;
  }

  /** Takes out all free files. */
  takeFree(): SegmentDraft[] {
    return this.#free.splice(0);
  }
}

function isInRange(sizeBytes: number, { bytesMin, bytesMax }: SizeRange): boolean {
  return sizeBytes >= bytesMin && sizeBytes <= bytesMax;
}
