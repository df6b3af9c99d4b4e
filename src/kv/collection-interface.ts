// The public interfaces of collections: the store itself and its namespaces. The classes are in collection.ts and
// namespace.ts.

import type { ClosableIterator } from '../batch-iterator.js';
import type { Lsn } from '../journal/index.js';
import type { KeyOf, ValueOf } from './encoding/encoding-types.js';
import type { KeyRange, RangeWrite } from './encoding/range.js';
import type { ChangeGroup, NamespaceChangesOptions } from './feed/change-types.js';
import type { IndexDefinitions, IndexedReads, IndexFactory, NoIndexes } from './read/index-interface.js';
import type { RangeState } from './read/range-state.js';
import type { Reads } from './read/reads.js';
import type { WatchOptions } from './watch/watch-options.js';
import type { KeyState } from './watch/watches.js';
import type { Operation } from './write/batch.js';
import type { ConditionalOptions, PutOptions, TouchOptions, WriteOptions } from './write/write-options.js';

/**
 * An operation of a batch. With `namespace`, it is one in that namespace of the same store. Without, it is one of the
 * collection whose batch() is called. So a batch that spans the store itself and a namespace is one of the store.
 * In an array of this type, the compiler does not check the key and the value of an operation that has a `namespace`. In the
 * array that a call of batch() is given, it does.
 *
 * @example
 * const operations: BatchOperation<string, number>[] = [
 *   { type: 'put', key: 'total', value: 7 },
 *   { type: 'delete', namespace: jobs, key: 'job-12' },
 * ];
 */
export type BatchOperation<K = string, V = unknown> =
  | Operation<K, V>
  // biome-ignore lint/suspicious/noExplicitAny: the namespace decides which keys and values are right.
  | (Operation<any, any> & { readonly namespace: Namespace<any, any, any> });

/**
 * An operation of a batch in the namespace `N`: with keys and values of its types.
 *
 * @example
 * const done: NamespaceOperation<typeof jobs> = { type: 'delete', namespace: jobs, key: 'job-12' };
 */
export type NamespaceOperation<N> = { readonly namespace: N } & (N extends Namespace<
  infer K,
  infer V,
  infer _
>
  ? Operation<K, V>
  : never);

/** An operation of a batch in the collection whose batch() is called. */
type OwnOperation<K, V> = Operation<K, V> & { readonly namespace?: undefined };

/**
 * The reads and writes of a store. A write is visible when its call returns. Its promise resolves with the LSN of the
 * write when the write is durable. With `durability: 'memory'`, the promise does not wait for that. Durable means that
 * the write survives `kill -9`, a crash of the kernel and a power cut.
 *
 * A write that is not accepted throws at once, with nothing changed: a TypeError for misuse, KEELSON_CLOSED,
 * KEELSON_POISONED, KEELSON_READ_ONLY, KEELSON_CONFLICT, KEELSON_DROPPED, KEELSON_KEY_TOO_LARGE,
 * KEELSON_RECORD_TOO_LARGE, KEELSON_EXHAUSTED; what the disk refuses with KEELSON_NO_SPACE, KEELSON_ACCESS or KEELSON_IO;
 * KEELSON_NO_SPACE with `facts.errno` ENOMEM when there is no memory; or what encode() of an encoding of your own throws.
 * While the function of a transaction runs, a write is a TypeError. The promise of an accepted write rejects only with KEELSON_POISONED, when the
 * write will not become durable.
 *
 * A write blocks the event loop if more than `maxUndurableBytes` would not be durable with it: see drained().
 */
export interface Collection<K, V> extends Reads<K, V> {
  /**
   * Sets the value of a key. The value is visible when the call returns, and durable when the promise resolves.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param value A value that the value encoding takes. It is copied. Key and value have at most 2^28 − 1 bytes together.
   * @param options By default, the promise resolves when the write is durable. With `ifVersion`, the value is set only if
   * the key has this version; 0 means that the key is absent. With `ttl` or `expiresAt`, the entry expires; without, it does
   * not, also if the value before did.
   * @returns The LSN of the write, which is the version of the value in getEntry().
   * @throws At once, with nothing changed: a TypeError for a wrong key or a wrong deadline, a TypeError for a value that decoding would not
   * return exactly, with the place in the value, KEELSON_CONFLICT when the key has another version than `ifVersion`, and the
   * errors that all writes have in common. Rejects with KEELSON_POISONED.
   * @example
   * await db.put('user:ada', { name: 'Ada', logins: 1 });
   */
  put(key: K, value: V, options?: PutOptions): Promise<Lsn>;

  /**
   * Gives the entry of a key another deadline, and keeps its value. It is a write: the entry gets a new version. For an absent
   * or expired key nothing is written.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param options `ttl` or `expiresAt`; `expiresAt: Infinity` for an entry that shall not expire any more. By default, the
   * promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when the key was absent.
   * @throws At once, with nothing changed: a TypeError for a wrong key or a wrong deadline, and the errors that all writes have
   * in common. Rejects with KEELSON_POISONED.
   * @example
   * await db.touch('session:7', { ttl: 30 * 60_000 });
   */
  touch(key: K, options: TouchOptions): Promise<Lsn>;

  /**
   * Deletes a key. The deletion is visible when the call returns, and durable when the promise resolves. For an absent key
   * nothing is written, and the promise resolves when the absence of the key is durable.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param options By default, the promise resolves when the write is durable. With `ifVersion`, the key is deleted only if
   * it has this version; 0 means that the key is absent.
   * @returns The LSN of the write, or of the last write when the key was absent.
   * @throws At once, with nothing changed: a TypeError for a wrong key, KEELSON_CONFLICT when the key has another version
   * than `ifVersion`, and the errors that all writes have in common. Rejects with KEELSON_POISONED.
   * @example
   * await db.delete('user:ada');
   */
  delete(key: K, options?: ConditionalOptions): Promise<Lsn>;

  /**
   * Applies all operations in their order as one write, or none of them. That holds for reads, for snapshots, and after a
   * crash. The operations are visible when the call returns, and durable when the promise resolves.
   *
   * @param operations An array of puts, deletes, touches, checks and clears, which have at most 2^28 − 1 bytes together. An operation
   * with a `namespace` is one in that namespace. All checks are made before anything is written, so a check never sees
   * the other operations. For an array of checks alone, or an empty one, nothing is written.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when there are no operations.
   * @throws At once, with nothing changed: a TypeError that names the place, as in `operations[3].key`,
   * KEELSON_CONFLICT when a check does not hold, and the errors that all writes have in common. Rejects with KEELSON_POISONED.
   * @example
   * await db.batch([
   *   { type: 'check', key: 'ann', version: ann.version },
   *   { type: 'put', key: 'ann', value: ann.value - 10 },
   *   { type: 'put', namespace: payments, key: 'p-7', value: { from: 'ann', amount: 10 } },
   * ]);
   */
  batch<N extends readonly unknown[]>(
    operations: readonly [...{ [At in keyof N]: OwnOperation<K, V> | NamespaceOperation<N[At]> }],
    options?: WriteOptions,
  ): Promise<Lsn>;

  /**
   * Deletes all keys in a range as one write. The deletion is visible when the call returns, and durable when the promise
   * resolves. For a range without keys nothing is written.
   *
   * @param range The range. By default all keys. With `limit`, at most that many keys: the lowest ones, or the highest with
   * `reverse`.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when the range has no keys.
   * @throws At once, with nothing changed: a TypeError for a wrong range, and the errors that all writes have in common.
   * Rejects with KEELSON_POISONED.
   * @example
   * await db.clear({ prefix: 'session:' });
   */
  clear(range?: RangeWrite<K>, options?: WriteOptions): Promise<Lsn>;

  /**
   * Iterates over the states of a key: first the present one, and then another whenever the key has changed. The next state is
   * taken when the iteration asks for it. So a slow reader misses states in between, and never the last one. States with equal
   * versions are not told twice.
   *
   * A state is told when everything that it shows is durable, though there may be a newer one by then. With
   * `durability: 'memory'`, it is told at once. In a store that was opened read-only, all states are told at once.
   *
   * The iteration ends when it is left, when `signal` is aborted, and when the store is closed. When you step it by hand, end it
   * with return() or the signal. While nothing waits for a state, a watch takes no memory beyond its iterator.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param options By default, states are told when they are durable.
   * @throws At once: a TypeError for a wrong key or option, KEELSON_KEY_TOO_LARGE, KEELSON_CLOSED, KEELSON_DROPPED. A step
   * rejects with KEELSON_DROPPED when the namespace was dropped, KEELSON_POISONED when the store takes no more writes, and
   * KEELSON_DECODE for a value that the encoding cannot decode.
   * @example
   * for await (const { entry } of db.watch('config')) apply(entry?.value ?? defaults);
   */
  watch(key: K, options?: WatchOptions): ClosableIterator<KeyState<V>>;

  /**
   * Iterates over the states of a range: first the present one, and then another whenever keys have come, gone or changed. A
   * state can be read until the next one is asked for. Otherwise the states are told as those of watch().
   *
   * From its first step on, the iteration notes the keys that are written, at most 1,024 keys and 1 MiB of keys. When you step
   * it by hand, end it with return() or the signal.
   *
   * @param range The range. By default all keys. `reverse`, `offset` and `limit` are options of the entries() of a state.
   * @param options By default, states are told when they are durable.
   * @throws At once: a TypeError for a wrong range or option, KEELSON_KEY_TOO_LARGE for a bound, KEELSON_CLOSED,
   * KEELSON_DROPPED. A step rejects with KEELSON_DROPPED when the namespace was dropped, and KEELSON_POISONED when the store
   * takes no more writes.
   * @example
   * for await (const state of db.watchRange({ prefix: 'room:7:' })) show([...state.entries({ reverse: true, limit: 10 })]);
   */
  watchRange(range?: KeyRange<K>, options?: WatchOptions): ClosableIterator<RangeState<K, V>>;
}

/**
 * The encodings of a namespace.
 *
 * @example
 * const encodings: NamespaceEncodings<'bytes', 'json'> = { keyEncoding: 'bytes', valueEncoding: 'json' };
 */
export interface NamespaceEncodings<E, VE> {
  /** The type of keys, as in the options of open(). By default that of the namespace; for a new one 'utf8'. */
  readonly keyEncoding?: E;
  /** The type of values, as in the options of open(). By default that of the namespace; for a new one 'msgpack'. */
  readonly valueEncoding?: VE;
}

/**
 * The options of a namespace.
 *
 * @example
 * const byUser = db.namespace('logins', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<Login>() });
 */
export interface NamespaceOptions<E, VE, I = IndexDefinitions> extends NamespaceEncodings<E, VE> {
  /**
   * A function that returns the definitions of the secondary indexes, by their names. They are derived from the values, in
   * memory and never on the disk, so they may be others each time the store is opened. Up to 4,096 entries are indexed inside
   * of the call, and more in slices: see `ready`. Declare all indexes in one call; the others leave them out. An index that
   * was given up may be declared again. Default none.
   */
  readonly indexes?: (index: IndexFactory<KeyOf<E>, ValueOf<VE>>) => I;
}

/**
 * Figures of an index at the time of a call of stats() of its namespace.
 *
 * @example
 * const { entries, memoryBytes } = users.stats().indexes['byEmail']!;
 */
export interface IndexStats {
  /** The number of index values, each counted for each entry that has it. */
  readonly entries: number;
  /** The memory of the index on the JavaScript heap in bytes, estimated. */
  readonly memoryBytes: number;
}

/**
 * Figures of a namespace at the time of a call of stats().
 *
 * @example
 * const { entries, memoryBytes } = db.namespace('users').stats();
 */
export interface NamespaceStats {
  /** The number of keys. */
  readonly entries: number;
  /** The number of keys with a deadline. */
  readonly expiring: number;
  /** The LSN of the last write to the namespace; 0 before its first write. */
  readonly lastLsn: number;
  /** The memory of its entries outside the JavaScript heap, in bytes. */
  readonly memoryBytes: number;
  /** Figures of its indexes by their names. */
  readonly indexes: { readonly [name: string]: IndexStats };
}

/**
 * A namespace of a store: keys and values of its own, in the same journal. db.namespace() returns it. The first write
 * creates it. Batches, transactions and snapshots span all namespaces of a store.
 *
 * Its reads and writes are those of a store. After db.drop() they throw KEELSON_DROPPED.
 *
 * @example
 * const users = db.namespace<User>('users');
 * await users.put('ada', { name: 'Ada', logins: 1 });
 * console.log(users.size, db.has('ada'));
 */
export interface Namespace<K = string, V = unknown, I = NoIndexes>
  extends Collection<K, V>,
    IndexedReads<K, V, I> {
  /** The name. */
  readonly name: string;

  /**
   * Resolves with the namespace when its indexes are built. Before that, reads of an index, and puts where one is unique, throw
   * KEELSON_NOT_READY; deletes and clears do not wait. Rejects with the first reason for which an index was given up:
   * KEELSON_UNIQUE when entries have the same value in a unique index, or what its function throws. Then reads of that index
   * throw the same error, writes go on without it, and it may be declared again. Rejects with KEELSON_CLOSED and
   * KEELSON_DROPPED when that comes before. A rejection that nobody handles does not end the process.
   *
   * @example
   * const users = await db.namespace('users', options).ready;
   */
  readonly ready: Promise<this>;

  /**
   * Iterates over the changes of this namespace that are durable, one group for each write, in the order of the writes. It
   * works like changes() of the store, and ends behind the drop of the namespace. A clear is cut to the range.
   *
   * A group without changes tells only how far the iteration is: when it has caught up, and after 4 MiB of journal without
   * anything to tell. Keep its LSN as well, so that a later call need not read that part again. If you keep it in the same
   * store, leave such a group out: each write of the LSN would be followed by another one, without an end.
   *
   * @param options As for changes() of the store, and `range`.
   * @throws What changes() of the store throws, a TypeError for a wrong range, KEELSON_DROPPED.
   * @example
   * for await (const { lsn, changes } of users.changes({ since, id: db.id, range: { prefix: 'a' } })) {
   *   await apply(changes, lsn);
   * }
   */
  changes(options?: NamespaceChangesOptions<K>): ClosableIterator<ChangeGroup<K, V>>;

  /**
   * Returns figures of the namespace as of now.
   *
   * @throws KEELSON_CLOSED, KEELSON_DROPPED.
   * @example
   * const { entries, memoryBytes } = users.stats();
   */
  stats(): NamespaceStats;
}
