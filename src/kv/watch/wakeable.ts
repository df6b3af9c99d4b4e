// A watch as its registry sees it: it can be woken, and its reader, a signal or the store can end it.

/** An open watch, which waits, has a state to tell, or waits for its reader. */
export class Wakeable {
  /** True when something may have changed since rest(). */
  isWoken = false;
  /** True once nobody wants another state. */
  hasEnded = false;
  /** Called when the watch ends, to remove it from wherever it is. */
  onEnd: () => void = () => {};
  /** Resolves the promise that the watch waits for. */
  #goOn: () => void = () => {};
  #waitsForChange = false;

  /** Starts to note whether something changes. */
  rest(): void {
    this.isWoken = false;
  }

  /** Notes that something may have changed. A watch that waits for that goes on in a later microtask. */
  wake(): void {
    this.isWoken = true;
    if (this.#waitsForChange) this.#goOn();
  }

  /** Ends the watch. If it waits, it goes on in a later microtask. Idempotent. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.onEnd();
    this.#goOn();
  }

  /** Resolves after end(), and after a wake() since rest(). */
  whenWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
      this.#waitsForChange = true;
      // A hook on the new promise may have written, or ended the watch.
      if (this.isWoken || this.hasEnded) resolve();
    });
  }

  /** Resolves after end(), and when `start` calls its first function. Rejects when `start` calls its second one. */
  unlessEnded(start: (resolve: () => void, reject: (error: unknown) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#goOn = resolve;
      this.#waitsForChange = false;
      if (this.hasEnded) resolve();
      else start(resolve, reject);
    });
  }
}
