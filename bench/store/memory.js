// How much memory does a store take that is at rest, after it was written and after it was opened again?

import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { ORDERS, openStore, putInGroups } from './workload.js';

const SIZES = [
  { entries: 1_000_000, name: '1 M', goal: '≤ 280', isLarge: false },
  { entries: 10_000_000, name: '10 M', goal: '≤ 2,600', isLarge: true },
];
const MB = 1e6;

/** What V8 and the allocator give back by themselves, they have given back then. */
const SETTLE_MS = 1000;

export const title = 'memory: RSS above an empty process of node, default V8 flags, at rest';

async function settledRss() {
  await setTimeout(SETTLE_MS);
  return process.memoryUsage().rss;
}

const EMPTY_PROCESS = `setTimeout(() => console.log(process.memoryUsage().rss), ${SETTLE_MS})`;
const emptyProcessRss = () => Number(spawnSync(process.execPath, ['-e', EMPTY_PROCESS]).stdout);

export const steps = {
  async imported() {
    return settledRss();
  },

  async put({ directory, entries, order }) {
    const db = await openStore(directory);
    await putInGroups(db, entries, ORDERS[order](entries));
    await db.checkpoint();
    const rss = await settledRss();
    await db.close();
    return rss;
  },

  async open({ directory, entries }) {
    const db = await openStore(directory);
    const rss = await settledRss();
    if (db.size !== entries || db.recovery.recordsReplayed !== 0)
      throw new Error('The store is not all image');
    await db.close();
    return rss;
  },
};

export async function round({ run, directory, scaled, isLarge: hasLarge }) {
  const empty = emptyProcessRss();
  const rows = [
    { name: 'an empty process itself, MB', value: empty / MB },
    { name: 'keelson imported, no store, MB', value: ((await run('imported', {})) - empty) / MB },
  ];
  for (const { entries, name, goal, isLarge } of SIZES) {
    if (isLarge && !hasLarge) continue;
    for (const order of Object.keys(ORDERS)) {
      const store = { directory: `${directory}/${order}-${entries}`, entries: scaled(entries) };
      const put = await run('put', { ...store, order });
      const opened = await run('open', store);
      rows.push(
        { name: `${name} entries put, ${order}, MB`, value: (put - empty) / MB, goal },
        { name: `${name} entries opened again, ${order}, MB`, value: (opened - empty) / MB, goal },
      );
    }
  }
  return rows;
}
