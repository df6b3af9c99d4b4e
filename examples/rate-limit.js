// @ts-check
// A rate limiter for express and node:http that remembers across restarts and forgets clients that stay away. It is a token
// bucket in one number: the time at which the bucket is full again. A full bucket needs no entry, so this time is also the
// deadline of the entry, and the store removes it by itself.
//
//     node examples/rate-limit.js     calls a server, kills it, starts it again, and is still limited

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'keelson';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('keelson').Namespace<string, number>} Buckets
 * @typedef {{ allowed: boolean, remaining: number, retryAfterMs: number }} Decision
 */

/** Token buckets, one for each client, in a namespace of a store. */
export class RateLimiter {
  #buckets;
  #capacity;
  #refillMs;
  #clock;

  /**
   * @param {Buckets} buckets A namespace where nothing else is.
   * @param {object} limit
   * @param {number} limit.capacity The most requests at once.
   * @param {number} limit.refillMs One more request is allowed after this time.
   * @param {() => number} [limit.clock] The clock that the store was opened with.
   */
  constructor(buckets, { capacity, refillMs, clock = Date.now }) {
    this.#buckets = buckets;
    this.#capacity = capacity;
    this.#refillMs = refillMs;
    this.#clock = clock;
  }

  /**
   * Takes a token of a client, if there is one. Nothing comes between the read and the write, so no two requests get the
   * same token.
   *
   * @returns {Decision}
   */
  take(/** @type {string} */ client) {
    const now = this.#clock();
    const periodMs = this.#capacity * this.#refillMs;
    const found = this.#buckets.get(client) ?? now;
    // A later time than an empty bucket has is from before the clock was set back.
    const fullAt = found > now + periodMs ? now : Math.max(found, now);
    const next = fullAt + this.#refillMs;
    const retryAfterMs = next - (now + periodMs);
    if (retryAfterMs > 0) return { allowed: false, remaining: 0, retryAfterMs };
    // No request waits for the disk. A crash may give the tokens of the last milliseconds back.
    this.#buckets.put(client, next, { expiresAt: next, durability: 'memory' });
    return { allowed: true, remaining: Math.floor(-retryAfterMs / this.#refillMs), retryAfterMs: 0 };
  }
}

/**
 * Returns a middleware for express. For node:http, call it with what follows as `next`.
 *
 * @param {RateLimiter} limiter
 * @param {(request: Request) => string} clientOf Tells who calls, after the key was checked: each name has an entry.
 * @returns {(request: Request, response: Response, next: () => void) => void}
 */
export function rateLimit(limiter, clientOf) {
  return (request, response, next) => {
    const client = clientOf(request);
    let decision;
    try {
      decision = limiter.take(client);
    } catch (error) {
      // A full or failed disk stops the limiter, and not the API.
      console.error(error);
      return next();
    }
    response.setHeader('X-RateLimit-Remaining', decision.remaining);
    if (decision.allowed) return next();
    response.setHeader('Retry-After', Math.ceil(decision.retryAfterMs / 1000));
    response.writeHead(429).end('Too many requests\n');
  };
}

const CAPACITY = 20;
// Long enough that no token comes back while the demo runs.
const REFILL_MS = 60 * 60_000;

/** Runs as the server that is killed. */
async function server(/** @type {string} */ directory) {
  const db = await open(directory);
  const limiter = new RateLimiter(db.namespace('buckets'), { capacity: CAPACITY, refillMs: REFILL_MS });
  const limit = rateLimit(limiter, ({ headers }) => String(headers['x-api-key']));
  const http = createServer((request, response) => limit(request, response, () => response.end('hello\n')));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  process.send?.(/** @type {import('node:net').AddressInfo} */ (http.address()).port);
  // The demo kills this process when its last tokens are on the disk.
  process.once('message', async () => process.send?.(await db.flush()));
}

async function demo(/** @type {string} */ directory) {
  const statuses = [];
  for (let life = 0; life < 2; life++) {
    const child = fork(fileURLToPath(import.meta.url), [directory]);
    const [port] = await once(child, 'message');
    const call = (/** @type {string} */ key) =>
      fetch(`http://127.0.0.1:${port}`, { headers: { 'x-api-key': key } });
    const answers = await Promise.all(Array.from({ length: 15 }, () => call('ann')));
    statuses.push(...answers.map(({ status }) => status));
    assert.equal((await call('bob')).status, 200);
    child.send('flush');
    await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const allowed = statuses.filter((status) => status === 200).length;
  assert.equal(allowed, CAPACITY);

  let now = Date.now();
  const clock = () => now;
  const db = await open(directory, { clock });
  /** @type {Buckets} */
  const buckets = db.namespace('buckets');
  const limiter = new RateLimiter(buckets, { capacity: CAPACITY, refillMs: REFILL_MS, clock });
  now += REFILL_MS;
  assert.deepEqual([limiter.take('ann').allowed, limiter.take('ann').allowed], [true, false]);
  const before = buckets.size;
  now += CAPACITY * REFILL_MS;
  await db.expireNow();
  assert.equal(buckets.size, 0);
  await db.close();
  console.log(
    `${allowed} of ${statuses.length} requests were allowed across a kill; ${before} clients stayed away and left nothing.`,
  );
}

if (process.argv[2] !== undefined) {
  await server(process.argv[2]);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-limits-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
