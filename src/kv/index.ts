// The door of the store: open() with an overload for each pair of encodings, and all public types of the store.

import '../node-version.js';

import type { DirectoryPath } from '../journal/index.js';
import type { CustomValueEncoding } from './encoding/value-encoding.js';
import { openStore } from './open-store.js';
import type { StoreOptions } from './options.js';
import type { Store } from './store-interface.js';

type OpenOptions<KeyEncoding, ValueEncoding> = Partial<
  Omit<StoreOptions, 'keyEncoding' | 'valueEncoding'>
> & {
  readonly keyEncoding?: KeyEncoding;
  readonly valueEncoding?: ValueEncoding;
};

type RequiredKeys<KeyEncoding> = { readonly keyEncoding: KeyEncoding };
type RequiredValues<ValueEncoding> = { readonly valueEncoding: ValueEncoding };

/**
 * Opens the store in `directory`. Creates the store when it is not there, and recovers it when its last owner died. When
 * this resolves, the store and all its entries are durable, unless it is opened with `readOnly`.
 *
 * `open<User>(dir)` resolves with a `Store<string, User>`. With `keyEncoding: 'bytes'` keys are Uint8Arrays. With
 * `valueEncoding: 'utf8'` values are strings, with `'bytes'` they are Uint8Arrays, and an encoding of your own has its
 * own type of values.
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
export function open<V = unknown>(
  directory: DirectoryPath,
  options?: OpenOptions<'utf8', 'msgpack' | 'json'>,
): Promise<Store<string, V>>;
/** Opens a store whose keys are Uint8Arrays. The first overload documents the parameters and errors. */
export function open<V = unknown>(
  directory: DirectoryPath,
  options: OpenOptions<'bytes', 'msgpack' | 'json'> & RequiredKeys<'bytes'>,
): Promise<Store<Uint8Array, V>>;
/** Opens a store whose values are strings. The first overload documents the parameters and errors. */
export function open(
  directory: DirectoryPath,
  options: OpenOptions<'utf8', 'utf8'> & RequiredValues<'utf8'>,
): Promise<Store<string, string>>;
/** Opens a store whose values are Uint8Arrays. The first overload documents the parameters and errors. */
export function open(
  directory: DirectoryPath,
  options: OpenOptions<'utf8', 'bytes'> & RequiredValues<'bytes'>,
): Promise<Store<string, Uint8Array>>;
/**
 * Opens a store whose keys are Uint8Arrays and whose values are strings. The first overload documents the parameters and
 * errors.
 */
export function open(
  directory: DirectoryPath,
  options: OpenOptions<'bytes', 'utf8'> & RequiredKeys<'bytes'> & RequiredValues<'utf8'>,
): Promise<Store<Uint8Array, string>>;
/** Opens a store whose keys and values are Uint8Arrays. The first overload documents the parameters and errors. */
export function open(
  directory: DirectoryPath,
  options: OpenOptions<'bytes', 'bytes'> & RequiredKeys<'bytes'> & RequiredValues<'bytes'>,
): Promise<Store<Uint8Array, Uint8Array>>;
/** Opens a store with a value encoding of your own. The first overload documents the parameters and errors. */
export function open<V>(
  directory: DirectoryPath,
  options: OpenOptions<'utf8', CustomValueEncoding<V>> & RequiredValues<CustomValueEncoding<V>>,
): Promise<Store<string, V>>;
/**
 * Opens a store whose keys are Uint8Arrays, with a value encoding of your own. The first overload documents the parameters
 * and errors.
 */
export function open<V>(
  directory: DirectoryPath,
  options: OpenOptions<'bytes', CustomValueEncoding<V>> &
    RequiredKeys<'bytes'> &
    RequiredValues<CustomValueEncoding<V>>,
): Promise<Store<Uint8Array, V>>;
export function open(directory: DirectoryPath, options?: object): Promise<unknown> {
  return openStore(directory, options);
}

export {
  isKeelsonError,
  KEELSON_ERROR_CODES,
  KeelsonError,
  type KeelsonErrorCode,
  type KeelsonErrorFacts,
} from '../errors.js';
export type { DirectoryPath, FileUrl, Lsn } from '../journal/index.js';
export type { Damage, LsnRange, SegmentFindings } from '../journal/internal.js';
export type { BackupResult } from './copy/backup.js';
export type { KeyEncodingName } from './encoding/key-encoding.js';
export type { KeyRange, RangeOptions } from './encoding/range.js';
export type { CustomValueEncoding, ValueEncodingName } from './encoding/value-encoding.js';
export type { CheckpointResult } from './image/checkpoint.js';
export type { CheckpointEvent, CheckpointStats } from './image/checkpoint-schedule.js';
export type { OpenProgress, StoreOptions } from './options.js';
export type { Entry, Reads, VersionedValue } from './read/reads.js';
export type { StoreRecovery } from './recovery-report.js';
export type { ImageFindings } from './repair/image-examination.js';
export { type SalvageOptions, type SalvageReport, salvage } from './repair/salvage.js';
export type { ExaminationProgress } from './repair/store-examination.js';
export { type VerifyOptions, type VerifyReport, verify } from './repair/verify.js';
export type {
  Collection,
  Durability,
  Snapshot,
  Store,
  StoreEvents,
  StoreStats,
  WriteOptions,
} from './store-interface.js';
export type { BatchOperation } from './write/batch.js';
