// One commit before it is durable: the frames gathered so far, in memory laid out as they will be on disk.

import { FRAME_OVERHEAD_BYTES, type FrameSeal, type Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk, encodeCommitHeader } from '../format/commit-format.js';
import { writeFrame } from '../format/frame.js';
import type { WritableSegment } from '../segments/segment-files.js';
import type { CommitBuffers } from './commit-buffers.js';

export interface PendingCommitPlace {
  readonly segment: WritableSegment;
  readonly offset: number;
  readonly startLsn: number;
  /** Header and frames never pass this: the room in the segment, or the limit of a commit. */
  readonly lengthMax: number;
}

/** What an empty commit says, beside the LSNs that every commit carries. */
export interface CommitMark {
  readonly flags: number;
  readonly nextSequence: number;
  /** Told when the mark is durable (null), or that it never will be. */
  readonly settled: (error: Error | null) => void;
}

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
  #isSealed = false;
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

  /** Whether append() of so many bytes of frames needs no more memory. */
  hasMemoryFor(frameBytes: number): boolean {
    return this.#length + frameBytes <= this.#bytes.length;
  }

  /** Takes the memory that append() of so many bytes of frames needs. Throws a RangeError, with nothing changed. */
  reserve(frameBytes: number): void {
    if (!this.hasMemoryFor(frameBytes)) this.#grow(this.#length + frameBytes);
  }

  /** Copies one record in, framed. The caller has asked fits(). */
  append(record: Uint8Array): void {
    const at = this.#length;
    const end = at + FRAME_OVERHEAD_BYTES + record.length;
    this.reserve(FRAME_OVERHEAD_BYTES + record.length);
    // In this order: a sum above 2^53 on the way would be rounded.
    writeFrame(this.#bytes, this.#view, at, record, this.startLsn + (end - COMMIT_HEADER_BYTES));
    this.#length = end;
    this.recordCount++;
  }

  /** The bytes as they go out, header and padding included; frame checksums are left to the engine's sealing. */
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

  /** Fills in the frames' checksums now, while the disk is busy with what comes before: nothing is added any more. */
  sealAhead(storage: Storage): void {
    const seal = this.sealWith();
    if (seal === null) return;
    storage.sealFrames(this.#bytes, seal);
    this.#isSealed = true;
  }

  /** What the engine needs to fill in the frames' checksums; null when there are none to fill in. */
  sealWith(): FrameSeal | null {
    if (this.recordCount === 0 || this.#isSealed) return null;
    const { startLsn, bodyBytes } = this;
    return { seed: this.segment.seed, startLsn, bodyOffset: COMMIT_HEADER_BYTES, bodyLength: bodyBytes };
  }

  /** Hands the memory back for reuse. Only when no engine can still read it. */
  release(): void {
    this.#buffers.giveBack(this.#bytes);
  }

  #grow(length: number): void {
    const smaller = this.#bytes;
    const larger = this.#buffers.take(Math.ceil(length / this.#blockBytes) * this.#blockBytes);
    larger.set(smaller.subarray(0, this.#length));
    const view = new DataView(larger.buffer, larger.byteOffset, larger.byteLength);
    // Both at once, with no call in between: a stop finds either the old memory or the new.
    this.#bytes = larger;
    this.#view = view;
    this.#buffers.giveBack(smaller);
  }
}
