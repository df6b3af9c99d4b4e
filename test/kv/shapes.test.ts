// Shapes of values: what has names in common is written without them and comes back as it was, out of the log, out of
// images, in this life and in the next.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ReadCursor } from '../../src/kv/encoding/leb128.js';
import {
  readShape,
  SHAPE_DEFINITION_BYTES_MAX,
  SHAPE_NAMES_MAX,
  SHAPED,
  SHAPED_HEADER_BYTES,
  SHAPES_MAX,
  type Shape,
  Shapes,
  writeShape,
} from '../../src/kv/encoding/shapes.js';
import { linesOf, runProgram } from '../native/native-tools.js';
import { decodeMsgpack, encodeMsgpack } from './encoded.js';

const ENOUGH = 10;

/** As often as it takes for the names to have a shape. */
function encodedAtLast(shapes: Shapes, value: unknown): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  for (let times = 0; times < ENOUGH; times++) bytes = encodeMsgpack(value, 'value', shapes);
  return bytes;
}

/** Returns the definitions of shapes, one behind the other. */
function definitionsOf(shapes: readonly Shape[]): Uint8Array {
  const bytes = new Uint8Array(shapes.length * SHAPE_DEFINITION_BYTES_MAX);
  return bytes.subarray(
    0,
    shapes.reduce((at, shape) => writeShape(bytes, shape, at), 0),
  );
}

/** Adds the definitions `bytes[start, end)`, and returns how many there were. */
function define(shapes: Shapes, bytes: Uint8Array, start = 0, end = bytes.length): number {
  const cursor: ReadCursor = { at: start };
  let count = 0;
  for (; cursor.at < end; count++) shapes.enter(readShape(bytes, cursor, end));
  expect(cursor.at).toBe(end);
  return count;
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
    const shapes = new Shapes(randomBytes);
    const value = { id: 7, name: 'Ada', tags: ['a', { deep: null }], ok: true };
    const plain = encodeMsgpack(value);
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
    const shapes = new Shapes(randomBytes);
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encodedAtLast(shapes, given);
        const found = decoded(shapes, bytes);
        expect(isDeepStrictEqual(found, decodeMsgpack(encodeMsgpack(given)))).toBe(true);
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
    ['another prototype', Object.assign(Object.create({}), { a: 1, b: 2 })],
  ])('with %s is refused also when its names have a shape', (_, value) => {
    const shapes = new Shapes(randomBytes);
    shapeOf(shapes, ['a', 'b']);
    expect(() => encodeMsgpack(value, 'value', shapes)).toThrow(TypeError);
  });

  test('with the names of a shape and a value that is not plain is written as ever', () => {
    const shapes = new Shapes(randomBytes);
    shapeOf(shapes, ['a', 'b']);
    const value = { a: new Date(5), b: new Map([[1, 2n]]) };
    const bytes = encodeMsgpack(value, 'value', shapes);
    expect(bytes).toEqual(encodeMsgpack(value));
    expect(decoded(shapes, bytes)).toEqual(value);
  });

  test.each([
    ['no names', []],
    ['too many names', Array.from({ length: SHAPE_NAMES_MAX + 1 }, (_, index) => `n${index}`)],
    ['names that are too long', ['a', 'x'.repeat(1100)]],
  ])('with %s has none', (_, names) => {
    const shapes = new Shapes(randomBytes);
    const bytes = encodedAtLast(shapes, named(names));
    expect(isShaped(bytes)).toBe(false);
    expect(decoded(shapes, bytes)).toEqual(named(names));
  });

  test('with a shape is read by the library where there is more in it than is written so', () => {
    const shapes = new Shapes(randomBytes);
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
    const shapes = new Shapes(randomBytes);
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

// What Object.prototype had in the process that read decided whether a definition was one: with one property more, the
// store could not be opened.
test.each([
  ['has more in it', 'Object.prototype.should = () => {};', ''],
  ['has a setter in it', '', "Object.defineProperty(Object.prototype, 'id', { set() {} });"],
  ['is frozen', '', 'Object.freeze(Object.prototype);'],
])('values with a shape are read in a process whose Object.prototype %s', async (_, before, after) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-shapes-'));
  const names = ['id', 'should', 'constructor', '\ufeffmarked'];
  const write = `
    import { open } from 'keelson';
    const db = await open(DIRECTORY + '/store', { engine: 'fs' });
    for (let n = 0; n < 9; n++) db.put('k' + n, { id: n, should: 'x' + n, constructor: null, '\ufeffmarked': 1 });
    await db.close();
    print({});
  `;
  const read = `
    ${before}
    const { open } = await import('keelson');
    ${after}
    const db = await open(DIRECTORY + '/store', { engine: 'fs', readOnly: true });
    const last = db.get('k8');
    print({ size: db.size, names: Object.keys(last), id: Object.getOwnPropertyDescriptor(last, 'id').value });
    await db.close();
  `;
  try {
    linesOf(await runProgram(write, [directory]));
    const [line] = linesOf(await runProgram(read, [directory]));
    expect(JSON.parse(line!)).toEqual({ size: 9, names, id: 8 });
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

// Then Object.prototype does not say that it is a name of its own, and a generated literal made a prototype of the value.
test('a property named __proto__ is refused also where Node has taken that of Object.prototype away', async () => {
  const program = `
    import { inMemory } from 'keelson/testing';
    const db = await inMemory().open('/store');
    let refused = 0;
    for (let n = 0; n < 9; n++) {
      try { db.put('k', JSON.parse('{"a":1,"__proto__":{"x":1}}')); } catch (error) { refused += error instanceof TypeError; }
    }
    print({ refused, size: db.size });
    await db.close();
  `;
  const ended = runProgram(program, [''], { nodeOptions: ['--disable-proto=delete'] });
  expect(linesOf(await ended).map((line) => JSON.parse(line))).toEqual([{ refused: 9, size: 0 }]);
});

describe('the shapes of a store', () => {
  test('are so many at most, and further names are written with every value', () => {
    const shapes = new Shapes(randomBytes);
    const given = Array.from({ length: SHAPES_MAX * 4 }, (_, index) =>
      named(['n', `name ${index * 7}`, `${index}`.repeat(1 + (index % 3))]),
    );
    const encoded = given.map((value) => encodedAtLast(shapes, value));
    expect(encoded.filter(isShaped).length).toBeLessThanOrEqual(SHAPES_MAX);
    expect(encoded.filter(isShaped).length).toBeGreaterThan(SHAPES_MAX / 2);
    expect(encoded.map((bytes) => decoded(shapes, bytes))).toEqual(given);
  });

  test('are found among names that come once and never again', () => {
    const shapes = new Shapes(randomBytes);
    for (let turn = 0; turn < 40; turn++) {
      for (let other = 0; other < 50; other++)
        encodeMsgpack({ n: 1, [`${turn} ${other}`]: 2 }, 'value', shapes);
      encodeMsgpack({ id: turn, name: 'x' }, 'value', shapes);
    }
    expect(isShaped(encodeMsgpack({ id: 1, name: 'y' }, 'value', shapes))).toBe(true);
  });

  // Their ids were checksums of the names: two sets of names with one checksum are found in seconds, and what was written
  // with one came back with the other.
  test('have one set of names for each id', () => {
    const shapes = new Shapes(randomBytes);
    const shape = shapeOf(shapes, ['a', 'b']);
    shapes.enter({ ...shape });
    const other = { ...shapeOf(new Shapes(randomBytes), ['c', 'd']), id: shape.id };
    expect(() => shapes.enter(other)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    expect(shapes.get(shape.id).names).toEqual(['a', 'b']);
    const [one, two] = [new Shapes(randomBytes), new Shapes(randomBytes)].map(
      (each) => shapeOf(each, ['a', 'b']).id,
    );
    expect(one).not.toBe(two);
  });

  test('are known to another one by their definitions', () => {
    const [one, other] = [new Shapes(randomBytes), new Shapes(randomBytes)];
    const values = [named(['a', 'b']), named(['é', '\u2028', '"']), named(['0', '1', 'x'])];
    const encoded = values.map((value) => encodedAtLast(one, value));
    const definitions = definitionsOf(values.map((value) => one.shapeOf(Object.keys(value))!));
    expect(() => decoded(other, encoded[0]!)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    expect(define(other, definitions)).toBe(3);
    expect(encoded.map((bytes) => decoded(other, bytes))).toEqual(values);
    // It writes them so at once.
    expect(values.map((value) => encodeMsgpack(value, 'value', other))).toEqual(encoded);
  });
});

describe('damage', () => {
  const shapes = new Shapes(randomBytes);
  const value = { id: 7, name: 'Ada' };
  const bytes = encodedAtLast(shapes, value);
  const shape = shapes.shapeOf(['id', 'name'])!;
  const definition = definitionsOf([shape]);

  test('to a value is KEELSON_DECODE', () => {
    const wrong = [
      bytes.subarray(0, 1),
      bytes.subarray(0, SHAPED_HEADER_BYTES - 1),
      bytes.subarray(0, SHAPED_HEADER_BYTES),
      bytes.subarray(0, bytes.length - 1),
      Buffer.concat([bytes, Buffer.of(0)]),
      Buffer.concat([Buffer.of(SHAPED, 1, 2, 3, 4, 5, 6), bytes.subarray(SHAPED_HEADER_BYTES)]),
      Buffer.concat([bytes.subarray(0, SHAPED_HEADER_BYTES), bytes]),
    ];
    for (const each of wrong) {
      expect(() => decoded(shapes, each), Buffer.from(each).toString('hex')).toThrow(
        expect.objectContaining({ code: 'KEELSON_DECODE' }),
      );
    }
  });

  test('to a definition is KEELSON_DECODE, and nothing is known by it', () => {
    const wrong: { bytes: Uint8Array; end: number }[] = [];
    const add = (bytes: Uint8Array, end = bytes.length) => wrong.push({ bytes, end });
    for (let end = 0; end < definition.length; end++) {
      add(definition.subarray(0, end));
      // What follows is there, and none of it.
      add(definition, end);
    }
    for (const names of [[], ['a', 'a'], ['a', '__proto__'], Array.from({ length: 65 }, (_, n) => `${n}`)]) {
      const texts = names.map((name) => Buffer.concat([Buffer.of(name.length), Buffer.from(name)]));
      add(Buffer.concat([definition.subarray(0, 6), Buffer.of(names.length), ...texts]));
    }
    for (const { bytes: each, end } of wrong) {
      const other = new Shapes(randomBytes);
      const message = `${Buffer.from(each).toString('hex')} to ${end}`;
      expect(() => other.enter(readShape(each, { at: 0 }, end)), message).toThrow(
        expect.objectContaining({ code: 'KEELSON_DECODE' }),
      );
      expect(() => decoded(other, bytes)).toThrow(expect.objectContaining({ code: 'KEELSON_DECODE' }));
    }
  });

  test('behind a definition is no part of it', () => {
    const other = new Shapes(randomBytes);
    const cursor: ReadCursor = { at: 2 };
    const around = Buffer.concat([Buffer.of(9, 9), definition, Buffer.of(0, 1)]);
    other.enter(readShape(around, cursor, around.length));
    expect(cursor.at).toBe(2 + definition.length);
    expect(decoded(other, bytes)).toEqual(value);
  });
});
