// The handles that were replaced since short views of the table of handles were taken. A short view reads the live table,
// and looks here for what was replaced since. So a write beside a short view notes two numbers, where a lasting view would
// make it copy a page of the table. Pure.

import type { EntryId, HandlesView } from './handles-view.js';
import { LogReaders } from './log-readers.js';
import type { EntryHandle } from './slab.js';

/** The most handles that are noted. With more, the short views look at a lasting view instead of the live table. */
const NOTED_MAX = 16_384;

/** The most noted handles that a search goes through one by one. For more, it makes an index of them. */
const SEARCHED_MAX = 32;

/** The handles that were replaced since the oldest short view. Places count from the first handle that was noted. */
export class ReplacedHandles {
  #ids: EntryId[] = [];
  #handles: EntryHandle[] = [];
  /** The place of the first handle that is held. */
  #start = 0;
  readonly #readers = new LogReaders();
  /** The places of each id, up to #indexedTo. */
  #places: Map<EntryId, number[]> | null = null;
  #indexedTo = 0;
  /** The handles of the ids that are not noted: the live table, or a lasting view once it was too much to note. */
  rest: HandlesView;

  constructor(live: HandlesView) {
    this.rest = live;
  }

  /** True when no more is to be noted. */
  get isFull(): boolean {
    return this.#ids.length >= NOTED_MAX;
  }

  /** True while there are short views. */
  get isUsed(): boolean {
    return this.#readers.count > 0;
  }

  /** Notes the handle that an id has had until now. */
  note(id: EntryId, handle: EntryHandle): void {
    this.#ids.push(id);
    this.#handles.push(handle);
  }

  /** Returns a view of the table as it is now. */
  view(): ShortHandlesView {
    const place = this.#start + this.#ids.length;
    this.#readers.open(place);
    return new ShortHandlesView(this, place);
  }

  /** Returns the handle that an id had at a place. */
  at(place: number, id: EntryId): EntryHandle {
    const from = place - this.#start;
    if (this.#ids.length - from <= SEARCHED_MAX) {
      const at = this.#ids.indexOf(id, from);
      return at === -1 ? this.rest.get(id) : this.#handles[at]!;
    }
    const found = this.#placesOf(id)?.find((noted) => noted >= place);
    return found === undefined ? this.rest.get(id) : this.#handles[found - this.#start]!;
  }

  /** Ends a view that was taken at a place, and drops what nobody needs. */
  close(place: number): void {
    this.#readers.close(place);
    const unneeded = (this.#readers.oldest ?? this.#start + this.#ids.length) - this.#start;
    if (unneeded * 2 <= this.#ids.length) return;
    this.#ids = this.#ids.slice(unneeded);
    this.#handles = this.#handles.slice(unneeded);
    this.#start += unneeded;
    this.#places = null;
  }

  #placesOf(id: EntryId): readonly number[] | undefined {
    if (this.#places === null) {
      this.#places = new Map();
      this.#indexedTo = this.#start;
    }
    const places = this.#places;
    for (const end = this.#start + this.#ids.length; this.#indexedTo < end; this.#indexedTo++) {
      const noted = this.#ids[this.#indexedTo - this.#start]!;
      const known = places.get(noted);
      if (known === undefined) places.set(noted, [this.#indexedTo]);
      else known.push(this.#indexedTo);
    }
    return places.get(id);
  }
}

/** A view of the table of handles for a short time. */
export class ShortHandlesView implements HandlesView {
  readonly #replaced: ReplacedHandles;
  readonly #place: number;

  constructor(replaced: ReplacedHandles, place: number) {
    this.#replaced = replaced;
    this.#place = place;
  }

  get(id: EntryId): EntryHandle {
    return this.#replaced.at(this.#place, id);
  }

  /** Ends the view, which must not be used any more. */
  close(): void {
    this.#replaced.close(this.#place);
  }
}
