// The hash index: from a key to the handle of its entry, in one cache miss, where a descent into the ordered index takes
// twenty. Pure, in memory. It holds no keys: whether an entry is that of a key, its owner says.
//
// It is an extendible hash table (Fagin et al., 1979): a directory of small tables with open addressing, of which one
// at a time is split in two when it is full. So no step takes more than a fraction of a millisecond, however many keys
// there are; a JavaScript Map stops the program for seconds when it grows, and ends at 2^24 entries.
//
// A slot is two 32-bit words: the low bits of the handle plus one, and its high bits above a hash of 28 bits. Zero is an
// empty slot. The low bits of a hash choose the slot and the next ones the table. Removing moves what follows back, so
// there are no tombstones.

import type { EntryHandle } from './entry-slabs.js';

export const HASH_BITS = 28;
const HASH_MASK = 2 ** HASH_BITS - 1;
const LOW_RANGE = 2 ** 32;
/** 512 GiB of values; an entry beyond is not in the table. */
const HANDLE_MAX = 2 ** 36 - 2;

const WORDS_PER_SLOT = 2;
/** What a store with little in it costs. */
const SLOTS_MIN = 16;
/** What one with nothing in it has: it is full, and never written to. */
const NO_SLOTS = new Uint32Array(WORDS_PER_SLOT);
/** 128 KiB: to split one takes about 0.1 ms. */
export const SLOTS_MAX = 16_384;
const FULL_FRACTION = 3 / 4;

/** What find() returns when there is no such key. */
export const NOT_FOUND = -1;

/** Exported so that V8 cannot drop the reads in prefetch(). */
export let touched = 0;

/** Knows the keys of the entries. */
export interface KeyOwner<K> {
  isKeyOf(handle: EntryHandle, key: K): boolean;
}

interface Table {
  words: Uint32Array;
  count: number;
  /** So many bits of the directory's choice are the same in all of its hashes. */
  readonly depth: number;
}

export class HashIndex<K> {
  readonly #slotsMax: number;
  /** Of a hash, which the slot takes; those above are the directory's. */
  readonly #slotBits: number;
  /** One table for every value of the bits that choose it; one of less depth stands in several places. */
  #directory: Table[];
  /** A copy of the table that is being split. */
  #scratch: Uint32Array | null = null;
  #size = 0;
  #words = 0;

  /** Tests give `slotsMax`, a power of two of at least SLOTS_MIN. */
  constructor(slotsMax = SLOTS_MAX) {
    this.#slotsMax = slotsMax;
    this.#slotBits = Math.log2(slotsMax);
    this.#directory = [emptyTable()];
  }

  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.#words * Uint32Array.BYTES_PER_ELEMENT;
  }

  /** The handle that is there for the key, or NOT_FOUND. Of a hash, the lowest HASH_BITS count, here and everywhere. */
  find(key: K, fullHash: number, owner: KeyOwner<K>): EntryHandle {
    const hash = fullHash & HASH_MASK;
    const { words } = this.#tableOf(hash);
    const mask = words.length - WORDS_PER_SLOT;
    for (let at = (hash * WORDS_PER_SLOT) & mask; ; at = (at + WORDS_PER_SLOT) & mask) {
      const low = words[at]!;
      const high = words[at + 1]!;
      if ((low | high) === 0) return NOT_FOUND;
      if ((high & HASH_MASK) !== hash) continue;
      const handle = handleOf(low, high);
      if (owner.isKeyOf(handle, key)) return handle;
    }
  }

  /** Loads the place where find() will begin into the cache, without waiting for it. */
  prefetch(fullHash: number): void {
    const hash = fullHash & HASH_MASK;
    const { words } = this.#tableOf(hash);
    touched = words[(hash * WORDS_PER_SLOT) & (words.length - WORDS_PER_SLOT)]!;
  }

  /**
   * Enters a key that is not there. False, with nothing changed, when there is no room and none to be had: it is then for
   * the caller to find the key another way.
   */
  insert(fullHash: number, handle: EntryHandle): boolean {
    if (handle > HANDLE_MAX) return false;
    const hash = fullHash & HASH_MASK;
    while (isFull(this.#tableOf(hash)) && this.#grow(hash));
    const table = this.#tableOf(hash);
    // One slot stays empty, for it ends every search.
    if (table.count + 1 >= table.words.length / WORDS_PER_SLOT) return false;
    const stored = handle + 1;
    place(table, stored % LOW_RANGE, Math.floor(stored / LOW_RANGE) * 2 ** HASH_BITS + hash);
    this.#size++;
    return true;
  }

  /** The key has another handle now. False, with nothing changed, when it is not here, or the handle is beyond the table. */
  replace(fullHash: number, handle: EntryHandle, by: EntryHandle): boolean {
    const hash = fullHash & HASH_MASK;
    const { words } = this.#tableOf(hash);
    const at = slotOf(words, hash, handle);
    if (at === NOT_FOUND) return false;
    if (by > HANDLE_MAX) {
      this.remove(hash, handle);
      return false;
    }
    words[at] = (by + 1) % LOW_RANGE;
    words[at + 1] = Math.floor((by + 1) / LOW_RANGE) * 2 ** HASH_BITS + hash;
    return true;
  }

  /** Takes a key out again. Nothing, when it is not here. */
  remove(fullHash: number, handle: EntryHandle): void {
    const hash = fullHash & HASH_MASK;
    const table = this.#tableOf(hash);
    const at = slotOf(table.words, hash, handle);
    if (at === NOT_FOUND) return;
    closeGap(table.words, at);
    table.count--;
    this.#size--;
  }

  /** Needs no memory: a clear that has been accepted must not fail. */
  clear(): void {
    this.#size = 0;
    this.#words = 0;
    this.#directory = [emptyTable()];
  }

  #tableOf(hash: number): Table {
    return this.#directory[(hash >>> this.#slotBits) & (this.#directory.length - 1)]!;
  }

  /** False when there is no memory for it, or when more keys have one hash than a table holds. */
  #grow(hash: number): boolean {
    const table = this.#tableOf(hash);
    const slots = table.words.length / WORDS_PER_SLOT;
    const isLargest = slots === this.#slotsMax;
    if (isLargest && this.#slotBits + table.depth === HASH_BITS) return false;
    const memory = this.#allocate(isLargest ? slots : Math.max(SLOTS_MIN, slots * 2), table.depth);
    if (memory === null) return false;
    if (isLargest) this.#split(table, memory, hash);
    else this.#enlarge(table, memory);
    return true;
  }

  #enlarge(table: Table, larger: Table): void {
    forEachSlot(table.words, (low, high) => place(larger, low, high));
    if (table.words !== NO_SLOTS) this.#words -= table.words.length;
    table.words = larger.words;
  }

  /**
   * Two tables in the place of one, by the first bit that its hashes do not have in common. One of the two has the memory of
   * the one: memory that comes and goes outside of its heap makes V8 collect garbage.
   */
  #split(table: Table, { words }: Table, hash: number): void {
    const depth = table.depth + 1;
    const odd: Table = { words, count: 0, depth };
    this.#scratch!.set(table.words);
    const even: Table = { words: table.words.fill(0), count: 0, depth };
    const bit = 1 << (this.#slotBits + table.depth);
    forEachSlot(this.#scratch!, (low, high) => place((high & bit) === 0 ? even : odd, low, high));
    if (2 ** depth > this.#directory.length) this.#directory = [...this.#directory, ...this.#directory];
    const step = 2 ** table.depth;
    for (let at = (hash >>> this.#slotBits) & (step - 1); at < this.#directory.length; at += step) {
      this.#directory[at] = (at & step) === 0 ? even : odd;
    }
  }

  /** All that growing takes; null when there is no memory for it. */
  #allocate(slots: number, depth: number): Table | null {
    try {
      if (slots === this.#slotsMax) this.#scratch ??= new Uint32Array(slots * WORDS_PER_SLOT);
      const words = new Uint32Array(slots * WORDS_PER_SLOT);
      this.#words += words.length;
      return { words, count: 0, depth };
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }
}

function emptyTable(): Table {
  return { words: NO_SLOTS, count: 0, depth: 0 };
}

function isFull({ words, count }: Table): boolean {
  return count >= Math.floor((words.length / WORDS_PER_SLOT) * FULL_FRACTION);
}

function handleOf(low: number, high: number): EntryHandle {
  return (high >>> HASH_BITS) * LOW_RANGE + low - 1;
}

/** The place of the slot with that hash and handle, or NOT_FOUND. */
function slotOf(words: Uint32Array, hash: number, handle: EntryHandle): number {
  const mask = words.length - WORDS_PER_SLOT;
  for (let at = (hash * WORDS_PER_SLOT) & mask; ; at = (at + WORDS_PER_SLOT) & mask) {
    const low = words[at]!;
    const high = words[at + 1]!;
    if ((low | high) === 0) return NOT_FOUND;
    if ((high & HASH_MASK) === hash && handleOf(low, high) === handle) return at;
  }
}

/** In the first empty slot from its own on. There is one. */
function place(table: Table, low: number, high: number): void {
  const { words } = table;
  const mask = words.length - WORDS_PER_SLOT;
  let at = (high * WORDS_PER_SLOT) & mask;
  while ((words[at]! | words[at + 1]!) !== 0) at = (at + WORDS_PER_SLOT) & mask;
  words[at] = low;
  words[at + 1] = high;
  table.count++;
}

/** Empties a slot, and moves into it whatever could no more be reached over it. */
function closeGap(words: Uint32Array, gap: number): void {
  const mask = words.length - WORDS_PER_SLOT;
  let hole = gap;
  for (
    let at = (gap + WORDS_PER_SLOT) & mask;
    (words[at]! | words[at + 1]!) !== 0;
    at = (at + WORDS_PER_SLOT) & mask
  ) {
    const home = (words[at + 1]! * WORDS_PER_SLOT) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    words[hole] = words[at]!;
    words[hole + 1] = words[at + 1]!;
    hole = at;
  }
  words[hole] = 0;
  words[hole + 1] = 0;
}

function forEachSlot(words: Uint32Array, visit: (low: number, high: number) => void): void {
  for (let at = 0; at < words.length; at += WORDS_PER_SLOT) {
    if ((words[at]! | words[at + 1]!) !== 0) visit(words[at]!, words[at + 1]!);
  }
}
