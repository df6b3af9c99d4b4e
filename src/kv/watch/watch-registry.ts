// The registry of watches: finds the watches whose keys a write changes, and wakes them after its commit. It observes the
// commits of the store only while a watch is in it.
//
// A put into a space without watches costs one look into a map. Otherwise it costs one look into the map of watched keys,
// and a search in the watched ranges: see IntervalIndex. A clear looks at every watched key of its space.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { ownCopyOf } from '../entries/key-units.js';
import type { Space } from '../entries/space.js';
import { IntervalIndex } from '../read/interval-index.js';
import { boundsOf, holdsKey, intervalOf, isEmptyInterval, type KeyInterval } from '../read/key-intervals.js';
import { CHANGED_KEYS_MAX, RangeChanges } from '../read/range-changes.js';
import { CLEAR, CREATE, DROP } from '../write/operation-kinds.js';
import type { WriteObserver } from '../write/write-path.js';
import type { WriteSet } from '../write/write-set.js';
import type { Wakeable } from './wakeable.js';

/** A range that is watched, and its changes since the last state. */
export class WatchedRange {
  readonly bounds: KeyBounds;
  readonly interval: KeyInterval;
  readonly changes = new RangeChanges();
  readonly watch: Wakeable;

  constructor(bounds: KeyBounds, watch: Wakeable) {
    this.bounds = bounds;
    this.interval = intervalOf(bounds);
    this.watch = watch;
  }
}

/** The watches of one store that wait for a change. */
export class WatchRegistry implements WriteObserver {
  readonly #observe: (observer: WriteObserver) => () => void;
  #endObserving: (() => void) | null = null;
  readonly #spaces = new Map<Space, WatchedSpace>();
  /**
   * The watches that the write before a commit changes. They are woken after it. One of a write that failed, or that was
   * stopped, is woken by the next commit, and finds out itself that nothing has changed.
   */
  #matched: Wakeable[] = [];

  /** `observe` adds an observer of the commits of the store, and returns the function that removes it. */
  constructor(observe: (observer: WriteObserver) => () => void) {
    this.#observe = observe;
  }

  /** Adds a watch of a key until the next write to the key. */
  addKey(space: Space, key: IndexKey, watch: Wakeable): void {
    this.#spaceFor(space).addKey(key, watch);
  }

  /** Removes a watch of a key, if it is still there. */
  deleteKey(space: Space, key: IndexKey, watch: Wakeable): void {
    this.#spaces.get(space)?.deleteKey(key, watch);
    this.#tidy(space);
  }

  addRange(space: Space, range: WatchedRange): void {
    this.#spaceFor(space).ranges.add(range);
  }

  deleteRange(space: Space, range: WatchedRange): void {
    this.#spaces.get(space)?.ranges.delete(range);
    this.#tidy(space);
  }

  foresee(writes: WriteSet): void {
    const { count, kinds, spaces, keys, bounds } = writes;
    let clears = 0;
    for (let at = 0; at < count; at++) {
      const kind = kinds[at];
      if (kind === CLEAR) clears++;
      const watched = this.#spaces.get(spaces[at]!);
      if (watched === undefined || kind === CREATE) continue;
      if (kind === CLEAR) watched.foreseeClear(bounds[clears - 1]!, this.#matched);
      else if (kind === DROP) watched.matchAll(this.#matched, true);
      else watched.foreseeKey(keys[at]!, this.#matched);
    }
  }

  /** Notes that a key has expired. The commit of its removal wakes the watches. */
  foreseeExpired(space: Space, key: IndexKey): void {
    this.#spaces.get(space)?.foreseeKey(key, this.#matched, true);
  }

  committed(): void {
    if (this.#matched.length === 0) return;
    const matched = this.#matched;
    // Not emptied before all are woken: should JavaScript be stopped in between, the next commit wakes the others.
    for (let at = 0; at < matched.length; at++) matched[at]!.wake();
    if (this.#matched === matched) this.#matched = [];
    this.#endIfEmpty();
  }

  /** Wakes all watches of a space that was dropped without a write. */
  dropped(space: Space): void {
    this.#spaces.get(space)?.matchAll(this.#matched, true);
    this.committed();
  }

  /** Wakes all watches. With `mayHaveChanged`, any of their keys may have changed. */
  wakeAll(mayHaveChanged: boolean): void {
    for (const watched of this.#spaces.values()) watched.matchAll(this.#matched, mayHaveChanged);
    this.committed();
  }

  #spaceFor(space: Space): WatchedSpace {
    let watched = this.#spaces.get(space);
    if (watched === undefined) {
      watched = new WatchedSpace(space);
      this.#spaces.set(space, watched);
    }
    this.#endObserving ??= this.#observe(this);
    return watched;
  }

  #tidy(space: Space): void {
    if (this.#spaces.get(space)?.isEmpty) this.#spaces.delete(space);
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (this.#spaces.size > 0 || this.#matched.length > 0) return;
    this.#endObserving?.();
    this.#endObserving = null;
  }
}

/** The watches of one space. */
class WatchedSpace {
  readonly #space: Space;
  readonly #keys = new Map<IndexKey, Wakeable[]>();
  readonly ranges = new IntervalIndex<WatchedRange>();
  /** The ranges of the last search. */
  #found: WatchedRange[] = [];

  constructor(space: Space) {
    this.#space = space;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.ranges.size === 0;
  }

  addKey(key: IndexKey, watch: Wakeable): void {
    const watches = this.#keys.get(key);
    if (watches === undefined) this.#keys.set(key, [watch]);
    else watches.push(watch);
  }

  deleteKey(key: IndexKey, watch: Wakeable): void {
    const watches = this.#keys.get(key);
    if (watches === undefined) return;
    const at = watches.indexOf(watch);
    if (at !== -1) watches.splice(at, 1);
    if (watches.length === 0) this.#keys.delete(key);
  }

  /** Adds to `matched` the watches of a key that is about to be written, or was there and has expired. */
  foreseeKey(key: IndexKey, matched: Wakeable[], hasExpired = false): void {
    this.#matchKey(key, matched);
    if (this.ranges.size === 0) return;
    this.ranges.holding(key, this.#found);
    if (this.#found.length > 0) this.#noteKey(key, matched, hasExpired);
  }

  /** Adds to `matched` the watches of keys in a range that is about to be cleared. */
  foreseeClear(bounds: KeyBounds, matched: Wakeable[]): void {
    const interval = intervalOf(bounds);
    if (isEmptyInterval(interval)) return;
    for (const key of this.#keys.keys()) if (holdsKey(interval, key)) this.#matchKey(key, matched);
    if (this.ranges.size === 0) return;
    this.ranges.overlapping(interval, this.#found);
    for (const range of this.#found) this.#noteCleared(range, interval, matched);
    this.#found = [];
  }

  /** Adds all watches to `matched`. With `mayHaveChanged`, any of their keys may have changed. */
  matchAll(matched: Wakeable[], mayHaveChanged: boolean): void {
    for (const key of this.#keys.keys()) this.#matchKey(key, matched);
    for (const { changes, watch } of this.ranges.items) {
      if (mayHaveChanged) changes.noteMore();
      matched.push(watch);
    }
  }

  #matchKey(key: IndexKey, matched: Wakeable[]): void {
    const watches = this.#keys.get(key);
    if (watches === undefined) return;
    // One by one, because a spread of very many would exhaust the stack.
    for (const watch of watches) matched.push(watch);
    this.#keys.delete(key);
  }

  /** Notes a key in the ranges that were found. */
  #noteKey(key: IndexKey, matched: Wakeable[], hasExpired: boolean): void {
    let ownKey: IndexKey | null = null;
    let wasThere = false;
    for (const { changes, watch } of this.#found) {
      if (changes.mustNote(key)) {
        if (ownKey === null) wasThere = hasExpired || this.#space.entries.has(key);
        ownKey ??= ownCopyOf(key);
        changes.note(ownKey, wasThere);
      }
      if (!watch.isWoken) matched.push(watch);
    }
    this.#found = [];
  }

  /** Notes the keys that a range loses to a clear. */
  #noteCleared({ changes, watch, interval }: WatchedRange, cleared: KeyInterval, matched: Wakeable[]): void {
    const walk = this.#space.entries.walk(boundsOf(intersectionOf(interval, cleared)));
    for (let left = CHANGED_KEYS_MAX; walk.advance(); left--) {
      if (left === 0) changes.noteMore();
      if (left === 0) break;
      if (changes.mustNote(walk.key)) changes.note(ownCopyOf(walk.key), true);
    }
    if (!changes.isEmpty && !watch.isWoken) matched.push(watch);
  }
}

/** Returns the interval of the keys that are in both intervals. */
function intersectionOf(a: KeyInterval, b: KeyInterval): KeyInterval {
  const low = a.low > b.low ? a.low : b.low;
  if (a.end === undefined || b.end === undefined) return { low, end: a.end ?? b.end };
  return { low, end: a.end < b.end ? a.end : b.end };
}
