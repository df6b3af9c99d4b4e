// The log sequence number: a position in the record stream, exact to 2^53 bytes.

import { describeValue } from '../../errors.js';

declare const lsnBrand: unique symbol;

/** The byte position just after a record's frame. Branded as a result; parameters take any number, checked. */
export type Lsn = number & { readonly [lsnBrand]: 'Lsn' };

/** The highest position. A journal that would pass it is exhausted: at 1 GB/s, after 285 years. */
export const LSN_MAX = Number.MAX_SAFE_INTEGER;

/** Throws a RangeError unless `value` is a position from `min` to `max`. */
export function checkLsn(argument: string, value: unknown, min: number, max: number): Lsn {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw new RangeError(`${argument}: expected an LSN from ${min} to ${max}, got ${describeValue(value)}`);
  }
  return value as Lsn;
}
