// Who waits for which LSN to be durable. A waiter costs one entry while it waits and is settled exactly once.

import type { Lsn } from './lsn.js';

interface Waiter {
  readonly lsn: Lsn;
  readonly resolve: (lsn: Lsn) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_ENTRIES_MAX = 4096;

/** A queue in LSN order: nearly every waiter comes with the highest LSN so far, so adding is a push. */
export class DurableWaiters {
  #waiters: Waiter[] = [];
  /** Entries before this are settled; they are cut off in bulk, so that settling stays linear. */
  #head = 0;

  get count(): number {
    return this.#waiters.length - this.#head;
  }

  add(waiter: Waiter): void {
    const waiters = this.#waiters;
    const last = waiters.at(-1);
    if (last === undefined || this.count === 0 || last.lsn <= waiter.lsn) {
      waiters.push(waiter);
      return;
    }
    let at = waiters.length;
    while (at > this.#head && waiters[at - 1]!.lsn > waiter.lsn) at--;
    waiters.splice(at, 0, waiter);
  }

  /** Resolves everyone who waits for `durableLsn` or less, each with the LSN it waits for. */
  settle(durableLsn: number): void {
    const waiters = this.#waiters;
    let head = this.#head;
    while (head < waiters.length && waiters[head]!.lsn <= durableLsn) {
      const waiter = waiters[head++]!;
      waiter.resolve(waiter.lsn);
    }
    if (head === waiters.length) {
      this.#waiters = [];
      this.#head = 0;
    } else if (head > HEAD_ENTRIES_MAX) {
      this.#waiters = waiters.slice(head);
      this.#head = 0;
    } else {
      this.#head = head;
    }
  }

  /** Rejects everyone who still waits, all with the same error. */
  rejectAll(error: Error): void {
    const waiting = this.#waiters.slice(this.#head);
    this.#waiters = [];
    this.#head = 0;
    for (const waiter of waiting) waiter.reject(error);
  }
}
