// The filter of a feed: one space, and a range of its keys. Also turns bounds into the range options of callers. Pure.

import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import type { KeyRange } from '../encoding/range.js';
import { AFTER_EXTENSIONS } from '../encoding/tuple-key-format.js';
import type { Space } from '../entries/space.js';

/** A filter of changes. */
export interface ChangeFilter {
  /** Returns true for a space whose changes are told. */
  isOf(space: Space): boolean;
  readonly bounds: KeyBounds;
}

/** The filter that lets all changes through. */
export const EVERYTHING: ChangeFilter = { isOf: () => true, bounds: ALL_KEYS };

/**
 * Returns the filter of the changes of one space within bounds. `isOwn` is false in a store that was opened read-only: there
 * the log gives a space its id when it creates it, and the id may be that of another space before.
 */
export function filterOf(space: Space, bounds: KeyBounds, isOwn: boolean): ChangeFilter {
  let id = isOwn || space.isThere ? space.id : null;
  const isOf = (other: Space): boolean => {
    if (id === null && other.equals(space)) id = other.id;
    return other.id === id;
  };
  return { isOf, bounds };
}

/** Returns the bounds of the keys that are within both; null if no key can be. */
export function cut(one: KeyBounds, other: KeyBounds): KeyBounds | null {
  const isLow = isTighterLow(one, other) ? one : other;
  const isHigh = isTighterHigh(one, other) ? one : other;
  const { low, lowInclusive } = isLow;
  const { high, highInclusive } = isHigh;
  const isEmpty =
    low !== undefined &&
    high !== undefined &&
    (low > high || (low === high && !(lowInclusive && highInclusive)));
  return isEmpty ? null : { low, lowInclusive, high, highInclusive };
}

function isTighterLow(one: KeyBounds, other: KeyBounds): boolean {
  if (one.low === undefined || other.low === undefined) return other.low === undefined;
  return one.low === other.low ? !one.lowInclusive : one.low > other.low;
}

function isTighterHigh(one: KeyBounds, other: KeyBounds): boolean {
  if (one.high === undefined || other.high === undefined) return other.high === undefined;
  return one.high === other.high ? !one.highInclusive : one.high < other.high;
}

/** Returns the range options that mean these bounds. */
export function rangeOf<K>(codec: KeyCodec<K>, bounds: KeyBounds): KeyRange<K> {
  const { low, lowInclusive, high, highInclusive } = bounds;
  const prefix = high !== undefined && codec.name === 'tuple' ? prefixBehind(codec, high) : undefined;
  const range: { gt?: K; gte?: K; lt?: K; lte?: K; prefix?: K } = {};
  // A prefix includes the key that equals it.
  const isLowOfPrefix = prefix !== undefined && low === prefix && lowInclusive;
  if (low !== undefined && !isLowOfPrefix) range[lowInclusive ? 'gte' : 'gt'] = codec.fromIndexKey(low);
  if (prefix !== undefined) range.prefix = codec.fromIndexKey(prefix);
  else if (high !== undefined) range[highInclusive ? 'lte' : 'lt'] = codec.fromIndexKey(high);
  return range as KeyRange<K>;
}

/** Returns the prefix behind whose extensions a high bound of tuples stands, or undefined for a key. */
function prefixBehind(codec: KeyCodec<unknown>, high: IndexKey): IndexKey | undefined {
  if (!high.endsWith(AFTER_EXTENSIONS)) return undefined;
  const bytes = Buffer.from(high, 'latin1');
  try {
    codec.read(bytes, 0, bytes.length);
    return undefined;
  } catch {
    return high.slice(0, -AFTER_EXTENSIONS.length);
  }
}
