// The build of indexes over entries that are there. A few entries are indexed at once, and more in slices, while writes go on.
// A write gives its entry its postings itself, so the build passes over entries that have some.

import { nextTurn } from '../../schedulers.js';
import { ALL_KEYS } from '../encoding/key-bounds.js';
import { type Posting, readPosting } from '../encoding/postings.js';
import type { EntryId } from '../entries/handles-view.js';
import type { EntryPostings, SecondaryIndex } from '../entries/secondary-index.js';
import { NO_HANDLE } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import { assertNotDropped } from './conditions.js';
import type { PostingMaker } from './index-postings.js';
import { alreadyDouble } from './uniqueness.js';

/** The most entries that are indexed inside of the call that declares an index. */
const AT_ONCE_MAX = 4096;
/** The time after which a slice ends, in milliseconds. */
const SLICE_MS = 2;
/** The number of entries that are indexed, and of postings that are compared, between two looks at the time. */
const PART_SIZE = 64;
const POSTINGS_PER_PART = 1024;
/** The most parts in a slice, for a clock that stands still. */
const PARTS_MAX = 1024;

/** The parts of a store that builds use. */
export interface BuildStore {
  readonly postings: PostingMaker;
  /** Throws when the store takes no reads. */
  assertOpen(): void;
  /** Returns milliseconds that never go back. */
  nowMs(): number;
}

/**
 * Builds indexes of a space. Calls `onBegun` before any function runs, with a promise that resolves when all indexes are ready.
 * It rejects when the store is closed or the space is dropped before, and with the first reason for which an index was given
 * up. Nobody needs to handle that.
 */
export function buildIndexes(
  store: BuildStore,
  space: Space,
  indexes: readonly SecondaryIndex[],
  onBegun: (done: Promise<void>) => void,
): void {
  const build = new Build(store, space, indexes);
  // This begins before the work, so that the build goes on when JavaScript is stopped in a function.
  const done = build.finish();
  done.catch(() => {});
  onBegun(done);
  if (space.entries.size <= AT_ONCE_MAX) build.workToEnd();
  else for (const index of indexes) index.startLoad();
}

class Build {
  readonly #store: BuildStore;
  readonly #space: Space;
  readonly #indexes: readonly SecondaryIndex[];
  /** The id of the next entry that is looked at. Entries with higher ones are indexed by their writes or looked at later. */
  #nextId: EntryId = 0;
  #hasAllEntries = false;
  /** The load that is ended now. */
  #loading: Generator<void, void, void> | null = null;
  /** The last posting that was compared in the unique index that is checked now. */
  #lastPosting: Posting | undefined;
  /** The unique index that gets the values of due entries now, and the parts of that work that are left. */
  #due: { readonly index: SecondaryIndex; readonly parts: Iterator<void> } | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(store: BuildStore, space: Space, indexes: readonly SecondaryIndex[]) {
    this.#store = store;
    this.#space = space;
    this.#indexes = indexes;
  }

  /** Does the rest of the work in slices. */
  async finish(): Promise<void> {
    do {
      await nextTurn();
      this.#store.assertOpen();
      assertNotDropped(this.#space);
    } while (this.#workForSlice());
    if (this.#failure !== null) throw this.#failure.error;
  }

  workToEnd(): void {
    while (this.#work());
  }

  /** Works for one slice. Returns false when nothing is left. */
  #workForSlice(): boolean {
    const endMs = this.#store.nowMs() + SLICE_MS;
    for (let part = 1; part <= PARTS_MAX; part++) {
      if (!this.#work()) return false;
      if (this.#store.nowMs() >= endMs) break;
    }
    return true;
  }

  /** Does one part of the work. Returns false when nothing is left. */
  #work(): boolean {
    const index = this.#indexes.find(({ isBuilding }) => isBuilding);
    if (index === undefined) return false;
    if (!this.#hasAllEntries) this.#addEntries();
    else if (!this.#isLoaded(index)) return true;
    else if (!index.isUnique || this.#mayBeReady(index)) this.#finish(index);
    return true;
  }

  /** Does one part of the work that only a unique index needs. Returns true when nothing of it is left. */
  #mayBeReady(index: SecondaryIndex): boolean {
    if (this.#due?.index !== index) {
      if (!this.#hasNoDoubles(index)) return false;
      this.#due = { index, parts: this.#addDueValues(index) };
    }
    return this.#due.parts.next().done === true;
  }

  /**
   * Adds the values of entries that are due, and whose removal is not in the log. A put of such a value removes the entry in the
   * same record. Yields between parts of the work.
   */
  *#addDueValues(index: SecondaryIndex): Generator<void, void, void> {
    const { entries, indexes } = this.#space;
    let count = 0;
    // A Map yields the keys that come meanwhile, too.
    for (const key of entries.expiring?.due.keys() ?? []) {
      if (++count % PART_SIZE === 0) yield;
      const id = entries.expiring?.due.get(key);
      if (id === undefined) continue;
      try {
        const made = this.#store.postings.ofOne(index, indexes!.codecs, key, (decode) =>
          entries.read(entries.handleOf(id), decode),
        );
        index.addDue(key, made);
      } catch {
        // Nobody sees the entry any more, so its function need not take it.
      }
    }
  }

  /** Adds the next entries to the indexes, in the order of their memory. */
  #addEntries(): void {
    const entries = this.#space.current;
    entries.leaveDue();
    const end = Math.min(this.#nextId + PART_SIZE, entries.endOfIds);
    for (; this.#nextId < end; this.#nextId++) {
      for (const index of this.#indexes) if (index.isBuilding) this.#addEntry(index, this.#nextId);
    }
    this.#hasAllEntries = this.#nextId >= entries.endOfIds;
  }

  #addEntry(index: SecondaryIndex, id: EntryId): void {
    const { entries, indexes } = this.#space;
    const handle = entries.handleOfAny(id);
    if (handle === NO_HANDLE || index.postingsOf(id) !== undefined) return;
    const key = entries.keyOf(handle);
    let made: EntryPostings;
    try {
      made = this.#store.postings.ofOne(index, indexes!.codecs, key, (decode) =>
        entries.read(handle, decode),
      );
    } catch (error) {
      this.#giveUp(index, error);
      return;
    }
    // Nobody writes while a function runs, but a read may have removed an entry that was due.
    if (entries.handleOfAny(id) === handle) index.add(id, made);
  }

  /** Goes on with the load of an index. Returns true when it has ended. */
  #isLoaded(index: SecondaryIndex): boolean {
    this.#loading ??= index.endLoad();
    return this.#loading.next().done === true;
  }

  /** Compares the next postings of a unique index. Returns true when all of them are compared, and none is double. */
  #hasNoDoubles(index: SecondaryIndex): boolean {
    const bounds = { ...ALL_KEYS, low: this.#lastPosting };
    const walk = index.walk(bounds, false, POSTINGS_PER_PART);
    let last: Posting | undefined;
    let lastKeyAt = 0;
    for (let count = 0; walk.advance(); count++) {
      const posting = walk.key;
      if (last !== undefined && posting.startsWith(last.slice(0, lastKeyAt))) {
        this.#giveUp(index, alreadyDouble(this.#space, index, last, posting));
        return false;
      }
      last = posting;
      lastKeyAt = readPosting(posting).keyAt;
      if (count === POSTINGS_PER_PART - 1) {
        this.#lastPosting = last;
        return false;
      }
    }
    this.#lastPosting = undefined;
    return true;
  }

  #finish(index: SecondaryIndex): void {
    this.#space.makeReady(index);
    this.#loading = null;
  }

  #giveUp(index: SecondaryIndex, error: unknown): void {
    index.turnOff(error);
    this.#failure ??= { error };
    this.#lastPosting = undefined;
    this.#loading = null;
  }
}
