// The signals of open transactions and watches. A signal that many of them share gets one listener, because Node.js warns
// of a signal with more than ten.

import type { OptionSpec } from '../../options.js';

/** Returns an option for an AbortSignal. Its default is undefined. */
export function signalOption(): OptionSpec<AbortSignal | undefined> {
  return { default: undefined, check: (value) => (isSignal(value) ? undefined : 'an AbortSignal') };
}

function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  );
}

/** Calls a function for each item whose signal is aborted. */
export class AbortSignals<T> {
  readonly #onAbort: (item: T, signal: AbortSignal) => void;
  readonly #watched = new Map<AbortSignal, { readonly items: Set<T>; readonly listener: () => void }>();

  constructor(onAbort: (item: T, signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  /** Adds an item, which may be due at once. Throws what the signal throws. */
  add(signal: AbortSignal, item: T): void {
    let watched = this.#watched.get(signal);
    if (watched === undefined) {
      const items = new Set<T>();
      const listener = () => {
        for (const each of [...items]) this.#onAbort(each, signal);
      };
      watched = { items, listener };
      signal.addEventListener('abort', listener, { once: true });
      this.#watched.set(signal, watched);
    }
    watched.items.add(item);
    if (signal.aborted) this.#onAbort(item, signal);
  }

  /** Removes an item. Throws what the signal throws. */
  delete(signal: AbortSignal, item: T): void {
    const watched = this.#watched.get(signal);
    if (!watched?.items.delete(item) || watched.items.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.listener);
  }
}
