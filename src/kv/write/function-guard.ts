// The function guard: marks that the function of a transaction runs. Meanwhile nobody else may write, so nothing comes
// between what the function reads and what it writes.

import { queueMicrotask } from '../../schedulers.js';

/** Guard of the functions of one store's transactions. */
export class FunctionGuard {
  /** True while a function runs. */
  isInside = false;
  /** The time of the transaction whose function runs, or null while nobody has asked for it. */
  now: number | null = null;
  #isResetDue = false;
  readonly #reset = (): void => {
    this.#isResetDue = false;
    this.isInside = false;
  };

  enter(): void {
    // JavaScript may be stopped in the function, for example by a timeout of node:vm. No `finally` runs then.
    if (!this.#isResetDue) {
      // This may run hooks of the program, which may write, or be stopped. Only after it, the reset is sure to come.
      queueMicrotask(this.#reset);
      this.#isResetDue = true;
    }
    this.now = null;
    this.isInside = true;
  }

  leave(): void {
    this.isInside = false;
  }

  /** Throws a TypeError while a function runs. */
  assertOutside(): void {
    if (this.isInside) {
      throw new TypeError(
        'The function of a transaction runs, and only its tx may write meanwhile. Write with tx, or with tx.in(namespace); or write after the transaction',
      );
    }
  }
}
