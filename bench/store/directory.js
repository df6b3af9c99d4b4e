// How large does the directory of a small store become that is overwritten for ever?

import { directoryBytes, MIB } from './files.js';
import { ENTRY_BYTES, ORDERS, openStore, putInGroups, randomNumbers, secondsOf } from './workload.js';

const LIVE_BYTES = 10e6;
const OVERWRITTEN_BYTES = 2e9;
const SAMPLE_MS = 100;

export const title = 'directory: 10 MB of entries, overwritten at random with 2 GB';

export const steps = {
  async overwrite({ directory, entries, puts }) {
    const db = await openStore(directory);
    let bytesMax = 0;
    const sample = () => {
      bytesMax = Math.max(bytesMax, directoryBytes(directory));
    };
    const sampling = setInterval(sample, SAMPLE_MS);
    await putInGroups(db, entries, ORDERS.ascending(entries));
    const seconds = await secondsOf(() => putInGroups(db, puts, randomNumbers(entries)));
    sample();
    const { completed } = db.stats().checkpoints;
    await db.close();
    sample();
    clearInterval(sampling);
    return {
      bytesMax,
      bytesClosed: directoryBytes(directory),
      checkpoints: completed,
      perSecond: puts / seconds,
    };
  },
};

export async function round({ run, directory, scaled }) {
  const { bytesMax, bytesClosed, checkpoints, perSecond } = await run('overwrite', {
    directory,
    entries: scaled(LIVE_BYTES / ENTRY_BYTES),
    puts: scaled(OVERWRITTEN_BYTES / ENTRY_BYTES),
  });
  return [
    { name: 'largest directory, MiB', value: bytesMax / MIB, goal: '≤ 160' },
    { name: 'directory when closed, MiB', value: bytesClosed / MIB },
    { name: 'checkpoints', value: checkpoints },
    { name: 'puts/s', value: perSecond },
  ];
}
