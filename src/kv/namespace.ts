// A namespace of a store: the handle that db.namespace() returns. collection-interface.ts documents it for callers.

import type { NamespaceStats, Namespace as NamespaceSurface } from './collection-interface.js';
import { BOUND_NAMES, resolveRange } from './encoding/range.js';
import type { Space } from './entries/space.js';
import type { ChangeFeeds } from './feed/change-feeds.js';
import type { ChangeGroup, NamespaceChangesOptions } from './feed/change-types.js';
import { resolveNamespaceChangesOptions } from './feed/changes-options.js';
import type { Codecs } from './read/reads.js';
import { type CollectionStore, SpaceCollection } from './write/collection.js';
import { assertNotDropped } from './write/conditions.js';

/** The part of a store that its namespaces use. */
export interface NamespaceStore extends CollectionStore {
  readonly feeds: ChangeFeeds;
}

/** The inside of a handle of a namespace. */
export interface NamespaceInside {
  readonly store: NamespaceStore;
  /** The space, which may be dropped. */
  readonly space: Space;
  readonly codecs: Codecs<unknown, unknown>;
}

/** The handle of a namespace. There is one for each name until the namespace is dropped. */
export class Namespace<K, V> extends SpaceCollection<K, V> implements NamespaceSurface<K, V> {
  readonly name: string;
  readonly #store: NamespaceStore;
  readonly #space: Space;

  constructor(codecs: Codecs<K, V>, store: NamespaceStore, space: Space) {
    super(codecs, store, space);
    this.name = space.name;
    this.#store = store;
    this.#space = space;
  }

  changes(options?: NamespaceChangesOptions<K>): AsyncIterableIterator<ChangeGroup<K, V>> {
    const resolved = resolveNamespaceChangesOptions(options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, resolved.range);
    this.#store.assertOpen();
    const space = this.#space;
    assertNotDropped(space);
    const filter = { isOf: ({ id }: Space) => id === space.id, bounds };
    return this.#store.feeds.open(resolved, filter) as AsyncIterableIterator<ChangeGroup<K, V>>;
  }

  stats(): NamespaceStats {
    this.#store.assertOpen();
    assertNotDropped(this.#space);
    const { lastLsn } = this.#space;
    const entries = this.#space.current;
    const { slabBytes, hashIndexBytes, handleBytes, deadlineBytes } = entries.memory;
    const memoryBytes = slabBytes + hashIndexBytes + handleBytes + deadlineBytes;
    return { entries: entries.size, expiring: entries.expiringCount, lastLsn, memoryBytes };
  }

  /** Returns what is inside of a handle. It is no method, because handles are in the hands of users. @internal */
  static insideOf(handle: Namespace<unknown, unknown>): NamespaceInside {
    return { store: handle.#store, space: handle.#space, codecs: handle.codecs };
  }
}
