// The layout of commits: every record gets its place on the disk when it is appended, in a segment that is
// ready. So an accepted record always has room, and a record without room is refused before anything is framed.
//
// A hook is a callback of the program in async_hooks. Node.js runs it when a promise or another asynchronous
// resource is made, also inside a write. A hook may append records or close the journal.

import type { CommitGuard } from '../../commit-guard.js';
import { KeelsonError } from '../../errors.js';
import { FRAME_OVERHEAD_BYTES, RECORD_BYTES_MAX, type Storage } from '../../storage/index.js';
import { COMMIT_FLAGS, COMMIT_HEADER_BYTES, commitBytesOnDisk } from '../format/commit-format.js';
import { LSN_MAX, type Lsn } from '../format/lsn.js';
import type { WritableSegment } from '../segments/segment-files.js';
import { RESERVED_BLOCKS } from '../segments/segment-sizes.js';
import type { SegmentSupply } from '../segments/segment-supply.js';
import type { CommitBuffers } from './commit-buffers.js';
import { type CommitMark, PendingCommit, type RecordMemory } from './pending-commit.js';

/** Limit of the bytes of all frames of one appendBatch(). */
const BATCH_BYTES_MAX = 2 ** 30;

/**
 * Limit of the rounds in which one write makes room for itself, because hooks took the room of the round
 * before.
 */
const PREPARE_TRIES_MAX = 100;

const NOBODY_ASKS = () => {};

/** The sizes of commits. The options of openJournal() document them. */
export interface CommitOptions {
  readonly blockBytes: number;
  readonly commitBytesMax: number;
}

/** Lays out the records of a session in commits and segments. */
export class CommitLayout {
  readonly #room: SegmentSupply;
  readonly #options: CommitOptions;
  readonly #buffers: CommitBuffers;
  readonly #storage: Storage;
  /**
   * Segments of this session whose files are open: the current one, and those with commits still to be written.
   */
  readonly openSegments = new Set<WritableSegment>();
  /** The segment of the next commit. Null until the first append of this session. */
  #segment: WritableSegment | null = null;
  /** The commit that takes the next records. */
  #open: PendingCommit | null = null;
  /** Commits that take no more records and wait to be submitted. */
  #closed: PendingCommit[] = [];
  /** Bytes of the frames of the last commit: a guess at the memory that the next commit needs. */
  #bytesExpected = 0;
  /** True if the next segments should be prepared: this one has just been taken, or is half used. */
  #isAheadDue = false;
  #nextLsn: number;
  /** Called when a segment was taken, so that the next record begins it. Must not throw. */
  onSegmentTaken: () => void = NOBODY_ASKS;
  /** Entered around changes of commits, segment and LSN, so that a change stopped half-way is noticed. */
  readonly #guard: CommitGuard;

  constructor(
    storage: Storage,
    room: SegmentSupply,
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

  /** The segment that this session writes to. Null until its first append. */
  get segment(): WritableSegment | null {
    return this.#segment;
  }

  /** True if no commit waits to be submitted. */
  get isEmpty(): boolean {
    return (this.#open === null || this.#open.recordCount === 0) && this.#closed.length === 0;
  }

  /**
   * Returns the bytes of frames that these records need.
   *
   * @throws KEELSON_RECORD_TOO_LARGE for a record or a batch above its limit, KEELSON_EXHAUSTED at the end of
   * all LSNs.
   */
  frameBytesOf(records: readonly Uint8Array[]): number {
    let total = 0;
    for (const { length } of records) total += frameBytesOfRecord(length);
    if (records.length > 1 && total > BATCH_BYTES_MAX)
      throw tooLarge(`A batch of ${total} bytes`, BATCH_BYTES_MAX);
    if (this.#nextLsn + total > LSN_MAX) throw this.#exhausted();
    return total;
  }

  /** Returns the bytes of the frame of one record. Throws what frameBytesOf() throws. */
  frameBytesOfOne(recordBytes: number): number {
    const frameBytes = frameBytesOfRecord(recordBytes);
    if (this.#nextLsn + frameBytes > LSN_MAX) throw this.#exhausted();
    return frameBytes;
  }

  #exhausted(): KeelsonError {
    const { directory } = this.#room;
    return new KeelsonError(
      'KEELSON_EXHAUSTED',
      {
        what: `${directory}: the log has reached LSN ${this.#nextLsn}, and positions end at ${LSN_MAX}; nothing was changed, and everything can still be read`,
        next: 'Open a new store in another directory and put every entry of entries() into it; a backup or a salvage keeps the positions and does not help',
      },
      { path: directory, lsn: this.#nextLsn },
    );
  }

  /** Returns true if append() of these records needs no new segment, and for a single record no new memory. */
  isReadyFor(frameBytes: number, recordCount: number): boolean {
    if (recordCount > 1) return this.#hasSegmentFor(this.#bytesForAll(frameBytes));
    const open = this.#open;
    return open?.fits(frameBytes) === true && open.hasMemoryFor(frameBytes);
  }

  /**
   * Makes one step to be ready for an append(): takes a segment, or opens a commit, or gets memory. For several
   * records it prepares only the segment. Hooks may run, and may write. So the caller calls isReadyFor()
   * afterwards, and this function again if the answer is false.
   *
   * @throws What SegmentSupply.take() throws, or NoMemory, with nothing changed.
   */
  makeReadyFor(frameBytes: number, recordCount: number): void {
    if (recordCount > 1) {
      const commitBytes = this.#bytesForAll(frameBytes);
      if (!this.#hasSegmentFor(commitBytes)) this.#takeSegment(commitBytes);
    } else if (this.#open?.fits(frameBytes)) this.#open.reserve(frameBytes);
    else if (this.#hasSegmentFor(this.#bytesForOne(frameBytes))) this.#openCommit(frameBytes);
    else this.#takeSegment(this.#bytesForOne(frameBytes));
  }

  /**
   * Frames all records. The layout must be ready for them. If the memory for several records runs out on the
   * way, this poisons the journal and throws.
   *
   * @param frameBytes What frameBytesOf() returned.
   * @returns The LSN of the last record.
   */
  append(records: readonly Uint8Array[], frameBytes: number): Lsn {
    this.#guard.enter();
    try {
      if (records.length === 1) this.#open!.append(records[0]!);
      else for (const record of records) this.#commitFor(FRAME_OVERHEAD_BYTES + record.length).append(record);
    } catch (error) {
      // A framed record cannot be taken back, and half a batch must not be written.
      throw this.#guard.stopped(error);
    }
    this.#nextLsn += frameBytes;
    this.#guard.leave();
    return this.nextLsn;
  }

  /** Frames the record at the start of `memory`. The layout must be ready for it. Returns its LSN. */
  appendFrom(memory: RecordMemory): Lsn {
    this.#guard.enter();
    try {
      this.#open!.appendFrom(memory);
    } catch (error) {
      throw this.#guard.stopped(error);
    }
    this.#nextLsn += FRAME_OVERHEAD_BYTES + memory.at;
    this.#guard.leave();
    return this.nextLsn;
  }

  /**
   * Starts to prepare the next segments when this one has just been taken. The first segment of a session must be half
   * used, because many a session fills no more. Hooks may run.
   */
  prepareAhead(): void {
    if (!this.#isAheadDue) return;
    this.#isAheadDue = false;
    this.#room.prepareAhead();
  }

  /**
   * Adds a mark behind everything appended so far. Hooks may run before the mark is added.
   *
   * @throws What SegmentSupply.take() throws, if the mark needs a segment.
   */
  addMark(mark: CommitMark): void {
    const { blockBytes } = this.#options;
    for (let tries = 0; !this.#hasSegmentFor(blockBytes, blockBytes); tries++) {
      assertTriesLeft(tries);
      this.#takeSegment(blockBytes);
    }
    this.#addMarkTo(this.#segment!, mark);
  }

  /** Adds the seal, in the block that is reserved for the mark that ends the segment. */
  addSeal(mark: CommitMark): void {
    this.#addMarkTo(this.#segment!, mark);
  }

  /**
   * Takes the commit that is submitted next, or null if there is none. If that is the open commit, it takes no
   * more records. The caller has entered the guard.
   */
  takeNext(): PendingCommit | null {
    if (this.#closed.length === 0) this.#closeOpen();
    return this.#closed.shift() ?? null;
  }

  /**
   * Drops every commit that is not submitted, because the journal is poisoned. Returns the marks among them.
   */
  drop(): CommitMark[] {
    const marks = this.#closed.flatMap(({ mark }) => (mark === null ? [] : [mark]));
    this.#open = null;
    this.#closed = [];
    return marks;
  }

  /**
   * Returns the open commit if a frame of `frameBytes` fits into it, and a new one otherwise. The segment must
   * have room for it.
   */
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
    this.#open?.checksumAhead(this.#storage);
    this.#closeOpen();
    this.#open = commit;
  }

  /** Makes a commit behind all others, without changing the layout. */
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

  /** The offset behind all commits in the segment. */
  get #endOffset(): number {
    const open = this.#open;
    const isWritten = open !== null && open.recordCount > 0;
    return this.#segment!.nextOffset + (isWritten ? open.bytesOnDisk : 0);
  }

  #bytesForOne(frameBytes: number): number {
    return commitBytesOnDisk(frameBytes, this.#options.blockBytes);
  }

  /**
   * Returns an upper bound of the bytes that a batch takes on the disk. A batch must not be refused half-way,
   * so this room is there before its first record. Any two commits in a row hold more than `commitBytesMax`
   * together. That bounds the number of commits, and so of headers and paddings.
   */
  #bytesForAll(frameBytes: number): number {
    const { commitBytesMax, blockBytes } = this.#options;
    const commitCountMax = 2 + Math.ceil((2 * frameBytes) / (commitBytesMax - COMMIT_HEADER_BYTES));
    return frameBytes + commitCountMax * (COMMIT_HEADER_BYTES + blockBytes);
  }

  /**
   * Returns true if `commitBytes` of new commits fit behind the open one, with `reservedBytes` left in the
   * segment.
   */
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
    // A hook may have written meanwhile, and taken a segment. Segments are used in the order of their
    // sequences.
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
    this.#isAheadDue = segment !== null;
    this.#guard.leave();
    this.onSegmentTaken();
  }

  #addMarkTo(segment: WritableSegment, mark: CommitMark): void {
    const commit = this.#newMark(segment, mark);
    this.#guard.enter();
    this.#enqueue(commit);
    this.#guard.leave();
  }

  /** Makes a mark behind everything in the segment. The open commit takes no more records. */
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
      // The record for which this commit was made was refused.
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

/** Returns the bytes of a frame. Throws KEELSON_RECORD_TOO_LARGE. */
function frameBytesOfRecord(recordBytes: number): number {
  if (recordBytes > RECORD_BYTES_MAX) throw tooLarge(`A record of ${recordBytes} bytes`, RECORD_BYTES_MAX);
  return FRAME_OVERHEAD_BYTES + recordBytes;
}

function tooLarge(what: string, bytesMax: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_RECORD_TOO_LARGE',
    `${what} is larger than the limit of ${bytesMax} bytes`,
  );
}

/**
 * Throws a TypeError after too many tries. A hook that writes whenever a segment is taken would otherwise keep
 * its caller busy for ever.
 */
export function assertTriesLeft(tries: number): void {
  if (tries < PREPARE_TRIES_MAX) return;
  throw new TypeError(
    `A hook (async_hooks) wrote to the store each of ${PREPARE_TRIES_MAX} times that this write made room for itself. Do not write from hooks that run inside writes`,
  );
}
