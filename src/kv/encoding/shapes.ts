// Shapes: names of properties that many values of a store have in common. They are written now and then, and each such
// value has what stands for all of them in the place of each. docs/FORMAT.md has the bytes. The idea of leaving the
// names out is that of msgpackr's records; where they are kept is ours.
//
// A shape's id is drawn by lot, of 48 bits. So two lives, of which none knows what the other has given out, do not mean
// different names by one id, and nobody who chooses names can make them: a checksum of the names would let him. A definition
// stands in the log before the first value that needs it, anew in every epoch, and in every block of an image that has such
// values: what is behind an image, and each block of one, can be read by itself.

import { KeelsonError } from '../../errors.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from './leb128.js';
import { readUtf8, writeUtf8 } from './utf8.js';

/** The byte that MessagePack never uses starts a value that has a shape; its id follows, low bytes first. */
export const SHAPED = 0xc1;
const ID_BYTES = 6;
const HALF = 2 ** 24;
export const SHAPED_HEADER_BYTES = 1 + ID_BYTES;

/** A store gives out no more, so that a table of them is small. Further names are written with every value. */
export const SHAPES_MAX = 256;
export const SHAPE_NAMES_MAX = 64;
const SHAPE_NAMES_BYTES_MAX = 1024;
/** An id and its names. */
export const SHAPE_DEFINITION_BYTES_MAX = ID_BYTES + SHAPE_NAMES_BYTES_MAX;

/** Names that so many values had are likely to come again. */
const SIGHTINGS_MIN = 4;

/** Names that have not been seen as often are forgotten for others: there may be no end of them. */
const BUCKETS = 256;
const BUCKET_SIGHTINGS_MAX = 4;

export interface Shape {
  readonly id: number;
  /** What a value starts with. */
  readonly header: Uint8Array;
  readonly names: readonly string[];
  /** The names as they are written. */
  readonly definition: Uint8Array;
  /** The last epoch in whose log it is defined. */
  epoch: number;
  /** Reads the values of an object and makes it; null until somebody has to read one. */
  read: (() => unknown) | null;
}

/** Names that values had. */
interface Sighting {
  readonly names: readonly string[];
  count: number;
  /** Null before there have been enough, and for good where there can be none. */
  shape: Shape | null;
}

/** Chance, from the floor below: of a disk that is simulated, so is this. */
export type RandomBytes = (length: number) => Uint8Array;

/** The shapes of one store. */
export class Shapes {
  readonly #randomBytes: RandomBytes;
  readonly #byId = new Map<number, Shape>();
  readonly #buckets: Sighting[][] = Array.from({ length: BUCKETS }, () => []);
  #last: Shape | null = null;
  #epoch = 1;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
  }

  /** The shape of a value with these names, if they have one by now. */
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

  /** The log says what it is, in this epoch. */
  isRecorded(shape: Shape): boolean {
    return shape.epoch === this.#epoch;
  }

  recorded(shape: Shape): void {
    shape.epoch = this.#epoch;
  }

  /** From here on the log has to say everything anew: what is before may not be read any more. */
  startEpoch(): void {
    this.#epoch++;
  }

  /** KEELSON_DECODE when there is none. */
  get(id: number): Shape {
    const last = this.#last;
    if (last !== null && last.id === id) return last;
    const shape = this.#byId.get(id);
    if (shape === undefined) throw undecodable(`nothing says what the names of ${nameOf(id)} are`);
    this.#last = shape;
    return shape;
  }

  /** KEELSON_DECODE when the value `bytes[start, end)` has a shape that is not known. */
  assertKnown(bytes: Uint8Array, start: number, end: number): void {
    if (start < end && bytes[start] === SHAPED) this.get(shapeIdAt(bytes, start, end));
  }

  /**
   * Reads the definitions `bytes[start, end)`, and returns the ids. KEELSON_DECODE when they are not what encodeShapes()
   * writes.
   */
  define(bytes: Uint8Array, start: number, end: number): number[] {
    const cursor: ReadCursor = { at: start };
    const shapes = Array.from({ length: readLength(bytes, cursor, end) }, () =>
      readShape(bytes, cursor, end),
    );
    if (cursor.at !== end) throw undecodable('bytes follow the definitions');
    for (const shape of shapes) this.enter(shape);
    return shapes.map(({ id }) => id);
  }

  /** What has been written can be read, however many there are. KEELSON_DECODE when the id stands for other names. */
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

  /** Null when there is no place to count them. */
  #sightingOf(names: readonly string[]): Sighting | null {
    const bucket = this.#bucketOf(names);
    if (bucket === null) return null;
    for (const sighting of bucket) if (isSame(sighting.names, names)) return sighting;
    const sighting: Sighting = { names, count: 0, shape: null };
    if (bucket.length < BUCKET_SIGHTINGS_MAX) bucket.push(sighting);
    else {
      const at = bucket.findIndex(({ shape }) => shape === null);
      if (at < 0) return null;
      // Behind the others: whoever comes next takes the place of another one.
      bucket.splice(at, 1);
      bucket.push(sighting);
    }
    return sighting;
  }

  /** Null for names that are too long, of which none are kept. */
  #bucketOf(names: readonly string[]): Sighting[] | null {
    let hash = names.length;
    let units = 0;
    for (const name of names) {
      units += name.length;
      // What names differ in is mostly their length or their end.
      hash = (hash * 31 + name.length * 7 + (name.charCodeAt(name.length - 1) | 0)) | 0;
    }
    if (units > SHAPE_NAMES_BYTES_MAX) return null;
    return this.#buckets[(hash ^ (hash >>> 15)) & (BUCKETS - 1)]!;
  }
}

/** Of a store whose values are encoded so; null where values are bytes that say nothing of names. */
export function shapesFor(valueEncodingName: string, randomBytes: RandomBytes): Shapes | null {
  return valueEncodingName === 'msgpack' ? new Shapes(randomBytes) : null;
}

/** Of a record of a store whose values may have none: then it is not one of ours. */
export function enterShape(shapes: Shapes | null, shape: Shape): void {
  if (shapes === null) throw undecodable('values of this encoding have none');
  shapes.enter(shape);
}

/** The id in a value that starts as one with a shape. KEELSON_DECODE when it ends before. */
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

/** Their number, and each of them. */
export function encodeShapes(shapes: readonly Shape[]): Uint8Array {
  const bytes = new Uint8Array(LEB128_BYTES_MAX + shapes.length * SHAPE_DEFINITION_BYTES_MAX);
  let at = writeLeb128(bytes, shapes.length, 0);
  for (const shape of shapes) at = writeShape(bytes, shape, at);
  return bytes.subarray(0, at);
}

/** Writes a definition, of at most SHAPE_DEFINITION_BYTES_MAX, at `at` and returns the position after it. */
export function writeShape(target: Uint8Array, { id, definition }: Shape, at: number): number {
  writeId(target, id, at);
  target.set(definition, at + ID_BYTES);
  return at + ID_BYTES + definition.length;
}

/** Reads a definition at the cursor, before `end`, and moves past it. */
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
 * Null where an object literal with these names would be another object, or they are too many or too long. Says the same
 * wherever it is asked: not what Object.prototype has at the moment, but what is written decides.
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
