// The comparison of two views of the store: what an old transaction has read, then and now. It takes the place of the
// write log when more was written than the log holds.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { StoreView } from '../entries/store-view.js';
import type { IndexWalk, OrderedKeys, View } from '../entries/view.js';
import { boundsOf, type KeyInterval } from '../read/key-intervals.js';
import { shownKey } from '../write/conditions.js';
import type { SeenRanges } from './read-set.js';

/** The number of keys that are compared between two looks at the time. */
const KEYS_PER_STEP = 128;

/**
 * Compares what range reads have seen in two views. Yields after every 128 keys. Returns what has changed, in words;
 * null when nothing has.
 */
export function* compareViews(
  ranges: Iterable<SeenRanges>,
  before: StoreView,
  after: StoreView,
): Generator<void, string | null, void> {
  for (const { space, index, keys, values } of ranges) {
    const entries = [before.in(space), after.in(space)] as const;
    if (entries[0] === entries[1]) continue;
    if (index !== null) {
      const [old, now] = entries.map((of) => of?.indexes?.get(index));
      for (const interval of keys)
        if ((yield* firstDifference(interval, null, old, now)) !== undefined)
          return `the index ${index.shown}`;
      continue;
    }
    for (const [intervals, seesValues] of [
      [keys, false],
      [values, true],
    ] as const) {
      for (const interval of intervals) {
        const key = yield* firstDifference(interval, seesValues ? entries : null, ...entries);
        if (key !== undefined) return shownKey(space, key);
      }
    }
  }
  return null;
}

/** Returns the first key in an interval that differs, or undefined. `versionsIn` are views whose versions count, too. */
function* firstDifference(
  interval: KeyInterval,
  versionsIn: readonly [View | undefined, View | undefined] | null,
  before: Pick<OrderedKeys, 'walk'> | undefined,
  after: Pick<OrderedKeys, 'walk'> | undefined,
): Generator<void, IndexKey | undefined, void> {
  const bounds = boundsOf(interval);
  const [old, now] = [before?.walk(bounds), after?.walk(bounds)];
  for (let step = 1; ; step++) {
    const [oldKey, nowKey] = [nextKey(old), nextKey(now)];
    if (oldKey !== nowKey) return lowerOf(oldKey, nowKey);
    if (oldKey === undefined) return undefined;
    if (versionsIn !== null && versionAt(versionsIn[0]!, old!) !== versionAt(versionsIn[1]!, now!))
      return oldKey;
    if (step % KEYS_PER_STEP === 0) yield;
  }
}

function nextKey(walk: IndexWalk<EntryId> | undefined): IndexKey | undefined {
  return walk?.advance() ? walk.key : undefined;
}

function lowerOf(a: IndexKey | undefined, b: IndexKey | undefined): IndexKey {
  if (a === undefined) return b!;
  return b === undefined || a < b ? a : b;
}

function versionAt(view: View, walk: IndexWalk<EntryId>): number {
  return view.versionOf(view.handleOf(walk.value));
}
