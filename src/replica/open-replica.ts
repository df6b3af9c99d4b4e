// Opening a replica: from a port to a replica that shows the store.

import { MessagePort } from 'node:worker_threads';
import { KeelsonError, misuse } from '../errors.js';
import type {
  AnyValueEncoding,
  CustomValueEncoding,
  KeyEncoding,
  KeyOf,
  ReplicaPort,
  ValueEncoding,
  ValueOf,
} from '../kv/index.js';
import { openReplicaStore, REPLICA_PROTOCOL, receivedError, type ToReplica } from '../kv/internal.js';
import { checkNames } from '../options.js';
import { Inbox } from './inbox.js';
import { Replica } from './replica.js';
import type { Replica as ReplicaSurface } from './replica-interface.js';

/** Options of openReplica(): the encodings of the store, as open() takes them. */
export interface ReplicaOptions<E, VE> {
  /** The encoding of keys. By default `'utf8'`. */
  readonly keyEncoding?: E;
  /** The encoding of values. By default `'msgpack'`. */
  readonly valueEncoding?: VE;
  /** Encodings of your own that namespaces of the store have. By default none. */
  // biome-ignore lint/suspicious/noExplicitAny: an encoding of any values
  readonly encodings?: readonly CustomValueEncoding<any>[];
}

/**
 * Opens a replica of a store of another thread. Loads image and log of the store from its files, and then receives its
 * durable writes. So each replica takes as much memory as the store.
 *
 * @param port A port that db.replicate() of that store returned, and that was transferred to this thread. It serves one
 * replica.
 * @param options The encodings that the store was opened with.
 * @throws Rejects with a TypeError if `port` is not such a port, or for a wrong option; KEELSON_ENCODING_MISMATCH for
 * other encodings, KEELSON_CLOSED when the store was closed meanwhile, and what a read-only open() rejects with.
 * @example
 * // In the main thread: worker.postMessage(port, [port]), with const port = db.replicate().
 * parentPort.once('message', async (port) => {
 *   const replica = await openReplica<User>(port);
 *   console.log(replica.size);
 * });
 */
export function openReplica<V = unknown, E extends KeyEncoding = 'utf8'>(
  port: ReplicaPort,
  options?: ReplicaOptions<E, 'msgpack' | 'json'>,
): Promise<ReplicaSurface<KeyOf<E>, V>>;
/**
 * Opens a replica whose options say what keys and values are. The first overload documents the parameters and errors.
 *
 * @example
 * const replica = await openReplica(port, { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<User>() });
 */
export function openReplica<E extends KeyEncoding, VE extends AnyValueEncoding>(
  port: ReplicaPort,
  options?: ReplicaOptions<E, VE>,
): Promise<ReplicaSurface<KeyOf<E>, ValueOf<VE>>>;
/**
 * Opens a replica of values of type `V`. The first overload documents the parameters and errors.
 *
 * @example
 * const replica = await openReplica<Date>(port, { valueEncoding: dates });
 */
export function openReplica<V>(
  port: ReplicaPort,
  options?: ReplicaOptions<'utf8', ValueEncoding<V>>,
): Promise<ReplicaSurface<string, V>>;
export async function openReplica(port: unknown, options: unknown = {}): Promise<unknown> {
  if (!(port instanceof MessagePort)) throw misuse('port', 'a MessagePort of db.replicate()', port);
  checkNames('openReplica', options, ['keyEncoding', 'valueEncoding', 'encodings']);
  if (USED_PORTS.has(port)) throw unusable();
  USED_PORTS.add(port);
  const inbox = new Inbox(port);
  try {
    const start = await inbox.first();
    if (!isStart(start)) throw endOf(start);
    return new Replica(await openReplicaStore(start, options as object), port, inbox);
  } catch (error) {
    port.close();
    throw error;
  }
}

/** The ports with which replicas were opened. A second replica would wait for ever for its first message. */
const USED_PORTS = new WeakSet<MessagePort>();

type Start = Extract<ToReplica, { kind: 'start' }>;

function isStart(received: unknown): received is Start {
  const { kind, keelson } = Object(received) as Partial<Start>;
  return kind === 'start' && keelson === REPLICA_PROTOCOL;
}

function endOf(received: unknown): Error {
  if (received === undefined) return unusable();
  const message = Object(received) as Partial<ToReplica>;
  if (message.kind === 'ended' && message.error !== undefined) return receivedError(message.error);
  return misuse('port', 'a port of db.replicate() of this version of Keelson', received);
}

function unusable(): KeelsonError {
  const next = 'Call db.replicate() again, and open a replica with the new port';
  return new KeelsonError('KEELSON_CLOSED', {
    what: 'The port was closed, or a replica was opened with it before',
    next,
  });
}
