// @ts-check
// A job queue that survives `kill -9`. A job that enqueue() has acknowledged runs at least once.
//
//     node examples/job-queue.js      starts a worker, kills it half-way, and finishes its jobs
//
// A job moves from "waiting/<id>" to "running/<id>", and is then deleted. Each move is one batch, and a batch is
// atomic: no crash leaves a job in two places or in none. Ids grow, so key order is the order of arrival.

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

/** A queue of jobs in a store. */
export class JobQueue {
  #db;

  /** @param {import('keelson').Store<string, Job>} db */
  constructor(db) {
    this.#db = db;
  }

  /** Opens the queue in `directory`, and puts jobs of a dead worker back. */
  static async open(/** @type {string} */ directory) {
    /** @type {import('keelson').Store<string, Job>} */
    const db = await open(directory);
    const queue = new JobQueue(db);
    // A store has one owner at a time, so the worker that ran these jobs is dead. They run again: "at least once".
    const orphans = [...db.values({ prefix: 'running/' })];
    await Promise.all(orphans.map((job) => queue.#move('running', 'waiting', job)));
    return queue;
  }

  /** Adds a job and returns its id. Resolves when the job is durable: acknowledge it to its sender then. */
  async enqueue(/** @type {unknown} */ task) {
    // lastLsn is a position in the log. It grows with every write, also across restarts.
    const id = String(this.#db.lastLsn).padStart(16, '0');
    await this.#db.put(`waiting/${id}`, { id, task });
    return id;
  }

  /** Takes the job that has waited longest. Returns undefined if no job waits. */
  claim() {
    const [job] = this.#db.values({ prefix: 'waiting/', limit: 1 });
    // This move need not be durable: if a crash forgets it, the job is still waiting, and runs again.
    if (job !== undefined) this.#move('waiting', 'running', job, 'memory');
    return job;
  }

  /** Ends a job. Resolves when the job will never run again. */
  complete(/** @type {Job} */ { id }) {
    return this.#db.delete(`running/${id}`);
  }

  close() {
    return this.#db.close();
  }

  /**
   * Moves a job in one batch.
   *
   * @type {(from: string, to: string, job: Job, durability?: import('keelson').Durability) => Promise<number>}
   */
  #move(from, to, job, durability = 'disk') {
    const gone = /** @type {const} */ ({ type: 'delete', key: `${from}/${job.id}` });
    const there = /** @type {const} */ ({ type: 'put', key: `${to}/${job.id}`, value: job });
    return this.#db.batch([gone, there], { durability });
  }
}

const JOBS = 2_000;
const JOBS_BEFORE_KILL = 300;

/** Runs as the worker process: enqueues all jobs, does one after the other, and prints each step. */
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

/** Kills a worker half-way, opens its queue at once, and does the remaining jobs. */
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
