// How fast is a store opened that is all image?

import { warmPageCache } from './files.js';
import { ORDERS, openStore, putInGroups, secondsOf } from './workload.js';

const ENTRIES = 1_000_000;

export const title = 'load: opening an image of 1 M entries, in a fresh process, page cache warm';

export const steps = {
  async write({ directory, entries }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    await putInGroups(db, entries, ORDERS.ascending(entries));
    await db.checkpoint();
    await db.close();
    return {};
  },

  async open({ directory, entries }) {
    let db;
    const seconds = await secondsOf(async () => {
      db = await openStore(directory);
    });
    const { durationMs, recordsReplayed } = db.recovery;
    if (db.size !== entries || recordsReplayed !== 0) throw new Error('The store is not all image');
    await db.close();
    return { seconds, durationMs };
  },
};

/** Opening writes nothing: all rounds open the same store. */
export const prepare = ({ run, directory, scaled }) => run('write', { directory, entries: scaled(ENTRIES) });

export async function round({ run, prepared, scaled }) {
  warmPageCache(prepared);
  const entries = scaled(ENTRIES);
  const { seconds, durationMs } = await run('open', { directory: prepared, entries });
  return [
    { name: 'entries/s, around open()', value: entries / seconds, goal: '≥ 1,250,000' },
    { name: 'entries/s, by db.recovery.durationMs', value: (entries / durationMs) * 1000 },
  ];
}
