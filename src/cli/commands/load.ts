// keelson load: puts the entries of a dump into a store, in batches. A batch is in the store whole, or not at all.

import type { Command } from 'commander';
import type { BatchOperation, Namespace } from '../../kv/index.js';
import { AnyStore, type Encodings } from '../any-store.js';
import { CommandError } from '../command-errors.js';
import { type DumpEntry, type DumpHeader, readEntry, readHeader } from '../dump-format.js';
import { grouped, report } from '../output.js';
import { startProgress } from '../progress.js';
import { type CommonOptions, storeCommand, type WritingOptions, waitOption } from '../store-command.js';
import { LineReader } from '../text-files.js';

/** The most entries of a batch. */
const BATCH_ENTRIES_MAX = 1000;
/** A batch ends with the entry whose line brings it to this many characters. */
const BATCH_CHARACTERS = 1024 * 1024;

export function loadCommand(): Command {
  return storeCommand('load', 'Put the entries of a dump into a store, which is made when it is not there.')
    .argument('[file]', 'the dump; - is standard input', '-')
    .addOption(waitOption())
    .action(load);
}

async function load(directory: string, file: string, options: CommonOptions & WritingOptions): Promise<void> {
  const reader = new LineReader(file);
  const progress = startProgress('bytes');
  let loading: Loading | null = null;
  try {
    for await (const { lines, first, bytesRead } of reader.pieces()) {
      let at = 0;
      if (loading === null) loading = await Loading.start(directory, readHeader(lines[at++]!), options.wait);
      for (; at < lines.length; at++) await loading.take(lines[at]!, first + at);
      progress.update(bytesRead, reader.bytes ?? bytesRead);
    }
    if (loading === null) throw new CommandError('CUT_OFF', 'The dump is empty', 'Make the dump again');
    await loading.finish();
  } catch (error) {
    throw loading === null ? error : loading.explained(error);
  } finally {
    progress.stop();
    await loading?.store.db.close();
  }
  const { loaded: entries } = loading;
  await report({ entries }, options, () => `${grouped(entries)} entries are in ${directory}, durably`);
}

/** A namespace as a batch takes it. */
// biome-ignore lint/suspicious/noExplicitAny: a namespace with any keys and values
type AnyNamespace = Namespace<any, any, any>;

/** The loading of one dump. */
class Loading {
  readonly store: AnyStore;
  readonly #header: DumpHeader;
  readonly #namespaces = new Map<string, AnyNamespace | null>();
  #batch: BatchOperation<unknown, unknown>[] = [];
  #batchCharacters = 0;
  /** The number of the line of the first entry of the batch. */
  #batchLine = 2;
  #line = 1;

  static async start(directory: string, header: DumpHeader, wait: number): Promise<Loading> {
    const root = header.namespaces[0]!;
    const store = await AnyStore.open({ directory, readOnly: false, create: root, wait });
    try {
      assertSame(store.encodingsOf(''), root, directory);
      return new Loading(store, header);
    } catch (error) {
      await store.db.close();
      throw error;
    }
  }

  private constructor(store: AnyStore, header: DumpHeader) {
    this.store = store;
    this.#header = header;
    this.#namespaces.set('', null);
    for (const space of header.namespaces.slice(1)) {
      const namespace = store.in(space.name, space);
      assertSame(
        store.spaces.find(({ name }) => name === space.name) ?? space,
        space,
        `namespace ${space.name}`,
      );
      this.#namespaces.set(space.name, namespace as unknown as AnyNamespace);
    }
  }

  /** The number of entries that are in the store. */
  get loaded(): number {
    return this.#batchLine - 2;
  }

  async take(line: string, number: number): Promise<void> {
    this.#line = number;
    this.#batch.push(this.#operationOf(readEntry(line, number)));
    this.#batchCharacters += line.length;
    if (this.#batch.length === BATCH_ENTRIES_MAX || this.#batchCharacters >= BATCH_CHARACTERS)
      await this.#write();
  }

  /** Writes the last batch. Resolves when all is durable. */
  async finish(): Promise<void> {
    const { entries } = this.#header;
    if (this.#line - 1 !== entries) {
      const what = `The dump has ${this.#line - 1} of the ${entries} entries that its header tells`;
      throw new CommandError('CUT_OFF', what, 'Make the dump again');
    }
    await this.#write();
    await this.store.db.flush();
  }

  /** Returns an error with what is in the store. */
  explained(error: unknown): unknown {
    if (!(error instanceof CommandError)) return error;
    const [first, loaded] = [this.#batchLine, this.loaded];
    const state = `The ${grouped(loaded)} entries before line ${first} are in the store, and nothing from line ${first} on`;
    return new CommandError(error.code, error.what, `${state}. ${error.next}`);
  }

  #operationOf({ namespace: name, ...entry }: DumpEntry): BatchOperation<unknown, unknown> {
    const namespace = this.#namespaces.get(name);
    if (namespace === undefined) {
      const what = `Line ${this.#line} is of a namespace ${JSON.stringify(name)} that the header does not name`;
      throw new CommandError('MALFORMED', what, 'Mend the line, or make the dump again');
    }
    return namespace === null ? { type: 'put', ...entry } : { type: 'put', namespace, ...entry };
  }

  async #write(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    try {
      void this.store.db.batch(batch, { durability: 'memory' });
    } catch (error) {
      throw withLine(error, this.#batchLine);
    }
    this.#batch = [];
    this.#batchCharacters = 0;
    this.#batchLine += batch.length;
    await this.store.db.drained();
  }
}

/** Returns an error that names the line of the operation that a batch has refused. */
function withLine(error: unknown, firstLine: number): unknown {
  const [, at] = /operations\[(\d+)\]/.exec((error as Error).message) ?? [];
  if (at === undefined) return error;
  const what = `Line ${firstLine + Number(at)} does not fit into the store: ${(error as Error).message}`;
  return new CommandError('MALFORMED', what, 'Mend the line, or make the dump again');
}

function assertSame(has: Encodings, given: Encodings, place: string): void {
  if (has.keyEncoding === given.keyEncoding && has.valueEncoding === given.valueEncoding) return;
  const what = `${place} has ${has.keyEncoding} keys and ${has.valueEncoding} values, the dump ${given.keyEncoding} keys and ${given.valueEncoding} values`;
  throw new CommandError('DIFFERENT', what, 'Load it into a new store');
}
