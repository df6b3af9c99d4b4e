// What "keelson" promises of an open store and of a snapshot: the surface of the classes in store.ts and snapshot.ts.
// Interfaces, because editors show the docstring of a member where it is declared, and not that of what a class implements.

import type { KeelsonError } from '../errors.js';
import type { DirectoryPath, JournalStats, Lsn } from '../journal/index.js';
import type { EngineReport } from '../storage/index.js';
import type { BackupResult } from './copy/backup.js';
import type { KeyRange } from './encoding/range.js';
import type { EntriesMemory } from './entries/entries.js';
import type { CheckpointResult } from './image/checkpoint.js';
import type { CheckpointEvent, CheckpointStats } from './image/checkpoint-schedule.js';
import type { Reads } from './read/reads.js';
import type { StoreRecovery } from './store-recovery.js';
import type { BatchOperation } from './write/batch.js';

/** `'disk'`: the promise resolves when the write would survive a power cut. `'memory'`: at once, and never rejects. */
export type Durability = 'disk' | 'memory';

export interface WriteOptions {
  /** When the promise resolves; never when, or in which order, the write goes to disk. Default 'disk'. */
  readonly durability?: Durability | undefined;
}

/**
 * What can be read and written. A write is visible when its call returns. Its promise resolves with the LSN of the write:
 * when it would survive a power cut, or at once with `durability: 'memory'`.
 *
 * A write throws at once, with nothing changed, on misuse and with KEELSON_CLOSED, KEELSON_POISONED, KEELSON_NO_SPACE,
 * KEELSON_READ_ONLY, KEELSON_KEY_TOO_LARGE, KEELSON_RECORD_TOO_LARGE or KEELSON_EXHAUSTED. Its promise rejects, with
 * KEELSON_POISONED, only when an accepted write will not become durable.
 */
export interface Collection<K, V> extends Reads<K, V> {
  /**
   * Sets the value of a key. Visible when the call returns; durable when the promise resolves.
   *
   * @param key A string, or a Uint8Array where the store's keys are bytes; at most 65,536 bytes on the disk.
   * @param value What the store's value encoding takes; with its key at most 2^28 − 1 bytes. It is copied.
   * @returns The LSN of the write, which getEntry() calls the version of the value.
   * @throws At once, with nothing changed, a TypeError that names the place in a value that would not come back exactly,
   * and the codes that every write throws. Rejects with KEELSON_POISONED.
   * @example
   * await db.put('user:ada', { name: 'Ada', logins: 1 });
   */
  put(key: K, value: V, options?: WriteOptions): Promise<Lsn>;

  /**
   * Deletes a key. Visible when the call returns; durable when the promise resolves. Of an absent key it writes nothing, and
   * resolves when its absence is durable.
   *
   * @param key A string, or a Uint8Array where the store's keys are bytes; at most 65,536 bytes on the disk.
   * @throws At once, with nothing changed, a TypeError and the codes that every write throws. Rejects with
   * KEELSON_POISONED.
   * @example
   * await db.delete('user:ada');
   */
  delete(key: K, options?: WriteOptions): Promise<Lsn>;

  /**
   * Applies all operations in their order, or none of them: now, after a crash, and in every snapshot.
   *
   * @param operations Puts, deletes and clears: at most 2^28 − 1 bytes together. Of none it writes nothing.
   * @throws At once, with nothing changed, a TypeError that names the place, as in `operations[3].key`, and the codes that
   * every write throws. Rejects with KEELSON_POISONED.
   * @example
   * await db.batch([
   *   { type: 'put', key: 'ann', value: 90 },
   *   { type: 'put', key: 'bob', value: 10 },
   * ]);
   */
  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn>;

  /**
   * Deletes the keys in a range, by default all, as one write: all of them or none.
   *
   * @param range Which keys. `reverse` and `limit` are unknown here.
   * @throws At once, with nothing changed, a TypeError and the codes that every write throws. Rejects with
   * KEELSON_POISONED.
   * @example
   * await db.clear({ prefix: 'session:' });
   */
  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn>;
}

/** Figures of a store, as of one call of stats(). */
export interface StoreStats {
  /** How many keys there are. */
  readonly entries: number;
  /** What keys and values take outside the JavaScript heap, in bytes. */
  readonly memory: EntriesMemory;
  /** The LSN of the last write. */
  readonly lastLsn: number;
  /** Every write up to here would survive a power cut. */
  readonly durableLsn: number;
  /** Which engine runs, and why. */
  readonly engine: EngineReport;
  /** Figures of the journal; null in a store that was opened read-only. */
  readonly journal: JournalStats | null;
  /** Figures of the checkpoints; null in a store that was opened read-only. */
  readonly checkpoints: CheckpointStats | null;
}

/** The events of a store, with the arguments of their listeners. */
export interface StoreEvents {
  /** A checkpoint has started, come further, been completed, or failed. */
  checkpoint: [event: CheckpointEvent];
  /** No more writes are taken, because of this error. */
  poisoned: [error: KeelsonError];
  /** The store is closed. */
  close: [];
}

/**
 * An open store. Made by open().
 *
 * @example
 * const db = await open<number>('./data');
 * await db.put('apples', 3);
 * await db.close();
 */
export interface Store<K, V> extends Collection<K, V> {
  /** What opening found and did. */
  readonly recovery: StoreRecovery;

  /** Where the store is, as an absolute path. */
  readonly directory: string;

  /** The LSN of the last write; before the first that of the store's birth, above 0. Also of a closed store. */
  readonly lastLsn: Lsn;

  /** Every write up to here would survive a power cut. Also of a closed store. */
  readonly durableLsn: Lsn;

  /** Why no more writes are taken, or null. Reads go on, and show what was visible. */
  readonly poisoned: KeelsonError | null;

  /**
   * Returns the store as it is now, for as long as the snapshot is held. O(1). Later overwrites take memory of their own
   * until it is closed or collected.
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
   * Resolves with `lsn` when every write up to it would survive a power cut.
   *
   * @param lsn From 0 to that of the last write, which is the default.
   * @throws A RangeError for another LSN, KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED. Rejects with
   * KEELSON_POISONED.
   * @example
   * for (const [key, value] of rows) db.put(key, value, { durability: 'memory' });
   * await db.flush();
   */
  flush(lsn?: number): Promise<Lsn>;

  /**
   * Returns the LSN of the last write when it would survive a power cut, blocking the event loop: for exit paths.
   *
   * @throws KEELSON_CLOSED, KEELSON_READ_ONLY, KEELSON_POISONED.
   * @example
   * process.on('exit', () => db.flushSync());
   */
  flushSync(): Lsn;

  /**
   * Resolves when less than half of `maxUndurableBytes` is put and not yet durable. A loop that does not await its writes
   * waits here now and then, instead of blocking the event loop in the write that reaches the limit.
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
   * Writes an image of the store as it is now, and retires what it replaces: opening then loads the image and replays
   * only what came after. One at a time: a call during another waits for it and then takes its own. CheckpointSchedule also
   * start by themselves, see the option `autoCheckpoint`. Throws at once what a write would: KEELSON_CLOSED,
   * KEELSON_POISONED, KEELSON_READ_ONLY. Rejects with KEELSON_ABORTED when the store is closed meanwhile, and with what
   * went wrong on the disk, which then has harmed nothing.
   *
   * @example
   * const { lsn, bytesWritten } = await db.checkpoint();
   */
  checkpoint(): Promise<CheckpointResult>;

  /**
   * Writes the store as it is now into `directory`, as a store of its own with the same entries, versions and LSN, while
   * writes go on. The directory is made, or is empty. Resolves when all of it is durable. Until then, also after a
   * crash, opening it is KEELSON_INCOMPLETE; a backup that fails removes what it made, as far as it can.
   *
   * Throws at once with KEELSON_CLOSED and KEELSON_POISONED, and a TypeError for a directory inside of the store's own
   * (where a link leads into it, it rejects with one). Rejects with KEELSON_EXISTS when the directory is not empty, KEELSON_ABORTED when the store is closed meanwhile, and
   * with what went wrong on the disk. None of it harms the store.
   *
   * @param directory A path or a `file:` URL, outside of the store's own directory.
   * @example
   * const { lsn, entries } = await db.backup('./backup-of-today');
   */
  backup(directory: DirectoryPath): Promise<BackupResult>;

  /**
   * Returns figures as of now: entries, memory, LSNs, the engine that runs and why, the journal, checkpoints. Cheap enough
   * for every second; also of a closed store.
   *
   * @example
   * const { entries, engine } = db.stats();
   * console.log(entries, engine.engine, engine.engineReason);
   */
  stats(): StoreStats;

  /**
   * Adds a listener for `'checkpoint'`, `'poisoned'` or `'close'`. It is called in a turn of its own, so what it throws is
   * uncaught, and breaks off nothing of the store.
   *
   * @throws A TypeError for another event, and for a listener that is no function.
   * @example
   * db.on('poisoned', (error) => console.error(error));
   */
  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;

  /**
   * Removes a listener that on() has added. Nothing happens when it is not there.
   *
   * @throws A TypeError for an unknown event, and for a listener that is no function.
   * @example
   * db.off('poisoned', listener);
   */
  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this;

  /**
   * Makes accepted writes durable and gives the store back. Running checkpoints and backups are aborted, but for a small
   * checkpoint that many short lives have made due; later calls, and further steps of iterations, throw KEELSON_CLOSED. Idempotent. Never rejects: writes that could not be made durable have rejected themselves.
   *
   * @example
   * await db.close();
   */
  close(): Promise<void>;

  /** Closes the store at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A store as it was at one LSN. Made by db.snapshot(). It ends with its store.
 *
 * @example
 * const before = db.snapshot();
 * await db.clear();
 * console.log(before.size, db.size);
 * before.close();
 */
export interface Snapshot<K, V> extends Reads<K, V> {
  /** Everything up to here is in it, and nothing after. Not necessarily durable: see flush(lsn). */
  readonly lsn: Lsn;

  /**
   * Lets go of the memory it holds. Idempotent. Iterations over it that have not ended throw KEELSON_CLOSED.
   *
   * @example
   * snapshot.close();
   */
  close(): void;

  /** Closes the snapshot at the end of a `using` block. */
  [Symbol.dispose](): void;
}
