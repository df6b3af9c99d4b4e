// The inner door of the store: opening a store on a storage of the caller, for src/testing, and what replicas need.

export { absoluteDirectory } from '../journal/internal.js';
export { openStoreOn } from './open-store.js';
export { resolveStoreOptions } from './options.js';
export {
  type FromReplica,
  REPLICA_PROTOCOL,
  ReceivedRecords,
  type RecordsMessage,
  receivedError,
  sentError,
  type ToReplica,
} from './replica-messages.js';
export { type IndexedNamespace, openReplicaStore, type ReplicaStore } from './replica-store.js';
