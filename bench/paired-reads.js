// Gets, scans and checkpoints of this checkout beside an earlier commit of itself, both in one process, in short turns. Reads
// wait for memory, whose speed differs from process to process more than the two commits do, so bench/paired.js cannot tell
// them apart. Ratios are this checkout's speed over the other's.
//
//   npm run bench:paired first makes the other checkout; then
//   node bench/paired-reads.js [--commit C] [--rounds N]

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const ENTRIES = 300_000;
const WINDOW = 1000;
const UNITS = 30_000;
/** Rounds in which the code of both becomes warm. */
const WARM_UP_ROUNDS = 10;

const value = (n) => ({ id: n, name: `user ${n}`, active: (n & 1) === 0, score: n * 1.5, tags: ['a', 'b'] });
const keyAt = (n) => `user:${String(n).padStart(9, '0')}`;
const scattered = (n) => (n * 7_654_321) % ENTRIES;

/** Each does its work once, for a round. */
const WORK = {
  get(db, round) {
    for (let n = 0; n < UNITS; n++) db.get(keyAt(scattered((round * UNITS + n) % ENTRIES)));
  },
  scan(db, round) {
    let entries = 0;
    for (const _ of db.entries({ gte: keyAt((round * WINDOW) % (ENTRIES - UNITS)), limit: UNITS })) entries++;
    if (entries !== UNITS) throw new Error(`a scan had ${entries} entries`);
  },
  async checkpoint(db, round) {
    await db.put(keyAt(round), value(round));
    await db.checkpoint();
  },
};

const { values: options } = parseArgs({
  options: {
    commit: { type: 'string', default: '4eea610' },
    rounds: { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
  },
});

const root = fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-paired-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));

async function filledStore(checkout, name) {
  const { open } = await import(path.join(checkout, 'dist/index.js'));
  const db = await open(path.join(root, name), { autoCheckpoint: false });
  for (let n = 0; n < ENTRIES; n += WINDOW) {
    const puts = [];
    for (let at = n; at < n + WINDOW; at++) puts.push(db.put(keyAt(scattered(at)), value(at)));
    await Promise.all(puts);
  }
  return db;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const stores = [
  await filledStore(path.resolve('build', 'paired', options.commit), 'before'),
  await filledStore(process.cwd(), 'now'),
];
console.log(
  `This checkout over ${options.commit}, in one process, ${options.rounds} rounds, Node ${process.versions.node}`,
);
console.log('| what | before, ms | now, ms | ratio of speeds: median (lower to upper quartile) |');
console.log('| --- | --- | --- | --- |');
for (const [name, work] of Object.entries(WORK).filter(([known]) => known.includes(options.only))) {
  const took = [[], []];
  for (let round = 0; round < Number(options.rounds) + WARM_UP_ROUNDS; round++) {
    for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const start = performance.now();
      await work(stores[which], round);
      if (round >= WARM_UP_ROUNDS) took[which].push(performance.now() - start);
    }
  }
  const ratios = took[0].map((before, at) => before / took[1][at]).toSorted((a, b) => a - b);
  const quartile = (part) => ratios[Math.floor((ratios.length - 1) * part)].toFixed(2);
  const [before, now] = took.map((each) => median(each).toFixed(1));
  console.log(
    `| ${name} | ${before} | ${now} | ${median(ratios).toFixed(3)} (${quartile(0.25)} to ${quartile(0.75)}) |`,
  );
}
for (const db of stores) await db.close();
