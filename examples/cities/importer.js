// @ts-check
// The child: puts every city that is not there yet, and says which are acknowledged. It never learns that it will be
// killed, and has no code for it: it opens the store, looks what is missing, and goes on.
//
//     node importer.js <directory> [<acknowledgements before a checkpoint>]
//
// What it says goes to stdout, one line each, in JSON: a number is the place of a city, in the list of cities, whose put
// has been acknowledged; an object is news (see importer-process.js).

import { open } from 'keelson';
import { cities, keyOf } from './cities.js';

// So many puts wait for the disk at the same time; one flush carries all that came together.
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
/** What has been acknowledged in this turn of the event loop: thousands of lines go out in one write. */
let lines = '';

// All lanes draw from one iterator: whichever is free takes the next city.
const work = missing.values();
await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
await checkpoint;
await db.close();
say({ done: true });

async function lane() {
  for (const [place, city] of work) {
    // When this resolves, the city would survive a power cut; not before it does may anybody be told.
    await db.put(keyOf(city), city);
    acknowledge(place);
  }
}

/** @param {number} place */
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

/** In the background: the import goes on meanwhile. */
async function takeCheckpoint() {
  say({ checkpoint: 'begun' });
  await db.checkpoint();
  say({ checkpoint: 'done' });
}

/** @param {object} news */
function say(news) {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}
