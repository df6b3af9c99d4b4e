// The expiry of the entries of one store: when spaces look for due entries, and what the log must know of it. It is in
// memory only. src/kv/write/removals.ts brings the removals into the log.
//
// An entry is due when the clock shows its deadline or a later time. Once it was found due it is gone for good, even when
// the clock goes back. So the next record carries the time of the clock (`nowToRecord`): a replay removes all older entries
// that were due then. Entries that are written later are judged by the clock alone.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { Entries } from './entries.js';
import { NO_FLOOR } from './expiring-entries.js';
import type { LinkQueue } from './link-queue.js';
import type { OnPosting } from './secondary-index.js';
import { NO_DEADLINE } from './slab.js';
import type { Space } from './space.js';
import type { WriteLog } from './write-log.js';

/** The most due entries that leave the indexes at a look. The floor hides the rest, and a background task goes on. */
const LOOK_ENTRIES_MAX = 64;

/** The time of a store without a clock: what is due is found by the log alone. */
export const NO_TIME = 0;

/**
 * Figures of the entries with deadlines of a store and its namespaces.
 *
 * @example
 * const { backlog, backlogMs } = db.stats().expiry;
 * if (backlogMs > 60_000) console.error(`${backlog} expired entries wait for their removal`);
 */
export interface ExpiryStats {
  /** The number of entries that have a deadline and are not due. */
  readonly expiring: number;
  /**
   * The number of entries that are due and whose removal is not in the journal yet. No read sees them, and they still take
   * memory. It is an estimate while thousands are due, because nothing counts them one by one.
   */
  readonly backlog: number;
  /**
   * The time since the deadline of the entry of the backlog that was found due first, in milliseconds; 0 without a backlog.
   * Removals run about twice a second, so much more means that removals fail or fall behind.
   */
  readonly backlogMs: number;
}

/** The expiry of one store. */
export class Expiry {
  /** Returns the time in milliseconds since 1970. Null for a store that removes only what its log removes. */
  clock: (() => number) | null = null;
  /** Called with each key that was found due, inside of a change. */
  onLeft: ((space: Space, key: IndexKey) => void) | null = null;
  /** The most due entries that leave the indexes at a look. Tests make it small. */
  lookMax = LOOK_ENTRIES_MAX;
  /** The spaces that have entries with deadlines, or due ones. */
  readonly spaces = new Set<Space>();
  /** The highest time at which an entry was found due since the last record that carries such a time; 0 for none. */
  nowToRecord = 0;
  /** The LSN of the last record that carries such a time; 0 for none in this session. */
  recordedLsn = 0;
  /** The highest time at which an entry was found due; 0 for none. Spaces that nobody has looked at since follow it. */
  #foundNow = 0;
  readonly #links: LinkQueue;
  readonly #writeLog: WriteLog;

  constructor(links: LinkQueue, writeLog: WriteLog) {
    this.#links = links;
    this.#writeLog = writeLog;
  }

  /** True when a space has entries with deadlines. */
  get isUsed(): boolean {
    return this.spaces.size > 0;
  }

  /** Returns the time, or NO_TIME without a clock. The clock is foreign code. */
  now(): number {
    return this.clock === null ? NO_TIME : this.clock();
  }

  /** Returns the figures at the time `now`. O(spaces with deadlines). Call it outside of changes. */
  stats(now: number): ExpiryStats {
    let [expiring, backlog, oldest] = [0, 0, now];
    for (const space of this.spaces) {
      this.look(space, now);
      const { expiringCount, dueCount, hiddenEstimate, oldestDue } = space.entries;
      expiring += expiringCount - hiddenEstimate;
      backlog += dueCount + hiddenEstimate;
      if (oldestDue !== NO_DEADLINE && oldestDue < oldest) oldest = oldestDue;
    }
    return { expiring, backlog, backlogMs: now - oldest };
  }

  /** Adds a space that has got an entry with a deadline, or a due one. */
  add(space: Space): void {
    // The clock may have gone back, and this entry is not one of those that were due before.
    this.follow();
    this.spaces.add(space);
    space.entries.expiryHooks ??= {
      settle: (max) => this.#settleFound(space, max),
      left: (key, deadline, id) => {
        const log = this.#writeLog;
        if (log.isOpen) log.changeKey(space, key, true, deadline);
        const onPosting: OnPosting = (index, posting) => log.changePosting(space, index, posting, deadline);
        space.indexes?.leave(id, key, log.isOpen ? onPosting : null);
        this.onLeft?.(space, key);
      },
    };
  }

  /**
   * Has entries leave the indexes of a space that are due at `now`, at most `max`, and hides the rest of them. Call it
   * outside of changes.
   */
  look(space: Space, now = this.now(), max = this.lookMax): void {
    this.meet(now);
    if (this.mayBeDue(space, now)) this.#change(space, () => this.settle(space, now, max));
  }

  /** Has at most `max` entries leave the indexes of a space that were found due before. */
  #settleFound(space: Space, max: number): void {
    // The log knows the floor, or will know it.
    this.#change(space, ({ floor }) => space.entries.settleDue(floor, max, floor));
  }

  #change(space: Space, change: (entries: Entries) => void): void {
    const { entries } = space;
    const { guard } = this.#links;
    // What was put off came before this moment.
    this.#links.run();
    guard.enter();
    space.beforeChange();
    change(entries);
    space.earliest = entries.earliest;
    guard.leave();
  }

  /** Forgets the spaces in which nothing expires any more, and memory that the others do not need. Call it outside of changes. */
  tidy(): void {
    // A put that was put off may have a deadline.
    this.#links.run();
    for (const space of this.spaces) {
      const { expiringCount, dueCount } = space.entries;
      if (expiringCount === 0 && dueCount === 0) this.forget(space);
      space.entries.expiring?.trim();
    }
  }

  /** Returns false when no entry in the indexes of a space is due at `now`. */
  mayBeDue(space: Space, now: number): boolean {
    return now >= space.earliest || space.entries.floor !== NO_FLOOR;
  }

  /** Has all entries leave the indexes of a space that are due at `now`. */
  settleAll(space: Space, now: number): void {
    this.look(space, now, Number.POSITIVE_INFINITY);
  }

  /** Does what look() does, inside of a change and without freezing the space for views. */
  settle(space: Space, now: number, max: number): void {
    const { entries } = space;
    // What was due at the time at which something was found due is known already, and is gone after a replay, too.
    const left = entries.settleDue(now, max, this.#foundNow);
    if (left === 0 && (entries.floor === NO_FLOOR || entries.floor <= this.#foundNow)) return;
    if (now > this.#foundNow) this.#foundNow = now;
    if (now > this.nowToRecord) this.nowToRecord = now;
  }

  /** Notes a time that a record of the log carries: all entries that are due then are gone. Call it inside of a change. */
  foundInLog(now: number): void {
    for (const space of this.spaces) this.#hide(space, now);
  }

  /** Notes that the record at `lsn` carries the time `now`, at which entries were found due. */
  recorded(now: number, lsn: number): void {
    this.recordedLsn = lsn;
    if (Math.floor(this.nowToRecord) <= now) this.nowToRecord = 0;
  }

  /** Ends to look at a space that has no entries with deadlines any more. */
  forget(space: Space): void {
    this.spaces.delete(space);
    space.isExpiring = false;
    space.earliest = Number.POSITIVE_INFINITY;
  }

  /** Notes that the clock shows `now`, or a view is taken at that time. The clock may have gone back. */
  meet(now: number): void {
    if (now < this.#foundNow) this.follow();
  }

  /**
   * Has all spaces follow the time at which an entry was found due: all entries that were due then are gone, also in spaces that
   * nobody has looked at since, as they are after a replay. Called when the clock goes back behind that time.
   */
  follow(): void {
    const now = this.#foundNow;
    if (now === NO_TIME) return;
    this.#foundNow = NO_TIME;
    for (const space of this.spaces) this.#hide(space, now);
  }

  #hide(space: Space, now: number): void {
    if (now < space.earliest) return;
    space.beforeChange();
    space.entries.expiring?.hide(now);
  }
}
