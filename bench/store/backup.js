// How much less does an incremental backup write than a full one, and how much sooner is it done?

import { randomOrder } from './permutation.js';
import { keyAt, openStore, putInGroups, secondsOf, valueAt } from './workload.js';

const ENTRIES = 1_000_000;
const CHANGED_SHARE = 0.01;
const RETAIN = { bytes: 1024 ** 3 };

export const title =
  'backup: an incremental backup of a store of 1 M entries of which 1 % have another value, against a full one';

export const steps = {
  /** Fills a store and backs it up, overwrites some entries, and backs it up again: incrementally, and in full. */
  async backup({ directory, entries }) {
    const db = await openStore(`${directory}/store`, { retain: RETAIN });
    await putInGroups(db, entries, (turn) => turn);
    await db.checkpoint();
    await db.backup(`${directory}/backup`);
    const order = randomOrder(entries);
    for (let turn = 0; turn < entries * CHANGED_SHARE; turn++) db.put(keyAt(order(turn)), valueAt(turn + 1));
    await db.flush();
    let increment;
    const incremental = await secondsOf(async () => {
      increment = await db.backup(`${directory}/backup`, { incremental: true });
    });
    let whole;
    const full = await secondsOf(async () => {
      whole = await db.backup(`${directory}/full`);
    });
    await db.close();
    return { incremental, full, bytes: increment.bytesWritten, fullBytes: whole.bytesWritten };
  },
};

export async function round({ run, directory, scaled }) {
  const { incremental, full, bytes, fullBytes } = await run('backup', {
    directory,
    entries: scaled(ENTRIES),
  });
  return [
    { name: 'bytes of an incremental backup over a full one', value: bytes / fullBytes },
    { name: 'time of an incremental backup over a full one', value: incremental / full },
    { name: 'seconds of an incremental backup', value: incremental },
    { name: 'seconds of a full backup', value: full },
  ];
}
