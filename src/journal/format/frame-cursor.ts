// Walking over the frames of one commit, each verified, in windows that may cut a frame anywhere. Pure. However long
// the commit, a window is all of it that is needed; a record that was cut is put together for who wants records.

import { crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../crc32c.js';
import { FRAME_CHECKSUM_AT, FRAME_OVERHEAD_BYTES, frameChecksum } from '../../storage/index.js';
import { recordLengthAt } from './frame.js';

const NO_BYTES = new Uint8Array(0);

/** A frame that began in a window before this one. */
interface CutFrame {
  readonly head: Uint8Array;
  /** Bytes of the frame that have been seen, header included. */
  seenBytes: number;
  /** Known when the header is whole; -1 before. */
  recordLength: number;
  register: number;
  /** Null when nobody wants the record. */
  record: Uint8Array | null;
}

export class FrameCursor {
  /** The record that next() found is `bytes[recordStart, recordEnd)`, as long as the window is. */
  bytes: Uint8Array = NO_BYTES;
  recordStart = 0;
  recordEnd = 0;
  /** Just after the frame that next() found; before the first, where the commit starts. */
  lsn = 0;
  frameCount = 0;
  /** True when something stands where a frame should be that is none. */
  isBroken = false;
  readonly #seed: number;
  readonly #wantsRecords: boolean;
  #window: Uint8Array = NO_BYTES;
  #view: DataView = new DataView(NO_BYTES.buffer);
  #at = 0;
  /** Bytes of the commit's frames behind `lsn`. */
  #bytesLeft = 0;
  #cut: CutFrame | null = null;

  /** `seed` is that of the segment. Without `wantsRecords` a cut record is verified, and not put together. */
  constructor(seed: number, wantsRecords: boolean) {
    this.#seed = seed;
    this.#wantsRecords = wantsRecords;
  }

  /** True when all frames of the commit have been found. */
  get isDone(): boolean {
    return this.#bytesLeft === 0;
  }

  /** Starts with the frames of a commit. The caller has bounded `bodyBytes`: no record is taken to be longer. */
  begin(startLsn: number, bodyBytes: number): void {
    this.lsn = startLsn;
    this.frameCount = 0;
    this.isBroken = false;
    this.#bytesLeft = bodyBytes;
    this.#cut = null;
  }

  /** The next bytes of the commit: `window` from `at` on. What was found in an earlier window may be gone. */
  feed(window: Uint8Array, at: number): void {
    if (window !== this.#window) {
      this.#window = window;
      this.#view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    }
    this.#at = at;
  }

  /** Finds the next frame. False when there is none left (`isDone`), none at all (`isBroken`), or more must be fed. */
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
    // Too few bytes for any frame: no window brings one.
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

  /** True when the header is whole and may be one. Memory for the record is taken only then. */
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

  /** As many of the next bytes as the window has, at most `length`. */
  #take(length: number): Uint8Array {
    const part = this.#window.subarray(this.#at, this.#at + length);
    this.#at += part.length;
    return part;
  }
}

/** True when `bytes[at, at + bodyBytes)` is exactly `recordCount` true frames, the first starting at `startLsn`. */
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
