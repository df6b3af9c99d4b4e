// @ts-check
// A life that is killed: opens a store on a real directory and writes to it and to two namespaces, with many writes in
// flight, deletes, batches, clears, drops, transactions, checkpoints and backups, and says each thing before and after it
// happens.
//
//     node writer.js <directory> <settings as JSON>

import { isKeelsonError, open } from 'keelson';
import { keyIn, NAMESPACES, randomFrom, say, spaceOf, valueFor } from './lines.js';

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

/**
 * Asynchronous transactions that were committed, or may be soon: which write each is, and how its LSN is told.
 *
 * @type {Map<number, () => number | null>}
 */
const committing = new Map();

/** The number of asynchronous transactions whose promises are not settled. */
let openTransactions = 0;

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
    inFlight.push(
      submit(settings.firstSequence, [['put', keyAt(KEY_OF_FIRST), settings.valueBytesFirst, '']]),
    );
    count++;
  }
  while (bytes < settings.bytesMax) {
    const operations = operationsOf();
    for (const [type, , size] of operations) if (type === 'put') bytes += size;
    const isLater = operations.length > 1 && random(4) === 0;
    const write = isLater ? submitLater : submit;
    inFlight.push(write(settings.firstSequence + count, operations));
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

/** Says which transactions were committed meanwhile, before anything else is said of writes. */
function sayCommits() {
  for (const [sequence, lsnOf] of committing) {
    const lsn = lsnOf();
    if (lsn === null) continue;
    committing.delete(sequence);
    say('accepted', sequence, lsn);
  }
}

/**
 * An asynchronous transaction, that is committed some time later. Right before that it says what it writes.
 *
 * @param {number} sequence @param {Operation[]} operations
 */
async function submitLater(sequence, operations) {
  const spaces = new Map(operations.map(([, , , space]) => [space, spaceOf(db, space)]));
  openTransactions++;
  try {
    const lsn = await db.transaction(async (tx) => {
      for (const operation of operations) {
        apply(tx, operation, sequence, spaces);
        await new Promise(setImmediate);
      }
      tx.atCommit(() => {
        sayCommits();
        committing.set(sequence, () => tx.lsn);
        say('submitting', sequence, operations);
        return undefined;
      });
      return () => tx.lsn;
    });
    sayCommits();
    say('durable', sequence, lsn());
  } catch (error) {
    // Others have changed too often what it deletes. It has written nothing, and said nothing.
    if (!isKeelsonError(error, 'KEELSON_CONFLICT')) throw error;
  } finally {
    openTransactions--;
  }
}

/**
 * @param {import('keelson').Transaction<any, any>} tx
 * @param {Operation} operation
 * @param {number} sequence
 * @param {Map<string, import('keelson').Namespace<any, any>>} spaces
 */
function apply(tx, [type, key, third, space], sequence, spaces) {
  const into = space === '' ? tx : tx.in(/** @type {any} */ (spaces.get(space)));
  if (type === 'put') into.put(keyIn(space, key), valueFor(sequence, key, third));
  else if (type === 'delete') into.delete(keyIn(space, key));
  else if (type === 'clear') into.clear({ gte: keyIn(space, key), lt: keyIn(space, third) });
}

/** @param {number} sequence @param {Operation[]} operations */
async function submit(sequence, operations) {
  sayCommits();
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
  if (operations.length > 1 && random(3) === 0) {
    const spaces = new Map(operations.map(([, , , space]) => [space, spaceOf(db, space)]));
    return db
      .transaction((tx) => {
        for (const operation of operations) apply(tx, operation, sequence, spaces);
        return () => tx.lsn ?? db.lastLsn;
      }, options)
      .then((lsn) => lsn());
  }
  const [type, key, third, space] = /** @type {Operation} */ (operations[0]);
  const into = spaceOf(db, space);
  if (operations.length === 1) {
    if (type === 'put') return into.put(keyIn(space, key), valueFor(sequence, key, third), options);
    if (type === 'delete') return into.delete(keyIn(space, key), options);
    if (type === 'drop') return db.drop(into, options);
    return into.clear({ gte: keyIn(space, key), lt: keyIn(space, third) }, options);
  }
  return db.batch(
    operations.map((operation) => batchOperation(operation, sequence)),
    options,
  );
}

/** @param {Operation} operation @param {number} sequence @returns {any} */
function batchOperation([type, key, third, space], sequence) {
  const namespace = space === '' ? {} : { namespace: spaceOf(db, space) };
  if (type === 'put')
    return { type, key: keyIn(space, key), value: valueFor(sequence, key, third), ...namespace };
  if (type === 'delete') return { type, key: keyIn(space, key), ...namespace };
  return { type, gte: keyIn(space, String(key)), lt: keyIn(space, String(third)), ...namespace };
}

/** @returns {Operation[]} */
function operationsOf() {
  // A transaction that is open would be refused.
  if (openTransactions === 0 && random(150) === 0) return [['drop', null, null, namespaceOf()]];
  const count = random(4) === 0 ? 2 + random(OPERATIONS_MAX - 1) : 1;
  const operations = Array.from({ length: count }, operationOf);
  // A transaction that may be empty would not be told of.
  if (count > 1) operations[0] = putOf();
  return operations;
}

/** @returns {Operation} */
function operationOf() {
  const kind = random(40);
  const [one, other] = [keyAt(random(settings.keys)), keyAt(random(settings.keys))];
  // A range that ends before it begins is empty.
  if (kind === 0)
    return one < other ? ['clear', one, other, randomSpace()] : ['clear', other, one, randomSpace()];
  return kind < 8 ? ['delete', one, null, randomSpace()] : putOf();
}

/** @returns {Operation} */
function putOf() {
  return ['put', keyAt(random(settings.keys)), 1 + random(settings.valueBytesMax), randomSpace()];
}

function randomSpace() {
  return random(2) === 0 ? '' : namespaceOf();
}

function namespaceOf() {
  const names = [...NAMESPACES.keys()];
  return /** @type {string} */ (names[random(names.length)]);
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
  sayCommits();
  say('backing up', to, db.lastLsn);
  await db.backup(to);
  say('backed up', to);
}
