// How many bytes go to the disk for a byte that is put, in a store of 100 MB that is overwritten for ever?

import { setImmediate } from 'node:timers/promises';
import { processWriteBytes } from './files.js';
import {
  ENTRY_BYTES,
  GROUP_PUTS,
  ORDERS,
  openStore,
  putInGroups,
  randomNumbers,
  secondsOf,
} from './workload.js';

const ENTRIES = 862_000;
const MEASURED_BYTES = 1e9;

/** The measured part is whole cycles: it ends with a checkpoint. A store that makes none ends it all the same. */
const MEASURED_BYTES_MAX = 4 * MEASURED_BYTES;

export const title =
  'amplification: a store of 100 MB, random overwrites in durable groups of 1,000, 1 GB and more';

/** Overwrites at least `putsMin` times, and then until another checkpoint is complete. Returns the puts. */
async function overwriteUntilCheckpoint(db, random, putsMin, putsMax) {
  await putInGroups(db, putsMin, random);
  let puts = putsMin;
  const { completed } = db.stats().checkpoints;
  for (; db.stats().checkpoints.completed === completed && puts < putsMax; puts += GROUP_PUTS)
    await putInGroups(db, GROUP_PUTS, random);
  // What the end of the checkpoint is told to has been told.
  await setImmediate();
  return puts;
}

export const steps = {
  async overwrite({ directory, entries, putsMin, putsMax }) {
    const db = await openStore(directory);
    let imageBytes = 0;
    db.on('checkpoint', (event) => {
      if (event.type === 'completed') imageBytes += event.bytesWritten;
    });
    await putInGroups(db, entries, ORDERS.ascending(entries));
    const random = randomNumbers(entries);
    // Steady: the image has its full size, and the journal starts behind one.
    await overwriteUntilCheckpoint(db, random, entries, putsMax);
    await overwriteUntilCheckpoint(db, random, 0, putsMax);

    const before = { writes: processWriteBytes(), imageBytes, ...db.stats() };
    let puts = 0;
    const seconds = await secondsOf(async () => {
      puts = await overwriteUntilCheckpoint(db, random, putsMin, putsMax);
    });
    const writes = processWriteBytes() - before.writes;
    const { journal, checkpoints } = db.stats();
    const result = {
      puts,
      seconds,
      writes,
      imageBytes: imageBytes - before.imageBytes,
      journalBytes: journal.bytesWritten - before.journal.bytesWritten,
      checkpoints: checkpoints.completed - before.checkpoints.completed,
    };
    await db.close();
    return result;
  },
};

export async function round({ run, directory, scaled }) {
  const { puts, seconds, writes, imageBytes, journalBytes, checkpoints } = await run('overwrite', {
    directory,
    entries: scaled(ENTRIES),
    putsMin: scaled(MEASURED_BYTES / ENTRY_BYTES),
    putsMax: scaled(MEASURED_BYTES_MAX / ENTRY_BYTES),
  });
  const putBytes = puts * ENTRY_BYTES;
  return [
    { name: 'bytes written for a byte put (/proc/self/io)', value: writes / putBytes, goal: '≤ 3' },
    { name: 'of these: commits of the journal', value: journalBytes / putBytes },
    { name: 'of these: images', value: imageBytes / putBytes },
    {
      name: 'of these: all else (segments prepared)',
      value: (writes - journalBytes - imageBytes) / putBytes,
    },
    { name: 'put, GB', value: putBytes / 1e9 },
    { name: 'checkpoints', value: checkpoints },
    { name: 'puts/s', value: puts / seconds },
  ];
}
