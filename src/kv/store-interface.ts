// The public interfaces of an open store and a snapshot. The classes in store.ts and read/snapshot.ts implement them.
// Callers get interfaces, because editors show the docstring of a member where it is declared.

import type { KeelsonError } from '../errors.js';
import type { DirectoryPath, JournalStats, Lsn } from '../journal/index.js';
import type { EngineReport } from '../storage/index.js';
import type { BackupResult } from './copy/backup.js';
import type { KeyRange } from './encoding/range.js';
import type { EntriesMemory } from './entries/entries.js';
import type { CheckpointResult } from './image/checkpoint.js';
import type { CheckpointEvent, CheckpointStats } from './image/checkpoint-schedule.js';
import type { Reads } from './read/reads.js';
import type { StoreRecovery } from './recovery-report.js';
import type { BatchOperation } from './write/batch.js';

/**
 * The moment at which the promise of a write resolves. With `'disk'` it resolves when the write is durable. With
 * `'memory'` it does not wait for the disk, and never rejects.
 */
export type Durability = 'disk' | 'memory';

/**
 * The options of a write.
 *
 * @example
 * db.put('visits', 7, { durability: 'memory' });
 */
export interface WriteOptions {
  /**
   * The moment at which the promise resolves. It changes nothing about how the write goes to the disk. Default `'disk'`.
   */
  readonly durability?: Durability | undefined;
}

/**
 * The reads and writes of a store. A write is visible when its call returns. Its promise resolves with the LSN of the
 * write when the write is durable. With `durability: 'memory'`, the promise does not wait for that. Durable means that
 * the write survives `kill -9`, a crash of the kernel and a power cut.
 *
 * A write that is not accepted throws at once, with nothing changed: a TypeError for misuse, KEELSON_CLOSED,
 * KEELSON_POISONED, KEELSON_READ_ONLY, KEELSON_KEY_TOO_LARGE, KEELSON_RECORD_TOO_LARGE, KEELSON_EXHAUSTED; what the disk
 * refuses with KEELSON_NO_SPACE, KEELSON_ACCESS or KEELSON_IO; what encode() of an encoding of your own throws; or a
 * RangeError when there is no memory. The promise of an accepted write rejects only with KEELSON_POISONED, when the write
 * will not become durable.
 *
 * A write blocks the event loop if more than `maxUndurableBytes` would not be durable with it: see drained().
 */
export interface Collection<K, V> extends Reads<K, V> {
  /**
   * Sets the value of a key. The value is visible when the call returns, and durable when the promise resolves.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param value A value that the value encoding takes. It is copied. Key and value have at most 2^28 − 1 bytes together.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, which is the version of the value in getEntry().
   * @throws At once, with nothing changed: a TypeError for a wrong key, a TypeError for a value that decoding would not
   * return exactly, with the place in the value, and the errors that all writes have in common. Rejects with
   * KEELSON_POISONED.
   * @example
   * await db.put('user:ada', { name: 'Ada', logins: 1 });
   */
  put(key: K, value: V, options?: WriteOptions): Promise<Lsn>;

  /**
   * Deletes a key. The deletion is visible when the call returns, and durable when the promise resolves. For an absent key
   * nothing is written, and the promise resolves when the absence of the key is durable.
   *
   * @param key A string, Uint8Array or tuple, as `keyEncoding` says; at most 65,536 bytes.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when the key was absent.
   * @throws At once, with nothing changed: a TypeError for a wrong key, and the errors that all writes have in common.
   * Rejects with KEELSON_POISONED.
   * @example
   * await db.delete('user:ada');
   */
  delete(key: K, options?: WriteOptions): Promise<Lsn>;

  /**
   * Applies all operations in their order as one write, or none of them. That holds for reads, for snapshots, and after a
   * crash. The operations are visible when the call returns, and durable when the promise resolves.
   *
   * @param operations An array of puts, deletes and clears, which have at most 2^28 − 1 bytes together. For an empty
   * array nothing is written.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when there are no operations.
   * @throws At once, with nothing changed: a TypeError that names the place, as in `operations[3].key`, and the errors that
   * all writes have in common. Rejects with KEELSON_POISONED.
   * @example
   * await db.batch([
   *   { type: 'put', key: 'ann', value: 90 },
   *   { type: 'put', key: 'bob', value: 10 },
   * ]);
   */
  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn>;

  /**
   * Deletes all keys in a range as one write. The deletion is visible when the call returns, and durable when the promise
   * resolves. For a range without keys nothing is written.
   *
   * @param range The range. By default all keys. `reverse` and `limit` are unknown options here.
   * @param options By default, the promise resolves when the write is durable.
   * @returns The LSN of the write, or of the last write when the range has no keys.
   * @throws At once, with nothing changed: a TypeError for a wrong range, and the errors that all writes have in common.
   * Rejects with KEELSON_POISONED.
   * @example
   * await db.clear({ prefix: 'session:' });
   */
  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn>;
}

/**
 * Figures of a store at the time of a call of stats().
 *
 * @example
 * const { entries, memory } = db.stats();
 * console.log(entries, memory.slabBytes);
 */
export interface StoreStats {
  /** The number of keys. */
  readonly entries: number;
  /** The memory of keys and values outside the JavaScript heap, in bytes. */
  readonly memory: EntriesMemory;
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
export interface Store<K, V> extends Collection<K, V> {
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
   * Returns a snapshot: the store as it is now, for as long as the snapshot is held. O(1). Entries that are overwritten or
   * deleted later keep their memory until the snapshot is closed or garbage.
   *
   * @throws KEELSON_CLOSED.
   * @example
   * const before = db.snapshot();
   * await db.clear();
   * console.log(before.size, db.size);
   * before.close();
   */
  snapshot(): Snapshot<K, V>;

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
   * @param directory A path or a `file:` URL. The directory must be absent or empty, and outside of the directory of the
   * store.
   * @throws A TypeError when `directory` is not a path or lies inside the directory of the store, KEELSON_CLOSED,
   * KEELSON_POISONED. Rejects with a TypeError when a link leads into the directory of the store, KEELSON_EXISTS when
   * `directory` is not empty, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND when it was moved meanwhile, KEELSON_ABORTED when
   * the store is closed meanwhile, KEELSON_POISONED, and with errors of the disk.
   * @example
   * const { lsn, entries } = await db.backup('./backup-of-today');
   */
  backup(directory: DirectoryPath): Promise<BackupResult>;

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

  /** Closes the store at the end of an `await using` block. */
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
export interface Snapshot<K, V> extends Reads<K, V> {
  /** The LSN of the last write in the snapshot. That write may not be durable yet: see flush(lsn). */
  readonly lsn: Lsn;

  /**
   * Closes the snapshot and frees the memory that only it held. Idempotent. Later reads, and further steps of iterations
   * over the snapshot, throw KEELSON_CLOSED.
   *
   * @example
   * snapshot.close();
   */
  close(): void;

  /** Closes the snapshot at the end of a `using` block. */
  [Symbol.dispose](): void;
}
