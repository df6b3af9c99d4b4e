// @ts-check
// A session store behind an HTTP server. No client gets an answer that a power cut could make untrue. A session ends half an
// hour after its last use, and the store removes it by itself.
//
//     node examples/sessions.js      starts the server, calls it, and checks the answers
//
// A session's key is its token, "<user>/<random>". Finding a session is a get; the sessions of a user share a prefix.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'keelson';

/**
 * @typedef {{ createdAt: Date }} Session
 * @typedef {import('keelson').Store<string, Session>} Sessions
 * @typedef {{ status: number, body?: unknown }} Answer
 */

// Handlers write with durability 'memory', which does not wait for the disk. Their writes are visible at once and
// reach the disk in the order of the calls. serve() waits for the disk once, before it answers.
const WITHOUT_WAITING = /** @type {const} */ ({ durability: 'memory' });

// From its deadline on, no read sees a session: not even after the clock of the machine was set back.
const LIFETIME_MS = 30 * 60_000;
const FOR_HALF_AN_HOUR = { ...WITHOUT_WAITING, ttl: LIFETIME_MS };

/** @type {Record<string, (db: Sessions, url: URL) => Answer>} */
const HANDLERS = {
  'POST /login': (db, { searchParams }) => {
    const user = searchParams.get('user') ?? '';
    // With a user "a/b", the prefix of user "a" would match sessions of "a/b".
    if (!/^\w+$/.test(user)) return { status: 400 };
    const token = `${user}/${randomBytes(16).toString('base64url')}`;
    db.put(token, { createdAt: new Date() }, FOR_HALF_AN_HOUR);
    return { status: 201, body: token };
  },
  'GET /me': (db, { searchParams }) => {
    const token = searchParams.get('token') ?? '';
    const session = db.get(token);
    if (session === undefined) return { status: 401 };
    // Each use moves the deadline. The value stays as it is, and is not written again.
    db.touch(token, FOR_HALF_AN_HOUR);
    return { status: 200, body: { user: token.split('/', 1)[0], since: session.createdAt } };
  },
  'POST /logout-everywhere': (db, { searchParams }) => {
    const token = searchParams.get('token') ?? '';
    if (!db.has(token)) return { status: 401 };
    db.clear({ prefix: token.slice(0, token.indexOf('/') + 1) }, WITHOUT_WAITING);
    return { status: 204 };
  },
  // A snapshot gives the number and the users at one moment, whatever other requests do.
  'GET /sessions': (db) => {
    const snapshot = db.snapshot();
    const users = new Set(Array.from(snapshot.keys(), (token) => token.split('/', 1)[0]));
    const sessions = snapshot.size;
    snapshot.close();
    return { status: 200, body: { sessions, users: [...users] } };
  },
};

/** Returns the server. It answers a request when everything that the answer may depend on is durable. */
function serve(/** @type {Sessions} */ db) {
  return createServer(async (request, response) => {
    try {
      const url = new URL(request.url ?? '', 'http://localhost');
      const handler = HANDLERS[`${request.method} ${url.pathname}`];
      const { status, body } = handler?.(db, url) ?? { status: 404 };
      // Requests that only read wait as well, because they may have read a write that is not durable yet. One flush
      // serves all requests that wait at this moment. Without anything to flush it costs nothing.
      await db.flush(db.lastLsn);
      response.writeHead(status).end(JSON.stringify(body));
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  });
}

async function demo(/** @type {string} */ directory) {
  // The clock of the demo, which cannot wait for half an hour.
  let aheadMs = 0;
  /** @type {Sessions} */
  const db = await open(directory, { clock: () => Date.now() + aheadMs });
  const server = serve(db).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const call = async (/** @type {string} */ method, /** @type {string} */ path) => {
    const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { method });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  try {
    const names = ['ada', 'ada', 'adam', ...Array.from({ length: 197 }, (_, n) => `user${n}`)];
    const logins = await Promise.all(names.map((name) => call('POST', `/login?user=${name}`)));
    const [ada, , adam] = logins.map((login) => login.body);
    const { commits } = db.stats().journal ?? { commits: 0 };

    // A read-only open sees only what is on disk, which must include every session that a client got.
    const onDisk = await open(directory, { readOnly: true });
    for (const { body: token } of logins)
      assert(onDisk.has(token), `${token} was answered, and is not on disk`);
    await onDisk.close();

    assert.equal((await call('GET', `/me?token=${ada}`)).body.user, 'ada');
    assert.equal((await call('GET', '/sessions')).body.sessions, names.length);
    assert.equal((await call('POST', `/logout-everywhere?token=${ada}`)).status, 204);
    assert.equal((await call('GET', `/me?token=${ada}`)).status, 401);
    assert.equal((await call('GET', `/me?token=${adam}`)).status, 200);
    assert.equal((await call('POST', '/login?user=a%2Fb')).status, 400);
    assert.equal(db.count({ prefix: 'ada/' }), 0);

    // Adam goes on, and all others leave.
    const left = db.size;
    aheadMs += 20 * 60_000;
    assert.equal((await call('GET', `/me?token=${adam}`)).status, 200);
    aheadMs += 20 * 60_000;
    assert.equal((await call('GET', '/sessions')).body.sessions, 1);
    assert.equal((await call('GET', `/me?token=${adam}`)).status, 200);
    // The store may have removed some by itself already.
    await db.expireNow();
    console.log(
      `${names.length} logins answered after ${commits} disk flushes; of ${left} sessions ${left - db.size} expired, and ${db.size} is left.`,
    );
  } finally {
    server.close();
    await db.close();
  }
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-sessions-'));
await demo(directory).finally(() => rm(directory, { recursive: true }));
