// Reads checkpoints and their parts from the tables, and decides what a put has to store. Synchronous, so that no write comes
// between the reads of one call.

import {
  type Checkpoint,
  compareWritesSortKeys,
  type WritesSortKey,
  writesSortKey,
} from '@langchain/langgraph-checkpoint';
import { KeelsonError } from '../errors.js';
import type { Place } from './config.js';
import type { ChannelPlace, CheckpointKey, CheckpointRow, Encoded, TableReads, Version } from './tables.js';

/** A write of a task, still encoded. */
export interface StoredWrite {
  readonly taskId: string;
  readonly channel: string;
  readonly value: Encoded;
}

/** The values of a channel that the ancestors of a checkpoint have stored, still encoded. */
export interface StoredHistory {
  /** From the oldest to the newest. */
  readonly writes: StoredWrite[];
  seed?: Encoded;
}

/** Returns the key of the newest checkpoint of a thread and namespace. */
export function newestKey(
  { checkpoints }: TableReads,
  threadId: string,
  namespace: string,
): CheckpointKey | undefined {
  return checkpoints.keys({ prefix: [threadId, namespace], reverse: true, limit: 1 }).next().value;
}

/** Iterates over the keys of the checkpoints at a place and before an id, from the newest. */
export function* keysAt(
  { checkpoints }: TableReads,
  { threadId, namespace, checkpointId }: Place,
  before: string | undefined,
): Generator<CheckpointKey> {
  const keys =
    threadId !== undefined && namespace !== undefined
      ? checkpoints.keys({
          prefix: [threadId, namespace],
          lt: before === undefined ? undefined : [threadId, namespace, before],
          reverse: true,
        })
      : newestFirst(checkpoints.keys({ prefix: threadId === undefined ? [] : [threadId] }));
  for (const key of keys) {
    const [, ofNamespace, id] = key;
    if (namespace !== undefined && ofNamespace !== namespace) continue;
    if (checkpointId !== undefined && id !== checkpointId) continue;
    if (before === undefined || id < before) yield key;
  }
}

/** Sorts keys of several threads or namespaces by the ids of their checkpoints. */
function newestFirst(keys: Iterable<CheckpointKey>): CheckpointKey[] {
  return [...keys].sort(([, , one], [, , other]) => (one < other ? 1 : one > other ? -1 : 0));
}

/** Returns the values of the channels of a checkpoint. */
export function readValues(
  reads: TableReads,
  key: CheckpointKey,
  channels: readonly ChannelPlace[],
): [channel: string, value: Encoded][] {
  return channels.map((place) => [place[0], readValue(reads, key, place)]);
}

function readValue({ values }: TableReads, key: CheckpointKey, place: ChannelPlace): Encoded {
  const [threadId, namespace, id] = key;
  const found = values.get([threadId, namespace, ...place]);
  if (found !== undefined) return found;
  // Only repair can take the value of a checkpoint away. Without it, a graph would go on from a state that never was.
  const [channel, checkpoint, thread] = [place[0], id, threadId].map((name) => JSON.stringify(name));
  const what = `The value of the channel ${channel} of the checkpoint ${checkpoint} of the thread ${thread} is missing`;
  const next = 'Go on from another checkpoint of the thread, or delete the thread';
  throw new KeelsonError('KEELSON_CORRUPT', { what, next }, { key });
}

/** Returns the writes to a checkpoint, in the order in which a run applies them. */
export function readWrites({ writes }: TableReads, key: CheckpointKey): StoredWrite[] {
  const found: [WritesSortKey, StoredWrite][] = [];
  for (const [[, , , taskId, index], { channel, taskPath, value }] of writes.entries({ prefix: key })) {
    found.push([writesSortKey(taskPath, taskId, index), { taskId, channel, value }]);
  }
  return found.sort(([one], [other]) => compareWritesSortKeys(one, other)).map(([, write]) => write);
}

/** Returns what the ancestors of a checkpoint have stored of channels, up to the nearest value of each. */
export function readHistories(
  reads: TableReads,
  key: CheckpointKey,
  channels: readonly string[],
): Map<string, StoredHistory> {
  const histories = new Map(channels.map((channel): [string, StoredHistory] => [channel, { writes: [] }]));
  const open = new Set(channels);
  for (const [ancestor, row] of ancestorsOf(reads, key)) {
    for (const write of readWrites(reads, ancestor).reverse()) {
      if (open.has(write.channel)) histories.get(write.channel)!.writes.push(write);
    }
    for (const place of row.channels) {
      if (open.delete(place[0])) histories.get(place[0])!.seed = readValue(reads, ancestor, place);
    }
    if (open.size === 0) break;
  }
  for (const { writes } of histories.values()) writes.reverse();
  return histories;
}

function* ancestorsOf(
  { checkpoints }: TableReads,
  key: CheckpointKey,
): Generator<[CheckpointKey, CheckpointRow]> {
  const [threadId, namespace] = key;
  // A caller can store a checkpoint as its own ancestor.
  const seen = new Set<string>();
  for (let parentId = checkpoints.get(key)?.parentId ?? null; parentId !== null && !seen.has(parentId); ) {
    seen.add(parentId);
    const ancestor: CheckpointKey = [threadId, namespace, parentId];
    const row = checkpoints.get(ancestor);
    if (row === undefined) return;
    yield [ancestor, row];
    parentId = row.parentId;
  }
}

/** The plan of a put for the values of channels. */
export interface ValuePlan {
  /** The places of the values that the checkpoint will have. */
  readonly channels: ChannelPlace[];
  /** The channels whose values must be encoded first. */
  readonly missing: string[];
}

/**
 * Decides where the values of a checkpoint are. `encoded` are the channels whose values are stored with the checkpoint. Another
 * value is that of the parent if it has the same version there. Otherwise it must be stored, too, unless neither the parent nor
 * the version is known: such a value was never told to be new.
 */
export function planValues(
  reads: TableReads,
  key: CheckpointKey,
  parentId: string | null,
  checkpoint: Checkpoint,
  encoded: ReadonlyMap<string, Encoded>,
): ValuePlan {
  const [threadId, namespace, id] = key;
  const parent = parentId === null ? undefined : reads.checkpoints.get([threadId, namespace, parentId]);
  const inherited = new Map(parent?.channels.map((place) => [place[0], place]));
  const plan: ValuePlan = { channels: [], missing: [] };
  for (const channel of Object.keys(checkpoint.channel_values)) {
    const version = versionOf(checkpoint, channel);
    const ofParent = inherited.get(channel);
    if (encoded.has(channel)) plan.channels.push([channel, version, id]);
    else if (ofParent?.[1] === version) plan.channels.push(ofParent);
    else if (parentId !== null || reads.values.count({ prefix: [threadId, namespace, channel, version] }) > 0)
      plan.missing.push(channel);
  }
  return plan;
}

/** Returns the version of a channel of a checkpoint, or null when it has none. */
export function versionOf({ channel_versions: versions }: Checkpoint, channel: string): Version {
  return Object.hasOwn(versions, channel) ? versions[channel]! : null;
}
