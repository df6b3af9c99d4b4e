// FileWindow keeps one part of a file in memory, for readers that jump within a file.

import type { StorageFile } from './storage.js';

const WINDOW_BYTES = 1024 * 1024;

export class FileWindow {
  readonly fileBytes: number;
  /** Bytes in memory. at() may replace this array. */
  bytes: Uint8Array = new Uint8Array(0);
  readonly #file: StorageFile;
  #offset = 0;

  /** `fileBytes` is the size of the file. No byte at or after it is read. */
  constructor(file: StorageFile, fileBytes: number) {
    this.#file = file;
    this.fileBytes = fileBytes;
  }

  /**
   * Returns the index in `bytes` at which byte `offset` of the file is, with at least `length` bytes from there.
   * Reads another part of the file when needed. Returns -1 if the file ends before `offset + length`.
   */
  async at(offset: number, length: number): Promise<number> {
    const at = offset - this.#offset;
    if (at >= 0 && at + length <= this.bytes.length) return at;
    if (offset + length > this.fileBytes) return -1;
    const window = new Uint8Array(Math.min(Math.max(length, WINDOW_BYTES), this.fileBytes - offset));
    const bytesRead = await this.#file.read(window, offset);
    this.bytes = window.subarray(0, bytesRead);
    this.#offset = offset;
    return bytesRead < length ? -1 : 0;
  }
}
