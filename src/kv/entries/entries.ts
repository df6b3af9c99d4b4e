// The live entries of one space: slabs that hold the entries, a hash index of their handles, an ordered index of their
// ids, and a table from ids to handles. All of it is in memory. An entry is whole in its slab before an index leads to
// it.
//
// Reads and writes of single keys use the hash index. Ranges and views use the ordered index, which changes only when a
// key is added or deleted.

import { viewOf } from '../../copy-bytes.js';
import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { Compaction, mayNeedCompaction } from './compaction.js';
import { EntryHandles, type EntryId } from './entry-handles.js';
import { EntrySlabs, type SlabMemory } from './entry-slabs.js';
import { FrozenEntries, ShortFrozenEntries } from './frozen-entries.js';
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
  /** True when the hash index has refused a key. A lookup then goes on in the ordered index. */
  readonly isHashIndexPartial: boolean;
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

const NO_OPTIONS: EntriesOptions = {};

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
  readonly #seed: number;
  readonly #links: LinkQueue;
  readonly #options: EntriesOptions;
  #isHashIndexPartial = false;
  #isReplaying = false;
  /** The id of the entry that link() or delete() has changed last. */
  changedId: EntryId = 0;
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

  #take({ orderedIndex, hashIndex, handles, slabs, isHashIndexPartial }: EntriesParts): void {
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
    };
  }

  /** The bytes of the entries, with headers and padding. */
  get valueBytes(): number {
    return this.#slabs.liveBytes;
  }

  get size(): number {
    this.#links.runOutsideOfCommits();
    return this.#orderedIndex.size;
  }

  find(key: IndexKey): EntryHandle | undefined {
    // In this order, because linking may find no memory for the hash index.
    this.#links.runOutsideOfCommits();
    if (this.#isHashIndexPartial) this.#settle();
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    return handle === NOT_FOUND ? undefined : handle;
  }

  /** Returns what find() returns, without the links that were put off. */
  findLinked(key: IndexKey): EntryHandle | undefined {
    const handle = this.#handleOfKey(key, hashKey(key, this.#seed));
    return handle === NOT_FOUND ? undefined : handle;
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  /** Returns true when the entry of an id has this handle. The id may be free by now. */
  isAt(id: EntryId, handle: EntryHandle): boolean {
    return id < this.#handles.end && this.#handles.get(id) === handle;
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
    this.#settle();
    return this.#orderedIndex.count(bounds);
  }

  rank(key: IndexKey): number {
    this.#settle();
    return this.#orderedIndex.rank(key);
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

  view(): FrozenEntries {
    // A waiting checkpoint may be the first caller after a change was stopped, and must not get a view of half of the
    // change.
    this.#links.guard.assertIdle();
    this.#settle();
    return this.freeze();
  }

  /** Returns what view() returns, inside of a change: without links that were put off. Only StoreViews calls it. */
  freeze(): FrozenEntries {
    return new FrozenEntries(this.#orderedIndex.clone(), this.#handles.view(), this.#slabs.view());
  }

  /** Returns what freeze() returns, for a short time. The caller closes it in any case. */
  freezeForShort(): ShortFrozenEntries {
    const handles = this.#handles.shortView();
    return new ShortFrozenEntries(this.#orderedIndex.clone(), handles, this.#slabs.view());
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
    if (handle === NOT_FOUND) return NO_HANDLE;
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
    const previous = this.#handleOfKey(key, hash);
    if (previous === NOT_FOUND) {
      const isKept = isOwnKey || !mayBeSlice(key);
      this.#add(isKept ? key : this.#slabs.keyOf(staged), hash, version, staged);
    } else {
      const id = this.#slabs.idOf(previous);
      this.changedId = id;
      this.#slabs.stamp(staged, version, id);
      this.#setHandle(hash, id, previous, staged);
      this.#slabs.release(previous);
    }
    this.#compact();
    return previous === NOT_FOUND;
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

  /** Deletes a key. Returns false when it was not there. */
  delete(key: IndexKey): boolean {
    const hash = hashKey(key, this.#seed);
    const handle = this.#handleOfKey(key, hash);
    if (handle === NOT_FOUND) return false;
    this.changedId = this.#slabs.idOf(handle);
    this.#orderedIndex.delete(key);
    this.#forget(hash, this.changedId, handle);
    if (this.#orderedIndex.size === 0 && this.#handles.end > IDS_KEPT_MAX) this.#forgetAll();
    this.#compact();
    return true;
  }

  /**
   * Deletes the keys in a range, and returns their number. Calls `onId` with the id of each, unless no entry is left. Without
   * bounds and without staged entries O(1), otherwise O(keys in the range).
   */
  deleteRange(bounds: KeyBounds, onId: ((id: EntryId) => void) | null = null): number {
    if (this.#orderedIndex.count(bounds) === this.#orderedIndex.size) return this.#deleteAll();
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
    this.#slabs.checkValid(handles);
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
    return new Compaction(this.#handles, slabs, (id, from, to) =>
      this.#setHandle(slabs.hashOf(from, seed), id, from, to),
    );
  }

  /** Runs the link queue, and moves the tail of the ordered index into its tree. */
  #settle(): void {
    this.#links.run();
    if (this.#orderedIndex.isSettled) return;
    this.#links.guard.enter();
    this.#orderedIndex.settle();
    this.#links.guard.leave();
  }

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
  }

  #setHandle(hash: number, id: EntryId, from: EntryHandle, to: EntryHandle): void {
    this.#handles.set(id, to);
    if (!this.#hashIndex.replace(hash, from, to)) this.#isHashIndexPartial = true;
  }

  /** Removes an entry from all parts but the ordered index. */
  #forget(hash: number, id: EntryId, handle: EntryHandle): void {
    this.#hashIndex.remove(hash, handle);
    this.#slabs.release(handle);
    this.#handles.remove(id);
  }

  #deleteAll(): number {
    // A batch that clears and then puts has staged its puts already. Their slabs must stay.
    if (this.#stagedCount === 0) this.#slabs.clear();
    else {
      const walk = this.#orderedIndex.walk(ALL_KEYS);
      while (walk.advance()) this.#slabs.release(this.#handles.get(walk.value));
    }
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
}

function newParts({ nodeEntriesMax, slabBytesMax, tableSlotsMax, populate }: EntriesOptions): EntriesParts {
  return {
    orderedIndex: new OrderedIndex<EntryId>(nodeEntriesMax),
    hashIndex: new HashIndex(tableSlotsMax),
    handles: new EntryHandles(),
    slabs: new EntrySlabs(slabBytesMax, undefined, new ViewEpoch(), populate),
    isHashIndexPartial: false,
  };
}

/** Builds the entries of a space from keys in ascending order, as an image has them. No call takes long. */
export class EntriesLoader {
  readonly #seed: number;
  readonly #links: LinkQueue;
  readonly #parts: Omit<EntriesParts, 'orderedIndex' | 'isHashIndexPartial'>;
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

  /** The number of entries that have been added. */
  get size(): number {
    return this.#orderedIndex.size;
  }

  /**
   * Adds an entry with the value `bytes[start, end)`, which is copied. Returns false for a key that is not above the
   * last key. The loader must not be used any more then. Throws NoSlabMemory.
   */
  add(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { slabs, handles } = this.#parts;
    // Many entries come from one block.
    if (bytes !== this.#bytes) this.#view = viewOf(bytes);
    this.#bytes = bytes;
    const handle = slabs.append(key, this.#seed, bytes, start, end, this.#view);
    this.#hashes[this.#gathered] = slabs.stagedHashOf(handle);
    this.#handles[this.#gathered++] = handle;
    if (this.#gathered === this.#hashes.length) this.#insertGathered();
    const id = handles.add(handle);
    slabs.stamp(handle, version, id);
    return this.#orderedIndex.add(key, id);
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
      isHashIndexPartial: this.#isHashIndexPartial,
    };
    return new Entries(this.#seed, this.#links, NO_OPTIONS, parts);
  }
}
