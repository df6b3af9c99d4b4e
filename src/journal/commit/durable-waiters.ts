// Who waits for which LSN to be durable. A waiter costs one entry while it waits and is settled exactly once.

import type { Lsn } from '../format/lsn.js';

/**
 * A class: V8 may make literals of one place in the code in its old space, when many of them have once survived, and
 * what hangs on one there is copied after it.
 */
export class Waiter {
  readonly lsn: Lsn;
  readonly resolve: (lsn: Lsn) => void;
  readonly reject: (error: Error) => void;

  constructor(lsn: Lsn, resolve: (lsn: Lsn) => void, reject: (error: Error) => void) {
    this.lsn = lsn;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** With so few left, or no more than have been settled, those are cut off. */
const CUT_ENTRIES_MAX = 4096;

/** A queue in LSN order: nearly every waiter comes with the highest LSN so far, so adding is a push. */
export class DurableWaiters {
  #waiters: Waiter[] = [];
  /**
   * Entries before this are settled. They are cut off at every commit, if that is cheap: what an array holds that has lived
   * for a while, the collector keeps, and copies, with all that hangs on it. And in bulk, so that settling stays linear.
   */
  #head = 0;
  /** Taken out of the queue, and maybe not settled yet. */
  #unsure: Waiter | null = null;

  get count(): number {
    return this.#waiters.length - this.#head;
  }

  add(waiter: Waiter): void {
    const waiters = this.#waiters;
    const last = waiters.at(-1);
    if (last === undefined || last.lsn <= waiter.lsn) {
      waiters.push(waiter);
      return;
    }
    let at = waiters.length;
    while (at > this.#head && waiters[at - 1]!.lsn > waiter.lsn) at--;
    waiters.splice(at, 0, waiter);
  }

  /** Resolves everyone who waits for `durableLsn` or less, each with the LSN it waits for. */
  settle(durableLsn: number): void {
    // Read anew each time: a hook on promises may run the program's code, and that may add waiters, or settle.
    while (this.count > 0 && this.#waiters[this.#head]!.lsn <= durableLsn) {
      const waiter = this.#next();
      waiter.resolve(waiter.lsn);
      this.#unsure = null;
    }
    this.#cut();
  }

  /** Rejects everyone who still waits, all with the same error. */
  rejectAll(error: Error): void {
    while (this.count > 0) {
      const waiter = this.#next();
      waiter.reject(error);
      this.#unsure = null;
    }
    this.#cut();
  }

  /** Settles everyone who waits, and whoever was being settled when a call was stopped. To settle a promise again changes nothing. */
  end(durableLsn: number, error: Error): void {
    const unsure = this.#unsure;
    if (unsure !== null && unsure.lsn <= durableLsn) unsure.resolve(unsure.lsn);
    else unsure?.reject(error);
    this.settle(durableLsn);
    this.rejectAll(error);
  }

  #next(): Waiter {
    this.#unsure = this.#waiters[this.#head]!;
    this.#head++;
    return this.#unsure;
  }

  #cut(): void {
    const isWorthIt = this.#head > 0 && this.count <= Math.max(this.#head, CUT_ENTRIES_MAX);
    if (!isWorthIt) return;
    this.#waiters = this.#waiters.slice(this.#head);
    this.#head = 0;
  }
}
