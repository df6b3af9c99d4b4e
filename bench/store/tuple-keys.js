// Tuple keys `[string, number]` beside the padded strings that they replace: puts, batches, gets and scans of two stores in
// one process, in short turns. Keys and values are made before anything is measured.

import path from 'node:path';
import { median, openStore, valueAt } from './workload.js';

const ENTRIES = 100_000;
const BATCH_PUTS = 1000;
/** How often each store does each work. The first times, the code becomes warm. */
const TURNS = 7;
const WARM_UPS = 2;
const RATIO_MIN = 0.7;

export const title = 'tuple-keys: speed with tuples `[string, number]` over padded strings';

const KINDS = [
  { name: 'strings', keyEncoding: 'utf8', keyAt: (n) => `user:${String(n).padStart(9, '0')}` },
  { name: 'tuples', keyEncoding: 'tuple', keyAt: (n) => ['user', n] },
];

/** A permutation of the numbers below `entries`, which has no factor in common with the multiplier. */
const numbersBelow = (entries) => Array.from({ length: entries }, (_, at) => (at * 7_654_321) % entries);

function requireAll(found, keys) {
  if (found !== keys.length) throw new Error(`${keys.length} entries expected, ${found} found`);
}

/** Each does its work once, for every key. */
const WORK = {
  async 'put in flight'(db, keys) {
    for (const key of keys) db.put(key, valueAt(0), { durability: 'memory' });
    await db.flush();
  },
  async 'batch of 1,000'(db, keys) {
    for (let from = 0; from < keys.length; from += BATCH_PUTS) {
      const chunk = keys.slice(from, from + BATCH_PUTS);
      const puts = chunk.map((key) => ({ type: 'put', key, value: valueAt(1) }));
      db.batch(puts, { durability: 'memory' });
    }
    await db.flush();
  },
  get(db, keys) {
    let found = 0;
    for (const key of keys) if (db.get(key) !== undefined) found++;
    requireAll(found, keys);
  },
  has(db, keys) {
    let found = 0;
    for (const key of keys) if (db.has(key)) found++;
    requireAll(found, keys);
  },
  'scan of entries'(db, keys) {
    let found = 0;
    for (const _ of db.entries()) found++;
    requireAll(found, keys);
  },
  'scan of keys'(db, keys) {
    let found = 0;
    for (const _ of db.keys()) found++;
    requireAll(found, keys);
  },
};

/** No goal is set where nearly all of the work is the key: has() with a string, and a scan that hands out strings as they are. */
const WITHOUT_GOAL = ['has', 'scan of keys'];

/** Returns the ms that each of the stores took, turn by turn. */
async function timesOf(work, stores) {
  const took = stores.map(() => []);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const which of turn % 2 === 0 ? [0, 1] : [1, 0]) {
      const { db, keys } = stores[which];
      const start = performance.now();
      await work(db, keys);
      if (turn >= WARM_UPS) took[which].push(performance.now() - start);
    }
  }
  return took;
}

export const steps = {
  async ratios({ directory, entries }) {
    const numbers = numbersBelow(entries);
    const stores = [];
    for (const { name, keyEncoding, keyAt } of KINDS) {
      const db = await openStore(path.join(directory, name), { keyEncoding, autoCheckpoint: false });
      stores.push({ db, keys: numbers.map(keyAt) });
    }
    const ratios = {};
    for (const [name, work] of Object.entries(WORK)) {
      const [strings, tuples] = await timesOf(work, stores);
      ratios[name] = median(strings.map((ms, turn) => ms / tuples[turn]));
    }
    for (const { db } of stores) await db.close();
    return ratios;
  },
};

export async function round({ run, directory, scaled }) {
  const ratios = await run('ratios', { directory, entries: scaled(ENTRIES) });
  return Object.entries(ratios).map(([name, value]) => ({
    name,
    value,
    goal: WITHOUT_GOAL.includes(name) ? undefined : `≥ ${RATIO_MIN}`,
  }));
}
