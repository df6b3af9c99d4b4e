// A namespace of a store: the handle that db.namespace() returns. collection-interface.ts documents it for callers.

import { type InspectOptions, inspect } from 'node:util';
import type { ClosableIterator } from '../batch-iterator.js';
import { type CollectionStore, SpaceCollection } from './collection.js';
import type { IndexStats, NamespaceStats, Namespace as NamespaceSurface } from './collection-interface.js';
import { BOUND_NAMES, resolveRange } from './encoding/range.js';
import type { SecondaryIndex } from './entries/secondary-index.js';
import type { Space } from './entries/space.js';
import type { ChangeFeeds } from './feed/change-feeds.js';
import type { ChangeGroup, NamespaceChangesOptions } from './feed/change-types.js';
import { resolveNamespaceChangesOptions } from './feed/changes-options.js';
import type { IndexDefinitions, IndexesOf } from './read/index-interface.js';
import { type IndexAccess, type IndexedView, IndexOverEntries, readsByName } from './read/index-reads.js';
import type { Codecs } from './read/reads.js';
import { shown } from './read/shown.js';
import { assertNotDropped } from './write/conditions.js';
import type { PostingMaker } from './write/index-postings.js';

/** The part of a store that its namespaces use. */
export interface NamespaceStore extends CollectionStore {
  readonly feeds: ChangeFeeds;
  /** Makes the postings of entries in secondary indexes. */
  readonly postings: PostingMaker;
  /** Returns milliseconds that never go back. */
  nowMs(): number;
}

/** The inside of a handle of a namespace. */
export interface NamespaceInside {
  readonly store: NamespaceStore;
  /** The space, which may be dropped. */
  readonly space: Space;
  readonly codecs: Codecs<unknown, unknown>;
}

const NO_INDEXES = Object.freeze(Object.create(null));

/** The access of reads to an index of a live namespace. */
class LiveIndexAccess implements IndexAccess {
  readonly #store: CollectionStore;
  readonly #space: Space;
  readonly #name: string;

  constructor(store: CollectionStore, space: Space, name: string) {
    this.#store = store;
    this.#space = space;
    this.#name = name;
  }

  assertOpen(): void {
    this.#store.assertOpen();
    assertNotDropped(this.#space);
  }

  view(): IndexedView {
    // An index that was given up may have been declared again.
    const index = this.#space.indexes!.byName.get(this.#name)!;
    index.assertReady();
    const entries = this.#space.current;
    entries.leaveDue();
    return new IndexOverEntries(index, entries);
  }
}

/** The handle of a namespace. There is one for each name until the namespace is dropped. */
export class Namespace<K, V>
  extends SpaceCollection<K, V>
  implements NamespaceSurface<K, V, IndexDefinitions>
{
  readonly name: string;
  #indexes: IndexesOf<K, V, IndexDefinitions> = NO_INDEXES;
  #ready: Promise<this> | null = null;
  readonly #store: NamespaceStore;
  readonly #space: Space;

  constructor(codecs: Codecs<K, V>, store: NamespaceStore, space: Space) {
    super(codecs, store, space);
    this.name = space.name;
    this.#store = store;
    this.#space = space;
  }

  get indexes(): IndexesOf<K, V, IndexDefinitions> {
    return this.#indexes;
  }

  get ready(): Promise<this> {
    this.#ready ??= Promise.resolve(this);
    return this.#ready;
  }

  changes(options?: NamespaceChangesOptions<K>): ClosableIterator<ChangeGroup<K, V>> {
    const resolved = resolveNamespaceChangesOptions(options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, resolved.range);
    this.#store.assertOpen();
    assertNotDropped(this.#space);
    return this.#store.feeds.openOf(this.#space, bounds, resolved) as ClosableIterator<ChangeGroup<K, V>>;
  }

  stats(): NamespaceStats {
    this.#store.assertOpen();
    assertNotDropped(this.#space);
    const { indexes, lastLsn } = this.#space;
    const entries = this.#space.current;
    const { slabBytes, hashIndexBytes, handleBytes, deadlineBytes } = entries.memory;
    const memoryBytes = slabBytes + hashIndexBytes + handleBytes + deadlineBytes;
    const { size, expiringCount: expiring } = entries;
    return { entries: size, expiring, lastLsn, memoryBytes, indexes: statsOf(indexes?.list ?? []) };
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const facts = {
      name: () => this.name,
      entries: () => {
        this.#store.assertOpen();
        assertNotDropped(this.#space);
        return this.#space.entries.size;
      },
      indexes: () => this.#space.indexes?.list.map(({ name }) => name),
    };
    return shown('Namespace', facts, options);
  }

  /** Notes that indexes were declared. `done` is the promise of their build. @internal */
  static declared<K, V>(handle: Namespace<K, V>, done: Promise<void>): void {
    const space = handle.#space;
    handle.#indexes = readsByName(space.indexes!.list, handle.codecs, ({ name }) => {
      return new LiveIndexAccess(handle.#store, space, name);
    });
    handle.#ready = done.then(() => handle);
    handle.#ready.catch(() => {});
  }

  /** Returns what is inside of a handle. It is no method, because handles are in the hands of users. @internal */
  static insideOf(handle: Namespace<unknown, unknown>): NamespaceInside {
    return { store: handle.#store, space: handle.#space, codecs: handle.codecs };
  }
}

/** Returns the figures of indexes by their names. */
function statsOf(indexes: readonly SecondaryIndex[]): NamespaceStats['indexes'] {
  const byName: { [name: string]: IndexStats } = Object.create(null);
  for (const { name, size, memoryBytes } of indexes) byName[name] = { entries: size, memoryBytes };
  return byName;
}
