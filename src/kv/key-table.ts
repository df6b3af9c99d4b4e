// The hash index: from a key to the id of its entry, in one or two cache misses, where a descent into the ordered index
// takes twenty. Pure, in memory. It holds no keys: whether an entry is that of a key, its owner says.
//
// It is an extendible hash table (Fagin et al., 1979): a directory of small tables with open addressing, of which one
// at a time is split in two when it is full. So no step takes more than a fraction of a millisecond, however many keys
// there are; a JavaScript Map stops the program for seconds when it grows, and ends at 2^24 entries.
//
// A slot is two 32-bit words: the hash, and the id plus one. Zero is an empty slot. The high bits of a hash choose the
// table and the low bits the slot. Deleting moves what follows back, so there are no tombstones.

import { randomInt } from 'node:crypto';
import type { IndexKey } from './key-encoding.js';

/** Small integers for V8. */
const HASH_BITS = 31;
const HASH_MASK = 0x7fff_ffff;

const WORDS_PER_SLOT = 2;
/** What a store with little in it costs. */
const SLOTS_MIN = 16;
/** What one with nothing in it has: it is full, and never written to. */
const NO_SLOTS = new Uint32Array(WORDS_PER_SLOT);
/** 128 KiB: to split one takes about 0.1 ms. */
export const SLOTS_MAX = 16_384;
const FULL_FRACTION = 3 / 4;
/** Beyond it a table grows instead: keys that have so many bits in common are no accident, and splitting tells no more of them apart. */
const DEPTH_MAX = 20;

const EMPTY = 0;

/** What find() returns when there is no such key. */
export const NOT_FOUND = -1;

/** Knows the keys of the entries. */
export interface KeyOwner {
  isKeyOf(id: number, key: IndexKey): boolean;
}

interface Table {
  words: Uint32Array;
  count: number;
  /** So many high bits are the same in all of its hashes. */
  readonly depth: number;
}

export class KeyTable {
  readonly #slotsMax: number;
  /** Nobody who chooses keys can know which of them collide. */
  readonly #seed = randomInt(HASH_MASK);
  /** One for every value of the first `#depth` bits of a hash; a table with fewer stands in several places. */
  #directory: Table[];
  #depth = 0;
  /** A copy of the table that is being split. */
  #scratch: Uint32Array | null = null;
  #size = 0;
  #words = 0;

  /** Tests give `slotsMax`, a power of two of at least SLOTS_MIN. */
  constructor(slotsMax = SLOTS_MAX) {
    this.#slotsMax = slotsMax;
    this.#directory = [emptyTable()];
  }

  get size(): number {
    return this.#size;
  }

  get memoryBytes(): number {
    return this.#words * Uint32Array.BYTES_PER_ELEMENT;
  }

  hashOf(key: IndexKey): number {
    const { length } = key;
    let hash = this.#seed ^ length;
    for (let at = 0; at < length; at++) {
      hash = Math.imul(hash ^ key.charCodeAt(at), 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    // The finalizer of MurmurHash3: every bit of the hash depends on every bit of the last units, too.
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
    return (hash ^ (hash >>> 16)) & HASH_MASK;
  }

  /** The id that was inserted for the key, or NOT_FOUND. */
  find(key: IndexKey, hash: number, owner: KeyOwner): number {
    const { words } = this.#directory[hash >>> (HASH_BITS - this.#depth)]!;
    const mask = words.length - WORDS_PER_SLOT;
    for (let at = (hash * WORDS_PER_SLOT) & mask; ; at = (at + WORDS_PER_SLOT) & mask) {
      const id = words[at + 1]!;
      if (id === EMPTY) return NOT_FOUND;
      if (words[at] === hash && owner.isKeyOf(id - 1, key)) return id - 1;
    }
  }

  /**
   * Enters a key that is not there. False, with nothing changed, when there is no memory left to grow into: it is then
   * for the caller to find the key another way.
   */
  insert(hash: number, id: number): boolean {
    while (isFull(this.#tableOf(hash)) && this.#grow(hash));
    const table = this.#tableOf(hash);
    // One slot stays empty, for it ends every search.
    if (table.count + 1 >= table.words.length / WORDS_PER_SLOT) return false;
    place(table, hash, id + 1);
    this.#size++;
    return true;
  }

  /** Takes an id out again. Nothing, when insert() had no room for it. */
  remove(hash: number, id: number): void {
    const table = this.#tableOf(hash);
    const { words } = table;
    const mask = words.length - WORDS_PER_SLOT;
    let at = (hash * WORDS_PER_SLOT) & mask;
    for (; words[at + 1] !== id + 1; at = (at + WORDS_PER_SLOT) & mask) if (words[at + 1] === EMPTY) return;
    closeGap(words, at);
    table.count--;
    this.#size--;
  }

  /** Needs no memory: a clear that has been accepted must not fail. */
  clear(): void {
    this.#size = 0;
    this.#words = 0;
    this.#depth = 0;
    this.#directory = [emptyTable()];
  }

  #tableOf(hash: number): Table {
    return this.#directory[hash >>> (HASH_BITS - this.#depth)]!;
  }

  /** False when there is no memory for it. */
  #grow(hash: number): boolean {
    const table = this.#tableOf(hash);
    const slots = table.words.length / WORDS_PER_SLOT;
    try {
      if (slots < this.#slotsMax || table.depth === DEPTH_MAX)
        this.#enlarge(table, Math.max(SLOTS_MIN, slots * 2));
      else this.#split(table, hash);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  #enlarge(table: Table, slots: number): void {
    const larger = this.#allocate(slots, table.depth);
    forEachSlot(table, (hash, word) => place(larger, hash, word));
    if (table.words !== NO_SLOTS) this.#words -= table.words.length;
    table.words = larger.words;
  }

  /**
   * Two tables in the place of one, by the first bit that its hashes do not have in common. One of the two has the memory of
   * the one: memory that comes and goes outside of its heap makes V8 collect garbage.
   */
  #split(table: Table, hash: number): void {
    const depth = table.depth + 1;
    this.#scratch ??= new Uint32Array(this.#slotsMax * WORDS_PER_SLOT);
    const high = this.#allocate(table.words.length / WORDS_PER_SLOT, depth);
    const all: Table = { ...table, words: this.#scratch.subarray(0, table.words.length) };
    all.words.set(table.words);
    const low: Table = { words: table.words.fill(EMPTY), count: 0, depth };
    const bit = 1 << (HASH_BITS - depth);
    forEachSlot(all, (moved, word) => place((moved & bit) === 0 ? low : high, moved, word));
    if (depth > this.#depth) {
      this.#directory = this.#directory.flatMap((known) => [known, known]);
      this.#depth = depth;
    }
    const placesPerHalf = 1 << (this.#depth - depth);
    const first = (hash >>> (HASH_BITS - table.depth)) * 2 * placesPerHalf;
    this.#directory.fill(low, first, first + placesPerHalf);
    this.#directory.fill(high, first + placesPerHalf, first + 2 * placesPerHalf);
  }

  #allocate(slots: number, depth: number): Table {
    const words = new Uint32Array(slots * WORDS_PER_SLOT);
    this.#words += words.length;
    return { words, count: 0, depth };
  }
}

function emptyTable(): Table {
  return { words: NO_SLOTS, count: 0, depth: 0 };
}

function isFull({ words, count }: Table): boolean {
  return count >= Math.floor((words.length / WORDS_PER_SLOT) * FULL_FRACTION);
}

/** In the first empty slot from its own on. There is one. */
function place(table: Table, hash: number, word: number): void {
  const { words } = table;
  const mask = words.length - WORDS_PER_SLOT;
  let at = (hash * WORDS_PER_SLOT) & mask;
  while (words[at + 1] !== EMPTY) at = (at + WORDS_PER_SLOT) & mask;
  words[at] = hash;
  words[at + 1] = word;
  table.count++;
}

/** Empties a slot, and moves into it whatever could no more be reached over it. */
function closeGap(words: Uint32Array, gap: number): void {
  const mask = words.length - WORDS_PER_SLOT;
  let hole = gap;
  for (let at = (gap + WORDS_PER_SLOT) & mask; words[at + 1] !== EMPTY; at = (at + WORDS_PER_SLOT) & mask) {
    const home = (words[at]! * WORDS_PER_SLOT) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    words[hole] = words[at]!;
    words[hole + 1] = words[at + 1]!;
    hole = at;
  }
  words[hole + 1] = EMPTY;
}

function forEachSlot({ words }: Table, visit: (hash: number, word: number) => void): void {
  for (let at = 0; at < words.length; at += WORDS_PER_SLOT) {
    if (words[at + 1] !== EMPTY) visit(words[at]!, words[at + 1]!);
  }
}
