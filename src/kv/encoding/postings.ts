// Postings: the keys of a secondary index. A posting is the bytes of an index value, as a part of a tuple has them and with
// AFTER_PART behind, followed by the index key of the entry. No value's bytes begin with those of another value, so postings
// are in the order of values, and those of one value are in the order of keys. Pure.

import { type ArgumentName, misuse } from '../../errors.js';
import type { TuplePart } from './encoding-types.js';
import type { KeyBounds } from './key-bounds.js';
import type { IndexKey } from './key-encoding.js';
import { BOUND_NAMES, type BoundCodec, RANGE_NAMES, type ResolvedRange, resolveRange } from './range.js';
import { AFTER_EXTENSIONS, AFTER_PART } from './tuple-key-format.js';
import { readPart } from './tuple-key-reader.js';
import { encodePart } from './tuple-key-writer.js';

/** A key of a secondary index: the bytes of an index value, followed by the index key of the entry. */
export type Posting = IndexKey;

/** The bytes of an index value and AFTER_PART, as code units. */
export type ValueBytes = IndexKey;

/**
 * Returns the bytes of an index value. Throws a TypeError that names `argument` for what is no part of a tuple, and
 * KEELSON_KEY_TOO_LARGE for more than 65,536 bytes.
 */
export function toValueBytes(argument: ArgumentName, value: unknown): ValueBytes {
  return encodePart(argument, value, '');
}

/** Returns the posting of an entry with an index value. `key` is the index key of the entry. Throws what toValueBytes() throws. */
export function toPosting(argument: ArgumentName, value: unknown, key: IndexKey): Posting {
  return encodePart(argument, value, key);
}

/** Returns the index value of a posting, and the position of the index key of its entry. */
export function readPosting(posting: Posting): { readonly value: TuplePart; readonly keyAt: number } {
  const { part, end } = readPart(posting);
  return { value: part, keyAt: end + AFTER_PART.length };
}

/** Returns the index value of a posting. */
export function indexValueOf(posting: Posting): TuplePart {
  return readPart(posting).part;
}

/** Returns the index key of the entry of a posting. */
export function keyOf(posting: Posting): IndexKey {
  return posting.slice(readPosting(posting).keyAt);
}

/** Returns the bytes of the index value of a posting. `key` is the index key of its entry. */
export function valueBytesOf(posting: Posting, key: IndexKey): ValueBytes {
  return posting.slice(0, posting.length - key.length);
}

/** Returns the range of all postings of an index value. */
export function postingsOf(bytes: ValueBytes): KeyBounds {
  return { low: bytes, lowInclusive: true, high: afterPostings(bytes), highInclusive: false };
}

/** Returns the lowest string above all postings of an index value. */
function afterPostings(bytes: ValueBytes): IndexKey {
  return bytes.slice(0, -1) + AFTER_POSTINGS;
}

/** The byte above AFTER_PART. */
const AFTER_POSTINGS = String.fromCharCode(AFTER_PART.charCodeAt(0) + 1);

/** How the bounds of a range of index values become bounds of postings. */
const VALUES: BoundCodec = {
  toIndexKey: toValueBytes,

  toPrefix(argument, prefix) {
    if (!Array.isArray(prefix))
      throw misuse(argument, 'an array, the first parts of index values that are arrays', prefix, INSTEAD);
    // Without the byte that ends the array, the bytes are those of every array that begins so.
    return encodePart(argument, prefix).slice(0, -1);
  },

  afterPrefix: (prefix) => prefix + AFTER_EXTENSIONS,
};

const INSTEAD =
  "For the entries of one index value, give the value as equals; for strings that start so, gte: start and lt: start + '\\uffff'";

/** The options of count() of an index. */
export const VALUE_BOUND_NAMES = ['equals', ...BOUND_NAMES] as const;
/** The options of an iteration over an index. */
export const VALUE_RANGE_NAMES = ['equals', ...RANGE_NAMES] as const;

/**
 * Checks a range of index values and resolves it to a range of postings. `names` are the known options.
 *
 * @throws A TypeError that names `range`, and KEELSON_KEY_TOO_LARGE for a bound.
 */
export function resolveValueRange(names: readonly string[], given: unknown): ResolvedRange {
  const range = resolveRange(VALUES, 'range', names, given);
  const equals = (given as { readonly equals?: unknown } | undefined)?.equals;
  if (equals === undefined) return { ...range, bounds: aroundPostings(range.bounds) };
  if (range.bounds.low !== undefined || range.bounds.high !== undefined)
    throw new TypeError('range: expected equals or other bounds, got both. Leave the others out');
  return { ...range, bounds: postingsOf(toValueBytes('range.equals', equals)) };
}

/** Returns bounds that have all postings of a value on the same side. */
function aroundPostings({ low, lowInclusive, high, highInclusive }: KeyBounds): KeyBounds {
  return {
    low: low === undefined || lowInclusive ? low : afterPostings(low),
    lowInclusive: true,
    high: high === undefined || !highInclusive ? high : afterPostings(high),
    highInclusive: high === undefined,
  };
}
