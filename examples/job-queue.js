// @ts-check
// A job queue that survives `kill -9`: what enqueue() has acknowledged will run, at least once.
//
//     node examples/job-queue.js      starts a worker, kills it in the middle, and finishes its jobs
//
// A job moves from "waiting/<id>" to "running/<id>" to nowhere. Each move is one batch, and a batch is atomic: no crash
// leaves a job in two places, or in none. Ids grow, so that key order is the order of arrival.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { open } from 'keelson';

/** @typedef {{ id: string, task: unknown }} Job */

export class JobQueue {
  #db;

  /** @param {import('keelson').Store<string, Job>} db */
  constructor(db) {
    this.#db = db;
  }

  static async open(/** @type {string} */ directory) {
    /** @type {import('keelson').Store<string, Job>} */
    const db = await open(directory);
    const queue = new JobQueue(db);
    // One process owns a store: whoever was running these is dead. They run again, which is why it is "at least once".
    const orphans = [...db.values({ prefix: 'running/' })];
    await Promise.all(orphans.map((job) => queue.#move('running', 'waiting', job)));
    return queue;
  }

  /** Resolves when the job would survive a power cut: tell its sender then. */
  async enqueue(/** @type {unknown} */ task) {
    // A position in the log: it grows with every write, over restarts too.
    const id = String(this.#db.lastLsn).padStart(16, '0');
    await this.#db.put(`waiting/${id}`, { id, task });
    return id;
  }

  /** The job that has waited longest, or undefined. */
  claim() {
    const [job] = this.#db.values({ prefix: 'waiting/', limit: 1 });
    // Nobody waits for the disk here: a claim that a crash forgets was of a job that has to run again anyway.
    if (job !== undefined) this.#move('waiting', 'running', job, 'memory');
    return job;
  }

  /** Resolves when the job will never run again. */
  complete(/** @type {Job} */ { id }) {
    return this.#db.delete(`running/${id}`);
  }

  close() {
    return this.#db.close();
  }

  /** @type {(from: string, to: string, job: Job, durability?: import('keelson').Durability) => Promise<number>} */
  #move(from, to, job, durability = 'disk') {
    const gone = /** @type {const} */ ({ type: 'delete', key: `${from}/${job.id}` });
    const there = /** @type {const} */ ({ type: 'put', key: `${to}/${job.id}`, value: job });
    return this.#db.batch([gone, there], { durability });
  }
}

const JOBS = 2_000;
const JOBS_BEFORE_KILL = 300;

/** The worker: enqueues all jobs, does one after the other, and prints what it has done and what it was promised. */
async function work(/** @type {string} */ directory) {
  const queue = await JobQueue.open(directory);
  const ids = await Promise.all(Array.from({ length: JOBS }, (_, n) => queue.enqueue({ add: n })));
  for (const id of ids) console.log(`enqueued ${id}`);
  for (let job = queue.claim(); job !== undefined; job = queue.claim()) {
    console.log(`did ${job.id}`);
    await queue.complete(job);
    console.log(`completed ${job.id}`);
  }
}

/** Kills a worker, opens its queue at once, and does the rest. */
async function demo(/** @type {string} */ directory) {
  const heard = { enqueued: new Set(), did: new Set(), completed: new Set() };
  const argv = [fileURLToPath(import.meta.url), directory];
  const worker = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(worker, 'exit');
  for await (const line of createInterface(worker.stdout)) {
    const [, what, id] = /^(enqueued|did|completed) (\d{16})$/.exec(line) ?? [];
    heard[/** @type {keyof typeof heard} */ (what)]?.add(id);
    if (heard.completed.size === JOBS_BEFORE_KILL) worker.kill('SIGKILL');
  }
  await died;
  assert.equal(worker.signalCode, 'SIGKILL');

  const queue = await JobQueue.open(directory);
  let done = 0;
  for (let job = queue.claim(); job !== undefined; job = queue.claim()) {
    assert(!heard.completed.has(job.id), `job ${job.id} was completed, and came back`);
    heard.did.add(job.id);
    done++;
    await queue.complete(job);
  }
  await queue.close();
  for (const id of heard.enqueued) assert(heard.did.has(id), `job ${id} is lost`);
  console.log(`Killed after ${heard.completed.size} of ${JOBS} jobs; ${done} were left, and are done.`);
}

if (process.argv[2] !== undefined) {
  await work(process.argv[2]);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-jobs-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
