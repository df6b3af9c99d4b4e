// Stores on a simulated disk, with small files and a write log of any size.

import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const DIRECTORY = '/data/store';

/** Sizes in bytes that need little memory. */
const SMALL_FILES = { blockBytes: 512, segmentBytesMin: 16_384, segmentBytesMax: 131_072 };

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
