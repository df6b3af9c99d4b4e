// The removals of entries that have expired: a background task brings them into the log. due-first.ts has those of entries at
// whose keys something is written.

import type { StoreLog } from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import type { Storage, Timer } from '../../storage/index.js';
import type { Expiry } from '../entries/expiry.js';
import type { WritePath } from './write-path.js';
import type { WriteSet } from './write-set.js';

/**
 * A slice removes entries by one record, and takes this time at most: finding them, the commit, and its part of a compaction.
 * So slices become smaller when one took longer, and larger again when one did not.
 */
const SLICE_MS_MAX = 1;
const SLICE_ENTRIES_MIN = 16;
const SLICE_ENTRIES_MAX = 256;
/** The length of a record from which on it gets no more keys, which may be long. */
const SLICE_BYTES_MAX = 64 * 1024;

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
  /** The most entries that the next slice removes. Code that has not run yet is slow. */
  #sliceEntries = SLICE_ENTRIES_MIN;
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
    const { log } = this.#parts;
    let removed = 0;
    this.#removers++;
    try {
      for (;;) {
        const { count, isLast } = this.#removeSlice();
        removed += count;
        if (isLast) break;
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
      // A call of removeNow() that has begun removes what is left.
      while (this.#removers === 1 && !this.#isClosed && !this.#removeSlice().isLast) await this.#rest();
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

  /**
   * Removes some of the entries that are due now, in one record. Returns their number, and whether no more are left. Throws
   * what a commit throws.
   */
  #removeSlice(): { readonly count: number; readonly isLast: boolean } {
    const { path, storage, expiry } = this.#parts;
    const startMs = storage.nowMs();
    // Others have looked since the last slice. The time of an older look would be one of a clock that has gone back.
    const now = expiry.now();
    const writes = path.take();
    try {
      writes.now = now;
      const isLast = this.#addDue(writes, now, startMs + SLICE_MS_MAX / 2);
      const { count } = writes;
      if (count > 0) path.commit(writes);
      this.#adapt(storage.nowMs() - startMs);
      return { count, isLast };
    } finally {
      path.giveBack(writes);
    }
  }

  #adapt(sliceMs: number): void {
    const entries = this.#sliceEntries;
    this.#sliceEntries =
      sliceMs > SLICE_MS_MAX
        ? Math.max(SLICE_ENTRIES_MIN, entries - (entries >>> 2))
        : Math.min(SLICE_ENTRIES_MAX, entries + SLICE_ENTRIES_MIN);
  }

  /** Adds removals of due entries, and returns true when no more are left. Looks for them until the time `endMs`. */
  #addDue(writes: WriteSet, now: number, endMs: number): boolean {
    const { expiry, storage } = this.#parts;
    for (const space of expiry.spaces) {
      const { entries } = space;
      const wanted = this.#sliceEntries - writes.count;
      let isTimeUp = false;
      while (entries.dueCount < wanted && expiry.mayBeDue(space, now) && !isTimeUp) {
        expiry.look(space, now, Math.min(ENTRIES_PER_LOOK, wanted));
        isTimeUp = storage.nowMs() >= endMs;
      }
      const { dueCount } = entries;
      const keys = entries.expiring?.dueKeys(wanted) ?? [];
      for (const key of keys) {
        writes.expire(space, key);
        if (writes.recordBytes >= SLICE_BYTES_MAX) return false;
      }
      if (isTimeUp || keys.length < dueCount || expiry.mayBeDue(space, now)) return false;
    }
    return true;
  }
}
