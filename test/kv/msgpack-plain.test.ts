// Plain values beside the library: the same bytes out of every value, the same value out of all bytes, and nothing that is
// not plain taken for it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareForMsgpack } from '../../src/kv/encoding/msgpack/check.js';
import { decodeValue, encodePrepared } from '../../src/kv/encoding/msgpack/extensions.js';
import { decodePlain, NOT_PLAIN } from '../../src/kv/encoding/msgpack/plain-reader.js';
import { writePlain } from '../../src/kv/encoding/msgpack/plain-writer.js';
import { Scratch } from '../../src/kv/encoding/scratch.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { decodeMsgpack, encodeMsgpack, encodePlain } from './encoded.js';

const byLibrary = (value: unknown): Buffer => Buffer.from(encodePrepared(prepareForMsgpack(value, 'value')));

const EDGES = [
  0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000,
];
const LARGEST = Number.MAX_SAFE_INTEGER;
const edge = fc
  .constantFrom(...EDGES, 0x20, 0x8000, 2 ** 40, LARGEST)
  .chain((number) => fc.constantFrom(number, -number, -number - 1, number - 1, number + 0.5));
const number = fc.oneof(edge, fc.integer(), fc.maxSafeInteger(), fc.double());
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(31, 32, 255, 256, 300, 3000).map((length) => 'x'.repeat(length)),
  fc.constantFrom(15, 16, 127, 128).map((length) => 'é'.repeat(length)),
);
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('id', 'name', 'email', 'é', '') },
  // Which no object literal can have, and put refuses.
  { weight: 1, arbitrary: text.filter((given) => given !== '__proto__') },
);
/** Most of them plain; among them what is not: -0, marked texts, names of Object.prototype. */
const { value } = fc.letrec((tie) => ({
  leaf: fc.oneof(number, text, fc.boolean(), fc.constant(null), fc.constantFrom('\ufeffmarked')),
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(name, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

const asPlain = (bytes: Uint8Array): unknown => {
  try {
    return decodePlain(bytes, 0, bytes.length);
  } catch (error) {
    return error;
  }
};

describe('a plain value', () => {
  // A negative integer of 64 bits was written here and left to the library when it was read. A value with a shape is none
  // that the library can read: it was lost.
  test('is written as the library would write it, or left to it; and read back here', () => {
    let written = 0;
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encodePlain(given);
        if (bytes === null) return;
        written++;
        expect(Buffer.compare(bytes, byLibrary(given))).toBe(0);
        expect(decodePlain(bytes, 0, bytes.length)).toStrictEqual(given);
      }),
      { numRuns: 3000 },
    );
    expect(written).toBeGreaterThan(1000);
  });

  test('is read as the library would read it, and shares no memory', () => {
    fc.assert(
      fc.property(value, (given) => {
        const bytes = byLibrary(given);
        const plain = decodePlain(bytes, 0, bytes.length);
        if (plain === NOT_PLAIN) return;
        expect(plain).toStrictEqual(decodeValue(bytes, 0, bytes.length));
        bytes.fill(0xc1);
        expect(plain).toStrictEqual(given);
      }),
      { numRuns: 3000 },
    );
  });

  test('is read within its bounds, whatever stands around it', () => {
    fc.assert(
      fc.property(
        value,
        fc.uint8Array({ maxLength: 20 }),
        fc.uint8Array({ maxLength: 20 }),
        (given, before, after) => {
          const bytes = byLibrary(given);
          const all = Buffer.concat([before, bytes, after]);
          const plain = decodePlain(all, before.length, before.length + bytes.length);
          if (plain !== NOT_PLAIN) expect(plain).toStrictEqual(given);
          for (let length = 0; length < Math.min(bytes.length, 50); length++) {
            expect(decodePlain(bytes, 0, length)).toBe(NOT_PLAIN);
          }
        },
      ),
    );
  });

  test('is not made of bytes of which the library makes none or another', () => {
    const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
    let different = 0;
    fc.assert(
      fc.property(value, fc.array(mutation, { minLength: 1, maxLength: 3 }), (given, mutations) => {
        const bytes = byLibrary(given);
        for (const [at, byte] of mutations) bytes[at % bytes.length] = byte;
        const plain = asPlain(bytes);
        if (plain === NOT_PLAIN || plain instanceof Error) return;
        different++;
        expect(plain).toStrictEqual(decodeValue(bytes, 0, bytes.length));
      }),
      { numRuns: 5000 },
    );
    expect(different).toBeGreaterThan(500);
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a hole', new Array(2)],
    ['an undefined property', { a: undefined }],
    ['-0', -0],
    ['a bigint', 1n],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a Uint8Array', new Uint8Array(1)],
    ['a marked text', '\ufeff'],
    ['a lone surrogate', '\ud800'],
    ['a name of Object.prototype', { toString: 1 }],
    ['__proto__', JSON.parse('{"__proto__":1}')],
    ['a symbol', { [Symbol('s')]: 1 }],
    ['an array with a name', Object.assign([1], { name: 1 })],
    [
      'a getter',
      {
        get a() {
          return 1;
        },
      },
    ],
    ['a setter', { set a(_: number) {} }],
    ['what is not enumerable', Object.defineProperty({}, 'a', { value: 1 })],
    ['a Map without a prototype', Object.setPrototypeOf(new Map(), null)],
    ['an instance', new (class Own {})()],
    ['one that is too deep', Array.from({ length: 20 }).reduce((inner) => [inner], 1)],
    ['one whose numbers are too many', Array.from({ length: 16_000 }, (_, at) => at)],
  ])('is not %s', (_, given) => {
    expect(encodePlain(given)).toBeNull();
  });

  test('ends at most where the scratch does, at every length', () => {
    for (let length = 16_300; length < 16_400; length++) {
      for (const given of [
        ['x'.repeat(length)],
        [...Array.from({ length }, () => 1)],
        ['é'.repeat(length / 2)],
        [['a'.repeat(length - 40)], 2 ** 40, -1, 'short text', { name: 1.5 }],
      ]) {
        expect(Buffer.compare(encodeMsgpack(given), byLibrary(given))).toBe(0);
      }
    }
  });

  // The library counted and wrote the characters of a long text one by one: 10,000 took longer than all else of a put.
  test.each([
    ['a long text', { id: 1, text: 'x'.repeat(10_000) }],
    ['a long text in UTF-8', { id: 1, text: 'Grüße, 😀'.repeat(5000) }],
    ['a text whose length takes 32 bits', 'y'.repeat(70_000)],
    ['many long texts', Array.from({ length: 50 }, (_, at) => String(at).repeat(20_000))],
    ['a text of many MiB', { text: 'z'.repeat(9_000_000), after: [1, 'short'] }],
  ])('may have %s', (_, given) => {
    const out = new Scratch(RECORD_BYTES_MAX);
    out.append(new Uint8Array(100));
    expect(writePlain(given, null, out)).toBe(true);
    expect(Buffer.compare(out.bytes.subarray(100, out.at), byLibrary(given))).toBe(0);
  });

  test('is written here wherever in a record it stands, within the room that it has asked for', () => {
    const roomBytes = 16 * 1024;
    const values = [
      1,
      'short',
      'x'.repeat(5000),
      { id: 1, name: 'Ada' },
      Array.from({ length: 16_000 }, () => 1),
    ];
    for (const before of [0, 1, 16_383, 100_000]) {
      const out = new Scratch(RECORD_BYTES_MAX);
      out.append(new Uint8Array(before));
      for (const given of values) {
        out.at = before;
        expect(writePlain(given, null, out)).toBe(true);
        expect(Buffer.compare(out.bytes.subarray(before, out.at), byLibrary(given))).toBe(0);
      }
    }
    for (let length = roomBytes - 20; length < roomBytes + 20; length++) {
      const out = new Scratch(RECORD_BYTES_MAX);
      // All the memory that there is, to the last byte.
      expect(out.bytes.length).toBe(roomBytes);
      const given = Array.from({ length }, () => 1);
      if (!writePlain(given, null, out)) continue;
      expect(out.bytes.length).toBe(roomBytes);
      expect(Buffer.compare(out.bytes.subarray(0, out.at), byLibrary(given))).toBe(0);
    }
  });

  test('is whole though a value inside of it is code that has another one encoded', () => {
    let inner: Uint8Array | null = null;
    const meddling = new Proxy(
      { n: 1 },
      {
        getPrototypeOf(target) {
          inner = encodeMsgpack({ inner: 'x'.repeat(100) });
          return Reflect.getPrototypeOf(target);
        },
      },
    );
    const bytes = encodeMsgpack({ before: 'b', meddling, after: 'a' });
    expect(decodeMsgpack(bytes)).toEqual({ before: 'b', meddling: { n: 1 }, after: 'a' });
    expect(decodeMsgpack(inner!)).toEqual({ inner: 'x'.repeat(100) });
  });

  test('of which a part throws leaves the next one to be written as ever', () => {
    const own = new Error('own');
    const angry = new Proxy(
      {},
      {
        ownKeys() {
          throw own;
        },
      },
    );
    expect(() => encodeMsgpack({ angry })).toThrow(own);
    expect(encodePlain({ a: 1 })).not.toBeNull();
  });

  test('of names by the thousand has each under its own', () => {
    const given = Object.fromEntries(
      Array.from({ length: 5000 }, (_, at) => [`n${at}${'.'.repeat(at % 20)}`, at]),
    );
    const parts = Object.entries(given).map(([key, item]) => ({ [key]: item }));
    for (let round = 0; round < 2; round++) {
      for (const part of parts) expect(decodeMsgpack(encodeMsgpack(part))).toStrictEqual(part);
    }
  });
});
