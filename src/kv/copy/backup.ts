// The backup: a view of the store, written as a store of its own into another directory, while writes go on.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { absoluteDirectory, type StoreLog } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { StoreView } from '../entries/space.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from './new-store.js';

/** What a backup has written. */
export interface BackupResult {
  /** The absolute path of the backup. */
  readonly directory: string;
  /** The LSN of the last write in the backup. */
  readonly lsn: Lsn;
  readonly entries: number;
  readonly bytesWritten: number;
}

export interface BackupPlan {
  readonly storage: Storage;
  /** The directory of the store. */
  readonly source: string;
  /** Null for a store that was opened read-only: everything in it came from the disk. */
  readonly log: StoreLog | null;
  readonly schema: Schema;
  /** What the backup will hold. */
  readonly view: StoreView;
}

/** The backups of one store: any number at a time, each to a directory of its own. */
export class Backups {
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  /**
   * Starts a backup. Throws a TypeError for a directory that is no path, or that is inside of the store's; rejects with one
   * when a link leads there.
   */
  start(directory: unknown, plan: BackupPlan): Promise<BackupResult> {
    const target = absoluteDirectory(directory);
    refuseInside(target, plan.source);
    const backup = this.#write(target, plan);
    const settled = backup.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    settled.then(() => this.#running.delete(settled));
    return backup;
  }

  /** Aborts the running backups, and waits for their ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#running);
  }

  async #write(directory: string, plan: BackupPlan): Promise<BackupResult> {
    const { storage, source, log, schema, view } = plan;
    // Not on the stack of the call, which may be stopped: a backup that has begun must come to its end.
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
      // A backup must never hold what its source may yet lose.
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
