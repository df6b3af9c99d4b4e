// The store: reads from the index, writes through the journal into the index. One put, batch or clear is one record.

import { EventEmitter } from 'node:events';
import { KeelsonError, misuse } from '../errors.js';
import type { JournalStats, Lsn } from '../journal/index.js';
import type { Journal } from '../journal/internal.js';
import type { EngineReport, Storage } from '../storage/index.js';
import { RECORD_BYTES_MAX } from '../storage/index.js';
import { type BatchOperation, type ResolvedOperation, resolveBatch } from './batch.js';
import { type CheckpointResult, retireBehindImage, writeCheckpoint } from './checkpoint.js';
import type { OrderedIndex } from './ordered-index.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from './range.js';
import { type Codecs, IndexReads, type Reads } from './reads.js';
import { RecordWriter } from './record-codec.js';
import { Snapshot } from './snapshot.js';
import type { StoreRecovery } from './store-recovery.js';

/** `'disk'`: the promise resolves when the write would survive a power cut. `'memory'`: at once, and never rejects. */
export type Durability = 'disk' | 'memory';

export interface WriteOptions {
  /** When the promise resolves; never when, or in which order, the write goes to disk. Default 'disk'. */
  readonly durability?: Durability | undefined;
}

/**
 * Every write is visible at once. It throws at once, with nothing changed, on misuse and with KEELSON_CLOSED,
 * KEELSON_POISONED, KEELSON_NO_SPACE, KEELSON_READ_ONLY, KEELSON_KEY_TOO_LARGE or KEELSON_RECORD_TOO_LARGE. Its promise
 * resolves with the LSN of the write, and rejects only when an accepted write will not become durable.
 */
export interface Collection<K, V> extends Reads<K, V> {
  put(key: K, value: V, options?: WriteOptions): Promise<Lsn>;
  /** Of an absent key: writes nothing, and resolves when its absence is durable. */
  delete(key: K, options?: WriteOptions): Promise<Lsn>;
  /** All of the operations, in their order, or none. */
  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn>;
  /** Deletes the keys in the range, by default all, as one write. */
  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn>;
}

export interface CheckpointStats {
  completed: number;
  failed: number;
  last: CheckpointResult | null;
  /** Why files that the last image has replaced are still there; the next checkpoint tries again. */
  retireFailure: Error | null;
}

export interface StoreStats {
  readonly entries: number;
  readonly lastLsn: number;
  readonly durableLsn: number;
  readonly engine: EngineReport;
  /** Null in a store that was opened read-only. */
  readonly journal: JournalStats | null;
  readonly checkpoints: CheckpointStats;
}

export interface StoreEvents {
  checkpoint: [result: CheckpointResult];
  poisoned: [error: KeelsonError];
  close: [];
}

export interface StoreParts<K, V> {
  readonly storage: Storage;
  readonly directory: string;
  readonly codecs: Codecs<K, V>;
  readonly index: OrderedIndex;
  /** Null: read-only. */
  readonly journal: Journal | null;
  readonly recovery: StoreRecovery;
}

/** An open store. Made by open(). */
export class Store<K, V> extends IndexReads<K, V> implements Collection<K, V> {
  /** What opening found and did. */
  readonly recovery: StoreRecovery;
  readonly directory: string;
  readonly #storage: Storage;
  readonly #index: OrderedIndex;
  readonly #journal: Journal | null;
  readonly #writer = new RecordWriter(RECORD_BYTES_MAX);
  readonly #events = new EventEmitter<StoreEvents>();
  /** The first record of a store says what its keys and values are. */
  #isBorn: boolean;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  #checkpointing: Promise<unknown> = Promise.resolve();
  #checkpoints: StoreStats['checkpoints'] = { completed: 0, failed: 0, last: null, retireFailure: null };
  /** Up to here an image holds everything. */
  #imageLsn: number;

  constructor({ storage, directory, codecs, index, journal, recovery }: StoreParts<K, V>) {
    super(codecs, {
      index: () => this.#index,
      isOpen: () => !this.#isClosed,
      assertOpen: () => this.#assertOpen(),
    });
    this.recovery = recovery;
    this.directory = directory;
    this.#storage = storage;
    this.#index = index;
    this.#journal = journal;
    this.#isBorn = recovery.lastLsn > 0;
    this.#imageLsn = recovery.imageLsn ?? 0;
    journal?.onPoisoned((error) => this.#emit('poisoned', error));
  }

  /** The LSN of the last write. */
  get lastLsn(): Lsn {
    return this.#journal?.nextLsn ?? (this.recovery.lastLsn as Lsn);
  }

  /** Every write up to here would survive a power cut. */
  get durableLsn(): Lsn {
    return this.#journal?.syncedLsn ?? (this.recovery.durableLsn as Lsn);
  }

  /** Why no more writes are taken, or null. Reads go on, and show what was visible. */
  get poisoned(): KeelsonError | null {
    return this.#journal?.poisoned ?? null;
  }

  put(key: K, value: V, options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const { key: keyCodec, value: valueCodec } = this.codecs;
    const indexKey = keyCodec.toIndexKey('key', key);
    const encoded = valueCodec.encode(value, 'value');
    // An encoder may be the caller's own code: it may have written, and even closed the store.
    this.#writable();
    this.#writer.begin();
    this.#writer.put(keyCodec, indexKey, encoded);
    const own = new Uint8Array(encoded);
    const version = this.#append(journal, this.#writer.finish());
    this.#index.set(indexKey, { value: own, version });
    return this.#whenDurable(journal, version, durability);
  }

  delete(key: K, options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const indexKey = this.codecs.key.toIndexKey('key', key);
    if (!this.#index.has(indexKey)) return this.#whenDurable(journal, journal.nextLsn, durability);
    this.#writer.begin();
    this.#writer.delete(this.codecs.key, indexKey);
    const version = this.#append(journal, this.#writer.finish());
    this.#index.delete(indexKey);
    return this.#whenDurable(journal, version, durability);
  }

  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const resolved = resolveBatch(this.codecs, operations);
    if (resolved.length === 0) return this.#whenDurable(journal, journal.nextLsn, durability);
    this.#writable();
    const version = this.#append(journal, this.#encodeBatch(resolved));
    for (const operation of resolved) this.#apply(operation, version);
    return this.#whenDurable(journal, version, durability);
  }

  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, range);
    if (this.#index.count(bounds) === 0) return this.#whenDurable(journal, journal.nextLsn, durability);
    this.#writer.begin();
    this.#writer.clear(this.codecs.key, bounds);
    const version = this.#append(journal, this.#writer.finish());
    this.#index.deleteRange(bounds);
    return this.#whenDurable(journal, version, durability);
  }

  /** The store as it is now, for as long as the snapshot is held. O(1). */
  snapshot(): Snapshot<K, V> {
    this.#assertOpen();
    return new Snapshot(this.codecs, this.#index.clone(), this.lastLsn, () => !this.#isClosed);
  }

  /** Resolves with `lsn` (default: the last write's) when every write up to it would survive a power cut. */
  flush(lsn?: number): Promise<Lsn> {
    return this.#writable().syncThrough(lsn);
  }

  /** The same for the last write, blocking the event loop: for exit paths. */
  flushSync(): Lsn {
    return this.#writable().syncThroughSync();
  }

  /**
   * Writes an image of the store as it is now, and retires what it replaces: opening then loads the image and replays
   * only what came after. One at a time: a call during another waits for it and then takes its own.
   */
  checkpoint(): Promise<CheckpointResult> {
    const journal = this.#writable();
    const result = this.#checkpointing.then(() => this.#checkpoint(journal));
    this.#checkpointing = result.catch(() => {});
    return result;
  }

  stats(): StoreStats {
    return {
      entries: this.#index.size,
      lastLsn: this.lastLsn,
      durableLsn: this.durableLsn,
      engine: this.#storage.report,
      journal: this.#journal?.stats() ?? null,
      checkpoints: { ...this.#checkpoints },
    };
  }

  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.#events.on(event, listener as never);
    return this;
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    this.#events.off(event, listener as never);
    return this;
  }

  /**
   * Makes accepted writes durable and gives the store back. A running checkpoint is aborted, iterations end, later calls
   * throw KEELSON_CLOSED. Idempotent. Never rejects: writes that could not be made durable have rejected themselves.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The record is in the journal before anything is visible; what append throws, nothing has changed for. */
  #append(journal: Journal, record: Uint8Array): Lsn {
    if (this.#isBorn) return journal.append(record);
    const { key, value } = this.codecs;
    const birth = new RecordWriter(RECORD_BYTES_MAX).birth(key.name, value.name);
    const lsn = journal.appendBatch([birth, record]);
    this.#isBorn = true;
    return lsn;
  }

  #encodeBatch(operations: readonly ResolvedOperation[]): Uint8Array {
    const { key: codec } = this.codecs;
    this.#writer.begin();
    for (const operation of operations) {
      if (operation.type === 'put') this.#writer.put(codec, operation.key, operation.value);
      else if (operation.type === 'delete') this.#writer.delete(codec, operation.key);
      else this.#writer.clear(codec, operation.bounds);
    }
    return this.#writer.finish();
  }

  #apply(operation: ResolvedOperation, version: number): void {
    if (operation.type === 'put') this.#index.set(operation.key, { value: operation.value, version });
    else if (operation.type === 'delete') this.#index.delete(operation.key);
    else this.#index.deleteRange(operation.bounds);
  }

  #whenDurable(journal: Journal, lsn: Lsn, durability: Durability): Promise<Lsn> {
    return durability === 'memory' ? Promise.resolve(lsn) : journal.syncThrough(lsn);
  }

  async #checkpoint(journal: Journal): Promise<CheckpointResult> {
    this.#assertOpen();
    const lsn = journal.nextLsn;
    const entryCount = this.#index.size;
    if (lsn === this.#imageLsn) {
      await this.#retire(journal);
      return { lsn, entries: entryCount, bytesWritten: 0 };
    }
    const { key, value } = this.codecs;
    const names = { keyEncodingName: key.name, valueEncodingName: value.name };
    try {
      const result = await writeCheckpoint({
        storage: this.#storage,
        directory: this.directory,
        journal,
        header: { journalId: journal.journalId, lsn, entryCount, ...names },
        index: this.#index.clone(),
        keyCodec: key,
        isAborted: () => this.#isClosed,
      });
      this.#imageLsn = lsn;
      this.#checkpoints.completed++;
      this.#checkpoints.last = result;
      this.#emit('checkpoint', result);
      await this.#retire(journal);
      return result;
    } catch (error) {
      this.#checkpoints.failed++;
      throw error;
    }
  }

  /** A file that cannot be removed takes space and harms nothing: the next checkpoint tries again. */
  async #retire(journal: Journal): Promise<void> {
    try {
      await retireBehindImage(this.#storage, this.directory, journal, this.#imageLsn);
      this.#checkpoints.retireFailure = null;
    } catch (error) {
      if (journal.poisoned !== null) throw error;
      this.#checkpoints.retireFailure = error as Error;
    }
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await this.#checkpointing;
    await this.#journal?.close();
    this.#emit('close');
  }

  /** In a turn of its own: a listener that throws must not break off what it was told of. */
  #emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    process.nextTick(() => this.#events.emit(event, ...(args as never)));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new KeelsonError('KEELSON_CLOSED', 'The store is closed');
  }

  #writable(): Journal {
    this.#assertOpen();
    if (this.#journal === null) throw new KeelsonError('KEELSON_READ_ONLY', 'The store was opened read-only');
    if (this.#journal.poisoned !== null) throw this.#journal.poisoned;
    return this.#journal;
  }
}

function resolveDurability(options: WriteOptions | undefined): Durability {
  if (options === undefined) return 'disk';
  if (typeof options !== 'object' || options === null) throw misuse('options', 'an object', options);
  for (const name of Object.keys(options)) {
    if (name !== 'durability') throw new TypeError(`options: unknown option '${name}'; known is durability`);
  }
  const { durability } = options;
  if (durability === undefined) return 'disk';
  if (durability !== 'disk' && durability !== 'memory') {
    throw misuse('options.durability', "'disk' or 'memory'", durability);
  }
  return durability;
}
