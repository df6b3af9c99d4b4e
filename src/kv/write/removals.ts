// The removals of entries that have expired: a background task brings them into the log. due-first.ts has those of entries at
// whose keys something is written.

import type { StoreLog } from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import type { Storage, Timer } from '../../storage/index.js';
import type { Expiry } from '../entries/expiry.js';
import type { WritePath } from './write-path.js';
import type { WriteSet } from './write-set.js';

/** The most entries that one record of the background task removes, and the most time that it takes to find them. */
const SLICE_ENTRIES_MAX = 256;
const SLICE_MS_MAX = 1;

/** The number of entries between two looks at the time. */
const ENTRIES_PER_LOOK = 64;

/** The time between two looks for due entries, in milliseconds. The clock of a store may have nothing to do with it. */
const LOOK_MS = 500;

/** The parts of a store on which its removals work. */
export interface RemovalsParts {
  readonly storage: Storage;
  readonly log: StoreLog;
  readonly path: WritePath;
  readonly expiry: Expiry;
}

/** The background task that removes expired entries. */
export class Removals {
  readonly #parts: RemovalsParts;
  #timer: Timer | null = null;
  /** The number of those who remove one slice after the other. */
  #removers = 0;
  #isClosed = false;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
    parts.path.onExpiring = () => {
      if (this.#timer === null) this.#start();
    };
    // The replay has seen deadlines of entries that are gone.
    parts.expiry.tidy();
    if (parts.expiry.isUsed) this.#start();
  }

  /**
   * Removes all entries that are due now. Resolves with their number when that is durable. Throws what a commit throws, and a
   * TypeError when the clock shows no time.
   */
  async removeNow(): Promise<number> {
    const { expiry, log } = this.#parts;
    const now = expiry.now();
    let removed = 0;
    this.#removers++;
    try {
      for (let count = this.#removeSlice(now); count > 0; count = this.#removeSlice(now)) {
        removed += count;
        await this.#rest();
      }
    } finally {
      this.#removers--;
    }
    await log.syncThrough();
    return removed;
  }

  /** Ends the timer. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #start(): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.storage.startTimer(LOOK_MS, () => {
      void this.#tick();
    });
  }

  /** Removes what is due, and starts the timer again while entries have deadlines. Never rejects. */
  async #tick(): Promise<void> {
    const { expiry } = this.#parts;
    this.#removers++;
    try {
      const now = expiry.now();
      // A call of removeNow() that has begun removes what is left.
      while (this.#removers === 1 && !this.#isClosed && this.#removeSlice(now) > 0) await this.#rest();
      if (!this.#isClosed) expiry.tidy();
    } catch {
      // There may be room, or a time, at the next look. A poisoned store removes nothing any more.
    }
    this.#removers--;
    this.#timer = null;
    if (expiry.isUsed) this.#start();
  }

  /** Gives the event loop a turn, and waits while too much of the log is not durable. */
  async #rest(): Promise<void> {
    await nextTurn();
    await this.#parts.log.drained();
  }

  /** Removes some of the entries that are due at `now`, in one record. Returns their number. Throws what a commit throws. */
  #removeSlice(now: number): number {
    const { path } = this.#parts;
    const writes = path.take();
    try {
      writes.now = now;
      this.#addDue(writes, now);
      const { count } = writes;
      if (count > 0) path.commit(writes);
      return count;
    } finally {
      path.giveBack(writes);
    }
  }

  #addDue(writes: WriteSet, now: number): void {
    const { expiry, storage } = this.#parts;
    const endMs = storage.nowMs() + SLICE_MS_MAX;
    for (const space of expiry.spaces) {
      const wanted = SLICE_ENTRIES_MAX - writes.count;
      let isTimeUp = false;
      while (space.entries.dueCount < wanted && expiry.mayBeDue(space, now) && !isTimeUp) {
        expiry.look(space, now, ENTRIES_PER_LOOK);
        isTimeUp = storage.nowMs() >= endMs;
      }
      for (const key of space.entries.dueKeys(wanted)) writes.expire(space, key);
      if (isTimeUp || writes.count === SLICE_ENTRIES_MAX) return;
    }
  }
}
