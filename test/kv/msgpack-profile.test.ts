// The msgpack profile: exact or refused.

import { isDeepStrictEqual } from 'node:util';
import { decode, Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { prepareForMsgpack } from '../../src/kv/encoding/msgpack/check.js';
import { encodePrepared } from '../../src/kv/encoding/msgpack/extensions.js';
import { VALUE_DEPTH_MAX } from '../../src/kv/encoding/msgpack/msgpack-codec.js';
import { decodeMsgpack, encodeMsgpack } from './encoded.js';

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** isDeepStrictEqual, and the order of keys, entries and items, which it does not look at. */
function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) && orderOf(a) === orderOf(b);
}

function orderOf(value: unknown): string {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Date) {
    return typeof value === 'bigint' ? `${value}n` : String(JSON.stringify(value));
  }
  const parts = value instanceof Map || value instanceof Set ? [...value] : Object.entries(value);
  return `(${parts.map((part) => (Array.isArray(part) ? part.map(orderOf).join(':') : orderOf(part))).join(',')})`;
}

function expectExact(value: unknown): void {
  const back = decodeMsgpack(encodeMsgpack(value));
  if (!isSame(back, value)) expect(back).toStrictEqual(value);
  expect(isSame(back, value)).toBe(true);
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc
    .tuple(fc.constantFrom('', '\ufeff'), fc.string({ unit: 'binary', minLength: 190, maxLength: 300 }))
    .map(([mark, rest]) => mark + rest),
);
const plain = fc.oneof(
  fc.constantFrom<unknown>(null, true, false),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0,
    -0,
    31,
    127,
    128,
    255,
    256,
    -32,
    -33,
    -128,
    -129,
    65535,
    65536,
    -32768,
    -32769,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
  ),
  text,
);
const leaf = fc.oneof(
  { weight: 4, arbitrary: plain },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.date({ noInvalidDate: true }) },
  { weight: 1, arbitrary: fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n })) },
);
const name = fc
  .oneof(
    text,
    fc.constantFrom('', '0', '1', '10', 'constructor', 'toString', 'hasOwnProperty', 'length', 'a b'),
  )
  .filter((key) => key !== '__proto__');

const { value: anyValue } = fc.letrec<{ value: unknown; inner: unknown }>((tie) => ({
  inner: fc.oneof({ weight: 6, arbitrary: tie('value') }, { weight: 1, arbitrary: fc.constant(undefined) }),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.dictionary(name, tie('inner'), { maxKeys: 6, noNullPrototype: true }),
    fc.array(tie('inner'), { maxLength: 6 }),
    fc.array(fc.tuple(tie('inner'), tie('inner')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    fc.array(tie('inner'), { maxLength: 4 }).map((items) => new Set(items)),
  ),
}));

describe('a value', () => {
  test('comes back exactly', () => {
    fc.assert(fc.property(anyValue, expectExact), { numRuns: 1500 });
  });

  const edges: readonly unknown[] = [
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.MIN_VALUE,
    Number.MAX_VALUE,
    0n,
    -1n,
    255n,
    256n,
    -(2n ** 64n),
    10n ** 400n,
    '',
    '\u0000',
    '\ufeffbyte order mark',
    `\ufeff${'x'.repeat(300)}`,
    'é'.repeat(20),
    'x'.repeat(70_000),
    new Date(0),
    new Date(-1),
    new Date(8.64e15),
    new Date(-8.64e15),
    new Uint8Array(),
    Buffer.alloc(0),
    Buffer.from('a buffer'),
    new Uint8Array(70_000).fill(3),
    {},
    { a: undefined },
    { b: 1, a: 2, 1: 3, 0: 4 },
    { constructor: 1, toString: 'x', hasOwnProperty: null, valueOf: undefined },
    { a: 1, constructor: new Map([[{ toString: -0 }, '\ufeff']]), b: undefined },
    { [`\ufeff${'x'.repeat(300)}`]: 1, '\ufeffid': -0 },
    { a: { b: [1, { c: [undefined, -0, { d: '\ufeff' }] }] }, e: { f: 1 } },
    [1, 'same', { kept: [true] }, -0, -1],
    [-0, [-0.5, 0, Number.NaN, [undefined, Number.NaN]]],
    new Set([
      new Set([new Set(), [-1, 2.5]]),
      new Map([
        [
          [1, [2]],
          [[3], 4],
        ],
      ]),
    ]),
    [],
    [undefined, null, undefined],
    [[], [[]], {}],
    new Map(),
    new Map<unknown, unknown>([
      [undefined, undefined],
      [Number.NaN, 1],
      [{ a: 1 }, [new Map([['x', new Set([1n])]])]],
    ]),
    new Set([3, 1, 2, undefined, '3']),
    Array.from({ length: 70_000 }, (_, index) => index),
    Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`name ${index}`, index])),
    new Map(Array.from({ length: 20 }, (_, index) => [index, 'x'.repeat(5000)])),
  ];

  test.each(edges.map((value) => [value]))('%# of the edges comes back exactly', expectExact);

  test('shares no memory with the bytes it was read from, nor with its neighbours', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeMsgpack(value);
        const back = decodeMsgpack(bytes);
        bytes.fill(0xc1);
        expect(isSame(back, value)).toBe(true);
      }),
    );
    const [one, two, buffer] = decodeMsgpack(
      encodeMsgpack([Uint8Array.of(1), Uint8Array.of(2), Buffer.from([3])]),
    ) as Uint8Array[];
    for (const part of [one!, two!, buffer!]) expect(part.buffer.byteLength).toBe(1);
  });

  test('read from a Buffer has plain Uint8Arrays of its own all the same', () => {
    const stored = Buffer.from(encodeMsgpack({ data: Uint8Array.of(1, 2) }));
    const { data } = decodeMsgpack(stored) as { data: Uint8Array };
    stored.fill(0);
    expect(isDeepStrictEqual(data, Uint8Array.of(1, 2))).toBe(true);
  });

  test('whose keys are names of Object.prototype reads back while that is frozen', () => {
    const bytes = encodeMsgpack({ toString: 1, constructor: { valueOf: 2 } });
    const descriptors = Object.getOwnPropertyDescriptors(Object.prototype);
    // As Object.freeze() would make them, but so that they can be put back.
    for (const key of ['toString', 'constructor', 'valueOf'] as const) {
      Object.defineProperty(Object.prototype, key, { ...descriptors[key], writable: false });
    }
    try {
      expect(
        isDeepStrictEqual(decodeMsgpack(bytes), { ['toString']: 1, ['constructor']: { ['valueOf']: 2 } }),
      ).toBe(true);
    } finally {
      for (const key of ['toString', 'constructor', 'valueOf'] as const) {
        Object.defineProperty(Object.prototype, key, descriptors[key]!);
      }
    }
  });

  test('may be an invalid Date', () => {
    const [date] = decodeMsgpack(encodeMsgpack([new Date(Number.NaN)])) as [Date];
    expect(date).toBeInstanceOf(Date);
    expect(date.getTime()).toBeNaN();
  });

  test('may hold a Date that fake timers made, and one from before', () => {
    const before = new Date(5);
    vi.useFakeTimers({ now: 7 });
    try {
      const back = decodeMsgpack(encodeMsgpack([before, new Date()])) as Date[];
      expect(back.map(Number)).toEqual([5, 7]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('what cannot come back exactly', () => {
  class User {
    id = 1;
  }
  const withGetter = Object.defineProperty({}, 'x', { get: () => 1, enumerable: true });
  const withSetter = Object.defineProperty({}, 'x', { set: () => undefined, enumerable: true });
  const hidden = Object.defineProperty({}, 'x', { value: 1, enumerable: false });
  const named = Object.assign([1, 2], { extra: 1 });
  const swapped = Object.assign([1, 2, 3], { extra: 1 });
  delete swapped[1];
  const withHole = [1, 2, 3];
  delete withHole[1];
  const cycle: { a: { b?: unknown } } = { a: {} };
  cycle.a.b = cycle;
  class SubArray extends Array {}
  class SubMap extends Map {}

  const refused: readonly { what: string; value: unknown; message: RegExp }[] = [
    {
      what: 'undefined itself',
      value: undefined,
      message: /^value: expected null, a boolean, .*, got undefined\. [A-Z]/,
    },
    {
      what: 'a function',
      value: { tags: [1, 2, 3, { when: () => 1 }] },
      message: /^value\.tags\[3\]\.when: expected .*, got a function\. [A-Z]/,
    },
    { what: 'a symbol', value: [Symbol('x')], message: /^value\[0\]: expected .*, got a symbol\. [A-Z]/ },
    {
      what: 'a RegExp',
      value: { 'a b': /x/ },
      message: /^value\["a b"\]: expected .*, got a RegExp\. [A-Z]/,
    },
    {
      what: 'an Error',
      value: { e: new RangeError('x') },
      message: /^value\.e: expected .*, got a RangeError\. [A-Z]/,
    },
    {
      what: 'another typed array',
      value: { f: new Float64Array(1) },
      message: /^value\.f: expected .*, got a Float64Array\. [A-Z]/,
    },
    {
      what: 'a DataView',
      value: [new DataView(new ArrayBuffer(1))],
      message: /^value\[0\]: expected .*, got a DataView\. [A-Z]/,
    },
    {
      what: 'an ArrayBuffer',
      value: [new ArrayBuffer(1)],
      message: /^value\[0\]: expected .*, got an ArrayBuffer\. [A-Z]/,
    },
    {
      what: 'a boxed primitive',
      value: { n: Object(1) },
      message: /^value\.n: expected .*, got a Number\. [A-Z]/,
    },
    {
      what: 'a promise',
      value: { p: Promise.resolve(1) },
      message: /^value\.p: expected .*, got a Promise\. [A-Z]/,
    },
    {
      what: 'a WeakMap',
      value: { w: new WeakMap() },
      message: /^value\.w: expected .*, got a WeakMap\. [A-Z]/,
    },
    {
      what: 'a class instance',
      value: { user: new User() },
      message: /^value\.user: expected .*plain object, got a User\. [A-Z]/,
    },
    {
      what: 'an array subclass',
      value: { a: SubArray.of(1) },
      message: /^value\.a: expected .*, got an array\. [A-Z]/,
    },
    {
      what: 'a map subclass',
      value: { a: new SubMap() },
      message: /^value\.a: expected .*, got a SubMap\. [A-Z]/,
    },
    {
      what: 'a forged Date',
      value: [Object.create(Date.prototype)],
      message: /^value\[0\]: expected .*, got a Date\. [A-Z]/,
    },
    { what: 'a forged array', value: [Object.create(Array.prototype)], message: /^value\[0\]: expected / },
    {
      what: 'an object whose prototype is an object of the program',
      value: { o: Object.create({}) },
      message: /^value\.o: expected .*plain object, got an object\. [A-Z]/,
    },
    {
      what: 'a symbol key',
      value: { o: { [Symbol('s')]: 1 } },
      message: /^value\.o: expected no symbol keys, got an object$/,
    },
    {
      what: 'a getter',
      value: { o: withGetter },
      message:
        /^value\.o\.x: expected a plain property, without getter and setter, got a function\. Store \{ \.\.\.it \}/,
    },
    { what: 'a setter', value: { o: withSetter }, message: /^value\.o\.x: expected a plain property/ },
    {
      what: 'a hidden property',
      value: { o: hidden },
      message: /^value\.o\.x: expected an enumerable property, got the number 1$/,
    },
    {
      what: 'a property named __proto__',
      value: JSON.parse('{"a":{"__proto__":5}}'),
      message: /^value\.a\.__proto__: expected no property named __proto__, got the number 5$/,
    },
    {
      what: 'a hole',
      value: { a: withHole },
      message:
        /^value\.a\[1\]: expected an element, and no hole, got undefined\. Put undefined or null there$/,
    },
    {
      what: 'an array with a name',
      value: { a: named },
      message: /^value\.a: expected an array without named properties, got an array$/,
    },
    {
      what: 'a hole made up for by a name',
      value: { a: swapped },
      message: /^value\.a\[1\]: expected an element, and no hole/,
    },
    {
      what: 'a symbol on an array',
      value: [Object.assign([], { [Symbol('s')]: 1 })],
      message: /^value\[0\]: expected no symbol keys/,
    },
    {
      what: 'a name on a Map',
      value: [Object.assign(new Map(), { a: 1 })],
      message: /^value\[0\]: expected no properties of its own, got a Map$/,
    },
    {
      what: 'a name on a Set',
      value: [Object.assign(new Set(), { a: 1 })],
      message: /^value\[0\]: expected no properties of its own, got a Set$/,
    },
    {
      what: 'a name on a Date',
      value: [Object.assign(new Date(), { a: 1 })],
      message: /^value\[0\]: expected no properties of its own, got a Date$/,
    },
    {
      what: 'a lone surrogate',
      value: { s: ['a\ud800'] },
      message: /^value\.s\[0\]: expected a string without lone surrogates/,
    },
    {
      what: 'a lone surrogate in a name',
      value: { s: { '\udc00': 1 } },
      message: /^value\.s\["\\udc00"\]: expected a string without lone surrogates/,
    },
    {
      what: 'a bad key of a Map',
      value: {
        m: new Map<unknown, unknown>([
          [1, 1],
          [() => 1, 2],
        ]),
      },
      message: /^value\.m\(key of map entry 1\): expected .*, got a function\. [A-Z]/,
    },
    {
      what: 'a bad value of a Map',
      value: { m: new Map([['k', { x: Symbol('s') }]]) },
      message: /^value\.m\(value of map entry 0\)\.x: expected /,
    },
    {
      what: 'a bad item of a Set',
      value: new Set([1, /x/]),
      message: /^value\(set item 1\): expected .*, got a RegExp\. [A-Z]/,
    },
    {
      what: 'a cycle',
      value: cycle,
      message: /^value\.a\.b: expected no cycle, got value again\. Store a key or an id in its place$/,
    },
  ];

  test.each(refused)('is refused by its path: $what', ({ value, message }) => {
    const error = thrownBy(() => encodeMsgpack(value));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
  });

  test('is named as the caller says', () => {
    expect(() => encodeMsgpack([Symbol('x')], 'operations[4].value')).toThrow(
      /^operations\[4\]\.value\[0\]: /,
    );
  });

  test('leaves the next value unharmed', () => {
    expect(thrownBy(() => encodeMsgpack(['some bytes', Symbol('x')]))).toBeInstanceOf(TypeError);
    expectExact({ a: 1 });
  });

  test('is nesting deeper than VALUE_DEPTH_MAX, of every kind', () => {
    const wrappers: readonly ((inner: unknown) => unknown)[] = [
      (inner) => [inner],
      (inner) => ({ inner }),
      (inner) => new Map([[1, inner]]),
      (inner) => new Set([inner]),
    ];
    for (const wrap of wrappers) {
      let value: unknown = 'core';
      for (let depth = 0; depth < VALUE_DEPTH_MAX; depth++) value = wrap(value);
      expectExact(value);
      expect(() => encodeMsgpack(wrap(value))).toThrow(/expected at most 100 levels of nesting/);
    }
  });
});

describe('encoding', () => {
  test('survives that a trap encodes a value meanwhile', () => {
    const nosy = new Proxy(
      { b: 2 },
      {
        ownKeys(target) {
          expectExact({ another: 'value', of: [1, 2, 3] });
          return Reflect.ownKeys(target);
        },
      },
    );
    expect(
      isDeepStrictEqual(decodeMsgpack(encodeMsgpack({ a: 1, nosy, c: 3 })), { a: 1, nosy: { b: 2 }, c: 3 }),
    ).toBe(true);
  });

  test('survives that a trap encodes a value while the library reads', () => {
    const nosy = new Proxy(
      { b: 2 },
      {
        get(target, name, receiver) {
          encodeMsgpack({ another: 'value', of: [1, 2, 3] });
          return Reflect.get(target, name, receiver);
        },
      },
    );
    expect(
      isDeepStrictEqual(decodeMsgpack(encodeMsgpack({ a: 1, nosy, c: -0 })), { a: 1, nosy: { b: 2 }, c: -0 }),
    ).toBe(true);
  });

  test('passes on what a trap throws', () => {
    const own = new Error('mine');
    const angry = new Proxy(
      {},
      {
        ownKeys() {
          throw own;
        },
      },
    );
    expect(thrownBy(() => encodeMsgpack({ angry }))).toBe(own);
    expectExact({ a: 1 });
  });

  test('of a value too large for any record is KEELSON_RECORD_TOO_LARGE', () => {
    const large = new Uint8Array(2 ** 27);
    expect(thrownBy(() => encodeMsgpack([large, large]))).toMatchObject({ code: 'KEELSON_RECORD_TOO_LARGE' });
    expectExact({ a: 1 });
  });

  // MessagePack writes the length of an array in one, three or five bytes. Maps and Sets are arrays without that length.
  test.each([15, 16, 65_535, 65_536])(
    'of a Set of %i values and of a Map of as many gives them back',
    (count) => {
      const numbers = Array.from({ length: count }, (_, at) => at);
      const half = numbers.slice(0, Math.ceil(count / 2));
      for (const value of [new Set(numbers), new Map(half.map((number) => [number, -number]))])
        expect(decodeMsgpack(encodeMsgpack(value))).toEqual(value);
    },
  );

  test('of a value that holds one thing very many times ends too', () => {
    const page = new Uint8Array(2 ** 16);
    let value: unknown = page;
    for (let level = 0; level < 60; level++) value = [value, value];
    expect(thrownBy(() => encodeMsgpack(value))).toMatchObject({ code: 'KEELSON_RECORD_TOO_LARGE' });
  });

  test('lets the memory of a giant value go', () => {
    expectExact(['x'.repeat(4 * 2 ** 20)]);
    // The library writes what is not plain, and keeps its memory for the next value.
    const byLibrary = (value: unknown) => encodePrepared(prepareForMsgpack(value, 'value'));
    expect(byLibrary(['x'.repeat(4 * 2 ** 20)]).buffer.byteLength).toBeGreaterThan(2 ** 20);
    expect(byLibrary(-0).buffer.byteLength).toBeLessThan(2 ** 20);
  });
});

describe('plain MessagePack', () => {
  const { value: plainValue } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      // These are written as extensions: -0, a byte order mark at the start, and names that every object inherits.
      plain.filter(
        (value) => !Object.is(value, -0) && !(typeof value === 'string' && value.startsWith('\ufeff')),
      ),
      fc.dictionary(
        name.filter((key) => !key.startsWith('\ufeff') && !Object.hasOwn(Object.prototype, key)),
        tie('value'),
        { maxKeys: 6, noNullPrototype: true },
      ),
      fc.array(tie('value'), { maxLength: 6 }),
    ),
  }));

  test('that another encoder wrote reads the same here', () => {
    const encoder = new Encoder();
    const encoder32 = new Encoder({ forceFloat32: true });
    fc.assert(
      fc.property(plainValue, (value) => {
        expect(isSame(decodeMsgpack(encoder.encode(value)), value)).toBe(true);
      }),
      { numRuns: 1000 },
    );
    expect(decodeMsgpack(encoder32.encode([0.5, -1.25]))).toEqual([0.5, -1.25]);
  });

  test('that is written here reads the same with another decoder', () => {
    fc.assert(
      fc.property(plainValue, (value) => {
        expect(isSame(decode(encodeMsgpack(value)), value)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the format', () => {
  // docs/FORMAT.md lists these; a store on a disk keeps them for ever.
  const written: readonly (readonly [what: string, value: unknown, hex: string])[] = [
    ['undefined', [undefined], '91c70001'],
    ['a bigint', -256n, 'c70302010100'],
    ['the bigint 0', 0n, 'd40200'],
    ['a Date', new Date(1), 'd7033ff0000000000000'],
    ['a Buffer', Buffer.of(1, 2), 'd5040102'],
    ['a Uint8Array', Uint8Array.of(1, 2), 'c4020102'],
    ['a Map', new Map([['a', 1]]), 'c70305a16101'],
    [
      'a Map of 16 items',
      new Map(Array.from({ length: 8 }, (_, i) => [i, i])),
      'd80500000101020203030404050506060707',
    ],
    ['an empty Set', new Set(), 'c70006'],
    ['-0', -0, 'c70007'],
    ['a string with a byte order mark', '\ufeffa', 'd608efbbbf61'],
    ['an object with a name with a byte order mark', { '\ufeff': 1 }, 'c70709c70308efbbbf01'],
    ['an object with an inherited name', { valueOf: 1 }, 'c70909a776616c75654f6601'],
  ];

  test.each(written)('of %s stays as it is', (_what, value, hex) => {
    expect(Buffer.from(encodeMsgpack(value)).toString('hex')).toBe(hex);
    expect(isDeepStrictEqual(decodeMsgpack(Buffer.from(hex, 'hex')), value)).toBe(true);
  });
});

describe('bytes from the disk', () => {
  function expectValueOrDecodeError(bytes: Uint8Array): boolean {
    const error = thrownBy(() => decodeMsgpack(bytes));
    if (error !== undefined && !isKeelsonError(error, 'KEELSON_DECODE')) throw error;
    return error !== undefined;
  }

  test('cut off are KEELSON_DECODE', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(), (value, at) => {
        const bytes = encodeMsgpack(value);
        expect(expectValueOrDecodeError(bytes.subarray(0, at % bytes.length))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('followed by others are KEELSON_DECODE', () => {
    fc.assert(
      fc.property(anyValue, fc.uint8Array({ minLength: 1, maxLength: 4 }), (value, more) => {
        expect(expectValueOrDecodeError(Uint8Array.of(...encodeMsgpack(value), ...more))).toBe(true);
      }),
    );
  });

  test('changed anywhere are a value or KEELSON_DECODE', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyValue, changes, (value, mutations) => {
        const bytes = encodeMsgpack(value);
        for (const [at, byte] of mutations) bytes[at % bytes.length] = byte;
        expectValueOrDecodeError(bytes);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void expectValueOrDecodeError(bytes)),
      { numRuns: 3000 },
    );
  });

  const wrong: readonly { what: string; hex: string; message: RegExp }[] = [
    { what: 'nothing', hex: '', message: /Offset is outside the bounds/ },
    { what: 'the byte that MessagePack never uses', hex: 'c1', message: /Unrecognized type byte: 0xc1/ },
    { what: 'an array of four thousand million items', hex: 'ddffffffff', message: /Max length exceeded/ },
    { what: 'an array longer than the input', hex: 'dc000901', message: /Max length exceeded/ },
    {
      what: 'such an array within a set',
      hex: 'c70606dd01ffffff01',
      message: /Max length exceeded/,
    },
    {
      what: 'an object of four thousand million properties',
      hex: 'dfffffffff',
      message: /outside the bounds/,
    },
    { what: 'a string of four gibibytes', hex: 'dbffffffff61', message: /Insufficient data/ },
    { what: 'a binary of four gibibytes', hex: 'c6ffffffff61', message: /Insufficient data/ },
    { what: 'an extension of four gibibytes', hex: 'c9ffffffff0461', message: /Insufficient data/ },
    { what: 'a name that is an array', hex: '819001', message: /type of key must be string or number/ },
    { what: 'the name __proto__', hex: '81a95f5f70726f746f5f5f80', message: /key __proto__ is not allowed/ },
    { what: 'extension type 0', hex: 'd40000', message: /extension type 0 is unknown/ },
    { what: "MessagePack's own timestamp", hex: 'd6ff00000000', message: /extension type -1 is unknown/ },
    { what: 'undefined at the top', hex: 'c70001', message: /an undefined cannot stand here/ },
    { what: 'a date of four bytes', hex: 'd60300000000', message: /outside/ },
    { what: 'a map entry that reaches out of its map', hex: '92d50501a16101', message: /Insufficient data/ },
    { what: 'a marked string that is not UTF-8', hex: 'd508c080', message: /not UTF-8/ },
    { what: 'nesting without an end', hex: '91'.repeat(5000), message: /outside the bounds/ },
    { what: 'sets within sets without an end', hex: nestedSetsHex(200), message: /nested deeper/ },
    { what: 'very many sets within sets', hex: nestedSetsHex(5000), message: /nested deeper/ },
  ];

  test.each(wrong)('with $what are KEELSON_DECODE', ({ hex, message }) => {
    const error = thrownBy(() => decodeMsgpack(Buffer.from(hex, 'hex')));
    expect(isKeelsonError(error, 'KEELSON_DECODE')).toBe(true);
    expect((error as Error).message).toMatch(message);
  });

  test('say what the library said', () => {
    expect(thrownBy(() => decodeMsgpack(Uint8Array.of(0xc1)))).toMatchObject({
      cause: expect.objectContaining({ name: 'DecodeError' }),
    });
  });

  test('are read the same after others that were none', () => {
    const good = encodeMsgpack({ a: [new Map([[1, { b: 2 }]])] });
    for (let at = 0; at < good.length; at++) expectValueOrDecodeError(good.subarray(0, at));
    expect(isDeepStrictEqual(decodeMsgpack(good), { a: [new Map([[1, { b: 2 }]])] })).toBe(true);
  });

  test('of many different names never mix them up', () => {
    // More names than the reader remembers, and many that differ in the middle only.
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 2000; index++) expectExact({ [`a${index}z`]: index, [`é${index}`]: index });
    }
  });
});

function nestedSetsHex(levels: number): string {
  let payload = Buffer.from('01', 'hex');
  for (let level = 0; level < levels; level++) {
    const header = Buffer.alloc(6);
    header[0] = 0xc9;
    header.writeUInt32BE(payload.length, 1);
    header[5] = 6;
    payload = Buffer.concat([header, payload]);
  }
  return payload.toString('hex');
}
