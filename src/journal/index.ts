// The entry point of "keelson/journal": a write-ahead log of opaque records.

import '../node-version.js';

export type { ClosableIterator } from '../batch-iterator.js';

export {
  isKeelsonError,
  KEELSON_ERROR_CODES,
  KeelsonError,
  type KeelsonErrorCode,
  type KeelsonErrorFacts,
} from '../errors.js';
export type { DirectoryPath, FileUrl } from './directory/directory-path.js';
export type { Lsn } from './format/lsn.js';
export type { FollowOptions, Journal, JournalStats, ReadRange } from './journal-interface.js';
export { openJournal } from './open-journal.js';
export type { JournalOptions } from './options.js';
export type { JournalRecord } from './read/journal-reader.js';
export type { JournalRecovery } from './recovery/recovery.js';
