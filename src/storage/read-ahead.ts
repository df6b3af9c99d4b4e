// Reads a file from one end to the other in windows. While the caller uses one window, the next is read. Memory is
// two buffers, whatever the size of the file.

import type { StorageFile } from './storage.js';

/**
 * Default size of a window in bytes: large enough for the disk, small enough that work on one window does not hold up
 * the event loop. A multiple of every block size, so that no window ends within a commit header.
 */
export const WINDOW_BYTES = 1024 * 1024;

/**
 * Yields the bytes `[from, to)` of a file in windows of `windowBytes`; the last window may be shorter. Stops early if
 * the file ends before `to`. A window is valid until the next one is requested. At most one read is under way, so the
 * event loop runs between two windows.
 */
export async function* readAhead(
  file: StorageFile,
  from: number,
  to: number,
  windowBytes: number = WINDOW_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  let buffer = new Uint8Array(Math.min(windowBytes, to - from));
  let other = new Uint8Array(Math.min(windowBytes, to - from - buffer.length));
  let reading = startRead(file, buffer, from);
  for (let offset = from; offset < to; ) {
    const window = await reading;
    offset += window.length;
    const isLast = offset >= to || window.length < buffer.length;
    if (!isLast) {
      [buffer, other] = [other.subarray(0, Math.min(other.length, to - offset)), buffer];
      reading = startRead(file, buffer, offset);
    }
    if (window.length > 0) yield window;
    if (isLast) return;
  }
}

/**
 * Starts to read into `buffer` at `offset`. Resolves to the part of `buffer` that was filled. A failure that nobody
 * awaits is not reported as an unhandled rejection.
 */
export function startRead(file: StorageFile, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  const reading = file.read(buffer, offset).then((bytesRead) => buffer.subarray(0, bytesRead));
  // A reader that stops early never awaits this window. The file's close() waits for the read.
  reading.catch(() => {});
  return reading;
}
