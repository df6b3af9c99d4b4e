// The queue of waiters: promises that wait until an LSN is durable.

import type { Lsn } from '../format/lsn.js';

/**
 * A promise that waits until `lsn` is durable, and resolves with `result`. It is a class because V8 may pretenure an object literal: when
 * many objects of one literal have survived, V8 allocates new ones in the old generation, and promotes what
 * they reference.
 */
export class Waiter {
  readonly lsn: Lsn;
  readonly result: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;

  constructor(lsn: Lsn, result: unknown, resolve: (result: unknown) => void, reject: (error: Error) => void) {
    this.lsn = lsn;
    this.result = result;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** The functions that settle the promise that newPromise() made last. */
let resolveNewest: Waiter['resolve'];
let rejectNewest: Waiter['reject'];

/**
 * Keeps the functions of a new promise. One function for all promises saves a function and a context for each: 100 of
 * the 1,000 bytes of garbage that a put makes (`node bench/garbage.js`). No promise is made between this call and waiterOfNewest().
 */
const keepFunctions = (resolve: Waiter['resolve'], reject: Waiter['reject']): void => {
  resolveNewest = resolve;
  rejectNewest = reject;
};

/** Returns a new promise. Hooks of the program (async_hooks) may run. Call waiterOfNewest() next. */
export function newPromise(): Promise<unknown> {
  return new Promise<unknown>(keepFunctions);
}

/** Returns a waiter for `lsn` that settles the promise that newPromise() has just made. */
export function waiterOfNewest(lsn: Lsn, result: unknown): Waiter {
  return new Waiter(lsn, result, resolveNewest, rejectNewest);
}

/**
 * Settled entries are cut off at once while at most this many waiters remain. Above it, once they are as many as the
 * waiters that remain.
 */
const CUT_ENTRIES_MAX = 4096;

/** A queue in the order of LSNs. Nearly every waiter has the highest LSN so far, so adding is a push. */
export class DurableWaiters {
  #waiters: Waiter[] = [];
  /**
   * Entries before this index are settled. #cut() removes them at every commit if few waiters remain, because
   * V8 keeps and promotes whatever an old array references. If many remain, it removes them in bulk, so that
   * the cost of settling stays linear.
   */
  #head = 0;
  /** A waiter that was taken out of the queue, and may not be settled yet. */
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

  /** Resolves every waiter for `durableLsn` or less with its result. */
  settle(durableLsn: number): void {
    // The queue is read again each time, because a hook on promises may add waiters, or settle.
    while (this.count > 0 && this.#waiters[this.#head]!.lsn <= durableLsn) {
      const waiter = this.#next();
      waiter.resolve(waiter.result);
      this.#unsure = null;
    }
    this.#cut();
  }

  /** Rejects all waiters with the same error. */
  rejectAll(error: Error): void {
    while (this.count > 0) {
      const waiter = this.#next();
      waiter.reject(error);
      this.#unsure = null;
    }
    this.#cut();
  }

  /**
   * Settles all waiters: resolves those up to `durableLsn`, and rejects the others. Also settles the waiter
   * that was being settled when a call was stopped: settling a promise twice is harmless.
   */
  end(durableLsn: number, error: Error): void {
    const unsure = this.#unsure;
    if (unsure !== null && unsure.lsn <= durableLsn) unsure.resolve(unsure.result);
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
