// The writer of a store: what all its collections and transactions share to write.

import { FairTurns } from '../../fair-turns.js';
import type { Lsn } from '../../journal/index.js';
import type { StoreLog } from '../../journal/internal.js';
import type { Durability } from './write-options.js';
import type { WritePath } from './write-path.js';
import type { WriteSet } from './write-set.js';

/** Each KiB of a record counts as one more unit of work: see FairTurns. */
const BYTES_PER_WORK_LOG2 = 10;

/** The log and the write path of one store, and the promises of its writes. */
export class Writer {
  readonly log: StoreLog;
  readonly path: WritePath;
  readonly #turns = new FairTurns();

  constructor(log: StoreLog, path: WritePath) {
    this.log = log;
    this.path = path;
  }

  /**
   * Commits a write, and returns the promise of its LSN. `work` is the number of changes. A write without operations
   * writes nothing: its promise resolves when all earlier writes are durable. Throws what WritePath.commit() throws.
   */
  commit(writes: WriteSet, durability: Durability, work = writes.count): Promise<Lsn> {
    return this.whenDurable(
      this.path.commit(writes),
      durability,
      work + (writes.recordBytes >> BYTES_PER_WORK_LOG2),
    );
  }

  /** Returns a promise that resolves with `result` when the write at `lsn` is durable. */
  whenDurableWith<T>(lsn: Lsn, durability: Durability, result: T, work = 1): Promise<T> {
    return durability === 'memory' ? this.#turns.resolved(result, work) : this.log.whenSynced(lsn, result);
  }

  /** Returns the promise of the write at `lsn`. `work` is the work of the write, for FairTurns. */
  whenDurable(lsn: Lsn, durability: Durability, work = 1): Promise<Lsn> {
    return durability === 'memory' ? this.#turns.resolved(lsn, work) : this.log.syncThrough(lsn);
  }
}
