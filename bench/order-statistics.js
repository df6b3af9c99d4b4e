// Microseconds for a call of count(), rank() and nth(), and for the first key after an offset, in a store of a million
// keys that were put in random order. get() is there for comparison. The calls come in another random order. Medians of five rounds.
//
//   npm run build && node bench/order-statistics.js

import fs from 'node:fs';
import path from 'node:path';
import { open } from '../dist/index.js';

const ENTRIES = 1_000_000;
const WINDOW = 1000;
const CALLS = 200_000;
const ROUNDS = 5;
const WARM_UPS = 1;
/** Two random orders. The multipliers have no factor in common with ENTRIES. */
const placeOfPut = (n) => (n * 7_654_321) % ENTRIES;
const placeOfCall = (n) => (n * 3_141_593) % ENTRIES;

const keyAt = (n) => `user:${String(n).padStart(9, '0')}`;
const firstOf = (keys) => keys.next().value;

/** For each row, a function that makes a call ready, and returns it. */
const CALLS_BY_NAME = {
  'get(key)': (db, at) =>
    (
      (key) => () =>
        db.get(key)
    )(keyAt(at)),
  'count({ gte, lt }) of half': (db, at) => {
    const range = { gte: keyAt(at >> 1), lt: keyAt((at >> 1) + ENTRIES / 2) };
    return () => db.count(range);
  },
  'count({ gte }) of half': (db) =>
    (
      (range) => () =>
        db.count(range)
    )({ gte: keyAt(ENTRIES / 2) }),
  'rank(key)': (db, at) =>
    (
      (key) => () =>
        db.rank(key)
    )(keyAt(at)),
  'nth(at)': (db, at) => () => db.nth(at),
  'nth(-1)': (db) => () => db.nth(-1),
  'keys({ limit: 1 })': (db) => () => firstOf(db.keys({ limit: 1 })),
  'keys({ offset: 500_000, limit: 1 })': (db) => () => firstOf(db.keys({ offset: ENTRIES / 2, limit: 1 })),
  'keys({ offset: 500_000, limit: 1, reverse: true })': (db) => () =>
    firstOf(db.keys({ offset: ENTRIES / 2, limit: 1, reverse: true })),
};

function microseconds(calls) {
  const start = performance.now();
  for (const call of calls) call();
  return ((performance.now() - start) * 1000) / calls.length;
}

function medianOf(calls) {
  for (let round = 0; round < WARM_UPS; round++) microseconds(calls);
  const found = Array.from({ length: ROUNDS }, () => microseconds(calls));
  return found.sort((a, b) => a - b)[ROUNDS >> 1];
}

const root = fs.mkdtempSync(path.join(process.cwd(), '.keelson-statistics-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
const db = await open(root, { autoCheckpoint: false });
for (let n = 0; n < ENTRIES; n += WINDOW)
  await Promise.all(Array.from({ length: WINDOW }, (_, at) => db.put(keyAt(placeOfPut(n + at)), n + at)));

const rows = Object.entries(CALLS_BY_NAME).map(([name, prepare]) => {
  const calls = Array.from({ length: CALLS }, (_, n) => prepare(db, placeOfCall(n)));
  return [name, { µs: Number(medianOf(calls).toFixed(2)) }];
});
await db.close();
console.table(Object.fromEntries(rows));
