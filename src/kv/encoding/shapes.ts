// Shapes: lists of property names that many values of a store have in common. The log and the images define a shape now
// and then, and a value refers to it by its id instead of repeating the names. docs/FORMAT.md has the bytes. Leaving names
// out is the idea of msgpackr's records; where definitions stand is ours.
//
// Ids are 48 random bits, so two sessions cannot give one id to different names. A checksum of the names would let
// whoever chooses names make two lists with one id.

import { KeelsonError } from '../../errors.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from './leb128.js';
import { readUtf8, writeUtf8 } from './utf8.js';

/** Starts a value that refers to a shape: a byte that MessagePack never uses. The id follows, low bytes first. */
export const SHAPED = 0xc1;
const ID_BYTES = 6;
const HALF = 2 ** 24;
export const SHAPED_HEADER_BYTES = 1 + ID_BYTES;

/** A store makes at most this many shapes, so that their table stays small. Other names are written with every value. */
export const SHAPES_MAX = 256;
export const SHAPE_NAMES_MAX = 64;
const SHAPE_NAMES_BYTES_MAX = 1024;
/** The most bytes of an id and its names. */
export const SHAPE_DEFINITION_BYTES_MAX = ID_BYTES + SHAPE_NAMES_BYTES_MAX;

/** Names get a shape when they have been seen in this many values: then they are likely to come again. */
const SIGHTINGS_MIN = 4;

/** Sightings are kept in this many buckets. A full bucket forgets names without a shape: there may be no end of names. */
const BUCKETS = 256;
const BUCKET_SIGHTINGS_MAX = 4;

export interface Shape {
  readonly id: number;
  /** The first bytes of a value with this shape. */
  readonly header: Uint8Array;
  readonly names: readonly string[];
  /** The names as the log and images write them. */
  readonly definition: Uint8Array;
  /** The last epoch of the log that defines this shape; see Schema. */
  epoch: number;
  /** Reads the values and makes the object; null until the first value is read. */
  read: (() => unknown) | null;
}

/** Property names, and how many values have had them. */
interface Sighting {
  readonly names: readonly string[];
  count: number;
  /** Null before enough sightings, and for ever where these names can have no shape. */
  shape: Shape | null;
}

/** Returns random bytes. They come from the storage, so that a simulated disk decides them. */
export type RandomBytes = (length: number) => Uint8Array;

/** The dictionary of the shapes of one store. */
export class Shapes {
  readonly #randomBytes: RandomBytes;
  readonly #byId = new Map<number, Shape>();
  readonly #buckets: Sighting[][] = Array.from({ length: BUCKETS }, () => []);
  #last: Shape | null = null;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
  }

  /** Counts a value with these names, and returns their shape; null while they have none. */
  shapeOf(names: readonly string[]): Shape | null {
    const last = this.#last;
    if (last !== null && isSame(last.names, names)) return last;
    if (names.length === 0 || names.length > SHAPE_NAMES_MAX) return null;
    const sighting = this.#sightingOf(names);
    if (sighting === null) return null;
    if (++sighting.count === SIGHTINGS_MIN) sighting.shape = this.#give(names);
    if (sighting.shape !== null) this.#last = sighting.shape;
    return sighting.shape;
  }

  /** Returns the shape of an id. Throws KEELSON_DECODE when nothing has defined it. */
  get(id: number): Shape {
    const last = this.#last;
    if (last !== null && last.id === id) return last;
    const shape = this.#byId.get(id);
    if (shape === undefined) throw undecodable(`nothing says what the names of ${nameOf(id)} are`);
    this.#last = shape;
    return shape;
  }

  /**
   * Adds a shape that was read from the disk, however many there are. Throws KEELSON_DECODE when its id stands for other
   * names already.
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

  #give(names: readonly string[]): Shape | null {
    const shape =
      this.#byId.size < SHAPES_MAX ? shapeFrom(readId(this.#randomBytes(ID_BYTES), 0), names) : null;
    if (shape === null || this.#byId.has(shape.id)) return null;
    this.#byId.set(shape.id, shape);
    return shape;
  }

  /** Returns where names are counted; null when there is no place for them. */
  #sightingOf(names: readonly string[]): Sighting | null {
    const bucket = this.#bucketOf(names);
    if (bucket === null) return null;
    for (const sighting of bucket) if (isSame(sighting.names, names)) return sighting;
    const sighting: Sighting = { names, count: 0, shape: null };
    if (bucket.length < BUCKET_SIGHTINGS_MAX) bucket.push(sighting);
    else {
      const at = bucket.findIndex(({ shape }) => shape === null);
      if (at < 0) return null;
      // At the end of the bucket, so that the next names take the place of other ones.
      bucket.splice(at, 1);
      bucket.push(sighting);
    }
    return sighting;
  }

  /** Returns null for names that are too long to have a shape. */
  #bucketOf(names: readonly string[]): Sighting[] | null {
    let hash = names.length;
    let units = 0;
    for (const name of names) {
      units += name.length;
      // Names differ mostly in their length or their end.
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
  return high * HALF + low;
}

function writeId(target: Uint8Array, id: number, at: number): void {
  for (let rest = id, to = at; to < at + ID_BYTES; rest = Math.floor(rest / 0x100), to++) target[to] = rest;
}

/** Writes a definition, at most SHAPE_DEFINITION_BYTES_MAX bytes, at `at`. Returns the position after it. */
export function writeShape(target: Uint8Array, { id, definition }: Shape, at: number): number {
  writeId(target, id, at);
  target.set(definition, at + ID_BYTES);
  return at + ID_BYTES + definition.length;
}

/** Reads a definition at the cursor, before `end`, and moves past it. Throws KEELSON_DECODE when it is malformed. */
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
 * Returns a shape; null where an object literal with these names would be another object, or the names are too many or too
 * long. Depends on the names alone, not on what Object.prototype has at the moment: the same bytes always read alike.
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
  const definition = bytes.slice(0, at);
  const header = new Uint8Array(SHAPED_HEADER_BYTES).fill(SHAPED);
  writeId(header, id, 1);
  return { id, header, names, definition, epoch: 0, read: null };
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
