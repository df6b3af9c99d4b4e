// A scratch: memory that grows, in which one record or block after the other is built.

import { allocated, KeelsonError } from '../../errors.js';
import { UTF8_BYTES_PER_UNIT_MAX, writeUtf8 } from './utf8.js';

const BYTES_INITIAL = 16 * 1024;

/** The most memory that a scratch keeps for the next record, so that a giant record does not keep its memory. */
export const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/** Growing memory with a position. A writer calls reserve(), fills `bytes` from `at` on, and advances `at`. */
export class Scratch {
  /** The memory. It is a plain Uint8Array, because subarray() of a Buffer takes longer. */
  bytes = allocate(BYTES_INITIAL);
  /** A view of the same memory. */
  view = new DataView(this.bytes.buffer);
  /** The position of the next byte. */
  at = 0;
  readonly #bytesMax: number;

  /** `bytesMax` is the most bytes that may be written. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Makes room for `bytes` more bytes, of which a writer may use fewer. So it throws KEELSON_RECORD_TOO_LARGE only when
   * the bytes before `at` are more than a record may hold.
   */
  reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.bytes.length) return;
    this.#check(this.at);
    const grown = allocate(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.at));
    this.#use(grown);
  }

  /** Appends a copy of `bytes`. Throws KEELSON_RECORD_TOO_LARGE before it takes memory for them. */
  append(bytes: Uint8Array): void {
    this.#check(this.at + bytes.length);
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Appends a well-formed text as UTF-8. Throws KEELSON_RECORD_TOO_LARGE before it takes memory for it. */
  appendText(text: string): void {
    const room = Math.min(this.bytes.length, this.#bytesMax) - this.at;
    // Most texts have room whatever their characters. Measuring them would take about as long as writing them.
    if (text.length * UTF8_BYTES_PER_UNIT_MAX > room) {
      const lengthBytes = Buffer.byteLength(text);
      this.#check(this.at + lengthBytes);
      this.reserve(lengthBytes);
    }
    this.at += writeUtf8(this.bytes, text, this.at);
  }

  /** Throws KEELSON_RECORD_TOO_LARGE when more has been written than a record may hold. */
  check(): void {
    this.#check(this.at);
  }

  /** Starts over at position 0. Frees memory above SCRATCH_BYTES_KEPT_MAX. */
  reset(): void {
    this.at = 0;
    if (this.bytes.length > SCRATCH_BYTES_KEPT_MAX) this.#use(allocate(BYTES_INITIAL));
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    const view = new DataView(bytes.buffer);
    // Both fields change without a call in between, so a stop finds the old memory or the new memory.
    this.bytes = bytes;
    this.view = view;
  }

  #check(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new KeelsonError(
      'KEELSON_RECORD_TOO_LARGE',
      `A record, which is one put, one batch or one transaction, has at most ${this.#bytesMax} bytes; this one would have ${bytes} or more`,
    );
  }
}

/** Allocates memory without zeroing it, because readers see only bytes that were written. */
function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  return allocated(() => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer), bytes, 'a record');
}
