// A view of slabs: reads entries by their handles, and never changes them. Pure, in memory.

import { invariant } from '../../errors.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { DEADLINE_BIT, hashKeyBytes, isSameKey, keyBytesOf, readKey } from './key-units.js';
import {
  DEADLINE_BYTES,
  type EntryHandle,
  HEADER_BYTES,
  HIGH_WEIGHT,
  ID,
  KEY_FIELD,
  NO_DEADLINE,
  type Slab,
  slabOf,
  UNIT_BYTES,
  VALUE_LENGTH,
  VERSION_HIGH,
  VERSION_LOW,
} from './slab.js';

/** The size of a cache line, in words. */
const LINE_WORDS = 16;

/** Exported so that V8 cannot drop the reads in prefetch(). */
export let touched = 0;

/** The slabs by their places. A later slab fills an empty place. */
type SlabTable = (Slab | undefined)[];

/** An entry and the memory that holds it: the key starts at `keyStart`, and the value is `bytes[start, end)`. */
export interface WholeEntry {
  id: number;
  version: number;
  keyField: number;
  /** The deadline, or NO_DEADLINE. */
  deadline: number;
  bytes: Uint8Array;
  keyStart: number;
  start: number;
  end: number;
}

/** A view of the slabs: reads entries by their handles. */
export class SlabsView {
  readonly slabBytesMax: number;
  protected readonly unitsPerSlab: number;
  protected table: SlabTable;

  constructor(table: SlabTable, slabBytesMax: number) {
    this.table = table;
    this.slabBytesMax = slabBytesMax;
    this.unitsPerSlab = slabBytesMax / UNIT_BYTES;
  }

  /** Returns the version that stamp() gave the entry: the LSN of its write. */
  versionOf(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    return words[word + VERSION_HIGH]! * HIGH_WEIGHT + words[word + VERSION_LOW]!;
  }

  /** Returns the time at which the entry is due, in milliseconds since 1970; NO_DEADLINE for an entry without one. */
  deadlineOf(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    const slab = this.table[place]!;
    return deadlineAt(slab, (handle - place * this.unitsPerSlab) * 2);
  }

  /** Loads the first two cache lines of the entry, so that a later read does not wait for them. */
  prefetch(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const words = this.table[place]?.words;
    if (words === undefined) return;
    const word = (handle - place * this.unitsPerSlab) * 2;
    touched = words[word]! ^ words[Math.min(word + LINE_WORDS, words.length - 1)]!;
  }

  /**
   * Calls `decode` with the memory that holds the value, `bytes[start, end)`, and returns its result. Copies nothing.
   */
  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    const start = word * 4 + HEADER_BYTES + keyBytesOf(words[word + KEY_FIELD]!);
    return decode(bytes, start, start + words[word + VALUE_LENGTH]!);
  }

  /**
   * Fills `into` with an entry. Throws KEELSON_INVARIANT for a handle that leads to no entry. For a reader who trusts
   * neither the handle nor the memory.
   */
  readWhole(handle: EntryHandle, into: WholeEntry): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const word = (handle - place * this.unitsPerSlab) * 2;
    const slab = this.table[place];
    invariant(
      slab !== undefined && word * 4 + HEADER_BYTES <= slab.bytes.length,
      'a handle leads to no entry',
    );
    const { bytes, words } = slab;
    into.bytes = bytes;
    into.id = words[word + ID]!;
    into.version = words[word + VERSION_HIGH]! * HIGH_WEIGHT + words[word + VERSION_LOW]!;
    into.keyField = words[word + KEY_FIELD]!;
    into.keyStart = word * 4 + HEADER_BYTES;
    into.start = into.keyStart + keyBytesOf(into.keyField);
    into.end = into.start + words[word + VALUE_LENGTH]!;
    const hasDeadline = (into.keyField & DEADLINE_BIT) !== 0;
    const bytesLeft = bytes.length - into.end;
    invariant(
      bytesLeft >= (hasDeadline ? DEADLINE_BYTES : 0),
      'an entry is longer than the slab that holds it',
    );
    into.deadline = hasDeadline ? deadlineAt(slab, word) : NO_DEADLINE;
  }

  /** Returns true when this is the key of the entry. */
  isKeyOf(handle: EntryHandle, key: IndexKey): boolean {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    return isSameKey(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!, key);
  }

  /** Returns the key of the entry, as a string that shares memory with no other string. */
  keyOf(handle: EntryHandle): IndexKey {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    return readKey(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!);
  }

  /** Returns the hash of the entry's key: see hashKey(). */
  hashOf(handle: EntryHandle, seed: number): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    return hashKeyBytes(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!, seed);
  }

  /** Returns the id that stamp() gave the entry. */
  idOf(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    return this.table[place]!.words[(handle - place * this.unitsPerSlab) * 2 + ID]!;
  }

  /** Returns the memory of the slabs at these places, undefined for an empty place. */
  memoriesAt(from: number, to: number): (Uint8Array | undefined)[] {
    return this.table.slice(from, to).map((slab) => slab?.bytes);
  }
}

/** Returns the bytes that an entry takes, with header and padding. */
export function entryBytesOf(keyField: number, valueLength: number): number {
  const unpadded = HEADER_BYTES + keyBytesOf(keyField) + valueLength;
  const padded = (unpadded + UNIT_BYTES - 1) & -UNIT_BYTES;
  return (keyField & DEADLINE_BIT) === 0 ? padded : padded + DEADLINE_BYTES;
}

function deadlineAt({ words, view }: Slab, word: number): number {
  const keyField = words[word + KEY_FIELD]!;
  if ((keyField & DEADLINE_BIT) === 0) return NO_DEADLINE;
  const end = word * 4 + entryBytesOf(keyField, words[word + VALUE_LENGTH]!);
  return view.getFloat64(end - DEADLINE_BYTES, true);
}

/** Returns a view of slabs with these memories, which memoriesAt() of another view returned, maybe in another thread. */
export function slabsViewOf(memories: readonly (Uint8Array | undefined)[], slabBytesMax: number): SlabsView {
  const table = memories.map((bytes) => (bytes === undefined ? undefined : slabOf(bytes)));
  return new SlabsView(table, slabBytesMax);
}
