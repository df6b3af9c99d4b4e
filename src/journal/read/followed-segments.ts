// The segments that a follower has walked over, oldest first. Nothing keeps their owner from retiring them.

import type { KeelsonError } from '../../errors.js';
import type { StorageFile } from '../../storage/index.js';
import type { HeldSegment, ReadableSegments } from './held-segments.js';

/** Keeps the segments of a follower, for readers. */
export class FollowedSegments implements ReadableSegments {
  readonly readerFiles = new Set<StorageFile>();
  #segments: HeldSegment[];

  constructor(...segments: HeldSegment[]) {
    this.#segments = segments;
  }

  get startLsn(): number | null {
    return this.#segments[0]?.startLsn ?? null;
  }

  /** Returns the newest segment with the record that follows `lsn`: a lineage segment repeats records of older ones. */
  find(lsn: number): HeldSegment | null {
    return this.#segments.findLast((segment) => segment.startLsn <= lsn && lsn < segment.endLsn) ?? null;
  }

  unreadable(_segment: HeldSegment, error: KeelsonError): KeelsonError {
    return error;
  }

  add(segment: HeldSegment): void {
    this.#segments.push(segment);
  }

  /** Returns true if it has the segment with these checksums. */
  has(sequence: number, seed: number): boolean {
    return this.#segments.some((segment) => segment.sequence === sequence && segment.seed === seed);
  }

  /** Forgets the segments that hold nothing above `lsn`, apart from the newest, which may go on. */
  forget(lsn: number): void {
    const newest = this.#segments.at(-1);
    this.#segments = this.#segments.filter((segment) => segment === newest || segment.endLsn > lsn);
  }
}
