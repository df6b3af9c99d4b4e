// BatchIterator iterates over items that come in batches. An item that is at hand costs one promise, and the event loop
// still gets its turns. Imports only leaves.

import './platform-types.js';
import { onAbort } from './abort-listeners.js';
import type { FairTurns } from './fair-turns.js';

/**
 * An asynchronous iterator that has return(). Leaving a `for await` loop ends it, and so does the end of an `await using`
 * block. When you step it by hand, end it with return().
 *
 * @example
 * const feed: ClosableIterator<ChangeGroup> = db.changes();
 * await db.namespace<number>('visits').put('home', 1);
 * const first: ChangeGroup | undefined = (await feed.next()).value;
 * await feed.return();
 */
export interface ClosableIterator<T> extends AsyncIterableIterator<T, undefined> {
  /**
   * Ends the iteration, also while a call of next() waits: that call resolves, too.
   *
   * @param value Nothing: for await gives none.
   */
  return(value?: undefined): Promise<IteratorResult<T, undefined>>;
  /** Ends the iteration as return() does. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A source of items that come in batches. */
export interface BatchSource<T> {
  /** Returns the next item that is at hand, or undefined when more() must be called. May throw. */
  take(): T | undefined;
  /**
   * Resolves to true when take() may return an item again, and to false at the end, also after close(). Rejects when the
   * items end with an error. One call at a time.
   */
  more(): Promise<boolean>;
  /** Ends the source, and releases what it holds. A call of more() that is under way resolves to false. Idempotent. */
  close(): void;
}

type Step<T> = IteratorResult<T, undefined>;

/** Iterates over the items of a source. Calls of next() that overlap get their items in order. */
export class BatchIterator<T> implements ClosableIterator<T> {
  readonly #source: BatchSource<T>;
  readonly #turns: FairTurns;
  readonly #endListening: () => void;
  #isDone = false;
  /** The last call of next() that has not got its item at once, until it is settled. */
  #waiting: Promise<Step<T>> | null = null;

  constructor(source: BatchSource<T>, turns: FairTurns, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#turns = turns;
    this.#endListening = () => {};
    if (signal !== undefined) this.#endListening = onAbort(signal, () => this.#end());
  }

  next(): Promise<Step<T>> {
    const waiting = this.#waiting;
    if (waiting !== null) return this.#wait(waiting.then(this.#step, this.#step));
    return this.#step();
  }

  return(): Promise<Step<T>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<Step<T>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  readonly #step = (): Promise<Step<T>> => {
    if (this.#isDone) return Promise.resolve({ done: true, value: undefined });
    let item: T | undefined;
    try {
      item = this.#source.take();
    } catch (error) {
      this.#end();
      return Promise.reject(error);
    }
    if (item !== undefined) return this.#turns.resolved({ done: false, value: item });
    return this.#wait(this.#stepLater());
  };

  async #stepLater(): Promise<Step<T>> {
    try {
      while (await this.#source.more()) {
        if (this.#isDone) break;
        const item = this.#source.take();
        if (item !== undefined) return { done: false, value: item };
        // A filter may take nothing of many batches.
        await this.#turns.resolved(undefined);
      }
    } catch (error) {
      const wasDone = this.#isDone;
      this.#end();
      if (!wasDone) throw error;
    }
    this.#end();
    return { done: true, value: undefined };
  }

  #wait(step: Promise<Step<T>>): Promise<Step<T>> {
    this.#waiting = step;
    const settled = () => {
      if (this.#waiting === step) this.#waiting = null;
    };
    step.then(settled, settled);
    return step;
  }

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#endListening();
    this.#source.close();
  }
}
