// The slabs: large pieces of memory outside the JavaScript heap, which hold the entries. The garbage collector sees one
// buffer for each slab, however many entries are in it. Pure, in memory.
//
// A linked entry never changes under its handle. Views (of snapshots, iterations and checkpoints) share the table of
// slabs, and a shared table is copied before a slab comes or goes. So a view shows the entries of the moment when it
// was taken. Nothing counts references: a view that nobody closes becomes garbage like any other object, and so do the
// slabs that only it holds.
//
// An entry is a header of 20 bytes (value length, low and high half of the version, key field, id; 32 bits each), the
// key (key-units.ts), the value, and padding to units of 8 bytes. The key is there so that a lookup by hash can compare
// it: it is in the cache line that the lookup reads anyway. The id is the place of the handle in the table of handles
// (entry-handles.ts).
//
// A handle is the place of the slab in the table of slabs, times the units of a slab of SLAB_BYTES_MAX, plus the unit
// of the slab at which the entry starts. Up to 16,384 slabs, a handle is a small integer of V8; above, it is still
// exact.

import { copyBytes, viewOf } from '../../copy-bytes.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import {
  hashKeyBytes,
  isSameKey,
  keyBytesOf,
  narrowKeyField,
  readKey,
  WIDE_KEY,
  wideKeyField,
  writeHashedKey,
} from './key-units.js';
import { ViewEpoch } from './view-epoch.js';

/** The handle of an entry: where the entry lies in the slabs. */
export type EntryHandle = number;

const KIB = 1024;
const UNIT_BYTES = 8;
const HEADER_BYTES = 20;

/** The places of the fields in a header, in words of 32 bits. */
const VALUE_LENGTH = 0;
const VERSION_LOW = 1;
const VERSION_HIGH = 2;
const KEY_FIELD = 3;
const ID = 4;
/** A staged entry is in a slab and in no index yet. It has the hash of its key in the place of the id. */
const HASH = ID;

/**
 * The size of the first slab, which a small store pays for. Each later slab is as large as all slabs in use together,
 * up to SLAB_BYTES_MAX.
 */
export const SLAB_BYTES_MIN = 512;
/**
 * The largest size of a slab that entries share. A larger slab would save nothing, and its allocation would take
 * longer.
 */
export const SLAB_BYTES_MAX = 1024 * KIB;
/**
 * An entry above this part of SLAB_BYTES_MAX gets a slab of its own, so little stays unused at the end of a shared
 * slab.
 */
const OWN_SLAB_FRACTION = 1 / 8;

/** Spare slabs are at most this part of the slabs in use: about as many as one pass of compaction empties. */
const SPARE_FRACTION = 1 / 12;
/** The number of spare slabs that a space may keep, however few slabs are in use. */
const SPARE_SLABS_MIN = 2;

/** The part of a slab that must be waste before compaction empties the slab. */
const VICTIM_WASTE_MIN = 1 / 8;

const HIGH_WEIGHT = 0x1_0000_0000;

/** The size of a cache line, in words. */
const LINE_WORDS = 16;

/** Exported so that V8 cannot drop the reads in prefetch(). */
export let touched = 0;

interface Slab {
  readonly bytes: Uint8Array;
  /** The memory of `bytes` as words, to which entries are aligned. */
  readonly words: Uint32Array;
  /** A view of all of `bytes`. */
  readonly view: DataView;
  /** The bytes of entries that are not released, with headers and padding. Views do not read this field. */
  liveBytes: number;
  /** True while a pass of compaction empties the slab. Views do not read this field. */
  isVictim: boolean;
  /** The view epoch in which the slab came into use. As long as this epoch lasts, no view shows the slab. */
  epoch: number;
}

/** The slabs by their places. A later slab fills an empty place. */
type SlabTable = (Slab | undefined)[];

/** The memory that slabs take. */
export interface SlabMemory {
  /** The bytes of the entries: keys, values, headers and padding. */
  readonly valueBytes: number;
  /** The bytes that are allocated for entries. Memory that only snapshots and iterations still hold is not counted. */
  readonly slabBytes: number;
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

  /** Loads the first two cache lines of the entry, so that a later read does not wait for them. */
  prefetch(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[place]!;
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
}

/** The live slabs, which take new entries and release old ones. */
export class EntrySlabs extends SlabsView {
  readonly #slabBytesMin: number;
  readonly #epoch: ViewEpoch;
  /** The view epoch in which the table was made or last copied. In a later epoch, a view may share the table. */
  #tableEpoch = 0;
  /** The empty places in the table. */
  #freePlaces: number[] = [];
  /**
   * Empty slabs of the largest size that no view shows, kept for reuse: each new buffer makes V8 collect garbage
   * sooner, and a full collection visits the whole ordered index.
   */
  #spares: Slab[] = [];
  /** The slab that new entries go into, its place (-1 before the first slab), and how far it is filled. */
  #current: Slab = NO_SLAB;
  #currentPlace = -1;
  #fillBytes = 0;
  /** The slab that #take() took memory from last, and the position of that memory. A division leads there, too. */
  #taken: Slab = NO_SLAB;
  #takenAt = 0;
  #slabBytes = 0;
  #liveBytes = 0;
  #wasteMadeBytes = 0;
  /** Memory for chooseVictims(), which must not allocate, because it runs after a write was accepted. */
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

  /** The bytes of the slabs in use. */
  get slabBytes(): number {
    return this.#slabBytes;
  }

  /** The bytes of slabs that no live entry uses and no new entry will use. Compaction reclaims them. */
  get wasteBytes(): number {
    return this.#slabBytes - this.#liveBytes - (this.#current.bytes.length - this.#fillBytes);
  }

  /** All waste that was ever made outside of victims, in bytes. Compaction keeps pace with this number. */
  get wasteMadeBytes(): number {
    return this.#wasteMadeBytes;
  }

  /** Returns a view of the entries as they are now. O(1). */
  view(): SlabsView {
    this.#epoch.current++;
    return new SlabsView(this.table, this.slabBytesMax);
  }

  /**
   * Copies a key and its value, `source[start, end)`, into a slab, and returns the handle. The entry holds the hash of
   * its key with this seed until stamp() gives it an id. A `view` of all of `source` makes it faster. Throws
   * NoSlabMemory, with nothing changed, when there is no memory for another slab.
   */
  append(
    key: IndexKey,
    seed: number,
    source: Uint8Array,
    start: number,
    end: number,
    view = viewOf(source),
  ): EntryHandle {
    // Most keys are narrow. One loop writes a narrow key, hashes it and detects a wide one.
    let keyField = narrowKeyField(key);
    let handle = this.#takeFor(keyField, end - start);
    let hash = this.#writeKey(key, keyField, seed);
    if (hash === WIDE_KEY) {
      this.discard(handle);
      keyField = wideKeyField(key);
      handle = this.#takeFor(keyField, end - start);
      hash = this.#writeKey(key, keyField, seed);
    }
    const { bytes, words, view: slabView } = this.#taken;
    const at = this.#takenAt;
    words[(at >>> 2) + HASH] = hash;
    copyBytes(bytes, slabView, at + HEADER_BYTES + keyBytesOf(keyField), source, view, start, end);
    return handle;
  }

  /**
   * Makes sure that append() of entries of `bytes` together, the longest of `longest`, needs no more memory. Entries of
   * wide keys take the most: see entryBytesMax(). Returns false when that cannot be promised. Throws NoSlabMemory.
   */
  reserve(bytes: number, longest: number): boolean {
    if (longest > this.slabBytesMax * OWN_SLAB_FRACTION) return false;
    if (this.#fillBytes + bytes <= this.#current.bytes.length) return true;
    // They go into the rest of this slab and into the next one, which is of the largest size.
    if (bytes > this.slabBytesMax || this.#slabBytes < this.slabBytesMax) return false;
    if (this.#spares.length === 0) this.#spares.push(allocate(this.slabBytesMax));
    return true;
  }

  /** Takes memory for an entry, and writes the lengths of its key and value. */
  #takeFor(keyField: number, valueBytes: number): EntryHandle {
    const handle = this.#take(entryBytesOf(keyField, valueBytes));
    const { words } = this.#taken;
    const word = this.#takenAt >>> 2;
    words[word + VALUE_LENGTH] = valueBytes;
    words[word + KEY_FIELD] = keyField;
    return handle;
  }

  /** Writes the key of the entry for which memory was taken last. */
  #writeKey(key: IndexKey, keyField: number, seed: number): number {
    return writeHashedKey(this.#taken.bytes, this.#takenAt + HEADER_BYTES, key, keyField, seed);
  }

  /** Returns the hash that a staged entry holds. */
  stagedHashOf(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    return this.table[place]!.words[(handle - place * this.unitsPerSlab) * 2 + HASH]!;
  }

  /** Gives a version and an id to a staged entry, which no view shows yet. */
  stamp(handle: EntryHandle, version: number, id: number): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const { words } = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    words[word + VERSION_LOW] = version >>> 0;
    words[word + VERSION_HIGH] = Math.floor(version / HIGH_WEIGHT);
    words[word + ID] = id;
  }

  /** Releases an entry. A slab that has no entry left is freed at once, unless new entries go into it. */
  release(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const slab = this.table[place]!;
    const entryBytes = entryBytesAt(slab, (handle - place * this.unitsPerSlab) * 2);
    slab.liveBytes -= entryBytes;
    this.#liveBytes -= entryBytes;
    if (slab.liveBytes === 0 && slab !== this.#current) this.#drop(place);
    else if (!slab.isVictim) this.#wasteMadeBytes += entryBytes;
  }

  /** Releases a staged entry, which no view shows. If the entry came last, the next entry takes its memory. */
  discard(handle: EntryHandle): void {
    const place = Math.floor(handle / this.unitsPerSlab);
    const at = (handle - place * this.unitsPerSlab) * UNIT_BYTES;
    const entryBytes = entryBytesAt(this.table[place]!, at / 4);
    this.release(handle);
    if (place !== this.#currentPlace || at + entryBytes !== this.#fillBytes) return;
    this.#fillBytes = at;
    this.#wasteMadeBytes -= entryBytes;
  }

  /** Frees all slabs, also the spare slabs. */
  clear(): void {
    this.table = [];
    this.#tableEpoch = this.#epoch.current;
    this.#freePlaces = [];
    this.#spares = [];
    this.#current = NO_SLAB;
    this.#taken = NO_SLAB;
    this.#currentPlace = -1;
    this.#fillBytes = 0;
    this.#slabBytes = 0;
    this.#liveBytes = 0;
  }

  /** Returns the bytes that an entry takes, with header and padding. */
  entryBytes(handle: EntryHandle): number {
    const place = Math.floor(handle / this.unitsPerSlab);
    return entryBytesAt(this.table[place]!, (handle - place * this.unitsPerSlab) * 2);
  }

  /** Returns true when the entry lies in a victim. */
  isVictim(handle: EntryHandle): boolean {
    return this.table[Math.floor(handle / this.unitsPerSlab)]!.isVictim;
  }

  /**
   * Marks the emptiest slabs as victims of compaction, until the victims hold `liveBytesMax` bytes of live entries.
   * Returns the bytes that emptying them reclaims. Slabs of one fullness class count as equally empty. So this is
   * O(slabs), without sorting: a store of 10 GiB has ten thousand slabs.
   */
  chooseVictims(liveBytesMax: number): number {
    const liveByClass = this.#liveByClass.fill(0);
    for (const slab of this.table) {
      if (slab !== undefined && this.#isWorthEmptying(slab))
        liveByClass[fullnessClass(slab)]! += slab.liveBytes;
    }
    // Victims are all slabs of the classes below `lastClass`, and slabs of `lastClass` until `bytesLeft` is used up.
    let lastClass = 0;
    let bytesLeft = liveBytesMax;
    while (lastClass < FULLNESS_CLASSES && liveByClass[lastClass]! < bytesLeft)
      bytesLeft -= liveByClass[lastClass++]!;
    let reclaimable = 0;
    for (const slab of this.table) {
      if (slab === undefined || !this.#isWorthEmptying(slab)) continue;
      const slabClass = fullnessClass(slab);
      if (slabClass > lastClass || (slabClass === lastClass && bytesLeft <= 0)) continue;
      if (slabClass === lastClass) bytesLeft -= slab.liveBytes;
      slab.isVictim = true;
      reclaimable += slab.bytes.length - slab.liveBytes;
    }
    return reclaimable;
  }

  /**
   * Returns false for a slab that is nearly full, such as one with a single large entry: emptying it would gain little.
   */
  #isWorthEmptying(slab: Slab): boolean {
    return (
      slab !== this.#current && slab.bytes.length - slab.liveBytes >= slab.bytes.length * VICTIM_WASTE_MIN
    );
  }

  /**
   * Ends a pass: no slab is a victim any more. Some may be left: the walk finds no staged entries, and may run out of
   * memory.
   */
  forgetVictims(): void {
    for (const slab of this.table) if (slab !== undefined) slab.isVictim = false;
  }

  /** Copies an entry, with its version and id, and returns the handle of the copy. Throws what append() throws. */
  copy(handle: EntryHandle): EntryHandle {
    const place = Math.floor(handle / this.unitsPerSlab);
    const from = this.table[place]!;
    const word = (handle - place * this.unitsPerSlab) * 2;
    const entryBytes = entryBytesAt(from, word);
    const moved = this.#take(entryBytes);
    this.#taken.bytes.set(from.bytes.subarray(word * 4, word * 4 + entryBytes), this.#takenAt);
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

  /** Takes memory for an entry, which the caller fills. Returns the handle of the entry. */
  #take(entryBytes: number): EntryHandle {
    if (entryBytes > this.slabBytesMax * OWN_SLAB_FRACTION) return this.#takeAlone(entryBytes);
    if (this.#fillBytes + entryBytes > this.#current.bytes.length) this.#openSlab(entryBytes);
    const at = this.#fillBytes;
    this.#fillBytes = at + entryBytes;
    this.#current.liveBytes += entryBytes;
    this.#liveBytes += entryBytes;
    this.#taken = this.#current;
    this.#takenAt = at;
    return this.#currentPlace * this.unitsPerSlab + at / UNIT_BYTES;
  }

  #takeAlone(entryBytes: number): EntryHandle {
    const slab = allocate(entryBytes);
    const place = this.#enter(slab);
    slab.liveBytes = entryBytes;
    this.#liveBytes += entryBytes;
    this.#taken = slab;
    this.#takenAt = 0;
    return place * this.unitsPerSlab;
  }

  /** Opens another slab for new entries. It is as large as all slabs in use together, up to the largest size. */
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

  /** Puts a slab into the table, and returns its place. */
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
  view: new DataView(new ArrayBuffer(0)),
  liveBytes: 0,
  isVictim: false,
  epoch: 0,
};

/** The number of classes into which chooseVictims() sorts slabs by the part of them that is live. */
const FULLNESS_CLASSES = 64;

function fullnessClass({ liveBytes, bytes }: Slab): number {
  return Math.min(FULLNESS_CLASSES - 1, Math.floor((liveBytes / bytes.length) * FULLNESS_CLASSES));
}

/** The error for a slab that there is no memory for. It is thrown before anything has changed. */
export class NoSlabMemory extends RangeError {}

function allocate(lengthBytes: number): Slab {
  let buffer: ArrayBuffer;
  try {
    // The memory is not zeroed, because readers see only bytes that were written.
    ({ buffer } = Buffer.allocUnsafeSlow(lengthBytes));
  } catch (cause) {
    throw new NoSlabMemory(`No memory for ${lengthBytes} bytes of values: ${String(cause)}`, { cause });
  }
  return {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    view: new DataView(buffer),
    liveBytes: 0,
    isVictim: false,
    epoch: 0,
  };
}

/** Returns the most bytes that the entry of a key with a value of `valueBytes` takes. */
export function entryBytesMax(key: IndexKey, valueBytes: number): number {
  return entryBytesOf(wideKeyField(key), valueBytes);
}

function entryBytesOf(keyField: number, valueLength: number): number {
  const unpadded = HEADER_BYTES + keyBytesOf(keyField) + valueLength;
  return (unpadded + UNIT_BYTES - 1) & -UNIT_BYTES;
}

function entryBytesAt({ words }: Slab, word: number): number {
  return entryBytesOf(words[word + KEY_FIELD]!, words[word + VALUE_LENGTH]!);
}
