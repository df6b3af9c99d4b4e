// @ts-check
// A process with a store and replicas in worker threads, for workers.test.ts. It prints what it saw, and ends by itself.
//
//     node program.js <what> <directory>

import fs from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { open } from 'keelson';
import { openReplica } from 'keelson/replica';

const WRITES = 2000;
const WORKERS = 4;

/** @typedef {import('keelson').Store<string, string>} Store */

/** @type {Record<string, (db: Store) => Promise<unknown>>} */
const PROGRAMS = {
  /** Each worker sees what the store had written when it was told of an LSN. */
  async reads(db) {
    const workers = Array.from({ length: WORKERS }, () => startWorker(db));
    for (let n = 0; n < WRITES; n++) void db.put(`key ${n % 100}`, `value ${n}`, { durability: 'memory' });
    const lsn = await db.flush();
    const answers = await Promise.all(workers.map((worker) => ask(worker, lsn)));
    await Promise.all(workers.map((worker) => ask(worker, 'close')));
    return { answers, expected: [...db.entries()] };
  },

  /** A worker that is terminated in the middle ends its replica, and the store goes on. */
  async terminated(db) {
    const workers = Array.from({ length: WORKERS }, () => startWorker(db));
    for (let n = 0; n < WRITES; n++) {
      void db.put(`key ${n}`, 'x'.repeat(10_000), { durability: 'memory' });
      if (n % 500 === 250) await workers.pop()?.terminate();
      if (n % 10 === 0) await db.drained();
    }
    await db.flush();
    return { size: db.size };
  },

  /** A port that nobody opens does not keep the process. */
  async unopened(db) {
    const ports = Array.from({ length: 10 }, () => db.replicate());
    await db.put('a', '1');
    return { ports: ports.length };
  },

  /** A worker whose replica is open does not keep the process, and neither does a store that nobody closes. */
  async left(db) {
    const worker = startWorker(db);
    worker.unref();
    return { size: (await ask(worker, await db.put('a', '1'))).length };
  },

  /** A worker that has no listener of its own ends, although its replica is open. */
  async idle(db) {
    const worker = startWorker(db, 'ends');
    await new Promise((resolve) => worker.once('exit', resolve));
    return { put: (await db.put('a', '1')) > 0 };
  },
};

/** @param {Store} db @param {string} [mode] */
function startWorker(db, mode = 'answers') {
  const port = db.replicate();
  return new Worker(new URL(import.meta.url), { workerData: { port, mode }, transferList: [port] });
}

/** @param {Worker} worker @param {unknown} question @returns {Promise<any>} */
function ask(worker, question) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(question);
  });
}

async function work() {
  const { port, mode } = workerData;
  const replica = await openReplica(port);
  if (mode === 'ends') return;
  parentPort?.on('message', async (question) => {
    if (question === 'close') {
      await replica.close();
      parentPort?.postMessage('closed');
      parentPort?.close();
      return;
    }
    await replica.whenAt(question);
    parentPort?.postMessage([...replica.entries()]);
  });
}

/** @param {string} directory */
function openFiles(directory) {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  });
}

async function main() {
  const [what, directory] = process.argv.slice(2);
  /** @type {Store} */
  const db = await open(String(directory));
  const said = await PROGRAMS[String(what)]?.(db);
  if (what !== 'left') await db.close();
  console.log(JSON.stringify({ said, files: what === 'left' ? 0 : openFiles(String(directory)).length }));
}

await (isMainThread ? main() : work());
