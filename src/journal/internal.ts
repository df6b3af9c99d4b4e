// What the store uses of the journal beyond its public door. Nobody else's.

export { assertUnowned, type DirectoryLock, lockDirectory } from './directory-lock.js';
export { absoluteDirectory } from './directory-path.js';
export {
  type Damage,
  JournalExamination,
  type LsnRange,
  type RecordBatch,
  type SegmentFindings,
} from './examination.js';
export { INCOMPLETE_MARKER, incompleteMarker, refuseIncomplete } from './incomplete.js';
export { inspectJournal } from './inspection.js';
export type { Journal } from './journal.js';
export { isLockName } from './lock-files.js';
export { openLockedJournal, openReadOnlyJournal } from './open-journal.js';
export { type ResolvedJournalOptions, resolveJournalOptions, WAIT_FOR_LOCK_MS_MAX } from './options.js';
export type { JournalRecovery, OnScan } from './recovery.js';
export { scanSegments } from './recovery.js';
export type { FoundSegment, RecoveryAnchor } from './recovery-decision.js';
export { writeSealedSegment } from './sealed-segment.js';
export { newJournalId } from './segment-files.js';
export { isSegmentName, isTemporarySegment } from './segment-names.js';
export { journalIdOf } from './whose-journal.js';
