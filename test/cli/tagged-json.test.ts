// Tagged JSON is exact for every value that a store can hold, and refuses what no encoder writes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTagged, taggedText } from '../../src/cli/tagged-json.js';

const again = (value: unknown) => parseTagged(taggedText(value), 'The value');

const VALUES: readonly unknown[] = [
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  12n,
  -(2n ** 70n),
  new Date(7),
  new Date(Number.NaN),
  new Date(8.64e15),
  Uint8Array.of(0, 255),
  Buffer.from([1, 2, 3]),
  new Map<unknown, unknown>([[[1], new Set([-0, undefined])]]),
  [undefined, null, { a: undefined }],
  { $bytes: 'AQI=' },
  { $object: { $object: 1n } },
  { $: 1, b: 2n },
  JSON.parse('{"__proto__":{"a":1},"b":[]}'),
  JSON.parse('{"__proto__":[1],"b":[]}'),
  { z: 1n, a: 1, y: -0 },
  '\ud800 \u0000 \u2028',
];

describe('tagged JSON', () => {
  test.each(VALUES)('brings back %o', (value) => {
    expect(again(value)).toStrictEqual(value);
    expect(taggedText(value)).not.toContain('\n');
  });

  test('brings back drawn values', () => {
    const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true });
    fc.assert(
      fc.property(anything, (value) => {
        expect(again(value)).toStrictEqual(value);
      }),
      { seed: 18, numRuns: 500 },
    );
  });

  // A draft asked each level twice whether it needs a tag, so a value of this depth would have taken for ever.
  test('brings back values as deep as a store takes', () => {
    let value: unknown = 1n;
    for (let depth = 0; depth < 99; depth++) value = depth % 2 === 0 ? [0, value] : { a: 0, b: value };
    expect(again(value)).toStrictEqual(value);
  });

  test('keeps the order of properties', () => {
    expect(Object.keys(again({ z: 1n, a: 1, y: -0 }) as object)).toEqual(['z', 'a', 'y']);
  });

  test.each([
    '{"$nothing":1}',
    '{"$bytes":"A"}',
    '{"$bigint":"1.5"}',
    '{"$bigint":1}',
    '{"$date":"yesterday"}',
    '{"$number":"7"}',
    '{"$undefined":false}',
    '{"$map":[[1]]}',
    '{"$set":1}',
    '{"$object":[]}',
    '{"$toString":1}',
    '{',
  ])('refuses %s', (text) => {
    expect(() => parseTagged(text, 'The value')).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});
