// The memory of commits, which is reused. The engine owns a buffer from submit() until it says that the memory
// is free.

import { allocated } from '../../errors.js';
import type { Storage } from '../../storage/index.js';

const BUFFER_BYTES_MIN = 64 * 1024;
/**
 * Limit of the bytes that are kept for reuse: two commits of 1,000 values of 10 KB. A buffer that would exceed it is left to
 * the garbage collector.
 */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

/** Hands out memory for commits, and takes it back. */
export class CommitBuffers {
  readonly #storage: Storage;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /**
   * Returns memory of at least `bytes` bytes with arbitrary contents. Lengths are powers of two, so that a
   * buffer fits later commits.
   */
  take(bytes: number): Uint8Array {
    const at = this.#kept.findLastIndex((buffer) => buffer.length >= bytes);
    if (at >= 0) {
      const [buffer] = this.#kept.splice(at, 1);
      this.#keptBytes -= buffer!.length;
      return buffer!;
    }
    let length = BUFFER_BYTES_MIN;
    while (length < bytes) length *= 2;
    return allocated(() => this.#storage.allocate(length), length, 'a commit');
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#keptBytes + buffer.length > KEPT_BYTES_MAX) return;
    this.#kept.push(buffer);
    this.#keptBytes += buffer.length;
  }

  clear(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
