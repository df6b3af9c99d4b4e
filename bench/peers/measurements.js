// What is measured, one store at a time, in a process of its own (processes.js). Most measurements open the store untimed,
// warm up, measure for so many seconds, and then look whether the store holds what it was given.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { directoryBytes, warmPageCache } from '../store/files.js';
import { runFor } from './in-flight.js';
import { putFor, putsIn } from './puts.js';
import { percentile } from './statistics.js';
import { absentStores, featureOf, openStore, STORES } from './stores.js';
import { changesBefore, countingChange, placesIn } from './transactions.js';
import { keyAt, keysOf, putsOf, shuffledNumbers, VALUES } from './workload.js';

const BATCH_PUTS = 1000;
const RANGE_ENTRIES = 1000;
const GETS_PER_LOOK_AT_THE_CLOCK = 1000;

/** So many new keys are made before the clock runs. A store that needs more of them makes them while it runs. */
const LONE_KEYS_PER_SECOND = 50_000;
const KEYS_PER_SECOND = 500_000;
const FLOOR_WRITES_PER_SECOND = 8000;
const FLOOR_BLOCK_BYTES = 4096;

const SAMPLED_ENTRIES = 1000;
const SAMPLED_EMAILS = 100;

/** What V8 and the allocator give back by themselves, they have given back then. */
const SETTLE_MS = 1000;
const MB = 1e6;

function require(condition, what) {
  if (!condition) throw new Error(`The store does not hold what it was given: ${what}`);
}

/** Asks for some of the entries and compares all of them. */
async function requireEntries(db, values, numbers, expectedAt = VALUES[values].at) {
  for (const number of numbers) {
    const found = await db.get(keyAt(number));
    require(found !== undefined && VALUES[values].isSame(found, expectedAt(number)), keyAt(number));
  }
}

async function requireCount(db, count) {
  let found = 0;
  let last = '';
  await db.keys(keyAt(0), count + 1, (key) => {
    require(key > last, `${key} comes after ${last}`);
    last = key;
    found++;
  });
  require(found === count, `${count} entries expected, ${found} found`);
}

/** Batches in ascending order, each acknowledged before the next. */
async function fill(db, values, entries) {
  for (let from = 0; from < entries; from += BATCH_PUTS)
    await db.batch(putsOf(values, from, Math.min(entries, from + BATCH_PUTS)));
}

const sampleOf = (entries) => shuffledNumbers(entries, 3).subarray(0, SAMPLED_ENTRIES);

const openFor = ({ store, directory, values, feature, ttlMs }, durability) =>
  openStore(store, directory, { kind: VALUES[values].kind, durability, feature, ttlMs });

/** Opens a new store in a directory of its own. */
function openNew(options, durability = options.durability) {
  fs.mkdirSync(options.directory, { recursive: true });
  return openFor(options, durability);
}

/** Opens the store with `entries` in it: as prepared on the disk, or filled here, where a trial or a store has no such files. */
async function openFilled(options) {
  const { store, values, entries, isFilledHere } = options;
  const db = await openNew(options, 'D');
  if (isFilledHere || STORES[store].isVolatile) await fill(db, values, entries);
  await requireEntries(db, values, sampleOf(entries));
  return db;
}

/** Fills a store for others to read: without waiting for the disk after each batch, and at rest when it is done. */
async function prepare(options) {
  const { values, entries } = options;
  const db = await openNew(options, 'P');
  await fill(db, values, entries);
  await db.settle();
  await requireCount(db, entries);
  await requireEntries(db, values, sampleOf(entries));
  await db.close();
  return {};
}

/** The figures of what putFor() did. Nothing watched the turns of puts that were alone. */
const figuresOf = ({ perSecond, latenciesMs, longestTurnMs }) => ({
  perSecond,
  p50Ms: percentile(latenciesMs, 50),
  p99Ms: percentile(latenciesMs, 99),
  longestTurnMs,
});

/** Looks whether the store holds what the last turns before `next` put. */
async function requireLastPuts(db, values, { numberOf, valueFor }, next) {
  const putLast = new Map();
  for (let turn = Math.max(0, next - SAMPLED_ENTRIES); turn < next; turn++)
    putLast.set(numberOf(turn), valueFor(turn));
  await requireEntries(db, values, putLast.keys(), (number) => putLast.get(number));
}

/** Looks whether the index has what the last turns before `next` put, and nothing that is not in the entries any more. */
async function requireIndex(db, values, { valueFor }, next) {
  for (let turn = Math.max(0, next - SAMPLED_EMAILS); turn < next; turn++) {
    const { email } = valueFor(turn);
    const found = await db.getByEmail(email);
    require(found.length > 0 &&
      found.every((value) => value.email === email), `the index of ${values} at ${email}`);
  }
}

async function put(options) {
  const { store, values, entries, order, feature, inFlight, warmUpSeconds, seconds } = options;
  if (store === 'floor') return runFloor(options, Math.ceil(seconds * FLOOR_WRITES_PER_SECOND));
  const db = await openNew(options);
  if (order === 'existing') await requireEntries(db, values, sampleOf(entries));
  const keysPerSecond = inFlight === 1 ? LONE_KEYS_PER_SECOND : KEYS_PER_SECOND;
  const puts = putsIn(options, Math.ceil(keysPerSecond * (warmUpSeconds + seconds)));
  // A put that is durable when it returns is never in flight with another one.
  const workload = { db, ...puts, inFlight: db.putsSynchronously ? 1 : inFlight, whenDone: db.told };

  const { next: from } = await putFor({ seconds: warmUpSeconds }, { ...workload, from: 0 });
  const measured = await putFor({ seconds }, { ...workload, from });
  await requireLastPuts(db, values, puts, measured.next);
  await requireCount(db, order === 'existing' ? entries : measured.next);
  if (db.told) require((await db.told()) === measured.next, 'its feed has not told all');
  if (featureOf(store, feature) === 'index') await requireIndex(db, values, puts, measured.next);
  await db.close();
  return figuresOf(measured);
}

/** Looks whether the entries of the last transactions before `next` have the changes of all of them. */
async function requireLastChanges(db, { values, entries }, { numbers, placesOf }, next) {
  const changes = changesBefore(next, entries, placesOf);
  const expected = new Map();
  for (let turn = Math.max(0, next - SAMPLED_ENTRIES); turn < next; turn++) {
    for (const place of placesOf(turn)) {
      const value = VALUES[values].at(numbers[place]);
      expected.set(numbers[place], { ...value, logins: value.logins + changes[place] });
    }
  }
  await requireEntries(db, values, expected.keys(), (number) => expected.get(number));
}

/** Transactions that change two entries of a filled store. */
async function transact(options) {
  const { values, entries, method, conflictEvery, warmUpSeconds, seconds } = options;
  const db = await openNew(options);
  await requireEntries(db, values, sampleOf(entries));
  const numbers = shuffledNumbers(entries, 7);
  const keys = keysOf(entries, (place) => numbers[place]);
  const placesOf = placesIn(entries, conflictEvery);
  const change = countingChange();
  const operation = (turn) => {
    const [first, second] = placesOf(turn);
    return db[method](keys[first], keys[second], change);
  };
  // A transaction that is durable when it returns is never in flight with another one.
  const workload = { operation, inFlight: db.transactsSynchronously ? 1 : options.inFlight };

  const { next: from } = await runFor({ seconds: warmUpSeconds }, { ...workload, from: 0 });
  change.calls = 0;
  const measured = await runFor({ seconds }, { ...workload, from });
  const attempts = change.calls / 2;
  await requireLastChanges(db, options, { numbers, placesOf }, measured.next);
  await requireCount(db, entries);
  await db.close();
  return { ...figuresOf(measured), conflictPercent: (attempts / (measured.next - from) - 1) * 100 };
}

/** The first puts of a new store, one at a time, without warm-up. Opening it is not measured. */
async function putFirst(options) {
  const { store, values, puts: count } = options;
  if (store === 'floor') return runFloor(options, count);
  const db = await openNew(options);
  const puts = putsIn({ values, order: 'ascending' }, count);
  const measured = await putFor({ puts: count }, { db, ...puts, inFlight: 1, from: 0 });
  await requireLastPuts(db, values, puts, count);
  await requireCount(db, count);
  await db.close();
  return figuresOf(measured);
}

function runFloor({ directory, floorBinary }, writes) {
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, 'floor');
  const printed = execFileSync(floorBinary, [file, String(FLOOR_BLOCK_BYTES), String(writes)]);
  return { perSecond: Number(printed) };
}

/** Batches of new keys in ascending order, one after another. Making the operations is part of it, for everybody. */
async function batchFor(seconds, { db, values, from }) {
  let next = from;
  const start = performance.now();
  const end = start + seconds * 1000;
  while (performance.now() < end) {
    await db.batch(putsOf(values, next, next + BATCH_PUTS));
    next += BATCH_PUTS;
  }
  return { next, elapsedMs: performance.now() - start };
}

async function batch(options) {
  const { values, warmUpSeconds, seconds } = options;
  const db = await openNew(options);
  const warmUp = await batchFor(warmUpSeconds, { db, values, from: 0 });
  const { next, elapsedMs } = await batchFor(seconds, { db, values, from: warmUp.next });
  await requireCount(db, next);
  await requireEntries(db, values, sampleOf(next));
  await db.close();
  return { perSecond: (next - warmUp.next) / (elapsedMs / 1000) };
}

/** Synchronous, all of it in one turn of the event loop: what lmdb likes best, whose read transaction lasts for a turn. */
function getFor(seconds, { get, keys, look }) {
  let done = 0;
  let seen = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  do {
    for (let turn = 0; turn < GETS_PER_LOOK_AT_THE_CLOCK; turn++)
      seen += look(get(keys[done++ % keys.length]));
  } while (performance.now() < end);
  require(Number.isFinite(seen), 'a value is not what it should be');
  return done / ((performance.now() - start) / 1000);
}

/** Gets that return promises, one after another. */
async function awaitedGetFor(seconds, { get, keys, look }) {
  let done = 0;
  let seen = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  while (performance.now() < end) seen += look(await get(keys[done++ % keys.length]));
  require(Number.isFinite(seen), 'a value is not what it should be');
  return done / ((performance.now() - start) / 1000);
}

/** What is asked for, and how it is looked at: by the method of the driver. */
const ASKED = {
  get: ({ look }) => ({ wordAt: keyAt, look }),
  getAsync: ({ look }) => ({ wordAt: keyAt, look }),
  getByEmail: ({ at, look }) => ({
    wordAt: (number) => at(number).email,
    look: (found) => found.length + look(found[0]),
  }),
};

async function get(options) {
  const { values, entries, method = 'get', warmUpSeconds, seconds } = options;
  const db = await openFilled(options);
  const { wordAt, look } = ASKED[method](VALUES[values]);
  const keys = Array.from(shuffledNumbers(entries, 5), wordAt);
  const workload = { get: db[method], keys, look };
  const run = db[method](keys[0]) instanceof Promise ? awaitedGetFor : getFor;
  await run(warmUpSeconds, workload);
  const perSecond = await run(seconds, workload);
  await db.close();
  return { perSecond };
}

/** Ranges from random keys on. */
async function scanFor(seconds, { scan, starts, visit }) {
  let ranges = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  do await scan(starts[ranges++ % starts.length], RANGE_ENTRIES, visit);
  while (performance.now() < end);
  return { ranges, perSecond: (ranges * RANGE_ENTRIES) / ((performance.now() - start) / 1000) };
}

async function scan(options) {
  const { values, entries, part, warmUpSeconds, seconds } = options;
  const db = await openFilled(options);
  const shuffled = shuffledNumbers(Math.max(1, entries - RANGE_ENTRIES), 6);
  const starts = keysOf(Math.min(shuffled.length, SAMPLED_ENTRIES), (turn) => shuffled[turn]);
  const { look } = VALUES[values];
  let visited = 0;
  let seen = 0;
  const visitors = {
    keys: (key) => {
      visited++;
      seen += key.charCodeAt(key.length - 1);
    },
    entries: (key, value) => {
      visited++;
      seen += key.charCodeAt(key.length - 1) + look(value);
    },
  };
  const workload = { scan: db[part], starts, visit: visitors[part] };
  const warmUp = await scanFor(warmUpSeconds, workload);
  const { ranges, perSecond } = await scanFor(seconds, workload);
  require(visited === (warmUp.ranges + ranges) * RANGE_ENTRIES && Number.isFinite(seen), 'a range is short');
  await db.close();
  return { perSecond };
}

/** In durable batches: how much disk the closed store takes, and how much memory the open one. */
async function load(options) {
  const { directory, values, entries, emptyRss } = options;
  const db = await openNew(options);
  const start = performance.now();
  await fill(db, values, entries);
  const elapsedMs = performance.now() - start;
  await setTimeout(SETTLE_MS);
  const rss = process.memoryUsage().rss;
  await requireCount(db, entries);
  await requireEntries(db, values, sampleOf(entries));
  await db.close();
  return {
    perSecond: entries / (elapsedMs / 1000),
    diskMb: directoryBytes(directory) / MB,
    rssMb: (rss - emptyRss) / MB,
  };
}

/** From the call to the first value, page cache warm; and the memory that takes. */
async function opening(options) {
  const { store, directory, values, entries, emptyRss } = options;
  // Its module is loaded, and the code for reading warm, before the clock runs.
  await import(`./drivers/${STORES[store].driver}.js`);
  warmPageCache(directory);
  const start = performance.now();
  const db = await openFor(options, 'D');
  const value = db.get(keyAt(entries >> 1));
  const elapsedMs = performance.now() - start;
  require(VALUES[values].isSame(value, VALUES[values].at(entries >> 1)), 'the first value');
  await setTimeout(SETTLE_MS);
  const rss = process.memoryUsage().rss;
  await db.close();
  return { openMs: elapsedMs, rssMb: (rss - emptyRss) / MB };
}

/** What this process runs on: its version of Node, the engine that Keelson takes here, and who takes no part. */
async function runtime({ directory }) {
  // Not at the top: no other store is to have Keelson in its memory.
  const { open } = await import('../../dist/index.js');
  const db = await open(directory);
  const { engine, engineReason } = db.stats().engine;
  await db.close();
  return { node: process.version, engine: `${engine} (${engineReason})`, absent: absentStores() };
}

export const MEASUREMENTS = { runtime, prepare, put, putFirst, transact, batch, get, scan, load, opening };
