// Unsigned LEB128, the lengths and ids inside records and images: seven bits a byte, low bits first. Pure.
// One number has one form: a longer form is refused, so equal records are equal bytes.

import { KeelsonError } from '../../errors.js';

/** The most bytes of a length: five bytes hold 35 bits, more than any Buffer needs. */
export const LEB128_BYTES_MAX = 5;

/** The most bytes of a safe integer. */
const NUMBER_BYTES_MAX = 8;

/** Writes a safe integer, not below zero, at `at`, and returns the position after it. A length is below 2^35. */
export function writeLeb128(target: Uint8Array, value: number, at: number): number {
  let rest = value;
  let end = at;
  // Division and not a shift: a length may pass 2^31.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[end++] = (rest % 0x80) | 0x80;
  target[end++] = rest;
  return end;
}

/** Returns the number of bytes that writeLeb128() writes. */
export function leb128Bytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** A position in bytes that are being read. */
export interface ReadCursor {
  at: number;
}

/** Reads a length at the cursor that must fit into what follows it, before `end`, and moves past it. */
export function readLength(bytes: Uint8Array, cursor: ReadCursor, end: number): number {
  const start = cursor.at;
  const length = readLeb128(bytes, cursor, end);
  if (length > end - cursor.at) throw malformed(start);
  return length;
}

/** Reads a safe integer at the cursor, before `end`, and moves past it. */
export function readLeb128(bytes: Uint8Array, cursor: ReadCursor, end: number): number {
  const start = cursor.at;
  const first = start < end ? bytes[start]! : 0;
  let value = first & 0x7f;
  let at = start + 1;
  for (let scale = 0x80, last = first; last >= 0x80; scale *= 0x80) {
    if (at >= end || at - start >= NUMBER_BYTES_MAX) throw malformed(start);
    last = bytes[at++]!;
    if (last === 0) throw malformed(start);
    value += (last & 0x7f) * scale;
  }
  if (at > end || value > Number.MAX_SAFE_INTEGER) throw malformed(start);
  cursor.at = at;
  return value;
}

function malformed(offset: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_DECODE',
    `The length at byte ${offset} is not one that fits what follows`,
    {
      offset,
    },
  );
}
