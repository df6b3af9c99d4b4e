// KeelsonLevel: a database of abstract-level on a Keelson store of bytes. abstract-level checks arguments, encodes, defers
// until the database is open, runs hooks and emits events; the methods that start with `_` are what it calls then.

import {
  type AbstractBatchOperation,
  type AbstractBatchOptions,
  type AbstractChainedBatch,
  type AbstractClearOptions,
  type AbstractDelOptions,
  AbstractLevel,
  type AbstractPutOptions,
  AbstractSnapshot,
} from 'abstract-level';
import { misuse } from '../errors.js';
import { FairTurns } from '../fair-turns.js';
import { type Durability, open, type Snapshot, type Store, type WriteOptions } from '../kv/index.js';
import {
  batchOfChecked,
  type CheckedOperation,
  collectionWith,
  type RawReads,
  rawReadsOf,
  type SpaceCollection,
} from '../kv/internal.js';
import { nextTurn } from '../schedulers.js';
import { formOf, indexKeyOf, type LevelData, levelKeyCodec, levelValueCodec } from './level-codecs.js';
import { levelErrorOf, throwLevelError } from './level-errors.js';
import {
  boundsOf,
  EntryIterator,
  KeyIterator,
  type LevelIteratorOptions,
  type LevelRange,
  ValueIterator,
} from './level-iterators.js';
import {
  durabilityOf,
  type KeelsonLevelOpenOptions,
  type KeelsonLevelOptions,
  type LevelWriteOptions,
  storeOptionsOf,
} from './level-options.js';

type LevelOperation = CheckedOperation<LevelData, LevelData>;

type BytesStore = Store<Uint8Array, Uint8Array>;

/** An open store, and the access of a database to it. */
interface OpenStore {
  readonly store: BytesStore;
  readonly reads: RawReads;
  readonly writes: SpaceCollection<LevelData, LevelData>;
}

interface ReadOptions {
  readonly keyEncoding?: string;
  readonly valueEncoding?: string;
  readonly snapshot?: LevelSnapshot | null;
}

const IN_MEMORY: WriteOptions = { durability: 'memory' };
const ON_DISK: WriteOptions = { durability: 'disk' };

/** The abilities of the database, for abstract-level. */
const MANIFEST = {
  encodings: { utf8: true, buffer: true, view: true },
  has: true,
  getSync: true,
  createIfMissing: true,
  errorIfExists: true,
  explicitSnapshots: true,
  signals: { iterators: true },
};

/** An explicit snapshot. */
class LevelSnapshot extends (AbstractSnapshot as new (options: object) => AbstractSnapshot) {
  readonly reads: RawReads;
  readonly #snapshot: Snapshot<Uint8Array, Uint8Array>;

  constructor(options: object, snapshot: Snapshot<Uint8Array, Uint8Array>) {
    super(options);
    this.#snapshot = snapshot;
    this.reads = rawReadsOf(snapshot);
  }

  _close(): void {
    this.#snapshot.close();
  }
}

/** The methods of abstract-level that take options of this database. */
export interface KeelsonLevel<K, V> {
  /**
   * Opens the database. The constructor does so, too. Resolves when the store is open and durable.
   *
   * @param options The options are in KeelsonLevelOpenOptions. By default those of the constructor.
   * @throws Rejects with LEVEL_DATABASE_NOT_OPEN, whose cause is LEVEL_LOCKED, LEVEL_CORRUPTION, LEVEL_IO_ERROR or the
   * KeelsonError that open() of a store rejects with.
   */
  open(options?: KeelsonLevelOpenOptions): Promise<void>;
  /**
   * Sets the value of a key. The promise resolves when the write is durable, or at once with `durability: 'memory'`.
   *
   * @throws Rejects with LEVEL_INVALID_KEY and LEVEL_INVALID_VALUE for null and undefined, LEVEL_DATABASE_NOT_OPEN,
   * LEVEL_IO_ERROR when the disk refuses, and any other KeelsonError that put() of a store throws.
   */
  put(key: K, value: V): Promise<void>;
  /**
   * Sets the value of a key, with `options` for this call: `durability`, `sync`, and encodings. The first overload documents
   * the errors.
   */
  put<PK = K, PV = V>(
    key: PK,
    value: PV,
    options: AbstractPutOptions<PK, PV> & LevelWriteOptions,
  ): Promise<void>;
  /**
   * Deletes a key. The promise resolves when the deletion is durable, or at once with `durability: 'memory'`.
   *
   * @throws Rejects with what put() rejects with.
   */
  del(key: K): Promise<void>;
  /** Deletes a key, with options for this call. The first overload documents the errors. */
  del<PK = K>(key: PK, options: AbstractDelOptions<PK> & LevelWriteOptions): Promise<void>;
  /**
   * Applies all operations as one atomic write. The promise resolves when the write is durable, or at once with
   * `durability: 'memory'`.
   *
   * @throws Rejects with what put() rejects with.
   */
  batch(operations: AbstractBatchOperation<this, K, V>[]): Promise<void>;
  /** Applies all operations as one atomic write, with options for this call. The first overload documents the errors. */
  batch<PK = K, PV = V>(
    operations: AbstractBatchOperation<this, PK, PV>[],
    options: AbstractBatchOptions<PK, PV> & LevelWriteOptions,
  ): Promise<void>;
  /**
   * Returns a chained batch, whose write() applies its operations as one atomic write.
   *
   * @throws LEVEL_DATABASE_NOT_OPEN.
   */
  batch(): AbstractChainedBatch<this, K, V>;
  /**
   * Deletes all keys as one atomic write. The promise resolves when the deletion is durable, or at once with
   * `durability: 'memory'`.
   *
   * @throws Rejects with what put() rejects with.
   */
  clear(): Promise<void>;
  /** Deletes all keys in the range of the options as one atomic write. The first overload documents the errors. */
  clear<PK = K>(options: AbstractClearOptions<PK> & LevelWriteOptions): Promise<void>;
}

/**
 * A database of [abstract-level](https://github.com/Level/abstract-level) on a Keelson store. The promise of a write resolves
 * when the write survives `kill -9`, a crash of the kernel and a power cut, unless `durability` is `'memory'`.
 *
 * @example
 * const db = new KeelsonLevel<string, User>('./data', { valueEncoding: 'json' });
 * await db.put('user:ada', { name: 'Ada', logins: 1 });
 * for await (const [key, user] of db.iterator({ gte: 'user:' })) console.log(key, user.logins);
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: abstract-level implements what the interface declares
export class KeelsonLevel<K = string, V = string> extends AbstractLevel<string | Buffer | Uint8Array, K, V> {
  /** The directory of the store, as the constructor was given it. */
  readonly location: string;
  #durability: Durability = 'disk';
  #open: OpenStore | null = null;
  readonly #turns = new FairTurns();

  /**
   * Makes a database, which opens by itself in the next microtask. Operations before that wait for it.
   *
   * @param location The path of a directory.
   * @param options The options, with their defaults, are in KeelsonLevelOptions.
   * @throws A TypeError when `location` is not a string or empty. A failed open rejects the operations that wait for it.
   * @example
   * const db = new KeelsonLevel('./data', { durability: 'memory' });
   */
  constructor(location: string, options?: KeelsonLevelOptions<K, V>) {
    if (typeof location !== 'string' || location === '') throw misuse('location', 'a path', location);
    super(MANIFEST, options);
    this.location = location;
  }

  /**
   * The Keelson store beneath, for example for backup(), checkpoint(), stats() and snapshot(). Its keys and values are
   * Uint8Arrays. Null while the database is not open.
   *
   * @example
   * await db.store?.backup('./backup');
   */
  get store(): Store<Uint8Array, Uint8Array> | null {
    return this.#open?.store ?? null;
  }

  async _open(options: KeelsonLevelOpenOptions): Promise<void> {
    this.#durability = durabilityOf({ durability: options.durability }, 'disk');
    try {
      const store = await open(this.location, storeOptionsOf(options));
      const codecs = { key: levelKeyCodec, value: levelValueCodec };
      this.#open = { store, reads: rawReadsOf(store), writes: collectionWith(store, codecs) };
    } catch (error) {
      throw levelErrorOf(error);
    }
  }

  async _close(): Promise<void> {
    await this.#open?.store.close().catch(throwLevelError);
    this.#open = null;
  }

  _get(key: LevelData, options: ReadOptions): unknown {
    return this.#fairly(this._getSync(key, options));
  }

  _getSync(key: LevelData, options: ReadOptions): unknown {
    return this.#reads(options).get(indexKeyOf(key), formOf(options.valueEncoding).value);
  }

  _getMany(keys: readonly LevelData[], options: ReadOptions): unknown {
    const reads = this.#reads(options);
    const { value } = formOf(options.valueEncoding);
    return this.#fairly(
      keys.map((key) => reads.get(indexKeyOf(key), value)),
      keys.length,
    );
  }

  _has(key: LevelData, options: ReadOptions): unknown {
    return this.#fairly(this.#reads(options).has(indexKeyOf(key)));
  }

  _hasMany(keys: readonly LevelData[], options: ReadOptions): unknown {
    const reads = this.#reads(options);
    return this.#fairly(
      keys.map((key) => reads.has(indexKeyOf(key))),
      keys.length,
    );
  }

  _put(key: LevelData, value: LevelData, options: LevelWriteOptions): Promise<unknown> {
    return this.#write(options, (writes, how) => writes.put(key, value, how));
  }

  _del(key: LevelData, options: LevelWriteOptions): Promise<unknown> {
    return this.#write(options, (writes, how) => writes.delete(key, how));
  }

  _batch(operations: readonly LevelOperation[], options: LevelWriteOptions): Promise<unknown> {
    return this.#write(options, (writes, how) => batchOfChecked(writes, operations, how));
  }

  _clear(options: LevelWriteOptions & LevelRange & ReadOptions): Promise<unknown> {
    return this.#write(options, (writes, how) => {
      const { snapshot, reverse, limit } = options;
      if (snapshot != null) return batchOfChecked(writes, deletesOf(snapshot, options), how);
      const { gt, gte, lt, lte } = options;
      const [low, high] = [gte === undefined ? { gt } : { gte }, lte === undefined ? { lt } : { lte }];
      return writes.clear({ ...low, ...high, reverse, ...(limit === -1 ? {} : { limit }) }, how);
    });
  }

  _iterator(options: LevelIteratorOptions & ReadOptions): object {
    return new EntryIterator(this, options, this.#reads(options), this.#turns);
  }

  _keys(options: LevelIteratorOptions & ReadOptions): object {
    return new KeyIterator(this, options, this.#reads(options), this.#turns);
  }

  _values(options: LevelIteratorOptions & ReadOptions): object {
    return new ValueIterator(this, options, this.#reads(options), this.#turns);
  }

  _snapshot(options: object): AbstractSnapshot {
    return new LevelSnapshot(options, this.#open!.store.snapshot());
  }

  #reads({ snapshot }: ReadOptions): RawReads {
    return snapshot == null ? this.#open!.reads : snapshot.reads;
  }

  /** Returns what was read, or a promise of it when the event loop is to have its turn. */
  #fairly<T>(read: T, work = 1): T | Promise<T> {
    return this.#turns.isDue(work) ? nextTurn().then(() => read) : read;
  }

  #write(
    options: LevelWriteOptions,
    write: (writes: SpaceCollection<LevelData, LevelData>, how: WriteOptions) => Promise<unknown>,
  ): Promise<unknown> {
    try {
      const how = durabilityOf(options, this.#durability) === 'memory' ? IN_MEMORY : ON_DISK;
      const written = write(this.#open!.writes, how);
      // The promise of a write in memory never rejects.
      return how === IN_MEMORY ? written : written.then(undefined, throwLevelError);
    } catch (error) {
      throw levelErrorOf(error);
    }
  }
}

/** Returns the deletes of the keys that a snapshot has in a range. */
function deletesOf({ reads }: LevelSnapshot, range: LevelRange): LevelOperation[] {
  const cursor = reads.cursor(boundsOf(range), range.reverse);
  const operations: LevelOperation[] = [];
  const limit = range.limit === -1 ? Number.POSITIVE_INFINITY : range.limit;
  while (operations.length < limit && cursor.advance())
    operations.push({ type: 'del', key: Buffer.from(cursor.key, 'latin1'), value: '' });
  cursor.close();
  return operations;
}
