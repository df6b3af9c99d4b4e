// Unsigned LEB128, the lengths inside the store's records: seven bits a byte, low bits first. Pure.
// One number has one form: a form longer than needed is refused, so equal records are equal bytes.

import { KeelsonError } from '../errors.js';

/** The most bytes a length takes: five hold 35 bits, more than any Buffer. */
export const LEB128_BYTES_MAX = 5;

/** Writes a length below 2^35 at `at` and returns the position after it. */
export function writeLeb128(target: Uint8Array, value: number, at: number): number {
  let rest = value;
  let end = at;
  // Division and not a shift: a length may pass 2^31.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[end++] = (rest % 0x80) | 0x80;
  target[end++] = rest;
  return end;
}

/** A position in bytes that are being read. */
export interface ReadCursor {
  at: number;
}

/** Reads a length at the cursor that must fit into what follows it, before `end`, and moves past it. */
export function readLength(bytes: Uint8Array, cursor: ReadCursor, end: number): number {
  const start = cursor.at;
  const first = start < end ? bytes[start]! : 0;
  let length = first & 0x7f;
  let at = start + 1;
  for (let scale = 0x80, last = first; last >= 0x80; scale *= 0x80) {
    if (at >= end || at - start >= LEB128_BYTES_MAX) throw malformedLength(start);
    last = bytes[at++]!;
    if (last === 0) throw malformedLength(start);
    length += (last & 0x7f) * scale;
  }
  if (at > end || length > end - at) throw malformedLength(start);
  cursor.at = at;
  return length;
}

function malformedLength(offset: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_DECODE',
    `The length at byte ${offset} is not one that fits what follows`,
    {
      offset,
    },
  );
}
