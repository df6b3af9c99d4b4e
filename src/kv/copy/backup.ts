// The backup: the store as of one call, written as a store of its own into another directory, while writes go on.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { absoluteDirectory, type StoreLog } from '../../journal/internal.js';
import type { Storage } from '../../storage/index.js';
import type { EntriesView } from '../entries/entries.js';
import type { Codecs } from '../read/reads.js';
import { refuseInside, refuseInsideByLinks, writeNewStore } from './new-store.js';

/** What a backup has written. */
export interface BackupResult {
  /** Where it is, as an absolute path. */
  readonly directory: string;
  /** It holds every write up to here, and none after. */
  readonly lsn: Lsn;
  readonly entries: number;
  readonly bytesWritten: number;
}

export interface BackupPlan {
  readonly storage: Storage;
  /** The directory of the store. */
  readonly source: string;
  /** Null: the store was opened read-only, and everything in it came from the disk. */
  readonly journal: StoreLog | null;
  readonly codecs: Codecs<unknown, unknown>;
  /** As of `lsn`, and nobody else's. */
  readonly entries: EntriesView;
  readonly lsn: Lsn;
}

/** The backups of one store: any number at a time, each to a directory of its own. */
export class Backups {
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  /** Throws a TypeError for a directory that is none, or that is in the one of the store; rejects with one if by a link. */
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

  /** Aborts those that run, and waits for their ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#running);
  }

  async #write(directory: string, plan: BackupPlan): Promise<BackupResult> {
    const { storage, source, journal, codecs, entries, lsn } = plan;
    // Not on the stack of the call, which may be stopped: what has begun must come to its end.
    await null;
    await refuseInsideByLinks(storage, directory, source);
    const bytesWritten = await writeNewStore(storage, {
      directory,
      source,
      lsn,
      entries,
      keyCodec: codecs.key,
      valueEncodingName: codecs.value.name,
      shapes: codecs.value.shapes,
      assertGoingOn: () => {
        if (this.#isClosed) throw closedMeanwhile(directory);
      },
      // A backup must never hold what its source may yet lose.
      whenAllowed: async () => journal?.syncThrough(lsn),
    });
    return { directory, lsn, entries: entries.size, bytesWritten };
  }
}

function closedMeanwhile(directory: string): KeelsonError {
  return new KeelsonError('KEELSON_ABORTED', `The store was closed during the backup to ${directory}`, {
    path: directory,
  });
}
