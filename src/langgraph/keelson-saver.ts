// The checkpoint saver for LangGraph: the methods that it calls, over the tables of a store. Encoding and decoding happen here.

import { isDeepStrictEqual } from 'node:util';
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  type DeltaChannelHistory,
  maxChannelVersion,
  type PendingWrite,
  type SerializerProtocol,
  TASKS,
  WRITES_IDX_MAP,
} from '@langchain/langgraph-checkpoint';
import { CollectionSource } from '../doors/collection-source.js';
import { misuse } from '../errors.js';
import type { BatchOperation, DirectoryPath } from '../kv/index.js';
import { type OptionTable, resolveOptions } from '../options.js';
import { type Config, checkString, configOf, keyOf, placeOf, threadOf } from './config.js';
import {
  keysAt,
  newestKey,
  planValues,
  readHistories,
  readValues,
  readWrites,
  type StoredWrite,
  versionOf,
} from './stored.js';
import {
  type AnyStore,
  type CheckpointKey,
  type CheckpointRow,
  type Encoded,
  type TableReads,
  type Tables,
  tablesIn,
  tablesOf,
  type ValueKey,
  type WriteKey,
  type WriteRow,
} from './tables.js';

/**
 * The options of a KeelsonSaver.
 *
 * @example
 * const options: KeelsonSaverOptions = { namespace: 'agents' };
 */
export interface KeelsonSaverOptions {
  /** The start of the names of the namespaces that the saver uses in the store. 1 to 243 bytes, default 'langgraph'. */
  readonly namespace?: string;
  /** The serializer of checkpoints, metadata and values. Default the JsonPlusSerializer of LangGraph. */
  readonly serde?: SerializerProtocol;
}

const OPTIONS: OptionTable<{ namespace: string; serde: SerializerProtocol | undefined }> = {
  namespace: {
    default: 'langgraph',
    check: (value) => (typeof value === 'string' && value !== '' ? undefined : 'a string that is not empty'),
  },
  serde: {
    default: undefined,
    check: (value) => (isSerializer(value) ? undefined : 'a serializer with dumpsTyped() and loadsTyped()'),
  },
};

const EXPECTED = 'an open store or a directory';

/** Since this format, checkpoints hold the tasks that were sent. Before, they are writes to the parent. */
const FORMAT_WITH_TASKS = 4;

/**
 * A checkpoint saver for LangGraph: the memory of graphs and agents, in a store. Each put and each putWrites is one atomic
 * write, and its promise resolves when the write would survive a power cut. A value of a channel that has not changed since the
 * parent checkpoint is not stored again.
 *
 * @example
 * const saver = new KeelsonSaver('./memory');
 * const graph = builder.compile({ checkpointer: saver });
 * await graph.invoke(input, { configurable: { thread_id: 'ada' } });
 * await saver.close();
 */
export class KeelsonSaver extends BaseCheckpointSaver {
  readonly #source: CollectionSource;
  readonly #namespace: string;

  /**
   * Makes a saver. A directory is opened at the first call of a method. Adapters of one process share an open directory.
   *
   * @param store An open store, whose other entries and namespaces the saver leaves alone, or the directory of a store.
   * @param options `namespace` and `serde`.
   * @throws A TypeError for anything else.
   * @example
   * const saver = new KeelsonSaver(db, { namespace: 'agents' });
   */
  constructor(store: AnyStore | DirectoryPath, options?: KeelsonSaverOptions) {
    const { namespace, serde } = resolveOptions('KeelsonSaver', OPTIONS, options);
    super(serde);
    this.#source = new CollectionSource('store', store, EXPECTED);
    if (this.#source.opened !== null && !hasNamespaces(store)) throw misuse('store', EXPECTED, store);
    this.#namespace = namespace;
  }

  /**
   * Closes the store of a directory, if no other adapter uses it. A store that was passed stays open. The saver cannot be
   * used afterwards. Never rejects.
   *
   * @example
   * await saver.close();
   */
  async close(): Promise<void> {
    await this.#source.close();
  }

  /** Calls close(), at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Returns a checkpoint with its metadata and the writes of tasks to it, or undefined when it is not there. Without a
   * `checkpoint_id` it is the newest one of the thread and namespace.
   *
   * @param config A configuration with `thread_id`, `checkpoint_ns` (default '') and `checkpoint_id`.
   * @throws Rejects with a TypeError for ids that are no strings, KEELSON_CLOSED, KEELSON_CORRUPT when the value of a channel is
   * missing, and for a directory with what open() rejects with.
   * @example
   * const tuple = await saver.getTuple({ configurable: { thread_id: 'ada' } });
   */
  override async getTuple(config: Config): Promise<CheckpointTuple | undefined> {
    const tables = await this.#tables();
    const key = findKey(tables, config);
    const row = key && tables.checkpoints.get(key);
    return row && this.#tuple(tables, key, row, this.#decode(row.metadata));
  }

  /**
   * Iterates over checkpoints, from the newest. It shows the store as of its first step.
   *
   * @param config A configuration whose `thread_id`, `checkpoint_ns` and `checkpoint_id`, where they are given, decide which
   * checkpoints are listed.
   * @param options `before`: only checkpoints with a lower id than its `checkpoint_id`. `filter`: only checkpoints whose
   * metadata has these values. `limit`: at most so many.
   * @throws The iteration throws what getTuple() rejects with.
   * @example
   * for await (const { checkpoint } of saver.list({ configurable: { thread_id: 'ada' } }, { limit: 10 })) show(checkpoint);
   */
  override async *list(config: Config, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { limit = Number.POSITIVE_INFINITY, before, filter = {} } = options;
    const place = placeOf(config);
    const beforeId = before && placeOf(before).checkpointId;
    const store = await this.#store();
    const snapshot = store.snapshot();
    try {
      const reads = tablesIn(snapshot, tablesOf(store, this.#namespace));
      let count = 0;
      for (const key of keysAt(reads, place, beforeId)) {
        if (count >= limit) return;
        const row = reads.checkpoints.get(key)!;
        const metadata = await this.#decode(row.metadata);
        if (!hasAll(metadata, filter)) continue;
        count++;
        yield await this.#tuple(reads, key, row, metadata);
      }
    } finally {
      snapshot.close();
    }
  }

  /**
   * Stores a checkpoint. Its parent is the checkpoint that `config` names.
   *
   * @param config A configuration with `thread_id`, `checkpoint_ns` (default '') and the `checkpoint_id` of the parent.
   * @param checkpoint The checkpoint.
   * @param metadata Its metadata.
   * @param newVersions The channels whose values are new since the parent, with their versions. Default all.
   * @returns The configuration that names the checkpoint, when the checkpoint is durable.
   * @throws Rejects with a TypeError for ids that are no strings, what the serializer throws, KEELSON_CLOSED, KEELSON_POISONED,
   * KEELSON_READ_ONLY, KEELSON_KEY_TOO_LARGE, KEELSON_RECORD_TOO_LARGE, KEELSON_NO_SPACE, KEELSON_IO.
   * @example
   * const config = await saver.put({ configurable: { thread_id: 'ada' } }, checkpoint, metadata, newVersions);
   */
  override async put(
    config: Config,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions = checkpoint.channel_versions,
  ): Promise<Config> {
    const key: CheckpointKey = [...threadOf(config), checkString('checkpoint.id', checkpoint.id)];
    const parentId = placeOf(config).checkpointId ?? null;
    const encoded = new Map<string, Encoded>();
    const encode = async (channel: string): Promise<unknown> =>
      encoded.set(channel, await this.#encode(checkpoint.channel_values[channel]));
    // All of it begins in this turn, so that the caller may change the values afterwards.
    const changed = Object.keys(checkpoint.channel_values).filter(
      (channel) => Object.hasOwn(newVersions, channel) || versionOf(checkpoint, channel) === null,
    );
    const [body, meta] = await Promise.all([
      this.#encode({ ...checkpoint, channel_values: {} }),
      this.#encode(metadata),
      ...changed.map(encode),
    ]);
    const tables = await this.#tables();
    let plan = planValues(tables, key, parentId, checkpoint, encoded);
    // A thread may be deleted meanwhile, so that more values are missing.
    while (plan.missing.length > 0) {
      await Promise.all(plan.missing.map(encode));
      plan = planValues(tables, key, parentId, checkpoint, encoded);
    }
    const [threadId, namespace, id] = key;
    const row = { checkpoint: body, metadata: meta, parentId, format: checkpoint.v, channels: plan.channels };
    await tables.checkpoints.batch([
      ...Array.from(encoded, ([channel, value]) => ({
        type: 'put' as const,
        namespace: tables.values,
        key: [threadId, namespace, channel, versionOf(checkpoint, channel), id] satisfies ValueKey,
        value,
      })),
      { type: 'put', key, value: row },
    ]);
    return configOf(key);
  }

  /**
   * Stores writes of a task to a checkpoint. A write that is there already stays as it is. Errors, interrupts and the like
   * replace the one before.
   *
   * @param config A configuration with `thread_id`, `checkpoint_ns` (default '') and `checkpoint_id`.
   * @param writes Pairs of a channel and a value.
   * @param taskId The task.
   * @param taskPath The path of the task, by which writes are ordered. Default ''.
   * @returns Resolves when the writes are durable.
   * @throws Rejects with what put() rejects with.
   * @example
   * await saver.putWrites(config, [['messages', message]], taskId);
   */
  override async putWrites(
    config: Config,
    writes: PendingWrite[],
    taskId: string,
    taskPath = '',
  ): Promise<void> {
    const key = keyOf(config);
    checkString('taskId', taskId);
    const values = await Promise.all(writes.map(([, value]) => this.#encode(value)));
    const tables = await this.#tables();
    const operations: BatchOperation<WriteKey, WriteRow>[] = [];
    for (const [at, [channel]] of writes.entries()) {
      const index = Object.hasOwn(WRITES_IDX_MAP, channel) ? WRITES_IDX_MAP[channel]! : at;
      const writeKey: WriteKey = [...key, taskId, index];
      if (index >= 0 && tables.writes.has(writeKey)) continue;
      operations.push({ type: 'put', key: writeKey, value: { channel, taskPath, value: values[at]! } });
    }
    // An empty batch resolves when the writes that are there already are durable.
    await tables.writes.batch(operations);
  }

  /**
   * Deletes a thread: all its checkpoints and writes, in all its namespaces.
   *
   * @param threadId The thread.
   * @returns Resolves when the deletion is durable.
   * @throws Rejects with what put() rejects with.
   * @example
   * await saver.deleteThread('ada');
   */
  override async deleteThread(threadId: string): Promise<void> {
    const prefix: [string] = [checkString('threadId', threadId)];
    const { checkpoints, values, writes } = await this.#tables();
    await checkpoints.batch([
      { type: 'clear', prefix },
      { type: 'clear', namespace: values, prefix },
      { type: 'clear', namespace: writes, prefix },
    ]);
  }

  /**
   * Returns what the ancestors of a checkpoint have stored of channels: for each channel the nearest value as `seed`, if there
   * is one, and the writes since, from the oldest to the newest.
   *
   * @param options `config`: a configuration that names the checkpoint, as for getTuple(). `channels`: the channels.
   * @throws Rejects with what getTuple() rejects with.
   * @example
   * const { messages } = await saver.getDeltaChannelHistory({ config, channels: ['messages'] });
   */
  override async getDeltaChannelHistory(options: {
    config: Config;
    channels: string[];
  }): Promise<Record<string, DeltaChannelHistory>> {
    const tables = await this.#tables();
    const key = findKey(tables, options.config) ?? ['', '', ''];
    const histories = readHistories(tables, key, options.channels);
    const decoded = Array.from(histories, async ([channel, { writes, seed }]) => {
      const history: DeltaChannelHistory = { writes: await this.#decodeWrites(writes) };
      if (seed !== undefined) history.seed = await this.#decode(seed);
      return [channel, history] as const;
    });
    return Object.fromEntries(await Promise.all(decoded));
  }

  async #tables(): Promise<Tables> {
    return tablesOf(await this.#store(), this.#namespace);
  }

  async #store(): Promise<AnyStore> {
    return (await this.#source.get()) as AnyStore;
  }

  /** Reads all parts of a checkpoint in this turn, and decodes them. */
  async #tuple(
    reads: TableReads,
    key: CheckpointKey,
    row: CheckpointRow,
    metadata: unknown,
  ): Promise<CheckpointTuple> {
    const [threadId, namespace] = key;
    const parentKey: CheckpointKey | null =
      row.parentId === null ? null : [threadId, namespace, row.parentId];
    const isOld = row.format < FORMAT_WITH_TASKS && parentKey !== null;
    const sent = isOld ? readWrites(reads, parentKey).filter(({ channel }) => channel === TASKS) : [];
    const values = readValues(reads, key, row.channels).map(
      async ([channel, value]) => [channel, await this.#decode(value)] as const,
    );
    const [checkpoint, channelValues, pendingWrites, tasks] = await Promise.all([
      this.#decode(row.checkpoint) as Promise<Checkpoint>,
      Promise.all(values),
      this.#decodeWrites(readWrites(reads, key)),
      this.#decodeWrites(sent),
    ]);
    checkpoint.channel_values = Object.fromEntries(channelValues);
    if (isOld) this.#addTasks(checkpoint, tasks);
    return {
      config: configOf(key),
      checkpoint,
      metadata: (await metadata) as CheckpointMetadata,
      pendingWrites,
      ...(parentKey !== null && { parentConfig: configOf(parentKey) }),
    };
  }

  /** Gives a checkpoint of an old format the tasks that were sent. */
  #addTasks(checkpoint: Checkpoint, tasks: CheckpointPendingWrite[]): void {
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[TASKS] = tasks.map(([, , task]) => task);
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }

  #decodeWrites(writes: readonly StoredWrite[]): Promise<CheckpointPendingWrite[]> {
    return Promise.all(
      writes.map(
        async ({ taskId, channel, value }): Promise<CheckpointPendingWrite> => [
          taskId,
          channel,
          await this.#decode(value),
        ],
      ),
    );
  }

  #encode(value: unknown): Promise<Encoded> {
    return this.serde.dumpsTyped(value);
  }

  #decode([type, bytes]: Encoded): Promise<unknown> {
    return this.serde.loadsTyped(type, bytes);
  }
}

/** Returns the key of the checkpoint that a configuration names: by its id, or the newest one. */
function findKey(tables: Tables, config: Config): CheckpointKey | undefined {
  const { threadId, namespace = '', checkpointId } = placeOf(config);
  if (threadId === undefined) return undefined;
  return checkpointId === undefined
    ? newestKey(tables, threadId, namespace)
    : [threadId, namespace, checkpointId];
}

function hasAll(metadata: unknown, filter: Readonly<Record<string, unknown>>): boolean {
  const found = Object(metadata) as Record<string, unknown>;
  return Object.entries(filter).every(([name, value]) => isDeepStrictEqual(found[name], value));
}

function hasNamespaces(store: unknown): boolean {
  return typeof (Object(store) as Partial<AnyStore>).namespace === 'function';
}

function isSerializer(value: unknown): value is SerializerProtocol {
  const { dumpsTyped, loadsTyped } = Object(value) as Partial<SerializerProtocol>;
  return typeof dumpsTyped === 'function' && typeof loadsTyped === 'function';
}
