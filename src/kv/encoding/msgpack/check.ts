// The check of a value before the library encodes it: refuses parts that would not come back exactly, and replaces
// parts that MessagePack or the library lacks by extensions.
//
// The object that walks over a value is reused, and rests in module state. A Proxy in a value can start the check of
// another value during a walk. That check makes a walk of its own.

import { types } from 'node:util';
import { ExtData } from '@msgpack/msgpack';
import { type ArgumentName, KeelsonError, misuse, WELL_FORMED } from '../../../errors.js';
import { type IntrinsicName, isIntrinsicPrototype, isPlainElsewhere } from '../realms.js';
import { EXTENSION, encodeItems, VALUE_DEPTH_MAX } from './extensions.js';

/** The most bytes of a value. Encoding gives up above this, because no record is that long. */
export const VALUE_BYTES_MAX = 2 ** 28;

/** The longest path of a value in an error message. A longer path is cut. */
const PATH_CHARACTERS_MAX = 200;

const SUPPORTED =
  'null, a boolean, number, string, bigint, Date, Uint8Array, Array, Map, Set or plain object';

const SPREAD = 'Store { ...it }, which reads the getters';
const FLATTEN = 'Store the inner parts under keys of their own';
const BREAK = 'Store a key or an id in its place';

const UNDEFINED = new ExtData(EXTENSION.undefined, new Uint8Array());
const NEGATIVE_ZERO = new ExtData(EXTENSION.negativeZero, new Uint8Array());

/**
 * The property names that the library may not bring back. The library assigns properties, which fails for the names of
 * properties of a frozen Object.prototype. The library also refuses `__proto__`, even if Node.js was started without
 * that property.
 */
export const INHERITED_NAMES: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  '__proto__',
]);

const { getOwnPropertyDescriptor, getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf } = Object;
/**
 * Object.prototype.__lookupGetter__. If a program has removed it, every property counts as one that may have a getter.
 */
export const { __lookupGetter__: lookupGetter = () => true } = Object.prototype as unknown as {
  __lookupGetter__?(this: object, name: string): unknown;
};
const realDatePrototype = Date.prototype;

/** The walk at rest, or null while it is in use. */
let resting: PreparingWalk | null = null;

/**
 * Returns a value in the form that the library encodes: the value itself if no part of it needs an extension. Throws a
 * TypeError that names the place of the refused part, starting with `argument`, and KEELSON_RECORD_TOO_LARGE.
 */
export function prepareForMsgpack(value: unknown, argument: ArgumentName): unknown {
  const walk = resting ?? new PreparingWalk();
  resting = null;
  const prepared = walk.start(value, argument);
  // A walk that has thrown is not reused, because it still holds parts of the value.
  resting = walk;
  return prepared;
}

class PreparingWalk {
  #argument: ArgumentName = '';
  /** The containers around the current place, outermost first, and the name or index of the place in each. */
  readonly #containers: (object | null)[] = [];
  readonly #places: (string | number)[] = [];
  /** The parts so far take at least this many bytes. */
  #bytesMin = 0;

  start(value: unknown, argument: ArgumentName): unknown {
    this.#argument = argument;
    this.#bytesMin = 0;
    return this.prepare(value, 0);
  }

  prepare(value: unknown, depth: number): unknown {
    // Bytes are counted during the walk, because a small value that refers to one part many times can take almost
    // endless bytes.
    this.#count(1);
    switch (typeof value) {
      case 'string':
        return this.#string(value, depth);
      case 'number':
        return Object.is(value, -0) ? NEGATIVE_ZERO : value;
      case 'boolean':
        return value;
      case 'object':
        return value === null ? value : this.#container(value, depth);
      case 'bigint':
        return this.#extension(EXTENSION.bigint, bigintPayload(value));
      default:
        if (value === undefined && depth > 0) return UNDEFINED;
        return this.#refuse(depth, SUPPORTED, value, insteadOf(value));
    }
  }

  #string(text: string, depth: number): unknown {
    if (!text.isWellFormed()) this.#refuse(depth, 'a string without lone surrogates', text, WELL_FORMED);
    this.#count(text.length);
    return startsWithBom(text) ? new ExtData(EXTENSION.markedString, Buffer.from(text)) : text;
  }

  #container(value: object, depth: number): unknown {
    if (depth === VALUE_DEPTH_MAX) this.#refuseDepth(value);
    this.#containers[depth] = value;
    const prepared = this.#object(value, depth);
    this.#containers[depth] = null;
    return prepared;
  }

  #object(value: object, depth: number): unknown {
    // Both the prototype and the real type decide. An instance of a subclass would come back as an instance of its base
    // class, and a program can give any object any prototype.
    const prototype: object | null = getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#plainObject(value, depth);
    if (Array.isArray(value) && isPrototype('Array', prototype)) return this.#array(value, depth);
    if (types.isUint8Array(value)) {
      if (isPrototype('Uint8Array', prototype)) return this.#binary(value);
      if (prototype === Buffer.prototype) return this.#extension(EXTENSION.buffer, value);
    }
    if (types.isMap(value) && isPrototype('Map', prototype)) {
      return this.#collection(EXTENSION.map, value, [...value].flat(), depth);
    }
    if (types.isSet(value) && isPrototype('Set', prototype)) {
      return this.#collection(EXTENSION.set, value, [...value], depth);
    }
    // Fake timers replace globalThis.Date. Meanwhile, their dates and real dates are both plain dates.
    if (types.isDate(value) && (prototype === realDatePrototype || isPrototype('Date', prototype))) {
      return this.#date(value, depth);
    }
    if (isPlainElsewhere(value, prototype)) return this.#plainObject(value, depth);
    return this.#refuse(depth, SUPPORTED, value, insteadOf(value));
  }

  #plainObject(value: object, depth: number): unknown {
    const names = getOwnPropertyNames(value);
    this.#refuseSymbolKeys(value, depth);
    const isAllEnumerable = Object.keys(value).length === names.length;
    let copy: Record<string, unknown> | undefined;
    let isPlain = true;
    for (const name of names) {
      this.#places[depth] = name;
      const given = this.#property(value, name, isAllEnumerable, depth + 1);
      this.#string(name, depth + 1);
      const prepared = this.prepare(given, depth + 1);
      if (!Object.is(prepared, given)) {
        copy ??= { ...value };
        copy[name] = prepared;
      }
      isPlain &&= !startsWithBom(name) && !INHERITED_NAMES.has(name);
    }
    const object = copy ?? value;
    if (isPlain) return object;
    const items = Object.entries(object).flatMap(([name, prepared]) => [this.#string(name, depth), prepared]);
    return new ExtData(EXTENSION.object, encodeItems(items));
  }

  /**
   * Returns the value of a property. Refuses accessors, because a getter must not run, and properties that are not
   * enumerable, because they would be lost. Descriptors are garbage, so none is made for a property without a getter
   * whose value is not undefined. A property with only a setter has the value undefined.
   */
  #property(object: object, name: string, isEnumerable: boolean, depth: number): unknown {
    if (isEnumerable && name !== '__proto__' && lookupGetter.call(object, name) === undefined) {
      const value = (object as { readonly [name: string]: unknown })[name];
      if (value !== undefined) return value;
    }
    const { value, get, set, enumerable } = getOwnPropertyDescriptor(object, name) ?? {};
    if (get !== undefined || set !== undefined) {
      this.#refuse(depth, 'a plain property, without getter and setter', get ?? set, SPREAD);
    }
    if (!enumerable) this.#refuse(depth, 'an enumerable property', value);
    // Object literals and assignments would set the prototype, and the library refuses the name.
    if (name === '__proto__') this.#refuse(depth, `no property named ${name}`, value);
    return value;
  }

  #array(value: readonly unknown[], depth: number): unknown {
    const items = this.#items(value, depth);
    // Object.values() is faster than Object.keys(), which lists the indices as strings. The array has no holes, so if
    // the numbers are equal, there are no named properties.
    if (Object.values(value).length !== value.length) {
      this.#refuse(depth, 'an array without named properties', value);
    }
    this.#refuseSymbolKeys(value, depth);
    return items;
  }

  #collection(type: number, value: object, items: readonly unknown[], depth: number): ExtData {
    this.#refuseExtras(value, depth);
    return new ExtData(type, encodeItems(this.#items(items, depth)));
  }

  #items(items: readonly unknown[], depth: number): readonly unknown[] {
    let copy: unknown[] | undefined;
    for (let index = 0; index < items.length; index++) {
      this.#places[depth] = index;
      const item = items[index];
      if (item === undefined && !Object.hasOwn(items, index)) {
        this.#refuse(depth + 1, 'an element, and no hole', item, 'Put undefined or null there');
      }
      const prepared = this.prepare(item, depth + 1);
      if (!Object.is(prepared, item)) {
        copy ??= [...items];
        copy[index] = prepared;
      }
    }
    return copy ?? items;
  }

  #date(value: Date, depth: number): ExtData {
    // Dates of fake timers may have properties of their own, which are not data of the program.
    if (getPrototypeOf(value) === realDatePrototype) this.#refuseExtras(value, depth);
    const payload = Buffer.allocUnsafe(8);
    payload.writeDoubleBE(value.getTime());
    return this.#extension(EXTENSION.date, payload);
  }

  #extension(type: number, payload: Uint8Array): ExtData {
    return new ExtData(type, this.#binary(payload));
  }

  #binary(value: Uint8Array): Uint8Array {
    this.#count(value.length);
    return value;
  }

  #count(bytes: number): void {
    this.#bytesMin += bytes;
    if (this.#bytesMin > VALUE_BYTES_MAX) throw tooLarge();
  }

  #refuseSymbolKeys(value: object, depth: number): void {
    if (getOwnPropertySymbols(value).length > 0) this.#refuse(depth, 'no symbol keys', value);
  }

  #refuseExtras(value: object, depth: number): void {
    this.#refuseSymbolKeys(value, depth);
    if (getOwnPropertyNames(value).length > 0) this.#refuse(depth, 'no properties of its own', value);
  }

  /** Refuses a value that is too deep. If the cause is a cycle, the error says where the cycle first closes. */
  #refuseDepth(value: object): never {
    const containers = [...this.#containers.slice(0, VALUE_DEPTH_MAX), value];
    const depth = containers.findIndex((at, level) => containers.indexOf(at) < level);
    if (depth < 0) {
      this.#refuse(VALUE_DEPTH_MAX, `at most ${VALUE_DEPTH_MAX} levels of nesting`, value, FLATTEN);
    }
    const whole = this.#pathTo(containers.indexOf(containers[depth]!));
    throw new TypeError(`${this.#pathTo(depth)}: expected no cycle, got ${whole} again. ${BREAK}`);
  }

  #refuse(depth: number, expected: string, value: unknown, next?: string): never {
    throw misuse(this.#pathTo(depth), expected, value, next);
  }

  #pathTo(depth: number): string {
    const containers = this.#containers.slice(0, depth);
    const steps = containers.map((at, level) => stepInto(at!, this.#places[level]!)).join('');
    const path = `${this.#argument}${steps}`;
    return path.length > PATH_CHARACTERS_MAX ? `${path.slice(0, PATH_CHARACTERS_MAX)}…` : path;
  }
}

/** Returns true for the intrinsic prototype of this name, in this realm or in another one. */
function isPrototype(name: IntrinsicName, prototype: object | null): boolean {
  return prototype === globalThis[name].prototype || isIntrinsicPrototype(name, prototype);
}

/** Returns the error for a value above VALUE_BYTES_MAX. */
export function tooLarge(): KeelsonError {
  const message = `A value takes more than ${VALUE_BYTES_MAX} bytes, and no record holds as much`;
  return new KeelsonError('KEELSON_RECORD_TOO_LARGE', message);
}

function stepInto(container: object, place: string | number): string {
  if (typeof place === 'string') {
    return /^[A-Za-z_$][\w$]*$/.test(place) ? `.${place}` : `[${JSON.stringify(place)}]`;
  }
  if (types.isMap(container)) return `(${place % 2 === 0 ? 'key' : 'value'} of map entry ${place >> 1})`;
  return types.isSet(container) ? `(set item ${place})` : `[${place}]`;
}

function insteadOf(value: unknown): string {
  if (value === undefined) return 'Store null in its place, or delete the key';
  if (typeof value === 'function') return 'Leave it out, or store what it returns';
  if (typeof value === 'symbol') return 'Leave it out, or store its description';
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return 'Store a Uint8Array of its bytes';
  if (types.isPromise(value)) return 'Await it, and store what it resolves to';
  if (types.isBoxedPrimitive(value)) return 'Store its valueOf()';
  if (Array.isArray(value)) return 'Store a plain Array made of it, such as [...it]';
  if (types.isMap(value)) return 'Store a plain Map made of it, such as new Map(it)';
  if (types.isSet(value)) return 'Store a plain Set made of it, such as new Set(it)';
  if (types.isDate(value)) return 'Store a plain Date made of it, such as new Date(it)';
  if (types.isRegExp(value)) return 'Store its source and its flags';
  if (types.isNativeError(value)) return 'Store what you need of it, such as { name, message, stack }';
  return 'Store a plain object or a string made of it, such as { ...it } or String(it), or open the store with a valueEncoding of your own';
}

function bigintPayload(value: bigint): Uint8Array {
  const digits = value === 0n ? '' : value.toString(16).replace('-', '');
  return Buffer.from(`${value < 0n ? '01' : '00'}${digits.length % 2 === 0 ? '' : '0'}${digits}`, 'hex');
}

/** Returns true for a text that starts with U+FEFF, which the library strips from long strings. */
export function startsWithBom(text: string): boolean {
  return text.charCodeAt(0) === 0xfeff;
}
