// The inbox of a port: keeps messages until somebody takes them. A port would lose those that come while nobody listens.

import type { MessagePort } from 'node:worker_threads';

/** The messages of one port, and its end. */
export class Inbox {
  readonly #waiting: unknown[] = [];
  #isClosed = false;
  #take: ((message: unknown) => void) | null = null;
  #onClose = () => {};

  constructor(port: MessagePort) {
    port.on('message', (message: unknown) => {
      if (this.#take === null) this.#waiting.push(message);
      else this.#take(message);
    });
    port.on('close', () => {
      this.#isClosed = true;
      this.#onClose();
    });
  }

  /** Calls `take` with each message, also with those that have come, and then `onClose` when the port is closed. */
  open(take: (message: unknown) => void, onClose: () => void): void {
    this.#take = take;
    this.#onClose = onClose;
    for (const message of this.#waiting.splice(0)) take(message);
    if (this.#isClosed) onClose();
  }

  /** Resolves with the first message, or with undefined when the port is closed before. Call it before open(). */
  first(): Promise<unknown> {
    return new Promise((resolve) => {
      const take = (message: unknown) => {
        this.#take = null;
        this.#onClose = () => {};
        resolve(message);
      };
      if (this.#waiting.length > 0) take(this.#waiting.shift());
      else this.open(take, () => resolve(undefined));
    });
  }
}
