// The store of a replica: a read-only store that another thread sends records to.

import { KeelsonError } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import { openStorage, type Storage } from '../storage/index.js';
import { openReplicaStoreOn } from './open-store.js';
import { resolveStoreOptions } from './options.js';
import type { Reads } from './read/reads.js';
import { Store } from './store.js';

/** The place of the store that is replicated. */
export interface ReplicatedPlace {
  readonly directory: string;
  readonly id: string;
  /** The LSN up to which the store is durable, and the replica shows it at least. */
  readonly lsn: number;
}

/** A namespace, as a replica reads it. */
export interface IndexedNamespace extends Reads<unknown, unknown> {
  readonly indexes: object;
  readonly ready: Promise<unknown>;
}

/** The store of a replica. */
export interface ReplicaStore {
  readonly reads: Reads<unknown, unknown>;
  readonly lsn: Lsn;
  /** The time of a clock that only measures how long something takes, in milliseconds. */
  nowMs(): number;
  namespace(name: string, options?: object): IndexedNamespace;
  namespaces(): string[];
  /** Applies the next durable record. Skips one that it shows already. */
  receive(lsn: number, bytes: Uint8Array, start: number, end: number): void;
  /** Ends a row of records. */
  received(): void;
  /** Loads the store anew. It shows its entries until then, and afterwards what is durable up to `durableLsn` at least. */
  reload(durableLsn: number): Promise<void>;
  close(): Promise<void>;
}

/** Loads the store of a replica from the files of the store. */
export async function openReplicaStore(
  { directory, id, lsn }: ReplicatedPlace,
  encodings: object,
  storage: Storage = openStorage('fs'),
): Promise<ReplicaStore> {
  const options = resolveStoreOptions({ ...encodings, readOnly: true });
  const store = await openReplicaStoreOn(storage, directory, options, lsn);
  if (store.id !== id) {
    await store.close();
    const what = `${directory} holds another store than the one that is replicated`;
    throw new KeelsonError(
      'KEELSON_FOREIGN',
      { what, next: 'Close that one, and open it again' },
      { path: directory },
    );
  }
  const following = Store.followingOf(store);
  return {
    reads: store,
    get lsn() {
      return store.lastLsn;
    },
    nowMs: () => storage.nowMs(),
    namespace: (name, namespaceOptions) => store.namespace(name, namespaceOptions),
    namespaces: () => store.namespaces(),
    receive: (lsn, bytes, start, end) => following.receive(lsn, bytes, start, end),
    received: () => following.received(),
    reload: (durableLsn) => following.reload(durableLsn),
    close: () => store.close(),
  };
}
