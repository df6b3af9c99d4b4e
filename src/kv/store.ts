// The store: reads from the index, writes through the journal into the index. One put, batch or clear is one record.

import { EventEmitter } from 'node:events';
import { isKeelsonError, KeelsonError, misuse } from '../errors.js';
import { FairTurns } from '../fair-turns.js';
import type { DirectoryPath, Lsn } from '../journal/index.js';
import type { LocalLog, StoreLog } from '../journal/internal.js';
import '../platform-types.js';
import { nextTick } from '../schedulers.js';
import type { Storage } from '../storage/index.js';
import { RECORD_BYTES_MAX } from '../storage/index.js';
import { type BackupResult, Backups } from './copy/backup.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from './encoding/range.js';
import { type Entries, NoSlabMemory } from './entries/entries.js';
import type { CheckpointResult } from './image/checkpoint.js';
import { type CheckpointEvent, CheckpointSchedule, type FoundImages } from './image/checkpoint-schedule.js';
import type { ResolvedStoreOptions } from './options.js';
import { type Codecs, IndexReads } from './read/reads.js';
import { Snapshot } from './read/snapshot.js';
import type {
  Durability,
  StoreEvents,
  StoreStats,
  Store as StoreSurface,
  WriteOptions,
} from './store-interface.js';
import type { StoreRecovery } from './store-recovery.js';
import { addBatch, type BatchOperation } from './write/batch.js';
import { WriteSet } from './write/write-set.js';

const EVENTS: readonly (keyof StoreEvents)[] = ['checkpoint', 'poisoned', 'close'];

export interface StoreParts<K, V> {
  readonly storage: Storage;
  readonly directory: string;
  readonly codecs: Codecs<K, V>;
  readonly entries: Entries;
  /** Null: read-only. */
  readonly journal: LocalLog | null;
  readonly recovery: StoreRecovery;
  readonly options: ResolvedStoreOptions;
  readonly images: FoundImages;
}

/** A KiB of a record counts as one more write, where the event loop gets its turns. */
const BYTES_PER_WORK_LOG2 = 10;

/** The record of a larger batch is on its way to the disk while its keys go into the indexes. */
const BATCH_SUBMIT_BYTES = 32 * 1024;

/** So much of the log behind it is what a lost definition of names can take along. */
const SHAPES_REPEATED_BYTES = 256 * 1024;

/** An open store. What callers see of it is in store-interface.ts. */
export class Store<K, V> extends IndexReads<K, V> implements StoreSurface<K, V> {
  /** What opening found and did. */
  readonly recovery: StoreRecovery;
  readonly directory: string;
  readonly #storage: Storage;
  readonly #entries: Entries;
  readonly #journal: LocalLog | null;
  /** Null while a write has it: an encoder, or a hook on promises, may write meanwhile. */
  #writes: WriteSet | null = null;
  readonly #events = new EventEmitter<StoreEvents>();
  readonly #turns = new FairTurns();
  /** Where the log says anew what values need. */
  #shapesDueLsn: number;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  /** Null in a store that was opened read-only. */
  readonly #checkpoints: CheckpointSchedule | null;
  readonly #backups = new Backups();

  constructor(parts: StoreParts<K, V>) {
    const { storage, directory, codecs, entries, journal, recovery, options, images } = parts;
    super(codecs, {
      entries: () => this.#entries,
      assertOpen: () => this.#assertOpen(),
    });
    this.recovery = recovery;
    this.directory = directory;
    this.#storage = storage;
    this.#entries = entries;
    entries.onStopped = (cause) => journal?.poison(cause);
    this.#journal = journal;
    this.#shapesDueLsn = recovery.lastLsn + SHAPES_REPEATED_BYTES;
    journal?.onPoisoned((error) => this.#emit('poisoned', error));
    const emit = (event: CheckpointEvent) => this.#emit('checkpoint', event);
    this.#checkpoints =
      journal === null
        ? null
        : new CheckpointSchedule({ storage, directory, journal, codecs, options, entries, images, emit });
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
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const encoded = this.codecs.value.encode(value, 'value');
    const writes = this.#takeWrites();
    try {
      writes.put(this.codecs.key, indexKey, encoded);
      return this.#write(journal, writes, durability);
    } finally {
      this.#giveBack(writes);
    }
  }

  delete(key: K, options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const indexKey = this.codecs.key.toIndexKey('key', key);
    if (!this.#entries.has(indexKey)) return this.#whenDurable(journal, journal.nextLsn, durability);
    const writes = this.#takeWrites();
    try {
      writes.delete(this.codecs.key, indexKey);
      return this.#write(journal, writes, durability);
    } finally {
      this.#giveBack(writes);
    }
  }

  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const writes = this.#takeWrites();
    try {
      addBatch(this.codecs, operations, writes);
      if (writes.count === 0) return this.#whenDurable(journal, journal.nextLsn, durability);
      return this.#write(journal, writes, durability);
    } finally {
      this.#giveBack(writes);
    }
  }

  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn> {
    const journal = this.#writable();
    const durability = resolveDurability(options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, range);
    const count = this.#entries.count(bounds);
    if (count === 0) return this.#whenDurable(journal, journal.nextLsn, durability);
    const writes = this.#takeWrites();
    try {
      writes.clear(this.codecs.key, bounds);
      return this.#write(journal, writes, durability, count);
    } finally {
      this.#giveBack(writes);
    }
  }

  /** The store as it is now, for as long as the snapshot is held. O(1). */
  snapshot(): Snapshot<K, V> {
    this.#assertOpen();
    return new Snapshot(
      this.codecs,
      this.#entries.clone(),
      this.lastLsn,
      this.directory,
      () => !this.#isClosed,
    );
  }

  /** Resolves with `lsn` (default: the last write's) when every write up to it would survive a power cut. */
  flush(lsn?: number): Promise<Lsn> {
    return this.#writable().syncThrough(lsn);
  }

  /** The same for the last write, blocking the event loop: for exit paths. */
  flushSync(): Lsn {
    return this.#writable().syncThroughSync();
  }

  /** Resolves when less than half of `maxUndurableBytes` is put and not durable. */
  drained(): Promise<void> {
    return this.#writable().drained();
  }

  /**
   * Writes an image of the store as it is now, and retires what it replaces: opening then loads the image and replays
   * only what came after. One at a time: a call during another waits for it and then takes its own. CheckpointSchedule also
   * start by themselves, see the option `autoCheckpoint`. Throws at once what a write would: KEELSON_CLOSED,
   * KEELSON_POISONED, KEELSON_READ_ONLY. Rejects with KEELSON_ABORTED when the store is closed meanwhile, and with what
   * went wrong on the disk, which then has harmed nothing.
   */
  checkpoint(): Promise<CheckpointResult> {
    this.#writable();
    return this.#checkpoints!.request();
  }

  /**
   * Writes the store as it is now into `directory`, as a store of its own with the same entries, versions and LSN, while
   * writes go on. The directory is made, or is empty. Resolves when all of it is durable. Until then, also after a
   * crash, opening it is KEELSON_INCOMPLETE; a backup that fails removes what it made, as far as it can.
   *
   * Throws at once with KEELSON_CLOSED and KEELSON_POISONED, and a TypeError for a directory inside of the store's own
   * (where a link leads into it, it rejects with one). Rejects with KEELSON_EXISTS when the directory is not empty, KEELSON_ABORTED when the store is closed meanwhile, and
   * with what went wrong on the disk. None of it harms the store.
   */
  backup(directory: DirectoryPath): Promise<BackupResult> {
    this.#assertOpen();
    if (this.poisoned !== null) throw this.poisoned;
    return this.#backups.start(directory, {
      storage: this.#storage,
      source: this.directory,
      journal: this.#journal,
      codecs: this.codecs,
      entries: this.#entries.clone(),
      lsn: this.lastLsn,
    });
  }

  stats(): StoreStats {
    return {
      entries: this.#entries.size,
      memory: this.#entries.memory,
      lastLsn: this.lastLsn,
      durableLsn: this.durableLsn,
      engine: this.#storage.report,
      journal: this.#journal?.stats() ?? null,
      checkpoints: this.#checkpoints?.stats ?? null,
    };
  }

  on<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    checkListener(event, listener);
    this.#events.on(event, listener as never);
    return this;
  }

  off<E extends keyof StoreEvents>(event: E, listener: (...args: StoreEvents[E]) => void): this {
    checkListener(event, listener);
    this.#events.off(event, listener as never);
    return this;
  }

  /**
   * Makes accepted writes durable and gives the store back. Running checkpoints and backups are aborted; later calls,
   * and further steps of iterations, throw KEELSON_CLOSED. Idempotent. Never rejects: writes that could not be made durable have rejected themselves.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Carries out a write whose record is built: prepares, commits, and tells. Foreign code (hooks on promises) may run
   * before the commit and after it, never in it.
   */
  #write(journal: StoreLog, writes: WriteSet, durability: Durability, work = writes.count): Promise<Lsn> {
    const record = writes.finish();
    const records = [record];
    const frameBytes = this.#ensureRoom(journal, records);
    // Encoders and hooks may even have closed the store.
    this.#writable();
    const version = this.#commit(journal, writes, records, frameBytes);
    writes.appended();
    if (record.length >= BATCH_SUBMIT_BYTES) {
      journal.submitAtOnce();
      this.#entries.linkDue();
    }
    journal.prepareAhead();
    return this.#whenDurable(journal, version, durability, work + (record.length >> BYTES_PER_WORK_LOG2));
  }

  #ensureRoom(journal: StoreLog, records: readonly Uint8Array[]): number {
    try {
      return journal.ensureRoom(records);
    } catch (error) {
      if (isKeelsonError(error, 'KEELSON_NO_SPACE')) this.#checkpoints!.foundNoRoom();
      throw error;
    }
  }

  /**
   * Log and entries change together, or not at all: what is thrown before the record has its place has changed nothing,
   * and a stop after that leaves the guard set.
   */
  #commit(journal: StoreLog, writes: WriteSet, records: readonly Uint8Array[], frameBytes: number): Lsn {
    const entries = this.#entries;
    const record = records[0]!;
    entries.linkDue();
    entries.guard.enter();
    let version: Lsn;
    try {
      writes.stage(entries, record);
      version = journal.claim(records, frameBytes);
      if (record.length < BATCH_SUBMIT_BYTES) writes.link(entries, version);
      else entries.linkLater(() => writes.link(entries, version));
    } catch (error) {
      if (!(error instanceof NoSlabMemory)) throw this.#stopped(error);
      entries.guard.leave();
      throw error;
    }
    entries.guard.leave();
    return version;
  }

  #whenDurable(journal: StoreLog, lsn: Lsn, durability: Durability, work = 1): Promise<Lsn> {
    this.#checkpoints!.wrote(lsn);
    if (lsn >= this.#shapesDueLsn) this.#repeatShapes(lsn);
    return durability === 'memory' ? this.#turns.resolved(lsn, work) : journal.syncThrough(lsn);
  }

  /** Without a part of the log, what is behind it can be read but for so much. */
  #repeatShapes(lsn: number): void {
    this.#shapesDueLsn = lsn + SHAPES_REPEATED_BYTES;
    this.codecs.value.shapes?.startEpoch();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#checkpoints?.close(), this.#backups.close()]);
    await this.#journal?.close();
    this.#emit('close');
  }

  #takeWrites(): WriteSet {
    const writes = this.#writes ?? new WriteSet(RECORD_BYTES_MAX, this.codecs.value.shapes);
    this.#writes = null;
    writes.begin();
    return writes;
  }

  #giveBack(writes: WriteSet): void {
    // Thrown between its commit and its link: it is needed until that is done.
    if (this.#entries.isLinkDue) return;
    // Now: the next write may never come.
    writes.release();
    this.#writes = writes;
  }

  /** What to throw when a write was stopped in its commit. */
  #stopped(cause?: unknown): unknown {
    const error = this.#entries.guard.stopped(cause);
    return this.poisoned ?? error;
  }

  /** In a turn of its own: a listener that throws must not break off what it was told of. */
  #emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    nextTick(() => this.#events.emit(event, ...(args as never)));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new KeelsonError('KEELSON_CLOSED', `The store in ${this.directory} is closed`);
    if (this.#entries.guard.isInside) throw this.#stopped();
  }

  #writable(): StoreLog {
    this.#assertOpen();
    if (this.#journal === null)
      throw new KeelsonError(
        'KEELSON_READ_ONLY',
        `The store in ${this.directory} was opened with readOnly: true`,
      );
    if (this.#journal.poisoned !== null) throw this.#journal.poisoned;
    return this.#journal;
  }
}

function checkListener(event: unknown, listener: unknown): void {
  if (!EVENTS.includes(event as keyof StoreEvents)) {
    throw misuse('event', `one of ${EVENTS.map((name) => `'${name}'`).join(', ')}`, event);
  }
  if (typeof listener !== 'function') throw misuse('listener', 'a function', listener);
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
