// Reads the plain values that plain-writer.ts writes, without the slower library. For all other bytes the reader gives
// up and the library decides. Only malformed UTF-8 throws at once.
//
// The bytes and the position are module state, because an object for each read would be garbage. Reads are synchronous.
// Only a setter that a program puts on Object.prototype can run another read meanwhile. The outer read then finds no
// more bytes and gives up.

import { SHAPED_HEADER_BYTES, type Shape, type Shapes, shapeIdAt } from '../shapes.js';
import { readUtf8 } from '../utf8.js';

/** The result for bytes that are no plain value. */
export const NOT_PLAIN = Symbol('not plain');

/** The most levels of a value that the plain reader reads. The library reads deeper values. */
const DEPTH_MAX = 16;

/**
 * The number of property names in the cache of names, which is useful because most values of a store have the same
 * names.
 */
const KNOWN_NAMES = 1024;
const knownNames = new Array<string | undefined>(KNOWN_NAMES).fill(undefined);

const floats = new Float64Array(1);
const floatBytes = new Uint8Array(floats.buffer);
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const NOTHING = new Uint8Array(0) as Uint8Array;
/** The bytes that are read, the position in them, and their end. */
let bytes = NOTHING;
let at = 0;
let end = 0;

/**
 * Returns the value in `input[start, inputEnd)`, without sharing its memory, or NOT_PLAIN. Throws KEELSON_DECODE for a
 * text that is not UTF-8.
 */
export function decodePlain(input: Uint8Array, start: number, inputEnd: number): unknown {
  bytes = input;
  at = start;
  end = inputEnd;
  try {
    const value = readValue(0);
    return at === end ? value : NOT_PLAIN;
  } finally {
    // The module must not keep the memory of a store that is closed.
    bytes = NOTHING;
  }
}

/**
 * Returns the value in `input[start, inputEnd)`, which refers to a shape. `decodeItems` decodes the values behind the
 * header if some of them are not plain. Throws KEELSON_DECODE when `shapes` lacks the shape, an Error when there are
 * more or fewer values than names, and what `decodeItems` throws.
 */
export function decodeShaped(
  input: Uint8Array,
  start: number,
  inputEnd: number,
  shapes: Shapes,
  decodeItems: (payload: Uint8Array) => unknown[],
): unknown {
  const shape = shapes.get(shapeIdAt(input, start, inputEnd));
  const value = readPlain(shape, input, start, inputEnd);
  if (value !== NOT_PLAIN) return value;
  const { names } = shape;
  const items = decodeItems(input.subarray(start + SHAPED_HEADER_BYTES, inputEnd));
  if (items.length !== names.length) throw new Error(`${items.length} items for ${names.length} names`);
  return Object.fromEntries(names.map((name, index) => [name, items[index]]));
}

function readPlain(shape: Shape, input: Uint8Array, start: number, inputEnd: number): unknown {
  bytes = input;
  at = start + SHAPED_HEADER_BYTES;
  end = inputEnd;
  try {
    shape.read ??= readerOf(shape);
    const value = shape.read();
    return at === end ? value : NOT_PLAIN;
  } finally {
    bytes = NOTHING;
  }
}

/**
 * Returns a function that reads the values of a shape and makes an object of them. The function is generated, because
 * V8 makes an object literal much faster than it adds properties one by one. The names come from a disk. The code holds
 * them as escaped strings, and no name of a shape has a special meaning in an object literal: `__proto__` is never one.
 */
function readerOf({ names }: Shape): () => unknown {
  const values = names.map((_, index) => `v${index}`);
  const reads = values.map((value) => `const ${value} = read(1); if (${value} === no) return no;`);
  const properties = names.map((name, index) => `${JSON.stringify(name)}: ${values[index]}`);
  try {
    const make = new Function('read', 'no', `return () => { ${reads.join('')} return {${properties}}; }`);
    return make(readValue, NOT_PLAIN);
  } catch (error) {
    // Node.js can be started with --disallow-code-generation-from-strings.
    if (!(error instanceof EvalError)) throw error;
    return () => readNamed(names);
  }
}

function readNamed(names: readonly string[]): unknown {
  const entries: [string, unknown][] = [];
  for (const name of names) {
    const value = readValue(1);
    if (value === NOT_PLAIN) return NOT_PLAIN;
    entries.push([name, value]);
  }
  return Object.fromEntries(entries);
}

function readValue(depth: number): unknown {
  if (at >= end) return NOT_PLAIN;
  const type = bytes[at++]!;
  if (type < 0x80) return type;
  if (type < 0x90) return readObject(type & 0x0f, depth);
  if (type < 0xa0) return readArray(type & 0x0f, depth);
  if (type < 0xc0) return readText(type & 0x1f);
  if (type >= 0xe0) return type - 0x100;
  switch (type) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xcb:
      return readFloat();
    case 0xcc:
      return readUnsigned(1);
    case 0xcd:
      return readUnsigned(2);
    case 0xce:
      return readUnsigned(4);
    case 0xcf:
      return readLarge();
    case 0xd0:
      return readSigned(1);
    case 0xd1:
      return readSigned(2);
    case 0xd2:
      return readSigned(4);
    case 0xd3:
      return readLargeSigned();
    case 0xd9:
      return readText(readLength(1));
    case 0xda:
      return readText(readLength(2));
    case 0xdc:
      return readArray(readLength(2), depth);
    case 0xde:
      return readObject(readLength(2), depth);
    default:
      return NOT_PLAIN;
  }
}

function readObject(size: number, depth: number): unknown {
  if (size > end - at || depth === DEPTH_MAX) return NOT_PLAIN;
  const object: Record<string, unknown> = {};
  for (let index = 0; index < size; index++) {
    const name = readName();
    if (name === NOT_PLAIN || name === '__proto__') return NOT_PLAIN;
    const value = readValue(depth + 1);
    if (value === NOT_PLAIN) return NOT_PLAIN;
    object[name as string] = value;
  }
  return object;
}

function readArray(size: number, depth: number): unknown {
  if (size > end - at || depth === DEPTH_MAX) return NOT_PLAIN;
  const items: unknown[] = [];
  for (let index = 0; index < size; index++) {
    const item = readValue(depth + 1);
    if (item === NOT_PLAIN) return NOT_PLAIN;
    items.push(item);
  }
  return items;
}

function readName(): string | typeof NOT_PLAIN {
  if (at >= end) return NOT_PLAIN;
  const type = bytes[at++]!;
  if (type >= 0xa0 && type < 0xc0) return readShortName(type & 0x1f);
  if (type === 0xd9) return readText(readLength(1));
  return type === 0xda ? readText(readLength(2)) : NOT_PLAIN;
}

function readShortName(size: number): string | typeof NOT_PLAIN {
  if (size === 0 || size > end - at) return readText(size);
  const hash =
    (size + bytes[at]! * 31 + bytes[at + size - 1]! * 7 + bytes[at + (size >> 1)]! * 13) % KNOWN_NAMES;
  const known = knownNames[hash];
  if (known !== undefined && known.length === size && isAt(known)) {
    at += size;
    return known;
  }
  const name = readText(size);
  // The cache has only ASCII names, whose bytes are their code units. Object.keys() returns the string that V8 shares
  // among all properties with this name.
  if (name !== NOT_PLAIN && name.length === size) [knownNames[hash]] = Object.keys({ [name]: 0 });
  return name;
}

function isAt(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

function readText(size: number): string | typeof NOT_PLAIN {
  if (size > end - at) return NOT_PLAIN;
  const start = at;
  at += size;
  return readUtf8(bytes, start, at);
}

/**
 * Reads a length of `size` bytes. Returns Infinity, which is longer than any rest of the bytes, when the length is cut
 * off.
 */
function readLength(size: number): number {
  const length = readUnsigned(size);
  return length === NOT_PLAIN ? Number.POSITIVE_INFINITY : length;
}

function readUnsigned(size: number): number | typeof NOT_PLAIN {
  if (size > end - at) return NOT_PLAIN;
  let value = 0;
  for (let index = 0; index < size; index++) value = value * 0x100 + bytes[at++]!;
  return value;
}

/** Reads an unsigned integer of 64 bits. The writer writes safe integers only; the library decides about others. */
function readLarge(): number | typeof NOT_PLAIN {
  const value = readUnsigned(8);
  return Number.isSafeInteger(value) ? value : NOT_PLAIN;
}

function readSigned(size: number): number | typeof NOT_PLAIN {
  const value = readUnsigned(size);
  if (value === NOT_PLAIN) return NOT_PLAIN;
  const range = 2 ** (8 * size);
  return value < range / 2 ? value : value - range;
}

/** Reads a signed integer of 64 bits as two halves, because a number is not exact above 2^53. */
function readLargeSigned(): number | typeof NOT_PLAIN {
  const high = readSigned(4);
  const low = readUnsigned(4);
  if (high === NOT_PLAIN || low === NOT_PLAIN) return NOT_PLAIN;
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : NOT_PLAIN;
}

function readFloat(): number | typeof NOT_PLAIN {
  if (end - at < 8) return NOT_PLAIN;
  for (let index = 0; index < 8; index++) floatBytes[isLittleEndian ? 7 - index : index] = bytes[at++]!;
  return floats[0]!;
}
