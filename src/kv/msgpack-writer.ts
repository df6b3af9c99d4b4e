// The writing half of the msgpack profile: one walk that checks and encodes. Pure.
//
// A place that cannot be encoded throws an Unencodable, to which every level on the way out adds its step. So the
// path in the TypeError costs nothing as long as nothing is wrong.

import { types } from 'node:util';
import { KeelsonError, misuse } from '../errors.js';
import {
  EXTENSION_BIGINT,
  EXTENSION_BUFFER,
  EXTENSION_DATE,
  EXTENSION_MAP,
  EXTENSION_SET,
  EXTENSION_UNDEFINED,
  FORBIDDEN_KEY,
  VALUE_BYTES_MAX,
  VALUE_DEPTH_MAX,
} from './msgpack-extensions.js';
import {
  hole,
  irregularArray,
  propertyStep,
  refuseExtras,
  refuseSymbolKeys,
  stepOut,
  Unencodable,
} from './msgpack-refusal.js';
import { writeUtf8 } from './utf8.js';

const SCRATCH_BYTES_INITIAL = 16 * 1024;
/** A scratch buffer that a giant value has grown past this is let go at the next value. */
const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/** The longest header: a type byte, a four-byte length, an extension type. */
const HEADER_BYTES_MAX = 6;
const FIXSTR_BYTES_MAX = 31;

const SUPPORTED =
  'null, a boolean, number, string, bigint, Date, Uint8Array, Array, Map, Set or plain object';

const { getOwnPropertyDescriptor, getOwnPropertyNames, getPrototypeOf } = Object;
const realDatePrototype = Date.prototype;

/** Encodes one value at a time into a buffer that is used again for the next. */
export class MsgpackWriter {
  #bytes = new Uint8Array(SCRATCH_BYTES_INITIAL);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #busy = false;

  /** True while encode() runs: then it must not be called. */
  get busy(): boolean {
    return this.#busy;
  }

  /** The bytes of the value, a view that the next call overwrites. */
  encode(value: unknown, argument: string): Uint8Array {
    if (value === undefined) throw misuse(argument, SUPPORTED, value);
    if (this.#bytes.length > SCRATCH_BYTES_KEPT_MAX) this.#replaceScratch(SCRATCH_BYTES_INITIAL);
    this.#at = 0;
    this.#busy = true;
    try {
      this.#value(value, 1);
      return this.#bytes.subarray(0, this.#at);
    } catch (error) {
      throw error instanceof Unencodable ? error.toTypeError(argument) : error;
    } finally {
      this.#busy = false;
    }
  }

  #value(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#string(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (value === null) this.#byte(0xc0);
    else if (typeof value === 'object') this.#object(value, depth);
    else if (value === undefined) this.#extensionHeader(EXTENSION_UNDEFINED, 0);
    else if (typeof value === 'bigint') this.#bigint(value);
    else throw new Unencodable(SUPPORTED, value);
  }

  #object(value: object, depth: number): void {
    if (depth > VALUE_DEPTH_MAX) {
      throw new Unencodable(`at most ${VALUE_DEPTH_MAX} levels of nesting, and no cycle`, value);
    }
    // The exact prototype, for an instance of a subclass would come back as one of the class above it; and the real
    // type, for anyone can give an object a prototype.
    const prototype: unknown = getPrototypeOf(value);
    if (prototype === Object.prototype) this.#plainObject(value, depth);
    else if (prototype === Array.prototype && Array.isArray(value)) this.#array(value, depth);
    else if (prototype === Uint8Array.prototype && types.isUint8Array(value)) this.#binary(value);
    else if (prototype === Buffer.prototype && types.isUint8Array(value)) this.#buffer(value);
    else if (isDatePrototype(prototype) && types.isDate(value)) this.#date(value);
    else if (prototype === Map.prototype && types.isMap(value)) this.#map(value, depth);
    else if (prototype === Set.prototype && types.isSet(value)) this.#set(value, depth);
    else if (prototype === null) throw new Unencodable('an object with the prototype of {}', value);
    else throw new Unencodable(SUPPORTED, value);
  }

  #plainObject(value: object, depth: number): void {
    const names = getOwnPropertyNames(value);
    refuseSymbolKeys(value);
    const size = names.length;
    this.#containerHeader(0x80, 0xde, size);
    let index = 0;
    try {
      for (; index < size; index++) {
        const name = names[index]!;
        // The descriptor and not value[name]: a getter must not run, and what is not enumerable would be lost.
        const property = getOwnPropertyDescriptor(value, name);
        if (property === undefined || property.get !== undefined || property.set !== undefined) {
          throw new Unencodable(
            'a plain property, without getter and setter',
            property?.get ?? property?.set,
          );
        }
        if (!property.enumerable) throw new Unencodable('an enumerable property', property.value);
        if (name === FORBIDDEN_KEY)
          throw new Unencodable(`no property named ${FORBIDDEN_KEY}`, property.value);
        this.#string(name);
        this.#value(property.value, depth + 1);
      }
    } catch (error) {
      throw stepOut(error, () => propertyStep(names[index]!));
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const size = value.length;
    // Values, for listing the names of a thousand indices costs more than encoding what is there. With the
    // check for holes below, an equal number leaves room for no named property.
    if (Object.values(value).length !== size) throw irregularArray(value);
    refuseSymbolKeys(value);
    this.#containerHeader(0x90, 0xdc, size);
    let index = 0;
    try {
      for (; index < size; index++) {
        const item = value[index];
        if (item === undefined && !Object.hasOwn(value, index)) throw hole();
        this.#value(item, depth + 1);
      }
    } catch (error) {
      throw stepOut(error, () => `[${index}]`);
    }
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    refuseExtras(value);
    const start = this.#openExtension();
    let index = 0;
    let place = 'key';
    try {
      for (const [key, item] of value) {
        place = 'key';
        this.#value(key, depth + 1);
        place = 'value';
        this.#value(item, depth + 1);
        index++;
      }
    } catch (error) {
      throw stepOut(error, () => `(${place} of map entry ${index})`);
    }
    this.#closeExtension(EXTENSION_MAP, start);
  }

  #set(value: ReadonlySet<unknown>, depth: number): void {
    refuseExtras(value);
    const start = this.#openExtension();
    let index = 0;
    try {
      for (const item of value) {
        this.#value(item, depth + 1);
        index++;
      }
    } catch (error) {
      throw stepOut(error, () => `(set item ${index})`);
    }
    this.#closeExtension(EXTENSION_SET, start);
  }

  #number(value: number): void {
    this.#reserve(9);
    const bytes = this.#bytes;
    // An integer within 32 bits, but not -0: its sign lives in the float only.
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0) {
        if (value < 0x80) bytes[this.#at++] = value;
        else if (value < 0x100) this.#int8(0xcc, value);
        else if (value < 0x1_0000) this.#int16(0xcd, value);
        else this.#int32(0xce, value);
      } else if (value >= -0x20) bytes[this.#at++] = value;
      else if (value >= -0x80) this.#int8(0xd0, value);
      else if (value >= -0x8000) this.#int16(0xd1, value);
      else this.#int32(0xd2, value);
    } else if (value > 0 && value >>> 0 === value) {
      this.#int32(0xce, value);
    } else {
      // A larger integer too: a float 64 is as long as an int 64, and as exact as the number was.
      bytes[this.#at] = 0xcb;
      this.#view.setFloat64(this.#at + 1, value);
      this.#at += 9;
    }
  }

  #int8(head: number, value: number): void {
    this.#bytes[this.#at++] = head;
    this.#bytes[this.#at++] = value;
  }

  #int16(head: number, value: number): void {
    this.#bytes[this.#at++] = head;
    this.#bytes[this.#at++] = value >> 8;
    this.#bytes[this.#at++] = value;
  }

  #int32(head: number, value: number): void {
    this.#bytes[this.#at] = head;
    this.#view.setInt32(this.#at + 1, value);
    this.#at += 5;
  }

  #string(text: string): void {
    const length = text.length;
    if (length <= FIXSTR_BYTES_MAX) {
      // Most strings are short ASCII: then the length in bytes is known without a count, and they are well-formed.
      this.#reserve(1 + FIXSTR_BYTES_MAX);
      const bytes = this.#bytes;
      const start = this.#at + 1;
      let index = 0;
      for (; index < length; index++) {
        const unit = text.charCodeAt(index);
        if (unit >= 0x80) break;
        bytes[start + index] = unit;
      }
      if (index === length) {
        bytes[start - 1] = 0xa0 | length;
        this.#at = start + length;
        return;
      }
    }
    if (!text.isWellFormed()) throw new Unencodable('a string without lone surrogates', text);
    const lengthBytes = Buffer.byteLength(text);
    this.#reserve(HEADER_BYTES_MAX + lengthBytes);
    this.#lengthHeader(FIXSTR_BYTES_MAX, 0xa0, 0xd9, lengthBytes);
    this.#at += writeUtf8(this.#bytes, text, this.#at);
  }

  #binary(value: Uint8Array): void {
    this.#reserve(HEADER_BYTES_MAX + value.length);
    this.#lengthHeader(-1, 0, 0xc4, value.length);
    this.#raw(value);
  }

  #buffer(value: Uint8Array): void {
    this.#extensionHeader(EXTENSION_BUFFER, value.length);
    this.#raw(value);
  }

  #date(value: Date): void {
    // Dates of fake timers have properties of their own, which are no one's data.
    if (getPrototypeOf(value) === realDatePrototype) refuseExtras(value);
    this.#extensionHeader(EXTENSION_DATE, 8);
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value.getTime());
    this.#at += 8;
  }

  #bigint(value: bigint): void {
    const negative = value < 0n;
    const digits = value === 0n ? '' : (negative ? -value : value).toString(16);
    const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
    this.#extensionHeader(EXTENSION_BIGINT, 1 + magnitude.length);
    this.#byte(negative ? 1 : 0);
    this.#raw(magnitude);
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The header of an array or map: up to 15 within the type byte, else 16 or 32 bits. */
  #containerHeader(fixed: number, head16: number, size: number): void {
    this.#reserve(HEADER_BYTES_MAX);
    if (size < 16) this.#bytes[this.#at++] = fixed | size;
    else if (size < 0x1_0000) this.#int16(head16, size);
    else this.#int32(head16 + 1, size);
  }

  /** The header of a str, bin or ext, whose heads for 8, 16 and 32 bits follow each other. The caller has reserved. */
  #lengthHeader(fixedMax: number, fixed: number, head8: number, length: number): void {
    if (length <= fixedMax) this.#bytes[this.#at++] = fixed | length;
    else if (length < 0x100) this.#int8(head8, length);
    else if (length < 0x1_0000) this.#int16(head8 + 1, length);
    else this.#int32(head8 + 2, length);
  }

  #extensionHeader(type: number, length: number): void {
    this.#reserve(HEADER_BYTES_MAX);
    this.#lengthHeader(-1, 0, 0xc7, length);
    this.#bytes[this.#at++] = type;
  }

  /** Leaves room for a header with a 32-bit length, which is known once the payload is written. */
  #openExtension(): number {
    this.#reserve(HEADER_BYTES_MAX);
    this.#at += HEADER_BYTES_MAX;
    return this.#at;
  }

  #closeExtension(type: number, start: number): void {
    const header = start - HEADER_BYTES_MAX;
    this.#bytes[header] = 0xc9;
    this.#view.setUint32(header + 1, this.#at - start);
    this.#bytes[header + 5] = type;
  }

  #reserve(lengthBytes: number): void {
    const needed = this.#at + lengthBytes;
    if (needed <= this.#bytes.length) return;
    if (needed > VALUE_BYTES_MAX) {
      throw new KeelsonError(
        'KEELSON_RECORD_TOO_LARGE',
        `A value takes more than ${VALUE_BYTES_MAX} bytes, and no record holds as much`,
      );
    }
    const written = this.#bytes.subarray(0, this.#at);
    this.#replaceScratch(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.set(written);
  }

  #replaceScratch(lengthBytes: number): void {
    this.#bytes = new Uint8Array(lengthBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

/** Fake timers put a Date of their own in the place of the real one: while they do, either is a plain Date. */
function isDatePrototype(prototype: unknown): boolean {
  return prototype === realDatePrototype || prototype === Date.prototype;
}
