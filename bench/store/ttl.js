// What does a deadline cost? Puts with `ttl` beside puts without, in turns, in one process: new keys in random order, a
// thousand in flight, as fast as they go. The deadlines differ, and none comes while it runs.

import { keyAt, median, ORDERS, openStore, valueAt } from './workload.js';

const ENTRIES = 300_000;
const GROUP = 1000;
const PASSES = 6;

export const title = 'ttl: puts with a deadline beside puts without, in turns';

const HOUR_MS = 3_600_000;
const EXPIRING = Array.from({ length: 997 }, (_, at) => ({ ttl: HOUR_MS + at * 997 }));

async function putsPerSecond(db, entries, from, optionsOf) {
  const numberOf = ORDERS.random(entries);
  const start = performance.now();
  for (let turn = 0; turn < entries; turn += GROUP) {
    let last;
    for (let at = turn; at < turn + GROUP; at++)
      last = db.put(keyAt(from + numberOf(at % entries)), valueAt(at), optionsOf(at));
    await last;
  }
  return (entries * 1000) / (performance.now() - start);
}

const WITHOUT = {};

export const steps = {
  async puts({ directory, entries }) {
    const kinds = { without: () => WITHOUT, with: (at) => EXPIRING[at % EXPIRING.length] };
    const rates = { without: [], with: [] };
    for (let pass = 0; pass < PASSES; pass++) {
      const order = pass % 2 === 0 ? ['without', 'with'] : ['with', 'without'];
      for (const kind of order) {
        const db = await openStore(`${directory}-${pass}-${kind}`, { autoCheckpoint: false });
        rates[kind].push(await putsPerSecond(db, entries, 0, kinds[kind]));
        await db.close();
      }
    }
    // In the first pass, the code becomes warm.
    return { with: median(rates.with.slice(1)), without: median(rates.without.slice(1)) };
  },
};

export async function round({ run, directory, scaled }) {
  const entries = Math.ceil(scaled(ENTRIES) / GROUP) * GROUP;
  const rates = await run('puts', { directory, entries });
  return [
    { name: 'puts a second without a deadline', value: rates.without },
    { name: 'puts a second with `ttl`', value: rates.with },
    { name: 'with over without', value: rates.with / rates.without, goal: '≥ 0.85' },
  ];
}
