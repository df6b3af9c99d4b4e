// The changes of a range since its last state: which keys were written, and whether the range differs from that state.
// Pure.
//
// No view of the last state is kept, because a watch may wait for days and would hold every entry that was overwritten
// meanwhile. The keys that were written, the LSN of the last state and the number of its keys suffice: an entry with a
// higher version is new or changed, and all other entries were there. So without such an entry, the range is as it was if
// it has as many keys.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { View } from '../entries/view.js';

/** The most keys that a state of a range lists as changed. With more, nobody knows which keys have changed. */
export const CHANGED_KEYS_MAX = 1024;
/** The most characters of those keys. */
const KEY_CHARACTERS_MAX = 1024 * 1024;

/** The number of keys that are looked at between two looks at the time. */
const KEYS_PER_STEP = 128;

/** The last state of a range. */
export interface LastState {
  readonly lsn: number;
  /** The number of its keys. */
  readonly count: number;
}

/** The writes to a range since its last state. */
export interface RangeWrites {
  /** The keys that were written, each with true if it was there before. */
  readonly keys: ReadonlyMap<IndexKey, boolean>;
  /** True if other keys may have been written, too. */
  readonly areMore: boolean;
}

/** Gathers the writes to a range. */
export class RangeChanges {
  #keys = new Map<IndexKey, boolean>();
  #characters = 0;
  #areMore = false;

  /** True when nothing was written since take(). */
  get isEmpty(): boolean {
    return this.#keys.size === 0 && !this.#areMore;
  }

  /** Returns true when note() of the key would change something. */
  mustNote(key: IndexKey): boolean {
    return !this.#areMore && !this.#keys.has(key);
  }

  /** Notes that a key is written. `wasThere` is true if the range had it before. Keeps the string. */
  note(key: IndexKey, wasThere: boolean): void {
    this.#characters += key.length;
    if (this.#keys.size >= CHANGED_KEYS_MAX || this.#characters > KEY_CHARACTERS_MAX) this.noteMore();
    else this.#keys.set(key, wasThere);
  }

  /** Notes that any keys may be written. */
  noteMore(): void {
    this.#areMore = true;
  }

  /** Returns the writes so far, and starts over. */
  take(): RangeWrites {
    const writes = { keys: this.#keys, areMore: this.#areMore };
    this.#keys = new Map();
    this.#characters = 0;
    this.#areMore = false;
    return writes;
  }
}

/** The difference between two states of a range: the changed keys in ascending order, or null for any keys. */
export interface RangeDifference {
  readonly keys: readonly IndexKey[] | null;
}

/**
 * Compares a range with its last state. `writes` are the writes between that state and `view`, which is a frozen view of now.
 * `live` are the live entries, which find a key much faster, and which are looked at before the first yield. Yields after
 * every 128 keys of a search that may be long. Returns the difference, or null when the range is as it was.
 */
export function* differenceOf(
  last: LastState,
  { keys, areMore }: RangeWrites,
  live: View,
  view: View,
  bounds: KeyBounds,
): Generator<void, RangeDifference | null, void> {
  const changed: IndexKey[] = [];
  let hasNewer = false;
  let expectedCount = last.count;
  for (const [key, wasThere] of keys) {
    const handle = live.find(key);
    if (handle === undefined) {
      if (!wasThere) continue;
      expectedCount--;
    } else {
      if (live.versionOf(handle) <= last.lsn) continue;
      hasNewer = true;
      if (!wasThere) expectedCount++;
    }
    changed.push(key);
  }
  const count = view.count(bounds);
  if (!areMore && count === expectedCount) return changed.length === 0 ? null : { keys: changed.sort() };
  const differs =
    hasNewer || count !== last.count || (areMore && (yield* hasNewerThan(last.lsn, view, bounds)));
  return differs ? { keys: null } : null;
}

/** Returns true if an entry of the range has a higher version. */
function* hasNewerThan(lsn: number, view: View, bounds: KeyBounds): Generator<void, boolean, void> {
  const walk = view.walk(bounds);
  for (let step = 1; walk.advance(); step++) {
    if (view.versionOf(view.handleOf(walk.value)) > lsn) return true;
    if (step % KEYS_PER_STEP === 0) yield;
  }
  return false;
}
