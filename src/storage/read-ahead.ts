// A file in windows, one after the other, the next being read while this one is used. Two buffers, whatever the file.

import type { StorageFile } from './storage.js';

/**
 * Bytes read at a time where nobody says otherwise: large enough for the disk, small enough that what is done with one window does
 * not keep the event loop. A multiple of every block size, so that no commit header is cut by a window's end.
 */
export const WINDOW_BYTES = 1024 * 1024;

/**
 * The bytes `[from, to)` of a file. A window is good until the next is asked for; all but the last have `windowBytes`.
 * Fewer bytes than asked for, where the file ends earlier. Never more than one read is under way, so the event loop
 * has its turn between two windows.
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

/** Reads as much of `buffer` as the file has, for who will ask for it later or never. */
export function startRead(file: StorageFile, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  const reading = file.read(buffer, offset).then((bytesRead) => buffer.subarray(0, bytesRead));
  // Who stops early never asks for this window: its failure is nobody's news then. The file's close() waits for the read.
  reading.catch(() => {});
  return reading;
}
