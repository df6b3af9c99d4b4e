// Indexes of a space under operations that are not committed. A transaction looks at them. The postings of an index are made
// into ordered keys when somebody reads the index, and are kept up to date from then on.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import {
  type EntryPostings,
  type IndexView,
  listOf,
  type SecondaryIndex,
} from '../entries/secondary-index.js';
import type { OrderedKeys } from '../entries/view.js';
import { ALL_OF_THEM, boundsOf } from './key-intervals.js';
import { DELETED_ID, MergedKeys } from './merged-keys.js';
import type { Overlay } from './overlay.js';

/** Limit of the keys of a clear whose postings are taken out one by one. */
const CLEARED_KEYS_MAX = 256;

/** The part of a transaction that its index overlays use for one space. */
export interface IndexSource {
  readonly overlay: Overlay;
  /** Returns an index beneath the operations. Throws when it is not ready. */
  baseOf(index: SecondaryIndex): IndexView;
  /**
   * Returns the postings of a put or a touch, by the number of the operation; undefined for a touch of an entry beneath the
   * operations.
   */
  postingsOf(operation: number, index: SecondaryIndex): EntryPostings | undefined;
}

/** The postings of one index under operations that are not committed. */
class OverlaidIndex {
  readonly base: IndexView;
  readonly keys: MergedKeys;

  constructor(base: IndexView, keys: MergedKeys) {
    this.base = base;
    this.keys = keys;
  }
}

/** The indexes of one space under operations that are not committed. */
export class IndexOverlays {
  readonly #source: IndexSource;
  /** The indexes that were read since the last forget(). */
  readonly #made = new Map<SecondaryIndex, OverlaidIndex>();

  constructor(source: IndexSource) {
    this.#source = source;
  }

  /** Returns the postings of an index as they are now, until the next operation. */
  keysOf(index: SecondaryIndex): OrderedKeys {
    return this.#source.overlay.isUntouched ? this.#source.baseOf(index) : this.#of(index).keys;
  }

  /** Returns postings that later operations do not change. O(1). */
  frozen(index: SecondaryIndex): OrderedKeys {
    if (this.#source.overlay.isUntouched) return this.#source.baseOf(index).view();
    const { base, keys } = this.#of(index);
    return keys.over(base.view());
  }

  /** Notes that a put or a delete follows. `id` is that of the overlay: see Overlay. A touch changes no postings. */
  write(key: IndexKey, id: EntryId): void {
    for (const [index, { base, keys }] of this.#made) {
      for (const posting of listOf(this.#before(key, index, base))) keys.write(posting, DELETED_ID);
      for (const posting of listOf(this.#written(index, id) ?? null)) keys.write(posting, id);
    }
  }

  /** Notes that a clear follows. After a large one, postings are made anew when somebody reads them. */
  clear(bounds: KeyBounds): void {
    const { overlay } = this.#source;
    if (this.#made.size === 0) return;
    if (overlay.count(bounds) > CLEARED_KEYS_MAX) {
      this.forget();
      return;
    }
    const keys: IndexKey[] = [];
    for (const walk = overlay.walk(bounds); walk.advance(); ) keys.push(walk.key);
    for (const key of keys) this.write(key, DELETED_ID);
  }

  /** Notes that the operations, or what is beneath them, have changed in another way. */
  forget(): void {
    this.#made.clear();
  }

  #of(index: SecondaryIndex): OverlaidIndex {
    let made = this.#made.get(index);
    if (made === undefined) {
      made = this.#make(index);
      this.#made.set(index, made);
    }
    return made;
  }

  #make(index: SecondaryIndex): OverlaidIndex {
    const { overlay } = this.#source;
    const base = this.#source.baseOf(index);
    const isWhole = overlay.cleared.some(({ low, end }) => low === ALL_OF_THEM.low && end === undefined);
    const keys = new MergedKeys(base, isWhole ? [ALL_OF_THEM] : []);
    const remove = (id: EntryId | undefined) => {
      if (id === undefined) return;
      for (const posting of listOf(base.postingsOf(id) ?? null)) keys.write(posting, DELETED_ID);
    };
    if (!isWhole) {
      for (const interval of overlay.cleared) {
        const walk = overlay.walkBase(boundsOf(interval));
        while (walk.advance()) remove(walk.value);
      }
    }
    for (const [key, id] of overlay.written) {
      const postings = this.#written(index, id);
      if (postings === undefined) continue;
      remove(overlay.baseIdOf(key));
      for (const posting of listOf(postings)) keys.write(posting, id);
    }
    return new OverlaidIndex(base, keys);
  }

  /** Returns the postings of a written key; undefined for a touch of an entry beneath the operations. */
  #written(index: SecondaryIndex, id: EntryId): EntryPostings | undefined {
    return id === DELETED_ID ? null : this.#source.postingsOf(-1 - id, index);
  }

  /** Returns the postings that a key has before an operation. */
  #before(key: IndexKey, index: SecondaryIndex, base: IndexView): EntryPostings {
    const { overlay } = this.#source;
    const handle = overlay.find(key);
    if (handle === undefined) return null;
    const written = handle < 0 ? this.#source.postingsOf(-1 - handle, index) : undefined;
    return written === undefined ? (base.postingsOf(overlay.baseIdOf(key)!) ?? null) : written;
  }
}
