// @ts-check
// A process with a store and replicas in worker threads, for workers.test.ts. It prints what it saw, and ends by itself.
//
//     node program.js <what> <directory>

import fs from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { open } from 'keelson';
import { openReplica } from 'keelson/replica';
import { Store } from '../../dist/kv/store.js';

const WRITES = 2000;
const WORKERS = 4;

/** @typedef {Store<string, string>} Db */

/** @type {Record<string, (db: Db) => Promise<unknown>>} */
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

  /** Workers are terminated before they load the store, while they load it, and while they are sent records. */
  async terminated(db) {
    const replication = Store.replicationOf(db);
    await startWorker(db).terminate();
    const loading = startWorker(db, 'loading');
    const workers = Array.from({ length: WORKERS }, () => startWorker(db));
    await new Promise((resolve) => loading.once('message', resolve));
    await loading.terminate();
    await Promise.all(workers.map((worker) => ask(worker, 0)));
    // The store hears of the end of a port in a later turn.
    while (replication.count > WORKERS) await new Promise(setImmediate);
    const { pins } = figuresOf(db);
    for (let n = 0; n < WRITES; n++) {
      void db.put(`key ${n}`, 'x'.repeat(10_000), { durability: 'memory' });
      if (n % 500 === 250) await workers.pop()?.terminate();
      if (n % 10 === 0) await db.drained();
    }
    while (replication.count > 0) await new Promise(setImmediate);
    const left = figuresOf(db).pins;
    await db.checkpoint();
    await db.checkpoint();
    return { size: db.size, pins, left, isRetired: figuresOf(db).segments <= 2 };
  },

  /** The replicas of a store that is closed say why they end, and can be read on. */
  async closed(db) {
    const replication = Store.replicationOf(db);
    const lsn = await db.put('a', '1');
    const workers = Array.from({ length: WORKERS }, () => startWorker(db));
    await Promise.all(workers.map((worker) => ask(worker, lsn)));
    const answers = workers.map((worker) => ask(worker, { after: lsn }));
    await db.close();
    const ended = await Promise.all(answers);
    await Promise.all(workers.map((worker) => worker.terminate()));
    return { ended, left: replication.count };
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

/** @param {Db} db @param {string} [mode] */
function startWorker(db, mode = 'answers') {
  const port = db.replicate();
  return new Worker(new URL(import.meta.url), { workerData: { port, mode }, transferList: [port] });
}

/** @param {Db} db @returns {{ pins: number, segments: number }} */
function figuresOf(db) {
  return /** @type {any} */ (db.stats().journal);
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
  const opening = openReplica(port);
  if (mode === 'loading') parentPort?.postMessage('loading');
  const replica = await opening;
  if (mode === 'ends') return;
  parentPort?.on('message', async (question) => {
    if (question === 'close') {
      await replica.close();
      parentPort?.postMessage('closed');
      parentPort?.close();
      return;
    }
    if (typeof question === 'object') {
      const { code, facts } = await replica.whenAt(question.after + 1).catch((error) => error);
      parentPort?.postMessage({ code, facts, entries: [...replica.entries()] });
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
  const db = /** @type {any} */ (await open(String(directory)));
  const said = await PROGRAMS[String(what)]?.(db);
  if (what !== 'left') await db.close();
  console.log(JSON.stringify({ said, files: what === 'left' ? 0 : openFiles(String(directory)).length }));
}

await (isMainThread ? main() : work());
