// Tuples for tests: of any parts, near to others, and compared by their values.

import fc from 'fast-check';
import type { Tuple, TuplePart } from '../../src/kv/encoding/encoding-types.js';

const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(
    0,
    -0,
    5e-324,
    -5e-324,
    2 ** 53,
    Number.MAX_VALUE,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ),
);

/** Mostly around the places where a bigint takes one byte more. */
const bigint = fc
  .tuple(fc.constantFrom(0, 8, 16, 64, 256, 2040, 2048), fc.integer({ min: -2, max: 2 }), fc.boolean())
  .map(([bits, delta, isNegative]) => (2n ** BigInt(bits) + BigInt(delta)) * (isNegative ? -1n : 1n));

/** Code units at the ends of every length in CESU-8, and of surrogates. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc
    .array(
      fc.constantFrom(
        '\0',
        '\x01',
        'a',
        '\x7f',
        '\x80',
        '\u07ff',
        '\u0800',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '😀',
        '\u{10ffff}',
      ),
      { maxLength: 4 },
    )
    .map((letters) => letters.join('')),
);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.array(fc.constantFrom(0, 1, 0xfe, 0xff), { maxLength: 4 }).map((list) => Uint8Array.from(list)),
);

const { tuple } = fc.letrec<{ part: TuplePart; tuple: TuplePart[] }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(fc.constantFrom(null, false, true), number, bigint, text, bytes),
    tie('tuple'),
  ),
  tuple: fc.array(tie('part'), { maxLength: 3 }),
}));

export const anyTuple: fc.Arbitrary<Tuple> = tuple;

/** Two tuples: of anything, or with first parts in common. */
export const anyTwoTuples: fc.Arbitrary<readonly [Tuple, Tuple]> = fc.oneof(
  fc.tuple(anyTuple, anyTuple),
  fc.tuple(anyTuple, anyTuple, anyTuple).map(([start, a, b]): [Tuple, Tuple] => [
    [...start, ...a],
    [...start, ...b],
  ]),
);

/** Returns the order of two tuples by their values: below 0, 0 or above 0. */
export function compareTuples(one: Tuple, other: Tuple): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const order = compareParts(one[at]!, other[at]!);
    if (order !== 0) return order;
  }
  return one.length - other.length;
}

function compareParts(one: TuplePart, other: TuplePart): number {
  const rank = rankOf(one) - rankOf(other);
  if (rank !== 0) return rank;
  if (Array.isArray(one)) return compareTuples(one, other as Tuple);
  if (one instanceof Uint8Array) return Buffer.compare(one, other as Uint8Array);
  return one === other ? 0 : (one as string) < (other as string) ? -1 : 1;
}

function rankOf(value: TuplePart): number {
  if (value === null) return 0;
  if (Array.isArray(value)) return 6;
  if (value instanceof Uint8Array) return 5;
  return ['boolean', 'number', 'bigint', 'string'].indexOf(typeof value) + 1;
}

/** Returns the tuple as it is read back: 0 in the place of −0. */
export function readBack(given: Tuple): Tuple {
  return given.map((value) => (Array.isArray(value) ? readBack(value) : Object.is(value, -0) ? 0 : value));
}
