// Where a saver has its store from: the caller, or a directory that it opens at the first use.

import { KeelsonError, misuse } from '../errors.js';
import { type DirectoryPath, open } from '../kv/index.js';
import type { AnyStore } from './tables.js';

/** The store behind a saver. */
export class StoreSource {
  readonly #given: AnyStore | null;
  readonly #directory: DirectoryPath;
  #opening: Promise<AnyStore> | null = null;
  #isClosed = false;

  /** Throws a TypeError that names `argument` for anything else than an open store or a directory. */
  constructor(argument: string, given: unknown) {
    this.#given = isStore(given) ? given : null;
    if (this.#given === null && !isDirectory(given))
      throw misuse(argument, 'an open store or a directory', given);
    this.#directory = given as DirectoryPath;
  }

  /** Returns the store. Rejects with KEELSON_CLOSED after close(), and with what open() rejects with. */
  async get(): Promise<AnyStore> {
    if (this.#given !== null) return this.#given;
    if (this.#isClosed) throw closed();
    this.#opening ??= open(this.#directory);
    try {
      return await this.#opening;
    } catch (error) {
      // The next call tries again, because the owner of a lock may have left.
      this.#opening = null;
      throw error;
    }
  }

  /** Closes the store of a directory. A store of the caller stays open. */
  async close(): Promise<void> {
    if (this.#given !== null) return;
    this.#isClosed = true;
    // Whoever waits for the open is told why it fails.
    const store = await this.#opening?.catch(() => undefined);
    await store?.close();
  }
}

function isStore(given: unknown): given is AnyStore {
  const { namespace, snapshot } = Object(given) as Partial<AnyStore>;
  return typeof namespace === 'function' && typeof snapshot === 'function';
}

function isDirectory(given: unknown): given is DirectoryPath {
  return typeof given === 'string'
    ? given !== ''
    : (Object(given) as { protocol?: unknown }).protocol === 'file:';
}

function closed(): KeelsonError {
  const next = 'Make a new one, and close it only when all runs of its graphs have ended';
  return new KeelsonError('KEELSON_CLOSED', { what: 'This saver was closed', next });
}
