// The function guard: marks that the function of a transaction or of an index runs. Meanwhile nobody else may write, so
// nothing comes between what the function reads and what it writes.

import { queueMicrotask } from '../../schedulers.js';

/** The foreign code that runs. */
const NOTHING = 0;
const TRANSACTION = 1;
const INDEX = 2;
type Running = typeof NOTHING | typeof TRANSACTION | typeof INDEX;

/** Guard of the functions of one store's transactions and indexes. */
export class FunctionGuard {
  #running: Running = NOTHING;
  /** The time of the transaction whose function runs, or null while nobody has asked for it. */
  now: number | null = null;
  #isResetDue = false;
  readonly #reset = (): void => {
    this.#isResetDue = false;
    this.#running = NOTHING;
  };

  /** True while a function runs. */
  get isInside(): boolean {
    return this.#running !== NOTHING;
  }

  /** Enters for the function of a transaction. */
  enter(): void {
    this.#enter(TRANSACTION);
    this.now = null;
  }

  /** Enters for an index function, maybe inside of another function. Returns what leaveIndex() takes. */
  enterIndex(): Running {
    const around = this.#running;
    this.#enter(INDEX);
    return around;
  }

  leaveIndex(around: Running): void {
    this.#running = around;
  }

  #enter(running: Running): void {
    // JavaScript may be stopped in the function, for example by a timeout of node:vm. No `finally` runs then.
    if (!this.#isResetDue) {
      // This may run hooks of the program, which may write, or be stopped. Only after it, the reset is sure to come.
      queueMicrotask(this.#reset);
      this.#isResetDue = true;
    }
    this.#running = running;
  }

  leave(): void {
    this.#running = NOTHING;
  }

  /** Throws a TypeError while a function runs. */
  assertOutside(): void {
    if (this.#running === INDEX) {
      throw new TypeError(
        'An index function runs, and nobody may write meanwhile: it only says where an entry is in the index. Write before or after',
      );
    }
    if (this.#running === TRANSACTION) {
      throw new TypeError(
        'The function of a transaction runs, and only its tx may write meanwhile. Write with tx, or with tx.in(namespace); or write after the transaction',
      );
    }
  }
}
