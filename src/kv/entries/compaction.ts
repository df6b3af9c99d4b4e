// Compaction: getting back what slabs hold of released values, a little with every write. Pure: no timers, no chance.
//
// A pass chooses the emptiest slabs as victims and then walks all entries by their ids, moving every value that lies in
// a victim. When it has come to the end nothing of them is live, and they are gone. What is set meanwhile is never
// in a victim, wherever the walk is; what is deleted needs no moving. Views keep their slabs: that costs memory until
// they are dropped, and nothing else. After a clear a pass finds nothing to move, and ends.
//
// Its pace is that of the waste: the walk has gone all the way when as much new waste has come about as the pass
// reclaims. So work and memory are in proportion to what is written, also in a loop that never yields.

import { type EntryHandles, type EntryId, isFree } from './entry-handles.js';
import { type EntryHandle, type EntrySlabs, NoSlabMemory } from './entry-slabs.js';

/** A pass starts when this part of all slab bytes is waste … */
const WASTE_FRACTION = 1 / 4;
/** … and at least so many of the largest slabs' bytes: 4 MiB. */
const WASTE_SLABS_MIN = 4;
/** The victims of a pass hold at most about this part of all live bytes: until it ends, what it moved is there twice. */
const MOVED_FRACTION = 1 / 10;
/** The new waste during a pass is at most this part of all slab bytes. */
const PACE_FRACTION = 1 / 16;

/** The ids of one step of the walk: fewer are not worth its start … */
const STEP_IDS_MIN = 128;
/** … and more, or more moves, or more bytes, would be felt by the one write that does them. */
const STEP_IDS_MAX = 4096;
/** Of a store that was larger once most ids are free: so many of them are looked at in the time of one that is not. */
const FREE_IDS_PER_ID = 16;
const STEP_MOVES_MAX = 256;
const STEP_BYTES_MAX = 256 * 1024;

/** Told that the value of an entry lies elsewhere now; where it was is released after that. */
export type OnMoved = (id: EntryId, from: EntryHandle, to: EntryHandle) => void;

export class Compaction {
  readonly #handles: EntryHandles;
  readonly #values: EntrySlabs;
  readonly #onMoved: OnMoved;
  #isWalking = false;
  /** The walk has visited the ids below. */
  #cursor = 0;
  #idsAtStart = 0;
  #wasteMadeAtStart = 0;
  /** The waste that may come about during the pass. */
  #paceBytes = 0;

  constructor(handles: EntryHandles, values: EntrySlabs, onMoved: OnMoved) {
    this.#handles = handles;
    this.#onMoved = onMoved;
    this.#values = values;
  }

  /** Called after every write: does the work that is due, well under a millisecond of it. */
  step(): void {
    if (!this.#isWalking && !this.#start()) return;
    const wasteMade = this.#values.wasteMadeBytes - this.#wasteMadeAtStart;
    const isLate = wasteMade >= this.#paceBytes;
    const due = (wasteMade / this.#paceBytes) * this.#idsAtStart - this.#cursor;
    if (due >= STEP_IDS_MIN || isLate) this.#walk(isLate ? Number.POSITIVE_INFINITY : due);
  }

  #start(): boolean {
    const { wasteBytes, slabBytes, liveBytes, slabBytesMax } = this.#values;
    const wasteBytesMin = Math.max(slabBytesMax * WASTE_SLABS_MIN, slabBytes * WASTE_FRACTION);
    if (wasteBytes < wasteBytesMin) return false;
    const reclaimed = this.#values.chooseVictims(Math.max(slabBytesMax, liveBytes * MOVED_FRACTION));
    if (reclaimed === 0) return false;
    this.#isWalking = true;
    this.#cursor = 0;
    this.#idsAtStart = this.#handles.end;
    this.#wasteMadeAtStart = this.#values.wasteMadeBytes;
    this.#paceBytes = Math.min(reclaimed, slabBytes * PACE_FRACTION);
    return true;
  }

  /** Visits so many ids, as far as one step may, and moves what lies in victims. */
  #walk(idsMax: number): void {
    const end = Math.min(this.#handles.end, this.#cursor + idsMax);
    let cost = 0;
    let moves = 0;
    let bytes = 0;
    while (this.#cursor < end && cost < STEP_IDS_MAX && moves < STEP_MOVES_MAX && bytes < STEP_BYTES_MAX) {
      const id = this.#cursor++;
      const handle = this.#handles.get(id);
      cost += isFree(handle) ? 1 / FREE_IDS_PER_ID : 1;
      if (isFree(handle) || !this.#values.isVictim(handle)) continue;
      moves++;
      bytes += this.#values.entryBytes(handle);
      if (!this.#move(id, handle)) {
        this.#end();
        return;
      }
    }
    if (this.#cursor >= this.#handles.end) this.#end();
  }

  #end(): void {
    this.#isWalking = false;
    this.#values.forgetVictims();
  }

  /** False when there is no memory for another slab: the write that brought us here has succeeded, and must not fail. */
  #move(id: EntryId, handle: EntryHandle): boolean {
    try {
      const moved = this.#values.copy(handle);
      this.#onMoved(id, handle, moved);
      this.#values.release(handle);
      return true;
    } catch (error) {
      if (error instanceof NoSlabMemory) return false;
      throw error;
    }
  }
}
