// The layout: every accepted record gets its place on disk when it is appended, in a segment that is ready.
// So what is accepted always has room, and what has no room is refused before anything is framed.

import { KeelsonError } from '../errors.js';
import { FRAME_OVERHEAD_BYTES, RECORD_BYTES_MAX, type Storage } from '../storage/index.js';
import type { CommitBuffers } from './commit-buffers.js';
import { COMMIT_FLAGS, COMMIT_HEADER_BYTES, commitBytesOnDisk } from './commit-format.js';
import { LSN_MAX, type Lsn } from './lsn.js';
import type { ResolvedJournalOptions } from './options.js';
import { type CommitMark, PendingCommit } from './pending-commit.js';
import type { WritableSegment } from './segment-files.js';
import { RESERVED_BLOCKS, type SegmentRoom } from './segment-room.js';

/** All records of one appendBatch together. */
export const BATCH_BYTES_MAX = 2 ** 30;

const NOBODY_ASKS = () => {};

export class CommitLayout {
  readonly #room: SegmentRoom;
  readonly #options: ResolvedJournalOptions;
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
  #nextLsn: number;

  constructor(
    storage: Storage,
    room: SegmentRoom,
    options: ResolvedJournalOptions,
    buffers: CommitBuffers,
    nextLsn: number,
  ) {
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

  get isEmpty(): boolean {
    return this.#open === null && this.#closed.length === 0;
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
      throw new KeelsonError('KEELSON_EXHAUSTED', `The journal ends at LSN ${LSN_MAX}`, {
        lsn: this.#nextLsn,
      });
    }
    return total;
  }

  /** Frames all records, or throws and changes nothing. `frameBytes` is what frameBytesOf() said. */
  append(records: readonly Uint8Array[], frameBytes: number): Lsn {
    if (records.length === 1) {
      const record = records[0]!;
      this.#commitFor(frameBytes).append(record);
      this.#nextLsn += frameBytes;
      return this.nextLsn;
    }
    if (records.length > 1) this.#ensureRoomForAll(frameBytes);
    for (const record of records) {
      const bytes = FRAME_OVERHEAD_BYTES + record.length;
      this.#commitFor(bytes).append(record);
      this.#nextLsn += bytes;
    }
    return this.nextLsn;
  }

  /** Adds an empty commit that carries the mark, behind everything appended so far. May need a segment, and throw. */
  addMark(mark: CommitMark): void {
    const { blockBytes } = this.#options;
    this.#ensureSegmentFor(blockBytes, blockBytes);
    this.#closeOpen();
    this.#addMark(this.#segment!, mark);
  }

  /** Adds the mark that ends the segment for good, in the block kept for it. */
  addSeal(mark: CommitMark): void {
    this.#closeOpen();
    this.#addMark(this.#segment!, mark);
  }

  /** The commit whose turn it is; one that was gathering gathers no more. */
  takeNext(): PendingCommit | null {
    if (this.#closed.length === 0) this.#closeOpen();
    return this.#closed.shift() ?? null;
  }

  /** Forgets everything that is not submitted: the journal is poisoned. Returns the marks nobody will write. */
  drop(): CommitMark[] {
    this.#closeOpen();
    const marks = this.#closed.flatMap(({ mark }) => (mark === null ? [] : [mark]));
    this.#closed = [];
    return marks;
  }

  #commitFor(frameBytes: number): PendingCommit {
    if (this.#open?.fits(frameBytes)) return this.#open;
    this.#ensureRoomFor(frameBytes);
    this.#open?.sealAhead(this.#storage);
    this.#closeOpen();
    const segment = this.#segment!;
    const offset = segment.nextOffset;
    const { blockBytes, sizeBytes } = segment.header;
    const lengthMax = Math.min(
      sizeBytes - RESERVED_BLOCKS * blockBytes - offset,
      Math.max(this.#options.commitBytesMax, COMMIT_HEADER_BYTES + frameBytes),
    );
    const expected = Math.min(Math.max(frameBytes, this.#bytesExpected), lengthMax - COMMIT_HEADER_BYTES);
    const place = { segment, offset, startLsn: this.#nextLsn, lengthMax };
    this.#open = new PendingCommit(place, expected, this.#buffers, null);
    return this.#open;
  }

  /** After this, a new commit with `bodyBytes` fits behind the open one, and its segment still has what is reserved. */
  #ensureRoomFor(bodyBytes: number): void {
    const { blockBytes } = this.#options;
    this.#ensureSegmentFor(commitBytesOnDisk(bodyBytes, blockBytes), RESERVED_BLOCKS * blockBytes);
  }

  /**
   * The same for a batch, which must not be refused half-way: any two commits in a row hold more than commitBytesMax
   * between them, which bounds how many there can be, and so what headers and padding can take.
   */
  #ensureRoomForAll(frameBytes: number): void {
    const { commitBytesMax, blockBytes } = this.#options;
    const commitCountMax = 2 + Math.ceil((2 * frameBytes) / (commitBytesMax - COMMIT_HEADER_BYTES));
    this.#ensureSegmentFor(
      frameBytes + commitCountMax * (COMMIT_HEADER_BYTES + blockBytes),
      RESERVED_BLOCKS * blockBytes,
    );
  }

  #ensureSegmentFor(commitBytes: number, reservedBytes: number): void {
    const segment = this.#segment;
    if (segment !== null) {
      const offset = segment.nextOffset + (this.#open?.bytesOnDisk ?? 0);
      const { sizeBytes } = segment.header;
      if (offset + commitBytes + reservedBytes <= sizeBytes) {
        if (offset > sizeBytes / 2) this.#room.prepareAhead();
        return;
      }
    }
    const next = this.#room.take(commitBytes);
    this.#closeOpen();
    if (segment !== null) {
      this.#addMark(segment, {
        flags: COMMIT_FLAGS.rotated,
        nextSequence: next.sequence,
        settled: NOBODY_ASKS,
      });
    }
    this.#segment = next;
    this.openSegments.add(next);
  }

  #addMark(segment: WritableSegment, mark: CommitMark): void {
    const place = {
      segment,
      offset: segment.nextOffset,
      startLsn: this.#nextLsn,
      lengthMax: COMMIT_HEADER_BYTES,
    };
    this.#enqueue(new PendingCommit(place, 0, this.#buffers, mark));
  }

  #closeOpen(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    this.#bytesExpected = open.bodyBytes;
    this.#enqueue(open);
  }

  #enqueue(commit: PendingCommit): void {
    commit.segment.nextOffset += commit.bytesOnDisk;
    this.#closed.push(commit);
  }
}

function tooLarge(what: string, bytesMax: number): KeelsonError {
  return new KeelsonError('KEELSON_RECORD_TOO_LARGE', `${what} is larger than the limit of ${bytesMax}`);
}
