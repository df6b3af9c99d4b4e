// A part of a file in memory, for who does not read it from end to end.

import type { StorageFile } from './storage.js';

const WINDOW_BYTES = 1024 * 1024;

export class FileWindow {
  readonly fileBytes: number;
  /** What is in memory. Another piece of memory after at(). */
  bytes: Uint8Array = new Uint8Array(0);
  readonly #file: StorageFile;
  #offset = 0;

  /** `fileBytes` is the size of the file: nothing behind it is asked for, and no memory taken for it. */
  constructor(file: StorageFile, fileBytes: number) {
    this.#file = file;
    this.fileBytes = fileBytes;
  }

  /** Where `offset` of the file stands in `bytes`, with `length` bytes behind it; -1 when the file ends before that. */
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
