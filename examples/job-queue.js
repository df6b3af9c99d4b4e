// @ts-check
// A job queue that survives `kill -9`, with retries and a visibility timeout. A job that add() has acknowledged runs until it
// succeeds or has failed five times. A job whose complete() was acknowledged never runs again.
//
//     node examples/job-queue.js      starts a worker, kills it half-way, and finishes its jobs
//
// An index has the jobs by the time from which they may run. Claiming a job moves that time into the future: if its worker
// dies or hangs, the job is there again. A job that fails waits longer each time, and goes to `failed` in the end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { msgpack, open, tuple } from 'keelson';

/**
 * @typedef {{ task: unknown, runsAtMs: number, attempts: number }} Job
 * @typedef {[id: number]} Id
 * @typedef {{ id: Id, job: Job, version: number }} Claim
 */

const ATTEMPTS_MAX = 5;
const RETRY_MS = 20;

/** A queue of jobs in a store. */
export class JobQueue {
  #db;
  #jobs;
  #failed;
  #visibilityMs;

  /**
   * @param {import('keelson').Store<string, unknown>} db
   * @param {number} visibilityMs A claimed job runs again after this time, unless it was completed.
   */
  constructor(db, visibilityMs) {
    /** @type {import('keelson').KeyType<Id>} */
    const keyEncoding = tuple();
    /** @type {import('keelson').ValueType<Job>} */
    const valueEncoding = msgpack();
    this.#db = db;
    this.#jobs = db.namespace('jobs', {
      keyEncoding,
      valueEncoding,
      indexes: (index) => ({ byTime: index((job) => job.runsAtMs) }),
    });
    this.#failed = db.namespace('failed', { keyEncoding, valueEncoding });
    this.#visibilityMs = visibilityMs;
  }

  static async open(/** @type {string} */ directory, visibilityMs = 30_000) {
    const queue = new JobQueue(await open(directory), visibilityMs);
    await queue.#jobs.ready;
    return queue;
  }

  get size() {
    return this.#jobs.size;
  }

  get failed() {
    return [...this.#failed.values()];
  }

  /** Adds a job. Resolves with its id when the job is durable: acknowledge it to its sender then. */
  async add(/** @type {unknown} */ task) {
    const id = this.#db.nextId();
    await this.#jobs.put([id], { task, runsAtMs: Date.now(), attempts: 0 });
    return id;
  }

  /**
   * Takes the job that may run and has waited longest. Returns undefined if no job may run now.
   *
   * @returns {Claim | undefined}
   */
  claim() {
    const now = Date.now();
    const [next] = this.#jobs.indexes.byTime.entries({ lte: now, limit: 1 });
    if (next === undefined) return undefined;
    const [, id, found] = next;
    const job = { ...found, attempts: found.attempts + 1, runsAtMs: now + this.#visibilityMs };
    // The claim need not be durable: if a crash forgets it, the job may run again, as after any crash of a worker.
    this.#jobs.put(id, job, { durability: 'memory' });
    return { id, job, version: this.#db.lastLsn };
  }

  /** Ends a job. Resolves when it will never run again. Rejects with KEELSON_CONFLICT if it took so long that another has it. */
  async complete(/** @type {Claim} */ { id, version }) {
    await this.#jobs.delete(id, { ifVersion: version });
  }

  /** Gives a job back that has failed: it runs again later, or never. */
  async fail(/** @type {Claim} */ { id, job }) {
    await this.#db.transaction((tx) => {
      if (job.attempts === ATTEMPTS_MAX) {
        tx.in(this.#jobs).delete(id);
        tx.in(this.#failed).put(id, job);
      } else {
        tx.in(this.#jobs).put(id, { ...job, runsAtMs: Date.now() + RETRY_MS * 2 ** job.attempts });
      }
    });
  }

  /** Resolves when the next job may run. */
  async whenDue() {
    const [next] = this.#jobs.indexes.byTime.values({ limit: 1 });
    await wait(Math.max(0, (next?.runsAtMs ?? 0) - Date.now()));
  }

  close() {
    return this.#db.close();
  }
}

const JOBS = 600;
const JOBS_BEFORE_KILL = 100;
const VISIBILITY_MS = 500;

/** Fails for one task of a hundred, each time. */
const run = (/** @type {Job} */ { task }) => Number(task) % 100 !== 99;

/**
 * Runs jobs until none is left, and tells each step.
 *
 * @param {JobQueue} queue
 * @param {(step: string) => void} tell
 */
async function work(queue, tell) {
  for (; queue.size > 0; await queue.whenDue()) {
    for (let claim = queue.claim(); claim !== undefined; claim = queue.claim()) {
      const isDone = run(claim.job);
      tell(`ran ${claim.id}`);
      await (isDone ? queue.complete(claim) : queue.fail(claim));
      if (isDone) tell(`completed ${claim.id}`);
    }
  }
}

/** Runs as the worker process: adds all jobs, does one after the other, and prints each step. */
async function workerProcess(/** @type {string} */ directory) {
  const queue = await JobQueue.open(directory, VISIBILITY_MS);
  const ids = await Promise.all(Array.from({ length: JOBS }, (_, task) => queue.add(task)));
  for (const id of ids) console.log(`added ${id}`);
  await work(queue, console.log);
}

/** Kills a worker half-way, opens its queue at once, and does the remaining jobs. */
async function demo(/** @type {string} */ directory) {
  const heard = { added: new Set(), ran: new Set(), completed: new Set() };
  const hear = (/** @type {string} */ line) => {
    const [, what, id] = /^(added|ran|completed) (\d+)$/.exec(line) ?? [];
    heard[/** @type {keyof typeof heard} */ (what)]?.add(id);
  };
  const argv = [fileURLToPath(import.meta.url), directory];
  const worker = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(worker, 'exit');
  for await (const line of createInterface(worker.stdout)) {
    hear(line);
    if (heard.completed.size === JOBS_BEFORE_KILL) worker.kill('SIGKILL');
  }
  await died;
  assert.equal(worker.signalCode, 'SIGKILL');
  const before = new Set(heard.completed);

  const queue = await JobQueue.open(directory, VISIBILITY_MS);
  const left = queue.size;
  await work(queue, (step) => {
    const [what, id] = step.split(' ');
    if (what === 'ran') assert(!before.has(id), `job ${id} was completed, and ran again`);
    hear(step);
  });
  const failed = queue.failed;
  await queue.close();
  for (const id of heard.added) assert(heard.ran.has(id), `job ${id} is lost`);
  assert(failed.every(({ attempts }) => attempts === ATTEMPTS_MAX));
  assert.equal(failed.length, JOBS / 100);
  console.log(
    `Killed after ${before.size} of ${JOBS} jobs; ${left} were left: ${failed.length} failed 5 times.`,
  );
}

if (process.argv[2] !== undefined) {
  await workerProcess(process.argv[2]);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-jobs-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
