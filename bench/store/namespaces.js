// What do many namespaces cost: memory for each, the time to open a store with them, to checkpoint it, and to take a
// snapshot? A process collects its garbage before it measures memory.

import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { open } from '../../dist/index.js';

const NAMESPACES = 10_000;
const WARM_NAMESPACES = 10;
const SNAPSHOTS = 1000;
const COLLECTIONS = 3;
const SETTLE_MS = 200;
const KIB = 1024;

export const title = 'namespaces: 10,000 of them, in a store that has nothing else';

/** The puts in each namespace. */
const CASES = [
  { name: 'empty', puts: 0, goalKib: 2 },
  { name: 'of one entry', puts: 1, goalKib: 4 },
];
const OPEN_MS_MAX = 500;
const CHECKPOINT_MS_MAX = 1000;

/** Returns the memory of this process after a collection of garbage, in bytes. */
async function residentBytes() {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (let times = 0; times < COLLECTIONS; times++) {
    await setTimeout(SETTLE_MS);
    collect();
  }
  return process.memoryUsage().rss;
}

async function msOf(run) {
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
    const namespace = db.namespace(`n${number}`);
    for (let key = 0; key < Math.max(puts, 1); key++) namespace.put(`k${key}`, number);
    // A namespace is created by its first write.
    if (puts === 0) namespace.clear();
  }
  await db.flush();
  return db;
}

export const steps = {
  async written({ directory, namespaces, puts }) {
    growYoungGeneration();
    const warm = await fill(path.join(directory, 'warm'), WARM_NAMESPACES, puts);
    const before = await residentBytes();
    const filled = await fill(path.join(directory, 'filled'), namespaces, puts);
    const bytes = (await residentBytes()) - before;
    await filled.close();
    await warm.close();
    return { bytes };
  },

  async opened({ directory, namespaces }) {
    growYoungGeneration();
    const warm = await open(path.join(directory, 'warm'));
    const before = await residentBytes();
    const [openMs, db] = await msOf(() => open(path.join(directory, 'filled'), { autoCheckpoint: false }));
    const bytes = (await residentBytes()) - before;
    const found = db.namespaces().length;
    if (found !== namespaces) throw new Error(`${namespaces} namespaces expected, ${found} found`);
    const [snapshotsMs] = await msOf(() => {
      for (let number = 0; number < SNAPSHOTS; number++) db.snapshot().close();
    });
    // A write, because the image may be current.
    await db.put('key', 1);
    const [checkpointMs] = await msOf(() => db.checkpoint());
    await db.close();
    await warm.close();
    return { bytes, openMs, checkpointMs, snapshotUs: (snapshotsMs * 1000) / SNAPSHOTS };
  },
};

export async function round({ run, directory, scaled }) {
  const namespaces = scaled(NAMESPACES);
  const rows = [];
  for (const { name, puts, goalKib } of CASES) {
    const options = { directory: path.join(directory, `${puts}`), namespaces, puts };
    const add = (kind, { bytes, openMs, checkpointMs, snapshotUs }) => {
      const row = (what, value, goal) => rows.push({ name: `${name}, ${kind}: ${what}`, value, goal });
      row('RSS, KiB each', bytes / namespaces / KIB, `≤ ${goalKib}`);
      if (openMs === undefined) return;
      row('open, ms', openMs, `≤ ${OPEN_MS_MAX}`);
      row('checkpoint, ms', checkpointMs, `≤ ${CHECKPOINT_MS_MAX}`);
      row('snapshot, µs', snapshotUs);
    };
    add('written', await run('written', options));
    add('opened from the log', await run('opened', options));
    add('opened from the image', await run('opened', options));
  }
  return rows;
}
