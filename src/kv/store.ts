// The store: the object that open() returns. It joins the schema, the write path, checkpoints and backups.

import { EventEmitter } from 'node:events';
import { KeelsonError, misuse } from '../errors.js';
import { FairTurns } from '../fair-turns.js';
import type { DirectoryPath, Lsn } from '../journal/index.js';
import type { LocalLog } from '../journal/internal.js';
import '../platform-types.js';
import { nextTick } from '../schedulers.js';
import type { Storage } from '../storage/index.js';
import { type BackupResult, Backups } from './copy/backup.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from './encoding/range.js';
import type { Schema } from './entries/schema.js';
import type { Space } from './entries/space.js';
import type { CheckpointResult } from './image/checkpoint.js';
import { type CheckpointEvent, CheckpointSchedule, type FoundImages } from './image/checkpoint-schedule.js';
import type { ResolvedStoreOptions } from './options.js';
import { type Codecs, IndexReads } from './read/reads.js';
import { Snapshot } from './read/snapshot.js';
import type { StoreRecovery } from './recovery-report.js';
import type {
  Durability,
  StoreEvents,
  StoreStats,
  Store as StoreSurface,
  WriteOptions,
} from './store-interface.js';
import { addBatch, type BatchOperation } from './write/batch.js';
import { WritePath } from './write/write-path.js';
import type { WriteSet } from './write/write-set.js';

const EVENTS: readonly (keyof StoreEvents)[] = ['checkpoint', 'poisoned', 'close'];

/** The parts of which a store is made. */
export interface StoreParts<K, V> {
  readonly storage: Storage;
  readonly directory: string;
  readonly codecs: Codecs<K, V>;
  readonly schema: Schema;
  /** The log, or null for a store that is opened read-only. */
  readonly log: LocalLog | null;
  readonly recovery: StoreRecovery;
  readonly options: ResolvedStoreOptions;
  readonly images: FoundImages;
}

/** Each KiB of a record counts as one more unit of work: see FairTurns. */
const BYTES_PER_WORK_LOG2 = 10;

/** The parts of a store that takes writes. */
interface Writer {
  readonly log: LocalLog;
  readonly path: WritePath;
  readonly checkpoints: CheckpointSchedule;
}

/** An open store. store-interface.ts documents it for callers. */
export class Store<K, V> extends IndexReads<K, V> implements StoreSurface<K, V> {
  readonly recovery: StoreRecovery;
  readonly directory: string;
  readonly #storage: Storage;
  readonly #schema: Schema;
  readonly #root: Space;
  /** The parts for writes, or null in a store that was opened read-only. */
  readonly #writer: Writer | null;
  readonly #events = new EventEmitter<StoreEvents>();
  readonly #turns = new FairTurns();
  #isClosed = false;
  #closing: Promise<void> | null = null;
  readonly #backups = new Backups();

  constructor(parts: StoreParts<K, V>) {
    const { storage, directory, codecs, schema, log, recovery } = parts;
    super(codecs, { view: () => this.#root.entries, assertOpen: () => this.#assertOpen() });
    this.recovery = recovery;
    this.directory = directory;
    this.#storage = storage;
    this.#schema = schema;
    this.#root = schema.root;
    this.#writer = log === null ? null : this.#makeWriter(parts, log);
  }

  #makeWriter({ storage, directory, schema, options, images }: StoreParts<K, V>, log: LocalLog): Writer {
    this.#schema.links.onStopped = (cause) => log.poison(cause);
    log.onPoisoned((error) => this.#emit('poisoned', error));
    log.onSubmitted(() => this.#schema.links.runBehindSubmit());
    const emit = (event: CheckpointEvent) => this.#emit('checkpoint', event);
    const checkpoints = new CheckpointSchedule({ storage, directory, log, options, schema, images, emit });
    const path = new WritePath({
      log,
      schema,
      assertWritable: () => this.#writable(),
      onNoSpace: () => checkpoints.foundNoRoom(),
    });
    path.observe(checkpoints);
    path.observe(schema);
    return { log, path, checkpoints };
  }

  get lastLsn(): Lsn {
    return this.#writer?.log.nextLsn ?? (this.recovery.lastLsn as Lsn);
  }

  get durableLsn(): Lsn {
    return this.#writer?.log.syncedLsn ?? (this.recovery.durableLsn as Lsn);
  }

  get poisoned(): KeelsonError | null {
    return this.#writer?.log.poisoned ?? null;
  }

  put(key: K, value: V, options?: WriteOptions): Promise<Lsn> {
    const { path, log } = this.#writable();
    const durability = resolveDurability(options);
    const indexKey = this.codecs.key.toIndexKey('key', key);
    const writes = path.take();
    try {
      writes.put(this.#root, indexKey, this.codecs.value, value, 'value');
      return this.#whenDurable(log, path.commit(writes), durability, workOf(1, writes));
    } finally {
      path.giveBack(writes);
    }
  }

  delete(key: K, options?: WriteOptions): Promise<Lsn> {
    const { path, log } = this.#writable();
    const durability = resolveDurability(options);
    const indexKey = this.codecs.key.toIndexKey('key', key);
    if (!this.#root.entries.has(indexKey)) return this.#whenDurable(log, log.nextLsn, durability);
    const writes = path.take();
    try {
      writes.delete(this.#root, indexKey);
      return this.#whenDurable(log, path.commit(writes), durability, workOf(1, writes));
    } finally {
      path.giveBack(writes);
    }
  }

  batch(operations: readonly BatchOperation<K, V>[], options?: WriteOptions): Promise<Lsn> {
    const { path, log } = this.#writable();
    const durability = resolveDurability(options);
    const writes = path.take();
    try {
      addBatch(this.#root, this.codecs, operations, writes);
      if (writes.count === 0) return this.#whenDurable(log, log.nextLsn, durability);
      return this.#whenDurable(log, path.commit(writes), durability, workOf(writes.count, writes));
    } finally {
      path.giveBack(writes);
    }
  }

  clear(range?: KeyRange<K>, options?: WriteOptions): Promise<Lsn> {
    const { path, log } = this.#writable();
    const durability = resolveDurability(options);
    const { bounds } = resolveRange(this.codecs.key, 'range', BOUND_NAMES, range);
    const count = this.#root.entries.count(bounds);
    if (count === 0) return this.#whenDurable(log, log.nextLsn, durability);
    const writes = path.take();
    try {
      writes.clear(this.#root, bounds);
      return this.#whenDurable(log, path.commit(writes), durability, workOf(count, writes));
    } finally {
      path.giveBack(writes);
    }
  }

  snapshot(): Snapshot<K, V> {
    this.#assertOpen();
    const view = this.#schema.view(this.lastLsn);
    return new Snapshot(this.codecs, view, this.#root, this.directory, () => !this.#isClosed);
  }

  flush(lsn?: number): Promise<Lsn> {
    return this.#writable().log.syncThrough(lsn);
  }

  flushSync(): Lsn {
    return this.#writable().log.syncThroughSync();
  }

  drained(): Promise<void> {
    return this.#writable().log.drained();
  }

  checkpoint(): Promise<CheckpointResult> {
    return this.#writable().checkpoints.request();
  }

  backup(directory: DirectoryPath): Promise<BackupResult> {
    this.#assertOpen();
    if (this.poisoned !== null) throw this.poisoned;
    return this.#backups.start(directory, {
      storage: this.#storage,
      source: this.directory,
      log: this.#writer?.log ?? null,
      schema: this.#schema,
      view: this.#schema.wholeView(this.lastLsn),
    });
  }

  stats(): StoreStats {
    return {
      entries: this.#root.entries.size,
      memory: this.#root.entries.memory,
      lastLsn: this.lastLsn,
      durableLsn: this.durableLsn,
      engine: this.#storage.report,
      journal: this.#writer?.log.stats() ?? null,
      checkpoints: this.#writer?.checkpoints.stats ?? null,
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

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Returns the promise of the write at `lsn`. `work` is the work of the write, for FairTurns. */
  #whenDurable(log: LocalLog, lsn: Lsn, durability: Durability, work = 1): Promise<Lsn> {
    return durability === 'memory' ? this.#turns.resolved(lsn, work) : log.syncThrough(lsn);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#writer?.checkpoints.close(), this.#backups.close()]);
    await this.#writer?.log.close();
    this.#emit('close');
  }

  /** Emits an event outside of this call, so that an error of a listener interrupts nothing. */
  #emit<E extends keyof StoreEvents>(event: E, ...args: StoreEvents[E]): void {
    nextTick(() => this.#events.emit(event, ...(args as never)));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new KeelsonError('KEELSON_CLOSED', `The store in ${this.directory} is closed`);
    const { guard } = this.#schema.links;
    if (!guard.isInside) return;
    const stopped = guard.stopped();
    throw this.poisoned ?? stopped;
  }

  /** Returns the parts for writes. Throws when the store takes no writes. */
  #writable(): Writer {
    this.#assertOpen();
    if (this.#writer === null) {
      const what = `The store in ${this.directory} was opened with readOnly: true`;
      throw new KeelsonError('KEELSON_READ_ONLY', what);
    }
    const { poisoned } = this.#writer.log;
    if (poisoned !== null) throw poisoned;
    return this.#writer;
  }
}

/** Returns the units of work of a write with `count` changes. */
function workOf(count: number, { recordBytes }: WriteSet): number {
  return count + (recordBytes >> BYTES_PER_WORK_LOG2);
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
