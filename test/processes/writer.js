// @ts-check
// A life that is killed: opens a store on a real directory and writes to it, with many writes in flight, deletes, batches,
// clears, checkpoints and backups, and says each thing before and after it happens.
//
//     node writer.js <directory> <settings as JSON>

import { open } from 'keelson';
import { randomFrom, say, valueFor } from './lines.js';

/**
 * @typedef {object} Settings
 * @property {number} seed
 * @property {number} firstSequence
 * @property {import('keelson').StoreOptions} options
 * @property {number} keys
 * @property {number} valueBytesMax
 * @property {number} valueBytesFirst The size of a value that is put first and never changed; 0 for none.
 * @property {number} inFlightMax
 * @property {number} bytesMax After so many it closes: nobody killed it in time.
 * @property {number} checkpointEvery Writes between explicit checkpoints; 0 for none.
 * @property {number} backupAt The write at which a backup begins; 0 for none.
 *
 * @typedef {import('./lines.js').Operation} Operation
 */

const OPERATIONS_MAX = 6;
/** Above the keys of all other operations. */
const KEY_OF_FIRST = 99_999;
const directory = String(process.argv[2]);
/** @type {Settings} */
const settings = JSON.parse(String(process.argv[3]));
const random = randomFrom(settings.seed);

say('opening');
const db = await open(directory, settings.options);
say('opened', db.lastLsn);
db.on('checkpoint', ({ type }) => type === 'progress' || say('checkpoint', type));
await write();
await db.close();
say('closed');

async function write() {
  /** @type {Promise<void>[]} */
  const inFlight = [];
  let [bytes, count, segments] = [0, 0, 0];
  if (settings.valueBytesFirst > 0) {
    inFlight.push(submit(settings.firstSequence, [['put', keyAt(KEY_OF_FIRST), settings.valueBytesFirst]]));
    count++;
  }
  while (bytes < settings.bytesMax) {
    const operations = operationsOf();
    for (const [type, , size] of operations) if (type === 'put') bytes += size;
    inFlight.push(submit(settings.firstSequence + count, operations));
    count++;
    if (settings.checkpointEvery > 0 && count % settings.checkpointEvery === 0) inFlight.push(checkpoint());
    if (count === settings.backupAt) inFlight.push(backup());
    const now = db.stats().journal.segments;
    if (now !== segments) say('segments', now);
    segments = now;
    while (inFlight.length >= settings.inFlightMax) await inFlight.shift();
    // Sometimes the event loop gets its turn, sometimes a burst goes on without one.
    if (random(4) === 0) await new Promise(setImmediate);
  }
  await Promise.all(inFlight);
}

/** @param {number} sequence @param {Operation[]} operations */
async function submit(sequence, operations) {
  say('submitting', sequence, operations);
  // What is only in memory is acknowledged by those behind it, and by nothing that itself says.
  const isInMemory = random(8) === 0;
  const durable = call(sequence, operations, { durability: isInMemory ? 'memory' : 'disk' });
  say('accepted', sequence, db.lastLsn);
  const lsn = await durable;
  if (!isInMemory) say('durable', sequence, lsn);
}

/** @param {number} sequence @param {Operation[]} operations @param {{ durability: 'memory' | 'disk' }} options */
function call(sequence, operations, options) {
  const [type, key, third] = /** @type {Operation} */ (operations[0]);
  if (operations.length === 1) {
    if (type === 'put') return db.put(key, valueFor(sequence, key, third), options);
    if (type === 'delete') return db.delete(key, options);
    return db.clear({ gte: key, lt: third }, options);
  }
  const batch = operations.map((operation) => {
    if (operation[0] === 'put') {
      return { type: operation[0], key: operation[1], value: valueFor(sequence, operation[1], operation[2]) };
    }
    if (operation[0] === 'delete') return { type: operation[0], key: operation[1] };
    return { type: operation[0], gte: operation[1], lt: operation[2] };
  });
  return db.batch(batch, options);
}

/** @returns {Operation[]} */
function operationsOf() {
  const count = random(4) === 0 ? 1 + random(OPERATIONS_MAX) : 1;
  return Array.from({ length: count }, () => {
    const kind = random(40);
    const key = keyAt(random(settings.keys));
    if (kind === 0) return ['clear', key, keyAt(random(settings.keys))];
    if (kind < 8) return ['delete', key];
    return ['put', key, 1 + random(settings.valueBytesMax)];
  }).map((operation) => {
    // A range that ends before it begins is empty.
    if (operation[0] !== 'clear' || operation[1] < operation[2]) return /** @type {Operation} */ (operation);
    return ['clear', operation[2], operation[1]];
  });
}

/** @param {number} index */
function keyAt(index) {
  return `k${String(index).padStart(5, '0')}`;
}

async function checkpoint() {
  await db.checkpoint();
}

async function backup() {
  const to = `${directory}-backup-${settings.firstSequence}`;
  say('backing up', to, db.lastLsn);
  await db.backup(to);
  say('backed up', to);
}
