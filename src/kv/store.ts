// The store: the object that open() returns. store-core.ts decides who may read and write.

import { EventEmitter } from 'node:events';
import { type InspectOptions, inspect } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import type { ClosableIterator } from '../batch-iterator.js';
import { tell } from '../diagnostics.js';
import { KeelsonError, misuse } from '../errors.js';
import type { DirectoryPath, Lsn } from '../journal/index.js';
import { nextTick } from '../schedulers.js';
import { SpaceCollection } from './collection.js';
import { type BackupOptions, type BackupResult, Backups } from './copy/backup.js';
import { BOUND_NAMES, resolveRange } from './encoding/range.js';
import type { EntriesMemory } from './entries/entries-parts.js';
import { NO_TIME } from './entries/expiry.js';
import type { Space } from './entries/space.js';
import { EVERYTHING } from './feed/change-filter.js';
import type { ChangeGroup, ChangesOptions, NamespaceChangesOptions } from './feed/change-types.js';
import { resolveChangesOptions, resolveNamespaceChangesOptions } from './feed/changes-options.js';
import type { CheckpointResult } from './image/checkpoint.js';
import type { Namespace } from './namespace.js';
import type { Codecs } from './read/reads.js';
import { shown } from './read/shown.js';
import { Snapshot } from './read/snapshot.js';
import type { StoreRecovery } from './recovery-report.js';
import type { Following } from './replay/following.js';
import { Replication } from './replication/replication.js';
import { StoreCore, type StoreParts } from './store-core.js';
import type { StoreEvents, StoreStats, Store as StoreSurface } from './store-interface.js';
import { Transactions } from './transactions/transactions.js';
import { resolveDurability, WRITE_OPTIONS, type WriteOptions } from './write/write-options.js';

const EVENTS: readonly (keyof StoreEvents)[] = ['checkpoint', 'poisoned', 'close'];

/** The facts about a space that the command shows. */
export interface SpaceFacts {
  /** The name of the namespace; '' for the store itself. */
  readonly name: string;
  readonly keyEncoding: string;
  readonly valueEncoding: string;
  readonly entries: number;
  /** The bytes of the entries in memory, with headers and padding. */
  readonly bytes: number;
}

/** An open store. store-interface.ts documents it for callers. */
export class Store<K, V> extends SpaceCollection<K, V> implements StoreSurface<K, V> {
  readonly recovery: StoreRecovery;
  readonly directory: string;
  readonly id: string;
  readonly #core: StoreCore;
  readonly #transactions: Transactions;
  readonly #events: EventEmitter<StoreEvents>;
  #replication: Replication | null = null;
  #closing: Promise<void> | null = null;
  readonly #backups = new Backups();

  constructor(parts: StoreParts<K, V>) {
    const events = new EventEmitter<StoreEvents>();
    const { directory, recovery } = parts;
    const core = new StoreCore(parts, (event) => {
      emit(events, 'checkpoint', event);
      tell('keelson:checkpoint', { directory, event });
    });
    super(parts.codecs, core, parts.schema.root);
    this.recovery = recovery;
    this.directory = directory;
    this.id = core.id;
    this.#core = core;
    this.#transactions = new Transactions(core);
    this.#events = events;
    parts.log?.onPoisoned((error) => {
      core.writing?.removals.close();
      core.watches.registry.wakeAll(false);
      emit(events, 'poisoned', error);
    });
    const { durationMs, lastLsn } = recovery;
    tell('keelson:open', { directory, durationMs, lastLsn });
  }

  get lastLsn(): Lsn {
    return this.#core.lastLsn;
  }

  get durableLsn(): Lsn {
    return this.#core.durableLsn;
  }

  get poisoned(): KeelsonError | null {
    return this.#core.poisoned;
  }

  transaction<T>(fn: (tx: never) => T, options?: unknown): Promise<Awaited<T>> {
    return this.#transactions.run(fn as (tx: unknown) => T, options);
  }

  namespace(name: string, options?: unknown): Namespace<never, never> {
    this.#core.assertOpen();
    return this.#core.namespaces.get(name, options) as Namespace<never, never>;
  }

  namespaces(): string[] {
    this.#core.assertOpen();
    return this.#core.namespaces.names;
  }

  drop(namespace: unknown, options?: WriteOptions): Promise<Lsn> {
    const { namespaces, schema, watches, feeds } = this.#core;
    const writer = this.#core.writable();
    const durability = resolveDurability(options, WRITE_OPTIONS);
    const space = namespaces.toDrop(namespace);
    const writes = writer.path.take();
    try {
      schema.links.runOutsideOfCommits();
      const isWritten = space?.isThere === true;
      if (isWritten) writes.drop(space);
      const lsn = writer.path.commit(writes);
      // Before the promise is made, because hooks of the program may write then.
      if (space !== undefined) {
        namespaces.forget(space);
        watches.registry.dropped(space);
        if (!isWritten) feeds.droppedUnwritten(space);
      }
      return writer.whenDurable(lsn, durability);
    } finally {
      writer.path.giveBack(writes);
    }
  }

  changes(options?: ChangesOptions): ClosableIterator<ChangeGroup> {
    const resolved = resolveChangesOptions(options);
    this.#core.assertOpen();
    return this.#core.feeds.open(resolved, EVERYTHING);
  }

  expireNow(): Promise<number> {
    this.#core.writable();
    return this.#core.assertWritable().removals.removeNow();
  }

  nextId(): number {
    this.#core.assertWritable();
    return this.#core.schema.nextId();
  }

  snapshot(): Snapshot<K, V> {
    this.#core.assertOpen();
    const { schema } = this.#core;
    const now = this.#core.now();
    // The clock may have closed the store.
    this.#core.assertOpen();
    const view = schema.view(this.#core.lastLsn, this.#core.writing === null ? NO_TIME : now);
    return new Snapshot(this.codecs, view, schema.root, this.#core, now);
  }

  replicate(options?: unknown): MessagePort {
    const { storage, directory } = this.#core;
    const replication = Store.replicationOf(this);
    if (storage.report.engine === 'simulated') throw notOnFiles(directory);
    return replication.replicate(options);
  }

  flush(lsn?: number): Promise<Lsn> {
    return this.#core.assertWritable().log.syncThrough(lsn);
  }

  flushSync(): Lsn {
    return this.#core.assertWritable().log.syncThroughSync();
  }

  async refresh(): Promise<Lsn> {
    this.#core.assertOpen();
    return (await this.#core.following?.refresh()) ?? this.lastLsn;
  }

  drained(): Promise<void> {
    return this.#core.assertWritable().log.drained();
  }

  checkpoint(): Promise<CheckpointResult> {
    return this.#core.assertWritable().checkpoints.request();
  }

  backup(directory: DirectoryPath, options?: BackupOptions): Promise<BackupResult> {
    this.#core.assertOpen();
    if (this.poisoned !== null) throw this.poisoned;
    const { storage, schema } = this.#core;
    const log = this.#core.writing?.log ?? null;
    const now = schema.expiry.now();
    // The clock may have closed the store.
    this.#core.assertOpen();
    const { directory: source, id, lastLsn } = this.#core;
    const view = schema.wholeViewAt(lastLsn, now);
    // Later records repeat definitions, because a backup may get the log from here on.
    if (log !== null) schema.startEpoch(lastLsn);
    const fedLog = () => this.#core.fedLog;
    try {
      return this.#backups.start(directory, options, { storage, source, id, log, schema, view, fedLog });
    } catch (error) {
      view.close();
      throw error;
    }
  }

  stats(): StoreStats {
    const { schema, storage, writing } = this.#core;
    const now = schema.expiry.isUsed ? schema.expiry.now() : NO_TIME;
    // It links the puts that were put off, so the other figures know them.
    const entries = schema.root.currentAt(now).size;
    return {
      entries,
      memory: memoryOf(schema.spaces),
      expiry: schema.expiry.stats(now),
      lastLsn: this.lastLsn,
      durableLsn: this.durableLsn,
      engine: storage.report,
      journal: writing?.log.stats() ?? null,
      checkpoints: writing?.checkpoints.stats ?? null,
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

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const facts = {
      directory: () => this.directory,
      entries: () => {
        this.#core.assertOpen();
        return this.#core.schema.root.entries.size;
      },
      lastLsn: () => this.lastLsn,
      poisoned: () => this.poisoned?.code,
    };
    return shown('Keelson', facts, options);
  }

  /** Returns the part of a read-only store that follows its owner. It is no method, because stores are in the hands of users. @internal */
  static followingOf(store: Store<unknown, unknown>): Following {
    return store.#core.following!;
  }

  /** Returns the spaces of a store, the root space first. It is no method, because stores are in the hands of users. @internal */
  static spacesOf(store: Store<unknown, unknown>): SpaceFacts[] {
    store.#core.schema.links.runOutsideOfCommits();
    return store.#core.schema.spaces.map(({ name, keyCodec, valueEncodingName, entries }) => ({
      name,
      keyEncoding: keyCodec.name,
      valueEncoding: valueEncodingName,
      entries: entries.size,
      bytes: entries.valueBytes,
    }));
  }

  /** Returns the highest id that was drawn. It is no method, because stores are in the hands of users. @internal */
  static highestIdOf(store: Store<unknown, unknown>): number {
    return store.#core.schema.highestId;
  }

  /** Draws all ids up to this one. It is no method, because stores are in the hands of users. @internal */
  static drawUpTo(store: Store<unknown, unknown>, id: number): void {
    store.#core.assertWritable();
    store.#core.schema.drawUpTo(id);
  }

  /**
   * Returns the reads and writes of the store itself, with other codecs, which write the same bytes as those of the store. It is
   * no method, because stores are in the hands of users. @internal
   */
  static collectionWith<K, V>(store: Store<unknown, unknown>, codecs: Codecs<K, V>): SpaceCollection<K, V> {
    return new SpaceCollection(codecs, store.#core, store.#core.schema.root);
  }

  /**
   * Returns the changes of the store itself within a range, without those of its namespaces. It is no method, because stores
   * are in the hands of users. @internal
   */
  static ownChangesOf<K, V>(
    store: Store<K, V>,
    options: NamespaceChangesOptions<K>,
  ): ClosableIterator<ChangeGroup<K, V>> {
    const resolved = resolveNamespaceChangesOptions(options);
    const { bounds } = resolveRange(store.codecs.key, 'range', BOUND_NAMES, resolved.range);
    const core = store.#core;
    core.assertOpen();
    return core.feeds.openOf(core.schema.root, bounds, resolved) as ClosableIterator<ChangeGroup<K, V>>;
  }

  /** Returns the replication of a store that takes writes. It is no method, because stores are in the hands of users. @internal */
  static replicationOf<K, V>(store: Store<K, V>): Replication {
    const { log } = store.#core.assertWritable();
    store.#replication ??= new Replication({ directory: store.directory, id: store.id, log });
    return store.#replication;
  }

  async #close(): Promise<void> {
    const { writing } = this.#core;
    this.#core.isClosed = true;
    this.#transactions.close();
    this.#replication?.close();
    writing?.removals.close();
    this.#core.watches.close();
    await Promise.all([
      writing?.checkpoints.close(),
      this.#backups.close(),
      this.#core.following?.ended(),
      this.#core.followedFeeds?.close(),
    ]);
    await writing?.log.close();
    emit(this.#events, 'close');
    tell('keelson:close', { directory: this.directory });
  }
}

function notOnFiles(directory: string): KeelsonError {
  return new KeelsonError(
    'KEELSON_ENGINE_UNAVAILABLE',
    {
      what: `The store in ${directory} is on a simulated disk, which no other thread can read`,
      next: 'To test with replicas, open the store in a temporary directory',
    },
    { path: directory },
  );
}

/** Emits an event outside of this call, so that an error of a listener interrupts nothing. */
function emit<E extends keyof StoreEvents>(
  events: EventEmitter<StoreEvents>,
  event: E,
  ...args: StoreEvents[E]
): void {
  nextTick(() => events.emit(event, ...(args as never)));
}

/** Returns the memory of all spaces together. */
function memoryOf(spaces: readonly Space[]): EntriesMemory {
  const sum = { valueBytes: 0, slabBytes: 0, hashIndexBytes: 0, handleBytes: 0, deadlineBytes: 0 };
  for (const { entries } of spaces) {
    const { memory } = entries;
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += memory[name];
  }
  return sum;
}

function checkListener(event: unknown, listener: unknown): void {
  if (!EVENTS.includes(event as keyof StoreEvents)) {
    throw misuse('event', `one of ${EVENTS.map((name) => `'${name}'`).join(', ')}`, event);
  }
  if (typeof listener !== 'function') throw misuse('listener', 'a function', listener);
}
