// KeelsonLevel beside classic-level: every operation of a Level database, in turns, in one process. Writes are compared at the
// durability of classic-level's default, where a power cut loses them, and at that of Keelson's, where it does not. Each figure
// is the median over rounds; a ratio is the median of the ratios of the rounds. One column compares units for each second of
// processor time, of all threads, which says more on a machine that does other work. The last one is a database of abstract-level
// that stores nothing: no database of abstract-level writes faster.
//
//   npm run bench:level [-- --rounds N] [--seconds S] [--only put] [--entries N]

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AbstractLevel } from 'abstract-level';
import { ClassicLevel } from 'classic-level';
import { KeelsonLevel } from '../dist/level/index.js';
import { machineLine } from './store/report.js';

const WINDOW = 1000;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '0.3' },
    entries: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
  },
});
const [rounds, seconds, entries] = [options.rounds, options.seconds, options.entries].map(Number);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new TypeError('--rounds: expected a count');
if (!(seconds > 0)) throw new TypeError('--seconds: expected a number above 0');
if (!Number.isSafeInteger(entries) || entries < WINDOW)
  throw new TypeError('--entries: expected 1000 or more');

const keyAt = (n) => `user:${String(n).padStart(9, '0')}`;
const VALUE = 'a value of 72 bytes, which is about what a small record takes as JSON...';
/** A permutation of the numbers below `entries`, unless it has a factor in common with the multiplier. */
const scattered = (n) => (n * 7_654_321) % entries;

let counter = 0;
const nextKey = () => keyAt(scattered(counter++ % entries));
const nextKeys = (count) => Array.from({ length: count }, nextKey);
const putsOf = (count) => nextKeys(count).map((key) => ({ type: 'put', key, value: VALUE }));

const writes = (how) => ({
  'put, one at a time': async (db) => {
    await db.put(nextKey(), VALUE, how);
    return 1;
  },
  'put, 1,000 in flight': async (db) => {
    await Promise.all(nextKeys(WINDOW).map((key) => db.put(key, VALUE, how)));
    return WINDOW;
  },
  'batch of 1,000': async (db) => {
    await db.batch(putsOf(WINDOW), how);
    return WINDOW;
  },
  'batch of 10, 100 in flight': async (db) => {
    await Promise.all(Array.from({ length: 100 }, () => db.batch(putsOf(10), how)));
    return WINDOW;
  },
  'chained batch of 1,000': async (db) => {
    const batch = db.batch();
    for (const key of nextKeys(WINDOW)) batch.put(key, VALUE);
    await batch.write(how);
    return WINDOW;
  },
});

const reads = {
  get: async (db) => {
    for (let n = 0; n < WINDOW; n++) await db.get(nextKey());
    return WINDOW;
  },
  'get, 1,000 in flight': async (db) => {
    await Promise.all(nextKeys(WINDOW).map((key) => db.get(key)));
    return WINDOW;
  },
  'get of bytes': async (db) => {
    for (let n = 0; n < WINDOW; n++) await db.get(nextKey(), { valueEncoding: 'buffer' });
    return WINDOW;
  },
  getSync: (db) => {
    for (let n = 0; n < WINDOW; n++) db.getSync(nextKey());
    return WINDOW;
  },
  has: async (db) => {
    for (let n = 0; n < WINDOW; n++) await db.has(nextKey());
    return WINDOW;
  },
  getMany: async (db) => (await db.getMany(nextKeys(WINDOW))).length,
  'iterator next': async (db) => {
    let read = 0;
    for await (const _ of db.iterator({ limit: 10 * WINDOW })) read++;
    return read;
  },
  'iterator nextv(1,000)': async (db) => {
    const iterator = db.iterator();
    let read = 0;
    for (let items = await iterator.nextv(WINDOW); items.length > 0; items = await iterator.nextv(WINDOW))
      read += items.length;
    await iterator.close();
    return read;
  },
  'iterator all': async (db) => (await db.iterator().all()).length,
  'iterator all, of 100': async (db) => (await db.iterator({ gte: nextKey(), limit: 100 }).all()).length,
  'iterator all, bytes': async (db) =>
    (await db.iterator({ keyEncoding: 'buffer', valueEncoding: 'buffer' }).all()).length,
  'keys().all()': async (db) => (await db.keys().all()).length,
  'values().all()': async (db) => (await db.values().all()).length,
  'seek and next': async (db) => {
    const iterator = db.iterator();
    for (let n = 0; n < WINDOW; n++) {
      iterator.seek(nextKey());
      await iterator.next();
    }
    await iterator.close();
    return WINDOW;
  },
};

const groups = [
  {
    title: 'writes that a power cut may lose',
    trials: writes({ sync: false, durability: 'memory' }),
    areWrites: true,
  },
  { title: 'durable writes', trials: writes({ sync: true, durability: 'disk' }), areWrites: true },
  { title: `reads of ${entries} entries`, trials: reads, areWrites: false },
];

/** Units for each second of wall time, and of processor time. */
async function ratesOf(trial, db) {
  let units = 0;
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  let now = start;
  while (now - start < seconds * 1000) {
    units += await trial(db);
    now = performance.now();
  }
  const { user, system } = process.cpuUsage(cpuStart);
  return { wall: (units / (now - start)) * 1000, cpu: (units / (user + system)) * 1e6 };
}

function medianOf(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[sorted.length >> 1];
}

const root = fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** What abstract-level does by itself. */
class Nothing extends AbstractLevel {
  constructor() {
    super({ encodings: { utf8: true } });
  }
}

const nothing = new Nothing();
const ours = new KeelsonLevel(path.join(root, 'keelson'));
const theirs = new ClassicLevel(path.join(root, 'classic'));
for (const db of [ours, theirs]) {
  for (let n = 0; n < entries; n += WINDOW) {
    const some = Array.from({ length: Math.min(WINDOW, entries - n) }, (_, at) => keyAt(n + at));
    await db.batch(some.map((key) => ({ type: 'put', key, value: VALUE })));
  }
}

console.log(
  `${machineLine()}\nengine ${ours.store.stats().engine.engine}; medians of ${rounds} rounds, interleaved`,
);
for (const { title, trials, areWrites } of groups) {
  const chosen = Object.entries(trials).filter(([name]) => `${name}, ${title}`.includes(options.only));
  if (chosen.length === 0) continue;
  const columns = [title, 'KeelsonLevel, K/s', 'classic-level, K/s', 'ratio', 'ratio by processor time'];
  if (areWrites) columns.push('abstract-level alone, K/s');
  console.log(`\n| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}`);
  for (const [name, trial] of chosen) {
    const databases = areWrites ? [ours, theirs, nothing] : [ours, theirs];
    const measured = databases.map(() => []);
    for (let round = 0; round < rounds; round++) {
      const turns = databases.map((db, at) => async () => measured[at].push(await ratesOf(trial, db)));
      // Who goes first changes with the round.
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
    }
    const [our, their] = measured;
    const ratios = ['wall', 'cpu'].map((time) =>
      medianOf(our.map((rates, round) => rates[time] / their[round][time])),
    );
    const shown = measured.map((rates) => (medianOf(rates.map(({ wall }) => wall)) / 1000).toFixed(1));
    const cells = [name, ...shown.slice(0, 2), ...ratios.map((ratio) => ratio.toFixed(2)), ...shown.slice(2)];
    console.log(`| ${cells.join(' | ')} |`);
  }
}
await Promise.all([ours.close(), theirs.close()]);
