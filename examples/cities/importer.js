// @ts-check
// The child process. Puts every city that is missing and reports the acknowledged ones. It has no code for being
// killed: it opens the store, finds what is missing, and continues.
//
//     node importer.js <directory> [<acknowledgements before a checkpoint>]
//
// Each line of its stdout is JSON: a number is the index of a city whose put was acknowledged, an object is news (see
// importer-process.js).

import { open } from 'keelson';
import { cities, keyOf } from './cities.js';

// Number of puts under way at the same time. One flush makes all puts durable that have come together.
const IN_FLIGHT = 2_000;

const [directory = '', checkpointAfter = 'Infinity'] = process.argv.slice(2);

say({ opening: true });
/** @type {import('keelson').Store<string, import('./cities.js').City>} */
const db = await open(directory);
const missing = [...cities.entries()].filter(([, city]) => !db.has(keyOf(city)));
say({ importing: true });

let acknowledged = 0;
/** @type {Promise<unknown>} */
let checkpoint = Promise.resolve();
/** Acknowledgements of this turn of the event loop. One write sends thousands of lines. */
let lines = '';

// All lanes draw from one iterator, so each city goes to the next free lane.
const work = missing.values();
await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
await checkpoint;
await db.close();
say({ done: true });

async function lane() {
  for (const [place, city] of work) {
    // When put() resolves, the city would survive a power cut. Report it then, and not before.
    await db.put(keyOf(city), city);
    acknowledge(place);
  }
}

/**
 * Reports the city at this index.
 *
 * @param {number} place
 */
function acknowledge(place) {
  if (lines === '') setImmediate(sendAcknowledged);
  lines += `${place}\n`;
  acknowledged++;
  if (acknowledged === Number(checkpointAfter)) checkpoint = takeCheckpoint();
}

function sendAcknowledged() {
  process.stdout.write(lines);
  lines = '';
  say({ commits: db.stats().journal?.commits ?? 0 });
}

/** Takes a checkpoint in the background, while the import continues. */
async function takeCheckpoint() {
  say({ checkpoint: 'begun' });
  await db.checkpoint();
  say({ checkpoint: 'done' });
}

/**
 * Writes a message.
 *
 * @param {object} news
 */
function say(news) {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}
