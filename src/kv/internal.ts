// The inner door of the store: opening a store on a storage of the caller, for src/testing, and what src/replica, src/level
// and src/cli need.

export { absoluteDirectory } from '../journal/internal.js';
export type { SpaceCollection } from './collection.js';
export type { KeyBounds } from './encoding/key-bounds.js';
export { bytesKeyCodec, type KeyCodec } from './encoding/key-encoding.js';
export { asBuffer, readLatin1, readLossyUtf8 } from './encoding/utf8.js';
export { bytesValueCodec, type ValueCodec } from './encoding/value-encoding.js';
export { openStoreOn } from './open-store.js';
export { resolveStoreOptions } from './options.js';
export { batchOfChecked, collectionWith, rawReadsOf } from './raw-access.js';
export type { Cursor, RawReads } from './read/raw-reads.js';
export {
  listStoreCommits,
  readEncodings,
  readStoreHeaders,
  type StoreHeaders,
} from './repair/store-headers.js';
export { type IndexedNamespace, openReplicaStore, type ReplicaStore } from './replica-store.js';
export {
  type FromReplica,
  REPLICA_PROTOCOL,
  ReceivedRecords,
  type RecordsMessage,
  receivedError,
  sentError,
  type ToReplica,
} from './replication/replica-messages.js';
export { type SpaceFacts, Store as StoreInside } from './store.js';
export type { CheckedOperation } from './write/batch.js';
