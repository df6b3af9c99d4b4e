// The options of a store: names, defaults, limits.

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
import type { KeyEncodingName } from './encoding/key-encoding.js';
import type { CustomValueEncoding, ValueEncodingName } from './encoding/value-encoding.js';

/** How far a long open has come. */
export interface OpenProgress {
  /** First the image is loaded, then the journal is checked, then what it has after the image is replayed. */
  readonly phase: 'image' | 'scan' | 'replay';
  /** Entries of the image, bytes of the journal's files, or bytes of records. */
  readonly done: number;
  readonly total: number;
}

export interface ResolvedStoreOptions {
  /** Create the store when it is not there, durably, before open() resolves. Default true. */
  create: boolean;
  /** Refuse a store that is there, with KEELSON_EXISTS. Default false. */
  errorIfExists: boolean;
  /** Take no lock and write nothing: the store as of now. Default false. */
  readOnly: boolean;
  /**
   * How long to wait for a live owner to leave before KEELSON_LOCKED: for a deploy that starts the next process before the
   * last one has ended. Milliseconds, at most a day, default 0. Without effect when `readOnly`, which takes no lock.
   */
  waitForLockMs: number;
  /** The engine: 'auto' takes the fastest that works here. Default 'auto'. */
  engine: ResolvedJournalOptions['engine'];
  /** What keys are. Recorded in the store; opening it with another is an error. Default 'utf8'. */
  keyEncoding: KeyEncodingName;
  /** What values are, likewise. Default 'msgpack'. */
  valueEncoding: ValueEncodingName | CustomValueEncoding<unknown>;
  /** Put but not durable: the put that would pass it waits for the disk first, blocking. Bytes, default 64 MiB. */
  maxUndurableBytes: number;
  /** Start checkpoints in the background when the journal has outgrown the image. Default true. */
  autoCheckpoint: boolean;
  /** Journal behind the last image below which none starts by itself. Bytes, default 16 MiB. */
  checkpointBytesMin: number;
  /** None starts by itself before the journal holds this many times the bytes of the last image. Default 1. */
  checkpointRatio: number;
  /** Keep the image before the last, and the journal behind it, in case the last is damaged. Default false. */
  keepOlderGeneration: boolean;
  /** Told now and then while a long open goes on. */
  onProgress: ((progress: OpenProgress) => void) | undefined;
}

/** What open() takes. */
export type StoreOptions = Partial<ResolvedStoreOptions>;

const MIB = 1024 * 1024;

const STORE_OPTIONS: OptionTable<ResolvedStoreOptions> = {
  create: booleanOption(true),
  errorIfExists: booleanOption(false),
  readOnly: booleanOption(false),
  waitForLockMs: integerOption(0, 0, WAIT_FOR_LOCK_MS_MAX),
  engine: choiceOption('auto', ENGINE_CHOICES),
  keyEncoding: choiceOption('utf8', ['utf8', 'bytes']),
  // Checked by resolveValueEncoding(), which also makes the codec.
  valueEncoding: { default: 'msgpack', check: () => undefined },
  maxUndurableBytes: integerOption(64 * MIB, 1024, 4096 * MIB),
  autoCheckpoint: booleanOption(true),
  checkpointBytesMin: integerOption(16 * MIB, 1024, 1024 * 1024 * MIB),
  checkpointRatio: numberOption(1, 0, 1000),
  keepOlderGeneration: booleanOption(false),
  onProgress: functionOption(),
};

/** Throws a TypeError for what the table refuses. */
export function resolveStoreOptions(given: unknown): ResolvedStoreOptions {
  return resolveOptions('open', STORE_OPTIONS, given);
}
