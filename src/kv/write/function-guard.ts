// The function guard: marks that the function of a transaction runs. Meanwhile nobody else may write, so nothing comes
// between what the function reads and what it writes.

import { queueMicrotask } from '../../schedulers.js';

/** Guard of the functions of one store's transactions. */
export class FunctionGuard {
  /** True while a function runs. */
  isInside = false;
  #isResetDue = false;
  readonly #reset = (): void => {
    this.#isResetDue = false;
    this.isInside = false;
  };

  enter(): void {
    this.isInside = true;
    // JavaScript may be stopped in the function, for example by a timeout of node:vm. No `finally` runs then.
    if (this.#isResetDue) return;
    this.#isResetDue = true;
    queueMicrotask(this.#reset);
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
