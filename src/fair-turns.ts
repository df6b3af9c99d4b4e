// Promises that are resolved from the start, and still leave the event loop its turns. A leaf besides schedulers.ts.
//
// Whoever awaits a resolved promise goes on in a microtask, and a loop of such awaits keeps timers and I/O waiting for as
// long as it runs: 400,000 puts with durability 'memory' did so for a second.

import { nextTurn } from './schedulers.js';

/** Units of work between two turns of the event loop. A put is one, and so is a KiB: about a millisecond. */
const WORK_PER_TURN = 1024;

export class FairTurns {
  #work = 0;

  /** Returns a promise of `value`, resolved at once or, when enough work has come together, in the next turn. */
  resolved<T>(value: T, work = 1): Promise<T> {
    return this.isDue(work) ? nextTurn().then(() => value) : Promise.resolve(value);
  }

  /** Adds `work`, and returns whether whoever did it should wait for the next turn now. */
  isDue(work = 1): boolean {
    this.#work += work;
    if (this.#work < WORK_PER_TURN) return false;
    this.#work = 0;
    return true;
  }
}
