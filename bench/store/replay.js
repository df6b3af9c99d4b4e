// How fast is a store opened that is all journal?

import { warmPageCache } from './files.js';
import { ORDERS, openStore, putInGroups, secondsOf } from './workload.js';

const ENTRIES = 1_000_000;
const GOALS = { ascending: '≥ 900,000', random: '≥ 500,000', overwritten: '≥ 700,000' };

export const title =
  'replay: opening a journal of 1 M records and no image, in a fresh process, page cache warm';

export const steps = {
  async write({ directory, entries, orders }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    for (const order of orders) await putInGroups(db, entries, ORDERS[order](entries));
    await db.close();
    return {};
  },

  async open({ directory, entries }) {
    let db;
    const seconds = await secondsOf(async () => {
      db = await openStore(directory, { autoCheckpoint: false });
    });
    const { imageLsn, recordsReplayed: records } = db.recovery;
    if (db.size !== entries || imageLsn !== null) throw new Error('The store is not all journal');
    await db.close();
    return { seconds, records };
  },
};

/** Each is a store of its own; `orders` are those in which all its keys are put, one after another. */
const STORES = {
  ascending: ['ascending'],
  random: ['random'],
  overwritten: ['ascending', 'random'],
};

/** Opening writes nothing: all rounds open the same stores. */
export async function prepare({ run, directory, scaled }) {
  for (const [name, orders] of Object.entries(STORES)) {
    await run('write', { directory: `${directory}/${name}`, entries: scaled(ENTRIES), orders });
  }
}

export async function round({ run, prepared, scaled }) {
  const opened = {};
  for (const name of Object.keys(STORES)) {
    warmPageCache(`${prepared}/${name}`);
    opened[name] = await run('open', { directory: `${prepared}/${name}`, entries: scaled(ENTRIES) });
  }
  const { ascending, random, overwritten } = opened;
  const overwrites = {
    records: overwritten.records - ascending.records,
    seconds: overwritten.seconds - ascending.seconds,
  };
  const perSecond = ({ records, seconds }) => records / seconds;
  return [
    { name: 'records/s, keys put in ascending order', value: perSecond(ascending), goal: GOALS.ascending },
    { name: 'records/s, keys put in random order', value: perSecond(random), goal: GOALS.random },
    {
      name: 'records/s, ascending and then each overwritten, 2 M',
      value: perSecond(overwritten),
      goal: GOALS.overwritten,
    },
    {
      name: 'of these the overwrites, by the difference',
      value: perSecond(overwrites),
      goal: GOALS.overwritten,
    },
  ];
}
