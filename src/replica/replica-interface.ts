// The public interfaces of a replica. replica.ts implements them.

import '../platform-types.js';
import type {
  IndexDefinitions,
  IndexedReads,
  KeyEncoding,
  KeyOf,
  Lsn,
  NamespaceEncodings,
  NamespaceOptions,
  NoIndexes,
  Reads,
  ValueEncoding,
  ValueOf,
} from '../kv/index.js';

/** Options of whenAt(). */
export interface WhenAtOptions {
  /** Ends the wait with KEELSON_ABORTED when it is aborted. Default none. */
  readonly signal?: AbortSignal;
}

/** The reads of a namespace in a replica. */
export interface ReplicaNamespace<K = string, V = unknown, I = NoIndexes> extends IndexedReads<K, V, I> {
  /** The name of the namespace. */
  readonly name: string;
  /**
   * Resolves with the namespace when its indexes are built. Rejects with KEELSON_UNIQUE as `ready` of a namespace of the
   * store does.
   */
  readonly ready: Promise<this>;
}

/**
 * A replica, which openReplica() returns: all entries of a store of another thread, in the memory of this thread. It shows
 * only what is durable there, and always the store as it was after one write. Its reads are synchronous. Entries expire in
 * it when the store has removed them: a replica never asks a clock.
 *
 * @example
 * const replica = await openReplica<User>(port);
 * console.log(replica.get('user:ada'));
 */
export interface Replica<K = string, V = unknown> extends Reads<K, V> {
  /** The LSN of the last write that the replica shows. It never goes back. It can be read after close(). */
  readonly lsn: Lsn;

  /**
   * Resolves when the replica shows the write at `lsn` and all before it, with the LSN that it shows then. For reading what
   * another thread has written: send the LSN along.
   *
   * @param lsn An LSN of the store: what its put() resolved with. One that the store has not reached yet is waited for.
   * @param options `signal` ends the wait.
   * @throws A TypeError if `lsn` is not an integer of at least 0, or for a wrong option. Rejects with KEELSON_ABORTED, with
   * KEELSON_CLOSED when the replica or its store is closed, and with KEELSON_POISONED when the store is poisoned.
   * @example
   * await replica.whenAt(lsn);
   */
  whenAt(lsn: number, options?: WhenAtOptions): Promise<Lsn>;

  /**
   * Returns the reads of a namespace. It may be asked for before the store creates it: then it is empty.
   *
   * @param name 1 to 255 bytes of UTF-8.
   * @param options Its encodings, and indexes that this thread builds for itself, as db.namespace() takes them.
   * @throws What db.namespace() throws. Reads throw KEELSON_DROPPED when the store has dropped it.
   * @example
   * const users = replica.namespace<User>('users');
   */
  namespace<V = unknown, E extends KeyEncoding = 'utf8'>(
    name: string,
    options?: NamespaceEncodings<E, 'msgpack' | 'json'>,
  ): ReplicaNamespace<KeyOf<E>, V>;
  /**
   * Returns the reads of a namespace whose options say what keys and values are. The first overload documents the parameters
   * and errors.
   *
   * @example
   * const users = replica.namespace('users', { valueEncoding: msgpack<User>() });
   */
  // biome-ignore lint/suspicious/noExplicitAny: the encoding decides the type of values
  namespace<E extends KeyEncoding, VE extends ValueEncoding<any>, I extends IndexDefinitions = NoIndexes>(
    name: string,
    options?: NamespaceOptions<E, VE, I>,
  ): ReplicaNamespace<KeyOf<E>, ValueOf<VE>, I>;

  /**
   * Returns the names of the namespaces that are there.
   *
   * @throws KEELSON_CLOSED.
   * @example
   * for (const name of replica.namespaces()) console.log(name, replica.namespace(name).size);
   */
  namespaces(): string[];

  /**
   * Ends the replica and frees its memory. The store goes on. Idempotent, and never rejects.
   *
   * @example
   * await replica.close();
   */
  close(): Promise<void>;

  /** Calls close(), at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
