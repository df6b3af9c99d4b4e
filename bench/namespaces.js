// What many namespaces cost: memory for each, the time to open a store with them, to checkpoint it, and to take a
// snapshot. Every step runs in a fresh process, which collects its garbage before it measures memory.
//
//   npm run build && node bench/namespaces.js [--namespaces N] [--rounds N]

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { open } from '../dist/index.js';

const KIB = 1024;
const SETTLE_MS = 500;
const SNAPSHOTS = 1000;

/** The puts in each namespace, by the name of the case. The store itself stays empty. */
const CASES = { empty: 0, 'of one entry': 1, 'of ten entries': 10 };
const GOALS_KIB = { empty: 2, 'of one entry': 4 };
const KINDS = ['written', 'opened from the log', 'opened from the image'];

/** Returns the memory of this process after a collection of garbage, in bytes. */
async function memory() {
  for (let times = 0; times < 3; times++) {
    await setTimeout(SETTLE_MS / 3);
    globalThis.gc();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
}

const minus = (a, b) => Object.fromEntries(Object.keys(a).map((name) => [name, a[name] - b[name]]));

async function timed(run) {
  const start = performance.now();
  const result = await run();
  return [performance.now() - start, result];
}

/** Grows the young generation of V8 to its largest size, so that rss does not count that for namespaces. */
function growYoungGeneration() {
  let kept = [];
  for (let number = 0; number < 3_000_000; number++) {
    kept.push({ number });
    if (kept.length === 100_000) kept = [];
  }
}

/** Makes a store with namespaces. Its writes are durable when this resolves. */
async function fill(directory, namespaces, puts) {
  const db = await open(directory, { autoCheckpoint: false });
  for (let number = 0; number < namespaces; number++) {
    const space = db.namespace(`n${number}`);
    for (let key = 0; key < Math.max(puts, 1); key++) space.put(`k${key}`, number);
    // A namespace is created by its first write.
    if (puts === 0) space.clear();
  }
  await db.flush();
  return db;
}

const steps = {
  async written({ directory, namespaces, puts }) {
    growYoungGeneration();
    const warm = await fill(`${directory}-warm`, 10, puts);
    const before = await memory();
    const filled = await fill(directory, namespaces, puts);
    const bytes = minus(await memory(), before);
    await filled.close();
    await warm.close();
    return { bytes };
  },

  async opened({ directory }) {
    growYoungGeneration();
    const warm = await open(`${directory}-warm`);
    const before = await memory();
    const [openMs, db] = await timed(() => open(directory, { autoCheckpoint: false }));
    const bytes = minus(await memory(), before);
    const [snapshotsMs] = await timed(() => {
      for (let number = 0; number < SNAPSHOTS; number++) db.snapshot().close();
    });
    // A write, because the image may be current.
    await db.put('key', 1);
    const [checkpointMs] = await timed(() => db.checkpoint());
    await db.close();
    await warm.close();
    return { bytes, openMs, snapshotUs: (snapshotsMs * 1000) / SNAPSHOTS, checkpointMs };
  },
};

function run(step, options) {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), step, JSON.stringify(options)];
  const { stdout, status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`The step ${step} failed`);
  return JSON.parse(stdout);
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** Returns the medians of the numbers in many objects of one form. */
function medians(results) {
  const [first] = results;
  return Object.fromEntries(
    Object.keys(first).map((name) => {
      const values = results.map((result) => result[name]);
      return [name, typeof first[name] === 'object' ? medians(values) : median(values)];
    }),
  );
}

function printed(name, kind, namespaces, { bytes, openMs, checkpointMs, snapshotUs }) {
  const each = Object.entries(bytes).map(([what, all]) => `${what} ${(all / namespaces / KIB).toFixed(2)}`);
  const goal = GOALS_KIB[name] === undefined ? '' : ` (goal ≤ ${GOALS_KIB[name]})`;
  console.log(`${name}, ${kind}: KiB each${goal}: ${each.join(', ')}`);
  if (openMs === undefined) return;
  const times = [`open ${openMs.toFixed(0)} ms`, `checkpoint ${checkpointMs.toFixed(0)} ms`];
  console.log(`  ${times.join(', ')}, snapshot ${snapshotUs.toFixed(1)} µs`);
}

const [step, options] = process.argv.slice(2);
if (step in steps) {
  console.log(JSON.stringify(await steps[step](JSON.parse(options))));
} else {
  const { values } = parseArgs({
    options: {
      namespaces: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const namespaces = Number(values.namespaces);
  const root = fs.mkdtempSync(path.join(process.cwd(), '.keelson-bench-'));
  process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
  for (const [name, puts] of Object.entries(CASES)) {
    const results = Array.from({ length: Number(values.rounds) }, (_, round) => {
      const store = { directory: path.join(root, `${puts}-${round}`), namespaces, puts };
      return [run('written', store), run('opened', store), run('opened', store)];
    });
    for (const [at, kind] of KINDS.entries())
      printed(name, kind, namespaces, medians(results.map((round) => round[at])));
  }
}
