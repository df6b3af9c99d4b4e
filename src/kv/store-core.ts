// The core of a store: decides who may read and write. The store, its namespaces and its transactions share it.

import { KeelsonError, misuse } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import type { LocalLog } from '../journal/internal.js';
import type { Storage } from '../storage/index.js';
import type { CustomValueEncoding } from './encoding/encoding-types.js';
import type { ValueCodec } from './encoding/value-encoding.js';
import type { Schema } from './entries/schema.js';
import { ROOT_ID, type Space } from './entries/space.js';
import { ChangeFeeds, type FedLog, type FedStore } from './feed/change-feeds.js';
import { type CheckpointEvent, CheckpointSchedule, type FoundImages } from './image/checkpoint-schedule.js';
import type { NamespaceStore } from './namespace.js';
import { Namespaces } from './namespaces.js';
import type { ResolvedStoreOptions } from './options.js';
import type { Codecs } from './read/reads.js';
import type { SnapshotStore } from './read/snapshot.js';
import type { StoreRecovery } from './recovery-report.js';
import { FollowedFeeds } from './replay/followed-feeds.js';
import { Following, type LoadedLog } from './replay/following.js';
import type { TransactionStore } from './transactions/transactions.js';
import { Watches, type WatchStore } from './watch/watches.js';
import type { Place } from './write/batch.js';
import { makeFollowedPostings } from './write/followed-postings.js';
import { FunctionGuard } from './write/function-guard.js';
import { PostingMaker } from './write/index-postings.js';
import { Removals } from './write/removals.js';
import { WritePath } from './write/write-path.js';
import type { WriteSet } from './write/write-set.js';
import { Writer } from './write/writer.js';

/** The parts of which a store is made. */
export interface StoreParts<K, V> {
  readonly storage: Storage;
  readonly directory: string;
  readonly codecs: Codecs<K, V>;
  readonly schema: Schema;
  /** The log, or null for a store that is opened read-only. */
  readonly log: LocalLog | null;
  /** The log as the store was loaded from it. */
  readonly loaded: LoadedLog;
  /** Loads the store anew, read-only, into a draft of its schema. */
  readonly loadAgain: (draft: Schema) => Promise<LoadedLog>;
  readonly recovery: StoreRecovery;
  readonly options: ResolvedStoreOptions;
  readonly images: FoundImages;
}

/** The parts of a store that takes writes. */
export interface Writing {
  readonly log: LocalLog;
  readonly writer: Writer;
  readonly checkpoints: CheckpointSchedule;
  readonly removals: Removals;
}

/** The core of a store, which its parts share. */
export class StoreCore implements NamespaceStore, SnapshotStore, TransactionStore, WatchStore, FedStore {
  readonly storage: Storage;
  readonly directory: string;
  readonly schema: Schema;
  readonly root: Place;
  readonly namespaces: Namespaces;
  /** Set while the function of a transaction runs. */
  readonly guard = new FunctionGuard();
  /** Makes the postings of entries in secondary indexes. */
  readonly postings = new PostingMaker(this.guard);
  /** The parts for writes, or null in a store that was opened read-only. */
  readonly writing: Writing | null;
  /** The part that follows the owner, in a store that was opened read-only; otherwise null. */
  readonly following: Following | null;
  /** The feeds of a store that was opened read-only; otherwise null. */
  readonly followedFeeds: FollowedFeeds | null;
  readonly watches = new Watches(this);
  readonly feeds = new ChangeFeeds(this);
  /** The id of the journal, as text. */
  readonly id: string;
  isClosed = false;
  readonly #clock: () => number;

  constructor(parts: StoreParts<unknown, unknown>, emit: (event: CheckpointEvent) => void) {
    const { storage, directory, codecs, schema, log, options } = parts;
    this.id = Buffer.from(parts.loaded.journalId).toString('hex');
    this.storage = storage;
    this.directory = directory;
    this.schema = schema;
    schema.expiry.onLeft = (space, key) => this.watches.registry.foreseeExpired(space, key);
    this.#clock = options.clock ?? (() => storage.wallMs());
    this.root = { space: schema.root, codecs };
    this.namespaces = new Namespaces(
      this,
      schema,
      options.encodings as readonly CustomValueEncoding<unknown>[],
    );
    this.writing = log === null ? null : this.#makeWriting(parts, log, emit);
    this.following = log === null ? this.#makeFollowing(parts) : null;
    const { journalId } = parts.loaded;
    this.followedFeeds =
      this.following === null ? null : new FollowedFeeds({ storage, directory, journalId }, this.following);
  }

  #makeWriting(
    { storage, directory, schema, options, images }: StoreParts<unknown, unknown>,
    log: LocalLog,
    emit: (event: CheckpointEvent) => void,
  ): Writing {
    schema.links.onStopped = (cause) => log.poison(cause);
    log.onSubmitted(() => schema.links.runBehindSubmit());
    log.onPartBegun(() => schema.startPart(log.nextLsn));
    const checkpoints = new CheckpointSchedule({ storage, directory, log, options, schema, images, emit });
    const path = new WritePath({
      log,
      schema,
      postings: this.postings,
      assertWritable: () => this.assertWritable(),
      onNoSpace: () => checkpoints.foundNoRoom(),
    });
    path.observe(checkpoints);
    path.observe(schema);
    // A store that is opened read-only removes what its log removes, and nothing else.
    schema.expiry.clock = () => this.now();
    const removals = new Removals({ storage, log, path, expiry: schema.expiry });
    return { log, writer: new Writer(log, path), checkpoints, removals };
  }

  #makeFollowing({
    storage,
    directory,
    codecs,
    schema,
    loaded,
    loadAgain,
  }: StoreParts<unknown, unknown>): Following {
    const { namespaces } = this;
    namespaces.followLog();
    const store = {
      storage,
      directory,
      codecs,
      schema,
      followedPostings: (writes: WriteSet) => makeFollowedPostings(this.postings, schema, writes),
      namespaces,
      watches: this.watches.registry,
      assertOpen: () => this.assertOpen(),
    };
    return new Following(store, loaded, loadAgain);
  }

  get writer(): Writer | null {
    return this.writing?.writer ?? null;
  }

  get lastLsn(): Lsn {
    return this.writing?.log.nextLsn ?? this.following!.lastLsn;
  }

  get durableLsn(): Lsn {
    return this.writing?.log.syncedLsn ?? this.following!.durableLsn;
  }

  get poisoned(): KeelsonError | null {
    return this.writing?.log.poisoned ?? null;
  }

  isOpen(): boolean {
    return !this.isClosed;
  }

  /** Throws when the store takes no reads. */
  assertOpen(): void {
    if (this.isClosed) throw this.closed();
    const { guard } = this.schema.links;
    if (!guard.isInside) return;
    const stopped = guard.stopped();
    throw this.poisoned ?? stopped;
  }

  /** Returns the writer. Throws when the store takes no writes, and a TypeError while the function of a transaction runs. */
  writable(): Writer {
    if (this.guard.isInside) this.guard.assertOutside();
    return this.assertWritable().writer;
  }

  /** Returns the parts for writes. Throws when the store takes no writes. */
  assertWritable(): Writing {
    this.assertOpen();
    if (this.writing === null) throw this.#readOnly();
    const { poisoned } = this.writing.log;
    if (poisoned !== null) throw poisoned;
    return this.writing;
  }

  placeOf(argument: { toString(): string }, namespace: unknown): Place {
    return this.namespaces.placeOf(argument, namespace);
  }

  get fedLog(): FedLog {
    if (this.writing === null) return this.followedFeeds!;
    const { log } = this.writing;
    return {
      oldestLsn: log.oldestLsn,
      durableLsn: log.syncedLsn,
      lastLsn: log.nextLsn,
      endLsn: log.nextLsn,
      isOwn: true,
      feed: (options) => log.feed(options),
    };
  }

  valueCodecOf(space: Space): ValueCodec<unknown> {
    return space.id === ROOT_ID
      ? (this.root.codecs.value as ValueCodec<unknown>)
      : this.namespaces.valueCodecOf(space);
  }

  #readOnly(): KeelsonError {
    const what = `The store in ${this.directory} was opened with readOnly: true`;
    return new KeelsonError('KEELSON_READ_ONLY', what);
  }

  /**
   * Returns the time by which entries expire; while the function of a transaction runs, always the same. Runs foreign code.
   * Throws a TypeError when the clock shows no time.
   */
  now(): number {
    const { guard } = this;
    if (!guard.isInside) return this.#readClock();
    guard.now ??= this.#readClock();
    return guard.now;
  }

  #readClock(): number {
    const clock = this.#clock;
    const now: unknown = clock();
    // The log has room for no higher time.
    if (Number.isFinite(now) && (now as number) <= Number.MAX_SAFE_INTEGER) return now as number;
    const next =
      'Entries expire by it, so no read or write can go on without it. Mend the function of option clock';
    throw misuse('the result of clock()', 'a finite number of milliseconds since 1970', now, next);
  }

  nowMs(): number {
    return this.storage.nowMs();
  }

  /** Returns the error for a use after close(). */
  closed(): KeelsonError {
    return new KeelsonError('KEELSON_CLOSED', `The store in ${this.directory} is closed`);
  }
}
