// The public interfaces of an open store and a snapshot. The classes in store.ts and read/snapshot.ts implement them.
// Callers get interfaces, because editors show the docstring of a member where it is declared.

import type { ClosableIterator } from '../batch-iterator.js';
import '../platform-types.js';
import type { KeelsonError } from '../errors.js';
import type { DirectoryPath, JournalStats, Lsn } from '../journal/index.js';
import type { EngineReport } from '../storage/index.js';
import type { Collection, Namespace, NamespaceEncodings, NamespaceOptions } from './collection-interface.js';
import type { BackupOptions, BackupResult } from './copy/backup.js';
import type {
  KeyEncoding,
  KeyOf,
  KeyType,
  Tuple,
  ValueEncoding,
  ValueOf,
} from './encoding/encoding-types.js';
import type { EntriesMemory } from './entries/entries-parts.js';
import type { ExpiryStats } from './entries/expiry.js';
import type { ChangeGroup, ChangesOptions } from './feed/change-types.js';
import type { CheckpointResult } from './image/checkpoint.js';
import type { CheckpointEvent, CheckpointStats } from './image/checkpoint-schedule.js';
import type { IndexDefinitions, IndexedReads, NoIndexes } from './read/index-interface.js';
import type { Reads } from './read/reads.js';
import type { StoreRecovery } from './recovery-report.js';
import type { ReplicaPort } from './replication/replica-port.js';
import type { ReplicateOptions } from './replication/replicate-options.js';
import type { Transaction } from './transaction-interface.js';
import type { TransactionOptions } from './transactions/transaction-options.js';
import type { WriteOptions } from './write/write-options.js';

/**
 * Figures of a store at the time of a call of stats().
 *
 * @example
 * const { entries, memory } = db.stats();
 * console.log(entries, memory.slabBytes);
 */
export interface StoreStats {
  /** The number of keys of the store itself, without those of its namespaces. */
  readonly entries: number;
  /** The memory of keys and values outside the JavaScript heap, in bytes, with those of all namespaces. */
  readonly memory: EntriesMemory;
  /** Figures of entries with deadlines, with those of all namespaces. */
  readonly expiry: ExpiryStats;
  /** The LSN of the last write. */
  readonly lastLsn: number;
  /** The durable LSN: every write up to it is durable. */
  readonly durableLsn: number;
  /** The engine that runs, and the reason. */
  readonly engine: EngineReport;
  /** Figures of the journal, or null in a store that was opened read-only. */
  readonly journal: JournalStats | null;
  /** Figures of the checkpoints, or null in a store that was opened read-only. */
  readonly checkpoints: CheckpointStats | null;
}

/** The events of a store, with the arguments of their listeners. */
export interface StoreEvents {
  /** A checkpoint has started, made progress, completed or failed. */
  checkpoint: [event: CheckpointEvent];
  /** The store takes no more writes, because of this error. */
  poisoned: [error: KeelsonError];
  /** The store is closed. */
  close: [];
}

/**
 * An open store, which open() returns.
 *
 * @example
 * const db = await open<number>('./data');
 * await db.put('apples', 3);
 * await db.close();
 */
export interface Store<K = string, V = unknown> extends Collection<K, V> {
  /** A report of what opening the store found and did. */
  readonly recovery: StoreRecovery;

  /** The absolute path of the store. */
  readonly directory: string;

  /**
   * The LSN of the last write. Before the first write, it is the LSN of the record with which a new store begins. It can
   * be read after close().
   */
  readonly lastLsn: Lsn;

  /** The durable LSN: every write up to it is durable. It can be read after close(). */
  readonly durableLsn: Lsn;

  /**
   * The error because of which the store takes no more writes, or null. Reads still show every accepted write. Reads throw
   * only if JavaScript was stopped in the middle of a write: see KEELSON_INTERRUPTED.
   */
  readonly poisoned: KeelsonError | null;

  /**
   * The id of the journal of the store, 32 hexadecimal digits. An LSN means something only beside it: a backup has another
   * id.
   */
  readonly id: string;

  /**
   * Runs a transaction: all its writes are applied as one, or none of them, and it is as if nothing else happened while it
   * ran.
   *
   * When `fn` returns no promise, it runs over the store as it is. Nothing can come between, so it never conflicts, and its
   * writes are visible when the call returns. Meanwhile all other writes to the store are a TypeError.
   *
   * When `fn` returns a promise, it runs over the store as it was at that moment, under its own writes. At the end, everything
   * that it has read is checked. When others have changed some of it, `fn` runs again from its start, over the store as it is
   * then. So `fn` must not do what cannot be done twice. After its first `await`, reads and writes of `db` are not part of the
   * transaction: a write of `db` to what the transaction has read makes every attempt conflict.
   *
   * @param fn A function that reads and writes with the tx that it is given, and with nothing else.
   * @param options By default, the promise resolves when the writes are durable, after at most 8 attempts and 30 seconds.
   * @returns What `fn` returned, when the writes are durable. Without writes, the promise resolves when everything that was
   * read is durable.
   * @throws At once, with nothing changed: a TypeError for misuse and for a thenable that is no promise, what a synchronous
   * `fn` throws, and the errors that all writes have in common. Rejects with what an asynchronous `fn` rejects with,
   * KEELSON_CONFLICT after the last attempt, KEELSON_ABORTED at `timeoutMs` or `signal`, KEELSON_DROPPED when it writes to a
   * namespace that was dropped meanwhile, KEELSON_CLOSED, KEELSON_POISONED.
   * @example
   * await db.transaction((tx) => {
   *   const ann = tx.get('ann') ?? 0;
   *   if (ann < 10) throw new Error('not enough');
   *   tx.put('ann', ann - 10);
   *   tx.put('bob', (tx.get('bob') ?? 0) + 10);
   * });
   */
  transaction<T>(fn: (tx: Transaction<K, V>) => T, options?: TransactionOptions): Promise<Awaited<T>>;

  /**
   * Returns a namespace of the store. The first write creates it, in the record of that write. A name has one namespace with
   * one pair of encodings until it is dropped. A call without encodings returns the namespace that is there, whatever its
   * keys and values are: give the same options, or the same types, in every call. A name that was asked for takes about 1 KiB
   * of memory until it is dropped, so do not ask for names that strangers choose.
   *
   * @param name 1 to 255 bytes of UTF-8, with any content.
   * @param options Its encodings, by default those that the namespace has; for a new one strings as keys, and msgpack. Its
   * indexes, by default none: see NamespaceOptions.
   * @throws A TypeError for a wrong name or option and for indexes that are declared a second time,
   * KEELSON_ENCODING_MISMATCH for other encodings than it has, KEELSON_EXHAUSTED, KEELSON_CLOSED.
   * @example
   * const users = db.namespace<User>('users');
   * await users.put('ada', { name: 'Ada', logins: 1 });
   */
  namespace<V = unknown, E extends KeyEncoding = 'utf8'>(
    name: string,
    options?: NamespaceEncodings<E, 'msgpack' | 'json'>,
  ): Namespace<KeyOf<E>, V>;
  /**
   * Returns a namespace whose options say what keys and values are. The first overload documents the parameters and errors.
   *
   * @example
   * const logins = db.namespace('logins', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<Login>() });
   * await logins.put(['ada', 7], { from: '10.0.0.1' });
   */
  // biome-ignore lint/suspicious/noExplicitAny: the encoding decides the type of values
  namespace<E extends KeyEncoding, VE extends ValueEncoding<any>, I extends IndexDefinitions = NoIndexes>(
    name: string,
    options?: NamespaceOptions<E, VE, I>,
  ): Namespace<KeyOf<E>, ValueOf<VE>, I>;
  /**
   * Returns a namespace of values of type `V` whose keys are Uint8Arrays. The first overload documents the parameters and
   * errors.
   *
   * @example
   * const blobs = db.namespace<Blob>('blobs', { keyEncoding: 'bytes' });
   */
  namespace<V>(
    name: string,
    options: { readonly keyEncoding: 'bytes'; readonly valueEncoding?: ValueEncoding<V> },
  ): Namespace<Uint8Array, V>;
  /**
   * Returns a namespace of values of type `V` whose keys are any tuples. The first overload documents the parameters and
   * errors.
   *
   * @example
   * const logins = db.namespace<Login>('logins', { keyEncoding: 'tuple' });
   */
  namespace<V>(
    name: string,
    options: { readonly keyEncoding: 'tuple'; readonly valueEncoding?: ValueEncoding<V> },
  ): Namespace<Tuple, V>;
  /**
   * Returns a namespace of values of type `V` whose keys are tuples of type `NK`. The first overload documents the parameters
   * and errors.
   *
   * @example
   * const logins = db.namespace<Login, [string, number]>('logins', { keyEncoding: tuple() });
   */
  namespace<V, NK extends Tuple>(
    name: string,
    options: { readonly keyEncoding: KeyType<NK>; readonly valueEncoding?: ValueEncoding<V> },
  ): Namespace<NK, V>;
  /**
   * Returns a namespace of values of type `V` whose keys are strings. The first overload documents the parameters and
   * errors.
   *
   * @example
   * const dates = db.namespace<Date>('dates', { valueEncoding: dateEncoding });
   */
  namespace<V>(
    name: string,
    options?: { readonly keyEncoding?: 'utf8'; readonly valueEncoding?: ValueEncoding<V> },
  ): Namespace<string, V>;
  /**
   * Returns a namespace whose options say what keys and values are. It is the second overload again, because a compiler
   * tells what is wrong with the options of a call by the last overload.
   *
   * @example
   * const logins = db.namespace('logins', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<Login>() });
   */
  // biome-ignore lint/suspicious/noExplicitAny: the encoding decides the type of values
  namespace<E extends KeyEncoding, VE extends ValueEncoding<any>, I extends IndexDefinitions = NoIndexes>(
    name: string,
    options?: NamespaceOptions<E, VE, I>,
  ): Namespace<KeyOf<E>, ValueOf<VE>, I>;

  /**
   * Returns the names of the namespaces that are there, in the order in which they were first asked for.
   *
   * @throws KEELSON_CLOSED.
   * @example
   * for (const name of db.namespaces()) console.log(name, db.namespace(name).size);
   */
  namespaces(): string[];

  /**
   * Drops a namespace with all its entries. O(1). Its handles throw KEELSON_DROPPED from then on; snapshots keep what they
   * saw. For a namespace that was never written to, nothing is written. The same name can be used again at once.
   *
   * @param namespace A namespace of this store, or a name.
   * @param options By default, the promise resolves when the drop is durable.
   * @returns The LSN of the drop, or of the last write when there was nothing to drop.
   * @throws A TypeError for anything else, KEELSON_DROPPED, and the errors that all writes have in common.
   * @example
   * await db.drop('drafts');
   */
  // biome-ignore lint/suspicious/noExplicitAny: a namespace with any keys and values.
  drop(namespace: Namespace<any, any, any> | string, options?: WriteOptions): Promise<Lsn>;

  /**
   * Iterates over the changes that are durable, one group for each write, in the order of the writes and without a gap:
   * what a later open would show, and nothing that a crash can take back. Keys and values are those of the store and of all
   * its namespaces; the encodings of your own that they use must be known: see the option `encodings` of open().
   *
   * The journal that the iteration needs is kept from the call on, up to `maxLagBytes`, until the iteration ends. End one that
   * is not read to its end with `break`, return() or `signal`. It ends when the store is closed. With `live: false`, it ends
   * behind the last write as of the call.
   *
   * To start from a copy: take a snapshot(), and give its `lsn` as `since`. Await `db.flush(snapshot.lsn)` before a copy is
   * kept outside of the process, because a power cut could take back what it shows. To apply each change exactly once, write
   * the LSN of a group together with what the group changes, in one atomic write, and give it as `since` after a restart.
   * Write it to another store: in this one, it would be a change as well, and the loop would never rest.
   *
   * @param options Without `since`, later writes are told.
   * @throws At once: a TypeError for a wrong or unknown option, a RangeError for a `since` that is not an LSN up to `lastLsn`,
   * KEELSON_HISTORY_GONE with `oldestLsn` in its facts when `id` is that of another store, when the journal no longer holds
   * what follows `since`, or when that is more than `maxLagBytes` behind, KEELSON_CLOSED. The iteration throws a RangeError
   * for a `since` inside of a write, KEELSON_HISTORY_GONE when the reader is too slow, KEELSON_POISONED behind the last
   * durable write of a poisoned store, KEELSON_DECODE, KEELSON_ENCODING_MISMATCH, KEELSON_CORRUPT; and with `live: false`
   * KEELSON_CLOSED.
   * @example
   * for await (const { lsn, changes } of db.changes({ since: cursor.lsn, id: cursor.id })) {
   *   await search.apply(changes, { id: db.id, lsn });
   * }
   */
  changes(options?: ChangesOptions): ClosableIterator<ChangeGroup>;

  /**
   * Removes all entries that have expired by now, in the store and all namespaces. Nobody sees them anyway, and the store
   * removes them itself within about a second. Gives the event loop its turns.
   *
   * @returns The number of entries that this call has removed. Resolves when their removal is durable.
   * @throws At once: a TypeError while the function of a transaction runs, KEELSON_CLOSED, KEELSON_POISONED, KEELSON_READ_ONLY.
   * Rejects with KEELSON_POISONED, with KEELSON_CLOSED when the store is closed meanwhile, with what the disk refuses, and with
   * a TypeError when the option `clock` returns no time.
   * @example
   * console.log(`${await db.expireNow()} entries had expired`);
   */
  expireNow(): Promise<number>;

  /**
   * Returns an id: an integer above all that this store has returned, from 1. The next write carries it. After a crash, ids
   * that no durable write carries may come again. An attempt of a transaction that is tried again leaves gaps: draw in
   * tx.atCommit() where ids must follow the order of commits. In a tuple key, ids are in their order; in a string, 10 comes
   * before 9, so pad it there.
   *
   * @throws KEELSON_CLOSED, KEELSON_POISONED, KEELSON_READ_ONLY, KEELSON_EXHAUSTED after 2^53 − 1.
   * @example
   * const jobs = db.namespace('jobs', { keyEncoding: tuple<[number]>(), valueEncoding: msgpack<Job>() });
   * await jobs.put([db.nextId()], job);
   */
  nextId(): number;

  /**
   * Returns a snapshot: the store as it is now, for as long as the snapshot is held. O(1). Entries that are overwritten or
   * deleted later keep their memory until the snapshot is closed or garbage.
   *
   * @throws KEELSON_CLOSED, and a TypeError when the option `clock` returns no time.
   * @example
   * const before = db.snapshot();
   * await db.clear();
   * console.log(before.size, db.size);
   * before.close();
   */
  snapshot(): Snapshot<K, V>;

  /**
   * Returns a port for one replica: the same store in a worker thread, for reads there. Transfer the port to the worker, which
   * gives it to openReplica() of `keelson/replica`. The replica loads the files of the store, and then receives every write
   * that has become durable. It is a full copy of the data, in the memory of this process.
   *
   * Writes never wait for a replica. One that is more than `maxLagBytes` behind loads the files anew. Until then, the store
   * keeps the log that the replica needs. A replica ends with its worker, its port or the store.
   *
   * @param options `maxLagBytes`, from 1 to 2^40; by default 256 MiB.
   * @throws A TypeError for a wrong option, KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED, and
   * KEELSON_ENGINE_UNAVAILABLE for a store on a simulated disk.
   * @example
   * const port = db.replicate();
   * worker.postMessage(port, [port]);
   */
  replicate(options?: ReplicateOptions): ReplicaPort;

  /**
   * Resolves with `lsn` when every write up to it is durable.
   *
   * @param lsn An LSN from 0 to the LSN of the last write, which is the default.
   * @throws A RangeError for another LSN, KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED. Rejects with
   * KEELSON_POISONED.
   * @example
   * for (const [key, value] of rows) db.put(key, value, { durability: 'memory' });
   * await db.flush();
   */
  flush(lsn?: number): Promise<Lsn>;

  /**
   * Blocks the event loop until every write is durable, and returns the LSN of the last write. For exit paths.
   *
   * @throws KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED.
   * @example
   * process.on('exit', () => db.flushSync());
   */
  flushSync(): Lsn;

  /**
   * Applies what the owner has written since, in a store that was opened with `readOnly`. Each record is applied whole, so
   * reads show the store as it was after one write, and never an older state than before. Snapshots and iterators keep what
   * they saw. Namespaces come and go. Other programs see nothing of it, and it takes no lock. In a store that was opened for
   * writing there is nothing to apply.
   *
   * It shows every write that was acknowledged before the call, and maybe later ones. The last commit of the owner is shown
   * before it is certain to survive a power cut: `durableLsn` says how far the files prove that. If the owner has retired
   * files that were not read yet, the store is loaded anew, which for a moment takes the memory of both.
   *
   * @returns The LSN of the last write that the store shows.
   * @throws Rejects with KEELSON_CLOSED, with KEELSON_FOREIGN when the directory holds another store now, and with what a
   * read-only open() rejects with. The store shows a whole state then, and refresh() may be called again.
   * @example
   * const db = await open<number>('./data', { readOnly: true });
   * await db.refresh();
   * console.log(db.get('apples'), db.lastLsn);
   */
  refresh(): Promise<Lsn>;

  /**
   * Resolves when less than half of `maxUndurableBytes` is not durable yet. Await it now and then in a loop that does not
   * await its writes. Otherwise, the write that reaches the limit blocks the event loop.
   *
   * @throws KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED. Rejects with KEELSON_POISONED.
   * @example
   * for await (const [key, value] of rows) {
   *   db.put(key, value, { durability: 'memory' });
   *   await db.drained();
   * }
   * await db.flush();
   */
  drained(): Promise<void>;

  /**
   * Writes an image of the store, and retires the older images and segments that the image replaces. Opening the store
   * then loads the image and replays only later writes. Resolves when the image is durable. Checkpoints run one at a
   * time: a call during another checkpoint waits for it, and then writes an image of its own. Checkpoints also start by
   * themselves: see the option `autoCheckpoint`.
   *
   * @throws KEELSON_CLOSED, KEELSON_POISONED, KEELSON_READ_ONLY. Rejects with KEELSON_ABORTED when the store is closed
   * meanwhile, with KEELSON_POISONED, and with errors of the disk. A checkpoint that fails has harmed nothing, unless the
   * store is poisoned.
   * @example
   * const { lsn, bytesWritten } = await db.checkpoint();
   */
  checkpoint(): Promise<CheckpointResult>;

  /**
   * Writes the store as it is now into another directory, as a store of its own with the same entries, versions and LSN.
   * Writes go on meanwhile. Resolves when the backup is durable. An unfinished backup, also one that a crash has left,
   * cannot be opened: open() rejects with KEELSON_INCOMPLETE. A backup that fails removes its files, as far as it can,
   * and does not harm the store.
   *
   * With `incremental: true`, a backup that this store has made gets the writes since then, for which the journal must still
   * hold them: see the option `retain` of open(). When that fails or is stopped, the backup opens as it was, or with some of
   * the writes, in their order. A backup that was opened for writing has a history of its own, and gets no more.
   *
   * @param directory A path or a `file:` URL. The directory must be outside of the directory of the store. It must be absent
   * or empty; with `incremental`, it must hold a backup of this store that nobody has open.
   * @param options `incremental`, default false.
   * @throws A TypeError when `directory` is not a path or lies inside the directory of the store, and for a wrong option,
   * KEELSON_CLOSED, KEELSON_POISONED. Rejects with a TypeError when a link leads into the directory of the store,
   * KEELSON_EXISTS when `directory` is not empty, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND when it was moved meanwhile, KEELSON_ABORTED when
   * the store is closed meanwhile, KEELSON_POISONED, and with errors of the disk. With `incremental`, it also rejects with
   * KEELSON_HISTORY_GONE when the journal no longer holds all writes since the backup, KEELSON_FOREIGN when `directory` holds
   * no backup of this store or one with another history, KEELSON_LOCKED, KEELSON_INCOMPLETE, and KEELSON_CORRUPT.
   * @example
   * const { lsn, entries } = await db.backup('./backup');
   * // On the next day:
   * await db.backup('./backup', { incremental: true });
   */
  backup(directory: DirectoryPath, options?: BackupOptions): Promise<BackupResult>;

  /**
   * Returns figures of the store as of now. It is cheap enough to be called every second, and works after close().
   *
   * @example
   * const { entries, engine } = db.stats();
   * console.log(entries, engine.engine, engine.engineReason);
   */
  stats(): StoreStats;

  /**
   * Adds a listener for an event. The store calls no listener from within one of its methods, so an error that a listener
   * throws is an uncaught exception, and interrupts nothing in the store.
   *
   * @param event `'checkpoint'`, `'poisoned'` or `'close'`.
   * @param listener A function that takes the arguments in StoreEvents.
   * @throws A TypeError for another event, and for a listener that is no function.
   * @example
   * db.on('poisoned', (error) => console.error(error));
   */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;

  /**
   * Removes a listener that on() has added, if it is there.
   *
   * @param event `'checkpoint'`, `'poisoned'` or `'close'`.
   * @param listener The function that was given to on().
   * @throws A TypeError for another event, and for a listener that is no function.
   * @example
   * db.off('poisoned', listener);
   */
  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;

  /**
   * Makes all accepted writes durable, and closes the store. Later calls and further steps of iterations throw
   * KEELSON_CLOSED. Aborts running checkpoints and backups, apart from a small automatic checkpoint that many short
   * sessions have made due. Idempotent. Never rejects: the promise of a write that does not become durable rejects.
   *
   * @example
   * await db.close();
   */
  close(): Promise<void>;

  /** Calls close(), at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A store as it was at one LSN, which db.snapshot() returns. A snapshot ends when its store is closed.
 *
 * @example
 * const before = db.snapshot();
 * await db.clear();
 * console.log(before.size, db.size);
 * before.close();
 */
export interface Snapshot<K = string, V = unknown> extends Reads<K, V> {
  /** The LSN of the last write in the snapshot. That write may not be durable yet: see flush(lsn). */
  readonly lsn: Lsn;

  /**
   * The time at which the snapshot was taken, in milliseconds since 1970. It has no entry that was expired then, and keeps the
   * others.
   */
  readonly now: number;

  /**
   * Returns the reads of a namespace in the snapshot. A namespace that did not exist has no keys. One that was dropped since
   * has those that it had.
   *
   * @param namespace A namespace of the same store.
   * @throws A TypeError for anything else, KEELSON_CLOSED.
   * @example
   * const before = db.snapshot();
   * console.log(before.in(users).size);
   */
  in<NK, NV, I>(namespace: Namespace<NK, NV, I>): IndexedReads<NK, NV, I>;

  /**
   * Closes the snapshot and frees the memory that only it held. Idempotent. Later reads, and further steps of iterations
   * over the snapshot, throw KEELSON_CLOSED.
   *
   * @example
   * snapshot.close();
   */
  close(): void;

  /** Calls close(), at the end of a `using` block. */
  [Symbol.dispose](): void;
}
