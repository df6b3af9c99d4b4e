// @ts-check
// Two workers claim jobs from one store, and each job goes to exactly one of them.
//
//     node examples/job-claims.js     runs 40 jobs by two workers, and checks that each ran once
//
// A worker reads the first waiting job, waits for a permission, and then moves the job to itself. Meanwhile the other
// worker may have taken the same job. So the claim is a transaction: at its commit it checks that what it has read is
// still so, and otherwise runs again and finds another job. Without a wait in it, a read and a batch would be enough:
// see job-queue.js.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { msgpack, open, tuple } from 'keelson';

/** @typedef {{ task: string }} Job */
/** @typedef {{ worker: string, attempts: number }} Claim */

const JOBS = 40;

async function openQueue(/** @type {string} */ directory) {
  const db = await open(directory);
  // Ids are numbers, so a tuple keeps the jobs in the order of their arrival.
  /** @type {import('keelson').KeyType<[id: number]>} */
  const keyEncoding = tuple();
  /** @type {import('keelson').ValueType<Job>} */
  const jobs = msgpack();
  /** @type {import('keelson').ValueType<Claim>} */
  const claims = msgpack();
  return {
    db,
    waiting: db.namespace('waiting', { keyEncoding, valueEncoding: jobs }),
    claimed: db.namespace('claimed', { keyEncoding, valueEncoding: claims }),
  };
}

/** @typedef {Awaited<ReturnType<typeof openQueue>>} Queue */

/** Asks whether a worker may do a task. A real program would ask another service, which answers sooner or later. */
async function isAllowed(/** @type {string} */ worker, /** @type {Job} */ { task }) {
  for (let turns = (worker.length + task.length) % 3; turns >= 0; turns--) await turn();
  return true;
}

/**
 * Claims the job that has waited longest. Resolves with its id when the claim is durable, and with undefined when no job
 * waits.
 *
 * @param {Queue} queue
 * @param {string} worker
 */
function claim({ db, waiting, claimed }, worker) {
  return db.transaction(async (tx) => {
    for (const [id, job] of tx.in(waiting).entries()) {
      if (!(await isAllowed(worker, job))) continue;
      tx.in(waiting).delete(id);
      tx.in(claimed).put(id, { worker, attempts: tx.attempt });
      return id;
    }
    return undefined;
  });
}

/**
 * Claims and does one job after the other, until no job waits.
 *
 * @param {Queue} queue
 * @param {string} worker
 * @param {(id: [id: number]) => void} run
 */
async function work(queue, worker, run) {
  for (let id = await claim(queue, worker); id !== undefined; id = await claim(queue, worker)) run(id);
}

async function demo(/** @type {string} */ directory) {
  const queue = await openQueue(directory);
  const { db, waiting, claimed } = queue;
  try {
    await Promise.all(
      Array.from({ length: JOBS }, (_, n) => waiting.put([db.nextId()], { task: `task ${n}` })),
    );

    /** @type {Map<number, number>} */
    const runs = new Map();
    const run = (/** @type {[id: number]} */ [id]) => runs.set(id, (runs.get(id) ?? 0) + 1);
    await Promise.all([work(queue, 'ann', run), work(queue, 'robert', run)]);

    assert.equal(runs.size, JOBS);
    assert(
      [...runs.values()].every((count) => count === 1),
      'a job ran twice',
    );
    assert.equal(waiting.size, 0);
    const done = [...claimed.values()];
    const count = (/** @type {string} */ name) => done.filter(({ worker }) => worker === name).length;
    const attempts = done.reduce((sum, claim) => sum + claim.attempts, 0);
    // Both workers wanted the first job.
    assert(attempts > JOBS, 'no claim was tried again');
    console.log(
      `${JOBS} jobs ran once each: ${count('ann')} by ann, ${count('robert')} by robert, in ${attempts} attempts.`,
    );
  } finally {
    await db.close();
  }
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-claims-'));
await demo(directory).finally(() => rm(directory, { recursive: true }));
