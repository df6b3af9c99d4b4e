// Promises that resolve at once and still give the event loop its turns. Imports only schedulers.ts.
//
// Awaiting a resolved promise continues in a microtask. A loop of such awaits starves timers and I/O for as long as
// it runs, for example 400,000 puts with durability 'memory' (test/kv/fair-turns.test.ts).

import { nextTurn } from './schedulers.js';

/** Units of work between two turns of the event loop. A put is one unit, and so is a KiB. */
const WORK_PER_TURN = 1024;

/** The next turn of the event loop, for which all that share it wait together. */
export class SharedTurn {
  #promise: Promise<void> | null = null;

  /** True while somebody waits for it. */
  get isAwaited(): boolean {
    return this.#promise !== null;
  }

  /** Resolves in the next turn of the event loop. */
  whenItComes(): Promise<void> {
    this.#promise ??= nextTurn().then(() => {
      this.#promise = null;
    });
    return this.#promise;
  }
}

/** Counts the work of one store, journal or iteration since its last turn of the event loop. */
export class FairTurns {
  #work = 0;
  readonly #turn: SharedTurn;

  /** Iterations that share `turn` wait when one of them waits. So they stay at the same item, and can share it. */
  constructor(turn = new SharedTurn()) {
    this.#turn = turn;
  }

  /**
   * Returns a promise of `value`. It is resolved already, or resolves in the next turn if enough work has come
   * together.
   */
  resolved<T>(value: T, work = 1): Promise<T> {
    if (!this.isDue(work) && !this.#turn.isAwaited) return Promise.resolve(value);
    this.#work = 0;
    return this.#turn.whenItComes().then(() => value);
  }

  /** Adds `work`. Returns true if the caller should wait for the next turn of the event loop. */
  isDue(work = 1): boolean {
    this.#work += work;
    if (this.#work < WORK_PER_TURN) return false;
    this.#work = 0;
    return true;
  }
}
