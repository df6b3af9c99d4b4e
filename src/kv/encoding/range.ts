// Range options, as callers give them, checked and turned into the bounds of index keys. Pure.

import { misuse } from '../../errors.js';
import { ALL_KEYS, type KeyBounds } from './key-bounds.js';
import type { IndexKey, KeyCodec } from './key-encoding.js';

/** Which keys. With a prefix and bounds, the keys that satisfy both. */
export interface KeyRange<K> {
  /** Keys greater than this. */
  readonly gt?: K | undefined;
  /** Keys greater than or equal to this. */
  readonly gte?: K | undefined;
  /** Keys less than this. */
  readonly lt?: K | undefined;
  /** Keys less than or equal to this. */
  readonly lte?: K | undefined;
  /** Keys that start with this. */
  readonly prefix?: K | undefined;
}

/** Which keys, in which order, and how many. */
export interface RangeOptions<K> extends KeyRange<K> {
  /** From the highest key to the lowest. Default false. */
  readonly reverse?: boolean | undefined;
  /** At most so many. Default Infinity. */
  readonly limit?: number | undefined;
}

/** A range as the index takes it. */
export interface ResolvedRange {
  readonly bounds: KeyBounds;
  readonly reverse: boolean;
  readonly limit: number;
}

/** What count() and clear() take: an order or a limit would mean nothing there. */
export const BOUND_NAMES = ['gt', 'gte', 'lt', 'lte', 'prefix'] as const;
/** What an iteration takes. */
export const RANGE_NAMES = [...BOUND_NAMES, 'reverse', 'limit'] as const;

const WHOLE_RANGE: ResolvedRange = { bounds: ALL_KEYS, reverse: false, limit: Number.POSITIVE_INFINITY };

/**
 * Checks a range and resolves it. `argument` names it in TypeErrors; `names` are the options that are known
 * here, and `alsoKnown` those of an object that carries a range and more, such as a batch's clear.
 * An option given as undefined counts as not given.
 */
export function resolveRange(
  codec: KeyCodec<unknown>,
  argument: string,
  names: readonly string[],
  given: unknown,
  alsoKnown: readonly string[] = [],
): ResolvedRange {
  if (given === undefined) return WHOLE_RANGE;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw misuse(argument, 'an object', given);
  }
  for (const name of Object.keys(given)) {
    if (names.includes(name) || alsoKnown.includes(name)) continue;
    throw new TypeError(`${argument}: unknown option '${name}'; known are ${names.join(', ')}`);
  }
  const range = given as { readonly [name: string]: unknown };
  return {
    bounds: resolveBounds(codec, argument, range),
    reverse: names.includes('reverse') ? resolveReverse(argument, range['reverse']) : false,
    limit: names.includes('limit') ? resolveLimit(argument, range['limit']) : Number.POSITIVE_INFINITY,
  };
}

function resolveBounds(
  codec: KeyCodec<unknown>,
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
  const start = key('prefix', prefix);
  return start === undefined ? bounds : withPrefix(codec, bounds, start);
}

/** The bounds cut to the keys that start with `prefix`. */
function withPrefix(codec: KeyCodec<unknown>, bounds: KeyBounds, prefix: IndexKey): KeyBounds {
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

function resolveReverse(argument: string, reverse: unknown): boolean {
  if (reverse === undefined) return false;
  if (typeof reverse !== 'boolean') throw misuse(`${argument}.reverse`, 'a boolean', reverse);
  return reverse;
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
