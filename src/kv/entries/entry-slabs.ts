// The live slabs of a space, which hold its entries: appends entries, releases them, and chooses what compaction empties.
// Pure, in memory.
//
// A linked entry never changes under its handle. Views (of snapshots, iterations and checkpoints) share the table of
// slabs, and a shared table is copied before a slab comes or goes. So a view shows the entries of the moment when it
// was taken. Nothing counts references: a view that nobody closes becomes garbage like any other object, and so do the
// slabs that only it holds.

import { copyBytes, viewOf } from '../../copy-bytes.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import {
  DEADLINE_BIT,
  keyBytesOf,
  narrowKeyField,
  WIDE_KEY,
  wideKeyField,
  writeHashedKey,
} from './key-units.js';
import {
  allocateSlab,
  DEADLINE_BYTES,
  type EntryHandle,
  HASH,
  HEADER_BYTES,
  HIGH_WEIGHT,
  ID,
  KEY_FIELD,
  NO_DEADLINE,
  NO_SLAB,
  type Populate,
  type Slab,
  UNIT_BYTES,
  VALUE_LENGTH,
  VERSION_HIGH,
  VERSION_LOW,
} from './slab.js';
import { entryBytesOf, SlabsView } from './slabs-view.js';
import { ViewEpoch } from './view-epoch.js';

const KIB = 1024;

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

/** The memory that slabs take. */
export interface SlabMemory {
  /** The bytes of the entries: keys, values, headers and padding. */
  readonly valueBytes: number;
  /** The bytes that are allocated for entries. Memory that only snapshots and iterations still hold is not counted. */
  readonly slabBytes: number;
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
  readonly #populate: Populate | null;
  /**
   * A slab of the largest size whose pages are being made. Without it, the first writes to a slab took a quarter of the
   * program's time for a put of 10 KB.
   */
  #ahead: Slab | null = null;
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

  /** Tests give small sizes, multiples of 64. */
  constructor(
    slabBytesMax = SLAB_BYTES_MAX,
    slabBytesMin = Math.min(SLAB_BYTES_MIN, slabBytesMax),
    epoch = new ViewEpoch(),
    populate: Populate | null = null,
  ) {
    super([], slabBytesMax);
    this.#populate = populate;
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
    deadline = NO_DEADLINE,
  ): EntryHandle {
    const deadlineBit = deadline === NO_DEADLINE ? 0 : DEADLINE_BIT;
    // Most keys are narrow. One loop writes a narrow key, hashes it and detects a wide one.
    let keyField = narrowKeyField(key) | deadlineBit;
    let handle = this.#takeFor(keyField, end - start);
    let hash = this.#writeKey(key, keyField, seed);
    if (hash === WIDE_KEY) {
      this.discard(handle);
      keyField = wideKeyField(key) | deadlineBit;
      handle = this.#takeFor(keyField, end - start);
      hash = this.#writeKey(key, keyField, seed);
    }
    const { bytes, words, view: slabView } = this.#taken;
    const at = this.#takenAt;
    words[(at >>> 2) + HASH] = hash;
    copyBytes(bytes, slabView, at + HEADER_BYTES + keyBytesOf(keyField), source, view, start, end);
    if (deadlineBit !== 0) {
      const entryEnd = at + entryBytesOf(keyField, end - start);
      slabView.setFloat64(entryEnd - DEADLINE_BYTES, deadline, true);
    }
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
    if (this.#spares.length === 0 && this.#ahead === null) this.#spares.push(allocateSlab(this.slabBytesMax));
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
    this.#ahead = null;
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
    liveByClass.fill(0);
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
    const to = this.#taken;
    copyBytes(to.bytes, to.view, this.#takenAt, from.bytes, from.view, word * 4, word * 4 + entryBytes);
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
    const slab = allocateSlab(entryBytes);
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
    const isLargest = grown === this.slabBytesMax;
    const slab = (isLargest ? this.#takePrepared() : undefined) ?? allocateSlab(grown);
    if (isLargest) this.#prepareAhead();
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

  #takePrepared(): Slab | undefined {
    const spare = this.#spares.pop();
    if (spare !== undefined || this.#ahead === null) return spare;
    const slab = this.#ahead;
    this.#ahead = null;
    return slab;
  }

  /** Prepares the next slab, unless there is one. Does without it when there is no memory. */
  #prepareAhead(): void {
    if (this.#populate === null || this.#ahead !== null || this.#spares.length > 0) return;
    try {
      this.#ahead = allocateSlab(this.slabBytesMax);
    } catch {
      return;
    }
    this.#populate(this.#ahead.bytes);
  }

  /** Puts a slab into the table, and returns its place. */
  #enter(slab: Slab): number {
    this.#ownTable();
    slab.epoch = this.#epoch.current;
    const place = this.#freePlaces.pop() ?? this.table.length;
    // V8 gives an array that is written in full no room to grow. A small space has one slab.
    if (this.table.length === 0) this.table = [slab];
    else this.table[place] = slab;
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
    return (this.#spares.length + (this.#ahead === null ? 0 : 1)) * this.slabBytesMax;
  }

  #ownTable(): void {
    if (this.#tableEpoch === this.#epoch.current) return;
    this.table = this.table.slice();
    this.#tableEpoch = this.#epoch.current;
  }
}

/** The number of classes into which chooseVictims() sorts slabs by the part of them that is live. */
const FULLNESS_CLASSES = 64;

/** Memory for chooseVictims(), which must not allocate, because it runs after a write was accepted. */
const liveByClass = new Float64Array(FULLNESS_CLASSES);

function fullnessClass({ liveBytes, bytes }: Slab): number {
  return Math.min(FULLNESS_CLASSES - 1, Math.floor((liveBytes / bytes.length) * FULLNESS_CLASSES));
}

/** Returns the most bytes that the entry of a key with a value of `valueBytes` takes. */
export function entryBytesMax(key: IndexKey, valueBytes: number, deadline = NO_DEADLINE): number {
  return entryBytesOf(wideKeyField(key) | (deadline === NO_DEADLINE ? 0 : DEADLINE_BIT), valueBytes);
}

function entryBytesAt({ words }: Slab, word: number): number {
  return entryBytesOf(words[word + KEY_FIELD]!, words[word + VALUE_LENGTH]!);
}
