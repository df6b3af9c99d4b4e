// The walk over the commits of a segment that another process writes: how far the file proves them durable. Reads the
// headers of commits alone. The records are verified when they are read.

import type { StorageFile } from '../../storage/index.js';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
  endsForGood,
} from '../format/commit-format.js';
import type { HeldSegment } from './held-segments.js';

/** The bytes of a file that are read at once. One read finds the headers of many small commits. */
const WINDOW_BYTES = 64 * 1024;

/** The header of a commit, and its place in the segment. */
export interface CommitPlace extends CommitHeader {
  readonly offset: number;
  readonly endLsn: number;
  readonly endOffset: number;
}

/** Reads the headers of the commits of a segment. Does not notice what is written behind a window that it has read. */
export class CommitHeaders {
  readonly #file: StorageFile;
  readonly #segment: HeldSegment;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset = 0;

  constructor(file: StorageFile, segment: HeldSegment) {
    this.#file = file;
    this.#segment = segment;
  }

  /** Resolves with the header at `offset`, or with null if no header verifies there. */
  async read(offset: number): Promise<CommitPlace | null> {
    const { sizeBytes, blockBytes, seed } = this.#segment;
    if (offset + COMMIT_HEADER_BYTES > sizeBytes) return null;
    const at = offset - this.#windowOffset;
    if (at < 0 || at + COMMIT_HEADER_BYTES > this.#window.length) await this.#load(offset);
    const header = decodeCommitHeader(this.#window, offset - this.#windowOffset, offset, seed);
    if (header === null) return null;
    const endOffset = offset + commitBytesOnDisk(header.bodyBytes, blockBytes);
    if (endOffset > sizeBytes) return null;
    return { ...header, offset, endOffset, endLsn: header.startLsn + header.bodyBytes };
  }

  async #load(offset: number): Promise<void> {
    const buffer = new Uint8Array(Math.min(WINDOW_BYTES, this.#segment.sizeBytes - offset));
    const length = await this.#file.read(buffer, offset);
    this.#window = buffer.subarray(0, length);
    this.#windowOffset = offset;
  }
}

/** A walk over the commits of one segment. It ends before the first commit that is not proven durable. */
export class SegmentWalk {
  /** The segment, as far as the walk has come. */
  readonly segment: HeldSegment;
  /** The commit at which the walk stands if its header verifies, and that is not proven durable. */
  tail: CommitPlace | null = null;
  /** True when the segment is full, or its session has ended well. Nothing follows in the file. */
  isEnded = false;

  /** `segment` has neither commits nor marks yet: it ends at its first block, at its start LSN. */
  constructor(segment: HeldSegment) {
    this.segment = segment;
  }

  /** The LSN up to which the walk has come. */
  get lsn(): number {
    return this.segment.endLsn;
  }

  /**
   * Walks on, and resolves with the LSN up to which the segment proves the log durable, or with `provenLsn` if that is
   * higher.
   */
  async walk(headers: CommitHeaders, provenLsn: number): Promise<number> {
    let proven = provenLsn;
    let commit = await headers.read(this.segment.endOffset);
    while (!this.isEnded && commit !== null && commit.startLsn === this.lsn) {
      proven = Math.max(proven, provenBy(commit));
      const next = await headers.read(commit.endOffset);
      const isFollowed = next !== null && next.startLsn === commit.endLsn;
      if (isFollowed) proven = Math.max(proven, provenBy(next));
      if (commit.endLsn > proven) break;
      this.#pass(commit);
      commit = next;
    }
    const isTail = !this.isEnded && commit !== null && commit.startLsn === this.lsn && commit.bodyBytes > 0;
    this.tail = isTail ? commit : null;
    return proven;
  }

  #pass({ endLsn, endOffset, flags }: CommitPlace): void {
    this.segment.endLsn = endLsn;
    this.segment.endOffset = endOffset;
    this.isEnded = flags !== 0;
  }
}

/** Returns the LSN that a header proves durable. A mark that ends a session or a copy was written behind what is durable. */
function provenBy({ startLsn, durableLsn, flags }: CommitHeader): number {
  return endsForGood(flags) ? startLsn : durableLsn;
}
