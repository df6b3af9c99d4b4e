// Writes a whole new store into an empty directory: backups and salvage use it.
//
// A marker file is durable before anything else is written, and is removed when everything else is durable. So at each
// moment the directory holds nothing, or files that every open refuses, or the whole store. The marker names the
// journal of the new store, so it means nothing in a directory that another store has taken meanwhile: see
// src/journal/directory/incomplete.ts.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import {
  INCOMPLETE_MARKER,
  incompleteMarker,
  isSegmentName,
  newJournalId,
  writeOnlySegment,
} from '../../journal/internal.js';
import {
  ensureDirectory,
  flushNameOf,
  type HeldDirectory,
  realPathOf,
  type Storage,
} from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { WholeView } from '../entries/store-view.js';
import { imageLsn, isTemporaryImage } from '../image/image-names.js';
import { publishImage } from '../image/image-writer.js';
import { BACKUP_MARK, type BackupMark, writeBackupMark } from './backup-mark.js';

/** The input of writeNewStore(). */
export interface NewStorePlan {
  /** The content of the new store. Its log continues at the LSN of the view. */
  readonly view: WholeView;
  readonly schema: Schema;
  /** The absolute path of the directory, which is absent or empty. */
  readonly directory: string;
  /** The directory of the store that is copied. permissionsFrom() derives the mode of the new directory from it. */
  readonly source: string;
  /** Resolves with the mark of a backup. Called when the image has its name. Null for a store that is no backup. */
  readonly markOfBackup: (() => Promise<BackupMark>) | null;
  /**
   * Called after every block of the image, before the image gets its name, and when everything but the marker's removal
   * is done. An error that it throws aborts the writing.
   */
  readonly assertGoingOn: () => void;
  /** Resolves when the image may get its name. */
  readonly whenAllowed: () => Promise<unknown>;
}

/**
 * Returns the mode bits for the new directory: those of `source`, and all bits for the owner, who writes into the
 * directory. If `source` is gone, returns only the owner's bits. Returns undefined where there are no mode bits.
 */
async function permissionsFrom(storage: Storage, source: string): Promise<number | undefined> {
  try {
    const permissions = await storage.permissionsOf(source);
    return permissions === null ? undefined : permissions | PRIVATE;
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return PRIVATE;
    throw error;
  }
}

/** The mode bits that let the owner of a directory, and nobody else, read, write and enter it. */
const PRIVATE = 0o700;

/**
 * Writes a new store with a journal id of its own, and returns the size of its image in bytes. The store is durable when
 * this resolves. A failure removes the files, and every open refuses those that cannot be removed. Only a failure to
 * remove the marker, or to flush its removal, removes nothing.
 *
 * @throws KEELSON_EXISTS when the directory is not empty, KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND when the directory
 * was moved meanwhile, what `assertGoingOn` and `whenAllowed` throw, and errors of the disk.
 */
export async function writeNewStore(storage: Storage, plan: NewStorePlan): Promise<number> {
  const { directory, source } = plan;
  const permissions = await permissionsFrom(storage, source);
  await ensureDirectory(storage, directory, { create: true, permissions });
  const held = await storage.holdDirectory(directory, permissions);
  try {
    return await writeInto(held, plan, () => assertStillThere(storage, held.storage, directory));
  } finally {
    await held.close();
  }
}

async function writeInto(
  { storage }: HeldDirectory,
  plan: NewStorePlan,
  assertThere: () => void,
): Promise<number> {
  const { directory } = plan;
  refuseNames(await storage.list(directory), directory);
  const marker = `${directory}/${INCOMPLETE_MARKER}`;
  const journalId = newJournalId(storage);
  await makeMarker(storage, directory, marker, journalId);
  let bytesWritten: number;
  try {
    bytesWritten = await writeContent(storage, plan, journalId);
    assertThere();
  } catch (error) {
    await removeAll(storage, directory, marker);
    throw error;
  }
  // From here on, a failure removes nothing: the store is whole, and the marker alone decides whether it opens.
  await storage.remove(marker);
  await storage.flushDirectory(directory);
  return bytesWritten;
}

/** Throws KEELSON_NOT_FOUND when the path no longer leads to the directory that `held` holds. */
export function assertStillThere(storage: Storage, held: Storage, path: string): void {
  if (storage.identityOf(path) === held.identityOf(path)) return;
  throw new KeelsonError(
    'KEELSON_NOT_FOUND',
    {
      what: `${path} was moved, removed or replaced while a store was written into it`,
      next: 'Write it again',
    },
    { path },
  );
}

/**
 * Throws a TypeError for a directory inside the directory of the store, which belongs to the store alone. A copy there
 * would be lost together with the store.
 */
export function refuseInside(directory: string, source: string): void {
  if (!isInside(directory, source)) return;
  throw new TypeError(`directory: expected one outside of ${source}, got ${directory}`);
}

/** Throws a TypeError for a directory that lies inside the directory of the store because of a symbolic link. */
export async function refuseInsideByLinks(
  storage: Storage,
  directory: string,
  source: string,
): Promise<void> {
  const real = await realPathOf(storage, directory);
  if (!isInside(real, await realPathOf(storage, source))) return;
  throw new TypeError(`directory: expected one outside of ${source}, got ${directory}, which is ${real}`);
}

/** Returns true for a path below `source`. Writing into `source` itself fails anyway, because it is not empty. */
function isInside(directory: string, source: string): boolean {
  return directory !== source && directory.startsWith(source.endsWith('/') ? source : `${source}/`);
}

/**
 * Makes a durable marker. Throws KEELSON_EXISTS when the directory holds anything else. Of several callers on one
 * directory, at most one succeeds. If somebody opens a store there at the same time, at most one of the two succeeds.
 */
async function makeMarker(
  storage: Storage,
  directory: string,
  path: string,
  journalId: Uint8Array,
): Promise<void> {
  const marker = await storage.createFile(path).catch((error) => {
    throw isKeelsonError(error, 'KEELSON_EXISTS') ? notEmpty(directory, INCOMPLETE_MARKER) : error;
  });
  try {
    // An owner makes its lock and then looks for the marker. This code makes the marker and then looks for other names,
    // such as a lock. Nothing is flushed before that, because a failed flush would harm another owner of the directory.
    await assertAlone(storage, directory);
  } catch (error) {
    await storage.remove(path).catch(() => {});
    await marker.close().catch(() => {});
    throw error;
  }
  try {
    try {
      await marker.write(incompleteMarker(journalId), 0);
      await marker.flush();
    } finally {
      await marker.close();
    }
    await flushNameOf(storage, directory);
    await storage.flushDirectory(directory);
  } catch (error) {
    await storage.remove(path).catch(() => {});
    await storage.flushDirectory(directory).catch(() => {});
    throw error;
  }
}

/** Throws KEELSON_EXISTS when anything but the marker is in the directory. */
async function assertAlone(storage: Storage, directory: string): Promise<void> {
  refuseNames(
    (await storage.list(directory)).filter((name) => name !== INCOMPLETE_MARKER),
    directory,
  );
}

async function writeContent(storage: Storage, plan: NewStorePlan, journalId: Uint8Array): Promise<number> {
  const { directory, view, schema, markOfBackup, assertGoingOn, whenAllowed } = plan;
  const image = { journalId, view, schema, onBlock: () => assertGoingOn() };
  const bytesWritten = await publishImage(storage, directory, image, async () => {
    await whenAllowed();
    assertGoingOn();
  });
  if (markOfBackup !== null) await writeBackupMark(storage, directory, await markOfBackup());
  // writeOnlySegment() ends with a flush of the directory, which makes the other names durable, too.
  await writeOnlySegment(storage, { directory, journalId, lsn: view.lsn });
  assertGoingOn();
  return bytesWritten;
}

/** Removes the files of the new store, and then the marker, when those removals are durable. Stops at a failure. */
async function removeAll(storage: Storage, directory: string, marker: string): Promise<void> {
  try {
    for (const name of await storage.list(directory)) {
      const isImage = imageLsn(name) !== null || isTemporaryImage(name);
      const isOurs = isImage || isSegmentName(name) || name === BACKUP_MARK;
      if (isOurs) await storage.remove(`${directory}/${name}`);
    }
    await storage.flushDirectory(directory);
    await storage.remove(marker);
    await storage.flushDirectory(directory);
  } catch {
    // The caller throws the error that led here. Every open refuses the files that stay, because the marker stays.
  }
}

function refuseNames(names: readonly string[], directory: string): void {
  const [name] = names;
  if (name !== undefined) throw notEmpty(directory, name);
}

function notEmpty(directory: string, name: string): KeelsonError {
  const text = {
    what: `${directory} is not empty: it holds ${name}`,
    next: 'Choose a directory that is empty, or one that is not there yet',
  };
  return new KeelsonError('KEELSON_EXISTS', text, { path: directory });
}
