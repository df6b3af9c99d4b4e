// How far is a replica behind, and what do replicas cost and give? Puts at a given rate, with values of 100 bytes, while one
// replica in a worker thread follows: the main thread notes when each LSN became durable, the worker when it shows each LSN;
// the difference is the lag. Then the puts that are possible with and without the replica, in flight by 1,000. Then gets of
// random keys: in the main thread, and in four workers at once.

import { Worker } from 'node:worker_threads';
import { keyAt, openStore, randomNumbers, secondsOf, valueAt } from './workload.js';

const KEYS = 100_000;
const PUTS_PER_SECOND = 200_000;
const SECONDS = 4;
const PUTS_FREE = 300_000;
const WINDOW = 1000;
const GETS = 2_000_000;
const WORKERS = 4;
const SLICE_MS = 1;

export const title =
  'replica: lag behind durableLsn under 200,000 puts/s; puts/s beside one; gets/s of four workers';

/** Milliseconds that mean the same in all threads. */
const now = () => performance.timeOrigin + performance.now();

async function startReplica(db) {
  const port = db.replicate();
  const worker = new Worker(new URL('./replica-thread.js', import.meta.url), {
    workerData: port,
    transferList: [port],
  });
  await new Promise((resolve) => worker.once('message', resolve));
  return worker;
}

function ask(worker, question) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(question);
  });
}

/** Puts at the rate, and returns when each LSN became durable. */
async function putAtRate(db, seconds) {
  const next = randomNumbers(KEYS);
  const durable = [];
  let isOver = false;
  const noting = (async () => {
    for (let lsn = 0; !isOver; ) {
      if (db.durableLsn > lsn) {
        lsn = db.durableLsn;
        durable.push([lsn, now()]);
      }
      await new Promise(setImmediate);
    }
  })();
  const start = performance.now();
  let done = 0;
  for (let passed = 0; passed < seconds * 1000; passed = performance.now() - start) {
    const due = Math.min(
      Math.floor((passed * PUTS_PER_SECOND) / 1000),
      done + PUTS_PER_SECOND * SLICE_MS * 0.01,
    );
    for (; done < due; done++) db.put(keyAt(next()), valueAt(done), { durability: 'memory' });
    await db.drained();
    await new Promise(setImmediate);
  }
  await db.flush();
  isOver = true;
  await noting;
  return { durable, rate: done / ((performance.now() - start) / 1000) };
}

/** The time of each durable LSN until the replica showed it, ascending. */
function lagsOf(durable, shown) {
  const lags = [];
  let at = 0;
  for (const [lsn, durableMs] of durable) {
    while (at < shown.length && shown[at][0] < lsn) at++;
    if (at < shown.length) lags.push(Math.max(0, shown[at][1] - durableMs));
  }
  return lags.sort((a, b) => a - b);
}

async function puts(db, count) {
  const next = randomNumbers(KEYS);
  const seconds = await secondsOf(async () => {
    for (let done = 0; done < count; done += WINDOW) {
      const group = [];
      for (let at = 0; at < WINDOW; at++) group.push(db.put(keyAt(next()), valueAt(at)));
      await Promise.all(group);
    }
  });
  return count / seconds;
}

function getsHere(db, count) {
  const next = randomNumbers(KEYS);
  const start = performance.now();
  for (let done = 0; done < count; done++) db.get(keyAt(next()));
  return count / ((performance.now() - start) / 1000);
}

export const steps = {
  async replicas({ directory, scale }) {
    const db = await openStore(directory, { autoCheckpoint: false });
    for (let at = 0; at < KEYS; at++) db.put(keyAt(at), valueAt(at), { durability: 'memory' });
    await db.flush();
    const free = Math.ceil((PUTS_FREE * scale) / WINDOW) * WINDOW;
    await puts(db, free);
    const alone = await puts(db, free);
    const follower = await startReplica(db);
    const beside = await puts(db, free);
    follower.postMessage({ kind: 'note' });
    const { durable, rate } = await putAtRate(db, Math.max(1, SECONDS * scale));
    const shown = await ask(follower, { kind: 'noted', lsn: db.lastLsn });
    const lags = lagsOf(durable, shown);
    await follower.terminate();
    const gets = Math.ceil(GETS * scale);
    getsHere(db, gets / 10);
    const one = getsHere(db, gets);
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => startReplica(db)));
    await Promise.all(workers.map((worker) => ask(worker, { kind: 'gets', count: gets / 10, keys: KEYS })));
    const seconds = await secondsOf(() =>
      Promise.all(workers.map((worker) => ask(worker, { kind: 'gets', count: gets, keys: KEYS }))),
    );
    await Promise.all(workers.map((worker) => worker.terminate()));
    await db.close();
    const quantile = (part) => lags[Math.min(lags.length - 1, Math.floor(lags.length * part))];
    return {
      rate,
      p50: quantile(0.5),
      p99: quantile(0.99),
      alone,
      ratio: beside / alone,
      one,
      four: (gets * WORKERS) / seconds,
    };
  },
};

export async function round({ run, directory, scaled }) {
  const found = await run('replicas', { directory, scale: scaled(100) / 100 });
  return [
    { name: 'puts/s while the lag is measured', value: found.rate },
    { name: 'lag in ms, median', value: found.p50 },
    { name: 'lag in ms, p99', value: found.p99 },
    { name: 'puts/s without a replica', value: found.alone },
    { name: 'puts/s beside a replica, ratio', value: found.ratio },
    { name: 'gets/s of the main thread', value: found.one },
    { name: 'gets/s of four workers', value: found.four },
    { name: 'gets/s of four workers, ratio', value: found.four / found.one },
  ];
}
