// The options of a store: their names, defaults and limits.

import { misuse } from '../errors.js';
import { type ResolvedJournalOptions, WAIT_FOR_LOCK_MS_MAX } from '../journal/internal.js';
import {
  booleanOption,
  choiceOption,
  functionOption,
  integerOption,
  numberOption,
  type OptionTable,
  resolveOptions,
} from '../options.js';
import { ENGINE_CHOICES } from '../storage/index.js';
import type { AnyValueEncoding, CustomValueEncoding, KeyEncoding } from './encoding/encoding-types.js';
import { isBuiltInName, isEncodingName } from './encoding/value-encoding.js';

/**
 * The progress of open(), for `onProgress`.
 *
 * @example
 * const onProgress = ({ phase, done, total }: OpenProgress) => console.log(phase, done / total);
 */
export interface OpenProgress {
  /** The phase: loading the image, then scanning the files of the journal, then replaying the records after the image. */
  readonly phase: 'image' | 'scan' | 'replay';
  /** The amount that is done: entries of the image, bytes of the files, or bytes of records. */
  readonly done: number;
  /** The amount of the whole phase: entries of the image, bytes of the files, or bytes of records. */
  readonly total: number;
}

/**
 * How much history a store keeps for change feeds: see the option `retain`.
 *
 * @example
 * const retain: Retain = { bytes: 1024 ** 3, ms: 7 * 86_400_000 };
 * const db = await open('./data', { retain });
 */
export interface Retain {
  /** The most bytes of journal files behind the image: an integer of 1 or more. */
  readonly bytes: number;
  /** The most milliseconds since the last write to a file: a number above 0. Default Infinity. */
  readonly ms?: number;
}

/** The options of open(), all of them given. */
export interface ResolvedStoreOptions {
  /** Creates the store when it is not there. With false, open() rejects with KEELSON_NOT_FOUND then. Default true. */
  create: boolean;
  /** Rejects with KEELSON_EXISTS when the directory already holds a store. Default false. */
  errorIfExists: boolean;
  /** Opens the store as it is now, without a lock and without writing anything. Default false. */
  readOnly: boolean;
  /**
   * The time to wait for a live owner to close the store, before KEELSON_LOCKED. It is for deployments that start a process
   * before the last one has ended. 0 to 86,400,000 milliseconds, default 0. With `readOnly` it has no effect.
   */
  waitForLockMs: number;
  /** The engine that does the I/O: 'auto' chooses the fastest one that works here. Default 'auto'. */
  engine: ResolvedJournalOptions['engine'];
  /**
   * The type of keys: 'utf8' for strings, 'bytes' for Uint8Arrays, 'tuple' or tuple() for tuples. A store keeps its
   * first encoding. Default 'utf8'.
   */
  keyEncoding: KeyEncoding;
  /**
   * The type of values and their bytes on the disk: 'msgpack' or msgpack(), 'json' or json(), 'utf8' for strings,
   * 'bytes' for Uint8Arrays, or an encoding of your own. A store keeps its first encoding. Default 'msgpack'.
   */
  valueEncoding: AnyValueEncoding;
  /**
   * Encodings of your own that namespaces of the store have recorded, so that db.namespace(name) finds them by their names.
   * Default none.
   */
  // biome-ignore lint/suspicious/noExplicitAny: encodings of any values
  encodings: readonly CustomValueEncoding<any>[];
  /**
   * The most bytes of the journal that may be accepted and not yet durable. A write that would exceed this blocks the
   * event loop until earlier writes are durable. 1 KiB to 4 GiB, default 64 MiB.
   */
  maxUndurableBytes: number;
  /**
   * Starts a checkpoint in the background when the journal has outgrown the last image: see
   * `checkpointBytesMin` and `checkpointRatio`. Also starts one when a write has found no room on the disk, and at the
   * first write after an open that found the newest image damaged, or many segments after the image. Default true.
   */
  autoCheckpoint: boolean;
  /**
   * The journal has outgrown the last image when at least this many bytes of journal follow the image, and
   * `checkpointRatio` is reached, too. 1 KiB to 1 TiB, default 16 MiB.
   */
  checkpointBytesMin: number;
  /**
   * The journal has outgrown the last image when the bytes of journal after the image are at least this multiple of the
   * size of the image, and `checkpointBytesMin` is reached, too. 0 to 1,000, default 1.
   */
  checkpointRatio: number;
  /** Keeps the image before the last one, and the journal after it, in case the last image is damaged. Default false. */
  keepOlderGeneration: boolean;
  /**
   * Keeps the journal behind the image as history, so that a change feed can start at an older LSN: at most `bytes` of files,
   * and none whose last write is more than `ms` milliseconds ago. Judged at each checkpoint, by whole files. When the disk is
   * full, history goes first. `bytes` is an integer of 1 or more, `ms` a number above 0, Infinity when it is left out. Default
   * none.
   */
  retain: Retain | undefined;
  /**
   * Returns the time by which entries expire, in milliseconds since 1970. By default the clock of the system. It may be called
   * at each read and write of a namespace that has entries with deadlines. An open with `readOnly` removes and hides nothing by
   * it: it shows what the owner has not removed.
   */
  clock: (() => number) | undefined;
  /** Called now and then during a long open(). Default none. */
  onProgress: ((progress: OpenProgress) => void) | undefined;
}

/**
 * The options of open(). Each has a default.
 *
 * @example
 * const db = await open('./data', { valueEncoding: 'json', waitForLockMs: 10_000 });
 */
export type StoreOptions = Partial<ResolvedStoreOptions>;

const MIB = 1024 * 1024;

const STORE_OPTIONS: OptionTable<ResolvedStoreOptions> = {
  create: booleanOption(true),
  errorIfExists: booleanOption(false),
  readOnly: booleanOption(false),
  waitForLockMs: integerOption(0, 0, WAIT_FOR_LOCK_MS_MAX),
  engine: choiceOption('auto', ENGINE_CHOICES),
  // resolveKeyEncoding() and resolveValueEncoding() check these options, because they make codecs from them.
  keyEncoding: { default: 'utf8', check: () => undefined },
  valueEncoding: { default: 'msgpack', check: () => undefined },
  encodings: {
    default: [],
    check: (value) =>
      areEncodings(value) ? undefined : 'an array of { name, encode, decode } with different names',
  },
  maxUndurableBytes: integerOption(64 * MIB, 1024, 4096 * MIB),
  autoCheckpoint: booleanOption(true),
  checkpointBytesMin: integerOption(16 * MIB, 1024, 1024 * 1024 * MIB),
  checkpointRatio: numberOption(1, 0, 1000),
  keepOlderGeneration: booleanOption(false),
  // resolveRetain() checks the option, because it is a table of its own.
  retain: { default: undefined, check: () => undefined },
  clock: functionOption(),
  onProgress: functionOption(),
};

const RETAIN_OPTIONS: OptionTable<Required<Retain>> = {
  bytes: { default: 0, check: (value) => (isPositiveInteger(value) ? undefined : 'an integer of 1 or more') },
  ms: {
    default: Number.POSITIVE_INFINITY,
    check: (value) => (typeof value === 'number' && value > 0 ? undefined : 'a number above 0'),
  },
};

/** Returns the options with their defaults. Throws a TypeError for a wrong or unknown option. */
export function resolveStoreOptions(given: unknown): ResolvedStoreOptions {
  const options = resolveOptions('open', STORE_OPTIONS, given);
  return { ...options, retain: resolveRetain(options.retain) };
}

/** Returns a copy, because the caller may change its object. */
function resolveRetain(given: Retain | undefined): Retain | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null)
    throw misuse("open option 'retain'", '{ bytes, ms }', given);
  const retain = resolveOptions("open option 'retain'", RETAIN_OPTIONS, given);
  if (retain.bytes === 0)
    throw misuse("open option 'retain' option 'bytes'", 'an integer of 1 or more', undefined);
  return retain;
}

function isPositiveInteger(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function areEncodings(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const isEncoding = (item: Partial<CustomValueEncoding<unknown>> | null) =>
    typeof item === 'object' &&
    item !== null &&
    isEncodingName(item.name) &&
    !isBuiltInName(item.name) &&
    typeof item.encode === 'function' &&
    typeof item.decode === 'function';
  return value.every(isEncoding) && new Set(value.map(({ name }) => name)).size === value.length;
}
