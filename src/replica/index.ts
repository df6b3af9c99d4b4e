// The entry point of "keelson/replica": a store in a worker thread that shows what the store of another thread has durably.

import '../node-version.js';

export { openReplica, type ReplicaOptions } from './open-replica.js';
export type { Replica, ReplicaNamespace, WhenAtOptions } from './replica-interface.js';
