// The live entries of one space: slabs that hold the entries, a hash index of their handles, an ordered index of their
// ids, and a table from ids to handles. All of it is in memory. An entry is whole in its slab before an index leads to
// it.
//
// Entries with deadlines leave the indexes when they are found due: see expiring-entries.ts.
//
// Reads and writes of single keys use the hash index. Ranges and views use the ordered index, which changes only when a
// key is added or deleted.

import { viewOf } from '../../copy-bytes.js';
import { ALL_KEYS, isUnbounded, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { Compaction, mayNeedCompaction } from './compaction.js';
import { DeadlineHeap } from './deadline-heap.js';
import { EntryHandles, type EntryId, isFree } from './entry-handles.js';
import { EntrySlabs, type SlabMemory } from './entry-slabs.js';
import { ExpiringEntries, type Leaving, NO_FLOOR } from './expiring-entries.js';
import { type FrozenDue, FrozenEntries, ShortFrozenEntries } from './frozen-entries.js';
import { HashIndex, NOT_FOUND } from './hash-index.js';
import { hashKey, mayBeSlice } from './key-units.js';
import { LinkQueue } from './link-queue.js';
import { type IndexIterator, OrderedIndex, OrderedIndexLoader } from './ordered-index.js';
import { type EntryHandle, NO_DEADLINE, NO_HANDLE, type Populate } from './slab.js';
import type { IndexWalk, View } from './view.js';
import { ViewEpoch } from './view-epoch.js';

/** The parts of Entries, filled by a loader or made by the first stage(). */
interface EntriesParts {
  readonly orderedIndex: OrderedIndex<EntryId>;
  readonly hashIndex: HashIndex<IndexKey>;
  readonly handles: EntryHandles;
  readonly slabs: EntrySlabs;
  /** The deadlines, and the entries that were found due; null without any. */
  readonly expiring: { readonly heap: DeadlineHeap; readonly due: Map<IndexKey, EntryId> } | null;
  /** True when the hash index has refused a key. A lookup then goes on in the ordered index. */
  readonly isHashIndexPartial: boolean;
}

/** How a space hears of its entries that expire. */
export interface ExpiryHooks {
  /** Called before a read of the order of keys while due entries are among them. Has at most `max` of them leave. */
  settle(max: number): void;
  /** Called with the key and the deadline of each entry that was found due. */
  left(key: IndexKey, deadline: number, id: EntryId): void;
}

/** Options of entries. Tests give small sizes. */
export interface EntriesOptions {
  /** Makes the pages of memory in the background; null where that is not possible. See Storage.populate. */
  readonly populate?: Populate | null;
  readonly nodeEntriesMax?: number;
  readonly slabBytesMax?: number;
  readonly tableSlotsMax?: number;
  /** The number of keys that a loader makes into nodes at a time. */
  readonly chunkKeys?: number;
}

/** The number of entries that a loader gathers before it inserts their hashes. */
const HASHES_GATHERED_MAX = 256;

/** The most ids whose memory is kept when the last key is deleted. */
const IDS_KEPT_MAX = 1024;

/** The most due entries that leave the indexes before a count. It counts the others, and takes less time than their leave. */
const COUNT_SETTLED_MAX = 8192;

/** The due entries that are removed between two steps of a compaction. */
const REMOVED_DUE_PER_STEP = 256;

const NO_OPTIONS: EntriesOptions = {};

/** The parts that all entries share before their first stage(). They are always empty. */
const NO_PARTS = newParts(NO_OPTIONS);

/** The live entries of one space. Only src/kv/write/change-entries.ts changes them. */
export class Entries implements View, Leaving {
  // The parts, or those of NO_PARTS until the first stage(): a store may have many empty spaces.
  #orderedIndex = NO_PARTS.orderedIndex;
  #hashIndex = NO_PARTS.hashIndex;
  #handles = NO_PARTS.handles;
  #slabs = NO_PARTS.slabs;
  #compaction: Compaction | null = null;
  /** The entries with deadlines, or null when there has never been one. */
  #expiring: ExpiringEntries | null = null;
  /** Set by the space before its first entry with a deadline. */
  expiryHooks: ExpiryHooks | null = null;
  readonly #seed: number;
  readonly #links: LinkQueue;
  readonly #options: EntriesOptions;
  #isHashIndexPartial = false;
  #isReplaying = false;
  /** The id of the entry that link() or delete() has changed last. */
  changedId: EntryId = 0;
  /** The number of due entries that were removed. */
  #removedDue = 0;
  /** The number of entries that are staged, and neither linked nor discarded. */
  #stagedCount = 0;

  /**
   * `seed` is the seed of the hashes of keys. `links` is the link queue of the store. A loader gives the parts that
   * it has filled.
   */
  constructor(
    seed: number,
    links = new LinkQueue(),
    options: EntriesOptions = NO_OPTIONS,
    parts: EntriesParts | null = null,
  ) {
    this.#seed = seed;
    this.#links = links;
    this.#options = options;
    if (parts !== null) this.#take(parts);
  }

  #take({ orderedIndex, hashIndex, handles, slabs, expiring, isHashIndexPartial }: EntriesParts): void {
    if (expiring !== null) this.#expiring = new ExpiringEntries(this, expiring.heap, expiring.due);
    this.#orderedIndex = orderedIndex;
    this.#hashIndex = hashIndex;
    this.#handles = handles;
    this.#slabs = slabs;
    this.#isHashIndexPartial = isHashIndexPartial;
  }

  /** The memory that the entries take outside of the ordered index. */
  get memory(): EntriesMemory {
    return {
      ...this.#slabs.memory,
      hashIndexBytes: this.#hashIndex.memoryBytes,
      handleBytes: this.#handles.memoryBytes,
      deadlineBytes: this.#expiring?.memoryBytes ?? 0,
    };
  }

  /** The bytes of the entries, with headers and padding. */
  get valueBytes(): number {
    return this.#slabs.liveBytes;
  }

  get size(): number {
    this.#links.runOutsideOfCommits();
    if (this.floor !== NO_FLOOR) this.#settleDue(COUNT_SETTLED_MAX);
    return this.#orderedIndex.size - this.#hiddenIn(ALL_KEYS);
  }

  /** The number of entries, with those that are due and whose removal is not in the log. */
  get sizeWithDue(): number {
    this.#links.runOutsideOfCommits();
    return this.#orderedIndex.size + this.dueCount;
  }

  /** The number of entries that have a deadline, without those that were found due. */
  get expiringCount(): number {
    return this.#expiring?.count ?? 0;
  }

  /** The number of entries that were found due and whose removal is not in the log. */
  get dueCount(): number {
    return this.#expiring?.due.size ?? 0;
  }

  /** About the number of entries that are due and still in the indexes. */
  get hiddenEstimate(): number {
    return this.#expiring?.hiddenEstimate ?? 0;
  }

  /** The deadline of the entry that was found due first and whose removal is not in the log; NO_DEADLINE without any. */
  get oldestDue(): number {
    return this.#expiring?.oldestDue ?? NO_DEADLINE;
  }

  /** All entries with a deadline up to this time are due, though some are in the indexes; NO_FLOOR for none. */
  get floor(): number {
    return this.#expiring === null ? NO_FLOOR : this.#expiring.floor;
  }

  /** A time before which no entry is due; infinity when none has a deadline. */
  get earliest(): number {
    return this.#expiring?.earliest ?? Number.POSITIVE_INFINITY;
  }

  find(key: IndexKey): EntryHandle | undefined {
    // In this order, because linking may find no memory for the hash index.
    this.#links.runOutsideOfCommits();
    if (this.#isHashIndexPartial) this.#settle();
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    return handle === NOT_FOUND || this.#isHidden(handle) ? undefined : handle;
  }

  /** Returns true for the entry of a key that is due, and whose removal is not in the log. Nothing must be put off. */
  isDue(key: IndexKey): boolean {
    const expiring = this.#expiring;
    if (expiring === null) return false;
    if (expiring.due.size > 0 && expiring.due.get(key) !== undefined) return true;
    if (expiring.floor === NO_FLOOR) return false;
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    return handle !== NOT_FOUND && this.#isHidden(handle);
  }

  /** The keys of all entries that were found due and have left the indexes, also of those that leave meanwhile. */
  get allDueKeys(): Iterable<IndexKey> {
    return this.#expiring?.due.keys() ?? [];
  }

  /** Returns the id of the entry of a key that was found due and has left the indexes; undefined for another key. */
  dueIdOf(key: IndexKey): EntryId | undefined {
    return this.#expiring?.due.get(key);
  }

  /** Returns the keys of at most `max` entries that were found due and have left the indexes. */
  dueKeys(max: number): IndexKey[] {
    return this.#expiring?.dueKeys(max) ?? [];
  }

  /**
   * Has at most `max` entries leave the indexes that are due at `now`, and hides the rest of them. Call it inside of a change.
   * Returns the number of entries that have left because of `now`, without those that were due at `known`.
   */
  settleDue(now: number, max: number, known: number = NO_FLOOR): number {
    return this.#expiring?.settle(now, max, this.#left, known) ?? 0;
  }

  /** Gives back memory of deadlines that are gone. Call it outside of changes, with nothing put off. */
  trimDeadlines(): void {
    this.#expiring?.trim();
  }

  /** Hides the entries that are due at `now` from reads. */
  hideDue(now: number): void {
    this.#expiring?.hide(now);
  }

  /** Returns what find() returns, without the links that were put off. */
  findLinked(key: IndexKey): EntryHandle | undefined {
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    return handle === NOT_FOUND ? undefined : handle;
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  /** Returns the id of an entry. */
  idOf(handle: EntryHandle): EntryId {
    return this.#slabs.idOf(handle);
  }

  versionOf(handle: EntryHandle): number {
    return this.#slabs.versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return this.#slabs.deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.#slabs.read(handle, decode);
  }

  count(bounds: KeyBounds): number {
    this.#settle(COUNT_SETTLED_MAX);
    return this.#orderedIndex.count(bounds) - this.#hiddenIn(bounds);
  }

  rank(key: IndexKey): number {
    return this.count({ ...ALL_KEYS, high: key, highInclusive: false });
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    this.#settle();
    return this.#orderedIndex.nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    this.#settle();
    return this.#orderedIndex.walk(bounds, reverse, limit, offset);
  }

  handleOf(id: EntryId): EntryHandle {
    return this.#handles.get(id);
  }

  /** Returns the handle of any id, or NO_HANDLE when it is not that of an entry, or of one that is due. Nothing must be put off. */
  handleOfAny(id: EntryId): EntryHandle {
    if (id >= this.#handles.end) return NO_HANDLE;
    const handle = this.#handles.get(id);
    if (isFree(handle) || this.#isHidden(handle)) return NO_HANDLE;
    const hasLeft = this.dueCount > 0 && this.#expiring!.due.get(this.#slabs.keyOf(handle)) === id;
    return hasLeft ? NO_HANDLE : handle;
  }

  /** Returns the key of an entry, as a string that shares memory with no other string. */
  keyOf(handle: EntryHandle): IndexKey {
    return this.#slabs.keyOf(handle);
  }

  view(): FrozenEntries {
    // A waiting checkpoint may be the first caller after a change was stopped, and must not get a view of half of the
    // change.
    this.#links.guard.assertIdle();
    this.#settle();
    return this.freeze();
  }

  /**
   * Returns what view() returns, inside of a change: without links that were put off. With `keepsDue`, it has the due list, too.
   * Only StoreViews calls it.
   */
  freeze(keepsDue = false): FrozenEntries {
    return new FrozenEntries(
      this.#orderedIndex.clone(),
      this.#handles.view(),
      this.#slabs.view(),
      this.#freezeDue(keepsDue),
    );
  }

  /** Returns what freeze() returns, for a short time. The caller closes it in any case. */
  freezeForShort(): ShortFrozenEntries {
    const handles = this.#handles.shortView();
    return new ShortFrozenEntries(this.#orderedIndex.clone(), handles, this.#slabs.view());
  }

  #freezeDue(keepsDue: boolean): FrozenDue | null {
    const expiring = this.#expiring;
    if (expiring === null || !expiring.isUsed) return null;
    return { keys: keepsDue ? [...expiring.due] : [], floor: expiring.floor };
  }

  /** Yields the keys in a range with their handles. For tests, while the entries do not change. */
  *iterate(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexIterator<EntryHandle> {
    const walk = this.walk(bounds, reverse, limit);
    while (walk.advance()) yield [walk.key, this.handleOf(walk.value)];
  }

  /**
   * Copies a key and its value, `bytes[start, end)`, into a slab, where no reader sees them before link(). A `view` of
   * all of `bytes` makes that faster. Throws NoSlabMemory, with nothing changed; link() never throws it.
   */
  stage(
    key: IndexKey,
    bytes: Uint8Array,
    start: number,
    end: number,
    view = viewOf(bytes),
    deadline = NO_DEADLINE,
  ): EntryHandle {
    if (this.#slabs === NO_PARTS.slabs) this.#makeParts();
    if (deadline !== NO_DEADLINE) {
      this.#expiring ??= new ExpiringEntries(this);
      this.#expiring.reserve(this.#stagedCount + 1);
    }
    const handle = this.#slabs.append(key, this.#seed, bytes, start, end, view, deadline);
    this.#stagedCount++;
    return handle;
  }

  /**
   * Stages an entry with the value that a key has now, and another deadline. Returns NO_HANDLE for an absent key. Nothing
   * must be put off. Throws NoSlabMemory, with nothing changed.
   */
  stageTouch(key: IndexKey, deadline: number): EntryHandle {
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    if (handle === NOT_FOUND || this.#isHidden(handle)) return NO_HANDLE;
    return this.#slabs.read(handle, (bytes, start, end) =>
      this.stage(key, bytes, start, end, undefined, deadline),
    );
  }

  /** Reserves memory for later calls of stage(): see EntrySlabs.reserve(). */
  reserve(bytes: number, longest: number): boolean {
    if (this.#slabs === NO_PARTS.slabs) this.#makeParts();
    return this.#slabs.reserve(bytes, longest);
  }

  /** Loads the slot of the hash index that link() will need into the cache, without waiting for it. */
  prefetchLink(staged: EntryHandle): void {
    this.#hashIndex.prefetch(this.#slabs.stagedHashOf(staged));
  }

  /** Gives up a staged entry. The memory of the entry that was staged last is free at once. */
  discard(staged: EntryHandle): void {
    this.#stagedCount--;
    this.#slabs.discard(staged);
  }

  /**
   * Makes a staged entry the entry of its key. The ordered index keeps the string of a new key. Unless `isOwnKey` is
   * true, it keeps a copy of a long key, because the key may be a substring that keeps a longer string in memory. Returns
   * true when the key is new.
   */
  link(key: IndexKey, version: number, staged: EntryHandle, isOwnKey = false): boolean {
    this.#stagedCount--;
    const hash = this.#slabs.stagedHashOf(staged);
    if (this.#expiring !== null) this.#beforeLink(key, staged, this.#expiring);
    const previous = this.#handleOfKey(key, hash);
    const isNew = previous === NOT_FOUND || this.#isHidden(previous);
    if (previous === NOT_FOUND) {
      const isKept = isOwnKey || !mayBeSlice(key);
      this.#add(isKept ? key : this.#slabs.keyOf(staged), hash, version, staged);
    } else {
      const id = this.#slabs.idOf(previous);
      this.changedId = id;
      this.#slabs.stamp(staged, version, id);
      this.#setHandle(hash, id, previous, staged);
      this.#expiring?.linked(id, this.deadlineOf(previous), this.deadlineOf(staged));
      this.#slabs.release(previous);
    }
    this.#compact();
    return isNew;
  }

  /** Makes way for an entry: removes a due one with its key, and lets it not meet a floor that is above its deadline. */
  #beforeLink(key: IndexKey, staged: EntryHandle, expiring: ExpiringEntries): void {
    const due = expiring.takeDue(key);
    if (due !== undefined) this.#free(due);
    if (expiring.floor === NO_FLOOR) return;
    const deadline = this.deadlineOf(staged);
    if (deadline !== NO_DEADLINE && deadline <= expiring.floor) expiring.settle(0, 0, this.#left, NO_FLOOR);
  }

  /** Returns the key of an entry, as a string that keeps no longer string in memory. `key` is the same key. */
  ownKeyOf(handle: EntryHandle, key: IndexKey): IndexKey {
    return mayBeSlice(key) ? this.#slabs.keyOf(handle) : key;
  }

  /** Starts a replay: keys that do not ascend are sorted at its end, or when something looks at the order of keys. */
  startReplay(): void {
    this.#isReplaying = true;
    if (this.#slabs !== NO_PARTS.slabs) this.#orderedIndex.gather();
  }

  /** Ends a replay. Yields between parts of the work, and the entries must not be used before the last part is done. */
  endReplay(): Generator<void, void, void> {
    this.#isReplaying = false;
    return this.#orderedIndex.endGathering();
  }

  /** Deletes a key, also one that is due. Returns false when it was in no index. */
  delete(key: IndexKey): boolean {
    const due = this.#expiring?.takeDue(key);
    if (due !== undefined) {
      this.#free(due);
      // One record removes many due entries, and each step of a compaction takes its time.
      if (++this.#removedDue % REMOVED_DUE_PER_STEP === 0 || this.dueCount === 0) this.#afterDelete();
      return false;
    }
    const hash = hashKey(key, this.#seed);
    const handle = this.#handleOfKey(key, hash);
    if (handle === NOT_FOUND) return false;
    this.changedId = this.#slabs.idOf(handle);
    this.#orderedIndex.delete(key);
    this.#forget(hash, this.changedId, handle);
    this.#afterDelete();
    return true;
  }

  #afterDelete(): void {
    if (this.#orderedIndex.size === 0 && this.dueCount === 0 && this.#handles.end > IDS_KEPT_MAX)
      this.#forgetAll();
    this.#compact();
  }

  /**
   * Deletes the keys in a range, and returns their number. Calls `onId` with the id of each, unless no entry is left. Without
   * bounds and without staged entries O(1), otherwise O(keys in the range).
   */
  deleteRange(bounds: KeyBounds, onId: ((id: EntryId) => void) | null = null): number {
    const isAllDue = this.#expiring?.isAllDueIn(bounds) ?? true;
    if (isAllDue && this.#orderedIndex.count(bounds) === this.#orderedIndex.size) return this.#deleteAll();
    this.#expiring?.takeDueIn(bounds, (id) => this.#free(id));
    const walk = this.#orderedIndex.walk(bounds);
    while (walk.advance()) {
      onId?.(walk.value);
      this.#forget(hashKey(walk.key, this.#seed), walk.value, this.#handles.get(walk.value));
    }
    const count = this.#orderedIndex.deleteRange(bounds);
    this.#compact();
    return count;
  }

  /** Throws when the bookkeeping is wrong. O(n), for tests. */
  checkValid(): void {
    this.#orderedIndex.checkValid();
    const handles: EntryHandle[] = [];
    for (const [key, handle] of this.iterate(ALL_KEYS)) {
      if (this.find(key) !== handle) throw new Error(`the hash index does not lead to ${key}`);
      handles.push(handle);
    }
    if (this.#hashIndex.size !== this.size && !this.#isHashIndexPartial)
      throw new Error('the indexes differ in size');
    const expiring = handles.filter((handle) => this.deadlineOf(handle) !== NO_DEADLINE);
    if (expiring.length !== this.expiringCount) throw new Error('the entries with deadlines are miscounted');
    for (const [key, id] of this.#expiring?.due ?? []) {
      if (this.has(key)) throw new Error(`${key} is due and in the indexes`);
      handles.push(this.handleOf(id));
    }
    this.#slabs.checkValid(handles);
  }

  get endOfIds(): EntryId {
    return this.#handles.end;
  }

  deadlineOfId(id: EntryId): number {
    // An item of the heap may be older than a clear.
    if (id >= this.#handles.end) return NO_DEADLINE;
    const handle = this.#handles.get(id);
    return isFree(handle) ? NO_DEADLINE : this.deadlineOf(handle);
  }

  get sizeInIndexes(): number {
    return this.#orderedIndex.size;
  }

  leave(id: EntryId): IndexKey | null {
    const handle = this.#handles.get(id);
    const key = this.#slabs.keyOf(handle);
    // An item of the heap may be that of an entry that is due already.
    if (this.dueCount > 0 && this.#expiring!.due.get(key) === id) return null;
    if (!this.#orderedIndex.delete(key)) return null;
    this.#hashIndex.remove(this.#slabs.hashOf(handle, this.#seed), handle);
    return key;
  }

  leaveInOrder(
    from: IndexKey | null,
    now: number,
    max: number,
    visited: number,
    onLeft: (key: IndexKey, id: EntryId, deadline: number) => void,
    onKept: (deadline: number, id: EntryId) => void,
  ): IndexKey | null {
    const walk = this.#orderedIndex.walk({
      ...ALL_KEYS,
      low: from ?? undefined,
      lowInclusive: from === null,
    });
    /** The first and last keys of due entries between which there is no other entry. */
    const runs: [IndexKey, IndexKey][] = [];
    let run: [IndexKey, IndexKey] | null = null;
    let last: IndexKey | null = null;
    for (let at = 0, left = 0; ; at++) {
      if (at >= visited || left >= max) break;
      if (!walk.advance()) {
        last = null;
        break;
      }
      const { key, value: id } = walk;
      last = key;
      const handle = this.#handles.get(id);
      const deadline = this.deadlineOf(handle);
      if (deadline === NO_DEADLINE || deadline > now) {
        run = null;
        if (deadline !== NO_DEADLINE) onKept(deadline, id);
        continue;
      }
      if (run === null) {
        run = [key, key];
        runs.push(run);
      } else run[1] = key;
      this.#hashIndex.remove(this.#slabs.hashOf(handle, this.#seed), handle);
      onLeft(key, id, deadline);
      left++;
    }
    for (const [low, high] of runs) {
      if (low === high) this.#orderedIndex.delete(low);
      else this.#orderedIndex.deleteRange({ low, lowInclusive: true, high, highInclusive: true });
    }
    return last;
  }

  #makeParts(): void {
    this.#take(newParts(this.#options));
    if (this.#isReplaying) this.#orderedIndex.gather();
  }

  /** Does the part of a compaction that is due after a write. A small space never has one. */
  #compact(): void {
    if (this.#compaction === null) {
      if (!mayNeedCompaction(this.#slabs)) return;
      this.#compaction = this.#newCompaction();
    }
    this.#compaction.step();
  }

  #newCompaction(): Compaction {
    const [slabs, seed] = [this.#slabs, this.#seed];
    return new Compaction(this.#handles, slabs, (id, from, to) => {
      // A due entry is in no index.
      const isDue = this.dueCount > 0 && this.#expiring!.due.get(slabs.keyOf(from)) === id;
      if (isDue) this.#handles.set(id, to);
      else this.#setHandle(slabs.hashOf(from, seed), id, from, to);
    });
  }

  /** Runs the link queue, has at most `max` due entries leave, and moves the tail of the ordered index into its tree. */
  #settle(max = Number.POSITIVE_INFINITY): void {
    this.#links.run();
    if (this.floor !== NO_FLOOR) this.#settleDue(max);
    if (this.#orderedIndex.isSettled) return;
    this.#links.guard.enter();
    this.#orderedIndex.settle();
    this.#links.guard.leave();
  }

  /** Has all due entries leave the indexes. */
  leaveDue(): void {
    this.#links.runOutsideOfCommits();
    if (this.floor !== NO_FLOOR) this.#settleDue(Number.POSITIVE_INFINITY);
  }

  /** Has due entries leave the indexes. */
  #settleDue(max: number): void {
    this.expiryHooks?.settle(max);
  }

  /** Returns the number of keys in a range whose entries are due and have not left the indexes. */
  #hiddenIn(bounds: KeyBounds): number {
    let hidden = 0;
    if (this.floor === NO_FLOOR) return hidden;
    if (isUnbounded(bounds)) {
      // Entries lie in memory about in the order of their ids. Their order by keys takes many times as long.
      for (let id = 0; id < this.#handles.end; id++) {
        const handle = this.#handles.get(id);
        if (!isFree(handle) && this.#isHidden(handle)) hidden++;
      }
      for (const id of this.#expiring!.due.values()) if (this.#isHidden(this.#handles.get(id))) hidden--;
      return hidden;
    }
    const walk = this.#orderedIndex.walk(bounds);
    while (walk.advance()) if (this.#isHidden(this.#handles.get(walk.value))) hidden++;
    return hidden;
  }

  /** Returns true for an entry that is due and that has not left the indexes yet. */
  #isHidden(handle: EntryHandle): boolean {
    const { floor } = this;
    if (floor === NO_FLOOR) return false;
    const deadline = this.deadlineOf(handle);
    return deadline !== NO_DEADLINE && deadline <= floor;
  }

  readonly #left = (key: IndexKey, deadline: number, id: EntryId): void =>
    this.expiryHooks?.left(key, deadline, id);

  #handleOfKey(key: IndexKey, hash: number): EntryHandle {
    const handle = this.#hashIndex.find(key, hash, this.#slabs);
    if (handle !== NOT_FOUND || !this.#isHashIndexPartial) return handle;
    const id = this.#orderedIndex.get(key);
    return id === undefined ? NOT_FOUND : this.#handles.get(id);
  }

  #add(key: IndexKey, hash: number, version: number, handle: EntryHandle): void {
    const id = this.#handles.add(handle);
    this.changedId = id;
    this.#slabs.stamp(handle, version, id);
    this.#orderedIndex.set(key, id);
    if (!this.#hashIndex.insert(hash, handle)) this.#isHashIndexPartial = true;
    this.#expiring?.linked(id, NO_DEADLINE, this.deadlineOf(handle));
  }

  #setHandle(hash: number, id: EntryId, from: EntryHandle, to: EntryHandle): void {
    this.#handles.set(id, to);
    if (!this.#hashIndex.replace(hash, from, to)) this.#isHashIndexPartial = true;
  }

  /** Removes an entry from all parts but the ordered index. */
  #forget(hash: number, id: EntryId, handle: EntryHandle): void {
    this.#expiring?.unlinked(this.deadlineOf(handle));
    this.#hashIndex.remove(hash, handle);
    this.#slabs.release(handle);
    this.#handles.remove(id);
  }

  /** Frees the memory of a due entry, which is in no index. */
  #free(id: EntryId): void {
    this.#slabs.release(this.#handles.get(id));
    this.#handles.remove(id);
  }

  #deleteAll(): number {
    // A batch that clears and then puts has staged its puts already. Their slabs must stay.
    if (this.#stagedCount === 0) this.#slabs.clear();
    else {
      const walk = this.#orderedIndex.walk(ALL_KEYS);
      while (walk.advance()) this.#slabs.release(this.#handles.get(walk.value));
      this.#expiring?.takeDueIn(ALL_KEYS, (id) => this.#slabs.release(this.#handles.get(id)));
    }
    // A staged entry may have a deadline, for which there is room.
    if (this.#stagedCount === 0) this.#expiring = null;
    else this.#expiring?.clear();
    const count = this.#orderedIndex.deleteRange(ALL_KEYS);
    this.#forgetAll();
    return count;
  }

  /** Frees the memory that grew with the entries. Called when no entries are left. */
  #forgetAll(): void {
    this.#hashIndex.clear();
    this.#isHashIndexPartial = false;
    this.#handles.clear();
  }
}

/** The memory of entries outside the JavaScript heap, and of their handles, without the keys in the ordered index. */
export interface EntriesMemory extends SlabMemory {
  /** The bytes of the hash index, which finds single keys. */
  readonly hashIndexBytes: number;
  /** The bytes of the table that leads from the ordered index to the entries. */
  readonly handleBytes: number;
  /** The bytes of the heap of deadlines. */
  readonly deadlineBytes: number;
}

function newParts({ nodeEntriesMax, slabBytesMax, tableSlotsMax, populate }: EntriesOptions): EntriesParts {
  return {
    orderedIndex: new OrderedIndex<EntryId>(nodeEntriesMax),
    hashIndex: new HashIndex(tableSlotsMax),
    handles: new EntryHandles(),
    slabs: new EntrySlabs(slabBytesMax, undefined, new ViewEpoch(), populate),
    expiring: null,
    isHashIndexPartial: false,
  };
}

/** Builds the entries of a space from keys in ascending order, as an image has them. No call takes long. */
export class EntriesLoader {
  readonly #seed: number;
  readonly #links: LinkQueue;
  readonly #parts: Omit<EntriesParts, 'orderedIndex' | 'isHashIndexPartial'>;
  #deadlines: DeadlineHeap | null = null;
  #due: Map<IndexKey, EntryId> | null = null;
  readonly #orderedIndex: OrderedIndexLoader<EntryId>;
  /** The bytes of the last add(), and a view of them. */
  #bytes: Uint8Array | null = null;
  #view: DataView | undefined;
  #isHashIndexPartial = false;
  /** The hashes and handles of entries that are not in the hash index yet, and their number. */
  readonly #hashes: Uint32Array;
  readonly #handles: Float64Array;
  #gathered = 0;

  /**
   * `seed`, `links` and `options` are those of the entries that finish() returns. `count` is the number of entries that
   * are expected; a wrong number takes more time or memory, and does no other harm.
   */
  constructor(
    seed: number,
    links: LinkQueue,
    options: EntriesOptions = NO_OPTIONS,
    count = HASHES_GATHERED_MAX,
  ) {
    const gatheredMax = Math.max(1, Math.min(HASHES_GATHERED_MAX, count));
    this.#hashes = new Uint32Array(gatheredMax);
    this.#handles = new Float64Array(gatheredMax);
    this.#seed = seed;
    this.#links = links;
    this.#orderedIndex = new OrderedIndexLoader<EntryId>(options.nodeEntriesMax, options.chunkKeys);
    this.#parts = newParts(options);
  }

  /** The number of entries that have been added, without those that are due. */
  get size(): number {
    return this.#orderedIndex.size;
  }

  /**
   * Adds an entry with the value `bytes[start, end)`, which is copied. Returns false for a key that is not above the
   * last key. The loader must not be used any more then. Throws NoSlabMemory.
   */
  add(
    key: IndexKey,
    version: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadline = NO_DEADLINE,
  ): boolean {
    const { slabs, handles } = this.#parts;
    // Many entries come from one block.
    if (bytes !== this.#bytes) this.#view = viewOf(bytes);
    this.#bytes = bytes;
    const handle = slabs.append(key, this.#seed, bytes, start, end, this.#view, deadline);
    this.#hashes[this.#gathered] = slabs.stagedHashOf(handle);
    this.#handles[this.#gathered++] = handle;
    if (this.#gathered === this.#hashes.length) this.#insertGathered();
    const id = handles.add(handle);
    slabs.stamp(handle, version, id);
    if (deadline !== NO_DEADLINE) {
      this.#deadlines ??= new DeadlineHeap();
      this.#deadlines.push(deadline, id);
    }
    return this.#orderedIndex.add(key, id);
  }

  /** Adds an entry that was found due, and whose removal is not in the log. Its key may stand anywhere. */
  addDue(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    const { slabs, handles } = this.#parts;
    const handle = slabs.append(key, this.#seed, bytes, start, end);
    const id = handles.add(handle);
    slabs.stamp(handle, version, id);
    this.#due ??= new Map();
    this.#due.set(key, id);
  }

  /** Inserts the gathered hashes. All their slots are loaded into the cache first, so that the cache misses overlap. */
  #insertGathered(): void {
    const { hashIndex } = this.#parts;
    for (let at = 0; at < this.#gathered; at++) hashIndex.prefetch(this.#hashes[at]!);
    for (let at = 0; at < this.#gathered; at++)
      if (!hashIndex.insert(this.#hashes[at]!, this.#handles[at]!)) this.#isHashIndexPartial = true;
    this.#gathered = 0;
  }

  /** Returns the entries. The loader must not be used any more. */
  finish(): Entries {
    this.#insertGathered();
    const parts = {
      ...this.#parts,
      orderedIndex: this.#orderedIndex.finish(),
      expiring: this.#expiring,
      isHashIndexPartial: this.#isHashIndexPartial,
    };
    return new Entries(this.#seed, this.#links, NO_OPTIONS, parts);
  }

  get #expiring(): EntriesParts['expiring'] {
    if (this.#deadlines === null && this.#due === null) return null;
    return { heap: this.#deadlines ?? new DeadlineHeap(), due: this.#due ?? new Map() };
  }
}
