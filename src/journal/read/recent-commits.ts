// The commits that became durable last, in memory, for the readers that have seen everything before them. Each commit is
// copied once for all readers. A reader that falls too far behind reads from segments again.

import type { PendingCommit } from '../commit/pending-commit.js';

/** The most bytes of commits that are kept for readers. */
export const SHARED_BYTES_MAX = 16 * 1024 * 1024;

/** The number of commits of which readers share what they make of the records. */
const SHARED_COMMITS_MAX = 4;

/** A durable commit with records. */
export interface RecentCommit {
  readonly startLsn: number;
  readonly endLsn: number;
  readonly frames: Uint8Array;
  /** The segment of the commit, and the offset in it behind the commit. */
  readonly sequence: number;
  readonly offsetEnd: number;
  /** The operations that readers make of each record, for one another. Empty again when the commit is no longer one of the newest. */
  readonly shared: unknown[];
}

/** A reader of recent commits. */
export interface RecentReader {
  /** The reader needs the commits above this LSN. */
  readonly neededLsn: number;
}

/** The recent commits of one journal. Without readers, none are kept. */
export class RecentCommits {
  readonly #bytesMax: number;
  /** Without a gap: each commit starts where the one before it ends. */
  #commits: RecentCommit[] = [];
  #bytes = 0;
  readonly #readers = new Set<RecentReader>();

  constructor(bytesMax = SHARED_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Keeps the commits that become durable from now on, until the reader leaves or is too far behind. */
  join(reader: RecentReader): void {
    this.#readers.add(reader);
  }

  leave(reader: RecentReader): void {
    if (!this.#readers.delete(reader)) return;
    if (this.#readers.size === 0) this.#clear();
  }

  /** Adds a commit that has just become durable, and whose memory is still as it was. Runs no foreign code. */
  add(commit: PendingCommit): void {
    if (this.#readers.size === 0 || commit.recordCount === 0) return;
    this.#dropRead();
    const { startLsn, endLsn, bodyBytes, segment, offset, bytesOnDisk } = commit;
    try {
      this.#makeRoom(bodyBytes);
      // A commit that is too large, or whose readers all were too slow.
      if (this.#readers.size === 0) return;
      const frames = commit.copyOfFrames();
      const { sequence } = segment;
      const old = this.#commits.at(-SHARED_COMMITS_MAX);
      if (old !== undefined) old.shared.length = 0;
      this.#commits.push({ startLsn, endLsn, frames, sequence, offsetEnd: offset + bytesOnDisk, shared: [] });
      this.#bytes += frames.length;
    } catch {
      // There is no memory for a copy, so everybody reads from segments.
      this.#clear();
      this.#readers.clear();
    }
  }

  /** Returns the commit with the record that follows `lsn`, or null if it is not kept. */
  find(lsn: number): RecentCommit | null {
    return this.#commits.find(({ startLsn, endLsn }) => startLsn <= lsn && lsn < endLsn) ?? null;
  }

  /** Drops the commits that all readers have read. */
  #dropRead(): void {
    let neededLsn = Number.POSITIVE_INFINITY;
    for (const reader of this.#readers) neededLsn = Math.min(neededLsn, reader.neededLsn);
    this.#dropWhile(({ endLsn }) => endLsn <= neededLsn);
  }

  /** Drops the oldest commits until `bytes` more fit, and the readers that still need them. */
  #makeRoom(bytes: number): void {
    if (this.#bytes + bytes <= this.#bytesMax) return;
    this.#dropWhile(() => this.#bytes + bytes > this.#bytesMax);
    const startLsn = this.#commits[0]?.startLsn;
    const isTooLarge = this.#bytes + bytes > this.#bytesMax;
    for (const reader of this.#readers)
      if (isTooLarge || startLsn === undefined || reader.neededLsn < startLsn) this.#readers.delete(reader);
  }

  #dropWhile(isDropped: (commit: RecentCommit) => boolean): void {
    let count = 0;
    for (
      let first = this.#commits[0];
      first !== undefined && isDropped(first);
      first = this.#commits[++count]
    )
      this.#bytes -= first.frames.length;
    if (count > 0) this.#commits.splice(0, count);
  }

  #clear(): void {
    this.#commits = [];
    this.#bytes = 0;
  }
}
