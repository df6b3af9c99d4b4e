// What is measured, one store at a time, in a process of its own (processes.js). Each opens the store untimed, warms up,
// measures for so many seconds, and then looks whether the store holds what it was given.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { directoryBytes, warmPageCache } from '../store/files.js';
import { percentile } from './statistics.js';
import { openStore, STORES } from './stores.js';
import { keyAt, keysOf, putsOf, shuffledNumbers, VALUES } from './workload.js';

const BATCH_PUTS = 1000;
const RANGE_ENTRIES = 1000;
const GETS_PER_LOOK_AT_THE_CLOCK = 1000;

/** Values that puts draw from. A power of two. */
const POOLED_VALUES = 4096;

/** So many new keys are made. A store that comes to the end of them is measured for less time. */
const LONE_PUTS_PER_SECOND_MAX = 50_000;
const PUTS_PER_SECOND_MAX = 500_000;
/** There is room for so many, which no store comes near. */
const LATENCIES_PER_SECOND_MAX = 1_000_000;
const FLOOR_WRITES_PER_SECOND = 8000;
const FLOOR_BLOCK_BYTES = 4096;

const SAMPLED_ENTRIES = 1000;

/** What V8 and the allocator give back by themselves, they have given back then. */
const SETTLE_MS = 1000;
const MB = 1e6;

function require(condition, what) {
  if (!condition) throw new Error(`The store does not hold what it was given: ${what}`);
}

/** Asks for some of the entries and compares all of them. */
function requireEntries(db, values, numbers, expectedAt = VALUES[values].at) {
  for (const number of numbers) {
    const found = db.get(keyAt(number));
    require(found !== undefined && VALUES[values].isSame(found, expectedAt(number)), keyAt(number));
  }
}

async function requireCount(db, count) {
  let found = 0;
  let last = '';
  await db.keys('', count + 1, (key) => {
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

/** The store with `entries` in it: as prepared on the disk, or filled here, where nothing stays on a disk. */
async function openFilled({ store, directory, values, entries }) {
  const db = await openStore(store, directory, { values, durability: 'D' });
  if (STORES[store].isVolatile) await fill(db, values, entries);
  requireEntries(db, values, sampleOf(entries));
  return db;
}

/** Fills a store for others to read: without waiting for the disk after each batch, and at rest when it is done. */
async function prepare({ store, directory, values, entries }) {
  fs.mkdirSync(directory, { recursive: true });
  const db = await openStore(store, directory, { values, durability: 'P' });
  await fill(db, values, entries);
  await db.settle();
  await requireCount(db, entries);
  requireEntries(db, values, sampleOf(entries));
  await db.close();
  return {};
}

/**
 * `inFlight` writers, each of which awaits its own put and then makes its next: there is no barrier between them. All
 * puts are counted, up to the last acknowledgement.
 */
async function putFor(seconds, { db, keys, putsMax, values, inFlight, from }) {
  // Memory that is there before the clock runs: an array that grows would stop those who put most.
  const latenciesMs = new Float64Array(Math.ceil(LATENCIES_PER_SECOND_MAX * seconds) + inFlight).fill(0);
  let count = 0;
  let next = from;
  const start = performance.now();
  const end = start + seconds * 1000;
  async function writer() {
    for (
      let began = performance.now();
      began < end && next < putsMax && count + inFlight <= latenciesMs.length;
    ) {
      const turn = next++;
      await db.put(keys[turn % keys.length], values[turn % POOLED_VALUES]);
      const ended = performance.now();
      latenciesMs[count++] = ended - began;
      began = ended;
    }
  }
  await Promise.all(Array.from({ length: inFlight }, writer));
  return { next, latenciesMs: latenciesMs.subarray(0, count), elapsedMs: performance.now() - start };
}

async function put(options) {
  const { store, directory, values, durability, entries, order, inFlight, warmUpSeconds, seconds } = options;
  if (store === 'floor') return runFloor(options);
  fs.mkdirSync(directory, { recursive: true });
  const db = await openStore(store, directory, { values, durability });
  if (order === 'random') requireEntries(db, values, sampleOf(entries));
  const perSecondMax = inFlight === 1 ? LONE_PUTS_PER_SECOND_MAX : PUTS_PER_SECOND_MAX;
  const shuffled = order === 'random' ? shuffledNumbers(entries, 4) : null;
  const numberOf = shuffled === null ? (turn) => turn : (turn) => shuffled[turn % entries];
  const putsMax = shuffled === null ? Math.ceil(perSecondMax * (warmUpSeconds + seconds)) : Infinity;
  const keys = keysOf(Math.min(putsMax, shuffled?.length ?? Infinity), numberOf);
  const pooled = Array.from({ length: POOLED_VALUES }, (_, at) => VALUES[values].at(at + POOLED_VALUES));

  const workload = { db, keys, putsMax, values: pooled, inFlight };
  const warmUp = await putFor(warmUpSeconds, { ...workload, from: 0 });
  const { next, latenciesMs, elapsedMs } = await putFor(seconds, { ...workload, from: warmUp.next });

  const putLast = new Map();
  for (let turn = Math.max(0, next - SAMPLED_ENTRIES); turn < next; turn++)
    putLast.set(numberOf(turn), pooled[turn % POOLED_VALUES]);
  requireEntries(db, values, putLast.keys(), (number) => putLast.get(number));
  await requireCount(db, order === 'random' ? entries : next);
  await db.close();
  return {
    perSecond: latenciesMs.length / (elapsedMs / 1000),
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
  };
}

function runFloor({ directory, floorBinary, seconds }) {
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, 'floor');
  const writes = Math.ceil(seconds * FLOOR_WRITES_PER_SECOND);
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

async function batch({ store, directory, values, durability, warmUpSeconds, seconds }) {
  fs.mkdirSync(directory, { recursive: true });
  const db = await openStore(store, directory, { values, durability });
  const warmUp = await batchFor(warmUpSeconds, { db, values, from: 0 });
  const { next, elapsedMs } = await batchFor(seconds, { db, values, from: warmUp.next });
  await requireCount(db, next);
  requireEntries(db, values, sampleOf(next));
  await db.close();
  return { perSecond: (next - warmUp.next) / (elapsedMs / 1000) };
}

/** Synchronous, all of it in one turn of the event loop: what lmdb likes best, whose read transaction lasts for a turn. */
function getFor(seconds, { db, keys, look }) {
  let done = 0;
  let seen = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  do {
    for (let turn = 0; turn < GETS_PER_LOOK_AT_THE_CLOCK; turn++)
      seen += look(db.get(keys[done++ % keys.length]));
  } while (performance.now() < end);
  require(Number.isFinite(seen), 'a value is not what it should be');
  return done / ((performance.now() - start) / 1000);
}

async function get(options) {
  const { values, entries, warmUpSeconds, seconds } = options;
  const db = await openFilled(options);
  const shuffled = shuffledNumbers(entries, 5);
  const keys = keysOf(entries, (turn) => shuffled[turn]);
  const workload = { db, keys, look: VALUES[values].look };
  getFor(warmUpSeconds, workload);
  const perSecond = getFor(seconds, workload);
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
async function load({ store, directory, values, entries, emptyRss }) {
  fs.mkdirSync(directory, { recursive: true });
  const db = await openStore(store, directory, { values, durability: 'D' });
  const start = performance.now();
  await fill(db, values, entries);
  const elapsedMs = performance.now() - start;
  await setTimeout(SETTLE_MS);
  const rss = process.memoryUsage().rss;
  await requireCount(db, entries);
  requireEntries(db, values, sampleOf(entries));
  await db.close();
  return {
    perSecond: entries / (elapsedMs / 1000),
    diskMb: directoryBytes(directory) / MB,
    rssMb: (rss - emptyRss) / MB,
  };
}

/** From the call to the first value, page cache warm; and the memory that takes. */
async function opening({ store, directory, values, entries, emptyRss }) {
  // Its module is loaded, and the code for reading warm, before the clock runs.
  await import(`./drivers/${STORES[store].driver}.js`);
  warmPageCache(directory);
  const start = performance.now();
  const db = await openStore(store, directory, { values, durability: 'D' });
  const value = db.get(keyAt(entries >> 1));
  const elapsedMs = performance.now() - start;
  require(VALUES[values].isSame(value, VALUES[values].at(entries >> 1)), 'the first value');
  await setTimeout(SETTLE_MS);
  const rss = process.memoryUsage().rss;
  await db.close();
  return { openMs: elapsedMs, rssMb: (rss - emptyRss) / MB };
}

export const MEASUREMENTS = { prepare, put, batch, get, scan, load, opening };
