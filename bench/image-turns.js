// How much of the event loop's time a checkpoint of a million entries takes, for each entry, and how long the checkpoint
// takes. Nothing else runs meanwhile.
//
//   npm run build && node bench/image-turns.js [CHECKOUT]
//
// CHECKOUT is a built checkout of an earlier commit, to compare with.

import fs from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';

const ENTRIES = 1_000_000;
const WINDOW = 1000;
const CHECKPOINTS = 5;
/** Has no factor in common with ENTRIES. */
const MULTIPLIER = 7_654_321;

const ORDERS = { ascending: (n) => n, random: (n) => (n * MULTIPLIER) % ENTRIES };

const checkout = path.resolve(process.argv[2] ?? '.');
const { open } = await import(path.join(checkout, 'dist/index.js'));
const root = fs.mkdtempSync(path.join(process.cwd(), '.keelson-turns-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));

const put = (db, n) =>
  db.put(`user:${String(n).padStart(9, '0')}`, { id: n, name: `user ${n}`, score: n * 1.5 });

for (const [order, keyOf] of Object.entries(ORDERS)) {
  const db = await open(path.join(root, order), { autoCheckpoint: false });
  for (let n = 0; n < ENTRIES; n += WINDOW)
    await Promise.all(Array.from({ length: WINDOW }, (_, at) => put(db, keyOf(n + at))));
  const found = [];
  for (let round = 0; round < CHECKPOINTS; round++) {
    await put(db, round);
    const before = performance.eventLoopUtilization();
    const { durationMs } = await db.checkpoint();
    const { active } = performance.eventLoopUtilization(before);
    found.push({ active, durationMs });
  }
  await db.close();
  const { active, durationMs } = found.sort((a, b) => a.active - b.active)[CHECKPOINTS >> 1];
  console.log(
    `${order}: ${((active * 1000) / ENTRIES).toFixed(2)} µs an entry, ${Math.round(durationMs)} ms in all`,
  );
}
