// The backup: writes a view of the store into another directory, as a store of its own, while writes go on.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { absoluteDirectory, type StoreLog } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { WholeView } from '../entries/store-view.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from './new-store.js';

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
  /** The size of the image in the backup, in bytes. */
  readonly bytesWritten: number;
}

/** The input of a backup. */
export interface BackupPlan {
  readonly storage: Storage;
  /** The directory of the store. */
  readonly source: string;
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
   * Starts a backup. Throws a TypeError when `directory` is not a path, or lies inside the directory of the store.
   * Rejects with a TypeError when a symbolic link leads there, and with what writeNewStore() throws.
   */
  start(directory: unknown, plan: BackupPlan): Promise<BackupResult> {
    const target = absoluteDirectory(directory);
    refuseInside(target, plan.source);
    const backup = this.#write(target, plan).finally(() => plan.view.close());
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

  async #write(directory: string, plan: BackupPlan): Promise<BackupResult> {
    const { storage, source, log, schema, view } = plan;
    // The rest runs in microtasks. A stop of the caller's JavaScript does not reach it, so a backup that has begun ends.
    await null;
    await refuseInsideByLinks(storage, directory, source);
    const bytesWritten = await writeNewStore(storage, {
      directory,
      source,
      schema,
      view,
      assertGoingOn: () => {
        if (this.#isClosed) throw closedMeanwhile(directory);
      },
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
