// The file BACKUP in a backup: it names the store that the backup is of, so that the backup can be brought up to date.
// It is durable before the backup is complete, and never changes.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Storage } from '../../storage/index.js';

/** The name of the file. */
export const BACKUP_MARK = 'BACKUP';

const ID_LINE = /^source ([0-9a-f]{32})\n/;
const ID_LINE_BYTES = 40;

const TEXT_FOR_PEOPLE =
  'This directory is a backup of that store. It can be brought up to date until it is opened for writing.\n';

/** Writes the file, and flushes it. Its name is durable when the directory is flushed. */
export async function writeBackupMark(storage: Storage, directory: string, sourceId: string): Promise<void> {
  const file = await storage.createFile(`${directory}/${BACKUP_MARK}`);
  try {
    await file.write(new TextEncoder().encode(`source ${sourceId}\n${TEXT_FOR_PEOPLE}`), 0);
    await file.flush();
  } finally {
    await file.close();
  }
}

/**
 * Throws when the directory is no backup of the store with that id: KEELSON_NOT_FOUND when it is absent, and
 * KEELSON_FOREIGN.
 */
export async function assertBackupOf(storage: Storage, directory: string, sourceId: string): Promise<void> {
  const next = 'Check the path, or make a backup in an empty directory first';
  const facts = { path: directory };
  if ((await storage.kind(directory)) === 'absent')
    throw new KeelsonError('KEELSON_NOT_FOUND', { what: `${directory} does not exist`, next }, facts);
  const id = await readBackupMark(storage, directory);
  if (id === sourceId) return;
  const what =
    id === null
      ? `${directory} holds no backup that can be brought up to date`
      : `The backup in ${directory} is one of the store ${id}, and this is the store ${sourceId}`;
  throw new KeelsonError('KEELSON_FOREIGN', { what, next }, facts);
}

/** Returns the id in the file, or null without a file that has one. */
async function readBackupMark(storage: Storage, directory: string): Promise<string | null> {
  try {
    const file = await storage.openFile(`${directory}/${BACKUP_MARK}`, false);
    try {
      const bytes = new Uint8Array(ID_LINE_BYTES);
      const length = await file.read(bytes, 0);
      return ID_LINE.exec(new TextDecoder().decode(bytes.subarray(0, length)))?.[1] ?? null;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    throw error;
  }
}
