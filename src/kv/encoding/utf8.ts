// UTF-8, exactly: every well-formed string goes out and comes back as it was (a leading U+FEFF too, which a
// TextDecoder would eat), and bytes that are not UTF-8 are refused instead of being replaced. Pure.

import { isUtf8 } from 'node:buffer';
import { KeelsonError } from '../../errors.js';

/** Below this a loop over the bytes is cheaper than the call into C++. */
const LOOP_LENGTH_MAX = 32;

const REPLACEMENT = '\ufffd';

/** UTF-8 needs at most three bytes for one UTF-16 code unit. */
export const UTF8_BYTES_PER_UNIT_MAX = 3;

interface BufferInternals {
  utf8Slice?: (this: Uint8Array, start: number, end: number) => string;
  utf8Write?: (this: Uint8Array, text: string, at: number, length: number) => number;
  latin1Slice?: (this: Uint8Array, start: number, end: number) => string;
  ucs2Slice?: (this: Uint8Array, start: number, end: number) => string;
}

// Buffer's own methods are what Buffer.toString() and Buffer.write() call, and they take any Uint8Array.
// They spare a Buffer object for every string that is read; should a later Node lack them, one is made.
const internals = Buffer.prototype as BufferInternals;
const sliceUtf8 =
  internals.utf8Slice ??
  function (this: Uint8Array, start: number, end: number): string {
    return asBuffer(this).toString('utf8', start, end);
  };
const sliceLatin1 =
  internals.latin1Slice ??
  function (this: Uint8Array, start: number, end: number): string {
    return asBuffer(this).toString('latin1', start, end);
  };
const sliceUtf16 =
  internals.ucs2Slice ??
  function (this: Uint8Array, start: number, end: number): string {
    return asBuffer(this).toString('utf16le', start, end);
  };
const writeUtf8Native =
  internals.utf8Write ??
  function (this: Uint8Array, text: string, at: number, length: number): number {
    return asBuffer(this).write(text, at, length, 'utf8');
  };

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Writes a well-formed string at `at` and returns the number of bytes.
 * The caller has made sure that the target has room for `UTF8_BYTES_PER_UNIT_MAX` bytes a code unit,
 * or for the exact `Buffer.byteLength(text)`.
 */
export function writeUtf8(target: Uint8Array, text: string, at: number): number {
  const length = text.length;
  if (length > LOOP_LENGTH_MAX) return writeUtf8Native.call(target, text, at, target.length - at);
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return writeUtf8Native.call(target, text, at, target.length - at);
    target[at + index] = unit;
  }
  return length;
}

/** The string of `bytes[start, end)`. Throws KEELSON_DECODE when the bytes are not UTF-8. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= LOOP_LENGTH_MAX) {
    let at = start;
    while (at < end && bytes[at]! < 0x80) at++;
    if (at === end) return sliceLatin1.call(bytes, start, end);
  }
  const text = sliceUtf8.call(bytes, start, end);
  // What is not UTF-8 comes out as this: without it there is nothing to look for, at half the price.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) {
    throw new KeelsonError('KEELSON_DECODE', `Bytes ${start} to ${end} are not UTF-8`, { offset: start });
  }
  return text;
}

/** The string whose code units are `bytes[start, end)`. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return sliceLatin1.call(bytes, start, end);
}

/** The string whose code units are `bytes[start, end)`, two bytes each, the low one first. */
export function readUtf16(bytes: Uint8Array, start: number, end: number): string {
  return sliceUtf16.call(bytes, start, end);
}
