// The entries of a space as of a view of the store, for a transaction. A key that has not changed since is found in the live
// entries, by its hash; that is faster than the ordered index of the frozen entries.

import { KeelsonError } from '../../errors.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { FrozenEntries } from '../entries/frozen-entries.js';
import { NO_ENTRIES } from '../entries/no-entries.js';
import { type EntryHandle, NO_DEADLINE } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import type { IndexWalk, LastingView } from '../entries/view.js';

/** The handle of no entry. */
const NONE = -1;

/** A view of one space. The handle of find() is valid until the next find(). */
export class ViewedEntries implements LastingView {
  readonly #space: Space;
  readonly #storeView: StoreView;
  #frozen: FrozenEntries | null = null;
  /** The last handle of find(), if it is one of the live entries. */
  #liveHandle: EntryHandle = NONE;

  constructor(space: Space, view: StoreView) {
    this.#space = space;
    this.#storeView = view;
  }

  find(key: IndexKey): EntryHandle | undefined {
    const { entries } = this.#space;
    const handle = entries.find(key);
    const { lsn, now } = this.#storeView;
    if (handle !== undefined && entries.versionOf(handle) <= lsn) {
      const deadline = entries.deadlineOf(handle);
      if (deadline !== NO_DEADLINE && deadline <= now) return undefined;
      this.#liveHandle = handle;
      return handle;
    }
    this.#liveHandle = NONE;
    return this.view().find(key);
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  idOf(handle: EntryHandle): EntryId {
    return this.#entriesOf(handle).idOf(handle);
  }

  versionOf(handle: EntryHandle): number {
    return this.#entriesOf(handle).versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return this.#entriesOf(handle).deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.#entriesOf(handle).read(handle, decode);
  }

  get size(): number {
    return this.view().size;
  }

  count(bounds: KeyBounds): number {
    return this.view().count(bounds);
  }

  rank(key: IndexKey): number {
    return this.view().rank(key);
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    return this.view().nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.view().walk(bounds, reverse, limit, offset);
  }

  handleOf(id: EntryId): EntryHandle {
    // The caller reads this handle next, and it is one of the frozen entries.
    this.#liveHandle = NONE;
    return this.view().handleOf(id);
  }

  view(): FrozenEntries {
    if (this.#storeView.isClosed) throw new KeelsonError('KEELSON_CLOSED', 'The transaction has ended');
    this.#frozen ??= this.#storeView.in(this.#space) ?? NO_ENTRIES;
    return this.#frozen;
  }

  #entriesOf(handle: EntryHandle): LastingView {
    return handle === this.#liveHandle ? this.#space.entries : this.view();
  }
}
