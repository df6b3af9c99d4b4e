// What the store uses of the journal beyond its public door. Nobody else's.

export { type DirectoryLock, lockDirectory } from './directory-lock.js';
export { inspectJournal } from './inspection.js';
export type { Journal } from './journal.js';
export { absoluteDirectory, openLockedJournal, openReadOnlyJournal } from './open-journal.js';
export { type ResolvedJournalOptions, resolveJournalOptions } from './options.js';
export type { JournalRecovery } from './recovery.js';
export type { RecoveryAnchor } from './recovery-decision.js';
