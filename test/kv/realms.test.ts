// Values of other realms: plain there is plain here, and a prototype that only looks like one is not.

import { randomBytes } from 'node:crypto';
import { types } from 'node:util';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import { isIntrinsicPrototype } from '../../src/kv/encoding/realms.js';
import { Shapes } from '../../src/kv/encoding/shapes.js';
import { decodeMsgpack, encodeMsgpack } from './encoded.js';

const elsewhere = (code: string): unknown => vm.runInNewContext(code);
const bytesOf = (value: unknown): Uint8Array => encodeMsgpack(value);

/** Each beside what it comes back as. Code, for it is made in either realm. */
const PLAIN = [
  '({ a: 1 })',
  '({ a: { b: [1, { c: null }] }, d: -0, e: undefined })',
  '({ toString: 1, constructor: 2 })',
  '[1, [2]]',
  'new Date(5)',
  'new Date(NaN)',
  'new Map([[1, { a: new Set([2]) }]])',
  'new Set([1, [2]])',
  'new Uint8Array([1, 2])',
  '[1n, "text", true, null, undefined, NaN]',
];

describe('a value of another realm', () => {
  // Field report: under Vitest's vmThreads, and of structuredClone() in a `vm` context, all of these were refused with
  // "expected … plain object, got an object".
  test.each(PLAIN)('%s is written as one of this realm', (code) => {
    const foreign = elsewhere(code);
    const own: unknown = vm.runInThisContext(code);
    expect(bytesOf(foreign)).toEqual(bytesOf(own));
    expect(bytesOf([{ foreign }])).toEqual(bytesOf([{ foreign: own }]));
    expect(decodeMsgpack(bytesOf(foreign))).toStrictEqual(own);
  });

  test('that structuredClone() made there comes back', () => {
    const value = { when: new Date(1), tags: new Set(['a']), list: [1, { b: new Map([[1, 2]]) }] };
    const foreign = vm.runInNewContext('structuredClone(value)', { structuredClone, value });
    expect(decodeMsgpack(bytesOf(foreign))).toStrictEqual(value);
  });

  test('has a shape together with those of this realm', () => {
    const shapes = new Shapes(randomBytes);
    const encode = (value: unknown) => encodeMsgpack(value, 'value', shapes);
    for (let time = 0; time < 4; time++) encode({ id: time, name: 'x' });
    const own = encode({ id: 7, name: 'y' });
    expect(own).toHaveLength(1 + 6 + 1 + 2);
    expect(encode(elsewhere('({ id: 7, name: "y" })'))).toEqual(own);
    expect(encode(Object.assign(Object.create(null), { id: 7, name: 'y' }))).toEqual(own);
  });

  test.each([
    ['an instance', 'new (class User {})()', /^value: expected .*, got a User\. [A-Z]/],
    [
      'a subclass of Array',
      'new (class List extends Array {})()',
      /^value: expected .*, got an array\. [A-Z]/,
    ],
    ['a subclass of Map', '[new (class M extends Map {})()]', /^value\[0\]: expected .*, got a M\. [A-Z]/],
    ['an error', '({ e: new RangeError("x") })', /^value\.e: expected .*, got a RangeError\. [A-Z]/],
    ['a RegExp', '[/x/]', /^value\[0\]: expected .*, got a RegExp\. [A-Z]/],
    ['another typed array', 'new Float64Array(1)', /^value: expected .*, got a Float64Array\. [A-Z]/],
    ['a function', '[() => 1]', /^value\[0\]: expected .*, got a function\. [A-Z]/],
    ['a boxed number', 'Object(1)', /^value: expected .*, got a Number\. [A-Z]/],
    ['a promise', 'Promise.resolve(1)', /^value: expected .*, got a Promise\. [A-Z]/],
    ['a getter', '({ get a() { return 1; } })', /^value\.a: expected a plain property/],
    ['a hole', '[1, , 2]', /^value\[1\]: expected an element, and no hole/],
    ['a symbol key', '({ [Symbol.iterator]: 1 })', /^value: expected no symbol keys/],
    ['a name on a Map', 'Object.assign(new Map(), { a: 1 })', /^value: expected no properties of its own/],
    ['a Map that has its Object.prototype', 'Object.setPrototypeOf(new Map(), Object.prototype)', /^value: /],
    ['a Date that has its Map.prototype', 'Object.setPrototypeOf(new Date(), Map.prototype)', /^value: /],
    [
      'an object that has its Date.prototype',
      'Object.create(Date.prototype)',
      /^value: expected .*, got a Date\. [A-Z]/,
    ],
    ['its Object.prototype as a prototype of a prototype', 'Object.create({})', /^value: /],
  ])('is refused by its path when it is not plain: %s', (_, code, message) => {
    for (const value of [elsewhere(code), elsewhere(code)]) {
      expect(() => encodeMsgpack(value)).toThrow(
        expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(message) }),
      );
    }
  });
});

describe('an object without a prototype', () => {
  // Field report: rows of node:sqlite and the groups of a match had to be spread before they could be put.
  test('is stored, and comes back as a plain object', () => {
    const row = Object.assign(Object.create(null), { id: 1, constructor: 'x', deep: Object.create(null) });
    const back = decodeMsgpack(bytesOf({ row }));
    expect(back).toStrictEqual({ row: { id: 1, ['constructor']: 'x', deep: {} } });
    const { groups } = /(?<year>\d+)/.exec('2024')!;
    expect(Object.getPrototypeOf(groups)).toBeNull();
    expect(decodeMsgpack(bytesOf(groups))).toStrictEqual({ year: '2024' });
  });

  test.each<[string, object]>([
    ['a Map', new Map([[1, 2]])],
    ['a Set', new Set([1])],
    ['an array', [1]],
    ['a Date', new Date()],
    ['a Uint8Array', new Uint8Array(1)],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['a promise', Promise.resolve()],
    ['a WeakMap', new WeakMap()],
    ['a WeakSet', new WeakSet()],
    ['a boxed string', Object('x')],
    ['an error', new Error('x')],
  ])('that is %s is refused: what it holds would be lost', (_, value) => {
    Object.setPrototypeOf(value, null);
    expect(() => encodeMsgpack({ a: [value] })).toThrow(/^value\.a\[0\]: expected /);
  });
});

describe('a prototype that pretends', () => {
  function Fake(): void {}
  const native = Array.prototype.push;

  test.each<[string, () => object]>([
    ['has the constructor of plain objects', () => Object.create(null, { constructor: { value: Object } })],
    ['has a foreign one', () => Object.create(null, { constructor: { value: elsewhere('Object') } })],
    ['has a class named Object', () => vm.runInThisContext('(class Object {}).prototype')],
    [
      'has a function with the source of one',
      () => {
        Object.defineProperty(Fake, 'name', { value: 'Object' });
        Fake.toString = () => 'function Object() { [native code] }';
        return Fake.prototype;
      },
    ],
    [
      'has a bound constructor',
      () => {
        const bound = Object.bind(null);
        const prototype = Object.create(null, { constructor: { value: bound } });
        return Object.assign(bound, { prototype }).prototype;
      },
    ],
    [
      'has a Proxy of the constructor',
      () => {
        const prototype = Object.create(null);
        prototype.constructor = new Proxy(elsewhere('Object') as object, {
          get: () => prototype,
        });
        return prototype;
      },
    ],
    [
      'has other native code',
      () => {
        const prototype = Object.create(null, { constructor: { value: native, configurable: true } });
        return Object.defineProperty(prototype, 'constructor', { value: native });
      },
    ],
    ['has a getter as constructor', () => Object.create(null, { constructor: { get: () => Object } })],
  ])('%s is none of plain objects', (_, make) => {
    const prototype = make();
    expect(isIntrinsicPrototype('Object', prototype)).toBe(false);
    expect(() => encodeMsgpack([Object.create(prototype)])).toThrow(/^value\[0\]: expected /);
  });

  test('is told from that of another kind', () => {
    const map = elsewhere('Map.prototype') as object;
    expect(isIntrinsicPrototype('Map', map)).toBe(true);
    expect(isIntrinsicPrototype('Map', map)).toBe(true);
    expect(isIntrinsicPrototype('Set', map)).toBe(false);
    expect(isIntrinsicPrototype('Object', map)).toBe(false);
    expect(isIntrinsicPrototype('Object', null)).toBe(false);
    expect(types.isMap(elsewhere('new Map()'))).toBe(true);
  });
});
