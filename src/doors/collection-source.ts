// Where an adapter finds its entries: in an open store or a namespace of the caller, or in a directory that it opens.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeelsonError, misuse } from '../errors.js';
import type { Collection } from '../kv/index.js';
import { acquireStore, releaseStore } from './shared-stores.js';

/** A store or a namespace whose keys are strings. */
// biome-ignore lint/suspicious/noExplicitAny: the caller of the adapter decides what the values are.
export type StringCollection = Collection<string, any>;

/** The collection behind an adapter. A directory is opened at the first use. */
export class CollectionSource {
  readonly #directory: string | null;
  #collection: StringCollection | null = null;
  #opening: Promise<StringCollection> | null = null;
  #isClosed = false;

  /**
   * Throws a TypeError for anything else than a store, a namespace or a directory. It names `argument` and says what was
   * `expected`.
   */
  constructor(argument: string, given: unknown, expected = 'an open store, a namespace or a directory') {
    if (isCollection(given)) this.#collection = given;
    this.#directory = this.#collection === null ? directoryOf(argument, given, expected) : null;
  }

  /** The collection if it is open. Null before a directory was opened, and after close(). */
  get opened(): StringCollection | null {
    return this.#isClosed ? null : this.#collection;
  }

  /**
   * Returns the collection, or a promise of it while a directory is being opened. Throws KEELSON_CLOSED after close(), and
   * rejects with what open() rejects with.
   */
  get(): StringCollection | Promise<StringCollection> {
    if (this.#isClosed) throw closed();
    if (this.#collection !== null) return this.#collection;
    this.#opening ??= this.#open(this.#directory!);
    return this.#opening;
  }

  /** Closes the store of a directory, if nobody else uses it. A collection of the caller stays open. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#isClosed = true;
    this.#opening = null;
    // Whoever waited for the open was told why it failed.
    const isOpen = await opening?.then(
      () => true,
      () => false,
    );
    if (isOpen) await releaseStore(this.#directory!);
  }

  async #open(directory: string): Promise<StringCollection> {
    try {
      this.#collection = await acquireStore(directory);
      return this.#collection;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }
}

function isCollection(given: unknown): given is StringCollection {
  const { get, batch } = Object(given) as Partial<StringCollection>;
  return typeof get === 'function' && typeof batch === 'function';
}

function directoryOf(argument: string, given: unknown, expected: string): string {
  if (typeof given === 'string' && given !== '') return path.resolve(given);
  const { protocol, href } = Object(given) as { protocol?: unknown; href?: unknown };
  if (protocol === 'file:' && typeof href === 'string') return fileURLToPath(href);
  throw misuse(argument, expected, given);
}

function closed(): KeelsonError {
  const next = 'Make a new one, and disconnect it only when everything that uses it has ended';
  return new KeelsonError('KEELSON_CLOSED', { what: 'This adapter was disconnected', next });
}
