// UTF-8 without loss: every well-formed string comes back as it was, and bytes that are not UTF-8 are refused instead
// of replaced. Pure. A TextDecoder would strip a leading U+FEFF.

import { isUtf8 } from 'node:buffer';
import { KeelsonError } from '../../errors.js';

/** The longest text for which a loop is faster than a call into C++, in units or bytes. */
const LOOP_LENGTH_MAX = 32;

/** The character that a decoder puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/** The most bytes that UTF-8 needs for one UTF-16 code unit. */
export const UTF8_BYTES_PER_UNIT_MAX = 3;

/** Methods of Buffer that Node.js does not document. */
interface BufferInternals {
  utf8Slice?: (this: Uint8Array, start: number, end: number) => string;
  utf8Write?: (this: Uint8Array, text: string, at: number, length: number) => number;
  latin1Slice?: (this: Uint8Array, start: number, end: number) => string;
  ucs2Slice?: (this: Uint8Array, start: number, end: number) => string;
}

// Buffer.toString() and Buffer.write() call these methods, which take any Uint8Array. So no string needs a Buffer
// object. If a later Node.js lacks one of them, the function after `??` makes a Buffer.
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

/** Returns a Buffer of the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Writes a well-formed string as UTF-8 at `at`, and returns the number of bytes. The target must have room for
 * `Buffer.byteLength(text)` bytes.
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

/** Returns the string in `bytes[start, end)`. Throws KEELSON_DECODE when the bytes are not UTF-8. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (isShortAscii(bytes, start, end)) return sliceLatin1.call(bytes, start, end);
  const text = sliceUtf8.call(bytes, start, end);
  // Bytes that are not UTF-8 decode to REPLACEMENT, so a text without it needs no check.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) {
    throw new KeelsonError('KEELSON_DECODE', `Bytes ${start} to ${end} are not UTF-8`, { offset: start });
  }
  return text;
}

/** Returns the string in `bytes[start, end)`, with U+FFFD in the place of bytes that are not UTF-8. */
export function readLossyUtf8(bytes: Uint8Array, start: number, end: number): string {
  return (isShortAscii(bytes, start, end) ? sliceLatin1 : sliceUtf8).call(bytes, start, end);
}

function isShortAscii(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > LOOP_LENGTH_MAX) return false;
  let at = start;
  while (at < end && bytes[at]! < 0x80) at++;
  return at === end;
}

/** Returns the string whose code units are `bytes[start, end)`, one byte each. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return sliceLatin1.call(bytes, start, end);
}

/** Returns the string whose code units are `bytes[start, end)`, two bytes each, the low byte first. */
export function readUtf16(bytes: Uint8Array, start: number, end: number): string {
  return sliceUtf16.call(bytes, start, end);
}
