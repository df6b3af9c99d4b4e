// Opening a journal: from a path and options to a journal whose contents are known and durable.

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
import type { LiveSegment, RecoveryAnchor } from './recovery/tail-decision.js';
import { listSegments, newJournalId } from './segments/segment-files.js';

/**
 * Opens the journal in `directory`. Makes the directory if it is not there, unless `create` is false. Repairs
 * the journal if its last session did not end well. Replays nothing: call read(). An open that repairs nothing
 * makes no segment: the first append does.
 *
 * @param directory A path or a `file:` URL. The directory of a store is refused with KEELSON_FOREIGN, because
 * its journal belongs to the store.
 * @param options The options, with their defaults and limits, are in JournalOptions.
 * @returns The journal, when everything that it holds is durable.
 * @throws Rejects with a TypeError for wrong arguments, and a RangeError if `segmentBytesMin` is above
 * `segmentBytesMax`. Rejects with KEELSON_LOCKED, KEELSON_CORRUPT, KEELSON_FOREIGN, KEELSON_FORMAT_VERSION,
 * KEELSON_INCOMPLETE, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND, KEELSON_ACCESS, KEELSON_NO_SPACE, KEELSON_IO.
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
    // Whoever had the lock until now may have made a store.
    if ((await contentsOf(lock.storage, path)).join() !== names.join())
      await refuseStoreIn(lock.storage, path);
  } catch (error) {
    await lock.abandon();
    throw error;
  }
  return openLockedJournal(path, resolved, lock, null);
}

/**
 * Returns the names in the directory, without those of the lock. Returns none if there is no directory.
 *
 * @throws KEELSON_FOREIGN if it holds a store, whose journal belongs to the store.
 */
async function refuseStoreIn(storage: Storage, directory: string): Promise<readonly string[]> {
  if ((await storage.kind(directory)) !== 'directory') return [];
  const names = await contentsOf(storage, directory);
  const inspection = await inspectJournal(storage, directory);
  refuseStore(directory, names, inspection?.anyFirstRecord ?? null);
  return names;
}

/** Returns the names in a directory, sorted, without those of the lock. */
async function contentsOf(storage: Storage, directory: string): Promise<string[]> {
  return (await storage.list(directory)).filter((name) => !isLockName(name)).sort();
}

/** Opens a journal on any storage, even the journal of a store. For tests. */
export async function openJournalOn(
  storage: Storage,
  directory: string,
  options: ResolvedJournalOptions,
): Promise<FullJournal> {
  // Refuses foreign files before anything is made or locked: see inspectJournal().
  if ((await storage.kind(directory)) === 'directory') await inspectJournal(storage, directory);
  await ensureDirectory(storage, directory, options);
  const lock = await lockDirectory(storage, directory, options.waitForLockMs);
  return openLockedJournal(directory, options, lock, null);
}

/**
 * Opens the journal in a directory that the caller has locked. Gives the lock up if it throws.
 *
 * @param anchor What the store knows about its journal, or null.
 */
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
      // A crash may have left a segment with two names. Then only the temporary one goes.
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

/** A journal as it was when it was opened, for replay alone. It holds no lock, and writes nothing. */
export interface ReadOnlyJournal {
  readonly recovery: JournalRecovery;
  /** The 16 random bytes that identify the journal; null when there are no segments. */
  readonly journalId: Uint8Array | null;
  replay(fromLsn: number, visit: RecordVisit): Promise<void>;
}

/**
 * Opens the journal in `directory` for replay alone, without a lock, and writes nothing.
 *
 * @param anchor What the store knows about its journal, or null.
 * @param isProven True to replay only what the files prove durable, and not the last commit of a living owner.
 * @throws What recoverJournalReadOnly() throws. While an owner writes, KEELSON_NOT_FOUND and KEELSON_CORRUPT
 * may be temporary, and the caller tries again.
 */
export async function openReadOnlyJournal(
  storage: Storage,
  directory: string,
  anchor: RecoveryAnchor | null,
  onScan?: OnScan,
  isProven = false,
): Promise<ReadOnlyJournal> {
  const found = await recoverJournalReadOnly(storage, directory, anchor, onScan);
  const { journalId, live } = found;
  await assertHeld(storage, directory, live);
  const recovery = isProven ? { ...found.recovery, endLsn: found.recovery.provenLsn } : found.recovery;
  const held = new HeldSegments({ live, retained: [], stale: [] }, () => 0);
  const replay: ReadOnlyJournal['replay'] = (fromLsn, visit) =>
    replayRecords(storage, held, { lsn: fromLsn, sequence: 0, offset: 0 }, recovery.endLsn, visit);
  return { recovery, journalId, replay };
}

/**
 * Throws KEELSON_NOT_FOUND if a file has been retired since it was scanned.
 *
 * If an owner retired and recycled a file during the scan, the scan may have taken its new contents for a torn
 * tail. A retired file loses its name before its contents change. So the scan of a file that still has its name
 * is right.
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
