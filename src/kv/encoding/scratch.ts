// The memory a record is built in: grows as the record does, and serves the next record again.

import { KeelsonError } from '../../errors.js';
import { writeUtf8 } from './utf8.js';

const BYTES_INITIAL = 16 * 1024;

/** Memory above this size, which one giant record has taken, is not kept for the next record. */
export const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/** Growing memory with a position. Writers fill `bytes` from `at` on, after reserve() has made room. */
export class Scratch {
  /** A plain Uint8Array: a view of a Buffer takes three times as long to make. */
  bytes = allocate(BYTES_INITIAL);
  view = new DataView(this.bytes.buffer);
  /** The position of the next byte. */
  at = 0;
  readonly #bytesMax: number;

  /** `bytesMax` is the limit of a record, in bytes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Makes room for `bytes` more bytes. That may be the worst case, so it throws KEELSON_RECORD_TOO_LARGE only when more has
   * been written than a record may hold.
   */
  reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.bytes.length) return;
    this.#check(this.at);
    const grown = allocate(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.at));
    this.#use(grown);
  }

  /** Copies `bytes` behind what is there. Throws KEELSON_RECORD_TOO_LARGE before it takes memory for them. */
  append(bytes: Uint8Array): void {
    this.#check(this.at + bytes.length);
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes a well-formed text as UTF-8. Throws KEELSON_RECORD_TOO_LARGE before it takes memory for it. */
  appendText(text: string): void {
    const lengthBytes = Buffer.byteLength(text);
    this.#check(this.at + lengthBytes);
    this.reserve(lengthBytes);
    this.at += writeUtf8(this.bytes, text, this.at);
  }

  /** Throws KEELSON_RECORD_TOO_LARGE when more has been written than a record may hold. */
  check(): void {
    this.#check(this.at);
  }

  /** Starts over at position 0, and gives back the memory that a giant record has taken. */
  reset(): void {
    this.at = 0;
    if (this.bytes.length > SCRATCH_BYTES_KEPT_MAX) this.#use(allocate(BYTES_INITIAL));
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  #check(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new KeelsonError(
      'KEELSON_RECORD_TOO_LARGE',
      `A record, which is one put or one whole batch, has at most ${this.#bytesMax} bytes; this one would have ${bytes} or more`,
    );
  }
}

/** Allocates memory without zeroing it: only bytes that were written are ever read. */
function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}
