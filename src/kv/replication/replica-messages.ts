// The messages between a store and its replicas in worker threads, over a MessagePort.
//
// The store sends `start`; the replica loads image and log, and sends `opened`. Then the store sends records, and the
// replica sends `applied` now and then, with the memory of the messages, which the store uses again: new memory for each
// message would make garbage collections in both threads. The store sends no more than it has credit for.

import {
  KeelsonError,
  type KeelsonErrorCode,
  type KeelsonErrorFacts,
  nextStepOf,
  whatHappened,
} from '../../errors.js';
import type { RecordWindow } from '../../journal/internal.js';
import { FRAME_OVERHEAD_BYTES } from '../../storage/index.js';

/** The version of the messages. Both ends are of one package, so another version is a second copy of it. */
export const REPLICA_PROTOCOL = 1;

/** A message of the store. */
export type ToReplica =
  /** Load the store anew, from its files. Everything after `lsn`, up to which it is durable, will follow. */
  | {
      readonly kind: 'start';
      readonly keelson: typeof REPLICA_PROTOCOL;
      readonly directory: string;
      readonly id: string;
      readonly lsn: number;
    }
  | RecordsMessage
  /** Nothing more will follow, because of this error. */
  | { readonly kind: 'ended'; readonly error: SentError };

/** Records that are durable: frames whose checksums say nothing, from the position `fromLsn` in the log on. */
export interface RecordsMessage {
  readonly kind: 'records';
  readonly fromLsn: number;
  readonly bytes: ArrayBuffer;
  /** The bytes of frames, at the start of `bytes`. */
  readonly length: number;
}

/** A message of the replica: it shows the store at this LSN. */
export type FromReplica =
  | { readonly kind: 'opened'; readonly lsn: number }
  /** The messages up to this LSN have been applied. This is the memory of some of them. */
  | { readonly kind: 'applied'; readonly lsn: number; readonly memory: readonly ArrayBuffer[] };

/** A KeelsonError in a message. A clone of the error would lose its facts. */
export interface SentError {
  readonly code: KeelsonErrorCode;
  readonly what: string;
  readonly next: string;
  readonly facts: KeelsonErrorFacts;
}

/** Returns an error as it is sent. */
export function sentError(error: KeelsonError): SentError {
  return { code: error.code, what: whatHappened(error), next: nextStepOf(error), facts: error.facts };
}

/** Returns the error that was sent. */
export function receivedError({ code, what, next, facts }: SentError): KeelsonError {
  return new KeelsonError(code, { what, next }, facts);
}

/** The memory that a message starts with, in bytes. It grows when the records need more. */
const BYTES_MIN = 4096;

/**
 * Copies all records of a window into a message. `fromLsn` is the place of the window's feed before. Uses `memory` if the
 * records fit.
 */
export function packRecords(window: RecordWindow, fromLsn: number, memory?: ArrayBuffer): RecordsMessage {
  const packing = new Packing(memory);
  while (window.next()) packing.add(window.bytes, window.start, window.end);
  const length = packing.finish();
  return { kind: 'records', fromLsn, bytes: packing.bytes.buffer, length };
}

/** The records of a message, one after the other. After next(), the record is `bytes[start, end)`. */
export class ReceivedRecords {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  readonly #fromLsn: number;
  readonly #view: DataView;

  constructor({ fromLsn, bytes, length }: RecordsMessage) {
    this.bytes = new Uint8Array(bytes, 0, length);
    this.#fromLsn = fromLsn;
    this.#view = new DataView(bytes);
  }

  get lsn(): number {
    return this.#fromLsn + this.end;
  }

  next(): boolean {
    if (this.end >= this.bytes.length) return false;
    this.start = this.end + FRAME_OVERHEAD_BYTES;
    this.end = this.start + this.#view.getUint32(this.end, true);
    return true;
  }
}

/** Frames that are packed one behind the other. Frames that stand in a row are copied at once. */
class Packing {
  bytes: Uint8Array<ArrayBuffer>;
  #at = 0;
  /** The frames that are to be copied next. */
  #source: Uint8Array | null = null;
  #from = 0;
  #to = 0;

  constructor(memory = new ArrayBuffer(BYTES_MIN)) {
    this.bytes = new Uint8Array(memory);
  }

  /** Adds the record `bytes[start, end)`, and the frame header before it if it is there. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const frameAt = start - FRAME_OVERHEAD_BYTES;
    if (bytes === this.#source && frameAt === this.#to) {
      this.#to = end;
      return;
    }
    this.#copy();
    if (frameAt >= 0) {
      this.#source = bytes;
      this.#from = frameAt;
      this.#to = end;
      return;
    }
    // A record that two windows share stands in memory of its own, without its header.
    this.#reserve(FRAME_OVERHEAD_BYTES + end - start);
    new DataView(this.bytes.buffer).setUint32(this.#at, end - start, true);
    this.bytes.set(bytes.subarray(start, end), this.#at + FRAME_OVERHEAD_BYTES);
    this.#at += FRAME_OVERHEAD_BYTES + end - start;
  }

  /** Returns the bytes of all frames, which start at the start of `bytes`. */
  finish(): number {
    this.#copy();
    return this.#at;
  }

  #copy(): void {
    const source = this.#source;
    if (source === null) return;
    this.#source = null;
    const length = this.#to - this.#from;
    this.#reserve(length);
    this.bytes.set(source.subarray(this.#from, this.#to), this.#at);
    this.#at += length;
  }

  #reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.#at));
    this.bytes = larger;
  }
}
