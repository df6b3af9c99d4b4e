// Where load reads from: entries in batches, and what they need of a store that is made for them.

import type { Encodings } from '../any-store.js';
import type { DumpEntry } from '../dump-format.js';

/** A namespace as a source has it, or the store itself for ''. */
export type SourceSpace = Encodings & { readonly name: string };

/** Entries that are put together. */
export interface SourceBatch {
  readonly entries: readonly DumpEntry[];
  /** The number of the first entry: that of its line, or its place from 1. */
  readonly first: number;
  /** The bytes or entries up to here, and in all. */
  readonly done: number;
  readonly total: number;
}

/** A dump, a JSON file, or a database of another kind. */
export interface LoadSource {
  /** The store itself, and then its namespaces. */
  readonly spaces: readonly SourceSpace[];
  /** The highest id that nextId() had drawn there, or 0. */
  readonly highestId?: number | undefined;
  /** True when a store that is there must have the same encodings. */
  readonly isExact: boolean;
  /** The word before the number of an entry. */
  readonly noun: 'Line' | 'Entry';
  /** The plural of what the progress counts. */
  readonly unit: 'bytes' | 'entries';
  /** Yields all entries. An entry that cannot be read is thrown after the whole batches before it. */
  batches(): AsyncGenerator<SourceBatch, void, undefined>;
  close(): Promise<void>;
}

/** The most entries of a batch. */
const BATCH_ENTRIES_MAX = 1000;
/** A batch ends with the entry that brings it to this many bytes or characters. */
const BATCH_WEIGHT = 1024 * 1024;

/** Puts entries together. */
export class BatchMaker {
  #entries: DumpEntry[] = [];
  #weight = 0;
  #first: number;

  /** @param first The number of the first entry. */
  constructor(first: number) {
    this.#first = first;
  }

  /** Adds an entry. Returns true when the batch is full. */
  add(entry: DumpEntry, weight: number): boolean {
    this.#weight += weight;
    return this.#entries.push(entry) === BATCH_ENTRIES_MAX || this.#weight >= BATCH_WEIGHT;
  }

  /** Returns the batch, and begins the next one. */
  take(done: number, total: number): SourceBatch {
    const batch = { entries: this.#entries, first: this.#first, done, total };
    this.#first += this.#entries.length;
    this.#entries = [];
    this.#weight = 0;
    return batch;
  }
}
