// Writes plain values as MessagePack without the library: one pass checks and writes, where check.ts and the library
// take two. Plain values are objects, arrays, strings, numbers, booleans and null that check.ts would leave as they
// are, within PLAIN_BYTES_MAX and DEPTH_MAX; texts may be longer. The writer writes the bytes that the library would write, or the id of a
// shape and the values without names. For any other value the writer gives up, and check.ts and the library decide.
//
// The memory and the position are module state, because an object for each write would be garbage. A Proxy in a value
// can run another write meanwhile. writePlain() notices that and gives up.

import { isIntrinsicPrototype, isPlainElsewhere } from '../realms.js';
import type { Scratch } from '../scratch.js';
import type { Shape, Shapes } from '../shapes.js';
import { writeUtf8 } from '../utf8.js';
import { INHERITED_NAMES, lookupGetter, startsWithBom } from './check.js';

/** The most bytes of a value that the plain writer writes, unless long texts are in it. The library writes larger values. */
const PLAIN_BYTES_MAX = 16 * 1024;
/**
 * The most bytes of a value with long texts. The library would count and write the characters one by one: for a text of
 * 10,000 that takes ten times as long as all else of a put.
 */
const LONG_TEXT_BYTES_MAX = 2 ** 28;
/** The most levels of a value that the plain writer writes. The library writes deeper values. */
const DEPTH_MAX = 16;
/** The most bytes of a number with its type, and of the header of a string, an array or an object. */
const HEADER_BYTES_MAX = 9;
/** The longest ASCII text whose length fits into the byte of its type, in characters. */
const SHORT_TEXT_UNITS_MAX = 31;

const { getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf } = Object;

/**
 * The memory that is written to, a view of it, the position in it, and the first position that must not be written to.
 */
let bytes: Uint8Array = new Uint8Array(0);
let view = new DataView(bytes.buffer);
let at = 0;
let limit = 0;
/** The position that must be below `limit` for a text that did not fit; 0 when every text did. */
let wanted = 0;
/** The number of calls of writePlain(). A call during another call changes this number and all variables above. */
let serial = 0;

/**
 * Appends a plain value to `out`. Returns false, without moving the position of `out`, for a value that is not plain.
 * With `shapes`, an object whose property names have a shape is written without the names.
 */
export function writePlain(value: unknown, shapes: Shapes | null, out: Scratch): boolean {
  const ownSerial = ++serial;
  // Twice the room that a text wanted, so that a value with many long texts is not begun again for each.
  for (let room = PLAIN_BYTES_MAX; room <= LONG_TEXT_BYTES_MAX; room = (wanted - out.at) * 2) {
    out.reserve(room);
    ({ bytes, view, at } = out);
    limit = at + room;
    wanted = 0;
    const isWritten = shapes === null ? writeValue(value, 0) : writeWhole(value, shapes);
    if (serial !== ownSerial) return false;
    if (isWritten) out.at = at;
    if (isWritten || wanted === 0) return isWritten;
  }
  return false;
}

/** Writes a whole value. An object whose names have a shape is written as the id of the shape and the values. */
function writeWhole(value: unknown, shapes: Shapes): boolean {
  if (typeof value !== 'object' || value === null) return writeValue(value, 0);
  const prototype: object | null = getPrototypeOf(value);
  if (prototype !== Object.prototype && !isPlainElsewhere(value, prototype)) return writeValue(value, 0);
  const names = namesOf(value);
  if (names === null) return false;
  const shape = shapes.shapeOf(names);
  return shape === null ? writeProperties(value, names, 0) : writeShaped(value, shape);
}

function writeShaped(value: object, { header, names }: Shape): boolean {
  for (let index = 0; index < header.length; index++) bytes[at++] = header[index]!;
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!;
    if (lookupGetter.call(value, name) !== undefined) return false;
    if (!writeValue((value as { readonly [name: string]: unknown })[name], 1)) return false;
  }
  return true;
}

/**
 * Writes a value. Like all functions below, it returns false for a value that is not plain. The bytes behind `out.at`
 * have no meaning then.
 */
function writeValue(value: unknown, depth: number): boolean {
  if (at + HEADER_BYTES_MAX > limit) return false;
  if (typeof value === 'string') return writeText(value);
  if (typeof value === 'number') return writeNumber(value);
  if (typeof value === 'boolean') bytes[at++] = value ? 0xc3 : 0xc2;
  else if (value === null) bytes[at++] = 0xc0;
  else if (typeof value === 'object') return depth < DEPTH_MAX && writeContainer(value, depth);
  else return false;
  return true;
}

function writeContainer(value: object, depth: number): boolean {
  const prototype: object | null = getPrototypeOf(value);
  if (prototype === Object.prototype) return writeObject(value, depth);
  if (prototype === Array.prototype) return Array.isArray(value) && writeArray(value, depth);
  return writeElsewhere(value, prototype, depth);
}

/** Writes a container of another realm, or an object without a prototype. */
function writeElsewhere(value: object, prototype: object | null, depth: number): boolean {
  if (Array.isArray(value)) return isIntrinsicPrototype('Array', prototype) && writeArray(value, depth);
  return isPlainElsewhere(value, prototype) && writeObject(value, depth);
}

function writeObject(value: object, depth: number): boolean {
  const names = namesOf(value);
  return names !== null && writeProperties(value, names, depth);
}

/** Returns the enumerable names of an object, or null when it has other properties, too. */
function namesOf(value: object): readonly string[] | null {
  const names = Object.keys(value);
  const isAll =
    getOwnPropertyNames(value).length === names.length && getOwnPropertySymbols(value).length === 0;
  return isAll ? names : null;
}

function writeProperties(value: object, names: readonly string[], depth: number): boolean {
  const size = names.length;
  if (!writeSize(size, 0x80, 0xde)) return false;
  for (let index = 0; index < size; index++) {
    const name = names[index]!;
    if (INHERITED_NAMES.has(name) || lookupGetter.call(value, name) !== undefined) return false;
    if (at + HEADER_BYTES_MAX > limit || !writeText(name)) return false;
    if (!writeValue((value as { readonly [name: string]: unknown })[name], depth + 1)) return false;
  }
  return true;
}

function writeArray(value: readonly unknown[], depth: number): boolean {
  const size = value.length;
  // A hole reads as undefined, which is not plain. Without holes, if the numbers are equal, there are no named
  // properties.
  if (Object.values(value).length !== size || getOwnPropertySymbols(value).length > 0) return false;
  if (!writeSize(size, 0x90, 0xdc)) return false;
  for (let index = 0; index < size; index++) if (!writeValue(value[index], depth + 1)) return false;
  return true;
}

function writeSize(size: number, short: number, long: number): boolean {
  if (size < 0x10) bytes[at++] = short | size;
  else if (size < 0x1_0000) write16(long, size);
  else return false;
  return true;
}

function writeText(text: string): boolean {
  const { length } = text;
  if (length > SHORT_TEXT_UNITS_MAX) return writeLongText(text);
  if (at + 1 + length > limit) return false;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return writeLongText(text);
    bytes[at + 1 + index] = unit;
  }
  bytes[at] = 0xa0 | length;
  at += 1 + length;
  return true;
}

/** Writes a text that is long, or not ASCII. */
function writeLongText(text: string): boolean {
  if (startsWithBom(text) || !text.isWellFormed()) return false;
  const size = Buffer.byteLength(text);
  if (at + HEADER_BYTES_MAX + size > limit) {
    wanted = at + HEADER_BYTES_MAX + size;
    return false;
  }
  if (size <= SHORT_TEXT_UNITS_MAX) bytes[at++] = 0xa0 | size;
  else if (size < 0x100) write8(0xd9, size);
  else if (size < 0x1_0000) write16(0xda, size);
  else write32(0xdb, size);
  at += writeUtf8(bytes, text, at);
  return true;
}

function writeNumber(value: number): boolean {
  if (!Number.isSafeInteger(value)) {
    bytes[at] = 0xcb;
    view.setFloat64(at + 1, value);
    at += 9;
    return true;
  }
  if (value > 0) writePositive(value);
  else if (value < 0) writeNegative(value);
  else if (Object.is(value, -0)) return false;
  else bytes[at++] = 0;
  return true;
}

function writePositive(value: number): void {
  if (value < 0x80) bytes[at++] = value;
  else if (value < 0x100) write8(0xcc, value);
  else if (value < 0x1_0000) write16(0xcd, value);
  else if (value < 0x1_0000_0000) write32(0xce, value);
  else write64(0xcf, value);
}

function writeNegative(value: number): void {
  if (value >= -0x20) bytes[at++] = value;
  else if (value >= -0x80) write8(0xd0, value);
  else if (value >= -0x8000) write16(0xd1, value);
  else if (value >= -0x8000_0000) write32(0xd2, value);
  else write64(0xd3, value);
}

function write8(type: number, value: number): void {
  bytes[at] = type;
  bytes[at + 1] = value;
  at += 2;
}

function write16(type: number, value: number): void {
  bytes[at] = type;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
  at += 3;
}

function write32(type: number, value: number): void {
  bytes[at] = type;
  view.setUint32(at + 1, value);
  at += 5;
}

/** Writes a safe integer, negative or not, as two's complement of 64 bits. */
function write64(type: number, value: number): void {
  bytes[at] = type;
  view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 5, value);
  at += 9;
}
