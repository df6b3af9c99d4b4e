// A commit before it is durable: its frames, in memory that has the layout of the disk.

import { copyBytes } from '../../copy-bytes.js';
import { FRAME_OVERHEAD_BYTES, type FrameChecksums, type Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk, encodeCommitHeader } from '../format/commit-format.js';
import { writeFrame, writeFrameHeader } from '../format/frame.js';
import type { WritableSegment } from '../segments/segment-files.js';
import type { CommitBuffers } from './commit-buffers.js';

/** A record at the start of memory that its owner uses again: `bytes[0, at)`. */
export interface RecordMemory {
  readonly bytes: Uint8Array;
  /** A view of all of `bytes`. */
  readonly view: DataView;
  readonly at: number;
}

/** The place of a commit on the disk and in the log. */
export interface PendingCommitPlace {
  readonly segment: WritableSegment;
  readonly offset: number;
  readonly startLsn: number;
  /**
   * Limit of the bytes of header and frames: the room in the segment or the limit of a commit, whichever is
   * lower.
   */
  readonly lengthMax: number;
}

/** A mark: what an empty commit holds beside the LSNs that every commit carries. */
export interface CommitMark {
  readonly flags: number;
  readonly nextSequence: number;
  /** Called with null when the mark is durable, or with the reason why it never will be. */
  readonly settled: (error: Error | null) => void;
}

/** Collects the frames of one commit. */
export class PendingCommit {
  readonly segment: WritableSegment;
  readonly offset: number;
  readonly startLsn: number;
  readonly mark: CommitMark | null;
  readonly #lengthMax: number;
  readonly #buffers: CommitBuffers;
  #bytes: Uint8Array;
  #view: DataView;
  #length = COMMIT_HEADER_BYTES;
  #hasChecksums = false;
  recordCount = 0;

  constructor(
    place: PendingCommitPlace,
    bytesExpected: number,
    buffers: CommitBuffers,
    mark: CommitMark | null,
  ) {
    this.segment = place.segment;
    this.offset = place.offset;
    this.startLsn = place.startLsn;
    this.mark = mark;
    this.#lengthMax = place.lengthMax;
    this.#buffers = buffers;
    this.#bytes = buffers.take(commitBytesOnDisk(bytesExpected, this.#blockBytes));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  get bodyBytes(): number {
    return this.#length - COMMIT_HEADER_BYTES;
  }

  get endLsn(): number {
    return this.startLsn + this.bodyBytes;
  }

  get bytesOnDisk(): number {
    return commitBytesOnDisk(this.bodyBytes, this.#blockBytes);
  }

  get #blockBytes(): number {
    return this.segment.header.blockBytes;
  }

  fits(frameBytes: number): boolean {
    return this.#length + frameBytes <= this.#lengthMax;
  }

  /** Returns true if append() of `frameBytes` of frames needs no more memory. */
  hasMemoryFor(frameBytes: number): boolean {
    return this.#length + frameBytes <= this.#bytes.length;
  }

  /**
   * Takes the memory that append() of `frameBytes` of frames needs.
   *
   * @throws NoMemory, with nothing changed.
   */
  reserve(frameBytes: number): void {
    if (!this.hasMemoryFor(frameBytes)) this.#grow(this.#length + frameBytes);
  }

  /** Copies a record in, behind a frame header. It must fit: see fits(). */
  append(record: Uint8Array): void {
    const frameBytes = FRAME_OVERHEAD_BYTES + record.length;
    this.reserve(frameBytes);
    writeFrame(this.#bytes, this.#view, this.#length, record, this.#lsnBehind(frameBytes));
    this.#appended(frameBytes);
  }

  /** Copies the record at the start of `memory` in, behind a frame header. There must be memory: see hasMemoryFor(). */
  appendFrom({ bytes, view, at: recordBytes }: RecordMemory): void {
    const at = this.#length;
    const frameBytes = FRAME_OVERHEAD_BYTES + recordBytes;
    writeFrameHeader(this.#view, at, recordBytes, this.#lsnBehind(frameBytes));
    copyBytes(this.#bytes, this.#view, at + FRAME_OVERHEAD_BYTES, bytes, view, 0, recordBytes);
    this.#appended(frameBytes);
  }

  /** Returns the LSN of a frame that is appended next. */
  #lsnBehind(frameBytes: number): number {
    // The order matters: an intermediate sum above 2^53 would be rounded.
    return this.startLsn + (this.#length + frameBytes - COMMIT_HEADER_BYTES);
  }

  #appended(frameBytes: number): void {
    this.#length += frameBytes;
    this.recordCount++;
  }

  /**
   * Returns the bytes of the commit, header and padding included. The engine fills in the checksums of the
   * frames.
   */
  finish(durableLsn: number, heldFromLsn: number): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.bytesOnDisk);
    bytes.fill(0, this.#length);
    const { startLsn, bodyBytes, recordCount } = this;
    const { flags, nextSequence } = this.mark ?? { flags: 0, nextSequence: 0 };
    encodeCommitHeader(
      bytes,
      {
        startLsn,
        durableLsn,
        heldFromLsn,
        bodyBytes,
        recordCount,
        flags,
        nextSequence: nextSequence % 2 ** 32,
      },
      this.offset,
      this.segment.seed,
    );
    return bytes;
  }

  /**
   * Fills in the checksums of the frames before the commit is submitted, while the disk is busy with another
   * commit. Nothing may be appended afterwards.
   */
  checksumAhead(storage: Storage): void {
    const checksums = this.checksumsDue();
    if (checksums === null) return;
    storage.checksumFrames(this.#bytes, checksums);
    this.#hasChecksums = true;
  }

  /**
   * Returns what the engine needs to fill in the checksums of the frames. Returns null if there are none to
   * fill in.
   */
  checksumsDue(): FrameChecksums | null {
    if (this.recordCount === 0 || this.#hasChecksums) return null;
    const { startLsn, bodyBytes } = this;
    return { seed: this.segment.seed, startLsn, bodyOffset: COMMIT_HEADER_BYTES, bodyLength: bodyBytes };
  }

  /** Returns a copy of the frames. */
  copyOfFrames(): Uint8Array {
    return this.#bytes.slice(COMMIT_HEADER_BYTES, this.#length);
  }

  /** Gives the memory back for reuse. The engine must not read it any more. */
  release(): void {
    this.#buffers.giveBack(this.#bytes);
  }

  #grow(length: number): void {
    const smaller = this.#bytes;
    const larger = this.#buffers.take(Math.ceil(length / this.#blockBytes) * this.#blockBytes);
    larger.set(smaller.subarray(0, this.#length));
    const view = new DataView(larger.buffer, larger.byteOffset, larger.byteLength);
    // Both fields change without a call in between, so a stop finds the old memory or the new memory.
    this.#bytes = larger;
    this.#view = view;
    this.#buffers.giveBack(smaller);
  }
}
