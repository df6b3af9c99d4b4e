// The log sequence number (LSN): a byte position in the stream of frames, exact up to 2^53 − 1.

import { describeValue } from '../../errors.js';

/** Makes Lsn a type of its own. No value has it. */
declare const lsnBrand: unique symbol;

/**
 * The position right after the frame of a record. Functions return this branded type, and take any number,
 * which they check.
 */
export type Lsn = number & { readonly [lsnBrand]: 'Lsn' };

/** Limit of an LSN. A journal that would pass it is exhausted. */
export const LSN_MAX = Number.MAX_SAFE_INTEGER;

/** Throws a RangeError unless `value` is a position from `min` to `max`. */
export function checkLsn(argument: string, value: unknown, min: number, max: number): Lsn {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw new RangeError(`${argument}: expected an LSN from ${min} to ${max}, got ${describeValue(value)}`);
  }
  return value as Lsn;
}
