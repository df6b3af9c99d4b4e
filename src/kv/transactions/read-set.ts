// The read set: what a transaction has read of the entries beneath its own writes. It is serializable when none of that has
// changed at its commit.
//
// A point read has seen the version of one key. A range read has seen which keys are in an interval, and maybe their values.
// An iteration that stopped early has seen the interval up to the place where it stopped.

import { successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { NO_TIME } from '../entries/expiry.js';
import type { SecondaryIndex } from '../entries/secondary-index.js';
import { NO_DEADLINE } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import type { LoggedChange, WriteLog } from '../entries/write-log.js';
import {
  intervalAt,
  intervalOf,
  type KeyInterval,
  mergedIntervals,
  overlapsAny,
} from '../read/key-intervals.js';
import { shownKey, versionIn } from '../write/conditions.js';

/** The version of a point read that has seen only that the key is there. */
const ANY_VERSION = -1;

/** The number of point reads at which doubles are removed for the first time. */
const POINTS_COMPACTED_MIN = 16_384;

/** The number of range reads at which those that are over are merged for the first time. */
const RANGES_COMPACTED_MIN = 256;

/** A range read: of keys of a space, or of postings of one of its indexes. */
export class RangeRead {
  readonly space: Space;
  /** The index, or null for a read of the keys. */
  readonly index: SecondaryIndex | null;
  readonly #interval: KeyInterval;
  readonly #reverse: boolean;
  /** True when the read has seen values, not only keys. */
  seesValues: boolean;
  /** The last key of an iteration, or undefined before its first step. */
  last: IndexKey | undefined;
  /** True when the whole interval was read. */
  isWhole: boolean;
  /** True when the iteration has met its limit. */
  hasMetLimit = false;

  constructor(
    space: Space,
    interval: KeyInterval,
    isWhole: boolean,
    reverse = false,
    index: SecondaryIndex | null = null,
  ) {
    this.space = space;
    this.index = index;
    this.#interval = interval;
    this.#reverse = reverse;
    this.seesValues = false;
    this.isWhole = isWhole;
  }

  /** Returns a read of all keys and values in an interval. */
  static ofValues(space: Space, interval: KeyInterval): RangeRead {
    const read = new RangeRead(space, interval, true);
    read.seesValues = true;
    return read;
  }

  /** True when the read sees nothing more. */
  get isOver(): boolean {
    return this.isWhole || this.hasMetLimit;
  }

  /** The interval that was seen, or null when nothing was. */
  get seen(): KeyInterval | null {
    const { low, end } = this.#interval;
    if (this.isWhole) return this.#interval;
    if (this.last === undefined) return null;
    return this.#reverse ? { low: this.last, end } : { low, end: successorOf(this.last) };
  }
}

/** The disjoint and ascending intervals that range reads of one space, or of one index, have seen. */
export class SeenRanges {
  readonly space: Space;
  readonly index: SecondaryIndex | null;
  /** The intervals of which only the keys were seen. */
  readonly keys: readonly KeyInterval[];
  /** The intervals of which keys and values were seen. */
  readonly values: readonly KeyInterval[];

  constructor(space: Space, index: SecondaryIndex | null, ranges: readonly RangeRead[]) {
    const seenBy = (seesValues: boolean) =>
      mergedIntervals(ranges.flatMap((range) => (range.seesValues === seesValues ? (range.seen ?? []) : [])));
    this.space = space;
    this.index = index;
    this.keys = seenBy(false);
    this.values = seenBy(true);
  }

  /** Returns true when a change of the space, or of the index, is one of what was seen. */
  areTouchedBy({ where, isOfKeys }: LoggedChange): boolean {
    const isIn =
      typeof where === 'string'
        ? (seen: readonly KeyInterval[]) => intervalAt(seen, where) !== undefined
        : (seen: readonly KeyInterval[]) => overlapsAny(seen, intervalOf(where));
    return isIn(this.values) || (isOfKeys && isIn(this.keys));
  }
}

/** A point read. They form a list, which takes less memory than arrays when there are few. */
class PointRead {
  readonly space: Space;
  readonly key: IndexKey;
  /** The version that was seen; 0 for an absent key. */
  readonly version: number;
  readonly before: PointRead | null;

  constructor(space: Space, key: IndexKey, version: number, before: PointRead | null) {
    this.space = space;
    this.key = key;
    this.version = version;
    this.before = before;
  }
}

/** The reads of one attempt of a transaction. */
export class ReadSet {
  #lastPoint: PointRead | null = null;
  #points = 0;
  #compactedAt = POINTS_COMPACTED_MIN;
  #ranges: RangeRead[] | null = null;
  #rangesCompactedAt = RANGES_COMPACTED_MIN;

  /** Adds a point read, with the version that was seen; 0 for an absent key. */
  addPoint(space: Space, key: IndexKey, version: number): void {
    this.#lastPoint = new PointRead(space, key, version, this.#lastPoint);
    if (++this.#points >= this.#compactedAt) this.#compact();
  }

  /** Adds a read that has seen only whether a key is there. */
  addPresence(space: Space, key: IndexKey, isPresent: boolean): void {
    this.addPoint(space, key, isPresent ? ANY_VERSION : 0);
  }

  addRange(range: RangeRead): void {
    this.#ranges ??= [];
    this.#ranges.push(range);
    if (this.#ranges.length >= this.#rangesCompactedAt) this.#compactRanges(this.#ranges);
  }

  /** The spaces that were read. */
  get spaces(): ReadonlySet<Space> {
    const spaces = new Set<Space>();
    for (let point = this.#lastPoint; point !== null; point = point.before) spaces.add(point.space);
    for (const { space } of this.#ranges ?? []) spaces.add(space);
    return spaces;
  }

  /** The intervals that range reads have seen, by space or index. */
  get ranges(): ReadonlyMap<Space | SecondaryIndex, SeenRanges> {
    return seenBySpace(this.#ranges ?? []);
  }

  /** True when a range was read, so that versions alone do not tell whether the reads still hold. */
  get hasRanges(): boolean {
    return this.#ranges?.some(({ seen }) => seen !== null) ?? false;
  }

  /** Returns what has changed that a point read has seen, in words; or null. */
  changedPoint(): string | null {
    for (let point = this.#lastPoint; point !== null; point = point.before) {
      const { space, key, version: seen } = point;
      if (space.isDropped) return shownNamespace(space);
      const version = versionIn(space, key);
      if (seen === ANY_VERSION ? version === 0 : version !== seen) return shownKey(space, key);
    }
    return null;
  }

  /**
   * Returns what has changed since `place` that a range read has seen in a view of the time `now`, in words; null when nothing
   * has.
   */
  changedRange(log: WriteLog, place: number, now: number = NO_TIME): string | null {
    const { ranges } = this;
    for (const { space } of ranges.values()) if (space.isDropped) return shownNamespace(space);
    const changes = log.since(place);
    if (changes === null) return 'more was written than a transaction can check at its commit';
    for (const change of changes)
      if (!isDueAt(change, now) && ranges.get(change.index ?? change.space)?.areTouchedBy(change))
        return shownChange(change);
    return null;
  }

  /** Merges the range reads that are over. An iteration may go on, so it stays. */
  #compactRanges(ranges: readonly RangeRead[]): void {
    const kept = ranges.filter(({ isOver }) => !isOver);
    const over = ranges.filter(({ isOver }) => isOver);
    for (const seen of seenBySpace(over).values()) {
      const { space, index } = seen;
      for (const interval of seen.keys) kept.push(new RangeRead(space, interval, true, false, index));
      for (const interval of seen.values) kept.push(RangeRead.ofValues(space, interval));
    }
    this.#ranges = kept;
    this.#rangesCompactedAt = Math.max(RANGES_COMPACTED_MIN, kept.length * 2);
  }

  /** Keeps one of equal point reads. */
  #compact(): void {
    const seen = new Map<Space, Set<string>>();
    let kept: PointRead | null = null;
    this.#points = 0;
    for (let point = this.#lastPoint; point !== null; point = point.before) {
      const { space, key, version } = point;
      const known = seen.get(space) ?? new Set();
      seen.set(space, known);
      const name = `${version} ${key}`;
      if (known.has(name)) continue;
      known.add(name);
      kept = new PointRead(space, key, version, kept);
      this.#points++;
    }
    this.#lastPoint = kept;
    this.#compactedAt = Math.max(POINTS_COMPACTED_MIN, this.#points * 2);
  }
}

/** Returns true for a key that had expired at `now`, so that a view of that time lacks it. */
function isDueAt({ deadline }: LoggedChange, now: number): boolean {
  return deadline !== NO_DEADLINE && deadline <= now;
}

function seenBySpace(ranges: readonly RangeRead[]): ReadonlyMap<Space | SecondaryIndex, SeenRanges> {
  const bySpace = new Map<Space | SecondaryIndex, RangeRead[]>();
  for (const range of ranges) {
    const where = range.index ?? range.space;
    const known = bySpace.get(where);
    if (known === undefined) bySpace.set(where, [range]);
    else known.push(range);
  }
  return new Map([...bySpace].map(([where, of]) => [where, new SeenRanges(of[0]!.space, of[0]!.index, of)]));
}

function shownNamespace({ name }: Space): string {
  return `the namespace ${JSON.stringify(name)}`;
}

function shownChange({ space, index, where }: LoggedChange): string {
  if (index !== null) return `the index ${index.shown}`;
  if (typeof where === 'string') return shownKey(space, where);
  return space.name === '' ? 'a range of keys' : `a range of keys of ${shownNamespace(space)}`;
}
