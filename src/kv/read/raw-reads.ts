// Raw reads: reads by index keys that decode nothing by themselves, for src/level, whose keys and values have more than one
// form.

import { isWithin, type KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { IndexWalk, View, Walkable } from '../entries/view.js';

/** The access of reads to entries. */
export interface ReadAccess {
  /** Returns the entries as they are for the next read. */
  view(): View;
  /** Called at every read and at every step of an iteration. Throws when reads are not possible any more. */
  assertOpen(): void;
}

/** Makes a value of `bytes[start, end)`. Keeps no reference to the memory, and runs no foreign code. */
export type Decode<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** The raw reads of one space, live or in a snapshot. They throw what the reads of the space throw. */
export class RawReads {
  readonly #access: ReadAccess;

  constructor(access: ReadAccess) {
    this.#access = access;
  }

  /** Returns what `decode` makes of the value of a key, or undefined when the key is absent. */
  get<T>(key: IndexKey, decode: Decode<T>): T | undefined {
    this.#access.assertOpen();
    const view = this.#access.view();
    const handle = view.find(key);
    return handle === undefined ? undefined : view.read(handle, decode);
  }

  has(key: IndexKey): boolean {
    this.#access.assertOpen();
    return this.#access.view().has(key);
  }

  /** Returns a cursor over the entries of this moment. */
  cursor(bounds: KeyBounds, reverse: boolean): Cursor {
    this.#access.assertOpen();
    return new Cursor(this.#access, this.#access.view().view(), bounds, reverse);
  }
}

/** Stands before an entry of a range, and reads on from there. The entries are those of the moment at which it was made. */
export class Cursor {
  readonly #access: ReadAccess;
  readonly #bounds: KeyBounds;
  readonly #reverse: boolean;
  #view: Walkable | null;
  #walk: IndexWalk<EntryId> | null;

  constructor(access: ReadAccess, view: Walkable, bounds: KeyBounds, reverse: boolean) {
    this.#access = access;
    this.#view = view;
    this.#bounds = bounds;
    this.#reverse = reverse;
    this.#walk = view.walk(bounds, reverse);
  }

  /** Stands before `key`, or where it would be. Outside of the range there are no more entries. */
  seek(key: IndexKey): void {
    const [view, bounds, reverse] = [this.#view, this.#bounds, this.#reverse];
    if (view === null || !isWithin(bounds, key)) this.#walk = null;
    else {
      const edge = reverse ? { high: key, highInclusive: true } : { low: key, lowInclusive: true };
      this.#walk = view.walk({ ...bounds, ...edge }, reverse);
    }
  }

  /** Moves to the next entry. Returns false when there is none. */
  advance(): boolean {
    if (this.#walk === null) return false;
    this.#access.assertOpen();
    return this.#walk.advance();
  }

  /** The key of the entry that the last advance() moved to. */
  get key(): IndexKey {
    return this.#walk!.key;
  }

  /** Returns what `decode` makes of the value of the entry that the last advance() moved to. */
  value<T>(decode: Decode<T>): T {
    const view = this.#view!;
    return view.read(view.handleOf(this.#walk!.value), decode);
  }

  /** Drops the view. */
  close(): void {
    this.#walk = null;
    this.#view = null;
  }
}
