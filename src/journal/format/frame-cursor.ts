// A cursor over the frames of one commit, which verifies each frame. Pure.
//
// The bytes come in windows, which may cut a frame anywhere. So a long commit takes no more memory than a
// window, and the cursor joins a cut record only for callers that want records.

import { crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../crc32c.js';
import {
  FRAME_CHECKSUM_AT,
  FRAME_OVERHEAD_BYTES,
  frameChecksum,
  type VerifyChecksums,
} from '../../storage/index.js';
import { recordLengthAt } from './frame.js';

const NO_BYTES = new Uint8Array(0);

/** The fewest bytes of frames that are verified in one call. For fewer, the call takes longer than what it saves. */
const VERIFIED_AT_ONCE_BYTES_MIN = 1024;

/** A frame that does not end in the window in which it starts. */
interface CutFrame {
  /** The bytes of the frame header that have been read. */
  readonly head: Uint8Array;
  /** Bytes of the frame that have been read, header included. */
  seenBytes: number;
  /** Bytes of the record, or -1 until the header is whole. */
  recordLength: number;
  /** The CRC register after the bytes that have been read. */
  register: number;
  /** The record, or null if the caller wants no records. */
  record: Uint8Array | null;
}

/** Finds the frames of one commit, one after the other, and verifies each. */
export class FrameCursor {
  /**
   * Holds the record that next() found, as `bytes[recordStart, recordEnd)`, until the next feed(). A cut record
   * is empty here if the caller wants no records.
   */
  bytes: Uint8Array = NO_BYTES;
  recordStart = 0;
  recordEnd = 0;
  /** The LSN of the last frame that next() found, or the start LSN of the commit before the first. */
  lsn = 0;
  frameCount = 0;
  /** True if the bytes are not a valid frame. */
  isBroken = false;
  readonly #seed: number;
  readonly #wantsRecords: boolean;
  readonly #verify: VerifyChecksums | null;
  #window: Uint8Array = NO_BYTES;
  #view: DataView = new DataView(NO_BYTES.buffer);
  #at = 0;
  /** Bytes of the frames of this commit that follow `lsn`. */
  #bytesLeft = 0;
  #cut: CutFrame | null = null;
  /** True if the checksums of all frames of this commit that follow `lsn` are known to verify. */
  #areVerified = false;

  /**
   * @param seed The seed of the segment: see segmentSeed().
   * @param wantsRecords Whether to join a cut record, beside verifying it.
   * @param verify Storage.verifyChecksums.
   */
  constructor(seed: number, wantsRecords: boolean, verify: VerifyChecksums | null = null) {
    this.#seed = seed;
    this.#wantsRecords = wantsRecords;
    this.#verify = verify;
  }

  /** True if all frames of the commit have been found. */
  get isDone(): boolean {
    return this.#bytesLeft === 0;
  }

  /**
   * Starts a commit with `bodyBytes` bytes of frames. A frame that claims more bytes is broken, so no cut
   * record gets more memory than that.
   */
  begin(startLsn: number, bodyBytes: number): void {
    this.lsn = startLsn;
    this.frameCount = 0;
    this.isBroken = false;
    this.#bytesLeft = bodyBytes;
    this.#cut = null;
  }

  /**
   * Gives the cursor the next bytes of the commit, which start at `at` in `window`. Records of earlier windows
   * become invalid.
   */
  feed(window: Uint8Array, at: number): void {
    if (window !== this.#window) {
      this.#window = window;
      this.#view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    }
    this.#at = at;
    this.#areVerified = false;
    const end = at + this.#bytesLeft;
    const isWhole = this.#cut === null && end <= window.length;
    if (this.#verify === null || !isWhole || this.#bytesLeft < VERIFIED_AT_ONCE_BYTES_MIN) return;
    // If one of them fails, next() finds out which.
    this.#areVerified = this.#verify(window.subarray(at, end), this.lsn, this.#seed);
  }

  /**
   * Finds the next frame. Returns false if there are no more (`isDone`), if the bytes are not a frame
   * (`isBroken`), or if the cursor needs another window.
   */
  next(): boolean {
    if (this.#bytesLeft === 0 || this.isBroken) return false;
    if (this.#cut !== null) return this.#nextOfCut(this.#cut);
    const at = this.#at;
    const bytesHere = this.#window.length - at;
    if (bytesHere < FRAME_OVERHEAD_BYTES) return this.#cutHere();
    const length = recordLengthAt(this.#view, at, this.#bytesLeft, this.lsn);
    if (length < 0) return this.#broken();
    if (FRAME_OVERHEAD_BYTES + length > bytesHere) return this.#cutHere();
    const lsn = this.lsn + FRAME_OVERHEAD_BYTES + length;
    if (
      !this.#areVerified &&
      this.#view.getUint32(at + FRAME_CHECKSUM_AT, true) !==
        frameChecksum(this.#window, at, length, lsn, this.#seed)
    ) {
      return this.#broken();
    }
    this.bytes = this.#window;
    this.recordStart = at + FRAME_OVERHEAD_BYTES;
    this.recordEnd = this.recordStart + length;
    this.#at = this.recordEnd;
    return this.#found(length);
  }

  #found(recordLength: number): true {
    this.lsn += FRAME_OVERHEAD_BYTES + recordLength;
    this.#bytesLeft -= FRAME_OVERHEAD_BYTES + recordLength;
    this.frameCount++;
    return true;
  }

  #broken(): false {
    this.isBroken = true;
    return false;
  }

  #cutHere(): boolean {
    // No frame is so short, so another window would not help.
    if (this.#bytesLeft < FRAME_OVERHEAD_BYTES) return this.#broken();
    const head = new Uint8Array(FRAME_OVERHEAD_BYTES);
    this.#cut = { head, seenBytes: 0, recordLength: -1, register: 0, record: null };
    return this.#nextOfCut(this.#cut);
  }

  #nextOfCut(cut: CutFrame): boolean {
    if (cut.recordLength < 0 && !this.#readHead(cut)) return false;
    const bytesMissing = FRAME_OVERHEAD_BYTES + cut.recordLength - cut.seenBytes;
    const part = this.#take(bytesMissing);
    cut.register = crc32cUpdate(cut.register, part, 0, part.length);
    cut.record?.set(part, cut.seenBytes - FRAME_OVERHEAD_BYTES);
    cut.seenBytes += part.length;
    if (part.length < bytesMissing) return false;
    this.#cut = null;
    const view = new DataView(cut.head.buffer);
    if (view.getUint32(FRAME_CHECKSUM_AT, true) !== crc32cFinish(cut.register)) return this.#broken();
    this.bytes = cut.record ?? NO_BYTES;
    this.recordStart = 0;
    this.recordEnd = this.bytes.length;
    return this.#found(cut.recordLength);
  }

  /** Returns true if the header is whole and plausible. Memory for the record is allocated only then. */
  #readHead(cut: CutFrame): boolean {
    const part = this.#take(FRAME_OVERHEAD_BYTES - cut.seenBytes);
    cut.head.set(part, cut.seenBytes);
    cut.seenBytes += part.length;
    if (cut.seenBytes < FRAME_OVERHEAD_BYTES) return false;
    const length = recordLengthAt(new DataView(cut.head.buffer), 0, this.#bytesLeft, this.lsn);
    if (length < 0) return this.#broken();
    const lsn = this.lsn + FRAME_OVERHEAD_BYTES + length;
    cut.register = crc32cUpdate(crc32cUpdateUint64(this.#seed, lsn), cut.head, 0, FRAME_CHECKSUM_AT);
    cut.recordLength = length;
    cut.record = this.#wantsRecords ? new Uint8Array(length) : null;
    return true;
  }

  /** Takes the next `length` bytes, or as many as the window has. */
  #take(length: number): Uint8Array {
    const part = this.#window.subarray(this.#at, this.#at + length);
    this.#at += part.length;
    return part;
  }
}

/**
 * Returns true if `bytes[at, at + bodyBytes)` is exactly `recordCount` frames that verify, of which the first
 * starts at `startLsn`.
 */
export function checkBody(
  bytes: Uint8Array,
  at: number,
  bodyBytes: number,
  recordCount: number,
  startLsn: number,
  seed: number,
): boolean {
  const frames = new FrameCursor(seed, false);
  frames.begin(startLsn, bodyBytes);
  frames.feed(bytes, at);
  while (frames.next());
  return frames.isDone && frames.frameCount === recordCount;
}
