// The loading of one source into a store. A batch is in the store whole, or not at all.

import type { BatchOperation, Namespace } from '../../kv/index.js';
import { AnyStore, type Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import type { DumpEntry } from '../dump-format.js';
import { grouped } from '../output.js';
import type { LoadSource, SourceBatch } from './load-source.js';

/** A namespace as a batch takes it. */
// biome-ignore lint/suspicious/noExplicitAny: a namespace with any keys and values
type AnyNamespace = Namespace<any, any, any>;

export class Loading {
  readonly #store: AnyStore;
  readonly #source: LoadSource;
  readonly #namespaces = new Map<string, AnyNamespace>();
  /** The number of entries that are in the store. */
  loaded = 0;
  /** The number of the first entry that is not. */
  #next = 0;

  /** Opens the store, which is made when it is not there. */
  static async into(directory: string, source: LoadSource, wait: number): Promise<Loading> {
    const root = source.spaces[0]!;
    const store = await AnyStore.open({ directory, readOnly: false, create: root, wait });
    try {
      return new Loading(store, source);
    } catch (error) {
      await store.db.close();
      throw error;
    }
  }

  private constructor(store: AnyStore, source: LoadSource) {
    this.#store = store;
    this.#source = source;
    // Keys may be such ids: the copy must not draw them again. The first batch records it.
    store.drawUpTo(source.highestId ?? 0);
    for (const space of source.spaces) {
      const has = store.spaces.find(({ name }) => name === space.name) ?? space;
      if (source.isExact) assertSame(has, space, space.name);
      if (space.name !== '')
        this.#namespaces.set(space.name, store.in(space.name, space) as unknown as AnyNamespace);
    }
  }

  /** Puts all entries. `onBatch` hears of each batch. Resolves when all is durable. */
  async run(onBatch: (batch: SourceBatch) => void): Promise<void> {
    const { db } = this.#store;
    try {
      for await (const batch of this.#source.batches()) {
        this.#write(batch);
        onBatch(batch);
        await db.drained();
      }
    } catch (error) {
      throw this.#explained(error);
    }
    await db.flush();
  }

  close(): Promise<void> {
    return this.#store.db.close();
  }

  #write({ entries, first }: SourceBatch): void {
    if (entries.length === 0) return;
    const operations = entries.map((entry, at) => this.#operationOf(entry, first + at));
    try {
      void this.#store.db.batch(operations, { durability: 'memory' });
    } catch (error) {
      throw this.#withNumber(error, first);
    }
    this.loaded += entries.length;
    this.#next = first + entries.length;
  }

  #operationOf(
    { namespace: name = '', key, value, expiresAt }: DumpEntry,
    number: number,
  ): BatchOperation<unknown, unknown> {
    if (name === '')
      return expiresAt === undefined ? { type: 'put', key, value } : { type: 'put', key, value, expiresAt };
    const namespace = this.#namespaces.get(name);
    if (namespace !== undefined) return { type: 'put', namespace, key, value, expiresAt };
    const what = `${this.#source.noun} ${number} is of a namespace ${JSON.stringify(name)} that nothing names before`;
    throw new CommandError('MALFORMED', what, 'Mend it, or make the dump again');
  }

  /** Returns an error that names the number of the entry that a batch has refused. */
  #withNumber(error: unknown, first: number): unknown {
    const [, at] = /operations\[(\d+)\]/.exec((error as Error).message) ?? [];
    if (at === undefined) return error;
    const what = `${this.#source.noun} ${first + Number(at)} does not fit into the store: ${(error as Error).message}`;
    return new CommandError('MALFORMED', what, 'Mend it, or load into a store with other encodings');
  }

  /** Returns an error with what is in the store. */
  #explained(error: unknown): unknown {
    if (!(error instanceof CommandError)) return error;
    const place = `${this.#source.noun.toLowerCase()} ${this.#next}`;
    const state =
      this.loaded === 0
        ? 'Nothing was put into the store'
        : `The ${grouped(this.loaded)} entries before ${place} are in the store, and nothing from ${place} on`;
    return new CommandError(error.code, error.what, `${state}. ${error.next}`);
  }
}

function assertSame(has: Encodings, given: Encodings, name: string): void {
  if (has.keyEncoding === given.keyEncoding && has.valueEncoding === given.valueEncoding) return;
  const place = name === '' ? 'The store' : `The namespace ${JSON.stringify(name)}`;
  const what = `${place} has ${has.keyEncoding} keys and ${has.valueEncoding} values, the dump ${given.keyEncoding} keys and ${given.valueEncoding} values`;
  throw new CommandError('DIFFERENT', what, 'Load it into a new store');
}
