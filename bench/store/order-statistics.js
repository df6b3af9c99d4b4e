// How long do count(), rank(), nth() and the first key behind an offset take in a store of a million keys that were put in
// random order? get() is there for comparison. The calls come in another random order.

import { keyAt, median, ORDERS, openStore, putInGroups } from './workload.js';

const ENTRIES = 1_000_000;
const CALLS = 200_000;
/** How often all calls are made. The first time, the code becomes warm. */
const PASSES = 4;

export const title = 'order-statistics: µs of a call, in 1 M keys in random order';

const firstOf = (keys) => keys.next().value;

/** For each row, a function that makes a call ready, and returns it. */
const CALLS_BY_NAME = {
  'get(key)': (db, at) => {
    const key = keyAt(at);
    return () => db.get(key);
  },
  'count({ gte, lt }) of half': (db, at, half) => {
    const range = { gte: keyAt(at >> 1), lt: keyAt((at >> 1) + half) };
    return () => db.count(range);
  },
  'count({ gte }) of half': (db, _, half) => {
    const range = { gte: keyAt(half) };
    return () => db.count(range);
  },
  'rank(key)': (db, at) => {
    const key = keyAt(at);
    return () => db.rank(key);
  },
  'nth(at)': (db, at) => () => db.nth(at),
  'nth(-1)': (db) => () => db.nth(-1),
  'keys({ limit: 1 })': (db) => () => firstOf(db.keys({ limit: 1 })),
  'keys({ offset, limit: 1 }), offset half': (db, _, half) => () =>
    firstOf(db.keys({ offset: half, limit: 1 })),
  'the same, reverse: true': (db, _, half) => () =>
    firstOf(db.keys({ offset: half, limit: 1, reverse: true })),
};

/** The names of the rows with a goal, in µs. */
const GOAL_US = 3;
const HAS_GOAL = /^(count|rank|nth)/;

function microseconds(calls) {
  const start = performance.now();
  for (const call of calls) call();
  return ((performance.now() - start) * 1000) / calls.length;
}

export const steps = {
  async calls({ directory, entries }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    await putInGroups(db, entries, ORDERS.random(entries));
    const placeOf = ORDERS.random(entries);
    const took = Object.entries(CALLS_BY_NAME).map(([name, prepare]) => {
      const calls = Array.from({ length: CALLS }, (_, n) =>
        prepare(db, placeOf((n * 7 + 3) % entries), entries >> 1),
      );
      const passes = Array.from({ length: PASSES }, () => microseconds(calls));
      return [name, median(passes.slice(1))];
    });
    await db.close();
    return Object.fromEntries(took);
  },
};

export async function round({ run, directory, scaled }) {
  const took = await run('calls', { directory, entries: scaled(ENTRIES) });
  return Object.entries(took).map(([name, value]) => ({
    name: `\`${name}\``,
    value,
    goal: HAS_GOAL.test(name) ? `≤ ${GOAL_US}` : undefined,
  }));
}
