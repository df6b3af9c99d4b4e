// Shapes: lists of property names that many values of a store have in common. A value refers to a shape by its id
// instead of repeating the names. The definition of a shape is its id and its names; the log and the images hold
// definitions. docs/FORMAT.md has the bytes. The idea comes from msgpackr.
//
// Ids are 48 random bits, so two sessions cannot give one id to different names. A checksum of the names would be a bad
// id: whoever chooses the names could make two lists with one checksum.

import { KeelsonError } from '../../errors.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from './leb128.js';
import { readUtf8, writeUtf8 } from './utf8.js';

/** The first byte of a value that refers to a shape. MessagePack never uses it. The id follows, low bytes first. */
export const SHAPED = 0xc1;
const ID_BYTES = 6;
const HIGH_WEIGHT = 2 ** 24;
/** The bytes before the values of a shaped value: SHAPED and the id. */
export const SHAPED_HEADER_BYTES = 1 + ID_BYTES;

/**
 * The most shapes that a store makes, so that their dictionary stays small. Other lists of names are written with every
 * value.
 */
export const SHAPES_MAX = 256;
/** The most names of a shape. */
export const SHAPE_NAMES_MAX = 64;
/** The most bytes of the encoded names of a shape, with their number and their lengths. */
const SHAPE_NAMES_BYTES_MAX = 1024;
/** The most bytes of the definition of a shape: its id and its names. */
export const SHAPE_DEFINITION_BYTES_MAX = ID_BYTES + SHAPE_NAMES_BYTES_MAX;

/** The number of values with one list of names at which the list gets a shape. Such a list will likely come again. */
const SIGHTINGS_MIN = 4;

/** The number of buckets of lists of names. */
const BUCKETS = 256;
/**
 * The most lists of names in a bucket. A full bucket forgets a list without a shape, because a program may use any
 * number of lists.
 */
const BUCKET_SIGHTINGS_MAX = 4;

/** A list of property names with an id. */
export interface Shape {
  readonly id: number;
  /** The first bytes of a value with this shape. */
  readonly header: Uint8Array;
  readonly names: readonly string[];
  /** The names as definitions hold them: their number, then each name behind its length. Without the id. */
  readonly encodedNames: Uint8Array;
  /** The last epoch in which the log holds the definition; see Schema. */
  epoch: number;
  /**
   * Reads the values behind the header and makes an object of them (plain-reader.ts). Null until the first value is
   * read.
   */
  read: (() => unknown) | null;
}

/** A list of property names, and the number of values that had it before it got a shape. */
interface Sighting {
  readonly names: readonly string[];
  count: number;
  /** Null before the list has come often enough. Stays null when #newShape() refuses the list. */
  shape: Shape | null;
}

/**
 * A function that returns random bytes. It comes from the storage, so that a simulated disk decides what it returns.
 */
export type RandomBytes = (length: number) => Uint8Array;

/** The dictionary of the shapes of one store. */
export class Shapes {
  readonly #randomBytes: RandomBytes;
  readonly #byId = new Map<number, Shape>();
  /** The number of shapes that learn() has added. */
  #learned = 0;
  readonly #buckets: Sighting[][] = Array.from({ length: BUCKETS }, () => []);
  #last: Shape | null = null;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
  }

  /**
   * Returns the shape of these names, or null when they have none. Counts a value with names that have no shape yet.
   */
  shapeOf(names: readonly string[]): Shape | null {
    const last = this.#last;
    if (last !== null && isSame(last.names, names)) return last;
    if (names.length === 0 || names.length > SHAPE_NAMES_MAX) return null;
    const sighting = this.#sightingOf(names);
    if (sighting === null) return null;
    if (++sighting.count === SIGHTINGS_MIN) sighting.shape = this.#newShape(names);
    if (sighting.shape !== null) this.#last = sighting.shape;
    return sighting.shape;
  }

  /** All shapes of the dictionary. */
  get all(): Shape[] {
    return [...this.#byId.values()];
  }

  /** Returns the shape with this id. Throws KEELSON_DECODE when there is none. */
  get(id: number): Shape {
    const last = this.#last;
    if (last !== null && last.id === id) return last;
    const shape = this.#byId.get(id);
    if (shape === undefined) throw undecodable(`nothing says what the names of ${nameOf(id)} are`);
    this.#last = shape;
    return shape;
  }

  /**
   * Adds a shape that was read from the disk, even above SHAPES_MAX. Throws KEELSON_DECODE when another shape has the
   * same id and other names.
   */
  enter(shape: Shape): void {
    const known = this.#byId.get(shape.id);
    if (known !== undefined) {
      if (!isSame(known.names, shape.names)) throw undecodable(`${nameOf(shape.id)} has other names, too`);
      return;
    }
    this.#byId.set(shape.id, shape);
    const sighting = this.#sightingOf(shape.names);
    if (sighting !== null) Object.assign(sighting, { count: SIGHTINGS_MIN, shape });
  }

  /**
   * Adds a shape for reading alone: no value is written with it. It does not count as one of SHAPES_MAX. Throws what
   * enter() throws.
   */
  learn(shape: Shape): void {
    if (this.#byId.has(shape.id)) this.enter(shape);
    else {
      this.#byId.set(shape.id, shape);
      this.#learned++;
    }
  }

  /**
   * Makes a shape of these names. Returns null when they can have none, when there are SHAPES_MAX shapes, and when the
   * random id is taken.
   */
  #newShape(names: readonly string[]): Shape | null {
    const shape =
      this.#byId.size - this.#learned < SHAPES_MAX
        ? shapeFrom(readId(this.#randomBytes(ID_BYTES), 0), names)
        : null;
    if (shape === null || this.#byId.has(shape.id)) return null;
    this.#byId.set(shape.id, shape);
    return shape;
  }

  /** Returns the sighting that counts a list of names, or null when its bucket has no place for it. */
  #sightingOf(names: readonly string[]): Sighting | null {
    const bucket = this.#bucketOf(names);
    if (bucket === null) return null;
    for (const sighting of bucket) if (isSame(sighting.names, names)) return sighting;
    const sighting: Sighting = { names, count: 0, shape: null };
    if (bucket.length < BUCKET_SIGHTINGS_MAX) bucket.push(sighting);
    else {
      const at = bucket.findIndex(({ shape }) => shape === null);
      if (at < 0) return null;
      // The new list goes to the end of the bucket, so the list that is forgotten is always the oldest one without a
      // shape.
      bucket.splice(at, 1);
      bucket.push(sighting);
    }
    return sighting;
  }

  /** Returns the bucket of a list of names, or null when the names are too long for a shape. */
  #bucketOf(names: readonly string[]): Sighting[] | null {
    let hash = names.length;
    let units = 0;
    for (const name of names) {
      units += name.length;
      // Most names differ in their length or in their last character.
      hash = (hash * 31 + name.length * 7 + (name.charCodeAt(name.length - 1) | 0)) | 0;
    }
    if (units > SHAPE_NAMES_BYTES_MAX) return null;
    return this.#buckets[(hash ^ (hash >>> 15)) & (BUCKETS - 1)]!;
  }
}

/** Returns the id in a value that starts with SHAPED. Throws KEELSON_DECODE when the value ends inside the id. */
export function shapeIdAt(bytes: Uint8Array, start: number, end: number): number {
  if (start + SHAPED_HEADER_BYTES > end) throw undecodable('it ends inside the id of its shape');
  return readId(bytes, start + 1);
}

function readId(bytes: Uint8Array, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  const high = bytes[at + 3]! | (bytes[at + 4]! << 8) | (bytes[at + 5]! << 16);
  return high * HIGH_WEIGHT + low;
}

function writeId(target: Uint8Array, id: number, at: number): void {
  for (let rest = id, to = at; to < at + ID_BYTES; rest = Math.floor(rest / 0x100), to++) target[to] = rest;
}

/**
 * Writes the definition of a shape at `at`: at most SHAPE_DEFINITION_BYTES_MAX bytes. Returns the position after it.
 */
export function writeShape(target: Uint8Array, { id, encodedNames }: Shape, at: number): number {
  writeId(target, id, at);
  target.set(encodedNames, at + ID_BYTES);
  return at + ID_BYTES + encodedNames.length;
}

/**
 * Reads the definition of a shape at the cursor, before `end`, and moves past it. Throws KEELSON_DECODE when it is
 * malformed.
 */
export function readShape(bytes: Uint8Array, cursor: ReadCursor, end: number): Shape {
  const start = cursor.at;
  if (start + ID_BYTES > end) throw undecodable('the id of a shape is cut off', start);
  const id = readId(bytes, start);
  cursor.at += ID_BYTES;
  const count = readLength(bytes, cursor, end);
  if (count > SHAPE_NAMES_MAX) throw undecodable(`${nameOf(id)} has ${count} names`, start);
  const names = Array.from({ length: count }, () => {
    const length = readLength(bytes, cursor, end);
    cursor.at += length;
    return readUtf8(bytes, cursor.at - length, cursor.at);
  });
  const shape = shapeFrom(id, names);
  if (shape === null) throw undecodable(`the names of ${nameOf(id)} are none of an object`, start);
  return shape;
}

/**
 * Returns a shape of these names, or null. Names have no shape when there are none or too many, when they are too long
 * or not well-formed, and when an object literal would not have exactly these properties. The result depends only on
 * the names, and not on what a program has put on Object.prototype, so the same bytes always decode alike.
 */
function shapeFrom(id: number, names: readonly string[]): Shape | null {
  if (names.length === 0 || names.length > SHAPE_NAMES_MAX || new Set(names).size !== names.length)
    return null;
  if (names.includes('__proto__') || !names.every((name) => name.isWellFormed())) return null;
  const sizes = names.map((name) => Buffer.byteLength(name));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + LEB128_BYTES_MAX + size, LEB128_BYTES_MAX));
  let at = writeLeb128(bytes, names.length, 0);
  for (const [index, name] of names.entries()) {
    at = writeLeb128(bytes, sizes[index]!, at);
    at += writeUtf8(bytes, name, at);
  }
  if (at > SHAPE_NAMES_BYTES_MAX) return null;
  const encodedNames = bytes.slice(0, at);
  const header = new Uint8Array(SHAPED_HEADER_BYTES).fill(SHAPED);
  writeId(header, id, 1);
  return { id, header, names, encodedNames, epoch: 0, read: null };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function nameOf(id: number): string {
  return `shape ${id.toString(16).padStart(2 * ID_BYTES, '0')}`;
}

function undecodable(why: string, offset?: number): KeelsonError {
  const facts = offset === undefined ? {} : { offset };
  return new KeelsonError('KEELSON_DECODE', `A value with a shape does not decode: ${why}`, facts);
}
