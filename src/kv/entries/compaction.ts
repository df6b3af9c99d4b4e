// Compaction: reclaims the memory of released entries in the slabs, a little with every write. Pure.
//
// A pass marks the emptiest slabs as victims. Then it walks over all ids and moves every entry that lies in a victim. A
// victim is freed when its last entry has moved, so at the end of the walk the victims are gone. A new entry never goes
// into a victim, and a deleted entry needs no move. A view keeps the slabs that it shows until the view itself is
// garbage. After a clear, a pass finds nothing to move and ends.
//
// Waste is memory in slabs that no live entry uses. A pass keeps pace with new waste: its walk ends when writes have
// made as much new waste as the pass reclaims, or earlier. So work and memory stay in proportion to the writes, also in
// a program that never yields to the event loop.

import { type EntryHandles, type EntryId, isFree } from './entry-handles.js';
import type { EntrySlabs } from './entry-slabs.js';
import { type EntryHandle, NoSlabMemory } from './slab.js';

/** A pass starts when at least this part of all slab bytes is waste, and the waste is at least WASTE_SLABS_MIN. */
const WASTE_FRACTION = 1 / 4;
/** The least waste at which a pass of compaction starts, in slabs of the largest size. */
const WASTE_SLABS_MIN = 4;
/**
 * The victims of a pass hold about this part of all live bytes, or about one slab if that is more. Victims are limited
 * because a moved entry takes memory twice for a while.
 */
const MOVED_FRACTION = 1 / 10;
/** The walk of a pass ends when new waste reaches about this part of all slab bytes, if not earlier. */
const PACE_FRACTION = 1 / 16;

/** The number of ids that must be due before a step of compaction starts. Fewer ids are not worth a step. */
const STEP_IDS_MIN = 128;
/** The most ids in use that a step of compaction visits. One write waits for the whole step. */
const STEP_IDS_MAX = 4096;
/** This many free ids count as one id in use: a visit to a free id is cheap, and a store that has shrunk has many. */
const FREE_IDS_PER_ID = 16;
/** The most entries that a step of compaction moves. */
const STEP_MOVES_MAX = 256;
/** The bytes of moved entries after which a step of compaction ends. */
const STEP_BYTES_MAX = 256 * 1024;

/** Returns false while the slabs are so few that no pass of compaction starts. */
export function mayNeedCompaction({ slabBytes, slabBytesMax }: EntrySlabs): boolean {
  return slabBytes >= slabBytesMax * WASTE_SLABS_MIN;
}

/** Called when an entry has been copied to another handle, before its old handle is released. */
export type OnMoved = (id: EntryId, from: EntryHandle, to: EntryHandle) => void;

/** The compaction of the slabs of one space. */
export class Compaction {
  readonly #handles: EntryHandles;
  readonly #slabs: EntrySlabs;
  readonly #onMoved: OnMoved;
  #isWalking = false;
  /** The walk has visited all ids below this one. */
  #cursor = 0;
  #idsAtStart = 0;
  #wasteMadeAtStart = 0;
  /** The new waste at which the walk must be at its end, in bytes. */
  #paceBytes = 0;

  constructor(handles: EntryHandles, slabs: EntrySlabs, onMoved: OnMoved) {
    this.#handles = handles;
    this.#onMoved = onMoved;
    this.#slabs = slabs;
  }

  /** Does the part of a pass that is due after a write. Starts a pass when none runs and there is enough waste. */
  step(): void {
    if (!this.#isWalking && !this.#start()) return;
    const wasteMade = this.#slabs.wasteMadeBytes - this.#wasteMadeAtStart;
    const isLate = wasteMade >= this.#paceBytes;
    const due = (wasteMade / this.#paceBytes) * this.#idsAtStart - this.#cursor;
    if (due >= STEP_IDS_MIN || isLate) this.#walk(isLate ? Number.POSITIVE_INFINITY : due);
  }

  #start(): boolean {
    const { wasteBytes, slabBytes, liveBytes, slabBytesMax } = this.#slabs;
    const wasteBytesMin = Math.max(slabBytesMax * WASTE_SLABS_MIN, slabBytes * WASTE_FRACTION);
    if (wasteBytes < wasteBytesMin) return false;
    const reclaimed = this.#slabs.chooseVictims(Math.max(slabBytesMax, liveBytes * MOVED_FRACTION));
    if (reclaimed === 0) return false;
    this.#isWalking = true;
    this.#cursor = 0;
    this.#idsAtStart = this.#handles.end;
    this.#wasteMadeAtStart = this.#slabs.wasteMadeBytes;
    this.#paceBytes = Math.min(reclaimed, slabBytes * PACE_FRACTION);
    return true;
  }

  /** Visits up to `idsMax` ids within the limits of a step, and moves the entries that lie in victims. */
  #walk(idsMax: number): void {
    const end = Math.min(this.#handles.end, this.#cursor + idsMax);
    let cost = 0;
    let moves = 0;
    let bytes = 0;
    while (this.#cursor < end && cost < STEP_IDS_MAX && moves < STEP_MOVES_MAX && bytes < STEP_BYTES_MAX) {
      const id = this.#cursor++;
      const handle = this.#handles.get(id);
      cost += isFree(handle) ? 1 / FREE_IDS_PER_ID : 1;
      if (isFree(handle) || !this.#slabs.isVictim(handle)) continue;
      moves++;
      bytes += this.#slabs.entryBytes(handle);
      if (!this.#move(id, handle)) {
        this.#end();
        return;
      }
    }
    if (this.#cursor >= this.#handles.end) this.#end();
  }

  #end(): void {
    this.#isWalking = false;
    this.#slabs.forgetVictims();
  }

  /**
   * Moves an entry. Returns false when there is no memory for it, and does not throw, because the write that runs this
   * step has succeeded already.
   */
  #move(id: EntryId, handle: EntryHandle): boolean {
    try {
      const moved = this.#slabs.copy(handle);
      this.#onMoved(id, handle, moved);
      this.#slabs.release(handle);
      return true;
    } catch (error) {
      if (error instanceof NoSlabMemory) return false;
      throw error;
    }
  }
}
