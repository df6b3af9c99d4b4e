// Stores on a simulated disk, with small files and a write log of any size.

import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const DIRECTORY = '/data/store';

/** Sizes in bytes that need little memory. */
const SMALL_FILES = { blockBytes: 512, segmentBytesMin: 16_384, segmentBytesMax: 131_072 };

/** What the index of each namespace gives for a value: few numbers, so that transactions meet. */
export function kindOf(value: unknown): number {
  return String(value).length % KINDS;
}

/** The number of different results of kindOf(). */
export const KINDS = 3;

const DECLARED = new WeakSet<object>();

/** Returns a namespace with its index, which another namespace of the name needs again. */
export function namespaceIn(db: Store<string, unknown>, name: string) {
  const namespace = db.namespace<unknown>(name);
  if (DECLARED.has(namespace)) return namespace;
  DECLARED.add(namespace);
  return db.namespace(name, { indexes: (index) => ({ byKind: index((value: unknown) => kindOf(value)) }) });
}

export function newDisk(seed: number): SimulatedDisk {
  return new SimulatedDisk({ seed, directories: ['/data'] });
}

/** Opens the store of a storage. `changesMax` is the most changes in its write log. */
export async function openOn<V = unknown>(
  storage: Storage,
  changesMax?: number,
  clock?: () => number,
): Promise<Store<string, V>> {
  const options = resolveStoreOptions({ clock });
  const db = await openStoreOn(storage, DIRECTORY, options, SMALL_FILES, changesMax);
  return db as unknown as Store<string, V>;
}
