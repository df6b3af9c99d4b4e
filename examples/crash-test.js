// @ts-check
// A test that cuts the power under your code. The application has a bug that no ordinary test finds: it moves money
// with two puts. Each put is durable and atomic, but between the two the money is nowhere.
//
//     node examples/crash-test.js    finds the bug, and shows that one batch does not have it

import assert from 'node:assert/strict';
import { CrashFailure, simulateCrashes } from 'keelson/testing';

/** @typedef {import('keelson').Store<string, number>} Accounts */
/** @typedef {(db: Accounts, from: string, to: string, amount: number) => Promise<unknown>} Transfer */

/**
 * Has the bug: the first put is durable before the second one is made.
 *
 * @type {Transfer}
 */
const transferByTwoPuts = async (db, from, to, amount) => {
  await db.put(from, (db.get(from) ?? 0) - amount);
  await db.put(to, (db.get(to) ?? 0) + amount);
};

/**
 * Moves the money in one batch, which is atomic.
 *
 * @type {Transfer}
 */
const transferByOneBatch = (db, from, to, amount) =>
  db.batch([
    { type: 'put', key: from, value: (db.get(from) ?? 0) - amount },
    { type: 'put', key: to, value: (db.get(to) ?? 0) + amount },
  ]);

const MONEY = 100;

/**
 * Crashes five transfers from ann to bob in many ways. Rejects if money was lost, or a confirmed payment.
 *
 * @param {Transfer} transfer
 * @param {number} seed
 */
function crashTest(transfer, seed) {
  return simulateCrashes({
    seed,
    states: 300,
    workload: async ({ open, note }) => {
      /** @type {Accounts} */
      const db = await open('/bank');
      await db.put('ann', MONEY);
      note('ann has an account');
      for (let paid = 1; paid <= 5; paid++) {
        await transfer(db, 'ann', 'bob', 10);
        note(`bob was paid ${paid} times`);
      }
      await db.close();
    },
    check: async ({ open, notes }) => {
      /** @type {Accounts} */
      const db = await open('/bank');
      const bob = db.get('bob') ?? 0;
      const money = (db.get('ann') ?? 0) + bob;
      if (notes.includes('ann has an account')) assert.equal(money, MONEY, 'money was lost');
      const paid = notes.filter((note) => String(note).startsWith('bob')).length;
      assert(bob >= paid * 10, `bob was paid ${paid} times and has ${bob}`);
    },
  });
}

// Leave the seed out in your tests: every run then tries other crashes, and a failure names its seed.
const seed = 1;
const failure = await crashTest(transferByTwoPuts, seed).catch((error) => error);
assert(failure instanceof CrashFailure);
console.log(`Two puts: ${failure.message}\n`);

const { states } = await crashTest(transferByOneBatch, seed);
console.log(`One batch: ${states} crashes, and no money was lost.`);
