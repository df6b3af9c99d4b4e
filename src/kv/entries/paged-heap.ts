// A binary heap of keys and ids of 32 bits, in pages: the lowest key is on top. Pure, in memory.
//
// An item takes 8 bytes. Pages come and go one by one, so growth copies at most one page, and little stays unused.

import { NoSlabMemory } from './slab.js';

const PAGE_BITS = 12;
/** The items of a page. */
export const PAGE_ITEMS = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_ITEMS - 1;
/** The fewest items that the first page has room for. It doubles, because a store may have many small spaces. */
const ITEMS_MIN = 16;
const BYTES_PER_ITEM = 8;

/** A page holds the key and the id of each item in turn. */
type Page = Uint32Array;

/** A heap of keys and ids. */
export class PagedHeap {
  readonly #pages: Page[] = [];
  #room = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of items that the pages have room for. */
  get room(): number {
    return this.#room;
  }

  get memoryBytes(): number {
    return this.#room * BYTES_PER_ITEM;
  }

  /** The lowest key. There must be an item. */
  get topKey(): number {
    return this.#pages[0]![0]!;
  }

  /** The id of the item with the lowest key. */
  get topId(): number {
    return this.#pages[0]![1]!;
  }

  /** Returns the key of the item in a place below `size`. Places are in no order that a caller knows. */
  keyAt(at: number): number {
    return this.#pages[at >>> PAGE_BITS]![(at & PAGE_MASK) * 2]!;
  }

  /** Returns the id of the item in a place below `size`. */
  idAt(at: number): number {
    return this.#pages[at >>> PAGE_BITS]![(at & PAGE_MASK) * 2 + 1]!;
  }

  /** Makes room for `more` items, so that push() of so many needs no memory. Throws NoSlabMemory. */
  reserve(more: number): void {
    const needed = this.#size + more;
    if (needed <= this.#room) return;
    if (this.#room < PAGE_ITEMS) this.#resizeFirst(roomFor(needed));
    while (this.#room < needed) this.adopt(newPage(PAGE_ITEMS));
  }

  push(key: number, id: number): void {
    this.reserve(1);
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const parentKey = this.keyAt(parent);
      if (parentKey <= key) break;
      this.#put(at, parentKey, this.idAt(parent));
      at = parent;
    }
    this.#put(at, key, id);
  }

  /** Removes the item on top. */
  pop(): void {
    const last = --this.#size;
    this.#sink(0, this.keyAt(last), this.idAt(last));
  }

  /** Gives the item on top a higher key. */
  raiseTop(key: number): void {
    this.#sink(0, key, this.topId);
  }

  /** Removes the item in the last place, which is not the one on top while there are others. */
  dropLast(): void {
    this.#size--;
  }

  /** Gives every item the key of its id. O(items). */
  rekey(keyOf: (id: number) => number): void {
    for (let at = 0; at < this.#size; at++) {
      const id = this.idAt(at);
      this.#put(at, keyOf(id), id);
    }
    for (let at = (this.#size >>> 1) - 1; at >= 0; at--) this.#sink(at, this.keyAt(at), this.idAt(at));
  }

  /** Removes all items, and keeps their memory. */
  clear(): void {
    this.#size = 0;
  }

  /** Gives away a whole page that no item needs; undefined without one. */
  giveAway(): Page | undefined {
    if (this.#pages.length < 2 || this.#room - PAGE_ITEMS < this.#size) return undefined;
    this.#room -= PAGE_ITEMS;
    return this.#pages.pop();
  }

  /** Takes a whole page that another heap gave away. The first page must be whole. */
  adopt(page: Page): void {
    this.#pages.push(page);
    this.#room += PAGE_ITEMS;
  }

  /** Gives back whole pages that so many items do not need. */
  giveBack(items: number): void {
    while (this.#room - PAGE_ITEMS >= items && this.giveAway() !== undefined);
  }

  /** Gives back memory that the items do not need. */
  trim(): void {
    const kept = this.#size + Math.min(this.#size, PAGE_ITEMS);
    this.giveBack(kept);
    const room = roomFor(kept);
    if (this.#pages.length !== 1 || room * 2 > this.#room) return;
    try {
      this.#resizeFirst(room);
    } catch (error) {
      // Without memory for the smaller page, the larger one stays.
      if (!(error instanceof NoSlabMemory)) throw error;
    }
  }

  #put(at: number, key: number, id: number): void {
    const page = this.#pages[at >>> PAGE_BITS]!;
    const place = (at & PAGE_MASK) * 2;
    page[place] = key;
    page[place + 1] = id;
  }

  /** Puts an item in the place `from`, or below it. */
  #sink(from: number, key: number, id: number): void {
    const size = this.#size;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      let childKey = this.keyAt(child);
      if (child + 1 < size) {
        const otherKey = this.keyAt(child + 1);
        if (otherKey < childKey) {
          child++;
          childKey = otherKey;
        }
      }
      if (childKey >= key) break;
      this.#put(at, childKey, this.idAt(child));
      at = child;
    }
    this.#put(at, key, id);
  }

  #resizeFirst(items: number): void {
    const page = newPage(items);
    const [first] = this.#pages;
    if (first !== undefined) page.set(first.subarray(0, this.#size * 2));
    this.#pages[0] = page;
    this.#room = items;
  }
}

/** Returns the items of a first page that has room for `items`, or of a whole page. */
function roomFor(items: number): number {
  return Math.min(PAGE_ITEMS, 2 ** Math.ceil(Math.log2(Math.max(ITEMS_MIN, items))));
}

function newPage(items: number): Page {
  try {
    return new Uint32Array(items * 2);
  } catch (cause) {
    throw new NoSlabMemory(`There is no memory for ${items} deadlines`, { cause });
  }
}
