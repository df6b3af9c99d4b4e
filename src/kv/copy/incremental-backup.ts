// The incremental backup: copies the records of the store that a backup does not have yet into the log of the backup, at
// the same LSNs. Versions, deadlines, namespaces and atomic groups are those of the records.

import { KeelsonError } from '../../errors.js';
import { CopiedLog, lockDirectory, type RecordWindow } from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { FedLog } from '../feed/change-feeds.js';
import { readImageHeader } from '../image/image-loader.js';
import { imagePath, isTemporaryImage, listImages } from '../image/image-names.js';
import { assertBackupOf } from './backup-mark.js';
import { CopiedDefinitions } from './copied-definitions.js';

/** The input of extendBackup(). */
export interface IncrementPlan {
  readonly storage: Storage;
  /** The absolute path of the backup. */
  readonly directory: string;
  /** The id of the store. */
  readonly id: string;
  readonly schema: Schema;
  /** Returns the log of the store as it is now. */
  readonly fedLog: () => FedLog;
  /** An error that it throws aborts the copying. The backup then has some of the records, and can be extended later. */
  readonly assertGoingOn: () => void;
}

/** The result of extendBackup(). */
export interface Increment {
  /** The LSN of the last write in the backup. */
  readonly lsn: number;
  /** The size of the segments that were written, in bytes. */
  readonly bytesWritten: number;
}

/**
 * Brings a backup up to the last write as of the call. All of it is durable when this resolves.
 *
 * @throws What assertBackupOf() and CopiedLog.open() throw, KEELSON_LOCKED when somebody has the backup open,
 * KEELSON_INCOMPLETE, KEELSON_HISTORY_GONE when the log of the store no longer holds what the backup lacks, KEELSON_FOREIGN
 * when the backup has what the store does not have, what `assertGoingOn` throws, and errors of the disk.
 */
export async function extendBackup(plan: IncrementPlan): Promise<Increment> {
  const { directory, id } = plan;
  await assertBackupOf(plan.storage, directory, id);
  const lock = await lockDirectory(plan.storage, directory);
  try {
    const { storage } = lock;
    const imageLsn = await onlyImage(storage, directory);
    const log = await CopiedLog.open(storage, directory, imageLsn);
    await copyInto(log, new CopiedDefinitions(storage, directory, imageLsn, plan.schema), plan);
    return { lsn: log.endLsn, bytesWritten: log.bytesWritten };
  } finally {
    await lock.release();
  }
}

/** Returns the LSN of the image of the backup. Removes images that were never finished. */
async function onlyImage(storage: Storage, directory: string): Promise<number> {
  for (const name of await storage.list(directory))
    if (isTemporaryImage(name)) await storage.remove(`${directory}/${name}`);
  const [lsn, ...others] = await listImages(storage, directory);
  if (lsn === undefined || others.length > 0)
    throw foreign(directory, 'has other images than the one that it was made with');
  const { verdict } = await readImageHeader(storage, imagePath(directory, lsn));
  if (!verdict.ok) throw new KeelsonError(verdict.code, `${imagePath(directory, lsn)}: ${verdict.why}`);
  return lsn;
}

async function copyInto(log: CopiedLog, definitions: CopiedDefinitions, plan: IncrementPlan): Promise<void> {
  const { directory, schema } = plan;
  plan.assertGoingOn();
  const fedLog = plan.fedLog();
  const { endLsn, lastLsn, oldestLsn } = fedLog;
  if (log.endLsn > lastLsn)
    throw foreign(directory, `ends at LSN ${log.endLsn}, and the store at ${lastLsn}`);
  if (log.endLsn >= endLsn) return;
  if (log.endLsn < oldestLsn) throw gone(log.endLsn, oldestLsn);
  // The last record of the backup is compared, if the store still has it.
  const { lastRecord } = log;
  const fromLsn = lastRecord !== null && lastRecord.fromLsn >= oldestLsn ? lastRecord.fromLsn : log.endLsn;
  // A creation that is put off is not in the schema yet.
  schema.links.runOutsideOfCommits();
  definitions.start(schema.spaces);
  const records = fedLog.feed({ fromLsn, isDefined: true, maxLagBytes: Number.POSITIVE_INFINITY });
  try {
    while (log.endLsn < endLsn) {
      const window = records.take() ?? (await records.next());
      plan.assertGoingOn();
      if (window === null) throw new KeelsonError('KEELSON_CLOSED', 'The store is closed');
      copyWindow(window, log, definitions, directory);
      if (log.isFull) await writeSegment(log, definitions);
      else await nextTurn();
    }
    await writeSegment(log, definitions);
  } catch (error) {
    // The feed was asked for the records behind an LSN at which no record of the store ends.
    if (error instanceof RangeError)
      throw foreign(directory, `ends at LSN ${log.endLsn}, inside of a record of the store`);
    throw error;
  } finally {
    records.close();
  }
}

/** Makes the records durable that were copied, unless nobody could read them. */
async function writeSegment(log: CopiedLog, definitions: CopiedDefinitions): Promise<void> {
  await definitions.assertAll();
  await log.write();
}

function copyWindow(
  window: RecordWindow,
  log: CopiedLog,
  definitions: CopiedDefinitions,
  directory: string,
): void {
  while (window.next()) {
    const { lsn, bytes, start, end } = window;
    definitions.read(lsn, bytes, start, end);
    if (lsn <= log.endLsn) {
      assertSame(log, lsn, bytes.subarray(start, end), directory);
      continue;
    }
    if (lsn - FRAME_OVERHEAD_BYTES - (end - start) !== log.endLsn)
      throw foreign(directory, `ends at LSN ${log.endLsn}, and no record of the store does`);
    log.add(lsn, bytes, start, end);
  }
}

/** Throws KEELSON_FOREIGN when a record is the last one of the backup, and the backup has another one there. */
function assertSame({ lastRecord }: CopiedLog, lsn: number, record: Uint8Array, directory: string): void {
  if (lastRecord?.lsn !== lsn || Buffer.compare(lastRecord.bytes, record) === 0) return;
  throw foreign(directory, `has another record at LSN ${lsn} than the store`);
}

function foreign(directory: string, why: string): KeelsonError {
  const text = {
    what: `The backup in ${directory} ${why}: the histories of the two have parted`,
    next: 'Make a new backup in an empty directory, and keep this one as it is',
  };
  return new KeelsonError('KEELSON_FOREIGN', text, { path: directory });
}

function gone(lsn: number, oldestLsn: number): KeelsonError {
  const text = {
    what: `The writes between LSN ${lsn}, where the backup ends, and LSN ${oldestLsn} are no longer in the journal`,
    next: 'Make a new backup in an empty directory, and open the store with the option retain, so that its history lasts from one backup to the next',
  };
  return new KeelsonError('KEELSON_HISTORY_GONE', text, { oldestLsn });
}
