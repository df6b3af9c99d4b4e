// The memory of the values: large slabs outside the JavaScript heap, where a value is a number, its handle.
// A million values are then a hundred buffers for the garbage collector, and not a million. Pure, in memory.
//
// A slab is only ever appended to: a value is never changed and never moved under its handle. The table of slabs is
// copied before it changes while a view shares it. So a view (of a snapshot, an iteration, a checkpoint) reads what
// it saw, and one that nobody closes is simply collected as garbage: nothing counts references.
//
// An entry is a 20-byte header (value length, low and high half of the version, key field, id; 32 bits each), the key
// (key-units.ts), the value, and padding to the unit of 8 bytes. The key is there so that who finds an entry by a hash can
// tell whose it is in the cache line that is read anyway, and the id leads from there to everything else.
//
// A handle is the slab's place in the table times the units of a slab, plus the unit: a small integer for V8 up to
// 16 GiB, and right beyond.

import type { IndexKey } from '../encoding/key-encoding.js';
import { hashKeyBytes, isSameKey, keyBytesOf, keyFieldOf, readKey, writeKey } from './key-units.js';
import { ViewEpoch } from './view-epoch.js';

export type EntryHandle = number;

const KIB = 1024;
const UNIT_BYTES = 8;
const HEADER_BYTES = 20;

/** Of a header, in words. */
const VALUE_LENGTH = 0;
const VERSION_LOW = 1;
const VERSION_HIGH = 2;
const KEY_FIELD = 3;
const ID = 4;
/** Before there is one. */
const HASH = ID;

/** The first slab: what a store with little in it costs. The next is as large as all before it together. */
export const SLAB_BYTES_MIN = 64 * KIB;
/** Larger ones save nothing, and would be felt when they are allocated: 1 MiB of zeros takes about 0.1 ms. */
export const SLAB_BYTES_MAX = 1024 * KIB;
/** An entry above this part of a slab gets one of its own: what is left unused at a slab's end is never more. */
const OWN_SLAB_FRACTION = 1 / 8;
/** Up to this a loop is cheaper than a view of the source for TypedArray.set: 22 ns of 44. */
const LOOP_BYTES_MAX = 16;

/** Spare slabs are at most this part of those in use, about what one pass of the compaction empties … */
const SPARE_FRACTION = 1 / 12;
/** … or so many. */
const SPARE_SLABS_MIN = 2;

/** Of a slab's bytes that a victim of compaction has to waste, at least. */
const VICTIM_WASTE_MIN = 1 / 8;

const HIGH_HALF = 0x1_0000_0000;

/** Of a line of the processor's cache. */
const LINE_WORDS = 16;

/** Exported so that V8 cannot drop the reads in prefetch(). */
export let touched = 0;

interface Slab {
  readonly bytes: Uint8Array;
  /** The same memory: entries are aligned for it. */
  readonly words: Uint32Array;
  /** Of entries that are not released, headers and padding included. Bookkeeping of the owner: no view looks at it. */
  liveBytes: number;
  /** To be emptied by the compaction that goes on. Likewise. */
  isVictim: boolean;
  /** The epoch in which it was taken into use: no view that was taken in the same epoch has seen it. */
  epoch: number;
}

type SlabTable = (Slab | undefined)[];

export interface SlabMemory {
  /** Of the values that are live, each with its key, header and padding. */
  readonly valueBytes: number;
  /** Allocated for slabs, in use or spare. What only snapshots and iterations still hold is not in it. */
  readonly slabBytes: number;
}

/** Reads the entries of a table of slabs. */
export class SlabsView {
  readonly slabBytesMax: number;
  protected readonly unitsPerSlab: number;
  protected table: SlabTable;

  constructor(table: SlabTable, slabBytesMax: number) {
    this.table = table;
    this.slabBytesMax = slabBytesMax;
    this.unitsPerSlab = slabBytesMax / UNIT_BYTES;
  }

  versionOf(handle: EntryHandle): number {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    return words[word + VERSION_HIGH]! * HIGH_HALF + words[word + VERSION_LOW]!;
  }

  /** Has the cache hold the first lines of the entry. */
  prefetch(handle: EntryHandle): void {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    touched = words[word]! ^ words[Math.min(word + LINE_WORDS, words.length - 1)]!;
  }

  /** Calls `decode` with the memory the value lies in, and returns what it returns. Nothing is copied. */
  read<T>(handle: EntryHandle, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    const start = word * 4 + HEADER_BYTES + keyBytesOf(words[word + KEY_FIELD]!);
    return decode(bytes, start, start + words[word + VALUE_LENGTH]!);
  }

  /** Whether the entry was appended with this key. */
  isKeyOf(handle: EntryHandle, key: IndexKey): boolean {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    return isSameKey(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!, key);
  }

  /** The entry's key, as a string that shares memory with no other. */
  keyOf(handle: EntryHandle): IndexKey {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    return readKey(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!);
  }

  /** The hash of the entry's key. */
  hashOf(handle: EntryHandle, seed: number): number {
    const at = Math.floor(handle / this.unitsPerSlab);
    const { bytes, words } = this.table[at]!;
    const word = (handle - at * this.unitsPerSlab) * 2;
    return hashKeyBytes(bytes, word * 4 + HEADER_BYTES, words[word + KEY_FIELD]!, seed);
  }

  /** What stamp() gave it. */
  idOf(handle: EntryHandle): number {
    const at = Math.floor(handle / this.unitsPerSlab);
    return this.table[at]!.words[(handle - at * this.unitsPerSlab) * 2 + ID]!;
  }
}

/** The slabs and who may write to them. */
export class EntrySlabs extends SlabsView {
  readonly #slabBytesMin: number;
  readonly #epoch: ViewEpoch;
  /** The epoch in which the table was last owned: a table that a view shares is copied before a slab comes or goes. */
  #tableEpoch = 0;
  /** Places in the table that are empty. */
  #freePlaces: number[] = [];
  /**
   * Slabs that are empty, and that no view has seen, kept for use again: buffers that come and go make V8 collect
   * garbage, and that stops the program for as long as it takes to mark the whole index.
   */
  #spares: Slab[] = [];
  /** The slab that is appended to, its place, and how far it is filled; -1 before there is one. */
  #current: Slab = NO_SLAB;
  #currentPlace = -1;
  #fillBytes = 0;
  #slabBytes = 0;
  #liveBytes = 0;
  #wasteMadeBytes = 0;
  /** Of chooseVictims(), which comes when a write has been accepted: that must not fail for want of memory. */
  readonly #liveByClass = new Float64Array(FULLNESS_CLASSES);

  /** Tests give small sizes, multiples of 64. */
  constructor(
    slabBytesMax = SLAB_BYTES_MAX,
    slabBytesMin = Math.min(SLAB_BYTES_MIN, slabBytesMax),
    epoch = new ViewEpoch(),
  ) {
    super([], slabBytesMax);
    this.#slabBytesMin = slabBytesMin;
    this.#epoch = epoch;
  }

  get memory(): SlabMemory {
    return { valueBytes: this.#liveBytes, slabBytes: this.#slabBytes + this.#spareBytes };
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Of the slabs in use. */
  get slabBytes(): number {
    return this.#slabBytes;
  }

  /** What slabs hold that is of no use any more; only compaction gets it back. */
  get wasteBytes(): number {
    return this.#slabBytes - this.#liveBytes - (this.#current.bytes.length - this.#fillBytes);
  }

  /** All waste that ever came about in slabs that are not being emptied anyway: what compaction paces itself by. */
  get wasteMadeBytes(): number {
    return this.#wasteMadeBytes;
  }

  /** Reads what is there now, whatever becomes of it here. O(1). */
  view(): SlabsView {
    this.#epoch.current++;
    return new SlabsView(this.table, this.slabBytesMax);
  }

  /**
   * Copies a key and its value in, without a version and an id yet, and returns the handle. Until it has them it keeps the
   * hash of its key. Throws a RangeError, with nothing changed, when there is no memory for another slab.
   */
  append(key: IndexKey, hash: number, source: Uint8Array, start: number, end: number): EntryHandle {
    const keyField = keyFieldOf(key);
    const handle = this.#take(entryBytesOf(keyField, end - start));
    const place = Math.floor(handle / this.unitsPerSlab);
    const slab = this.table[place]!;
    const at = (handle - place * this.unitsPerSlab) * UNIT_BYTES;
    slab.words[at / 4 + HASH] = hash;
    write(slab, at, key, keyField, source, start, end);
    return handle;
  }

  /** Of an entry that has no id yet. */
  stagedHashOf(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    return this.table[place]!.words[(handle - place * this.unitsPerSlab) * 2 + HASH]!;
  }

  /** Gives a version and an id to an entry that no view can know yet. */
  stamp(handle: EntryHandle, version: number, id: number): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    words[word + VERSION_LOW] = version % HIGH_HALF;
    words[word + VERSION_HIGH] = Math.floor(version / HIGH_HALF);
    words[word + ID] = id;
  }

  /** The entry is not wanted any more. A slab without one that is goes at once. */
  release(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const slab = this.table[place]!;
    const entryBytes = entryBytesAt(slab, (handle - place * this.unitsPerSlab) * 2);
    slab.liveBytes -= entryBytes;
    this.#liveBytes -= entryBytes;
    if (slab.liveBytes === 0 && slab !== this.#current) this.#drop(place);
    else if (!slab.isVictim) this.#wasteMadeBytes += entryBytes;
  }

  /** The same of an entry that no view can know: when it is the last one, its memory is used again at once. */
  discard(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const at = (handle - place * this.unitsPerSlab) * UNIT_BYTES;
    const entryBytes = entryBytesAt(this.table[place]!, at / 4);
    this.release(handle);
    if (place !== this.#currentPlace || at + entryBytes !== this.#fillBytes) return;
    this.#fillBytes = at;
    this.#wasteMadeBytes -= entryBytes;
  }

  /** Lets go of everything. */
  clear(): void {
    this.table = [];
    this.#tableEpoch = this.#epoch.current;
    this.#freePlaces = [];
    this.#spares = [];
    this.#current = NO_SLAB;
    this.#currentPlace = -1;
    this.#fillBytes = 0;
    this.#slabBytes = 0;
    this.#liveBytes = 0;
  }

  /** The memory an entry takes. */
  entryBytes(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    return entryBytesAt(this.table[place]!, (handle - place * this.unitsPerSlab) * 2);
  }

  isVictim(handle: EntryHandle): boolean {
    return this.table[Math.floor(handle / this.unitsPerSlab)]!.isVictim;
  }

  /**
   * Chooses the emptiest slabs, as many as hold `liveBytesMax` of live entries, to be emptied by relocate(). Returns how
   * much waste they hold. O(slabs), without sorting: a store of 10 GB has ten thousand.
   */
  chooseVictims(liveBytesMax: number): number {
    const liveByClass = this.#liveByClass.fill(0);
    for (const slab of this.table) {
      if (slab !== undefined && this.#isWorthEmptying(slab))
        liveByClass[fullnessClass(slab)]! += slab.liveBytes;
    }
    let classes = 0;
    let live = 0;
    while (classes < FULLNESS_CLASSES && live < liveBytesMax) live += liveByClass[classes++]!;
    let reclaimable = 0;
    live = 0;
    for (const slab of this.table) {
      if (slab === undefined || !this.#isWorthEmptying(slab) || fullnessClass(slab) >= classes) continue;
      if (live >= liveBytesMax) break;
      slab.isVictim = true;
      live += slab.liveBytes;
      reclaimable += slab.bytes.length - slab.liveBytes;
    }
    return reclaimable;
  }

  /** A slab that is all but full, one of a single large value above all, would be copied for nothing. */
  #isWorthEmptying(slab: Slab): boolean {
    return (
      slab !== this.#current && slab.bytes.length - slab.liveBytes >= slab.bytes.length * VICTIM_WASTE_MIN
    );
  }

  /** Those that are left, because of an entry that is not in the index yet, are not emptied any more. */
  forgetVictims(): void {
    for (const slab of this.table) if (slab !== undefined) slab.isVictim = false;
  }

  /** Copies an entry, version and id included, elsewhere. Throws as append() does. */
  copy(handle: EntryHandle): EntryHandle {
    const place = Math.floor(handle / this.unitsPerSlab);
    const from = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    const entryBytes = entryBytesAt(from, word);
    const moved = this.#take(entryBytes);
    const movedPlace = Math.floor(moved / this.unitsPerSlab);
    const at = (moved - movedPlace * this.unitsPerSlab) * UNIT_BYTES;
    this.table[movedPlace]!.bytes.set(from.bytes.subarray(word * 4, word * 4 + entryBytes), at);
    return moved;
  }

  /** Throws when the bookkeeping is wrong, given the handles of all live entries. O(n), for tests. */
  checkValid(handles: Iterable<EntryHandle>): void {
    const live = new Map<number, number>();
    for (const handle of handles) {
      const place = Math.floor(handle / this.unitsPerSlab);
      live.set(place, (live.get(place) ?? 0) + this.entryBytes(handle));
    }
    let slabBytes = 0;
    let liveBytes = 0;
    this.table.forEach((slab, place) => {
      if (slab === undefined) return;
      slabBytes += slab.bytes.length;
      liveBytes += slab.liveBytes;
      if (slab.liveBytes !== (live.get(place) ?? 0))
        throw new Error(`slab ${place} miscounts its live bytes`);
      if (slab.liveBytes === 0 && slab !== this.#current)
        throw new Error(`slab ${place} is kept for nothing`);
    });
    if (slabBytes !== this.#slabBytes || liveBytes !== this.#liveBytes) throw new Error('the sums are wrong');
  }

  /** Memory for an entry, which is the caller's to fill. */
  #take(entryBytes: number): EntryHandle {
    if (entryBytes > this.slabBytesMax * OWN_SLAB_FRACTION) return this.#takeAlone(entryBytes);
    if (this.#fillBytes + entryBytes > this.#current.bytes.length) this.#openSlab(entryBytes);
    const at = this.#fillBytes;
    this.#fillBytes = at + entryBytes;
    this.#current.liveBytes += entryBytes;
    this.#liveBytes += entryBytes;
    return this.#currentPlace * this.unitsPerSlab + at / UNIT_BYTES;
  }

  #takeAlone(entryBytes: number): EntryHandle {
    const slab = allocate(entryBytes);
    const place = this.#enter(slab);
    slab.liveBytes = entryBytes;
    this.#liveBytes += entryBytes;
    return place * this.unitsPerSlab;
  }

  /** As large as all there are together, up to the maximum. The one before is full. */
  #openSlab(entryBytes: number): void {
    const grown = Math.min(this.slabBytesMax, Math.max(this.#slabBytesMin, this.#slabBytes, entryBytes));
    const slab = (grown === this.slabBytesMax ? this.#spares.pop() : undefined) ?? allocate(grown);
    const full = this.#current;
    const fullPlace = this.#currentPlace;
    const unusedBytes = full.bytes.length - this.#fillBytes;
    this.#current = slab;
    this.#currentPlace = this.#enter(slab);
    this.#fillBytes = 0;
    if (full === NO_SLAB) return;
    if (full.liveBytes === 0) this.#drop(fullPlace);
    else this.#wasteMadeBytes += unusedBytes;
  }

  /** A place in the table. */
  #enter(slab: Slab): number {
    this.#ownTable();
    slab.epoch = this.#epoch.current;
    const place = this.#freePlaces.pop() ?? this.table.length;
    this.table[place] = slab;
    this.#slabBytes += slab.bytes.length;
    return place;
  }

  #drop(place: number): void {
    this.#ownTable();
    const slab = this.table[place]!;
    this.#slabBytes -= slab.bytes.length;
    this.table[place] = undefined;
    this.#freePlaces.push(place);
    this.#spare(slab);
  }

  #spare(slab: Slab): void {
    if (slab.bytes.length === this.slabBytesMax && slab.epoch === this.#epoch.current) {
      slab.isVictim = false;
      this.#spares.push(slab);
    }
    const spareBytesMax = Math.max(this.slabBytesMax * SPARE_SLABS_MIN, this.#slabBytes * SPARE_FRACTION);
    while (this.#spareBytes > spareBytesMax) this.#spares.pop();
  }

  get #spareBytes(): number {
    return this.#spares.length * this.slabBytesMax;
  }

  #ownTable(): void {
    if (this.#tableEpoch === this.#epoch.current) return;
    this.table = this.table.slice();
    this.#tableEpoch = this.#epoch.current;
  }
}

const NO_SLAB: Slab = {
  bytes: new Uint8Array(0),
  words: new Uint32Array(0),
  liveBytes: 0,
  isVictim: false,
  epoch: 0,
};

/** How finely chooseVictims() tells slabs apart by the part of them that is live. */
const FULLNESS_CLASSES = 64;

function fullnessClass({ liveBytes, bytes }: Slab): number {
  return Math.min(FULLNESS_CLASSES - 1, Math.floor((liveBytes / bytes.length) * FULLNESS_CLASSES));
}

/** There is no memory for another slab. Thrown before anything has changed. */
export class NoSlabMemory extends RangeError {}

function allocate(lengthBytes: number): Slab {
  let buffer: ArrayBuffer;
  try {
    // Not zeroed: a reader is only ever given what was written.
    ({ buffer } = Buffer.allocUnsafeSlow(lengthBytes));
  } catch (cause) {
    throw new NoSlabMemory(`No memory for ${lengthBytes} bytes of values: ${String(cause)}`, { cause });
  }
  return {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    liveBytes: 0,
    isVictim: false,
    epoch: 0,
  };
}

function entryBytesOf(keyField: number, valueLength: number): number {
  const unpadded = HEADER_BYTES + keyBytesOf(keyField) + valueLength;
  return Math.ceil(unpadded / UNIT_BYTES) * UNIT_BYTES;
}

function entryBytesAt({ words }: Slab, word: number): number {
  return entryBytesOf(words[word + KEY_FIELD]!, words[word + VALUE_LENGTH]!);
}

function write(
  { bytes, words }: Slab,
  at: number,
  key: IndexKey,
  keyField: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  words[at / 4 + VALUE_LENGTH] = end - start;
  words[at / 4 + KEY_FIELD] = keyField;
  writeKey(bytes, at + HEADER_BYTES, key, keyField);
  let target = at + HEADER_BYTES + keyBytesOf(keyField);
  if (end - start > LOOP_BYTES_MAX) {
    bytes.set(source.subarray(start, end), target);
    return;
  }
  for (let index = start; index < end; index++) bytes[target++] = source[index]!;
}
