// Value encodings: exact, in the caller's own memory, and clear about what they refuse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeelsonError } from '../../src/errors.js';
import { type CustomValueEncoding, json, msgpack } from '../../src/kv/encoding/encoding-types.js';
import { msgpackCodec } from '../../src/kv/encoding/msgpack/msgpack-codec.js';
import {
  ENCODING_NAME_BYTES_MAX,
  resolveValueEncoding as resolveWith,
  type ValueCodec,
} from '../../src/kv/encoding/value-encoding.js';
import { encodedBy } from './encoded.js';

const MSGPACK = msgpackCodec(null);

function resolveValueEncoding<V = unknown>(
  option: Parameters<typeof resolveWith<V>>[0],
  argument = "option 'valueEncoding'",
): ValueCodec<V> {
  return resolveWith(option, argument, MSGPACK);
}

/** Decodes as the store does: from the middle of a slab that holds much else. */
function decoded<V>(codec: ValueCodec<V>, stored: Uint8Array): V {
  const slab = new Uint8Array(stored.length + 24).fill(0xc1);
  slab.set(stored, 12);
  const value = codec.decode(slab, 12, 12 + stored.length);
  slab.fill(0xc1);
  return value;
}

function thrownBy(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

const point: CustomValueEncoding<{ x: number }> = {
  name: 'point',
  encode: ({ x }) => Uint8Array.of(x),
  decode: (bytes) => {
    if (bytes.length !== 1) throw new RangeError('a point has one byte');
    return { x: bytes[0]! };
  },
};

describe('the value encoding option', () => {
  test('is the msgpack of the store when it is not given, and when it is named', () => {
    expect(resolveValueEncoding(undefined)).toBe(MSGPACK);
    expect(resolveValueEncoding('msgpack')).toBe(MSGPACK);
    for (const name of ['msgpack', 'json', 'utf8', 'bytes'] as const) {
      expect(resolveValueEncoding(name).name).toBe(name);
    }
  });

  test('is that of a name when it is a marker of the name', () => {
    expect(resolveValueEncoding(msgpack())).toBe(MSGPACK);
    expect(resolveValueEncoding({ name: 'msgpack' })).toBe(MSGPACK);
    expect(resolveValueEncoding(json())).toBe(resolveValueEncoding('json'));
    for (const marker of [msgpack(), json()]) expect(Object.isFrozen(marker)).toBe(true);
  });

  const wrong: readonly { given: unknown; message: RegExp }[] = [
    {
      given: 'yaml',
      message:
        /^o: expected one of 'msgpack', 'json', 'utf8', 'bytes' or \{ name, encode, decode \}, got the string "yaml"$/,
    },
    { given: msgpack, message: /Call it, as in tuple\(\) or msgpack\(\)$/ },
    { given: 5, message: /^o: expected one of .*, got the number 5$/ },
    { given: null, message: /^o: expected one of .*, got null$/ },
    { given: {}, message: /^o\.name: expected a string that is not empty, got undefined$/ },
    {
      given: { ...point, name: '' },
      message: /^o\.name: expected a string that is not empty, got the string ""$/,
    },
    {
      given: { ...point, name: 'json' },
      message: /^o\.name: expected a name that is not that of a built-in encoding, got the string "json"$/,
    },
    {
      given: { ...point, name: 'x'.repeat(ENCODING_NAME_BYTES_MAX + 1) },
      message: /^o\.name: expected at most \d+ bytes/,
    },
    { given: { name: 'utf8' }, message: /^o\.name: expected a name that is not that of a built-in encoding/ },
    { given: { ...point, encode: undefined }, message: /^o\.encode: expected a function, got undefined$/ },
    { given: { ...point, decode: 1 }, message: /^o\.decode: expected a function, got the number 1$/ },
  ];

  test.each(wrong)('refuses $given', ({ given, message }) => {
    const error = thrownBy(() => resolveValueEncoding(given as 'json', 'o'));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });
});

describe('json', () => {
  const json = resolveValueEncoding('json');

  test('reads back what JSON reads back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decoded(json, encodedBy(json, value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(decoded(json, encodedBy(json, '\ud800'))).toBe('\ud800');
  });

  test.each([undefined, () => 1, Symbol('s')])('refuses %s by name', (value) => {
    const error = thrownBy(() => encodedBy(json, value));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(
      /^value: expected what JSON can hold, got (undefined|a function|a symbol)\. Store null/,
    );
  });

  test('refuses a bigint and a cycle, with the cause', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const value of [1n, cycle]) {
      const error = thrownBy(() => encodedBy(json, value, 'operations[2].value'));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(/^operations\[2\]\.value: expected what JSON can hold/);
      expect(error.cause).toBeInstanceOf(TypeError);
    }
  });

  test.each(['', '{', 'undefined', '{"a":1} '.repeat(2)])('of %j on disk is KEELSON_DECODE', (text) => {
    const error = thrownBy(() => decoded(json, Buffer.from(text)));
    expect(error).toMatchObject({ code: 'KEELSON_DECODE' });
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  test('that is not UTF-8 is KEELSON_DECODE', () => {
    expect(thrownBy(() => decoded(json, Uint8Array.of(0x22, 0xff, 0x22)))).toMatchObject({
      code: 'KEELSON_DECODE',
    });
  });
});

describe('utf8', () => {
  const utf8 = resolveValueEncoding<string>('utf8');

  test('reads back every well-formed string', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', '\ufeff', 'x'.repeat(300)),
        (text, start) => {
          expect(decoded(utf8, encodedBy(utf8, start + text))).toBe(start + text);
        },
      ),
    );
  });

  test.each([
    { value: 5, message: /^value: expected a string, got the number 5\. Convert it/ },
    { value: 'a\udc00', message: /^value: expected a string without lone surrogates/ },
  ])('refuses $value', ({ value, message }) => {
    const error = thrownBy(() => encodedBy(utf8, value as string));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });

  test('that is not UTF-8 is KEELSON_DECODE', () => {
    expect(thrownBy(() => decoded(utf8, Uint8Array.of(0xc0, 0x80)))).toMatchObject({
      code: 'KEELSON_DECODE',
    });
  });
});

describe('bytes', () => {
  const bytes = resolveValueEncoding<Uint8Array>('bytes');

  test('come back as a plain Uint8Array that shares no memory, whether read from a Buffer or not', () => {
    for (const stored of [Uint8Array.of(1, 2, 3), Buffer.from([1, 2, 3])]) {
      const value = decoded(bytes, stored);
      stored.fill(9);
      expect(value).toEqual(Uint8Array.of(1, 2, 3));
      expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
      expect(value.buffer.byteLength).toBe(3);
    }
  });

  test('come back as copies of their own at every length, which do not overlap and cannot be transferred away', () => {
    const stored = Uint8Array.from({ length: 3000 }, (_, at) => at);
    const values = Array.from({ length: 2000 }, (_, length) => bytes.decode(stored, 5, 5 + length));
    values.forEach((value, length) => {
      expect(value.length).toBe(length);
      expect(Object.getPrototypeOf(value) === Uint8Array.prototype).toBe(true);
      expect(value.byteOffset % 8).toBe(0);
    });
    for (const [length, value] of values.entries()) value.fill(length);
    stored.fill(0);
    const changed = values.findIndex((value, length) => value.some((byte) => byte !== length % 256));
    expect(changed).toBe(-1);
    const [one, other] = [values[100]!, values[101]!];
    expect(one.buffer).toBe(other.buffer);
    try {
      structuredClone(one, { transfer: [one.buffer as ArrayBuffer] });
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError');
    }
    expect([one.length, other.length]).toEqual([100, 101]);
  });

  test.each(['abc', [1], new Uint16Array(1), new ArrayBuffer(1), null])('refuse %s', (value) => {
    const error = thrownBy(() => encodedBy(bytes, value as unknown as Uint8Array));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^value: expected a Uint8Array, got /);
  });
});

describe('a custom encoding', () => {
  test('encodes and decodes under its own name', () => {
    const codec = resolveValueEncoding(point);
    expect(codec.name).toBe('point');
    expect(decoded(codec, encodedBy(codec, { x: 7 }))).toEqual({ x: 7 });
  });

  test('keeps its `this`', () => {
    class Doubling implements CustomValueEncoding<number> {
      readonly name = 'doubling';
      readonly factor = 2;
      encode(value: number): Uint8Array {
        return Uint8Array.of(value * this.factor);
      }
      decode(bytes: Uint8Array): number {
        return bytes[0]! / this.factor;
      }
    }
    const codec = resolveValueEncoding(new Doubling());
    expect([...encodedBy(codec, 4)]).toEqual([8]);
    expect(decoded(codec, Uint8Array.of(8))).toBe(4);
  });

  test('that decodes gets bytes of its own', () => {
    const identity = resolveValueEncoding<Uint8Array>({
      name: 'id',
      encode: (value) => value,
      decode: (value) => value,
    });
    const stored = Buffer.from('abc');
    const value = decoded(identity, stored);
    stored.fill(0);
    expect(Buffer.from(value).toString()).toBe('abc');
    value.fill(1);
    expect(stored.every((byte) => byte === 0)).toBe(true);
  });

  test('that does not return bytes is a TypeError, also when it is async', () => {
    for (const result of ['abc', undefined, Promise.resolve(Uint8Array.of(1))]) {
      const codec = resolveValueEncoding({
        name: 'bad',
        encode: () => result as unknown as Uint8Array,
        decode: () => 1,
      });
      const error = thrownBy(() => encodedBy(codec, 1));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(/^the result of bad\.encode\(\): expected a Uint8Array, got /);
    }
  });

  test('whose encode throws passes its own error on', () => {
    const own = new Error('mine');
    const codec = resolveValueEncoding({
      name: 'bad',
      encode: () => {
        throw own;
      },
      decode: () => 1,
    });
    expect(thrownBy(() => encodedBy(codec, 1))).toBe(own);
  });

  test('whose decode throws is KEELSON_DECODE, with the cause', () => {
    const error = thrownBy(() => decoded(resolveValueEncoding(point), Uint8Array.of(1, 2)));
    expect(error).toBeInstanceOf(KeelsonError);
    expect(error).toMatchObject({ code: 'KEELSON_DECODE' });
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.message).toContain("'point'");
  });
});
