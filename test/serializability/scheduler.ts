// The scheduler of a history: runs asynchronous actors, and a seed decides which of them goes on at each pause.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Random } from '../../src/testing/random.js';

/** The most turns of the event loop in which no actor asks to go on. Then something waits for ever. */
const IDLE_TURNS_MAX = 20_000;

/** The most actors that go on in one turn. Their microtasks interleave. */
const RESUMED_MAX = 3;

/** Runs actors in an order that depends on the random numbers alone. */
export class Scheduler {
  readonly #random: Random;
  readonly #paused: (() => void)[] = [];
  readonly #errors: unknown[] = [];
  #running = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Resolves when the scheduler chooses the actor that waits. */
  pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#paused.push(resolve);
    });
  }

  /** Starts an actor, which runs up to its first pause. */
  start(actor: () => Promise<void>): void {
    this.#running++;
    actor()
      .catch((error) => this.#errors.push(error))
      .finally(() => this.#running--);
  }

  /** Lets the actors go on until all have ended. Throws the first error of an actor. */
  async run(): Promise<void> {
    for (let idleTurns = 0; this.#running > 0; ) {
      await nextTurn();
      if (this.#errors.length > 0) throw this.#errors[0];
      if (this.#paused.length > 0) idleTurns = 0;
      else if (++idleTurns > IDLE_TURNS_MAX) throw new Error('All actors wait, and nobody wakes them');
      this.#resumeSome();
    }
    if (this.#errors.length > 0) throw this.#errors[0];
  }

  #resumeSome(): void {
    for (let left = 1 + this.#random.below(RESUMED_MAX); left > 0 && this.#paused.length > 0; left--) {
      const [resume] = this.#paused.splice(this.#random.below(this.#paused.length), 1);
      resume!();
    }
  }
}
