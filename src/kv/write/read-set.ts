// The read set: what a transaction has read of the entries beneath its own writes. It is serializable when none of that has
// changed at its commit.
//
// A point read has seen the version of one key. A range read has seen which keys are in an interval, and maybe their values.
// An iteration that stopped early has seen the interval up to the place where it stopped.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { Space } from '../entries/space.js';
import type { LoggedChange, WriteLog } from '../entries/write-log.js';
import { holdsKey, intervalOf, type KeyInterval, overlap, successorOf } from '../read/key-intervals.js';
import { shownKey, versionIn } from './conditions.js';

/** The version of a point read that has seen only that the key is there. */
const ANY_VERSION = -1;

/** The number of point reads at which doubles are removed for the first time. */
const POINTS_COMPACTED_MIN = 16_384;

/** A range read. */
export class RangeRead {
  readonly space: Space;
  readonly #interval: KeyInterval;
  readonly #reverse: boolean;
  /** True when the read has seen values, not only keys. */
  seesValues: boolean;
  /** The last key of an iteration, or undefined before its first step. */
  last: IndexKey | undefined;
  /** True when the whole interval was read. */
  isWhole: boolean;

  constructor(space: Space, interval: KeyInterval, isWhole: boolean, reverse = false) {
    this.space = space;
    this.#interval = interval;
    this.#reverse = reverse;
    this.seesValues = false;
    this.isWhole = isWhole;
  }

  /** The interval that was seen, or null when nothing was. */
  get seen(): KeyInterval | null {
    const { low, end } = this.#interval;
    if (this.isWhole) return this.#interval;
    if (this.last === undefined) return null;
    return this.#reverse ? { low: this.last, end } : { low, end: successorOf(this.last) };
  }

  /** Returns true when a change is one of what was seen. */
  isTouchedBy({ space, where, isOfKeys }: LoggedChange): boolean {
    if (space !== this.space || !(isOfKeys || this.seesValues)) return false;
    const { seen } = this;
    if (seen === null) return false;
    return typeof where === 'string' ? holdsKey(seen, where) : overlap(seen, intervalOf(where));
  }
}

/** What one attempt of a transaction has read. */
export class ReadSet {
  #spaces: Space[] = [];
  #keys: IndexKey[] = [];
  #versions: number[] = [];
  #compactedAt = POINTS_COMPACTED_MIN;
  readonly ranges: RangeRead[] = [];

  /** Adds a point read, with the version that was seen; 0 for an absent key. */
  addPoint(space: Space, key: IndexKey, version: number): void {
    this.#spaces.push(space);
    this.#keys.push(key);
    this.#versions.push(version);
    if (this.#keys.length >= this.#compactedAt) this.#compact();
  }

  /** Adds a read that has seen only whether a key is there. */
  addPresence(space: Space, key: IndexKey, isPresent: boolean): void {
    this.addPoint(space, key, isPresent ? ANY_VERSION : 0);
  }

  addRange(range: RangeRead): void {
    this.ranges.push(range);
  }

  /** True when a range was read, so that versions alone do not tell whether the reads still hold. */
  get hasRanges(): boolean {
    return this.ranges.some(({ seen }) => seen !== null);
  }

  /** Returns what has changed that a point read has seen, in words; or null. */
  changedPoint(): string | null {
    for (let at = 0; at < this.#keys.length; at++) {
      const space = this.#spaces[at]!;
      const key = this.#keys[at]!;
      if (space.isDropped) return `the namespace ${JSON.stringify(space.name)}`;
      const version = versionIn(space, key);
      const seen = this.#versions[at]!;
      if (seen === ANY_VERSION ? version === 0 : version !== seen) return shownKey(space, key);
    }
    return null;
  }

  /** Returns what has changed since `place` that a range read has seen, in words; null when nothing has. */
  changedRange(log: WriteLog, place: number): string | null {
    for (const { space } of this.ranges)
      if (space.isDropped) return `the namespace ${JSON.stringify(space.name)}`;
    const changes = log.since(place);
    if (changes === null) return 'more than a transaction can keep in mind';
    for (const change of changes)
      for (const range of this.ranges) if (range.isTouchedBy(change)) return shownChange(change);
    return null;
  }

  /** Keeps one point read of each key: the first, because a second that differs would not have been possible. */
  #compact(): void {
    const seen = new Map<Space, Set<IndexKey>>();
    const [spaces, keys, versions] = [this.#spaces, this.#keys, this.#versions];
    [this.#spaces, this.#keys, this.#versions] = [[], [], []];
    for (let at = keys.length - 1; at >= 0; at--) {
      const space = spaces[at]!;
      if (!seen.has(space)) seen.set(space, new Set());
      const known = seen.get(space)!;
      const name = versions[at] === ANY_VERSION ? `?${keys[at]}` : `=${keys[at]}`;
      if (known.has(name)) continue;
      known.add(name);
      this.#spaces.push(space);
      this.#keys.push(keys[at]!);
      this.#versions.push(versions[at]!);
    }
    this.#compactedAt = Math.max(POINTS_COMPACTED_MIN, this.#keys.length * 2);
  }
}

function shownChange({ space, where }: LoggedChange): string {
  if (typeof where === 'string') return shownKey(space, where);
  return space.name === ''
    ? 'a range of keys'
    : `a range of keys of the namespace ${JSON.stringify(space.name)}`;
}
