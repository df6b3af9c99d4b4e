// @ts-check
// The demo: an import that is killed again and again, and loses nothing that was acknowledged.
//
//     npm run demo -- [--seed <number>] [--keep]
//
// A child process (importer.js) imports the cities of the world and reports acknowledged puts through a pipe. This
// process kills it with SIGKILL, opens the store at once, and looks up every city: each acknowledged one must be
// there with an equal value. The next child continues, until all cities are in.
//
// A killed process leaves the page cache behind; a power cut does not. The tests simulate power cuts, on a disk that
// forgets everything that was not flushed.

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { open } from 'keelson';
import { cities } from './cities.js';
import { mebibytes, median, milliseconds, whole } from './figures.js';
import { importAll } from './import-all.js';
import { Ledger } from './ledger.js';
import { answers } from './questions.js';

/** @typedef {import('./cities.js').City} City */

const { values: options } = parseArgs({ options: { seed: { type: 'string' }, keep: { type: 'boolean' } } });
const seed = Number(options.seed ?? Math.floor(Math.random() * 1e9));
if (!Number.isSafeInteger(seed)) throw new TypeError(`--seed: expected an integer, got '${options.seed}'`);

const stop = new AbortController();
// Once, so that a second Ctrl-C ends the process without waiting.
for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(name, () => stop.abort());

const directory = await mkdtemp(join(tmpdir(), 'keelson-cities-'));
try {
  await demo();
} catch (error) {
  console.error(`\n${stop.signal.aborted ? 'Interrupted.' : error instanceof Error ? error.message : error}`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
} finally {
  if (options.keep) console.log(`The store is in ${directory}`);
  else await rm(directory, { recursive: true, maxRetries: 3 });
}

async function demo() {
  const startedMs = performance.now();
  console.log(
    `Keelson: ${whole(cities.length)} cities, and every importer but the last is killed. Seed ${seed}.\n`,
  );
  const { totals, recoveriesMs } = await importAll(directory, seed, stop.signal);
  const end = await finish();
  const perSecond = (totals.acknowledged / totals.importMs) * 1000;
  const report = new Table({
    colAligns: ['left', 'right'],
    style: { compact: true, border: [] },
  });
  report.push(
    ['Cities imported', whole(end.entries)],
    ['Acknowledged, per second', whole(perSecond)],
    ['Acknowledged, per disk flush', whole(totals.acknowledged / totals.commits)],
    ['Kills survived', `${totals.kills} (in a checkpoint: ${totals.killsInCheckpoint})`],
    ['Acknowledged before a kill', whole(totals.acknowledgedBeforeKill)],
    // The ledger would have thrown if one were lost.
    ['Acknowledged and lost', '0'],
    ['Not acknowledged, but there', whole(totals.unacknowledgedButThere)],
    ['Recovery after a kill, median', milliseconds(median(recoveriesMs))],
    ['Recovery after a kill, longest', milliseconds(Math.max(...recoveriesMs))],
    ['Open at the end', milliseconds(end.openMs)],
    ['Store on disk', mebibytes(end.bytesOnDisk)],
    ['Engine', end.engine.engine],
    ['The demo took', `${((performance.now() - startedMs) / 1000).toFixed(1)} s`],
  );
  console.log(`\n${report}\n Engine: ${end.engine.engineReason}`);
}

/** Checks everything once more, takes a checkpoint, and asks the store some questions. */
async function finish() {
  /** @type {import('keelson').Store<string, City>} */
  let db = await open(directory);
  await db.checkpoint();
  await db.close();

  const startedMs = performance.now();
  db = await open(directory);
  const openMs = performance.now() - startedMs;
  try {
    const everything = new Ledger();
    for (const place of cities.keys()) everything.add(place);
    everything.check(db);
    console.log(`\n${answers(db).join('\n')}`);
    return { openMs, entries: db.size, engine: db.stats().engine, bytesOnDisk: await sizeOnDisk() };
  } finally {
    await db.close();
  }
}

async function sizeOnDisk() {
  const names = await readdir(directory);
  const files = await Promise.all(names.map((name) => stat(join(directory, name))));
  return files.reduce((bytes, file) => bytes + file.size, 0);
}
