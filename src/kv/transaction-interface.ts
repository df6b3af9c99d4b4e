// The public interfaces of a transaction. The classes are in write/transaction.ts.

import type { Lsn } from '../journal/index.js';
import type { Namespace } from './collection-interface.js';
import type { KeyRange } from './encoding/range.js';
import type { IndexedReads, NoIndexes } from './read/index-interface.js';
import type { ExpiryOptions } from './write/expiry-options.js';

/**
 * The reads and writes of one namespace in a transaction. Reads show the writes of the transaction. Nobody else sees them
 * before the commit.
 *
 * The writes throw a TypeError for misuse, KEELSON_KEY_TOO_LARGE, KEELSON_RECORD_TOO_LARGE when the transaction would have
 * more than 2^28 − 1 bytes, KEELSON_READ_ONLY, KEELSON_POISONED, and KEELSON_CLOSED when the transaction has ended.
 */
export interface TransactionCollection<K, V, I = NoIndexes> extends IndexedReads<K, V, I> {
  /**
   * Sets the value of a key. The value is encoded at once. tx.getEntry() shows it with version 0, because it has no LSN
   * before the commit.
   *
   * @param key A key as put() of the store takes it.
   * @param value A value that the value encoding takes.
   * @param options `ttl` or `expiresAt`, for an entry that expires. `ttl` counts from tx.now.
   * @throws What the writes of a transaction throw. When fn catches the error, the transaction goes on without the put.
   * @example
   * tx.put('ann', (tx.get('ann') ?? 0) - 10);
   */
  put(key: K, value: V, options?: ExpiryOptions): void;

  /**
   * Gives the entry of a key another deadline, and keeps its value. For an absent key nothing is written.
   *
   * @param key A key as put() of the store takes it.
   * @param expiry `ttl` or `expiresAt`; `expiresAt: Infinity` for an entry that shall not expire any more.
   * @throws What the writes of a transaction throw.
   * @example
   * tx.touch('session:7', { ttl: 30 * 60_000 });
   */
  touch(key: K, expiry: ExpiryOptions): void;

  /**
   * Deletes a key. For an absent key nothing is written.
   *
   * @param key A key as put() of the store takes it.
   * @throws What the writes of a transaction throw.
   * @example
   * tx.delete('job-12');
   */
  delete(key: K): void;

  /**
   * Deletes all keys in a range. The range is recorded, not the keys. So it reads nothing, conflicts with nothing, and also
   * deletes keys in the range that others put before the commit.
   *
   * @param range The range. By default all keys. `reverse` and `limit` are unknown options here.
   * @throws What the writes of a transaction throw.
   * @example
   * tx.clear({ prefix: 'draft:' });
   */
  clear(range?: KeyRange<K>): void;
}

/**
 * A transaction, which db.transaction() gives to its function. It can be used only while that function runs.
 *
 * @example
 * await db.transaction((tx) => {
 *   tx.put('ann', (tx.get('ann') ?? 0) - 10);
 *   tx.put('bob', (tx.get('bob') ?? 0) + 10);
 * });
 */
export interface Transaction<K = string, V = unknown> extends TransactionCollection<K, V> {
  /**
   * Returns the reads and writes of a namespace in this transaction.
   *
   * @param namespace A namespace of the same store.
   * @throws A TypeError for anything else, KEELSON_CLOSED. Its reads and writes throw KEELSON_DROPPED.
   * @example
   * const jobs = db.namespace<Job>('jobs');
   * await db.transaction((tx) => tx.in(jobs).delete('job-12'));
   */
  in<NK, NV, I>(namespace: Namespace<NK, NV, I>): TransactionCollection<NK, NV, I>;

  /**
   * Runs a nested part. When it throws or rejects, its writes are undone and the error comes out; its reads still count.
   * While it runs, only the tx that it was given may write. Await what a nested part returns before anything else.
   *
   * @param fn A function that takes a tx. It may return a promise, except in atCommit().
   * @returns What `fn` returns.
   * @throws A TypeError for anything but a function, and for a thenable that is no promise; what `fn` throws.
   * @example
   * try {
   *   tx.nested((inner) => {
   *     inner.put('seat:12', 'ann');
   *     if (inner.count({ prefix: 'seat:' }) > 100) throw new Error('full');
   *   });
   * } catch {
   *   tx.put('waiting:ann', true);
   * }
   */
  nested<T>(fn: (tx: Transaction<K, V>) => T): T;

  /**
   * Runs a part when the transaction is committed, over what the store has then. For counters, ids and totals, which never
   * conflict so. The parts run in the order of the calls, after the check of what was read. An error that one throws
   * undoes the whole transaction, which is not tried again.
   *
   * @param fn A function that takes a tx and returns nothing. Give it a body in braces: the compiler refuses
   * `(last) => last.put(…)`, and so every function that returns a promise.
   * @throws A TypeError for anything but a function, and when it is called at the commit; KEELSON_CLOSED.
   * @example
   * tx.atCommit((last) => {
   *   last.put('orders', (last.get('orders') ?? 0) + 1);
   * });
   */
  atCommit(fn: (tx: Transaction<K, V>) => undefined): void;

  /** The number of this attempt, from 1. An asynchronous transaction is tried again after a conflict. */
  readonly attempt: number;

  /**
   * The time of the transaction in milliseconds since 1970: when it was first needed, and in atCommit() the time of the
   * commit. Entries that have expired by then are absent. The option `clock` of the store decides it.
   */
  readonly now: number;

  /** The LSN of the commit; null before it, and when nothing was written. */
  readonly lsn: Lsn | null;
}
