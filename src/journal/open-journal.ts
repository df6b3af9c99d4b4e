// Opening: from a path and options to a journal whose contents are known and durable.

import { KeelsonError } from '../errors.js';
import { ensureDirectory, flushNameOf, openStorage, type Storage } from '../storage/index.js';
import { type DirectoryLock, lockDirectory } from './directory/directory-lock.js';
import { absoluteDirectory, type DirectoryPath } from './directory/directory-path.js';
import { isLockName } from './directory/lock-files.js';
import { refuseStore } from './directory/store-traces.js';
import { isTemporarySegment } from './format/segment-names.js';
import { Journal as FullJournal } from './journal.js';
import type { Journal } from './journal-interface.js';
import { type JournalOptions, type ResolvedJournalOptions, resolveJournalOptions } from './options.js';
import { HeldSegments } from './read/held-segments.js';
import { type RecordVisit, replayRecords } from './read/journal-reader.js';
import { inspectJournal } from './recovery/inspection.js';
import {
  type JournalRecovery,
  type OnScan,
  recoverJournal,
  recoverJournalReadOnly,
} from './recovery/recovery.js';
import type { LiveSegment, RecoveryAnchor } from './recovery/recovery-decision.js';
import { listSegments, newJournalId } from './segments/segment-files.js';

/**
 * Opens the journal in `directory`, creating it when it is not there, and recovers it if its last owner died. Nothing
 * is replayed: read() does that. A journal that is opened and not written to gets no segment.
 *
 * Throws a TypeError for misuse, and a KeelsonError: KEELSON_LOCKED, KEELSON_CORRUPT, KEELSON_FOREIGN,
 * KEELSON_FORMAT_VERSION, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND, KEELSON_ACCESS, KEELSON_NO_SPACE, KEELSON_IO.
 * KEELSON_FOREIGN is also the directory of a store: its journal is the store's alone.
 *
 * @param directory A path or a `file:` URL. It is made when it is not there, unless `create` is false.
 * @example
 * const journal = await openJournal('./log');
 * await journal.commit(new TextEncoder().encode('hello'));
 * await journal.close();
 */
export async function openJournal(directory: DirectoryPath, options?: JournalOptions): Promise<Journal> {
  const resolved = resolveJournalOptions('openJournal', options);
  const storage = openStorage(resolved.engine);
  const path = absoluteDirectory(directory);
  const names = await refuseStoreIn(storage, path);
  await ensureDirectory(storage, path, resolved);
  const lock = await lockDirectory(storage, path, resolved.waitForLockMs);
  try {
    // Asked again: whoever had the lock until now may have made a store.
    if ((await contentsOf(lock.storage, path)).join() !== names.join())
      await refuseStoreIn(lock.storage, path);
  } catch (error) {
    await lock.abandon();
    throw error;
  }
  return openLockedJournal(path, resolved, lock, null);
}

/** Returns the names of what is there, when none of it is a store's: the journal of a store is the store's alone. */
async function refuseStoreIn(storage: Storage, directory: string): Promise<readonly string[]> {
  if ((await storage.kind(directory)) !== 'directory') return [];
  const names = await contentsOf(storage, directory);
  const inspection = await inspectJournal(storage, directory);
  refuseStore(directory, names, inspection?.anyFirstRecord ?? null);
  return names;
}

/** The names in a directory that are not the lock's, in order. */
async function contentsOf(storage: Storage, directory: string): Promise<string[]> {
  return (await storage.list(directory)).filter((name) => !isLockName(name)).sort();
}

/** The same on a storage of the caller's, also of the journal of a store: for tests. */
export async function openJournalOn(
  storage: Storage,
  directory: string,
  options: ResolvedJournalOptions,
): Promise<FullJournal> {
  // Nothing is made and no lock is taken before a look at what is there: see inspectJournal().
  if ((await storage.kind(directory)) === 'directory') await inspectJournal(storage, directory);
  await ensureDirectory(storage, directory, options);
  const lock = await lockDirectory(storage, directory, options.waitForLockMs);
  return openLockedJournal(directory, options, lock, null);
}

/** The same under a lock that the caller took, and knowing what the caller knows. Gives the lock up if it throws. */
export async function openLockedJournal(
  directory: string,
  options: ResolvedJournalOptions,
  lock: DirectoryLock,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
): Promise<FullJournal> {
  const { storage } = lock;
  try {
    for (const name of await storage.list(directory)) {
      // One may be a second name of a segment: a crash fell between its two names. What it names stays.
      if (isTemporarySegment(name)) await storage.remove(`${directory}/${name}`);
    }
    const recovered = await recoverJournal(storage, directory, anchor, onScan);
    if (recovered.recovery.kind === 'fresh') await flushNameOf(storage, directory);
    const journalId = recovered.journalId ?? newJournalId(storage);
    return new FullJournal({ storage, directory, options, recovered, journalId, lock });
  } catch (error) {
    await lock.abandon();
    throw error;
  }
}

/** A journal that is only replayed: as of the call, without a lock, nothing written. */
export interface ReadOnlyJournal {
  readonly recovery: JournalRecovery;
  replay(fromLsn: number, visit: RecordVisit): Promise<void>;
}

export async function openReadOnlyJournal(
  storage: Storage,
  directory: string,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
): Promise<ReadOnlyJournal> {
  const { recovery, live } = await recoverJournalReadOnly(storage, directory, anchor, onScan);
  await assertHeld(storage, directory, live);
  const held = new HeldSegments(live, []);
  const replay: ReadOnlyJournal['replay'] = (fromLsn, visit) =>
    replayRecords(storage, held, { lsn: fromLsn, sequence: 0, offset: 0 }, recovery.endLsn, visit);
  return { recovery, replay };
}

/**
 * An owner may have retired a file while it was read, and given it other contents: then a part of it seemed to be torn.
 * It loses its name before that, so one that still has it held what it seemed to hold.
 */
async function assertHeld(storage: Storage, directory: string, live: readonly LiveSegment[]): Promise<void> {
  const sequences = new Set(await listSegments(storage, directory));
  const gone = live.find(({ sequence }) => !sequences.has(sequence));
  if (gone === undefined) return;
  const { path, sequence: segment } = gone;
  const text = {
    what: `${path} was retired by the store's owner while it was read`,
    next: 'Open it again: what the file held is in a newer image',
  };
  throw new KeelsonError('KEELSON_NOT_FOUND', text, { path, segment });
}
