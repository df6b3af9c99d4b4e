// The file BACKUP in a backup: it names the store that the backup is of, so that the backup can be brought up to date.
// It is durable before the backup is complete, and never changes.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { LastRecords } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';

/** The name of the file. */
export const BACKUP_MARK = 'BACKUP';

/** The content of the file. */
export interface BackupMark {
  /** The id of the store. */
  readonly sourceId: string;
  /** The LSN of the image that the backup was made with. A backup with another image was opened for writing. */
  readonly imageLsn: number;
  /** The last records of the store in the backup, or null if its log did not hold them. */
  readonly lastRecords: LastRecords | null;
}

const LINES = /^source ([0-9a-f]{32})\nimage (\d{1,16})\n(?:records (\d{1,16}) (\d{1,16}) ([0-9a-f]{8})\n)?/;
const LINES_BYTES_MAX = 256;

const TEXT_FOR_PEOPLE =
  'This directory is a backup of that store. It can be brought up to date until it is opened for writing.\n';

/** Writes the file, and flushes it. Its name is durable when the directory is flushed. */
export async function writeBackupMark(storage: Storage, directory: string, mark: BackupMark): Promise<void> {
  const file = await storage.createFile(`${directory}/${BACKUP_MARK}`);
  try {
    await file.write(new TextEncoder().encode(textOf(mark)), 0);
    await file.flush();
  } finally {
    await file.close();
  }
}

function textOf({ sourceId, imageLsn, lastRecords }: BackupMark): string {
  const lines = [`source ${sourceId}\n`, `image ${imageLsn}\n`];
  if (lastRecords !== null) {
    const { fromLsn, lsn, checksum } = lastRecords;
    lines.push(`records ${fromLsn} ${lsn} ${checksum.toString(16).padStart(8, '0')}\n`);
  }
  return `${lines.join('')}${TEXT_FOR_PEOPLE}`;
}

/**
 * Returns the content of the file. Throws when the directory is no backup of the store with that id: KEELSON_NOT_FOUND when it
 * is absent, KEELSON_NOT_A_DIRECTORY, and KEELSON_FOREIGN.
 */
export async function markOfBackup(
  storage: Storage,
  directory: string,
  sourceId: string,
): Promise<BackupMark> {
  const next = 'Check the path, or make a backup in an empty directory first';
  const facts = { path: directory };
  const kind = await storage.kind(directory);
  if (kind === 'absent')
    throw new KeelsonError('KEELSON_NOT_FOUND', { what: `${directory} does not exist`, next }, facts);
  if (kind !== 'directory')
    throw new KeelsonError(
      'KEELSON_NOT_A_DIRECTORY',
      { what: `${directory} is not a directory`, next },
      facts,
    );
  const mark = await readBackupMark(storage, directory);
  if (mark?.sourceId === sourceId) return mark;
  const what =
    mark === null
      ? `${directory} holds no backup that can be brought up to date`
      : `The backup in ${directory} is one of the store ${mark.sourceId}, and this is the store ${sourceId}`;
  throw new KeelsonError('KEELSON_FOREIGN', { what, next }, facts);
}

/** Returns the content of the file, or null without a file that names a store. */
async function readBackupMark(storage: Storage, directory: string): Promise<BackupMark | null> {
  try {
    const file = await storage.openFile(`${directory}/${BACKUP_MARK}`, false);
    try {
      const bytes = new Uint8Array(LINES_BYTES_MAX);
      const length = await file.read(bytes, 0);
      return markIn(new TextDecoder().decode(bytes.subarray(0, length)));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    throw error;
  }
}

function markIn(text: string): BackupMark | null {
  const [, sourceId, imageLsn, fromLsn, lsn, checksum] = LINES.exec(text) ?? [];
  if (sourceId === undefined) return null;
  const lastRecords =
    checksum === undefined
      ? null
      : { fromLsn: Number(fromLsn), lsn: Number(lsn), checksum: Number.parseInt(checksum, 16) };
  return { sourceId, imageLsn: Number(imageLsn), lastRecords };
}
