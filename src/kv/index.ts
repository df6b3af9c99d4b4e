// The door of the store: open() with overloads for the types of keys and values, and all public types of the store.

import type { DirectoryPath } from '../journal/index.js';
import type {
  AnyValueEncoding,
  KeyEncoding,
  KeyOf,
  KeyType,
  Tuple,
  ValueEncoding,
  ValueOf,
} from './encoding/encoding-types.js';
import { openStore } from './open-store.js';
import type { StoreOptions } from './options.js';
import type { Store } from './store-interface.js';

/** The options without those that decide the types. */
type Rest = Omit<StoreOptions, 'keyEncoding' | 'valueEncoding'>;

/**
 * Opens the store in `directory`. Creates the store when it is not there, and recovers it when its last owner died. When
 * this resolves, the store and all its entries are durable, unless it is opened with `readOnly`.
 *
 * The options decide the types of keys and values: `keyEncoding: tuple<[string, number]>()` and
 * `valueEncoding: msgpack<User>()` carry types. The type of values may also be given, as in `open<User>(dir)`, which
 * resolves with a `Store<string, User>`.
 *
 * @param directory A path or a `file:` URL.
 * @param options The options, with their defaults and limits, are in StoreOptions.
 * @throws Rejects with a TypeError for misuse, KEELSON_LOCKED, KEELSON_CORRUPT, KEELSON_FOREIGN, KEELSON_INCOMPLETE,
 * KEELSON_FORMAT_VERSION, KEELSON_ENCODING_MISMATCH, KEELSON_DECODE, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND,
 * KEELSON_EXISTS, KEELSON_ENGINE_UNAVAILABLE, KEELSON_ACCESS, KEELSON_NO_SPACE, KEELSON_IO.
 * @example
 * const db = await open<User>('./data');
 * await db.put('user:ada', { name: 'Ada', logins: 1 });
 * await db.close();
 */
export function open<V = unknown, E extends KeyEncoding = 'utf8'>(
  directory: DirectoryPath,
  options?: Rest & { readonly keyEncoding?: E; readonly valueEncoding?: 'msgpack' | 'json' },
): Promise<Store<KeyOf<E>, V>>;
/**
 * Opens a store whose options say what keys and values are. The first overload documents the parameters and errors.
 *
 * @example
 * const db = await open('./data', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<User>() });
 * await db.put(['user', 7], { name: 'Ada', logins: 1 });
 */
export function open<E extends KeyEncoding, VE extends AnyValueEncoding>(
  directory: DirectoryPath,
  options?: Rest & { readonly keyEncoding?: E; readonly valueEncoding?: VE },
): Promise<Store<KeyOf<E>, ValueOf<VE>>>;
/**
 * Opens a store of values of type `V` whose keys are Uint8Arrays. The first overload documents the parameters and errors.
 *
 * @example
 * const db = await open<User>('./data', { keyEncoding: 'bytes' });
 * await db.put(Uint8Array.of(7), { name: 'Ada', logins: 1 });
 */
export function open<V>(
  directory: DirectoryPath,
  options: Rest & { readonly keyEncoding: 'bytes'; readonly valueEncoding?: ValueEncoding<V> },
): Promise<Store<Uint8Array, V>>;
/**
 * Opens a store of values of type `V` whose keys are any tuples. The first overload documents the parameters and errors.
 *
 * @example
 * const db = await open<User>('./data', { keyEncoding: 'tuple' });
 * await db.put(['user', 7], { name: 'Ada', logins: 1 });
 */
export function open<V>(
  directory: DirectoryPath,
  options: Rest & { readonly keyEncoding: 'tuple'; readonly valueEncoding?: ValueEncoding<V> },
): Promise<Store<Tuple, V>>;
/**
 * Opens a store of values of type `V` whose keys are tuples of type `K`. The first overload documents the parameters and
 * errors.
 *
 * @example
 * const db = await open<User, [string, number]>('./data', { keyEncoding: tuple() });
 * await db.put(['user', 7], { name: 'Ada', logins: 1 });
 */
export function open<V, K extends Tuple>(
  directory: DirectoryPath,
  options: Rest & { readonly keyEncoding: KeyType<K>; readonly valueEncoding?: ValueEncoding<V> },
): Promise<Store<K, V>>;
/**
 * Opens a store of values of type `V` whose keys are strings. The first overload documents the parameters and errors.
 *
 * @example
 * const db = await open<Date>('./data', { valueEncoding: dates });
 * await db.put('ada', new Date());
 */
export function open<V>(
  directory: DirectoryPath,
  options?: Rest & { readonly keyEncoding?: 'utf8'; readonly valueEncoding?: ValueEncoding<V> },
): Promise<Store<string, V>>;
/**
 * Opens a store whose options say what keys and values are. It is the second overload again, because a compiler tells
 * what is wrong with the options of a call by the last overload.
 *
 * @example
 * const db = await open('./data', { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<User>() });
 */
export function open<E extends KeyEncoding, VE extends AnyValueEncoding>(
  directory: DirectoryPath,
  options?: Rest & { readonly keyEncoding?: E; readonly valueEncoding?: VE },
): Promise<Store<KeyOf<E>, ValueOf<VE>>>;
export function open(directory: DirectoryPath, options?: object): Promise<unknown> {
  return openStore(directory, options);
}

export type { ClosableIterator } from '../batch-iterator.js';
export type { DiagnosticMessages } from '../diagnostics.js';
export {
  isKeelsonError,
  KEELSON_ERROR_CODES,
  KeelsonError,
  type KeelsonErrorCode,
  type KeelsonErrorFacts,
} from '../errors.js';
export type { DirectoryPath, FileUrl, Lsn } from '../journal/index.js';
export type { Damage, LsnRange, SegmentFindings } from '../journal/internal.js';
export type {
  BatchOperation,
  Collection,
  IndexStats,
  Namespace,
  NamespaceEncodings,
  NamespaceOperation,
  NamespaceOptions,
  NamespaceStats,
} from './collection-interface.js';
export type { BackupOptions, BackupResult } from './copy/backup.js';
export {
  type AnyValueEncoding,
  type CustomValueEncoding,
  json,
  type KeyEncoding,
  type KeyOf,
  type KeyType,
  msgpack,
  type PrefixOf,
  type Tuple,
  type TuplePart,
  tuple,
  type ValueEncoding,
  type ValueOf,
  type ValueType,
} from './encoding/encoding-types.js';
export type { KeyEncodingName } from './encoding/key-encoding.js';
export type { KeyRange, RangeOptions, RangeWrite } from './encoding/range.js';
export type { ValueEncodingName } from './encoding/value-encoding.js';
export type { ExpiryStats } from './entries/expiry.js';
export type {
  Change,
  ChangeGroup,
  ChangesOptions,
  NamespaceChangesOptions,
} from './feed/change-types.js';
export type { CheckpointResult } from './image/checkpoint.js';
export type { CheckpointEvent, CheckpointStats } from './image/checkpoint-schedule.js';
export type { OpenProgress, Retain, StoreOptions } from './options.js';
export type {
  Index,
  IndexDefinition,
  IndexDefinitions,
  IndexedReads,
  IndexesOf,
  IndexFactory,
  IndexRange,
  IndexRangeOptions,
  IndexValueOf,
  NoIndexes,
  UniqueIndex,
} from './read/index-interface.js';
export type { RangeState, RangeStateOptions } from './read/range-state.js';
export type { Entry, Reads, VersionedValue } from './read/reads.js';
export type { StoreRecovery } from './recovery-report.js';
export type { ImageFindings } from './repair/image-examination.js';
export { type SalvageOptions, type SalvageReport, salvage } from './repair/salvage.js';
export type { ExaminationProgress, NamespaceFindings } from './repair/store-examination.js';
export { type VerifyOptions, type VerifyReport, verify } from './repair/verify.js';
export type { ReplicaPort } from './replication/replica-port.js';
export type { ReplicateOptions } from './replication/replicate-options.js';
export type { Snapshot, Store, StoreEvents, StoreStats } from './store-interface.js';
export type { Transaction, TransactionCollection } from './transaction-interface.js';
export type { TransactionOptions } from './transactions/transaction-options.js';
export type { WatchOptions } from './watch/watch-options.js';
export type { KeyState } from './watch/watches.js';
export type { Operation } from './write/batch.js';
export type { ExpiryOptions } from './write/expiry-options.js';
export type {
  ConditionalOptions,
  Durability,
  PutOptions,
  TouchOptions,
  WriteOptions,
} from './write/write-options.js';
