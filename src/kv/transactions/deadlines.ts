// The deadlines of open transactions. One timer serves all of them, because most transactions end long before.

import { alarm } from '../../schedulers.js';

/** Calls a function for each item whose time is up. */
export class Deadlines<T> {
  readonly #nowMs: () => number;
  readonly #onDue: (item: T) => void;
  readonly #dueMs = new Map<T, number>();
  /** The time for which the timer is set, or infinity. */
  #alarmMs = Number.POSITIVE_INFINITY;
  #cancelAlarm: () => void = () => {};
  #isClosed = false;

  constructor(nowMs: () => number, onDue: (item: T) => void) {
    this.#nowMs = nowMs;
    this.#onDue = onDue;
  }

  /** The number of items. */
  get size(): number {
    return this.#dueMs.size;
  }

  /** The items, in the order in which they were added. */
  get items(): Iterable<T> {
    return this.#dueMs.keys();
  }

  /** Adds an item that is due after `afterMs` milliseconds. */
  add(item: T, afterMs: number): void {
    const dueMs = this.#nowMs() + afterMs;
    this.#dueMs.set(item, dueMs);
    if (dueMs < this.#alarmMs && !this.#isClosed) this.#setAlarm(dueMs);
  }

  delete(item: T): void {
    this.#dueMs.delete(item);
  }

  /** Ends the timer, which would keep the store in memory. No item is added any more. */
  close(): void {
    this.#isClosed = true;
    this.#cancelAlarm();
  }

  #setAlarm(dueMs: number): void {
    this.#cancelAlarm();
    this.#alarmMs = dueMs;
    // The timer may be early by a part of a millisecond.
    this.#cancelAlarm = alarm(Math.ceil(dueMs - this.#nowMs()) + 1, () => this.#ring());
  }

  #ring(): void {
    this.#alarmMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [item, dueMs] of this.#dueMs) {
      if (dueMs <= nowMs) this.#onDue(item);
      else if (dueMs < nextMs) nextMs = dueMs;
    }
    if (nextMs < this.#alarmMs) this.#setAlarm(nextMs);
  }
}
