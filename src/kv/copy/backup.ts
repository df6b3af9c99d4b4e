// The backup: writes a view of the store into another directory, as a store of its own, while writes go on. Or it brings
// such a backup up to date.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { absoluteDirectory, type StoreLog } from '../../journal/internal.js';
import { booleanOption, type OptionTable, resolveOptions } from '../../options.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { WholeView } from '../entries/store-view.js';
import type { FedLog } from '../feed/change-feeds.js';
import { extendBackup } from './incremental-backup.js';
import { lastRecordsOf } from './last-records-of.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from './new-store.js';

/** The options of a backup. */
export interface BackupOptions {
  /**
   * Brings a backup that this store has made up to date: only the records since then are written. Default false, which
   * writes the whole store into an empty directory.
   */
  readonly incremental?: boolean;
}

const BACKUP_OPTIONS: OptionTable<{ incremental: boolean }> = { incremental: booleanOption(false) };

/**
 * The result of a backup. The backup is durable.
 *
 * @example
 * const { directory, entries, bytesWritten } = await db.backup('./backup-of-today');
 */
export interface BackupResult {
  /** The absolute path of the backup. */
  readonly directory: string;
  /** The LSN of the last write in the backup. */
  readonly lsn: Lsn;
  /** The number of entries in the backup. */
  readonly entries: number;
  /** The bytes that were written: the size of the image, or for an incremental backup that of its segments. */
  readonly bytesWritten: number;
}

/** The input of a backup. */
export interface BackupPlan {
  readonly storage: Storage;
  /** The directory of the store. */
  readonly source: string;
  /** The id of the store. */
  readonly id: string;
  /** Returns the log of the store as it is now. */
  readonly fedLog: () => FedLog;
  /** The log, or null for a store that was opened read-only: all its entries came from the disk. */
  readonly log: StoreLog | null;
  readonly schema: Schema;
  /** The content of the backup. */
  readonly view: WholeView;
}

/** The running backups of one store. Any number may run at a time, each to a directory of its own. */
export class Backups {
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  /**
   * Starts a backup. Throws a TypeError for a wrong option, and when `directory` is not a path, or lies inside the directory
   * of the store. Rejects with a TypeError when a symbolic link leads there, and with what writeNewStore() or extendBackup()
   * throws.
   */
  start(directory: unknown, options: unknown, plan: BackupPlan): Promise<BackupResult> {
    const target = absoluteDirectory(directory);
    const { incremental } = resolveOptions('backup', BACKUP_OPTIONS, options);
    refuseInside(target, plan.source);
    const backup = this.#write(target, incremental, plan).finally(() => plan.view.close());
    const settled = backup.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    settled.then(() => this.#running.delete(settled));
    return backup;
  }

  /** Aborts the running backups, and waits for their end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#running);
  }

  async #write(directory: string, isIncremental: boolean, plan: BackupPlan): Promise<BackupResult> {
    const { storage, source, id, log, schema, view, fedLog } = plan;
    // The rest runs in microtasks. A stop of the caller's JavaScript does not reach it, so a backup that has begun ends.
    await null;
    await refuseInsideByLinks(storage, directory, source);
    const assertGoingOn = () => {
      if (this.#isClosed) throw closedMeanwhile(directory);
    };
    if (isIncremental) {
      const { lsn, bytesWritten } = await extendBackup({
        storage,
        directory,
        id,
        schema,
        lsn: view.lsn,
        fedLog,
        assertGoingOn,
      });
      return { directory, lsn: lsn as Lsn, entries: view.size, bytesWritten };
    }
    const bytesWritten = await writeNewStore(storage, {
      directory,
      source,
      schema,
      view,
      markOfBackup: async () => ({
        sourceId: id,
        imageLsn: view.lsn,
        lastRecords: await lastRecordsOf(fedLog, view.lsn),
      }),
      assertGoingOn,
      // A backup must not hold a write that its source may still lose.
      whenAllowed: async () => log?.syncThrough(view.lsn),
    });
    return { directory, lsn: view.lsn as Lsn, entries: view.size, bytesWritten };
  }
}

function closedMeanwhile(directory: string): KeelsonError {
  return new KeelsonError('KEELSON_ABORTED', `The store was closed during the backup to ${directory}`, {
    path: directory,
  });
}
