// The turn among asynchronous commits: a transaction that has met many conflicts takes it, and others wait with their
// commits. So it ends, however many others there are. Plain writes never wait.

import { alarm, nextTurn } from '../../schedulers.js';

/** The most time that one transaction keeps the turn, in milliseconds. */
const TURN_MS_MAX = 1000;

/** The turn of one store, and those who wait for it. */
export class CommitTurns {
  readonly #nowMs: () => number;
  #owner: object | null = null;
  #cancelAlarm: () => void = () => {};
  /** Those who want the turn, in the order in which they asked. */
  readonly #claims = new Map<object, () => void>();
  /** Those who wait until nobody has the turn. */
  #waiters: (() => void)[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** True while another transaction has the turn. */
  isTakenByAnother(transaction: object): boolean {
    return this.#owner !== null && this.#owner !== transaction;
  }

  /** Resolves when the transaction has the turn, or has left. */
  take(transaction: object): Promise<void> {
    if (this.#owner === transaction) return Promise.resolve();
    if (this.#owner === null && this.#claims.size === 0) {
      this.#give(transaction);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#claims.set(transaction, resolve);
    });
  }

  /** Resolves when the turn that another transaction has now ends. */
  async free(transaction: object): Promise<void> {
    if (!this.isTakenByAnother(transaction)) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  /** Ends the turn or the wait of a transaction. */
  leave(transaction: object): void {
    const waits = this.#claims.get(transaction);
    this.#claims.delete(transaction);
    waits?.();
    if (this.#owner === transaction) this.#pass();
  }

  #give(transaction: object): void {
    this.#owner = transaction;
    const endMs = this.#nowMs() + TURN_MS_MAX;
    this.#cancelAlarm = alarm(TURN_MS_MAX, () => {
      if (this.#owner === transaction && this.#nowMs() >= endMs - 1) this.#pass();
    });
  }

  /** Lets those who wait commit, and then gives the turn to the next who wants it. */
  #pass(): void {
    this.#cancelAlarm();
    this.#owner = null;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
    // They commit in microtasks. If the turn went on at once, they would wait for as long as others want it.
    if (this.#claims.size > 0) nextTurn().then(() => this.#giveToNext());
  }

  #giveToNext(): void {
    const [next] = this.#claims;
    if (next === undefined || this.#owner !== null) return;
    const [transaction, resolve] = next;
    this.#claims.delete(transaction);
    this.#give(transaction);
    resolve();
  }
}
