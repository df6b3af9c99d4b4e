// Tuple keys: what is one, their order, their bytes, and what of a disk is refused.

import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Tuple, type TuplePart, tuple } from '../../src/kv/encoding/encoding-types.js';
import { KEY_BYTES_MAX, resolveKeyEncoding, tupleKeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { RANGE_NAMES, resolveRange } from '../../src/kv/encoding/range.js';
import { TUPLE_DEPTH_MAX } from '../../src/kv/encoding/tuple-key-format.js';
import { Random } from '../../src/testing/random.js';
import { tries } from '../counts.js';
import { anyTuple, anyTwoTuples, compareTuples, readBack } from './tuple-tools.js';

const encode = (key: unknown, argument = 'key'): string => tupleKeyCodec.toIndexKey(argument, key);
const decode = (key: string): Tuple => tupleKeyCodec.fromIndexKey(key);
const hexOf = (key: unknown): string => Buffer.from(encode(key), 'latin1').toString('hex');

/** Returns whether `indexKey` is a key, or with `readBound` a bound, when a disk has its bytes. */
function isRead(indexKey: string, as: 'read' | 'readBound' = 'read'): boolean {
  const bytes = Buffer.from(`..${indexKey}.`, 'latin1');
  try {
    expect(tupleKeyCodec[as](bytes, 2, bytes.length - 1)).toBe(indexKey);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'KEELSON_DECODE', facts: { offset: 2 } });
    return false;
  }
}

function nested(levels: number, inner: TuplePart = null): Tuple {
  let key: Tuple = [inner];
  for (let level = 0; level < levels; level++) key = [key];
  return key;
}

describe('a tuple key', () => {
  test('has the bytes that the format says', () => {
    expect(hexOf([])).toBe('');
    expect(hexOf([null, false, true])).toBe('051011');
    expect(hexOf([0])).toBe('208000000000000000');
    expect(hexOf([-0])).toBe(hexOf([0]));
    expect(hexOf([1])).toBe('20bff0000000000000');
    expect(hexOf([-1])).toBe('20400fffffffffffff');
    expect(hexOf([Number.POSITIVE_INFINITY])).toBe('20fff0000000000000');
    expect(hexOf([Number.NEGATIVE_INFINITY])).toBe('20000fffffffffffff');
    expect(hexOf([0n])).toBe('290000');
    expect(hexOf([1n, 256n])).toBe('290001012900020100');
    expect(hexOf([-1n, -256n])).toBe('28fffefe28fffdfeff');
    expect(hexOf(['', 'a\0b'])).toBe('3000306100ff6200');
    expect(hexOf(['ü€'])).toBe('30c3bce282ac00');
    expect(hexOf(['😀'])).toBe('30eda0bdedb88000');
    expect(hexOf([Uint8Array.of(), Uint8Array.of(0, 255)])).toBe('38003800ffff00');
    expect(hexOf([[], [null, ['a']]])).toBe('40004005403061000000');
  });

  test('is in the order of its values, and different for different values', () => {
    fc.assert(
      fc.property(anyTwoTuples, ([one, other]) => {
        const [a, b] = [encode(one), encode(other)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(Math.sign(compareTuples(one, other)));
      }),
      { numRuns: tries(8000, 20_000) },
    );
  });

  test('is read back as it was, with 0 for −0', () => {
    fc.assert(
      fc.property(anyTuple, (given) => {
        const key = encode(given);
        expect(decode(key)).toStrictEqual(readBack(given));
        expect(isRead(key)).toBe(true);
        const target = new Uint8Array(tupleKeyCodec.byteLength(key) + 2).fill(0xee);
        expect(tupleKeyCodec.write(key, target, 1)).toBe(key.length);
        expect(Buffer.from(target).toString('latin1')).toBe(`\xee${key}\xee`);
      }),
      { numRuns: 5000 },
    );
  });

  test('is read back as arrays and Uint8Arrays of its own', () => {
    const bytes = Buffer.from('bytes');
    const key = encode(['a', bytes, ['b']]);
    bytes.fill(0);
    const [one, other] = [decode(key), decode(key)];
    expect(one).toStrictEqual(['a', new Uint8Array(Buffer.from('bytes')), ['b']]);
    (one[1] as Uint8Array).fill(1);
    (one[2] as TuplePart[]).push(1);
    expect(other).toStrictEqual(decode(key));
  });

  test('may come from another realm, and be a subclass of an array', () => {
    const key = vm.runInNewContext("['a', new Uint8Array([1]), ['b']]");
    class List extends Array<TuplePart> {}
    const list = new List();
    list.push('a', 7);
    expect(encode(key)).toBe(encode(['a', Uint8Array.of(1), ['b']]));
    expect(encode(list)).toBe(encode(['a', 7]));
  });
});

describe('a range of tuples', () => {
  test('by a prefix has exactly the extensions of it, and itself', () => {
    fc.assert(
      fc.property(anyTwoTuples, anyTuple, ([prefix, other], rest) => {
        const { bounds } = resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, { prefix });
        const isInside = (key: string) => key >= bounds.low! && key < bounds.high!;
        const start = prefix.map((part) => encode([part]));
        const startsOther = start.every((part, at) => at < other.length && part === encode([other[at]]));
        expect(isInside(encode([...prefix, ...rest]))).toBe(true);
        expect(isInside(encode(other))).toBe(startsOther);
        expect(isRead(bounds.low!, 'readBound') && isRead(bounds.high!, 'readBound')).toBe(true);
        expect(isRead(bounds.high!)).toBe(false);
      }),
      { numRuns: tries(4000, 10_000) },
    );
  });

  test('goes by parts, and not by the characters of a part', () => {
    const { bounds } = resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, { prefix: ['user', 7] });
    expect(bounds).toEqual({
      low: encode(['user', 7]),
      lowInclusive: true,
      high: `${encode(['user', 7])}\xff`,
      highInclusive: false,
    });
    const { low, high } = resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, { prefix: ['a'] }).bounds;
    expect([['a\0'], ['ab'], ['a\xff']].filter((key) => encode(key) >= low! && encode(key) < high!)).toEqual(
      [],
    );
  });

  test('above a tuple has its extensions', () => {
    const { low, lowInclusive } = resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, {
      gt: ['user', 7],
    }).bounds;
    expect(lowInclusive).toBe(false);
    expect(encode(['user', 7, 1]) > low!).toBe(true);
  });

  test('within a prefix and other bounds satisfies both', () => {
    const range = { prefix: ['user'], gt: ['user', 7], lte: ['user', 9] };
    expect(resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, range).bounds).toEqual({
      low: encode(['user', 7]),
      lowInclusive: false,
      high: encode(['user', 9]),
      highInclusive: true,
    });
  });

  test('refuses a bound that is no tuple by its name', () => {
    const run = (): unknown => resolveRange(tupleKeyCodec, 'range', RANGE_NAMES, { gte: [{}] });
    expect(run).toThrow(/^range\.gte\[0\]: expected null, .*, got an object\. Use its fields as parts$/);
  });
});

const hole: unknown[] = ['a'];
hole.length = 2;

const PART = 'expected null, a boolean, a number, a bigint, a string, a Uint8Array or an array of these';
const refused: readonly (readonly [what: string, key: unknown, message: string])[] = [
  [
    'a string',
    'user',
    `key: expected an array, the parts of a tuple, got the string "user". Make a tuple of it, such as [key], or use a store that was made with keyEncoding: 'utf8'`,
  ],
  [
    'a Uint8Array',
    Uint8Array.of(1),
    `key: expected an array, the parts of a tuple, got a Uint8Array. Make a tuple of it, such as [key], or use a store that was made with keyEncoding: 'bytes'`,
  ],
  [
    'a number',
    7,
    `key: expected an array, the parts of a tuple, got the number 7. Make a tuple of it, such as ['user', 7]`,
  ],
  [
    'undefined',
    ['a', undefined],
    `key[1]: ${PART}, got undefined. Leave the part out, or use null in its place`,
  ],
  ['a hole', hole, `key[1]: ${PART}, got undefined. Leave the part out, or use null in its place`],
  [
    'NaN',
    ['a', Number.NaN],
    'key[1]: expected a number that has an order, got the number NaN. Use null in its place',
  ],
  ['a Date', [new Date(0)], `key[0]: ${PART}, got a Date. Use its getTime() or its toISOString()`],
  ['an object', [{ id: 7 }], `key[0]: ${PART}, got an object. Use its fields as parts`],
  ['a Map', [new Map()], `key[0]: ${PART}, got a Map. Use its fields as parts`],
  ['a symbol', [Symbol('a')], `key[0]: ${PART}, got a symbol`],
  ['a function', [() => {}], `key[0]: ${PART}, got a function`],
  ['another typed array', [new Int8Array(1)], `key[0]: ${PART}, got an Int8Array. Use its fields as parts`],
  [
    'a wrong part of an array',
    [1, ['a', [Number.NaN]]],
    'key[1][1][0]: expected a number that has an order, got the number NaN. Use null in its place',
  ],
  [
    'a lone high surrogate',
    ['a', 'b\ud800'],
    'key[1]: expected a string without lone surrogates, got the string "b\\ud800". Mend it with toWellFormed(), which puts U+FFFD in their place',
  ],
  [
    'a lone low surrogate',
    ['\udc00b'],
    'key[0]: expected a string without lone surrogates, got the string "\\udc00b". Mend it with toWellFormed(), which puts U+FFFD in their place',
  ],
  [
    'an array too deep',
    nested(TUPLE_DEPTH_MAX + 1),
    `key${'[0]'.repeat(TUPLE_DEPTH_MAX + 1)}: expected at most 100 arrays inside each other, got an array`,
  ],
];

describe('what is no tuple key', () => {
  test.each(refused)('is refused by its place: %s', (_what, key, message) => {
    expect(() => encode(key)).toThrow(new TypeError(message));
    // A refusal leaves nothing behind.
    expect(decode(encode(['a', 7]))).toEqual(['a', 7]);
  });

  test('is an unknown encoding, and a marker that was not called for', () => {
    expect(resolveKeyEncoding('o', tuple())).toBe(tupleKeyCodec);
    expect(resolveKeyEncoding('o', { name: 'tuple' })).toBe(tupleKeyCodec);
    expect(resolveKeyEncoding('o', 'tuple')).toBe(tupleKeyCodec);
    const expected = "o: expected one of 'utf8', 'bytes', 'tuple'";
    const call = 'Call it, as in tuple() or msgpack()';
    expect(() => resolveKeyEncoding('o', tuple)).toThrow(
      new TypeError(`${expected}, got a function. ${call}`),
    );
    expect(() => resolveKeyEncoding('o', { name: 'utf8' })).toThrow(
      new TypeError(`${expected}, got an object`),
    );
    expect(() => resolveKeyEncoding('o', null)).toThrow(new TypeError(`${expected}, got null`));
  });
});

describe('the limits of a tuple key', () => {
  const tooLarge = expect.objectContaining({
    code: 'KEELSON_KEY_TOO_LARGE',
    message: expect.stringMatching(/^key: a key has at most 65536 bytes/),
  });

  const largest: readonly (readonly [what: string, of: (bytes: number) => Tuple])[] = [
    ['a string', (bytes) => ['a'.repeat(bytes - 2)]],
    ['a string of wide characters', (bytes) => ['€'.repeat(100), 'a'.repeat(bytes - 304)]],
    ['a string of U+0000', (bytes) => ['\0'.repeat(100), 'a'.repeat(bytes - 204)]],
    ['bytes', (bytes) => [new Uint8Array(bytes - 2).fill(1)]],
    ['bytes of 00', (bytes) => [new Uint8Array(100), new Uint8Array(bytes - 204).fill(1)]],
    ['a bigint', (bytes) => [2n ** BigInt(8 * (bytes - 3)) - 1n]],
    ['a negative bigint', (bytes) => [1n - 2n ** BigInt(8 * (bytes - 3))]],
    ['many parts', (bytes) => Array<null>(bytes).fill(null)],
    [
      'many arrays',
      (bytes) => [...Array<TuplePart>(bytes / 2 - 1).fill([]), ...Array<null>(2 + (bytes % 2)).fill(null)],
    ],
  ];

  test.each(largest)('are 65,536 bytes of %s, and not one more', (_what, of) => {
    const key = encode(of(KEY_BYTES_MAX));
    expect(key).toHaveLength(KEY_BYTES_MAX);
    expect(decode(key)).toEqual(of(KEY_BYTES_MAX));
    expect(isRead(key)).toBe(true);
    expect(isRead(`${key}\x05`)).toBe(false);
    expect(() => encode([...of(KEY_BYTES_MAX), null])).toThrow(tooLarge);
    expect(decode(encode(['after', 'it']))).toEqual(['after', 'it']);
  });

  test('let the end of a prefix have one byte more', () => {
    const key = encode(['a'.repeat(KEY_BYTES_MAX - 2)]);
    const after = tupleKeyCodec.afterPrefix(key)!;
    expect(after).toHaveLength(KEY_BYTES_MAX + 1);
    expect(isRead(after, 'readBound')).toBe(true);
    expect(isRead(`${key}\x05\xff`, 'readBound')).toBe(false);
  });

  test('stop a part that is far too large before it takes memory', () => {
    const endless = new Proxy([], { get: (_, name) => (name === 'length' ? Number.MAX_SAFE_INTEGER : null) });
    for (const key of [endless, ['x'.repeat(2 ** 28)], [new Uint8Array(2 ** 28)], [1n << 8_000_000n]])
      expect(() => encode(key)).toThrow(tooLarge);
  });

  test('are 100 levels of arrays inside the tuple', () => {
    const key = encode(nested(TUPLE_DEPTH_MAX));
    expect(decode(key)).toEqual(nested(TUPLE_DEPTH_MAX));
    expect(isRead(key)).toBe(true);
    expect(isRead(`@${key}\0`)).toBe(false);
  });
});

describe('the bytes of a disk', () => {
  test('are a key only as they are written', () => {
    const random = new Random(7);
    const counts = { keys: 0, refused: 0 };
    fc.assert(
      fc.property(anyTuple, fc.integer({ min: 1, max: 3 }), (given, changes) => {
        let bytes = Buffer.from(encode(given), 'latin1');
        for (let change = 0; change < changes; change++) bytes = mutated(bytes, random);
        const key = bytes.toString('latin1');
        // The check must agree with a reader that takes anything: it is the writer that says what is canonical.
        const isKey = isSameAgain(key);
        expect(isRead(key)).toBe(isKey);
        counts[isKey ? 'keys' : 'refused']++;
      }),
      { numRuns: tries(8000, 20_000) },
    );
    expect(Math.min(counts.keys, counts.refused)).toBeGreaterThan(500);
  });

  const malformed: readonly (readonly [what: string, hex: string])[] = [
    ['an unknown tag', '06'],
    ['the end of no array', '0500'],
    ['an array without an end', '4005'],
    ['a string without an end', '3061'],
    ['a string that goes on behind an escape', '306100ff61'],
    ['a string with a byte of UTF-8 too few', '30c300'],
    ['a character in more bytes than it needs', '30c18100'],
    ['a character in three bytes that needs two', '30e09fbf00'],
    ['a pair of surrogates in four bytes', '30f09f988000'],
    ['a lone high surrogate', '30eda0bd00'],
    ['a lone low surrogate', '30edb88000'],
    ['two high surrogates', '30eda0bdeda0bd00'],
    ['a high surrogate before a U+0000', '30eda0bd00ff00'],
    ['bytes without an end', '3801'],
    ['a number that is cut off', '20bff00000000000'],
    ['−0', '207fffffffffffffff'],
    ['NaN', '20fff8000000000000'],
    ['a NaN with a sign', '200007ffffffffffff'],
    ['a bigint that is cut off', '290001'],
    ['a bigint without a length', '2900'],
    ['a bigint with a leading zero', '2900020001'],
    ['a negative bigint with a leading zero', '28fffdfffe'],
    ['a negative bigint of 0', '28ffff'],
  ];

  test.each(malformed)('are no key with %s', (_what, hex) => {
    const key = Buffer.from(hex, 'hex').toString('latin1');
    expect(isRead(key)).toBe(false);
    expect(isRead(key, 'readBound')).toBe(false);
  });

  test('are a bound with one byte FF behind a key, and not with two', () => {
    for (const key of [[], ['a'], [null], [Number.POSITIVE_INFINITY], [['b']], [-1n]].map((given) =>
      encode(given),
    )) {
      expect(isRead(key, 'readBound')).toBe(true);
      expect(isRead(`${key}\xff`, 'readBound')).toBe(true);
      expect(isRead(`${key}\xff`)).toBe(false);
      expect(isRead(`${key}\xff\xff`, 'readBound')).toBe(false);
    }
  });
});

function isSameAgain(key: string): boolean {
  try {
    return encode(decode(key)) === key;
  } catch {
    return false;
  }
}

/** Changes, removes, doubles or inserts a byte, mostly to one that has a meaning. */
function mutated(bytes: Buffer<ArrayBuffer>, random: Random): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const tags = [0x00, 0x05, 0x10, 0x11, 0x20, 0x28, 0x29, 0x30, 0x38, 0x40, 0xff];
  const byte = random.chance(0.7) ? random.pick(tags) : random.below(256);
  const removed = random.below(2);
  const inserted = random.chance(0.7) ? [byte] : [];
  return Buffer.from([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + removed)]);
}

describe('foreign code in a tuple', () => {
  test('runs once for each part, and its keys do not mix with the outer one', () => {
    const seen: string[] = [];
    const inner = new Proxy(['x'.repeat(3000), 2], {
      get(target, name, receiver) {
        seen.push(`inner ${String(name)}`);
        expect(decode(encode(['another', 'key', 1n]))).toEqual(['another', 'key', 1n]);
        return Reflect.get(target, name, receiver);
      },
    });
    const outer = ['a', inner, 'z'];
    Object.defineProperty(outer, 2, {
      get() {
        seen.push('outer 2');
        encode(['y'.repeat(5000)]);
        return 'z';
      },
    });
    expect(decode(encode(outer))).toEqual(['a', ['x'.repeat(3000), 2], 'z']);
    expect(seen).toEqual(['inner length', 'inner 0', 'inner 1', 'outer 2']);
  });

  test('that throws ends the key, and the next one is whole', () => {
    const throwing = new Proxy(['a', 'b'], {
      get(target, name, receiver) {
        if (name === '1') throw new Error('no more');
        return Reflect.get(target, name, receiver);
      },
    });
    expect(() => encode(['a', throwing])).toThrow('no more');
    expect(decode(encode(['a', 'b']))).toEqual(['a', 'b']);
  });

  test('of an iterator is never called', () => {
    const key = ['a', 7];
    key[Symbol.iterator] = () => {
      throw new Error('a key is not iterated');
    };
    expect(decode(encode(key))).toEqual(['a', 7]);
  });

  test('in the length of bytes cannot write more than there are', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 70_000;
      }
    }
    expect(decode(encode([new Liar(3).fill(65)]))).toEqual([Uint8Array.of(65, 65, 65)]);
  });
});
