// What opening a store found and did.

import type { KeelsonError } from '../errors.js';

/** What opening found and did; `db.recovery`. */
export interface StoreRecovery {
  /** `created`: nothing was there. `clean`: it had been closed well. `repaired`: it had not; nothing acknowledged is lost. */
  readonly kind: 'created' | 'clean' | 'repaired';
  /** The image that was loaded, by its LSN; null when there is none. */
  readonly imageLsn: number | null;
  /** Newer images that are damaged and were not needed: what they hold came from an older one and the journal. */
  readonly damagedImages: readonly KeelsonError[];
  readonly recordsReplayed: number;
  readonly bytesReplayed: number;
  /** Bytes at the end of the journal that had not been finished, and were dropped. None was acknowledged. */
  readonly tornBytes: number;
  /** Where and why the journal was cut, a sentence; null when nothing was dropped. */
  readonly tornWhy: string | null;
  readonly lastLsn: number;
  /** What is durable of that: all of it, but in a read-only open, which makes nothing durable, what can be proven. */
  readonly durableLsn: number;
  readonly durationMs: number;
}
