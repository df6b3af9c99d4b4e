// What a store holds: slabs with its entries, an ordered index of their ids, a hash index of their handles, and what leads
// from an id to a handle. Pure, in memory. An entry is in an index only when it is whole in its slab; what is released is
// in none any more.
//
// What is read or written at one key goes through the hash index. The ordered one is for ranges and for views, and learns
// only of keys that come and go.

import { CommitGuard } from '../../commit-guard.js';
import { ALL_KEYS, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { Compaction } from './compaction.js';
import { EntryHandles, type EntryHandlesView, type EntryId } from './entry-handles.js';
import { type EntryHandle, EntrySlabs, type SlabMemory, type SlabsView } from './entry-slabs.js';
import { HashIndex, NOT_FOUND } from './hash-index.js';
import { hashKey, mayBeSlice } from './key-units.js';
import { type IndexIterator, type IndexWalk, OrderedIndex, OrderedIndexLoader } from './ordered-index.js';

export type { EntryId } from './entry-handles.js';
export { type EntryHandle, NoSlabMemory } from './entry-slabs.js';

/** The entries as they were at one moment. Nothing changes it, so it may be read for as long as it is held. */
export class EntriesView {
  protected readonly index: OrderedIndex<EntryId>;
  protected readonly handles: EntryHandlesView;
  protected readonly values: SlabsView;

  constructor(index: OrderedIndex<EntryId>, handles: EntryHandlesView, values: SlabsView) {
    this.index = index;
    this.handles = handles;
    this.values = values;
  }

  get size(): number {
    return this.index.size;
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  /** A handle is good until the next write; in a view for as long as the view. */
  find(key: IndexKey): EntryHandle | undefined {
    const id = this.index.get(key);
    return id === undefined ? undefined : this.handles.get(id);
  }

  /** Whether the entry was put under this key: the slab holds it, too. */
  isKeyOf(handle: EntryHandle, key: IndexKey): boolean {
    return this.values.isKeyOf(handle, key);
  }

  /** The LSN of the write that put the value there. */
  versionOf(handle: EntryHandle): number {
    return this.values.versionOf(handle);
  }

  /**
   * Calls `decode` with the memory the value lies in, `bytes[start, end)`, and returns what it returns. Nothing is
   * copied: `decode` keeps no reference to it.
   */
  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.values.read(handle, decode);
  }

  /**
   * Looks at the memory of an entry: a cache miss, for which read() would wait. Here nothing waits for it, so those of many
   * entries, one call after the other, are under way at a time.
   */
  warm(handle: EntryHandle): void {
    this.values.touch(handle);
  }

  /** The number of keys in the range. O(1) for all, otherwise O(nodes in the range). */
  count(bounds: KeyBounds): number {
    return this.index.count(bounds);
  }

  /** The keys in the range and their handles, lazily. Of entries that change meanwhile: iterate a clone. */
  *iterate(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexIterator<EntryHandle> {
    const walk = this.walk(bounds, reverse, limit);
    while (walk.advance()) yield [walk.key, this.handleOf(walk.value)];
  }

  /** The same without an object for every pair: keys, and ids for handleOf(). */
  walk(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexWalk<EntryId> {
    return this.index.walk(bounds, reverse, limit);
  }

  handleOf(id: EntryId): EntryHandle {
    return this.handles.get(id);
  }

  /** A view of what is there now. O(1). */
  clone(): EntriesView {
    return this;
  }
}

/** What entries are made of. */
interface EntriesParts {
  readonly index: OrderedIndex<EntryId>;
  readonly table: HashIndex<IndexKey>;
  readonly handles: EntryHandles;
  readonly values: EntrySlabs;
  /** There was no memory for a key in the table: what is not found there is looked for in the ordered index. */
  readonly isTablePartial: boolean;
}

export interface EntriesSizes {
  readonly nodeEntriesMax?: number;
  readonly slabBytesMax?: number;
  readonly tableSlotsMax?: number;
  /** Of a loader. */
  readonly chunkKeys?: number;
}

/** A store that is empty now and then keeps what so few entries need: it will need it again. */
const IDS_KEPT_MAX = 1024;

/** The entries of a store. */
export class Entries extends EntriesView {
  protected override readonly handles: EntryHandles;
  protected override readonly values: EntrySlabs;
  readonly #table: HashIndex<IndexKey>;
  readonly #seed: number;
  #isTablePartial: boolean;
  readonly #compaction: Compaction;
  /** Stands around every change. Who is outside of it and finds it set knows that one was stopped half-way. */
  readonly guard = new CommitGuard((cause) => this.onStopped(cause));
  /** Told of that. */
  onStopped: (cause: unknown) => void = () => {};
  /** Links what has been staged for a write that is in the log already; null when there is none. */
  #unlinked: (() => void) | null = null;
  /** Staged, and neither linked nor discarded. */
  #stagedCount = 0;

  /** `seed` is that of the hashes of keys. Tests give sizes. A loader gives what it has made. */
  constructor(seed: number, sizes: EntriesSizes = {}, parts: EntriesParts = newParts(sizes)) {
    const { index, table, handles, values, isTablePartial } = parts;
    super(index, handles, values);
    this.handles = handles;
    this.values = values;
    this.#table = table;
    this.#seed = seed;
    this.#isTablePartial = isTablePartial;
    this.#compaction = new Compaction(handles, values, (id, from, to) =>
      this.#setHandle(values.hashOf(from, seed), id, from, to),
    );
  }

  get memory(): EntriesMemory {
    return {
      ...this.values.memory,
      hashIndexBytes: this.#table.memoryBytes,
      handleBytes: this.handles.memoryBytes,
    };
  }

  /**
   * Does what is left of the last write, and has the ordered index take in the keys that it keeps beside its tree. Before
   * every look at the entries: between two of them nobody can tell.
   */
  settle(): void {
    if (this.#unlinked === null && this.index.isSettled) return;
    this.guard.enter();
    this.#unlinked?.();
    this.#unlinked = null;
    this.index.settle();
    this.guard.leave();
  }

  /** Whether something is left to do of the last write. */
  get isLinkDue(): boolean {
    return this.#unlinked !== null;
  }

  /** Does what is left of the last write. Keys beside the tree stay there: writes do not look at them. */
  linkDue(): void {
    if (this.#unlinked !== null) this.settle();
  }

  /** `link` comes at the next settle() or linkDue(), which the caller of this may put off until it has no more to do. */
  linkLater(link: () => void): void {
    this.#unlinked = link;
  }

  override get size(): number {
    this.#linkNow();
    return super.size;
  }

  override count(bounds: KeyBounds): number {
    this.settle();
    return super.count(bounds);
  }

  override walk(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexWalk<EntryId> {
    this.settle();
    return super.walk(bounds, reverse, limit);
  }

  override clone(): EntriesView {
    // A checkpoint that waited for its turn may be the first to come after a stop: it must not see torn entries.
    this.guard.assertIdle();
    this.settle();
    return new EntriesView(this.index.clone(), this.handles.view(), this.values.view());
  }

  override find(key: IndexKey): EntryHandle | undefined {
    if (this.#isTablePartial) this.settle();
    else this.#linkNow();
    const handle = this.#handleOf(key, hashKey(key, this.#seed));
    return handle === NOT_FOUND ? undefined : handle;
  }

  /**
   * Copies a key and its value into a slab, where nobody sees it before link(). What memory it takes is taken here: a
   * write that has been staged can be accepted. Throws a RangeError, with nothing changed, when there is none.
   */
  stage(key: IndexKey, bytes: Uint8Array, start: number, end: number): EntryHandle {
    const handle = this.values.append(key, hashKey(key, this.#seed), bytes, start, end);
    this.#stagedCount++;
    return handle;
  }

  /** As warm(), of the place of the hash index that link() will look at. */
  warmLink(staged: EntryHandle): void {
    this.#table.touch(this.values.stagedHashOf(staged));
  }

  /** Gives up what has been staged, the last first; its memory is free at once. */
  discard(handle: EntryHandle): void {
    this.#stagedCount--;
    this.values.discard(handle);
  }

  /**
   * What has been staged for the key becomes its value. A new key is copied, for it may be a part of a longer string; not so
   * with `isOwnKey`.
   */
  link(key: IndexKey, version: number, handle: EntryHandle, isOwnKey = false): void {
    this.#stagedCount--;
    const hash = this.values.stagedHashOf(handle);
    const previous = this.#handleOf(key, hash);
    if (previous === NOT_FOUND) {
      const isKept = isOwnKey || !mayBeSlice(key);
      this.#add(isKept ? key : this.values.keyOf(handle), hash, version, handle);
    } else {
      const id = this.values.idOf(previous);
      this.values.entitle(handle, version, id);
      this.#setHandle(hash, id, previous, handle);
      this.values.release(previous);
    }
    this.#compaction.step();
  }

  /** Stages a copy of `bytes[start, end)`, and links it. The key is one that was read from a disk, and no part of another string. */
  set(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    this.link(key, version, this.stage(key, bytes, start, end), true);
  }

  /** False when it was not there. */
  delete(key: IndexKey): boolean {
    const hash = hashKey(key, this.#seed);
    const handle = this.#handleOf(key, hash);
    if (handle === NOT_FOUND) return false;
    this.index.delete(key);
    this.#forget(hash, this.values.idOf(handle), handle);
    if (this.index.size === 0 && this.handles.end > IDS_KEPT_MAX) this.#forgetAll();
    this.#compaction.step();
    return true;
  }

  /** Deletes the keys in the range, and returns how many there were. O(1) for all with nothing staged, otherwise O(keys in the range). */
  deleteRange(bounds: KeyBounds): number {
    if (this.index.count(bounds) === this.index.size) return this.#deleteAll();
    const walk = this.index.walk(bounds);
    while (walk.advance()) {
      this.#forget(hashKey(walk.key, this.#seed), walk.value, this.handles.get(walk.value));
    }
    const count = this.index.deleteRange(bounds);
    this.#compaction.step();
    return count;
  }

  /** Throws when the bookkeeping is wrong. O(n), for tests. */
  checkValid(): void {
    this.index.checkValid();
    const handles: EntryHandle[] = [];
    for (const [key, handle] of this.iterate(ALL_KEYS)) {
      if (this.find(key) !== handle) throw new Error(`the hash index does not lead to ${key}`);
      handles.push(handle);
    }
    if (this.#table.size !== this.size && !this.#isTablePartial)
      throw new Error('the indexes differ in size');
    this.values.checkValid(handles);
  }

  #linkNow(): void {
    if (this.#unlinked !== null && !this.guard.isInside) this.settle();
  }

  #handleOf(key: IndexKey, hash: number): EntryHandle {
    const handle = this.#table.find(key, hash, this.values);
    return handle === NOT_FOUND && this.#isTablePartial ? (super.find(key) ?? NOT_FOUND) : handle;
  }

  #add(key: IndexKey, hash: number, version: number, handle: EntryHandle): void {
    const id = this.handles.add(handle);
    this.values.entitle(handle, version, id);
    this.index.set(key, id);
    if (!this.#table.insert(hash, handle)) this.#isTablePartial = true;
  }

  #setHandle(hash: number, id: EntryId, from: EntryHandle, to: EntryHandle): void {
    this.handles.set(id, to);
    if (!this.#table.replace(hash, from, to)) this.#isTablePartial = true;
  }

  /** Everything of an entry but its place in the ordered index. */
  #forget(hash: number, id: EntryId, handle: EntryHandle): void {
    this.#table.remove(hash, handle);
    this.values.release(handle);
    this.handles.remove(id);
  }

  #deleteAll(): number {
    // A batch that clears and then puts has staged what it puts: that must not go with the rest.
    if (this.#stagedCount === 0) this.values.clear();
    else {
      const walk = this.index.walk(ALL_KEYS);
      while (walk.advance()) this.values.release(this.handles.get(walk.value));
    }
    const count = this.index.deleteRange(ALL_KEYS);
    this.#forgetAll();
    return count;
  }

  /** There are no entries: what grew with them goes, ids that were given to many included. */
  #forgetAll(): void {
    this.#table.clear();
    this.#isTablePartial = false;
    this.handles.clear();
  }
}

export interface EntriesMemory extends SlabMemory {
  /** Of the index by which single keys are found. */
  readonly hashIndexBytes: number;
  /** Of what leads from the ordered index to the values. */
  readonly handleBytes: number;
}

function newParts({ nodeEntriesMax, slabBytesMax, tableSlotsMax }: EntriesSizes): EntriesParts {
  return {
    index: new OrderedIndex<EntryId>(nodeEntriesMax),
    table: new HashIndex(tableSlotsMax),
    handles: new EntryHandles(),
    values: new EntrySlabs(slabBytesMax),
    isTablePartial: false,
  };
}

/** A seed for the hashes of keys, which nobody can know who chooses keys: see hashKey(). */
export function seedFrom(storage: { randomBytes(length: number): Uint8Array }): number {
  return storage.randomBytes(4).reduce((seed, byte) => (seed << 8) | byte, 0);
}

/** Builds entries of keys that come in ascending order: from an image. Never at work for more than about a millisecond. */
export class EntriesLoader {
  readonly #index: OrderedIndexLoader<EntryId>;
  readonly #table: HashIndex<IndexKey>;
  readonly #seed: number;
  readonly #handles = new EntryHandles();
  readonly #values: EntrySlabs;
  #isTablePartial = false;

  /** `seed` is that of the hashes of keys. Tests give sizes. */
  constructor(seed: number, { nodeEntriesMax, slabBytesMax, tableSlotsMax, chunkKeys }: EntriesSizes = {}) {
    this.#seed = seed;
    this.#index = new OrderedIndexLoader<EntryId>(nodeEntriesMax, chunkKeys);
    this.#table = new HashIndex(tableSlotsMax);
    this.#values = new EntrySlabs(slabBytesMax);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Copies `bytes[start, end)`. False when the key is not above the last one: then the loader is of no more use. */
  add(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): boolean {
    const hash = hashKey(key, this.#seed);
    const handle = this.#values.append(key, hash, bytes, start, end);
    const id = this.#handles.add(handle);
    this.#values.entitle(handle, version, id);
    if (!this.#table.insert(hash, handle)) this.#isTablePartial = true;
    return this.#index.add(key, id);
  }

  /** The entries. The loader is done with. */
  finish(): Entries {
    const parts: EntriesParts = {
      index: this.#index.finish(),
      table: this.#table,
      handles: this.#handles,
      values: this.#values,
      isTablePartial: this.#isTablePartial,
    };
    return new Entries(this.#seed, {}, parts);
  }
}
