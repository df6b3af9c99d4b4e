// The exports of the journal for the store alone, beyond the public entry point.

export type { RecordMemory } from './commit/pending-commit.js';
export { CopiedLog } from './copied-log.js';
export { assertUnowned, type DirectoryLock, lockDirectory } from './directory/directory-lock.js';
export { absoluteDirectory } from './directory/directory-path.js';
export { INCOMPLETE_MARKER, incompleteMarker, refuseIncomplete } from './directory/incomplete.js';
export { isLockName } from './directory/lock-files.js';
export { type DirectoryOwner, ownerOf } from './directory/owner.js';
export { FILE_HEADER_BYTES, FileHeaderCodec, type HeaderRefusal, refuse } from './format/file-header.js';
export { isSegmentName, isTemporarySegment } from './format/segment-names.js';
export { type LastRecords, LastRecordsReader } from './last-records.js';
export { openLockedJournal, openReadOnlyJournal } from './open-journal.js';
export { type ResolvedJournalOptions, resolveJournalOptions, WAIT_FOR_LOCK_MS_MAX } from './options.js';
export { FileFollower, type FollowerState } from './read/file-follower.js';
export { type FollowedLog, FollowerFeed } from './read/follower-feed.js';
export type { RecordVisit, RecordWindow } from './read/journal-reader.js';
export type { RecordFeed, RecordFeedOptions } from './read/record-feed.js';
export { NO_RETENTION, type Retention } from './read/retention.js';
export { inspectJournal } from './recovery/inspection.js';
export type { FoundSegment } from './recovery/log-geometry.js';
export type { JournalRecovery, OnScan } from './recovery/recovery.js';
export { scanSegments } from './recovery/recovery.js';
export type { RecoveryAnchor } from './recovery/tail-decision.js';
export {
  type Damage,
  JournalExamination,
  type LsnRange,
  type RecordBatch,
  type SegmentFindings,
} from './repair/journal-examination.js';
export {
  type ListedCommit,
  type ListedRecord,
  type ListedSegment,
  listCommits,
  listSegmentHeaders,
} from './repair/segment-listing.js';
export { journalIdOf } from './repair/whose-journal.js';
export { writeOnlySegment } from './segments/only-segment.js';
export { newJournalId } from './segments/segment-files.js';
export type { LocalLog, LogFiles, StoreLog } from './store-log.js';
