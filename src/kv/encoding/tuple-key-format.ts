// The bytes of tuple keys: the tags of their parts. Pure. docs/FORMAT.md is the authority.
//
// A tuple is its parts, back to back. Each part starts with a tag, and the bytes of a part are in the order of its
// values. A tag is lower than FF, so the extensions of a tuple p are the keys from p to p + FF.

/** Tags of parts. Their order is that of the types. */
export const TAG = {
  /** Ends a string, bytes or an array. */
  end: 0x00,
  null: 0x05,
  false: 0x10,
  true: 0x11,
  number: 0x20,
  negativeBigint: 0x28,
  bigint: 0x29,
  string: 0x30,
  bytes: 0x38,
  array: 0x40,
} as const;

/** Follows a 00 that is inside a string or bytes, and does not end it. */
export const ESCAPE = 0xff;

/** Appended to a tuple, makes a bound above all of its extensions. */
export const AFTER_EXTENSIONS = '\xff';

/**
 * Stands between a part and what is no part. Without it, an FF behind the end of a string or bytes would be an escape. It is
 * lower than FF, so the parts keep their order.
 */
export const AFTER_PART = '\x01';

/** The most levels of arrays inside a tuple key. */
export const TUPLE_DEPTH_MAX = 100;

/** The bytes of a number behind its tag. */
export const NUMBER_BYTES = 8;

const HIGH_BIT = 0x8000_0000;
const numberView = new DataView(new ArrayBuffer(NUMBER_BYTES));

/**
 * Returns the number whose bytes are `high` and `low`, four each, big-endian. They are those of a double with the sign
 * bit inverted, and with all bits inverted if the number is negative.
 */
export function orderedNumber(high: number, low: number): number {
  const isNegative = (high & HIGH_BIT) === 0;
  numberView.setUint32(0, isNegative ? ~high : high ^ HIGH_BIT);
  numberView.setUint32(4, isNegative ? ~low : low);
  return numberView.getFloat64(0);
}
