// Unsigned LEB128: the form of lengths and ids in records and images. Pure. Each byte has seven bits of the number, the
// low bits first. Readers refuse a form that is longer than needed, so each number has exactly one form.

import { KeelsonError } from '../../errors.js';

/**
 * The most bytes of a length or of the id of a space. Five bytes hold 35 bits; the id of a space has 32 bits, and the
 * length of anything in a record has fewer.
 */
export const LEB128_BYTES_MAX = 5;

/** The most bytes of a safe integer, which has 53 bits. */
export const NUMBER_BYTES_MAX = 8;

/**
 * Writes a safe integer of 0 or more at `at`, and returns the position after it. A length must be below 2^35, so that
 * it takes at most LEB128_BYTES_MAX bytes.
 */
export function writeLeb128(target: Uint8Array, value: number, at: number): number {
  let rest = value;
  let end = at;
  // A shift would be wrong for numbers of 2^31 and more.
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

/**
 * Reads a length at the cursor, and moves past it. Throws KEELSON_DECODE when it is malformed, or when fewer bytes
 * follow it before `end`.
 */
export function readLength(bytes: Uint8Array, cursor: ReadCursor, end: number): number {
  const start = cursor.at;
  const length = readLeb128(bytes, cursor, end);
  if (length > end - cursor.at) throw malformed(start);
  return length;
}

/** Reads a safe integer at the cursor, before `end`, and moves past it. Throws KEELSON_DECODE when it is malformed. */
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
