// A space: a namespace of a store, with its own entries, key encoding and value encoding. The root space is the store
// itself; it has id 0 and no name.

import type { KeyCodec } from '../encoding/key-encoding.js';
import type { Entries } from './entries.js';
import type { FrozenEntries } from './frozen-entries.js';
import type { SecondaryIndex } from './secondary-index.js';
import type { SpaceIndexes } from './space-indexes.js';

/** The id of the root space. */
export const ROOT_ID = 0;

/** The highest id of a space: an image has 32 bits for it. */
export const SPACE_ID_MAX = 2 ** 32 - 1;

/** The definition of a space: its name and encodings, as the log and images have them. */
export class SpaceDefinition {
  /** The name, which is '' for the root space. */
  readonly name: string;
  readonly keyCodec: KeyCodec<unknown>;
  readonly valueEncodingName: string;
  /** True when values of this space may refer to definitions; see Schema. */
  readonly hasReferences: boolean;

  constructor(name: string, keyCodec: KeyCodec<unknown>, valueEncodingName: string) {
    this.name = name;
    this.keyCodec = keyCodec;
    this.valueEncodingName = valueEncodingName;
    this.hasReferences = valueEncodingName === 'msgpack';
  }

  /** Returns true when both definitions have the same name and encodings. */
  equals({ name, keyCodec, valueEncodingName }: SpaceDefinition): boolean {
    return this.name === name && this.keyCodec === keyCodec && this.valueEncodingName === valueEncodingName;
  }
}

/** The views of a store, as a space sees them: see StoreViews. */
export interface ViewsOfSpaces {
  /** The number of views that were ever taken. */
  readonly epoch: number;
  /** Freezes a space for the views that may lack it. */
  freeze(space: Space): void;
}

/** The expiry of a store, as a space sees it: see Expiry. */
export interface ExpiryOfSpaces {
  /** Adds a space that has got an entry with a deadline. */
  add(space: Space): void;
  /** Has due entries of a space leave its indexes. */
  look(space: Space, now?: number): void;
  /** Ends to look at a space. */
  forget(space: Space): void;
}

/** A space of an open store. */
export class Space extends SpaceDefinition {
  /** The id, which changes only when the log creates a space that a read-only store has declared. */
  id: number;
  /** The entries; other and empty ones once the space was dropped. They may have some that are due: see `current`. */
  entries: Entries;
  /** The secondary indexes, or null without any. */
  indexes: SpaceIndexes | null = null;
  /** True while entries have deadlines, or are due and not removed in the log. */
  isExpiring = false;
  /** No entry is due before this time. */
  earliest = Number.POSITIVE_INFINITY;
  /** The LSN of the last write to this space. */
  lastLsn = 0;
  /** True from the creation of the space in the schema until it is dropped. */
  isThere = false;
  /** True once the space was dropped. It takes no more writes. */
  isDropped = false;
  /**
   * The part of the log that has defined the space last: see Schema.startPart(). 0 before its definition in this life. The
   * root space needs none.
   */
  definedIn: number;
  /** The views up to this epoch are settled: see StoreViews. */
  epoch = 0;
  readonly #views: ViewsOfSpaces;
  readonly #expiry: ExpiryOfSpaces;

  constructor(
    id: number,
    { name, keyCodec, valueEncodingName }: SpaceDefinition,
    entries: Entries,
    views: ViewsOfSpaces,
    expiry: ExpiryOfSpaces,
  ) {
    super(name, keyCodec, valueEncodingName);
    this.id = id;
    this.definedIn = id === ROOT_ID ? Number.POSITIVE_INFINITY : 0;
    this.entries = entries;
    this.#views = views;
    this.#expiry = expiry;
  }

  /** The entries for a read outside of changes: without those that are due. Reads the clock, which is foreign code. */
  get current(): Entries {
    if (this.isExpiring) this.#expiry.look(this);
    return this.entries;
  }

  /** Returns what `current` returns, at a time that the caller has read. */
  currentAt(now: number): Entries {
    if (this.isExpiring) this.#expiry.look(this, now);
    return this.entries;
  }

  /** Notes that an entry with this deadline is about to be in the space. */
  noteDeadline(deadline: number): void {
    if (deadline < this.earliest) this.earliest = deadline;
    if (this.isExpiring) return;
    this.isExpiring = true;
    this.#expiry.add(this);
  }

  /** Freezes the entries for the views that still need them. Call it before each change of the entries. */
  beforeChange(): void {
    if (this.epoch !== this.#views.epoch) this.#views.freeze(this);
  }

  /**
   * Returns entries and indexes as they are now, inside of a change; with `isShort`, for a short time. With `keepsDue`, it has
   * due entries, too, and no indexes.
   */
  freeze(isShort: boolean, keepsDue: boolean): FrozenEntries {
    const frozen = isShort ? this.entries.freezeForShort() : this.entries.freeze(keepsDue);
    if (this.indexes !== null && !keepsDue) frozen.indexes = this.indexes.freeze();
    return frozen;
  }

  /** Makes an index that has all entries readable. Earlier views do not have it. */
  makeReady(index: SecondaryIndex): void {
    index.becomeReady(this.#views.epoch);
  }

  /** Notes that the space is in the schema from now on. Earlier views do not have it. */
  enter(): void {
    this.epoch = this.#views.epoch;
    this.isThere = true;
    this.#noteEntries();
  }

  /** Replaces the entries. Earlier views keep those that they saw. The indexes must be built again. */
  replace({ entries, lastLsn }: Space): void {
    this.beforeChange();
    this.#expiry.forget(this);
    entries.expiryHooks = null;
    this.entries = entries;
    this.lastLsn = lastLsn;
    if (this.indexes !== null) this.indexes = this.indexes.renewed();
    this.#noteEntries();
  }

  /** Notes the deadlines of entries that were loaded. */
  #noteEntries(): void {
    const { expiringCount, dueCount, earliest } = this.entries;
    if (expiringCount + dueCount > 0) this.noteDeadline(earliest);
  }

  /**
   * Notes that the space is dropped. Earlier views keep its entries, and later views do not have it. `none` are empty
   * entries: a handle of the space must not keep the others in memory.
   */
  leave(none: Entries): void {
    this.beforeChange();
    this.#expiry.forget(this);
    this.isThere = false;
    this.isDropped = true;
    this.entries = none;
    this.indexes?.clear(null);
  }
}
