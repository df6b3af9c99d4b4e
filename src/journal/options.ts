// The options of a journal: names, defaults, limits.

import { booleanOption, choiceOption, integerOption, type OptionTable, resolveOptions } from '../options.js';
import { ENGINE_CHOICES, type EngineChoice } from '../storage/index.js';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, isBlockSize } from './format/segment-format.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Limit of the option `waitForLockMs`: a day, in milliseconds. */
export const WAIT_FOR_LOCK_MS_MAX = 24 * 60 * 60 * 1000;

/** The options of a journal, with defaults filled in. */
export interface ResolvedJournalOptions {
  /** Whether to create the directory if it is not there. Default true. */
  create: boolean;
  /** The engine that does the I/O. 'auto' takes the fastest engine that works here. Default 'auto'. */
  engine: EngineChoice;
  /**
   * Size of the first segment of a session in bytes, from 4 KiB to `segmentBytesMax`. Each later segment has
   * twice the size of the one before, up to `segmentBytesMax`. Default 1 MiB.
   */
  segmentBytesMin: number;
  /**
   * Size in bytes at which the doubling of segments stops, from 4 KiB to 1 GiB. A record that does not fit gets
   * a larger segment. Default 64 MiB.
   */
  segmentBytesMax: number;
  /**
   * Largest size of a commit in bytes, from 1 KiB to 256 MiB. A record that does not fit gets a larger commit.
   * Default 4 MiB.
   */
  commitBytesMax: number;
  /**
   * Size of a block in bytes: a power of two from 512 bytes to 64 KiB, and at least the block size of the disk.
   * Commits start at blocks and fill them. Default 4 KiB.
   */
  blockBytes: number;
  /**
   * Limit of the bytes that are appended and not durable, from 1 KiB to 4 GiB. An append that would exceed it
   * blocks until the disk has caught up. Default 64 MiB.
   */
  maxUndurableBytes: number;
  /**
   * How long an open waits for a live owner to leave before it fails with KEELSON_LOCKED, in milliseconds. At
   * most a day. Default 0.
   */
  waitForLockMs: number;
}

/** The options of openJournal(). */
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

/**
 * Returns the options with defaults filled in.
 *
 * @param where The name of the function for messages.
 * @throws A TypeError for a name or value that the table refuses, and a RangeError if sizes contradict each
 * other.
 */
export function resolveJournalOptions(where: string, given: unknown): ResolvedJournalOptions {
  const options = resolveOptions(where, JOURNAL_OPTIONS, given);
  if (options.segmentBytesMin > options.segmentBytesMax) {
    throw new RangeError(
      `${where} option 'segmentBytesMin': expected at most segmentBytesMax (${options.segmentBytesMax}), got ${options.segmentBytesMin}`,
    );
  }
  return options;
}
