// A store with any encodings: opened with those that its files name. Values in an encoding of a program are bytes here.

import { KeelsonError } from '../errors.js';
import {
  type ChangeGroup,
  type Collection,
  type CustomValueEncoding,
  type KeyEncoding,
  type Namespace,
  type NamespaceChangesOptions,
  open,
  type Store,
} from '../kv/index.js';
import { readEncodings, type SpaceFacts, StoreInside } from '../kv/internal.js';
import { CommandError } from './command-errors.js';
import { grouped } from './output.js';
import { startProgress } from './progress.js';

/** Keys and values of any type. */
export type AnyCollection = Collection<unknown, unknown>;

/** The names of encodings. */
export type Encodings = Pick<SpaceFacts, 'keyEncoding' | 'valueEncoding'>;

/** How a store is opened. */
export interface OpenPlan {
  readonly directory: string;
  readonly readOnly: boolean;
  /** The encodings of a store that is made when it is not there. Without, it must be there. */
  readonly create?: Encodings | undefined;
  /** The seconds to wait for a live owner. */
  readonly wait?: number | undefined;
}

/** The most namespaces that a message lists. */
const NAMES_MAX = 20;
const BUILT_IN: readonly string[] = ['msgpack', 'json', 'utf8', 'bytes'];

/** An open store, whatever its encodings are. */
export class AnyStore {
  readonly db: Store<unknown, unknown>;
  readonly #asked = new Set<string>();

  private constructor(db: Store<unknown, unknown>) {
    this.db = db;
    this.#askForNames();
  }

  /** Opens the store, runs `use`, and closes it. */
  static async using<T>(plan: OpenPlan, use: (store: AnyStore) => Promise<T>): Promise<T> {
    const store = await AnyStore.open(plan);
    try {
      return await use(store);
    } finally {
      await store.db.close();
    }
  }

  static async open({ directory, readOnly, create, wait = 0 }: OpenPlan): Promise<AnyStore> {
    const encodings = (await recordedIn(directory, create)) ?? {
      keyEncoding: 'utf8',
      valueEncoding: 'msgpack',
    };
    const progress = startProgress('bytes and entries');
    try {
      const db = await open(directory, {
        ...codecsOf(encodings),
        readOnly,
        create: create !== undefined,
        waitForLockMs: Math.round(wait * 1000),
        onProgress: ({ done, total }) => progress.update(done, total),
      });
      return new AnyStore(db as Store<unknown, unknown>);
    } finally {
      progress.stop();
    }
  }

  /** Says on standard error where the entries are, when the store itself was asked and has none. */
  hintAtNamespaces(namespace: string): void {
    if (namespace !== '' || this.db.size > 0) return;
    const full = this.spaces.filter(({ name, entries }) => name !== '' && entries > 0);
    if (full.length === 0) return;
    const names = full.slice(0, NAMES_MAX).map(({ name, entries }) => `${name} (${grouped(entries)})`);
    const more = full.length > NAMES_MAX ? ' …' : '';
    process.stderr.write(
      `The store itself has no entries; its namespaces have: ${names.join(', ')}${more}. See -n\n`,
    );
  }

  /** Asks for each namespace once, because the change feed decodes by what was asked for. */
  #askForNames(): void {
    for (const { name } of this.spaces) {
      if (name === '' || this.#asked.has(name)) continue;
      this.in(name);
      this.#asked.add(name);
    }
  }

  /** The store itself, whose name is '', and its namespaces. */
  get spaces(): SpaceFacts[] {
    return StoreInside.spacesOf(this.db as never);
  }

  /** The highest id that nextId() has drawn. */
  get highestId(): number {
    return StoreInside.highestIdOf(this.db as never);
  }

  /** Draws all ids up to this one. The next write records it. */
  drawUpTo(id: number): void {
    StoreInside.drawUpTo(this.db as never, id);
  }

  /** Returns the encodings of a namespace, or of the store itself for ''. */
  encodingsOf(name: string): Encodings {
    const found = this.spaces.find((space) => space.name === name);
    if (found !== undefined) return found;
    const what = `There is no namespace ${JSON.stringify(name)} in ${this.db.directory}`;
    const names = this.spaces.flatMap((space) => (space.name === '' ? [] : [JSON.stringify(space.name)]));
    const some = names.length > NAMES_MAX ? [...names.slice(0, NAMES_MAX), '…'] : names;
    const next = `${some.length === 0 ? 'It has none' : `It has ${some.join(', ')}`}; \`keelson put --create\` makes one`;
    throw new CommandError('NO_NAMESPACE', what, next);
  }

  /** Returns the changes of a namespace, or of the store itself for '', within a range. */
  changesIn(name: string, options: NamespaceChangesOptions<unknown>): AsyncIterableIterator<ChangeGroup> {
    if (name === '') return StoreInside.ownChangesOf(this.db as never, options);
    return (this.in(name) as Namespace<unknown, unknown>).changes(options);
  }

  /** Shows what the owner has written since, new namespaces too. */
  async refresh(): Promise<void> {
    await this.db.refresh();
    this.#askForNames();
  }

  /** Returns a namespace, or the store itself for ''. With `create`, the next write creates it with these encodings. */
  in(name: string, create?: Encodings): AnyCollection {
    const isThere = this.spaces.some((space) => space.name === name);
    const { keyEncoding, valueEncoding } = create === undefined || isThere ? this.encodingsOf(name) : create;
    if (name === '') return this.db;
    return this.db.namespace(name, codecsOf({ keyEncoding, valueEncoding })) as unknown as AnyCollection;
  }
}

/** Returns the encodings that are recorded, or those of a store that is to be made. */
async function recordedIn(directory: string, create: Encodings | undefined): Promise<Encodings | null> {
  try {
    const names = await readEncodings(directory);
    return names === null
      ? null
      : { keyEncoding: names.keyEncodingName, valueEncoding: names.valueEncodingName };
  } catch (error) {
    if (create !== undefined && error instanceof KeelsonError && error.code === 'KEELSON_NOT_FOUND')
      return create;
    throw error;
  }
}

function codecsOf({ keyEncoding, valueEncoding }: Encodings): {
  keyEncoding: KeyEncoding;
  valueEncoding: 'bytes' | CustomValueEncoding<Uint8Array>;
} {
  const key = keyEncoding as KeyEncoding;
  if (BUILT_IN.includes(valueEncoding)) return { keyEncoding: key, valueEncoding: valueEncoding as 'bytes' };
  const asIs = (bytes: Uint8Array) => bytes;
  return { keyEncoding: key, valueEncoding: { name: valueEncoding, encode: asIs, decode: asIs } };
}
