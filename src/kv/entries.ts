// What a store holds: an ordered index of handles, and the slabs of values they mean. Pure, in memory.
// A value is in the index only when it is whole in its slab; what is released is not in the index any more.

import type { IndexKey } from './key-encoding.js';
import {
  ALL_KEYS,
  type IndexIterator,
  type KeyBounds,
  OrderedIndex,
  OrderedIndexLoader,
} from './ordered-index.js';
import { ValueCompaction } from './value-compaction.js';
import { type EntryHandle, type SlabMemory, type SlabsView, ValueSlabs } from './value-slabs.js';

export type { EntryHandle } from './value-slabs.js';

/** The entries as they were at one moment. Nothing changes it, so it may be read for as long as it is held. */
export class EntriesView {
  protected readonly index: OrderedIndex<EntryHandle>;
  protected readonly values: SlabsView;

  constructor(index: OrderedIndex<EntryHandle>, values: SlabsView) {
    this.index = index;
    this.values = values;
  }

  get size(): number {
    return this.index.size;
  }

  has(key: IndexKey): boolean {
    return this.index.has(key);
  }

  /** A handle is good until the next write; in a view for as long as the view. */
  find(key: IndexKey): EntryHandle | undefined {
    return this.index.get(key);
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

  /** The number of keys in the range. O(1) for all, otherwise O(nodes in the range). */
  count(bounds: KeyBounds): number {
    return this.index.count(bounds);
  }

  /** The keys in the range and their handles, lazily. Of entries that change meanwhile: iterate a clone. */
  iterate(bounds: KeyBounds, reverse?: boolean, limit?: number): IndexIterator<EntryHandle> {
    return this.index.iterate(bounds, reverse, limit);
  }

  /** A view of what is there now. O(1). */
  clone(): EntriesView {
    return this;
  }
}

export interface EntriesSizes {
  readonly nodeEntriesMax?: number;
  readonly slabBytesMax?: number;
  /** Of a loader. */
  readonly chunkKeys?: number;
}

/** The entries of a store. */
export class Entries extends EntriesView {
  protected override readonly values: ValueSlabs;
  readonly #compaction: ValueCompaction;
  /** Staged, and neither linked nor discarded. */
  #stagedCount = 0;

  /** Tests give sizes. */
  constructor(
    { nodeEntriesMax, slabBytesMax }: EntriesSizes = {},
    index = new OrderedIndex<EntryHandle>(nodeEntriesMax),
    values = new ValueSlabs(slabBytesMax),
  ) {
    super(index, values);
    this.values = values;
    this.#compaction = new ValueCompaction(index, values);
  }

  get memory(): SlabMemory {
    return this.values.memory;
  }

  override clone(): EntriesView {
    return new EntriesView(this.index.clone(), this.values.view());
  }

  /**
   * Copies a value into a slab, where nobody sees it before link(). What memory it takes is taken here: a write that
   * has been staged can be accepted. Throws a RangeError, with nothing changed, when there is none.
   */
  stage(bytes: Uint8Array, start: number, end: number): EntryHandle {
    const handle = this.values.append(bytes, start, end);
    this.#stagedCount++;
    return handle;
  }

  /** Gives up what has been staged, the last first; its memory is free at once. */
  discard(handle: EntryHandle): void {
    this.#stagedCount--;
    this.values.discard(handle);
  }

  /** What has been staged becomes the value of the key. */
  link(key: IndexKey, version: number, handle: EntryHandle): void {
    this.#stagedCount--;
    this.values.setVersion(handle, version);
    const previous = this.index.set(key, handle);
    if (previous !== undefined) this.values.release(previous);
    this.#compaction.step();
  }

  /** Stages a copy of `bytes[start, end)`, and links it. */
  set(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    this.link(key, version, this.stage(bytes, start, end));
  }

  /** False when it was not there. */
  delete(key: IndexKey): boolean {
    const previous = this.index.delete(key);
    if (previous === undefined) return false;
    this.values.release(previous);
    this.#compaction.step();
    return true;
  }

  /** Deletes the keys in the range, and returns how many there were. O(1) for all, otherwise O(keys in the range). */
  deleteRange(bounds: KeyBounds): number {
    const isAll = bounds.low === undefined && bounds.high === undefined;
    // A batch that clears and then puts has staged what it puts: that must not go with the rest.
    if (isAll && this.#stagedCount === 0) return this.#deleteAll();
    for (const [, handle] of this.index.iterate(bounds)) this.values.release(handle);
    const count = this.index.deleteRange(bounds);
    this.#compaction.step();
    return count;
  }

  /** Throws when the bookkeeping is wrong. O(n), for tests. */
  checkValid(): void {
    this.index.checkValid();
    const handles: EntryHandle[] = [];
    for (const [, handle] of this.index.iterate(ALL_KEYS)) handles.push(handle);
    this.values.checkValid(handles);
  }

  #deleteAll(): number {
    const count = this.index.deleteRange(ALL_KEYS);
    this.values.clear();
    return count;
  }
}

/** Builds entries of keys that come in ascending order: from an image. Never at work for more than about a millisecond. */
export class EntriesLoader {
  readonly #values: ValueSlabs;
  readonly #index: OrderedIndexLoader<EntryHandle>;

  /** Tests give sizes. */
  constructor({ nodeEntriesMax, slabBytesMax, chunkKeys }: EntriesSizes = {}) {
    this.#values = new ValueSlabs(slabBytesMax);
    this.#index = new OrderedIndexLoader<EntryHandle>(nodeEntriesMax, chunkKeys);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Copies `bytes[start, end)`. False when the key is not above the last one: then the loader is of no more use. */
  add(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): boolean {
    const handle = this.#values.append(bytes, start, end);
    this.#values.setVersion(handle, version);
    return this.#index.add(key, handle);
  }

  /** The entries. The loader is done with. */
  finish(): Entries {
    return new Entries({}, this.#index.finish(), this.#values);
  }
}
