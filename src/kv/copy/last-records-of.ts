// Reads the last records of the log of a store, by which a backup knows later that it is one of that store.

import { isKeelsonError } from '../../errors.js';
import { type LastRecords, LastRecordsReader } from '../../journal/internal.js';
import { nextTurn } from '../../schedulers.js';
import type { FedLog } from '../feed/change-feeds.js';

/**
 * Returns the last durable records up to `lsn`, or null if the log cannot be read there. A backup does without them, because
 * its image has all that the store has.
 */
export async function lastRecordsOf(fedLog: () => FedLog, lsn: number): Promise<LastRecords | null> {
  try {
    return await read(fedLog(), lsn);
  } catch (error) {
    if (isKeelsonError(error)) return null;
    throw error;
  }
}

async function read(log: FedLog, lsn: number): Promise<LastRecords | null> {
  const endLsn = Math.min(lsn, log.endLsn);
  if (endLsn <= log.oldestLsn) return null;
  const reader = new LastRecordsReader(endLsn);
  // It starts at the segment that holds the last record, or before.
  const records = log.feed({
    fromLsn: endLsn - 1,
    isDefined: true,
    maxLagBytes: Number.POSITIVE_INFINITY,
  });
  try {
    for (let reachedLsn = 0; reachedLsn < endLsn; ) {
      const window = records.take() ?? (await records.next());
      if (window === null) return null;
      while (window.next()) {
        reachedLsn = window.lsn;
        reader.read(reachedLsn, window.bytes, window.start, window.end);
      }
      await nextTurn();
    }
  } finally {
    records.close();
  }
  return reader.records;
}
