// What does a change feed cost the puts beside it, and how fast does it read the disk? Puts, durable, over 100,000 keys, with
// one, 64 and 1,000 in flight: with nobody reading, with one reader, and with ten. Slices of each kind take turns in one
// process, and each is compared with the slice before it where nobody reads. Then one reader reads all changes of a million
// records from the disk.

import { keyAt, median, openStore, putInGroups, randomNumbers, secondsOf, valueAt } from './workload.js';

const KEYS = 100_000;
const SLICES = 5;
/** Puts in flight, and the puts of a slice. */
const WINDOWS = [
  { window: 1, puts: 2_000 },
  { window: 64, puts: 20_000 },
  { window: 1000, puts: 50_000 },
];
const READERS = [1, 10];
const RECORDS = 1_000_000;

export const title =
  'feed: durable puts/s beside readers, the ratio to puts that nobody reads; changes/s from the disk';

/** Reads all changes. Returns the functions that wait until it has told an LSN, and that end it. */
function reading(db) {
  const feed = db.changes();
  let toldLsn = 0;
  const done = (async () => {
    for await (const group of feed) if (group.changes.length > 0) toldLsn = group.lsn;
  })();
  return {
    async told(lsn) {
      while (toldLsn < lsn) await new Promise(setImmediate);
    },
    async end() {
      await feed.return();
      await done;
    },
  };
}

/** Returns the puts a second of one slice. Its time ends when the readers have told all of them. */
async function slice(db, next, { window, puts }, readers = []) {
  const seconds = await secondsOf(async () => {
    for (let done = 0; done < puts; done += window) {
      const promises = [];
      for (let at = 0; at < window; at++) promises.push(db.put(keyAt(next()), valueAt(at)));
      await Promise.all(promises);
    }
    for (const reader of readers) await reader.told(db.lastLsn);
  });
  return puts / seconds;
}

export const steps = {
  async beside({ directory, slices }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    const next = randomNumbers(KEYS);
    const rows = [];
    for (const kind of WINDOWS) {
      await slice(db, next, kind);
      const free = [];
      const taken = READERS.map((count) => ({ count, ratios: [] }));
      for (let turn = 0; turn < slices; turn++) {
        for (const { count, ratios } of taken) {
          const before = await slice(db, next, kind);
          const readers = Array.from({ length: count }, () => reading(db));
          const speed = await slice(db, next, kind, readers);
          for (const reader of readers) await reader.end();
          free.push(before);
          ratios.push(speed / before);
        }
      }
      rows.push({
        window: kind.window,
        free: median(free),
        taken: taken.map(({ count, ratios }) => ({ count, ratio: median(ratios) })),
      });
    }
    await db.close();
    return rows;
  },

  async fill({ directory, records }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    await putInGroups(db, records, (turn) => turn % KEYS);
    await db.close();
    return records;
  },

  async disk({ directory, records }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    let changes = 0;
    const seconds = await secondsOf(async () => {
      for await (const group of db.changes({ since: 0, live: false, maxLagBytes: Infinity }))
        changes += group.changes.length;
    });
    await db.close();
    if (changes !== records) throw new Error(`The feed told ${changes} changes of ${records}`);
    return changes / seconds;
  },
};

export async function round({ run, directory, scaled }) {
  const rows = await run('beside', { directory: `${directory}-beside`, slices: scaled(SLICES) });
  const records = scaled(RECORDS);
  await run('fill', { directory, records });
  const speed = await run('disk', { directory, records });
  return [
    ...rows.flatMap(({ window, free, taken }) => [
      { name: `${window} in flight, nobody reads, puts/s`, value: free },
      ...taken.map(({ count, ratio }) => ({
        name: `${window} in flight, ${count} reading, ratio`,
        value: ratio,
      })),
    ]),
    { name: 'from the disk, changes/s', value: speed },
  ];
}
