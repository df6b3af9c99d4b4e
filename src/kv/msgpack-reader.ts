// The reading half of the msgpack profile. Pure. What it returns shares no memory with the bytes.
// Any bytes are answered with a value or with KEELSON_DECODE, and no length is believed that the input cannot hold.

import { KeelsonError } from '../errors.js';
import {
  EXTENSION_BIGINT,
  EXTENSION_BUFFER,
  EXTENSION_DATE,
  EXTENSION_MAP,
  EXTENSION_SET,
  EXTENSION_UNDEFINED,
  FORBIDDEN_KEY,
  VALUE_DEPTH_MAX,
} from './msgpack-extensions.js';
import { asBuffer, readUtf8 } from './utf8.js';

/** The furthest from 1970 that a Date goes, either way. */
const DATE_MS_MAX = 8.64e15;

const UINT32_RANGE = 0x1_0000_0000;

const KEY_CACHE_SLOTS = 256;
const CACHED_KEY_BYTES_MAX = 32;

interface CachedKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Property names seen before, by a hash of their ends and length: objects of one kind have the same names
 * again and again. A hit is compared byte by byte; a newer name takes the slot.
 */
const keyCache: (CachedKey | undefined)[] = new Array(KEY_CACHE_SLOTS).fill(undefined);

/** Where a float's bytes are put together, to be read as a number. */
const floatBytes = new Uint8Array(8);
const floatView = new DataView(floatBytes.buffer);

/** The value of bytes that encodeMsgpack made; KEELSON_DECODE for any others. */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const reader = new MsgpackReader(bytes);
  const value = reader.value(1);
  if (reader.at !== bytes.length)
    throw malformed(`${bytes.length - reader.at} bytes follow the value`, reader.at);
  return value;
}

class MsgpackReader {
  at = 0;
  readonly #bytes: Uint8Array;
  /** Where the input ends, or the payload of the extension that is being read. */
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  value(depth: number): unknown {
    const head = this.#uint8();
    if (head < 0x80) return head;
    if (head < 0x90) return this.#object(head - 0x80, depth);
    if (head < 0xa0) return this.#array(head - 0x90, depth);
    if (head < 0xc0) return this.#string(head - 0xa0);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint8());
      case 0xc5:
        return this.#binary(this.#uint16());
      case 0xc6:
        return this.#binary(this.#uint32());
      case 0xc7:
        return this.#extension(this.#uint8(), depth);
      case 0xc8:
        return this.#extension(this.#uint16(), depth);
      case 0xc9:
        return this.#extension(this.#uint32(), depth);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4), depth);
      case 0xd9:
        return this.#string(this.#uint8());
      case 0xda:
        return this.#string(this.#uint16());
      case 0xdb:
        return this.#string(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16(), depth);
      case 0xdd:
        return this.#array(this.#uint32(), depth);
      case 0xde:
        return this.#object(this.#uint16(), depth);
      case 0xdf:
        return this.#object(this.#uint32(), depth);
      default:
        return this.#number(head);
    }
  }

  #number(head: number): number {
    switch (head) {
      case 0xca:
        return this.#float32();
      case 0xcb:
        return this.#float64();
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#safeInteger(this.#uint32() * UINT32_RANGE + this.#uint32());
      case 0xd0:
        return (this.#uint8() << 24) >> 24;
      case 0xd1:
        return (this.#uint16() << 16) >> 16;
      case 0xd2:
        return this.#uint32() | 0;
      case 0xd3:
        return this.#safeInteger((this.#uint32() | 0) * UINT32_RANGE + this.#uint32());
      default:
        throw malformed(`0x${head.toString(16)} starts no value`, this.at - 1);
    }
  }

  /** The writer never writes a 64-bit integer; one from elsewhere is taken when it is exact. */
  #safeInteger(value: number): number {
    if (!Number.isSafeInteger(value))
      throw malformed('an integer is beyond what a number holds exactly', this.at - 8);
    return value;
  }

  #object(size: number, depth: number): Record<string, unknown> {
    this.#enter(size, 2, depth);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < size; index++) {
      const at = this.at;
      const name = this.#key();
      if (name in object) {
        // Twice the same name, or the name of something every object inherits: that is no plain assignment.
        if (name === FORBIDDEN_KEY || Object.hasOwn(object, name)) {
          throw malformed(`the property name ${JSON.stringify(name)} cannot stand here`, at);
        }
        const value = this.value(depth + 1);
        Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
      } else {
        object[name] = this.value(depth + 1);
      }
    }
    return object;
  }

  #array(size: number, depth: number): unknown[] {
    this.#enter(size, 1, depth);
    const array: unknown[] = [];
    for (let index = 0; index < size; index++) array.push(this.value(depth + 1));
    return array;
  }

  /** Every item takes a byte or more: so a size that the input cannot hold is refused before anything is made. */
  #enter(size: number, itemBytesMin: number, depth: number): void {
    if (depth > VALUE_DEPTH_MAX)
      throw malformed(`it is nested deeper than ${VALUE_DEPTH_MAX} levels`, this.at);
    if (size * itemBytesMin > this.#end - this.at) throw cutOff(this.at);
  }

  #key(): string {
    const head = this.#uint8();
    const length =
      head >= 0xa0 && head < 0xc0
        ? head - 0xa0
        : head === 0xd9
          ? this.#uint8()
          : head === 0xda
            ? this.#uint16()
            : head === 0xdb
              ? this.#uint32()
              : -1;
    if (length < 0) throw malformed('a property name is no string', this.at - 1);
    if (length === 0 || length > CACHED_KEY_BYTES_MAX) return this.#string(length);
    const start = this.#take(length);
    const bytes = this.#bytes;
    const slot = (length * 31 + bytes[start]! * 7 + bytes[start + length - 1]!) % KEY_CACHE_SLOTS;
    const cached = keyCache[slot];
    if (cached !== undefined && holds(cached.bytes, bytes, start, length)) return cached.text;
    const text = readUtf8(bytes, start, start + length);
    keyCache[slot] = { bytes: copyOf(bytes, start, start + length), text };
    return text;
  }

  #string(length: number): string {
    const start = this.#take(length);
    return readUtf8(this.#bytes, start, start + length);
  }

  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return copyOf(this.#bytes, start, start + length);
  }

  #extension(length: number, depth: number): unknown {
    const at = this.at;
    const type = this.#uint8();
    const start = this.#take(length);
    const end = this.at;
    switch (type) {
      case EXTENSION_UNDEFINED:
        if (length !== 0 || depth === 1) throw malformed('an undefined cannot stand here', at);
        return undefined;
      case EXTENSION_BIGINT:
        return readBigint(this.#bytes, start, end);
      case EXTENSION_DATE:
        return this.#date(start, length);
      case EXTENSION_BUFFER: {
        // Memory of its own and not from Node's pool, as the caller may transfer or keep it.
        const buffer = Buffer.allocUnsafeSlow(length);
        buffer.set(this.#bytes.subarray(start, end));
        return buffer;
      }
      case EXTENSION_MAP:
      case EXTENSION_SET:
        return this.#collection(type, start, end, depth);
      default:
        throw malformed(`extension type ${(type << 24) >> 24} is unknown`, at);
    }
  }

  #date(start: number, length: number): Date {
    if (length !== 8) throw malformed('a date has 8 bytes', start);
    this.at = start;
    const milliseconds = this.#float64();
    if (
      !Number.isNaN(milliseconds) &&
      !(Math.abs(milliseconds) <= DATE_MS_MAX && Number.isInteger(milliseconds))
    ) {
      throw malformed('a date is out of range', start);
    }
    return new Date(milliseconds);
  }

  #collection(type: number, start: number, end: number, depth: number): unknown {
    if (depth > VALUE_DEPTH_MAX) throw malformed(`it is nested deeper than ${VALUE_DEPTH_MAX} levels`, start);
    const outerEnd = this.#end;
    this.at = start;
    this.#end = end;
    const collection = type === EXTENSION_MAP ? this.#map(depth) : this.#set(depth);
    this.#end = outerEnd;
    return collection;
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    for (let count = 1; this.at < this.#end; count++) {
      const at = this.at;
      const key = this.value(depth + 1);
      map.set(key, this.value(depth + 1));
      if (map.size !== count) throw malformed('a map has a key twice', at);
    }
    return map;
  }

  #set(depth: number): Set<unknown> {
    const set = new Set<unknown>();
    for (let count = 1; this.at < this.#end; count++) {
      const at = this.at;
      set.add(this.value(depth + 1));
      if (set.size !== count) throw malformed('a set has an item twice', at);
    }
    return set;
  }

  /** Moves past `length` bytes and returns where they start. */
  #take(length: number): number {
    const start = this.at;
    if (length > this.#end - start) throw cutOff(start);
    this.at = start + length;
    return start;
  }

  #uint8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint16(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  #uint32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  #float32(): number {
    floatView.setUint32(0, this.#uint32());
    return floatView.getFloat32(0);
  }

  // Through eight shared bytes: a DataView of the input for every value would cost more than the copy.
  #float64(): number {
    const at = this.#take(8);
    const bytes = this.#bytes;
    for (let index = 0; index < 8; index++) floatBytes[index] = bytes[at + index]!;
    return floatView.getFloat64(0);
  }
}

function readBigint(bytes: Uint8Array, start: number, end: number): bigint {
  const sign = bytes[start];
  const wellFormed = end > start && (end - start === 1 ? sign === 0 : sign! <= 1 && bytes[start + 1] !== 0);
  if (!wellFormed) throw malformed('a bigint is not in its one form', start);
  if (end - start === 1) return 0n;
  const magnitude = BigInt(`0x${asBuffer(bytes).toString('hex', start + 1, end)}`);
  return sign === 1 ? -magnitude : magnitude;
}

function holds(cached: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (cached.length !== length) return false;
  for (let index = 0; index < length; index++) if (cached[index] !== bytes[start + index]) return false;
  return true;
}

/** A plain Uint8Array of its own. Not slice(): a Buffer's is a view of the same memory. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

function cutOff(offset: number): KeelsonError {
  return malformed('it is cut off', offset);
}

function malformed(what: string, offset: number): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A msgpack value does not decode: ${what}`, { offset });
}
