// A namespace of a store: the handle that db.namespace() returns. collection-interface.ts documents it for callers.

import type { NamespaceStats, Namespace as NamespaceSurface } from './collection-interface.js';
import type { Space } from './entries/space.js';
import type { Codecs } from './read/reads.js';
import { type CollectionStore, SpaceCollection } from './write/collection.js';
import { assertNotDropped } from './write/conditions.js';

/** The inside of a handle of a namespace. */
export interface NamespaceInside {
  readonly store: CollectionStore;
  /** The space, which may be dropped. */
  readonly space: Space;
  readonly codecs: Codecs<unknown, unknown>;
}

/** The handle of a namespace. There is one for each name until the namespace is dropped. */
export class Namespace<K, V> extends SpaceCollection<K, V> implements NamespaceSurface<K, V> {
  readonly name: string;
  readonly #store: CollectionStore;
  readonly #space: Space;

  constructor(codecs: Codecs<K, V>, store: CollectionStore, space: Space) {
    super(codecs, store, space);
    this.name = space.name;
    this.#store = store;
    this.#space = space;
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
