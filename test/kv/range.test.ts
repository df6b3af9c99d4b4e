// Range options: what they mean, and what is refused.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { BOUND_NAMES, type KeyRange, RANGE_NAMES, resolveRange } from '../../src/kv/encoding/range.js';
import { OrderedIndex } from '../../src/kv/entries/ordered-index.js';

const key = fc
  .array(fc.constantFrom('a', 'b', '\ud7ff', '\u{10000}', '\uffff'), { maxLength: 3 })
  .map((letters) => letters.join(''));

const low: fc.Arbitrary<KeyRange<string>> = fc.oneof(
  fc.constant({}),
  key.map((gt) => ({ gt })),
  key.map((gte) => ({ gte })),
);
const high: fc.Arbitrary<KeyRange<string>> = fc.oneof(
  fc.constant({}),
  key.map((lt) => ({ lt })),
  key.map((lte) => ({ lte })),
);
const prefix: fc.Arbitrary<KeyRange<string>> = fc.oneof(
  fc.constant({}),
  key.map((start) => ({ prefix: start })),
);

function satisfies(candidate: string, range: KeyRange<string>): boolean {
  return (
    (range.gt === undefined || candidate > range.gt) &&
    (range.gte === undefined || candidate >= range.gte) &&
    (range.lt === undefined || candidate < range.lt) &&
    (range.lte === undefined || candidate <= range.lte) &&
    (range.prefix === undefined || candidate.startsWith(range.prefix))
  );
}

const refused: readonly { given: unknown; message: RegExp }[] = [
  { given: 7, message: /^range: expected an object, got the number 7$/ },
  { given: null, message: /^range: expected an object, got null$/ },
  { given: ['a'], message: /^range: expected an object, got an array$/ },
  {
    given: { start: 'a' },
    message: /^range: unknown option 'start'; known are gt, gte, lt, lte, prefix, reverse, offset, limit$/,
  },
  { given: { gt: 'a', gte: 'a' }, message: /^range: expected gt or gte, got both$/ },
  { given: { lt: 'a', lte: 'a' }, message: /^range: expected lt or lte, got both$/ },
  { given: { gte: 5 }, message: /^range\.gte: expected a string, got the number 5\. Make / },
  { given: { prefix: null }, message: /^range\.prefix: expected a string, got null$/ },
  { given: { lt: '\udc00' }, message: /^range\.lt: expected a string without lone surrogates/ },
  { given: { reverse: 1 }, message: /^range\.reverse: expected a boolean, got the number 1$/ },
  {
    given: { limit: -1 },
    message: /^range\.limit: expected an integer of 0 or more, or Infinity, got the number -1$/,
  },
  { given: { limit: 1.5 }, message: /^range\.limit: / },
  { given: { limit: Number.NaN }, message: /^range\.limit: / },
  { given: { limit: '3' }, message: /^range\.limit: / },
  {
    given: { offset: -1 },
    message: /^range\.offset: expected an integer of 0 or more, got the number -1$/,
  },
  { given: { offset: 1.5 }, message: /^range\.offset: / },
  { given: { offset: Number.POSITIVE_INFINITY }, message: /^range\.offset: / },
  { given: { offset: null }, message: /^range\.offset: / },
];

describe('a range', () => {
  test('selects the keys that satisfy every option', () => {
    fc.assert(
      fc.property(low, high, prefix, fc.array(key, { maxLength: 30 }), (from, to, start, keys) => {
        const range = { ...from, ...to, ...start };
        const { bounds } = resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, range);
        const index = new OrderedIndex<{ key: string }>();
        for (const name of keys) index.set(name, { key: name });
        const expected = [...new Set(keys)]
          .filter((name) => satisfies(name, range))
          .sort((a, b) => (a < b ? -1 : 1));
        expect([...index.iterate(bounds)].map(([name]) => name)).toEqual(expected);
        expect(index.count(bounds)).toBe(expected.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('is everything, upwards, without an offset or a limit, when nothing is given', () => {
    const everything = { bounds: ALL_KEYS, reverse: false, offset: 0, limit: Number.POSITIVE_INFINITY };
    expect(resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, undefined)).toEqual(everything);
    expect(resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, {})).toEqual(everything);
    const undefineds = {
      gt: undefined,
      gte: undefined,
      prefix: undefined,
      reverse: undefined,
      offset: undefined,
      limit: undefined,
    };
    expect(resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, undefineds)).toEqual(everything);
  });

  test('carries order, offset and limit', () => {
    const range = resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, { reverse: true, offset: 7, limit: 0 });
    expect(range).toMatchObject({ reverse: true, offset: 7, limit: 0 });
    expect(resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, { limit: Number.POSITIVE_INFINITY }).limit).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test.each(refused)('refuses $given', ({ given, message }) => {
    const run = (): unknown => resolveRange(utf8KeyCodec, 'range', RANGE_NAMES, given);
    expect(run).toThrow(TypeError);
    expect(run).toThrow(message);
  });

  test('of a count or clear knows neither order, offset nor limit', () => {
    for (const given of [{ limit: 1 }, { offset: 1 }, { reverse: true }]) {
      expect(() => resolveRange(utf8KeyCodec, 'range', BOUND_NAMES, given)).toThrow(
        /unknown option '(limit|offset|reverse)'; known are gt, gte, lt, lte, prefix$/,
      );
    }
  });

  test('inside a larger object leaves the names that are not its own alone', () => {
    const clear = { type: 'clear', gte: 'b' };
    expect(resolveRange(utf8KeyCodec, 'operations[0]', BOUND_NAMES, clear, ['type']).bounds.low).toBe('b');
    expect(() =>
      resolveRange(utf8KeyCodec, 'operations[0]', BOUND_NAMES, { ...clear, key: 1 }, ['type']),
    ).toThrow(/^operations\[0\]: unknown option 'key'/);
  });

  test('of bytes takes bytes', () => {
    const { bounds } = resolveRange(bytesKeyCodec, 'range', RANGE_NAMES, { prefix: Uint8Array.of(1, 0xff) });
    expect(bounds).toEqual({ low: '\x01\xff', lowInclusive: true, high: '\x02', highInclusive: false });
    expect(() => resolveRange(bytesKeyCodec, 'range', RANGE_NAMES, { gt: 'a' })).toThrow(
      /^range\.gt: expected a Uint8Array/,
    );
  });
});
