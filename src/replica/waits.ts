// The waits of whenAt(): promises that resolve when the replica shows an LSN.

import { KeelsonError } from '../errors.js';
import type { Lsn } from '../kv/index.js';

/** A wait for an LSN. */
interface Wait {
  readonly lsn: number;
  resolve(lsn: Lsn): void;
  reject(error: unknown): void;
}

/** Keeps the waits of one replica. */
export class Waits {
  #waits = new Set<Wait>();
  /** The lowest LSN that is waited for. */
  #lowestLsn = Number.POSITIVE_INFINITY;
  readonly #onChange: (isWaiting: boolean) => void;

  /** `onChange` is called when the first wait begins and when the last one ends. */
  constructor(onChange: (isWaiting: boolean) => void) {
    this.#onChange = onChange;
  }

  /** Resolves when reached() is called with `lsn` or more. Rejects at an abort, and at end(). */
  add(lsn: number, signal: AbortSignal | undefined): Promise<Lsn> {
    if (signal?.aborted) return Promise.reject(aborted(lsn, signal));
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#remove([wait]);
        wait.reject(aborted(lsn, signal!));
      };
      const stopListening = () => signal?.removeEventListener('abort', abort);
      const wait: Wait = {
        lsn,
        resolve: (reached) => {
          stopListening();
          resolve(reached);
        },
        reject: (error) => {
          stopListening();
          reject(error);
        },
      };
      if (this.#waits.size === 0) this.#onChange(true);
      this.#waits.add(wait);
      this.#lowestLsn = Math.min(this.#lowestLsn, lsn);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Resolves the waits for LSNs up to this one. */
  reached(lsn: Lsn): void {
    if (lsn < this.#lowestLsn) return;
    const over = [...this.#waits].filter((wait) => wait.lsn <= lsn);
    this.#remove(over);
    for (const wait of over) wait.resolve(lsn);
  }

  /** Rejects all waits. */
  end(error: unknown): void {
    const over = [...this.#waits];
    this.#remove(over);
    for (const wait of over) wait.reject(error);
  }

  #remove(over: readonly Wait[]): void {
    if (over.length === 0) return;
    for (const wait of over) this.#waits.delete(wait);
    this.#lowestLsn = Math.min(Number.POSITIVE_INFINITY, ...[...this.#waits].map(({ lsn }) => lsn));
    if (this.#waits.size === 0) this.#onChange(false);
  }
}

function aborted(lsn: number, signal: AbortSignal): KeelsonError {
  const next = 'Give another signal';
  const what = `The wait for LSN ${lsn} was aborted by its signal`;
  return new KeelsonError('KEELSON_ABORTED', { what, next }, { lsn }, signal.reason);
}
