// The report of what opening a store found and did.

import type { KeelsonError } from '../errors.js';

/**
 * The report of what opening a store found and did: `db.recovery`.
 *
 * @example
 * const { kind, tornBytes, durationMs } = db.recovery;
 */
export interface StoreRecovery {
  /**
   * The state in which the store was: `created` when there was none, `clean` when it had been closed, and `repaired` when
   * its last owner died. A read-only open repairs nothing and always reports `clean`. No acknowledged write is lost in any
   * of these states.
   */
  readonly kind: 'created' | 'clean' | 'repaired';
  /** The LSN of the image that was loaded, or null when none was. */
  readonly imageLsn: number | null;
  /** The errors of damaged images that are newer than the loaded one, or of all images when none was loaded. */
  readonly damagedImages: readonly KeelsonError[];
  /** The number of records that were replayed. */
  readonly recordsReplayed: number;
  /** The bytes of the journal that were replayed. */
  readonly bytesReplayed: number;
  /** The bytes of torn commits at the end of the journal, which were dropped. None of these commits was acknowledged. */
  readonly tornBytes: number;
  /** A sentence that says where and why the journal was cut, or null when nothing was dropped. */
  readonly tornWhy: string | null;
  /** The LSN of the last write. */
  readonly lastLsn: number;
  /** The durable LSN: equal to `lastLsn`. After a read-only open, the LSN up to which the files prove durability. */
  readonly durableLsn: number;
  /** The duration of open(), in milliseconds. */
  readonly durationMs: number;
}
