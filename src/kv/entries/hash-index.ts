// The hash index: leads from a key to the handle of its entry, in one cache miss where a descent in the ordered index
// takes many. Pure, in memory. The index holds no keys; a KeyOwner compares them.
//
// It is an extendible hash table (Fagin et al., 1979): a directory of small tables with open addressing. When a table
// is full, it is doubled or split in two, and the other tables stay as they are. So no single write takes long, however
// many keys there are. A JavaScript Map moves all entries when it grows, and ends at 2^24 entries.
//
// A slot is two words of 32 bits. The first word has the low 32 bits of `handle + 1`. The second word has the high 4
// bits of `handle + 1` above a hash of 28 bits. An empty slot is two zeros. The low bits of the hash choose the slot,
// and the bits above them choose the table. A removal moves later slots back, so there are no tombstones.

import type { EntryHandle } from './slab.js';

export const HASH_BITS = 28;
const HASH_MASK = 2 ** HASH_BITS - 1;
const HASH_RANGE = 2 ** HASH_BITS;
const LOW_RANGE = 2 ** 32;
/** The highest handle that the hash index takes, which is enough for 524,288 slabs. */
const HANDLE_MAX = 2 ** 36 - 2;

const WORDS_PER_SLOT = 2;
/** The number of slots in the first table of a hash index. V8 keeps an array of up to 64 bytes in its heap. */
const SLOTS_MIN = 4;
/**
 * The memory of the table of an empty index: a single empty slot. The table counts as full, so the first insert()
 * replaces the memory.
 */
const NO_SLOTS = new Uint32Array(WORDS_PER_SLOT);
/**
 * The most slots in a table of a hash index: 128 KiB. A table of this size is split and not doubled, because copying a
 * larger table would take long.
 */
const SLOTS_MAX = 16_384;
/** A table is full when this part of its slots is taken. */
const FULL_FRACTION = 3 / 4;

/** The result of find() for a key that is not in the index. */
export const NOT_FOUND = -1;

/** Exported so that V8 cannot drop the reads in prefetch(). */
export let touched = 0;

/** The owner of the entries, which knows their keys. */
export interface KeyOwner<K> {
  /** Returns true when the entry at this handle has this key. */
  isKeyOf(handle: EntryHandle, key: K): boolean;
}

interface Table {
  words: Uint32Array;
  count: number;
  /** The number of directory bits that all hashes in this table have in common. */
  readonly depth: number;
}

/** An index of the handles of entries by the hashes of their keys. */
export class HashIndex<K> {
  readonly #slotsMax: number;
  /** The number of low bits of a hash that choose the slot. The bits above them choose the place in the directory. */
  readonly #slotBits: number;
  /** The table for each value of the directory bits. A table of lower depth stands in several places. */
  #directory: Table[];
  /** Memory for a copy of the table that is being split. */
  #scratch: Uint32Array | null = null;
  #size = 0;
  /** The number of words in all tables. */
  #words = 0;

  /** Tests give `slotsMax`, a power of two of at least SLOTS_MIN. */
  constructor(slotsMax = SLOTS_MAX) {
    this.#slotsMax = slotsMax;
    this.#slotBits = Math.log2(slotsMax);
    this.#directory = [emptyTable()];
  }

  /** The number of keys in the index. */
  get size(): number {
    return this.#size;
  }

  /** The bytes of all tables. */
  get memoryBytes(): number {
    return this.#words * Uint32Array.BYTES_PER_ELEMENT;
  }

  /** Returns the handle of a key, or NOT_FOUND. All methods use only the lowest HASH_BITS bits of a hash. */
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

  /** Loads the slot where find() will begin into the cache, so that find() does not wait for it. */
  prefetch(fullHash: number): void {
    const hash = fullHash & HASH_MASK;
    const { words } = this.#tableOf(hash);
    touched = words[(hash * WORDS_PER_SLOT) & (words.length - WORDS_PER_SLOT)]!;
  }

  /**
   * Adds a key that is not in the index. Returns false, without adding it, when the handle is above HANDLE_MAX, or when
   * the table has no room and cannot grow. The caller must then find the key another way.
   */
  insert(fullHash: number, handle: EntryHandle): boolean {
    if (handle > HANDLE_MAX) return false;
    const hash = fullHash & HASH_MASK;
    let table = this.#tableOf(hash);
    while (isFull(table) && this.#grow(hash)) table = this.#tableOf(hash);
    // One slot stays empty, because an empty slot ends a search.
    if (table.count + 1 >= table.words.length / WORDS_PER_SLOT) return false;
    place(table, lowWord(handle), highWord(handle, hash));
    this.#size++;
    return true;
  }

  /**
   * Replaces the handle of a key. Returns false when the key is not in the index. Removes the key and returns false
   * when the new handle is above HANDLE_MAX.
   */
  replace(fullHash: number, handle: EntryHandle, by: EntryHandle): boolean {
    const hash = fullHash & HASH_MASK;
    const { words } = this.#tableOf(hash);
    const at = slotOf(words, hash, handle);
    if (at === NOT_FOUND) return false;
    if (by > HANDLE_MAX) {
      this.remove(hash, handle);
      return false;
    }
    words[at] = lowWord(by);
    words[at + 1] = highWord(by, hash);
    return true;
  }

  /** Removes a key, if it is in the index. */
  remove(fullHash: number, handle: EntryHandle): void {
    const hash = fullHash & HASH_MASK;
    const table = this.#tableOf(hash);
    const at = slotOf(table.words, hash, handle);
    if (at === NOT_FOUND) return;
    closeGap(table.words, at);
    table.count--;
    this.#size--;
  }

  /** Removes all keys. Allocates no table, because a clear that was accepted must not fail. */
  clear(): void {
    this.#size = 0;
    this.#words = 0;
    this.#directory = [emptyTable()];
  }

  #tableOf(hash: number): Table {
    return this.#directory[(hash >>> this.#slotBits) & (this.#directory.length - 1)]!;
  }

  /**
   * Makes room in the table of a hash. Returns false when there is no memory for it, or when no bit of the hash is left
   * to split the table by.
   */
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
   * Splits a table in two by the first directory bit above those that all its hashes have in common. One half keeps the
   * memory of the table, because each new buffer makes V8 collect garbage sooner.
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

  /** Allocates all memory that growing needs. Returns null when there is none. */
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

/** Returns the first word of a slot. An operator of 32 bits takes the low bits in less time than a remainder. */
function lowWord(handle: EntryHandle): number {
  return (handle + 1) >>> 0;
}

/** Returns the second word of a slot. */
function highWord(handle: EntryHandle, hash: number): number {
  return Math.floor((handle + 1) / LOW_RANGE) * HASH_RANGE + hash;
}

function handleOf(low: number, high: number): EntryHandle {
  return (high >>> HASH_BITS) * LOW_RANGE + low - 1;
}

/** Returns the place of the first word of the slot with this hash and handle, or NOT_FOUND. */
function slotOf(words: Uint32Array, hash: number, handle: EntryHandle): number {
  const mask = words.length - WORDS_PER_SLOT;
  for (let at = (hash * WORDS_PER_SLOT) & mask; ; at = (at + WORDS_PER_SLOT) & mask) {
    const low = words[at]!;
    const high = words[at + 1]!;
    if ((low | high) === 0) return NOT_FOUND;
    if ((high & HASH_MASK) === hash && handleOf(low, high) === handle) return at;
  }
}

/**
 * Writes the words of a slot where its hash says, or into the first empty slot after that. The table must have an empty
 * slot.
 */
function place(table: Table, low: number, high: number): void {
  const { words } = table;
  const mask = words.length - WORDS_PER_SLOT;
  let at = (high * WORDS_PER_SLOT) & mask;
  while ((words[at]! | words[at + 1]!) !== 0) at = (at + WORDS_PER_SLOT) & mask;
  words[at] = low;
  words[at + 1] = high;
  table.count++;
}

/**
 * Empties a slot, and moves back the later slots that a search would no longer reach, because an empty slot ends it.
 */
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
