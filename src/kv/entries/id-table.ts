// A table from the ids of entries to values. Its pages are shared with clones until one of them changes. Pure, in memory.

import type { EntryId } from './handles-view.js';

const PAGE_BITS = 6;
const PAGE_MASK = (1 << PAGE_BITS) - 1;
/** The size of a place in a page, in bytes, at most. */
const PLACE_BYTES = 8;

/** A page, and the table that may change it. */
interface Page<T> {
  readonly owner: object;
  readonly values: (T | undefined)[];
}

/** A table from ids to values. */
export class IdTable<T> {
  #pages: (Page<T> | undefined)[] = [];
  /** Stands in the pages that no clone shares. */
  #owner: object = {};
  /** True when a clone shares the list of pages. */
  #isListShared = false;

  /** The bytes of the pages, without the values. */
  get memoryBytes(): number {
    return this.#pages.length * (PAGE_MASK + 1) * PLACE_BYTES;
  }

  get(id: EntryId): T | undefined {
    return this.#pages[id >>> PAGE_BITS]?.values[id & PAGE_MASK];
  }

  set(id: EntryId, value: T | undefined): void {
    const at = id >>> PAGE_BITS;
    let page = this.#pages[at];
    if (page === undefined || page.owner !== this.#owner) page = this.#ownPage(at, page);
    page.values[id & PAGE_MASK] = value;
  }

  /** Removes all values. O(1). */
  clear(): void {
    this.#pages = [];
    this.#isListShared = false;
  }

  /** Returns a table with the same values, which later changes of this one do not reach. O(1). It must not be changed. */
  clone(): IdTable<T> {
    const clone = new IdTable<T>();
    clone.#pages = this.#pages;
    this.#owner = {};
    this.#isListShared = true;
    return clone;
  }

  #ownPage(at: number, page: Page<T> | undefined): Page<T> {
    if (this.#isListShared) {
      this.#pages = this.#pages.slice();
      this.#isListShared = false;
    }
    const own = { owner: this.#owner, values: page === undefined ? [] : page.values.slice() };
    // A hole would make the list of pages slow.
    while (this.#pages.length < at) this.#pages.push(undefined);
    this.#pages[at] = own;
    return own;
  }
}
