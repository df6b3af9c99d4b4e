// Shapes of values: what has names in common is written without them and comes back as it was, out of the log, out of
// images, in this life and in the next.

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMsgpack, encodeMsgpack } from '../../src/kv/msgpack-profile.js';
import {
  encodeShapes,
  SHAPE_NAMES_MAX,
  SHAPED,
  SHAPED_HEADER_BYTES,
  SHAPES_MAX,
  Shapes,
} from '../../src/kv/shapes.js';
import { linesOf, runProgram } from '../native/native-tools.js';

const ENOUGH = 10;

/** As often as it takes for the names to have a shape. */
function encodedAtLast(shapes: Shapes, value: unknown): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  for (let times = 0; times < ENOUGH; times++) bytes = encodeMsgpack(value, 'value', shapes).slice();
  return bytes;
}

const isShaped = (bytes: Uint8Array) => bytes[0] === SHAPED;
const decoded = (shapes: Shapes, bytes: Uint8Array) => decodeMsgpack(bytes, 0, bytes.length, shapes);
const named = (names: readonly string[]) =>
  Object.fromEntries(names.map((name, index) => [name, index])) as Record<string, unknown>;
const shapeOf = (shapes: Shapes, names: readonly string[]) => {
  encodedAtLast(shapes, named(names));
  return shapes.shapeOf(names)!;
};

describe('an object', () => {
  test('whose names have come often enough is written without them, and comes back as it was', () => {
    const shapes = new Shapes();
    const value = { id: 7, name: 'Ada', tags: ['a', { deep: null }], ok: true };
    const plain = encodeMsgpack(value).slice();
    expect(encodeMsgpack(value, 'value', shapes)).toEqual(plain);
    const bytes = encodedAtLast(shapes, value);
    expect(isShaped(bytes)).toBe(true);
    expect(bytes.length).toBeLessThan(plain.length);
    expect(decoded(shapes, bytes)).toEqual(value);
    expect(Object.keys(decoded(shapes, bytes) as object)).toEqual(Object.keys(value));
  });

  test('of any kind comes back as it does without shapes', () => {
    const name = fc.oneof(
      fc.constantFrom(
        'a',
        'b',
        'id',
        '0',
        '17',
        'é',
        '',
        'constructor',
        'toString',
        '\ufeffx',
        '"',
        '\\',
        '\u2028',
      ),
      fc.string({ unit: 'grapheme', maxLength: 8 }).filter((given) => given !== '__proto__'),
    );
    const leaf = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constantFrom(null, undefined, 5n),
    );
    const value = fc.dictionary(name, fc.oneof(leaf, fc.array(leaf)), { maxKeys: 8, noNullPrototype: true });
    const shapes = new Shapes();
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encodedAtLast(shapes, given);
        const found = decoded(shapes, bytes);
        expect(isDeepStrictEqual(found, decodeMsgpack(encodeMsgpack(given).slice()))).toBe(true);
        expect(Object.keys(found as object)).toEqual(Object.keys(given));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [
      'a getter',
      Object.defineProperty({ a: 1 }, 'b', { get: () => 2, enumerable: true, configurable: true }),
    ],
    ['a hidden property', Object.defineProperty({ a: 1, b: 2 }, 'c', { value: 3 })],
    ['a symbol', { a: 1, b: 2, [Symbol('s')]: 3 }],
    [
      'another prototype',
      Object.create(null, { a: { value: 1, enumerable: true }, b: { value: 2, enumerable: true } }),
    ],
  ])('with %s is refused also when its names have a shape', (_, value) => {
    const shapes = new Shapes();
    shapeOf(shapes, ['a', 'b']);
    expect(() => encodeMsgpack(value, 'value', shapes)).toThrow(TypeError);
  });

  test('with the names of a shape and a value that is not plain is written as ever', () => {
    const shapes = new Shapes();
    shapeOf(shapes, ['a', 'b']);
    const value = { a: new Date(5), b: new Map([[1, 2n]]) };
    const bytes = encodeMsgpack(value, 'value', shapes).slice();
    expect(bytes).toEqual(encodeMsgpack(value).slice());
    expect(decoded(shapes, bytes)).toEqual(value);
  });

  test.each([
    ['no names', []],
    ['a name that Object.prototype has', ['a', 'constructor']],
    ['a name that starts with U+FEFF', ['\ufeffa', 'b']],
    ['too many names', Array.from({ length: SHAPE_NAMES_MAX + 1 }, (_, index) => `n${index}`)],
    ['names that are too long', ['a', 'x'.repeat(1100)]],
  ])('with %s has none', (_, names) => {
    const shapes = new Shapes();
    const bytes = encodedAtLast(shapes, named(names));
    expect(isShaped(bytes)).toBe(false);
    expect(decoded(shapes, bytes)).toEqual(named(names));
  });

  test('with a shape is read by the library where there is more in it than is written so', () => {
    const shapes = new Shapes();
    shapeOf(shapes, ['a', 'b']);
    const head = encodeMsgpack({ a: 1, b: 2 }, 'value', shapes).slice(0, SHAPED_HEADER_BYTES);
    // Of 32 bits, and a binary.
    const bytes = Buffer.concat([head, Buffer.from('ca3f800000', 'hex'), Buffer.from('c4020102', 'hex')]);
    const found = decoded(shapes, bytes) as { b: Uint8Array };
    expect(found).toEqual({ a: 1, b: Uint8Array.of(1, 2) });
    bytes.fill(0);
    expect(found.b).toEqual(Uint8Array.of(1, 2));
    for (const items of ['ca3f800000', 'ca3f80000001c0']) {
      const wrong = Buffer.concat([head, Buffer.from(items, 'hex')]);
      expect(() => decoded(shapes, wrong)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    }
  });

  test('inside of another value has none', () => {
    const shapes = new Shapes();
    shapeOf(shapes, ['a', 'b']);
    for (const value of [[{ a: 1, b: 2 }], { c: { a: 1, b: 2 } }]) {
      const bytes = encodedAtLast(shapes, value);
      expect(bytes.filter((byte) => byte === SHAPED).length).toBeLessThanOrEqual(1);
      expect(decoded(shapes, bytes)).toEqual(value);
    }
  });

  test('is made by other code where none may be made of strings', async () => {
    const program = `
      import { inMemory } from 'keelson/testing';
      const db = await inMemory().open('/store');
      for (let n = 0; n < 20; n++) db.put('k' + n, { n, name: 'x' });
      let isForbidden = false;
      try { new Function('1'); } catch { isForbidden = true; }
      print({ isForbidden, found: db.get('k19'), names: Object.keys(db.get('k19')) });
      await db.close();
    `;
    const ended = runProgram(program, [''], { nodeOptions: ['--disallow-code-generation-from-strings'] });
    const lines = linesOf(await ended).map((line) => JSON.parse(line));
    expect(lines).toEqual([{ isForbidden: true, found: { n: 19, name: 'x' }, names: ['n', 'name'] }]);
  });
});

describe('the shapes of a store', () => {
  test('are so many at most, and further names are written with every value', () => {
    const shapes = new Shapes();
    const given = Array.from({ length: SHAPES_MAX * 4 }, (_, index) =>
      named(['n', `name ${index * 7}`, `${index}`.repeat(1 + (index % 3))]),
    );
    const encoded = given.map((value) => encodedAtLast(shapes, value));
    expect(encoded.filter(isShaped).length).toBeLessThanOrEqual(SHAPES_MAX);
    expect(encoded.filter(isShaped).length).toBeGreaterThan(SHAPES_MAX / 2);
    expect(encoded.map((bytes) => decoded(shapes, bytes))).toEqual(given);
  });

  test('are found among names that come once and never again', () => {
    const shapes = new Shapes();
    for (let turn = 0; turn < 40; turn++) {
      for (let other = 0; other < 50; other++)
        encodeMsgpack({ n: 1, [`${turn} ${other}`]: 2 }, 'value', shapes);
      encodeMsgpack({ id: turn, name: 'x' }, 'value', shapes);
    }
    expect(isShaped(encodeMsgpack({ id: 1, name: 'y' }, 'value', shapes))).toBe(true);
  });

  test('are known to another one by their definitions', () => {
    const [one, other] = [new Shapes(), new Shapes()];
    const values = [named(['a', 'b']), named(['é', '\u2028', '"']), named(['0', '1', 'x'])];
    const encoded = values.map((value) => encodedAtLast(one, value));
    const definitions = encodeShapes(values.map((value) => one.shapeOf(Object.keys(value))!));
    expect(() => decoded(other, encoded[0]!)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    expect(other.define(definitions, 0, definitions.length)).toHaveLength(3);
    expect(encoded.map((bytes) => decoded(other, bytes))).toEqual(values);
    // It writes them so at once.
    expect(values.map((value) => encodeMsgpack(value, 'value', other).slice())).toEqual(encoded);
  });
});

describe('damage', () => {
  const shapes = new Shapes();
  const value = { id: 7, name: 'Ada' };
  const bytes = encodedAtLast(shapes, value);
  const definitions = encodeShapes([shapes.shapeOf(['id', 'name'])!]);

  test('to a value is KEELSON_DECODE', () => {
    const wrong = [
      bytes.subarray(0, 1),
      bytes.subarray(0, SHAPED_HEADER_BYTES - 1),
      bytes.subarray(0, SHAPED_HEADER_BYTES),
      bytes.subarray(0, bytes.length - 1),
      Buffer.concat([bytes, Buffer.of(0)]),
      Buffer.concat([Buffer.of(SHAPED, 1, 2, 3, 4), bytes.subarray(SHAPED_HEADER_BYTES)]),
      Buffer.concat([bytes.subarray(0, SHAPED_HEADER_BYTES), bytes]),
    ];
    for (const each of wrong) {
      expect(() => decoded(shapes, each), Buffer.from(each).toString('hex')).toThrow(
        expect.objectContaining({ code: 'KEELSON_DECODE' }),
      );
    }
  });

  test('to definitions, any bit of them and any end, is KEELSON_DECODE, and nothing is known by it', () => {
    const wrong: Uint8Array[] = Array.from({ length: definitions.length * 8 }, (_, bit) => {
      const damaged = definitions.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      return damaged;
    });
    for (let end = 0; end < definitions.length; end++) wrong.push(definitions.subarray(0, end));
    wrong.push(Buffer.concat([definitions, Buffer.of(0)]));
    for (const each of wrong) {
      const other = new Shapes();
      expect(() => other.define(each, 0, each.length), Buffer.from(each).toString('hex')).toThrow(
        expect.objectContaining({ code: 'KEELSON_DECODE' }),
      );
      expect(() => decoded(other, bytes)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    }
  });
});
