// @ts-check
// A ledger whose sum never changes: not by a kill, not by a power cut, not by a worker that pays twice. Every payment is one
// transaction over three namespaces: the balances, the bookings, and the requests that were served already.
//
//     node examples/ledger.js     pays on a simulated disk that crashes 300 times, and in a process that is killed
//
// A client that got no answer sends its request again, with the same id. It is booked once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { msgpack, open, tuple } from 'keelson';
import { simulateCrashes } from 'keelson/testing';

/**
 * @typedef {{ from: string, to: string, cents: number }} Payment
 * @typedef {[account: string, booking: number]} BookingKey
 * @typedef {{ cents: number, other: string }} Booking
 */

const DAY_MS = 24 * 60 * 60_000;

/** A ledger in a store. Amounts are whole cents. */
export class Ledger {
  #db;
  #balances;
  #bookings;
  #served;

  /** @param {import('keelson').Store<string, unknown>} db */
  constructor(db) {
    this.#db = db;
    /** @type {import('keelson').ValueType<number>} */
    const cents = msgpack();
    this.#balances = db.namespace('balances', { valueEncoding: cents });
    /** @type {import('keelson').KeyType<BookingKey>} */
    const keyEncoding = tuple();
    /** @type {import('keelson').ValueType<Booking>} */
    const valueEncoding = msgpack();
    this.#bookings = db.namespace('bookings', { keyEncoding, valueEncoding });
    this.#served = db.namespace('served', { valueEncoding: cents });
  }

  /** Makes accounts, with what they have at the start. */
  found(/** @type {Record<string, number>} */ accounts) {
    return this.#db.transaction((tx) => {
      for (const [name, cents] of Object.entries(accounts)) tx.in(this.#balances).put(name, cents);
    });
  }

  /**
   * Pays. Resolves with the number of the booking when it is durable. Rejects when the payer has too little.
   *
   * @param {string} request The id of the request, by its client. The same id books once.
   * @param {Payment} payment
   * @returns {Promise<number>}
   */
  async pay(request, { from, to, cents }) {
    assert(
      Number.isSafeInteger(cents) && cents > 0 && from !== to,
      'a payment is a positive number of cents',
    );
    return this.#db.transaction((tx) => {
      const earlier = tx.in(this.#served).get(request);
      if (earlier !== undefined) return earlier;
      const balances = tx.in(this.#balances);
      const [has, had] = [balances.get(from) ?? 0, balances.get(to) ?? 0];
      if (has < cents) throw new Error(`${from} has ${has} cents, not ${cents}`);
      const booking = this.#db.nextId();
      balances.put(from, has - cents);
      balances.put(to, had + cents);
      tx.in(this.#bookings).put([from, booking], { cents: -cents, other: to });
      tx.in(this.#bookings).put([to, booking], { cents, other: from });
      tx.in(this.#served).put(request, booking, { ttl: DAY_MS });
      return booking;
    });
  }

  /** Checks that the bookings of each account lead from what it had at the start to what it has. */
  audit(/** @type {Record<string, number>} */ start) {
    const snapshot = this.#db.snapshot();
    try {
      const balances = [...snapshot.in(this.#balances).entries()];
      // A crash before the accounts were durable leaves none.
      if (balances.length === 0) return 0;
      let bookings = 0;
      for (const [name, cents] of balances) {
        let sum = start[name] ?? 0;
        for (const booking of snapshot.in(this.#bookings).values({ prefix: [name] })) {
          sum += booking.cents;
          bookings++;
        }
        assert.equal(cents, sum, `${name} has ${cents} cents, and the bookings say ${sum}`);
      }
      return bookings / 2;
    } finally {
      snapshot.close();
    }
  }
}

const START = { ann: 1000, bob: 500, eve: 0 };
const NAMES = Object.keys(START);

/** The payments of the demonstration. Some cannot be paid, and every third request comes twice. */
function* requests(/** @type {number} */ count) {
  for (let n = 0; n < count; n++) {
    const from = NAMES[n % 3] ?? 'ann';
    const to = NAMES[(n + 1 + (n % 2)) % 3] ?? 'bob';
    const request = { id: `request ${n}`, payment: { from, to, cents: 1 + ((n * 37) % 90) } };
    yield request;
    if (n % 3 === 0) yield request;
  }
}

/** Pays on a simulated disk, which loses its power and kills its process in 300 ways. */
async function crashOnPaper() {
  const { states } = await simulateCrashes({
    seed: 1,
    states: 300,
    workload: async ({ open, note }) => {
      const ledger = new Ledger(await open('/ledger'));
      await ledger.found(START);
      for (const { id, payment } of requests(8)) {
        const booking = await ledger.pay(id, payment).catch(() => null);
        if (booking !== null) note(booking);
      }
    },
    check: async ({ open, notes }) => {
      const bookings = new Ledger(await open('/ledger')).audit(START);
      const confirmed = new Set(notes).size;
      assert(bookings >= confirmed, `${confirmed} payments were confirmed, and ${bookings} are there`);
    },
  });
  return states;
}

const CONFIRMED_BEFORE_KILL = 400;

/** Runs as the process that is killed: pays for ever, and prints what is confirmed. */
async function payForEver(/** @type {string} */ directory) {
  const ledger = new Ledger(await open(directory));
  await ledger.found(START);
  await Promise.all(
    Array.from(requests(2_000), async ({ id, payment }) => {
      const booking = await ledger.pay(id, payment).catch(() => null);
      if (booking !== null) console.log(`confirmed ${booking}`);
    }),
  );
}

async function killForReal(/** @type {string} */ directory) {
  const argv = [fileURLToPath(import.meta.url), directory];
  const payer = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(payer, 'exit');
  const confirmed = new Set();
  for await (const line of createInterface(payer.stdout)) {
    confirmed.add(line);
    if (confirmed.size === CONFIRMED_BEFORE_KILL) payer.kill('SIGKILL');
  }
  await died;
  const db = await open(directory);
  const bookings = new Ledger(db).audit(START);
  await db.close();
  assert(bookings >= confirmed.size, `${confirmed.size} were confirmed, and ${bookings} are there`);
}

if (process.argv[2] !== undefined) {
  await payForEver(process.argv[2]);
} else {
  const states = await crashOnPaper();
  const directory = await mkdtemp(join(tmpdir(), 'keelson-ledger-'));
  await killForReal(directory).finally(() => rm(directory, { recursive: true }));
  console.log(
    `${states} crashes and a kill: every balance is the sum of its bookings, and no payment is lost.`,
  );
}
