// The three namespaces of a saver: their names, their keys and their rows.

import { msgpack, type Namespace, type Reads, type Snapshot, type Store, tuple } from '../kv/index.js';

/** A store of any keys and values. A saver uses only namespaces of its own in it. */
// biome-ignore lint/suspicious/noExplicitAny: the owner of the store decides what it holds.
export type AnyStore = Store<any, any>;

/** A value that the serializer of a saver has encoded: the type that decoding needs, and the bytes. */
export type Encoded = readonly [type: string, bytes: Uint8Array];

/** The key of a checkpoint. Those of one thread and namespace are in the order of their ids, which is that of time. */
export type CheckpointKey = [threadId: string, namespace: string, checkpointId: string];

/** The version of a channel. Null for a value that came without one. */
export type Version = number | string | null;

/** A channel with a value, its version, and the id of the checkpoint with which the value was stored. */
export type ChannelPlace = readonly [channel: string, version: Version, checkpointId: string];

/** A checkpoint. */
export interface CheckpointRow {
  /** The checkpoint without the values of its channels. */
  readonly checkpoint: Encoded;
  readonly metadata: Encoded;
  readonly parentId: string | null;
  /** The version of the format of the checkpoint. */
  readonly format: number;
  /** The values of its channels: those that it has stored, and those of earlier checkpoints. */
  readonly channels: readonly ChannelPlace[];
}

/**
 * The key of a channel's value. A version is not enough: when a thread forks, both branches count on from the same version.
 */
export type ValueKey = [
  threadId: string,
  namespace: string,
  channel: string,
  version: Version,
  checkpointId: string,
];

/** The key of a write of a task. Special channels have negative indices. */
export type WriteKey = [
  threadId: string,
  namespace: string,
  checkpointId: string,
  taskId: string,
  index: number,
];

/** A write of a task. */
export interface WriteRow {
  readonly channel: string;
  readonly taskPath: string;
  readonly value: Encoded;
}

/** The reads of a saver: of the store as it is, or of a snapshot. */
export interface TableReads {
  readonly checkpoints: Reads<CheckpointKey, CheckpointRow>;
  readonly values: Reads<ValueKey, Encoded>;
  readonly writes: Reads<WriteKey, WriteRow>;
}

/** The namespaces of a saver. */
export interface Tables extends TableReads {
  readonly checkpoints: Namespace<CheckpointKey, CheckpointRow>;
  readonly values: Namespace<ValueKey, Encoded>;
  readonly writes: Namespace<WriteKey, WriteRow>;
}

/** Returns the namespaces of a saver. Their names begin with `name`. */
export function tablesOf(store: AnyStore, name: string): Tables {
  return {
    checkpoints: store.namespace(`${name}:checkpoints`, {
      keyEncoding: tuple<CheckpointKey>(),
      valueEncoding: msgpack<CheckpointRow>(),
    }),
    values: store.namespace(`${name}:values`, {
      keyEncoding: tuple<ValueKey>(),
      valueEncoding: msgpack<Encoded>(),
    }),
    writes: store.namespace(`${name}:writes`, {
      keyEncoding: tuple<WriteKey>(),
      valueEncoding: msgpack<WriteRow>(),
    }),
  };
}

/** Returns the tables as a snapshot shows them. */
// biome-ignore lint/suspicious/noExplicitAny: the owner of the store decides what it holds.
export function tablesIn(snapshot: Snapshot<any, any>, tables: Tables): TableReads {
  return {
    checkpoints: snapshot.in(tables.checkpoints),
    values: snapshot.in(tables.values),
    writes: snapshot.in(tables.writes),
  };
}
