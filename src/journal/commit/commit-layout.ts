// The layout: every accepted record gets its place on disk when it is appended, in a segment that is ready.
// So what is accepted always has room, and what has no room is refused before anything is framed.

import type { CommitGuard } from '../../commit-guard.js';
import { KeelsonError } from '../../errors.js';
import { FRAME_OVERHEAD_BYTES, RECORD_BYTES_MAX, type Storage } from '../../storage/index.js';
import { COMMIT_FLAGS, COMMIT_HEADER_BYTES, commitBytesOnDisk } from '../format/commit-format.js';
import { LSN_MAX, type Lsn } from '../format/lsn.js';
import type { WritableSegment } from '../segments/segment-files.js';
import { RESERVED_BLOCKS, type SegmentRoom } from '../segments/segment-room.js';
import type { CommitBuffers } from './commit-buffers.js';
import { type CommitMark, PendingCommit } from './pending-commit.js';

/** All records of one appendBatch together. */
export const BATCH_BYTES_MAX = 2 ** 30;

/** How often a write makes room for itself again, after hooks that ran meanwhile took it. */
const PREPARE_TRIES_MAX = 100;

const NOBODY_ASKS = () => {};

/** The sizes of commits: docs at the options of openJournal(). */
export interface CommitOptions {
  readonly blockBytes: number;
  readonly commitBytesMax: number;
}

export class CommitLayout {
  readonly #room: SegmentRoom;
  readonly #options: CommitOptions;
  readonly #buffers: CommitBuffers;
  readonly #storage: Storage;
  /** Segments of this life whose files are open: the one above all, and those with commits still to be written. */
  readonly openSegments = new Set<WritableSegment>();
  /** The segment that the next commit goes into; null until this life's first append. */
  #segment: WritableSegment | null = null;
  /** The commit that gathers. */
  #open: PendingCommit | null = null;
  /** Commits that gather no more and wait for their turn. */
  #closed: PendingCommit[] = [];
  /** The body of the last commit, as a guess at how much memory the next one wants. */
  #bytesExpected = 0;
  /** The segment is half used: see prepareAhead(). */
  #isAheadDue = false;
  #nextLsn: number;
  /** Stands around every change of the fields above. */
  readonly #guard: CommitGuard;

  constructor(
    storage: Storage,
    room: SegmentRoom,
    options: CommitOptions,
    buffers: CommitBuffers,
    nextLsn: number,
    guard: CommitGuard,
  ) {
    this.#guard = guard;
    this.#storage = storage;
    this.#room = room;
    this.#options = options;
    this.#buffers = buffers;
    this.#nextLsn = nextLsn;
  }

  get nextLsn(): Lsn {
    return this.#nextLsn as Lsn;
  }

  /** The segment that this life writes to, if it has written. */
  get segment(): WritableSegment | null {
    return this.#segment;
  }

  /** True when nothing waits to be written. */
  get isEmpty(): boolean {
    return (this.#open === null || this.#open.recordCount === 0) && this.#closed.length === 0;
  }

  /** The bytes of frames that these records need. Throws when one of them, or all together, are too large. */
  frameBytesOf(records: readonly Uint8Array[]): number {
    let total = 0;
    for (const { length } of records) {
      if (length > RECORD_BYTES_MAX) throw tooLarge(`A record of ${length} bytes`, RECORD_BYTES_MAX);
      total += FRAME_OVERHEAD_BYTES + length;
    }
    if (records.length > 1 && total > BATCH_BYTES_MAX)
      throw tooLarge(`A batch of ${total} bytes`, BATCH_BYTES_MAX);
    if (this.#nextLsn + total > LSN_MAX) {
      const { directory } = this.#room;
      throw new KeelsonError(
        'KEELSON_EXHAUSTED',
        {
          what: `${directory}: the log has reached LSN ${this.#nextLsn}, and positions end at ${LSN_MAX}; nothing was changed, and everything can still be read`,
          next: 'Open a new store in another directory and put every entry of entries() into it; a backup or a salvage keeps the positions and does not help',
        },
        { path: directory, lsn: this.#nextLsn },
      );
    }
    return total;
  }

  /** Whether append() of these records needs neither a segment nor memory. */
  isReadyFor(frameBytes: number, recordCount: number): boolean {
    if (recordCount > 1) return this.#hasSegmentFor(this.#bytesForAll(frameBytes));
    const open = this.#open;
    return open?.fits(frameBytes) === true && open.hasMemoryFor(frameBytes);
  }

  /**
   * Sees to the segment and the memory of an append(). Throws KEELSON_NO_SPACE or a RangeError, with nothing changed.
   * Hooks of the program may run, and write: so ask isReadyFor() afterwards, and come again.
   */
  makeReadyFor(frameBytes: number, recordCount: number): void {
    if (recordCount > 1) {
      const commitBytes = this.#bytesForAll(frameBytes);
      if (!this.#hasSegmentFor(commitBytes)) this.#takeSegment(commitBytes);
    } else if (this.#open?.fits(frameBytes)) this.#open.reserve(frameBytes);
    else if (this.#hasSegmentFor(this.#bytesForOne(frameBytes))) this.#openCommit(frameBytes);
    else this.#takeSegment(this.#bytesForOne(frameBytes));
  }

  /** Frames all records, for which the layout is ready. `frameBytes` is what frameBytesOf() said. */
  append(records: readonly Uint8Array[], frameBytes: number): Lsn {
    this.#guard.enter();
    try {
      if (records.length === 1) this.#open!.append(records[0]!);
      else for (const record of records) this.#commitFor(FRAME_OVERHEAD_BYTES + record.length).append(record);
    } catch (error) {
      // What is framed cannot be taken back, and half a batch must not be written.
      throw this.#guard.stopped(error);
    }
    this.#nextLsn += frameBytes;
    this.#guard.leave();
    return this.nextLsn;
  }

  /** Has the next segment prepared when this one is half used. Hooks of the program may run. */
  prepareAhead(): void {
    if (!this.#isAheadDue) return;
    this.#isAheadDue = false;
    this.#room.prepareAhead();
  }

  /**
   * Adds an empty commit that carries the mark, behind everything appended so far. May take a segment, and throw. Hooks
   * of the program may run first.
   */
  addMark(mark: CommitMark): void {
    const { blockBytes } = this.#options;
    for (let tries = 0; !this.#hasSegmentFor(blockBytes, blockBytes); tries++) {
      assertTriesLeft(tries);
      this.#takeSegment(blockBytes);
    }
    this.#addMarkTo(this.#segment!, mark);
  }

  /** Adds the mark that ends the segment for good, in the block kept for it. */
  addSeal(mark: CommitMark): void {
    this.#addMarkTo(this.#segment!, mark);
  }

  /** The commit whose turn it is; one that was gathering gathers no more. Under the guard of its caller. */
  takeNext(): PendingCommit | null {
    if (this.#closed.length === 0) this.#closeOpen();
    return this.#closed.shift() ?? null;
  }

  /** Forgets everything that is not submitted: the journal is poisoned. Returns the marks nobody will write. */
  drop(): CommitMark[] {
    const marks = this.#closed.flatMap(({ mark }) => (mark === null ? [] : [mark]));
    this.#open = null;
    this.#closed = [];
    return marks;
  }

  /** The commit that gathers if it has room for a frame, or a new one, in a segment that has room for it. */
  #commitFor(frameBytes: number): PendingCommit {
    if (!this.#open?.fits(frameBytes)) this.#switchTo(this.#newCommit(frameBytes));
    return this.#open!;
  }

  #openCommit(frameBytes: number): void {
    this.#guard.assertIdle();
    const commit = this.#newCommit(frameBytes);
    this.#guard.enter();
    this.#switchTo(commit);
    this.#guard.leave();
  }

  #switchTo(commit: PendingCommit): void {
    this.#open?.sealAhead(this.#storage);
    this.#closeOpen();
    this.#open = commit;
  }

  /** A commit behind all there are. Changes nothing. */
  #newCommit(frameBytes: number): PendingCommit {
    const segment = this.#segment!;
    const offset = this.#endOffset;
    const { blockBytes, sizeBytes } = segment.header;
    const lengthMax = Math.min(
      sizeBytes - RESERVED_BLOCKS * blockBytes - offset,
      Math.max(this.#options.commitBytesMax, COMMIT_HEADER_BYTES + frameBytes),
    );
    const bytesExpected = this.#open?.bodyBytes ?? this.#bytesExpected;
    const expected = Math.min(Math.max(frameBytes, bytesExpected), lengthMax - COMMIT_HEADER_BYTES);
    const place = { segment, offset, startLsn: this.#open?.endLsn ?? this.#nextLsn, lengthMax };
    return new PendingCommit(place, expected, this.#buffers, null);
  }

  /** Where the next commit goes in the segment. */
  get #endOffset(): number {
    const open = this.#open;
    const isWritten = open !== null && open.recordCount > 0;
    return this.#segment!.nextOffset + (isWritten ? open.bytesOnDisk : 0);
  }

  #bytesForOne(frameBytes: number): number {
    return commitBytesOnDisk(frameBytes, this.#options.blockBytes);
  }

  /**
   * What a batch takes, which must not be refused half-way: any two commits in a row hold more than commitBytesMax
   * between them, which bounds how many there can be, and so what headers and padding can take.
   */
  #bytesForAll(frameBytes: number): number {
    const { commitBytesMax, blockBytes } = this.#options;
    const commitCountMax = 2 + Math.ceil((2 * frameBytes) / (commitBytesMax - COMMIT_HEADER_BYTES));
    return frameBytes + commitCountMax * (COMMIT_HEADER_BYTES + blockBytes);
  }

  /** Whether so many bytes of new commits fit behind the open one, and its segment still has what is reserved. */
  #hasSegmentFor(commitBytes: number, reservedBytes = RESERVED_BLOCKS * this.#options.blockBytes): boolean {
    if (this.#segment === null) return false;
    const { sizeBytes } = this.#segment.header;
    const offset = this.#endOffset;
    if (offset + commitBytes + reservedBytes > sizeBytes) return false;
    if (offset > sizeBytes / 2) this.#isAheadDue = true;
    return true;
  }

  #takeSegment(commitBytes: number): void {
    this.#guard.assertIdle();
    const segment = this.#segment;
    const next = this.#room.take(commitBytes);
    // A hook may have written meanwhile, and taken one: segments are used in the order of their sequences.
    if (this.#segment !== segment || (segment !== null && next.sequence < segment.sequence)) {
      this.#room.giveUp(next);
      return;
    }
    const { rotated: flags } = COMMIT_FLAGS;
    const mark = { flags, nextSequence: next.sequence, settled: NOBODY_ASKS };
    const rotation = segment === null ? null : this.#newMark(segment, mark);
    this.#guard.enter();
    if (rotation !== null) this.#enqueue(rotation);
    this.#segment = next;
    this.openSegments.add(next);
    this.#isAheadDue = false;
    this.#guard.leave();
  }

  #addMarkTo(segment: WritableSegment, mark: CommitMark): void {
    const commit = this.#newMark(segment, mark);
    this.#guard.enter();
    this.#enqueue(commit);
    this.#guard.leave();
  }

  /** An empty commit behind everything in the segment, where nothing gathers any more. */
  #newMark(segment: WritableSegment, mark: CommitMark): PendingCommit {
    this.#guard.enter();
    this.#closeOpen();
    this.#guard.leave();
    const { nextOffset: offset } = segment;
    const place = { segment, offset, startLsn: this.#nextLsn, lengthMax: COMMIT_HEADER_BYTES };
    return new PendingCommit(place, 0, this.#buffers, mark);
  }

  #closeOpen(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    if (open.recordCount === 0) {
      // Nobody wrote into it: what it was made for was refused.
      open.release();
      return;
    }
    this.#bytesExpected = open.bodyBytes;
    this.#enqueue(open);
  }

  #enqueue(commit: PendingCommit): void {
    commit.segment.nextOffset += commit.bytesOnDisk;
    this.#closed.push(commit);
  }
}

function tooLarge(what: string, bytesMax: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_RECORD_TOO_LARGE',
    `${what} is larger than the limit of ${bytesMax} bytes`,
  );
}

/** A hook that writes whenever a segment is taken would keep its caller busy for ever. */
export function assertTriesLeft(tries: number): void {
  if (tries < PREPARE_TRIES_MAX) return;
  throw new TypeError(
    `A hook (async_hooks) wrote to the store each of ${PREPARE_TRIES_MAX} times that this write made room for itself. Do not write from hooks that run inside writes`,
  );
}
