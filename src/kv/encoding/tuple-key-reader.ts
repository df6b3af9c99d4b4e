// Reads tuple keys: makes tuples of index keys, and checks bytes of a disk that may be anything. Pure.

import type { TuplePart } from './encoding-types.js';
import { ESCAPE, NUMBER_BYTES, orderedNumber, TAG, TUPLE_DEPTH_MAX } from './tuple-key-format.js';

/** Returns the tuple of an index key, which encodeTuple() has made or isTuple() has checked. */
export function decodeTuple(key: string): TuplePart[] {
  return new TupleReader(key).parts();
}

/** A part at the start of a string, and the place behind it. */
export interface ReadPart {
  readonly part: TuplePart;
  readonly end: number;
}

/** Returns the part whose bytes, as encodePart() returns them, are at the start of `bytes`. */
export function readPart(bytes: string): ReadPart {
  return new TupleReader(bytes).first();
}

class TupleReader {
  readonly #key: string;
  #at = 0;

  constructor(key: string) {
    this.#key = key;
  }

  /** Reads parts up to the end of their array, or of the key. */
  parts(): TuplePart[] {
    const first = this.#next();
    if (first === undefined) return [];
    const second = this.#next();
    if (second === undefined) return [first];
    // An array that grows by push() has room for 17 parts, and a literal has none to spare.
    const parts = [first, second];
    for (let part = this.#next(); part !== undefined; part = this.#next()) parts.push(part);
    return parts;
  }

  /** Reads one part. */
  first(): ReadPart {
    const part = this.#next()!;
    return { part, end: this.#at };
  }

  /** Reads the next part. Returns undefined behind the last one. */
  #next(): TuplePart | undefined {
    if (this.#at >= this.#key.length) return undefined;
    const tag = this.#key.charCodeAt(this.#at++);
    return tag === TAG.end ? undefined : this.#part(tag);
  }

  #part(tag: number): TuplePart {
    switch (tag) {
      case TAG.string:
        return this.#string();
      case TAG.number:
        return this.#number();
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.bigint:
        return this.#bigint(0);
      case TAG.negativeBigint:
        return -this.#bigint(0xff);
      case TAG.bytes:
        return this.#bytes();
      default:
        return this.parts();
    }
  }

  #string(): string {
    const key = this.#key;
    const start = this.#at;
    let at = start;
    let unit = key.charCodeAt(at);
    while (unit > 0 && unit < 0x80) unit = key.charCodeAt(++at);
    if (unit !== TAG.end || key.charCodeAt(at + 1) === ESCAPE) return this.#anyString();
    this.#at = at + 1;
    return key.slice(start, at);
  }

  /** Reads a string that is not all in ASCII, or has a U+0000. */
  #anyString(): string {
    const key = this.#key;
    let text = '';
    for (let at = this.#at; at < key.length; ) {
      const unit = key.charCodeAt(at++);
      if (unit === TAG.end && key.charCodeAt(at) !== ESCAPE) {
        this.#at = at;
        break;
      }
      if (unit === TAG.end) at++;
      if (unit < 0x80) text += String.fromCharCode(unit);
      else if (unit < 0xe0) text += String.fromCharCode(((unit & 0x1f) << 6) | (key.charCodeAt(at++) & 0x3f));
      else {
        const middle = (key.charCodeAt(at++) & 0x3f) << 6;
        text += String.fromCharCode(((unit & 0x0f) << 12) | middle | (key.charCodeAt(at++) & 0x3f));
      }
    }
    return text;
  }

  #number(): number {
    const key = this.#key;
    const at = this.#at;
    this.#at = at + NUMBER_BYTES;
    return orderedNumber(uint32At(key, at), uint32At(key, at + 4));
  }

  /** `inverted` is FF for the bytes of a negative bigint. */
  #bigint(inverted: number): bigint {
    const key = this.#key;
    const start = this.#at + 2;
    const length = ((key.charCodeAt(start - 2) ^ inverted) << 8) | (key.charCodeAt(start - 1) ^ inverted);
    this.#at = start + length;
    if (length === 0) return 0n;
    const magnitude = Buffer.from(key.slice(start, this.#at), 'latin1');
    for (let at = 0; at < length; at++) magnitude[at]! ^= inverted;
    return BigInt(`0x${magnitude.toString('hex')}`);
  }

  #bytes(): Uint8Array {
    const key = this.#key;
    const bytes: number[] = [];
    for (let at = this.#at; at < key.length; ) {
      const unit = key.charCodeAt(at++);
      if (unit === TAG.end && key.charCodeAt(at) !== ESCAPE) {
        this.#at = at;
        break;
      }
      if (unit === TAG.end) at++;
      bytes.push(unit);
    }
    return Uint8Array.from(bytes);
  }
}

function uint32At(key: string, at: number): number {
  const high = (key.charCodeAt(at) << 24) | (key.charCodeAt(at + 1) << 16);
  return high | (key.charCodeAt(at + 2) << 8) | key.charCodeAt(at + 3);
}

/** The result of a check that has found bytes that no writer writes. */
const MALFORMED = -1;

/** Returns true if `bytes[start, end)` are a tuple, and exactly what encodeTuple() makes of it. */
export function isTuple(bytes: Uint8Array, start: number, end: number): boolean {
  let depth = 0;
  let at = start;
  while (at < end) {
    const tag = bytes[at++]!;
    if (tag === TAG.end) depth--;
    else if (tag === TAG.array) depth++;
    else at = partEnd(tag, bytes, at, end);
    if (at === MALFORMED || depth < 0 || depth > TUPLE_DEPTH_MAX) return false;
  }
  return depth === 0;
}

/** Returns the end of the part whose tag stands before `at`, or MALFORMED. */
function partEnd(tag: number, bytes: Uint8Array, at: number, end: number): number {
  switch (tag) {
    case TAG.null:
    case TAG.false:
    case TAG.true:
      return at;
    case TAG.number:
      return numberEnd(bytes, at, end);
    case TAG.bigint:
      return bigintEnd(bytes, at, end, 0);
    case TAG.negativeBigint:
      return bigintEnd(bytes, at, end, 0xff);
    case TAG.string:
      return stringEnd(bytes, at, end);
    case TAG.bytes:
      return bytesEnd(bytes, at, end);
    default:
      return MALFORMED;
  }
}

function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + NUMBER_BYTES > end) return MALFORMED;
  const number = orderedNumber(uint32In(bytes, at), uint32In(bytes, at + 4));
  return Number.isNaN(number) || Object.is(number, -0) ? MALFORMED : at + NUMBER_BYTES;
}

function uint32In(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function bigintEnd(bytes: Uint8Array, at: number, end: number, inverted: number): number {
  const start = at + 2;
  if (start > end) return MALFORMED;
  const length = ((bytes[at]! ^ inverted) << 8) | (bytes[at + 1]! ^ inverted);
  if (length === 0) return inverted === 0 ? start : MALFORMED;
  return start + length > end || bytes[start] === inverted ? MALFORMED : start + length;
}

function bytesEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== TAG.end) continue;
    if (at + 1 === end || bytes[at + 1] !== ESCAPE) return at + 1;
    at++;
  }
  return MALFORMED;
}

function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  let isAfterHigh = false;
  for (let at = start; at < end; ) {
    const first = bytes[at++]!;
    if (first === TAG.end && (at === end || bytes[at] !== ESCAPE)) return isAfterHigh ? MALFORMED : at;
    let unit = first;
    if (first === TAG.end) at++;
    else if (first >= 0x80) {
      const length = first < 0xe0 ? 2 : 3;
      unit = unitOf(bytes, at - 1, Math.min(end, at - 1 + length));
      at += length - 1;
    }
    // A low surrogate must follow a high one, and nothing else may.
    if (unit === MALFORMED || isAfterHigh !== ((unit & 0xfc00) === 0xdc00)) return MALFORMED;
    isAfterHigh = (unit & 0xfc00) === 0xd800;
  }
  return MALFORMED;
}

/** Returns the code unit whose two or three bytes in CESU-8 are `bytes[at, end)`, or MALFORMED. */
function unitOf(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0xc2 || first > 0xef || end - at !== (first < 0xe0 ? 2 : 3)) return MALFORMED;
  let unit = first & (first < 0xe0 ? 0x1f : 0x0f);
  for (let next = at + 1; next < end; next++) {
    if ((bytes[next]! & 0xc0) !== 0x80) return MALFORMED;
    unit = (unit << 6) | (bytes[next]! & 0x3f);
  }
  return first === 0xe0 && unit < 0x800 ? MALFORMED : unit;
}
