// The range options of callers: checks them and turns them into bounds of index keys. Pure.

import { misuse } from '../../errors.js';
import type { PrefixOf } from './encoding-types.js';
import { ALL_KEYS, type KeyBounds } from './key-bounds.js';
import type { IndexKey, KeyCodec } from './key-encoding.js';
import { IN_NAMESPACE, isCollection } from './slips.js';

/**
 * A range of keys. A key is in the range when it satisfies every given option. Each bound is a key, with the limits of
 * a key. A bound of tuples may be the first parts of a key.
 *
 * @example
 * const range = { gte: 'user:a', lt: 'user:n' };
 */
export interface KeyRange<K> {
  /** Only keys above this key. Not together with `gte`. */
  readonly gt?: PrefixOf<K> | undefined;
  /** Only this key and the keys above it. Not together with `gt`. */
  readonly gte?: PrefixOf<K> | undefined;
  /** Only keys below this key. Not together with `lte`. */
  readonly lt?: PrefixOf<K> | undefined;
  /** Only this key and the keys below it. Not together with `lt`. */
  readonly lte?: PrefixOf<K> | undefined;
  /** Only keys that start with this key. A tuple starts with its first parts, and with itself. */
  readonly prefix?: PrefixOf<K> | undefined;
}

/**
 * A range of keys, with the order of an iteration, the number of keys to skip, and the most keys to iterate over.
 *
 * @example
 * const newest = { prefix: 'log:', reverse: true, limit: 10 };
 * const secondPage = { ...newest, offset: 10 };
 */
export interface RangeOptions<K> extends KeyRange<K> {
  /** Iterates from the highest key to the lowest. Default false. */
  readonly reverse?: boolean | undefined;
  /**
   * The number of keys to skip at the start, in the order of the iteration: an integer of 0 or more. Skipping takes
   * O(log n) for any number of keys. Default 0.
   */
  readonly offset?: number | undefined;
  /** The most keys to iterate over: an integer of 0 or more, or Infinity. Default Infinity. */
  readonly limit?: number | undefined;
}

/** How the bounds of a range become bounds of index keys. A KeyCodec is one. */
export interface BoundCodec extends Pick<KeyCodec<unknown>, 'toIndexKey' | 'afterPrefix'> {
  /** Returns what all keys of a prefix start with. Without it, the prefix is a key. */
  toPrefix?(argument: string, prefix: unknown): IndexKey;
}

/** A range as the index takes it. */
export interface ResolvedRange {
  readonly bounds: KeyBounds;
  readonly reverse: boolean;
  readonly offset: number;
  readonly limit: number;
}

/**
 * A range of keys to delete.
 *
 * @example
 * const oldest: RangeWrite<string> = { prefix: 'log:', limit: 100 };
 */
export interface RangeWrite<K> extends KeyRange<K> {
  /** With a limit, deletes the highest keys of the range instead of the lowest. Default false. */
  readonly reverse?: boolean | undefined;
  /** The most keys to delete: an integer of 0 or more, or Infinity. Default Infinity. */
  readonly limit?: number | undefined;
}

/** The options of count(), which has no order, no offset and no limit. */
export const BOUND_NAMES = ['gt', 'gte', 'lt', 'lte', 'prefix'] as const;
/** The options of clear(). */
export const CLEAR_NAMES = [...BOUND_NAMES, 'reverse', 'limit'] as const;
/** The options of an iteration. */
export const RANGE_NAMES = [...BOUND_NAMES, 'reverse', 'offset', 'limit'] as const;

const WHOLE_RANGE: ResolvedRange = {
  bounds: ALL_KEYS,
  reverse: false,
  offset: 0,
  limit: Number.POSITIVE_INFINITY,
};

/**
 * Checks a range and resolves it. `names` are the known options. `alsoKnown` are other fields that the object may have,
 * such as the `type` of a clear in a batch. An undefined option counts as absent.
 *
 * @throws A TypeError that names `argument`, and KEELSON_KEY_TOO_LARGE for a bound.
 */
export function resolveRange(
  codec: BoundCodec,
  argument: string,
  names: readonly string[],
  given: unknown,
  alsoKnown: readonly string[] = [],
): ResolvedRange {
  if (given === undefined) return WHOLE_RANGE;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw misuse(argument, 'an object', given, objectInstead(codec, given));
  }
  if (isCollection(given)) throw misuse(argument, 'an object with bounds', given, IN_NAMESPACE);
  for (const name of Object.keys(given)) {
    if (names.includes(name) || alsoKnown.includes(name)) continue;
    throw new TypeError(`${argument}: unknown option '${name}'; known are ${names.join(', ')}`);
  }
  const range = given as { readonly [name: string]: unknown };
  return {
    bounds: resolveBounds(codec, argument, range),
    reverse: names.includes('reverse') ? resolveReverse(argument, range['reverse']) : false,
    offset: names.includes('offset') ? resolveOffset(argument, range['offset']) : 0,
    limit: names.includes('limit') ? resolveLimit(argument, range['limit']) : Number.POSITIVE_INFINITY,
  };
}

function resolveBounds(
  codec: BoundCodec,
  argument: string,
  range: { readonly [name: string]: unknown },
): KeyBounds {
  const { gt, gte, lt, lte, prefix } = range;
  if (gt !== undefined && gte !== undefined) throw bothGiven(argument, 'gt', 'gte');
  if (lt !== undefined && lte !== undefined) throw bothGiven(argument, 'lt', 'lte');
  const key = (name: string, value: unknown): IndexKey | undefined =>
    value === undefined ? undefined : codec.toIndexKey(`${argument}.${name}`, value);
  const bounds: KeyBounds = {
    low: gt === undefined ? key('gte', gte) : key('gt', gt),
    lowInclusive: gt === undefined,
    high: lt === undefined ? key('lte', lte) : key('lt', lt),
    highInclusive: lt === undefined,
  };
  const start =
    prefix === undefined || codec.toPrefix === undefined
      ? key('prefix', prefix)
      : codec.toPrefix(`${argument}.prefix`, prefix);
  return start === undefined ? bounds : withPrefix(codec, bounds, start);
}

/** Returns the bounds of the keys that are within `bounds` and start with `prefix`. */
function withPrefix(codec: BoundCodec, bounds: KeyBounds, prefix: IndexKey): KeyBounds {
  const after = codec.afterPrefix(prefix);
  const keepLow = bounds.low !== undefined && bounds.low >= prefix;
  const keepHigh = after === undefined || (bounds.high !== undefined && bounds.high < after);
  return {
    low: keepLow ? bounds.low : prefix,
    lowInclusive: keepLow ? bounds.lowInclusive : true,
    high: keepHigh ? bounds.high : after,
    highInclusive: keepHigh ? bounds.highInclusive : false,
  };
}

function objectInstead(codec: BoundCodec, given: unknown): string | undefined {
  if (codec.toPrefix !== undefined) return 'For the entries of one index value, give { equals }';
  return typeof given === 'string'
    ? 'For the keys that start with it, give { prefix }; for one key, { gte, lte }'
    : undefined;
}

function resolveReverse(argument: string, reverse: unknown): boolean {
  if (reverse === undefined) return false;
  if (typeof reverse !== 'boolean') throw misuse(`${argument}.reverse`, 'a boolean', reverse);
  return reverse;
}

function resolveOffset(argument: string, offset: unknown): number {
  if (offset === undefined) return 0;
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) {
    throw misuse(`${argument}.offset`, 'an integer of 0 or more', offset);
  }
  return offset as number;
}

function resolveLimit(argument: string, limit: unknown): number {
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (!Number.isSafeInteger(limit) || (limit as number) < 0) {
    throw misuse(`${argument}.limit`, 'an integer of 0 or more, or Infinity', limit);
  }
  return limit as number;
}

function bothGiven(argument: string, one: string, other: string): TypeError {
  return new TypeError(`${argument}: expected ${one} or ${other}, got both`);
}
