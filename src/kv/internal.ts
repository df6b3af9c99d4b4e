// The inner door of the store: opening a store on a storage of the caller, for src/testing, and what replicas need.

export { absoluteDirectory } from '../journal/internal.js';
export { openStoreOn } from './open-store.js';
export { resolveStoreOptions } from './options.js';
export {
  REPLICA_PROTOCOL,
  type RecordsMessage,
  receivedError,
  type ToReplica,
  unpackRecords,
} from './replica-messages.js';
export { type IndexedNamespace, openReplicaStore, type ReplicaStore } from './replica-store.js';
