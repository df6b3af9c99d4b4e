// KeelsonSessionStore under the real express-session and the real @fastify/session, over HTTP on the loopback address.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import express from 'express';
import expressSession from 'express-session';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/index.js';
import { KeelsonSessionStore } from '../../src/session/index.js';
import { type InMemory, inMemory } from '../../src/testing/index.js';

const SECRET = 'a secret of at least thirty-two characters';
const HALF_AN_HOUR = 30 * 60_000;

interface Visits {
  visits?: number;
}

let disk: InMemory;
let aheadMs: number;
let db: Store<string, unknown>;

async function openStore(): Promise<Store<string, unknown>> {
  return disk.open('/sessions', { clock: () => Date.now() + aheadMs });
}

beforeEach(async () => {
  disk = inMemory();
  aheadMs = 0;
  db = await openStore();
});

afterEach(() => db.close());

/** A client that keeps one cookie, as a browser does. */
function clientOf(base: string): (path: string) => Promise<{ status: number; body: string }> {
  let cookie = '';
  return async (path) => {
    const response = await fetch(`${base}${path}`, { headers: cookie === '' ? {} : { cookie } });
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) cookie = set.split(';', 1)[0]!;
    return { status: response.status, body: await response.text() };
  };
}

/** A server of one framework: its address, and how it ends. */
interface Running {
  readonly base: string;
  close(): Promise<unknown>;
}

async function listening(server: Server): Promise<Running> {
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function expressServer(store: KeelsonSessionStore, cookie: object): Promise<Running> {
  const app = express();
  app.use(
    expressSession({
      store,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      rolling: false,
      cookie,
    }),
  );
  app.get('/visit', (request, response) => {
    const session = request.session as Visits;
    session.visits = (session.visits ?? 0) + 1;
    response.send(String(session.visits));
  });
  app.get('/look', (request, response) => {
    response.send(String((request.session as Visits).visits ?? 'nobody'));
  });
  app.get('/cookie', (request, response) => {
    const { cookie } = request.session;
    response.json({ isCookie: cookie instanceof expressSession.Cookie, expires: cookie.expires });
  });
  app.get('/renew', (request, response, next) => {
    request.session.regenerate((error) => (error ? next(error) : response.send('renewed')));
  });
  app.get('/reload', (request, response, next) => {
    request.session.reload((error) => (error ? next(error) : response.send('reloaded')));
  });
  app.get('/leave', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.send('left')));
  });
  return listening(app.listen(0, '127.0.0.1'));
}

async function fastifyServer(store: KeelsonSessionStore, cookie: object): Promise<Running> {
  const app: FastifyInstance = fastify();
  await app.register(fastifyCookie);
  await app.register(fastifySession, {
    store,
    secret: SECRET,
    saveUninitialized: false,
    cookie: { secure: false, ...cookie },
  });
  app.get('/visit', async (request) => {
    const session = request.session as Visits;
    session.visits = (session.visits ?? 0) + 1;
    return String(session.visits);
  });
  app.get('/look', async (request) => String((request.session as Visits).visits ?? 'nobody'));
  app.get('/renew', async (request) => {
    await request.session.regenerate();
    return 'renewed';
  });
  app.get('/reload', async (request) => {
    await request.session.reload();
    return 'reloaded';
  });
  app.get('/leave', async (request) => {
    await request.session.destroy();
    return 'left';
  });
  return { base: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
}

describe.each([
  ['express-session', expressServer],
  ['@fastify/session', fastifyServer],
])('%s', (_name, serve) => {
  let running: Running;

  afterEach(() => running.close());

  test('keeps the sessions of its clients apart, and none of who only looks', async () => {
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    const [ada, bob] = [clientOf(running.base), clientOf(running.base)];
    expect((await ada('/look')).body).toBe('nobody');
    expect(db.size).toBe(0);
    expect((await ada('/visit')).body).toBe('1');
    expect((await bob('/visit')).body).toBe('1');
    expect((await ada('/visit')).body).toBe('2');
    expect((await bob('/look')).body).toBe('1');
    expect(db.size).toBe(2);
  });

  test('finds a session again after a power cut, if its client was answered', async () => {
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    const before = clientOf(running.base);
    await before('/visit');
    const [[sid, saved] = []] = [...db.entries()];
    await running.close();
    disk.cutPower();
    db = await openStore();
    expect(db.get(sid!)).toEqual(saved);
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    // The same client goes on at the new port.
    const after = await fetchAs(before, running.base);
    expect(after).toBe('1');
  });

  test('expires a session with its cookie', async () => {
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    const ada = clientOf(running.base);
    await ada('/visit');
    aheadMs += HALF_AN_HOUR + 1000;
    expect((await ada('/look')).body).toBe('nobody');
    expect(await db.expireNow()).toBe(1);
    expect((await ada('/visit')).body).toBe('1');
  });

  test('regenerates, reloads and destroys sessions', async () => {
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    const ada = clientOf(running.base);
    await ada('/visit');
    const [before] = [...db.keys()];
    expect((await ada('/reload')).body).toBe('reloaded');
    expect((await ada('/look')).body).toBe('1');
    expect((await ada('/renew')).body).toBe('renewed');
    expect(db.has(before!)).toBe(false);
    expect((await ada('/look')).body).toBe('nobody');
    await ada('/visit');
    const sessions = db.size;
    expect((await ada('/leave')).body).toBe('left');
    expect(db.size).toBe(sessions - 1);
    expect((await ada('/look')).body).toBe('nobody');
  });

  test('answers with an error when the store is closed', async () => {
    running = await serve(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
    const ada = clientOf(running.base);
    await ada('/visit');
    await db.close();
    expect((await ada('/look')).status).toBe(500);
    db = await openStore();
  });
});

/** Sends the cookie of a client, which no longer finds its server, to another one. */
async function fetchAs(client: ReturnType<typeof clientOf>, base: string): Promise<string> {
  const { fetch: real } = globalThis;
  globalThis.fetch = (input, init) => real(`${base}${new URL(String(input)).pathname}`, init);
  try {
    return (await client('/look')).body;
  } finally {
    globalThis.fetch = real;
  }
}

test('express-session touches a session that is only looked at, without waiting for the disk', async () => {
  const running = await expressServer(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
  try {
    const ada = clientOf(running.base);
    await ada('/visit');
    const [sid] = [...db.keys()];
    const before = db.getEntry(sid!)!;
    await ada('/look');
    const after = db.getEntry(sid!)!;
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.expiresAt).toBeGreaterThanOrEqual(before.expiresAt!);
    expect(after.value).toEqual(before.value);
  } finally {
    await running.close();
  }
});

test('express-session gets cookies of its own kind, with the deadline of the session', async () => {
  const first = await expressServer(new KeelsonSessionStore(db), { maxAge: HALF_AN_HOUR });
  const ada = clientOf(first.base);
  await ada('/visit');
  const [sid] = [...db.keys()];
  const expires = new Date(db.getEntry(sid!)!.expiresAt!).toISOString();
  expect(JSON.parse((await ada('/cookie')).body)).toEqual({ isCookie: true, expires });
  await first.close();
});

test('a session store is one by the types of both packages', () => {
  const store = new KeelsonSessionStore(db);
  const forExpress: expressSession.Store = store;
  const forFastify: fastifySession.FastifySessionOptions['store'] = store;
  expect([forExpress, forFastify]).toEqual([store, store]);
});
