// The live entries of one space: slabs that hold the entries, a hash index of their handles, an ordered index of their
// ids, and a table from ids to handles. All of it is in memory. An entry is whole in its slab before an index leads to
// it.
//
// Entries with deadlines leave the indexes when they are found due: see expiring-entries.ts.
//
// Reads and writes of single keys use the hash index. Ranges and views use the ordered index, which changes only when a
// key is added or deleted.

import { viewOf } from '../../copy-bytes.js';
import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { Compaction, mayNeedCompaction } from './compaction.js';
import type { DeadlineHeap } from './deadline-heap.js';
import {
  type EntriesMemory,
  type EntriesOptions,
  type EntriesParts,
  NO_OPTIONS,
  newParts,
} from './entries-parts.js';
import { type EntryId, isFree } from './entry-handles.js';
import { ExpiringEntries, NO_FLOOR } from './expiring-entries.js';
import { type FrozenDue, FrozenEntries, ShortFrozenEntries } from './frozen-entries.js';
import { NOT_FOUND } from './hash-index.js';
import { hashKey, mayBeSlice } from './key-units.js';
import { isDueAt, LeavingEntries } from './leaving-entries.js';
import { LinkQueue } from './link-queue.js';
import type { IndexIterator } from './ordered-index.js';
import { type EntryHandle, NO_DEADLINE, NO_HANDLE } from './slab.js';
import type { IndexWalk, View } from './view.js';

/** How a space hears of its entries that expire. */
export interface ExpiryHooks {
  /** Called before a read of the order of keys while due entries are among them. Has at most `max` of them leave. */
  settle(max: number): void;
  /** Called with the key and the deadline of each entry that was found due. */
  left(key: IndexKey, deadline: number, id: EntryId): void;
}

/** The most ids whose memory is kept when the last key is deleted. */
const IDS_KEPT_MAX = 1024;

/** The most due entries that leave the indexes before a count. It counts the others, and takes less time than their leave. */
const COUNT_SETTLED_MAX = 8192;

/** The due entries that are removed between two steps of a compaction. */
const REMOVED_DUE_PER_STEP = 256;

/** The parts that all entries share before their first stage(). They are always empty. */
const NO_PARTS = newParts(NO_OPTIONS);

/** The live entries of one space. Only src/kv/write/change-entries.ts changes them. */
export class Entries implements View {
  // The parts, or those of NO_PARTS until the first stage(): a store may have many empty spaces.
  #orderedIndex = NO_PARTS.orderedIndex;
  #hashIndex = NO_PARTS.hashIndex;
  #handles = NO_PARTS.handles;
  #slabs = NO_PARTS.slabs;
  #compaction: Compaction | null = null;
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
    this.#orderedIndex = orderedIndex;
    this.#hashIndex = hashIndex;
    this.#handles = handles;
    this.#slabs = slabs;
    this.#isHashIndexPartial = isHashIndexPartial;
    if (expiring !== null) this.#expiring = this.#newExpiring(expiring.heap, expiring.due);
  }

  #newExpiring(heap?: DeadlineHeap, due?: Map<IndexKey, EntryId>): ExpiringEntries {
    const leaving = new LeavingEntries(
      this.#orderedIndex,
      this.#hashIndex,
      this.#handles,
      this.#slabs,
      this.#seed,
    );
    return new ExpiringEntries(leaving, heap, due);
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

  /** The entries with deadlines and the due ones; null when there has never been one. */
  get expiring(): ExpiringEntries | null {
    return this.#expiring;
  }

  /**
   * Has at most `max` entries leave the indexes that are due at `now`, and hides the rest of them. Call it inside of a change.
   * Returns the number of entries that have left because of `now`, without those that were due at `known`.
   */
  settleDue(now: number, max: number, known: number = NO_FLOOR): number {
    return this.#expiring?.settle(now, max, this.#left, known) ?? 0;
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
    const hasLeft = this.#expiring?.hasLeft(id) ?? false;
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
      this.#expiring ??= this.#newExpiring();
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

  /** An id above all ids in use. */
  get endOfIds(): EntryId {
    return this.#handles.end;
  }

  /** The number of entries in the indexes. */
  get sizeInIndexes(): number {
    return this.#orderedIndex.size;
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
      // A due entry that has left is in no index.
      if (this.#expiring?.hasLeft(id)) this.#handles.set(id, to);
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

  #settleDue(max: number): void {
    this.expiryHooks?.settle(max);
  }

  #hiddenIn(bounds: KeyBounds): number {
    return this.#expiring?.hiddenIn(bounds) ?? 0;
  }

  /** Returns true for an entry that is due and that has not left the indexes yet. */
  #isHidden(handle: EntryHandle): boolean {
    const { floor } = this;
    return floor !== NO_FLOOR && isDueAt(this.deadlineOf(handle), floor);
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
