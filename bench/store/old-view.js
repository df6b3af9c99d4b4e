// How long does the event loop stop at the commit of a transaction whose view is old by a million writes? It has read half of a
// million keys. All writes overwrite keys of the other half, so it does not conflict. Keys were put in random order, so both
// halves are in all pages of handles.

import { watchTurns } from '../peers/turn-watch.js';
import { longestDelayMs } from './turns.js';
import { keyAt, ORDERS, openStore, putInGroups, randomNumbers, valueAt } from './workload.js';

const ENTRIES = 1_000_000;
const WRITES = 1_000_000;
const TURN_MS_MAX = 8;

export const title =
  'old-view: the commit of a transaction behind 1 M writes, which has read 500,000 of 1 M keys';

function readAll(iterator) {
  let read = 0;
  for (const _ of iterator) read++;
  return read;
}

/** Each reads a range, and returns the number of keys in it. */
const READS = {
  entries: (tx, range) => readAll(tx.entries(range)),
  keys: (tx, range) => readAll(tx.keys(range)),
  count: (tx, range) => tx.count(range),
};

export const steps = {
  async commit({ directory, entries, writes, kind }) {
    const half = entries >> 1;
    const db = await openStore(directory, { autoCheckpoint: false });
    await putInGroups(db, entries, ORDERS.random(entries));
    let resume;
    const waits = new Promise((resolve) => {
      resume = resolve;
    });
    let attempts = 0;
    const committed = db.transaction(async (tx) => {
      attempts = tx.attempt;
      const read = READS[kind](tx, { lt: keyAt(half) });
      if (read !== half) throw new Error(`${half} keys expected, ${read} read`);
      await waits;
      tx.put(keyAt(0), valueAt(1));
    });
    const random = randomNumbers(entries - half);
    await putInGroups(db, writes, () => half + random());

    const endWatch = watchTurns();
    const start = performance.now();
    const longestMs = await longestDelayMs(() => {
      resume();
      return committed;
    });
    const commitMs = performance.now() - start;
    const longestTurnMs = await endWatch();
    if (attempts !== 1) throw new Error(`one attempt expected, it took ${attempts}`);
    await db.close();
    return { longestMs, longestTurnMs, commitMs };
  },
};

export async function round({ run, directory, scaled }) {
  const rows = [];
  for (const kind of Object.keys(READS)) {
    const options = { directory: `${directory}/${kind}`, entries: scaled(ENTRIES), writes: scaled(WRITES) };
    const { longestMs, longestTurnMs, commitMs } = await run('commit', { ...options, kind });
    rows.push({ name: `${kind}: longest turn, ms`, value: longestMs, goal: `≤ ${TURN_MS_MAX}` });
    rows.push({ name: `${kind}: the same without garbage collection, ms`, value: longestTurnMs });
    rows.push({ name: `${kind}: the whole commit, ms`, value: commitMs });
  }
  return rows;
}
