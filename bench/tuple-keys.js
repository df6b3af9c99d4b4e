// Tuple keys beside the padded strings that they replace: puts, batches, gets and scans of two stores in one process, in
// short turns. Keys and values are made before anything is measured. Ratios are the speed with tuples over that with
// strings.
//
//   npm run build && node bench/tuple-keys.js [--entries N] [--rounds N]

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { open } from '../dist/index.js';

const VALUE_BYTES = 100;
const BATCH_PUTS = 1000;
/** Rounds in which the code becomes warm. */
const WARM_UPS = 2;

const { values: options } = parseArgs({
  options: {
    entries: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
  },
});
const entries = Number(options.entries);
const rounds = Number(options.rounds) + WARM_UPS;

/** Twice as many numbers as entries: each round puts new keys and old ones. */
const numbers = Array.from({ length: entries }, (_, at) => (at * 7_654_321) % entries);
const KINDS = {
  strings: { keyEncoding: 'utf8', keyAt: (n) => `user:${String(n).padStart(9, '0')}` },
  tuples: { keyEncoding: 'tuple', keyAt: (n) => ['user', n] },
};
const value = new Uint8Array(VALUE_BYTES).fill(7);

/** Each does its work once, for every entry. */
const WORK = {
  async 'put in flight'(db, keys) {
    for (let at = 0; at < entries; at++) db.put(keys[at], value, { durability: 'memory' });
    await db.flush();
  },
  async 'batch of 1,000'(db, keys) {
    for (let from = 0; from < entries; from += BATCH_PUTS) {
      const batch = keys.slice(from, from + BATCH_PUTS).map((key) => ({ type: 'put', key, value }));
      db.batch(batch, { durability: 'memory' });
    }
    await db.flush();
  },
  get(db, keys) {
    for (let at = 0; at < entries; at++) if (db.get(keys[at]) === undefined) throw new Error('a key is lost');
  },
  has(db, keys) {
    for (let at = 0; at < entries; at++) if (!db.has(keys[at])) throw new Error('a key is lost');
  },
  'scan of entries'(db) {
    let count = 0;
    for (const _ of db.entries()) count++;
    if (count !== entries) throw new Error(`a scan had ${count} entries`);
  },
  'scan of keys'(db) {
    let count = 0;
    for (const _ of db.keys()) count++;
    if (count !== entries) throw new Error(`a scan had ${count} keys`);
  },
};

const root = fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-tuples-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));

const stores = await Promise.all(
  Object.entries(KINDS).map(async ([name, { keyEncoding, keyAt }]) => ({
    name,
    db: await open(path.join(root, name), { keyEncoding, valueEncoding: 'bytes', autoCheckpoint: false }),
    keys: numbers.map(keyAt),
  })),
);

const median = (figures) => figures.toSorted((a, b) => a - b)[figures.length >> 1];

console.log(`ns an entry, medians of ${options.rounds}, ${entries} entries, Node ${process.version}`);
console.log('| what | strings | tuples | ratio of speeds |');
console.log('| --- | --- | --- | --- |');
for (const [what, work] of Object.entries(WORK)) {
  const took = stores.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { db, keys } = stores[which];
      const start = performance.now();
      await work(db, keys);
      if (round >= WARM_UPS) took[which].push(((performance.now() - start) / entries) * 1e6);
    }
  }
  const [strings, tuples] = took.map(median);
  const ratio = median(took[0].map((ns, at) => ns / took[1][at]));
  console.log(`| ${what} | ${strings.toFixed(0)} | ${tuples.toFixed(0)} | ${ratio.toFixed(2)} |`);
}
for (const { db } of stores) await db.close();
