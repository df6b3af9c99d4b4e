// The options of a journal: names, defaults, limits.

import { booleanOption, choiceOption, integerOption, type OptionTable, resolveOptions } from '../options.js';
import { ENGINE_CHOICES, type EngineChoice } from '../storage/index.js';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, isBlockSize } from './format/segment-format.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A day. */
export const WAIT_FOR_LOCK_MS_MAX = 24 * 60 * 60 * 1000;

export interface ResolvedJournalOptions {
  /** Create the directory when it is not there. Default true. */
  create: boolean;
  /** The engine: 'auto' takes the fastest that works here. Default 'auto'. */
  engine: EngineChoice;
  /** Size of a life's first segment; each next one doubles. Bytes, default 1 MiB. */
  segmentBytesMin: number;
  /** Size at which doubling stops; only a record that does not fit gets a larger one. Bytes, default 64 MiB. */
  segmentBytesMax: number;
  /** A commit is closed when it would grow past this. Bytes, default 4 MiB. */
  commitBytesMax: number;
  /** Where commits start and what padding fills up: a power of two, at least the disk's. Bytes, default 4 KiB. */
  blockBytes: number;
  /** Appended but not durable: the append that would pass it waits for the disk first. Bytes, default 64 MiB. */
  maxUndurableBytes: number;
  /** How long to wait for a live owner to leave before KEELSON_LOCKED. Milliseconds, at most a day, default 0. */
  waitForLockMs: number;
}

/** What openJournal() takes. */
export type JournalOptions = Partial<ResolvedJournalOptions>;

const JOURNAL_OPTIONS: OptionTable<ResolvedJournalOptions> = {
  create: booleanOption(true),
  engine: choiceOption('auto', ENGINE_CHOICES),
  segmentBytesMin: integerOption(1 * MIB, 4 * KIB, 1024 * MIB),
  segmentBytesMax: integerOption(64 * MIB, 4 * KIB, 1024 * MIB),
  commitBytesMax: integerOption(4 * MIB, 1 * KIB, 256 * MIB),
  blockBytes: {
    default: 4 * KIB,
    check: (value) =>
      Number.isSafeInteger(value) && isBlockSize(value as number)
        ? undefined
        : `a power of two from ${BLOCK_BYTES_MIN} to ${BLOCK_BYTES_MAX}`,
  },
  maxUndurableBytes: integerOption(64 * MIB, 1 * KIB, 4096 * MIB),
  waitForLockMs: integerOption(0, 0, WAIT_FOR_LOCK_MS_MAX),
};

/** Throws a TypeError for what the table refuses, and a RangeError for sizes that contradict each other. */
export function resolveJournalOptions(where: string, given: unknown): ResolvedJournalOptions {
  const options = resolveOptions(where, JOURNAL_OPTIONS, given);
  if (options.segmentBytesMin > options.segmentBytesMax) {
    throw new RangeError(
      `${where} option 'segmentBytesMin': expected at most segmentBytesMax (${options.segmentBytesMax}), got ${options.segmentBytesMin}`,
    );
  }
  return options;
}
