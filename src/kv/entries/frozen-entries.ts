// The frozen entries of a space: its entries as they were at one moment. They never change, so snapshots, iterations,
// checkpoints and backups can read them at any later time.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId, HandlesView } from './handles-view.js';
import type { OrderedIndex } from './ordered-index.js';
import type { ShortHandlesView } from './replaced-handles.js';
import type { EntryHandle } from './slab.js';
import type { SlabsView } from './slabs-view.js';
import type { FrozenIndexes } from './space-indexes.js';
import type { IndexWalk, View } from './view.js';

/** The due entries of a space at the moment of a view. An image has them until their removal is in the log. */
export interface FrozenDue {
  /** The keys and ids of those that have left the indexes, in no order. Empty in a view that does not keep them. */
  readonly keys: readonly (readonly [IndexKey, EntryId])[];
  /** All entries with a deadline up to this time are due, too: see ExpiringEntries. */
  readonly floor: number;
}

/** The entries of a space at the moment of a view. */
export class FrozenEntries implements View {
  readonly #index: OrderedIndex<EntryId>;
  readonly #handles: HandlesView;
  /** The memory of the entries. */
  readonly slabs: SlabsView;
  /** The secondary indexes of that moment, or null without any. */
  indexes: FrozenIndexes | null = null;
  /** The due entries; null when no entry has a deadline. */
  readonly due: FrozenDue | null;

  /** The parts are views of one moment. */
  constructor(
    index: OrderedIndex<EntryId>,
    handles: HandlesView,
    slabs: SlabsView,
    due: FrozenDue | null = null,
  ) {
    this.#index = index;
    this.#handles = handles;
    this.slabs = slabs;
    this.due = due;
  }

  get size(): number {
    return this.#index.size;
  }

  find(key: IndexKey): EntryHandle | undefined {
    const id = this.#index.get(key);
    return id === undefined ? undefined : this.#handles.get(id);
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  /** Returns the id of an entry. */
  idOf(handle: EntryHandle): EntryId {
    return this.slabs.idOf(handle);
  }

  versionOf(handle: EntryHandle): number {
    return this.slabs.versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return this.slabs.deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.slabs.read(handle, decode);
  }

  count(bounds: KeyBounds): number {
    return this.#index.count(bounds);
  }

  rank(key: IndexKey): number {
    return this.#index.rank(key);
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    return this.#index.nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#index.walk(bounds, reverse, limit, offset);
  }

  handleOf(id: EntryId): EntryHandle {
    return this.#handles.get(id);
  }

  view(): this {
    return this;
  }

  /** Notes another user of entries that were frozen for a short time. */
  open(): void {}

  /** Ends the use of entries that were frozen for a short time. */
  close(): void {}
}

/** The entries of a space at the moment of a view, for a short time. */
export class ShortFrozenEntries extends FrozenEntries {
  readonly #shortHandles: ShortHandlesView;
  #users = 0;

  constructor(index: OrderedIndex<EntryId>, handles: ShortHandlesView, slabs: SlabsView) {
    super(index, handles, slabs);
    this.#shortHandles = handles;
  }

  override open(): void {
    this.#users++;
  }

  /** After the last user, the entries must not be used any more. */
  override close(): void {
    if (--this.#users === 0) this.#shortHandles.close();
  }
}
