// The incremental backup: copies the records of the store that a backup does not have yet into the log of the backup, at
// the same LSNs. Versions, deadlines, namespaces and atomic groups are those of the records.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import { FairTurns } from '../../fair-turns.js';
import {
  CopiedLog,
  type LastRecords,
  LastRecordsReader,
  lockDirectory,
  type RecordWindow,
} from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { FedLog } from '../feed/change-feeds.js';
import { readImageHeader } from '../image/image-loader.js';
import { imagePath, isTemporaryImage, listImages } from '../image/image-names.js';
import { markOfBackup } from './backup-mark.js';
import { CopiedDefinitions } from './copied-definitions.js';
import { assertStillThere } from './new-store.js';

/** So many bytes of a record are as much work as one record, as to FairTurns. */
const BYTES_PER_WORK = 1024;

/** The input of extendBackup(). */
export interface IncrementPlan {
  readonly storage: Storage;
  /** The absolute path of the backup. */
  readonly directory: string;
  /** The id of the store. */
  readonly id: string;
  readonly schema: Schema;
  /** The backup is brought up to this LSN, as far as it is durable. */
  readonly lsn: number;
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
 * @throws What markOfBackup(), CopiedLog.open() and assertStillThere() throw, KEELSON_LOCKED when somebody has the backup
 * open, KEELSON_INCOMPLETE, KEELSON_HISTORY_GONE when the log of the store no longer holds what the backup lacks, or the last
 * records that it has, KEELSON_FOREIGN when the backup has what the store does not have, what `assertGoingOn` throws, and
 * errors of the disk.
 */
export async function extendBackup(plan: IncrementPlan): Promise<Increment> {
  const { directory, id } = plan;
  const mark = await markOfBackup(plan.storage, directory, id);
  const lock = await lockDirectory(plan.storage, directory);
  try {
    const { storage } = lock;
    const { imageLsn } = mark;
    await assertImage(storage, directory, imageLsn);
    const log = await CopiedLog.open(storage, directory, imageLsn);
    const copying = new Copying(log, new CopiedDefinitions(storage, directory, imageLsn, plan.schema), plan);
    await copying.run(log.lastRecords ?? mark.lastRecords);
    assertStillThere(plan.storage, storage, directory);
    return { lsn: log.endLsn, bytesWritten: log.bytesWritten };
  } finally {
    await lock.release();
  }
}

/**
 * Checks that the newest image of the backup is the one that it was made with: a checkpoint hides which records it has. Removes
 * images that were never finished.
 */
async function assertImage(storage: Storage, directory: string, imageLsn: number): Promise<void> {
  for (const name of await storage.list(directory))
    if (isTemporaryImage(name)) await storage.remove(`${directory}/${name}`);
  const [lsn] = await listImages(storage, directory);
  if (lsn !== imageLsn) throw foreign(directory, 'has another image than the one that it was made with');
  const { verdict } = await readImageHeader(storage, imagePath(directory, lsn));
  if (!verdict.ok) throw new KeelsonError(verdict.code, `${imagePath(directory, lsn)}: ${verdict.why}`);
}

/** The copying of the records that one backup lacks. */
class Copying {
  readonly #log: CopiedLog;
  readonly #definitions: CopiedDefinitions;
  readonly #plan: IncrementPlan;
  readonly #turns = new FairTurns();

  constructor(log: CopiedLog, definitions: CopiedDefinitions, plan: IncrementPlan) {
    this.#log = log;
    this.#definitions = definitions;
    this.#plan = plan;
  }

  /** @param lastRecords The last records that the backup has, as far as they are known. */
  async run(lastRecords: LastRecords | null): Promise<void> {
    const { directory, schema, assertGoingOn, fedLog } = this.#plan;
    const log = this.#log;
    assertGoingOn();
    const { lastLsn, oldestLsn, endLsn: storeEndLsn } = fedLog();
    const endLsn = Math.min(storeEndLsn, this.#plan.lsn);
    if (log.endLsn > lastLsn)
      throw foreign(directory, `ends at LSN ${log.endLsn}, and the store at ${lastLsn}`);
    const isWhole = log.endLsn >= endLsn;
    const fromLsn = lastRecords?.fromLsn ?? log.endLsn;
    const canCompare = lastRecords !== null && lastRecords.lsn <= endLsn && fromLsn >= oldestLsn;
    if (isWhole && !canCompare) return;
    if (fromLsn < oldestLsn) throw gone(log.endLsn, fromLsn, oldestLsn);
    // A creation that is put off is not in the schema yet.
    schema.links.runOutsideOfCommits();
    this.#definitions.start(schema.spaces);
    try {
      await this.#copy(new Comparison(lastRecords, directory), fromLsn, endLsn);
    } catch (error) {
      // The log of another process is found to lack the records when it is read.
      if (isWhole && isKeelsonError(error, 'KEELSON_HISTORY_GONE')) return;
      // The feed was asked for the records behind an LSN at which no record of the store ends.
      if (error instanceof RangeError)
        throw foreign(directory, `ends at LSN ${log.endLsn}, inside of a record of the store`);
      throw error;
    }
  }

  async #copy(comparison: Comparison, fromLsn: number, endLsn: number): Promise<void> {
    const { fedLog, assertGoingOn } = this.#plan;
    const log = this.#log;
    const records = fedLog().feed({ fromLsn, isDefined: true, maxLagBytes: Number.POSITIVE_INFINITY });
    try {
      while (log.endLsn < endLsn || !comparison.isDone) {
        const window = records.take() ?? (await records.next());
        assertGoingOn();
        if (window === null) throw new KeelsonError('KEELSON_CLOSED', 'The store is closed');
        await this.#copyWindow(window, comparison, endLsn);
        if (log.isFull) await this.#writeSegment();
      }
      await this.#writeSegment();
    } finally {
      records.close();
    }
  }

  /** Makes the records durable that were copied, unless nobody could read them. */
  async #writeSegment(): Promise<void> {
    await this.#definitions.assertAll();
    await this.#log.write();
  }

  /** Copies the records of the window up to `endLsn`. */
  async #copyWindow(window: RecordWindow, comparison: Comparison, endLsn: number): Promise<void> {
    const log = this.#log;
    while (window.next()) {
      const { lsn, bytes, start, end } = window;
      if (lsn > endLsn) return;
      // A window may have as many records as take 50 milliseconds.
      if (this.#turns.isDue(1 + (end - start) / BYTES_PER_WORK)) await nextTurn();
      this.#definitions.read(lsn, bytes, start, end);
      comparison.read(lsn, bytes, start, end);
      if (lsn <= log.endLsn) continue;
      if (lsn - FRAME_OVERHEAD_BYTES - (end - start) !== log.endLsn)
        throw foreign(this.#plan.directory, `ends at LSN ${log.endLsn}, and no record of the store does`);
      log.add(lsn, bytes, start, end);
    }
  }
}

/** Compares the last records of a backup with those of the store. */
class Comparison {
  readonly #expected: LastRecords | null;
  readonly #directory: string;
  readonly #reader: LastRecordsReader;
  #isDone: boolean;

  constructor(expected: LastRecords | null, directory: string) {
    this.#expected = expected;
    this.#directory = directory;
    this.#reader = new LastRecordsReader(expected?.lsn ?? 0, expected?.fromLsn);
    this.#isDone = expected === null;
  }

  /** True if the records are the same. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Reads the next record of the store. Throws KEELSON_FOREIGN when it is behind the last ones, and they are others. */
  read(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    const expected = this.#expected;
    if (this.#isDone || expected === null) return;
    this.#reader.read(lsn, bytes, start, end);
    if (lsn < expected.lsn) return;
    const found = this.#reader.records;
    const isSame =
      found?.fromLsn === expected.fromLsn &&
      found.lsn === expected.lsn &&
      found.checksum === expected.checksum;
    if (!isSame)
      throw foreign(this.#directory, `has other records before LSN ${expected.lsn} than the store`);
    this.#isDone = true;
  }
}

function foreign(directory: string, why: string): KeelsonError {
  const text = {
    what: `The backup in ${directory} ${why}: the histories of the two have parted`,
    next: 'Make a new backup in an empty directory, and keep this one as it is',
  };
  return new KeelsonError('KEELSON_FOREIGN', text, { path: directory });
}

function gone(endLsn: number, fromLsn: number, oldestLsn: number): KeelsonError {
  const what =
    endLsn < oldestLsn
      ? `The writes between LSN ${endLsn}, where the backup ends, and LSN ${oldestLsn} are no longer in the journal`
      : `The last writes that the backup has, from LSN ${fromLsn} to LSN ${endLsn}, are no longer in the journal, so nothing tells whether it is one of this store`;
  const next =
    'Make a new backup in an empty directory, and open the store with the option retain, so that its history lasts from one backup to the next';
  return new KeelsonError('KEELSON_HISTORY_GONE', { what, next }, { oldestLsn });
}
