// The access of src/level to a store: reads and writes of the store itself, by codecs of the caller.

import type { Lsn } from '../journal/index.js';
import { SpaceCollection } from './collection.js';
import type { RawReads } from './read/raw-reads.js';
import { type Codecs, SpaceReads } from './read/reads.js';
import { Store } from './store.js';
import type { Snapshot as SnapshotSurface, Store as StoreSurface } from './store-interface.js';
import type { CheckedOperation } from './write/batch.js';
import type { WriteOptions } from './write/write-options.js';

/** Returns the reads and writes of the store itself with other codecs, which write the same bytes as those of the store. */
export function collectionWith<K, V>(
  store: StoreSurface<Uint8Array, Uint8Array>,
  codecs: Codecs<K, V>,
): SpaceCollection<K, V> {
  return Store.collectionWith(store as unknown as Store<unknown, unknown>, codecs);
}

/** Returns the raw reads of the store itself, live or in a snapshot. */
export function rawReadsOf(
  reads: StoreSurface<Uint8Array, Uint8Array> | SnapshotSurface<Uint8Array, Uint8Array>,
): RawReads {
  return SpaceReads.rawOf(reads as unknown as SpaceReads<Uint8Array, Uint8Array>);
}

/** Applies puts and deletes that are known to be well-formed, as batch() of a collection does. */
export function batchOfChecked<K, V>(
  collection: SpaceCollection<K, V>,
  operations: readonly CheckedOperation<K, V>[],
  options: WriteOptions,
): Promise<Lsn> {
  return SpaceCollection.batchOfChecked(collection, operations, options);
}
