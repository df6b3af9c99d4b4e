// KeelsonSessionStore by the documented contract of session stores, without a framework.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Cookie } from 'express-session';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { open, type Store } from '../../src/index.js';
import DefaultExport, { KeelsonSessionStore } from '../../src/session/index.js';
import { inMemory } from '../../src/testing/index.js';

const START = Date.parse('2026-01-01T12:00:00Z');
const DAY_MS = 86_400_000;

let now: number;
let db: Store<string, unknown>;

beforeEach(async () => {
  now = START;
  db = await inMemory().open('/sessions', { clock: () => now });
});

afterEach(() => db.close());

/** The methods of a store as promises. */
function promised(store: KeelsonSessionStore) {
  const of = (name: 'get' | 'set' | 'destroy' | 'touch' | 'all' | 'length' | 'clear' | 'load') =>
    promisify((store[name] as () => void).bind(store)) as (...given: unknown[]) => Promise<unknown>;
  return {
    get: of('get'),
    set: of('set'),
    destroy: of('destroy'),
    touch: of('touch'),
    all: of('all'),
    length: of('length'),
    clear: of('clear'),
    load: of('load'),
  };
}

function expiringAt(time: number): object {
  return { cookie: { expires: new Date(time).toISOString(), originalMaxAge: time - now }, user: 'ada' };
}

describe('a session store', () => {
  test('is the default export, too', () => {
    expect(DefaultExport).toBe(KeelsonSessionStore);
  });

  test('gets what was set, also when it is overwritten, and nothing for an unknown id', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', expiringAt(now + 1000));
    expect(await store.get('a')).toEqual(expiringAt(now + 1000));
    await store.set('a', { ...expiringAt(now + 1000), user: 'bob' });
    expect(await store.get('a')).toMatchObject({ user: 'bob' });
    expect(await store.get('b')).toBeUndefined();
  });

  test('calls back when a set, a destroy and a clear are durable', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', { cookie: {} });
    expect(db.durableLsn).toBe(db.lastLsn);
    await store.destroy('a');
    expect(db.has('a')).toBe(false);
    expect(db.durableLsn).toBe(db.lastLsn);
    await store.set('b', { cookie: {} });
    await store.clear();
    expect(db.size).toBe(0);
    expect(db.durableLsn).toBe(db.lastLsn);
  });

  test('lists and counts its sessions', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', { cookie: {}, n: 1 });
    await store.set('b', { cookie: {}, n: 2 });
    expect(await store.length()).toBe(2);
    expect(await store.all()).toEqual([
      { cookie: {}, n: 1 },
      { cookie: {}, n: 2 },
    ]);
  });

  test('destroys what is not there without an error, and touches it without making it', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.destroy('a');
    await store.touch('a', expiringAt(now + 1000));
    expect(db.size).toBe(0);
  });

  test('keeps sessions as JSON would', async () => {
    const store = promised(new KeelsonSessionStore(db));
    const cookie = Object.assign(new Cookie(), { maxAge: 1000, path: '/x' });
    await store.set('a', { cookie, at: new Date(0), missing: undefined });
    expect(await store.get('a')).toEqual(JSON.parse(JSON.stringify({ cookie, at: new Date(0) })));
  });

  test('takes a namespace, and leaves everything else alone', async () => {
    await db.put('mine', 1);
    const sessions = db.namespace('sessions');
    const store = promised(new KeelsonSessionStore(sessions));
    await store.set('a', { cookie: {} });
    expect([...sessions.keys()]).toEqual(['a']);
    await store.clear();
    expect([...db.keys()]).toEqual(['mine']);
  });

  test('takes a directory, which close() closes', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-session-'));
    const given = new KeelsonSessionStore(path.join(folder, 'sessions'));
    await promised(given).set('a', { cookie: {} });
    await given.close();
    const reopened = await open(path.join(folder, 'sessions'));
    expect(reopened.has('a')).toBe(true);
    await reopened.close();
    fs.rmSync(folder, { recursive: true });
  });

  test('refuses what is no store, and wrong options', () => {
    expect(() => new KeelsonSessionStore({} as never)).toThrow(TypeError);
    expect(() => new KeelsonSessionStore(db, { ttl: 0 })).toThrow(/option 'ttl': expected a number from 1/);
    expect(() => new KeelsonSessionStore(db, { maxAge: 1 } as never)).toThrow(/unknown option 'maxAge'/);
  });
});

describe('a session expires', () => {
  async function deadlineOf(session: object, options = {}): Promise<number | undefined> {
    await promised(new KeelsonSessionStore(db, options)).set('a', session);
    return db.getEntry('a')?.expiresAt;
  }

  test('with its cookie', async () => {
    const time = now + 5000;
    expect(await deadlineOf(expiringAt(time))).toBe(time);
    expect(await deadlineOf({ cookie: { expires: new Date(time) } })).toBe(time);
    expect(await deadlineOf({ cookie: { maxAge: 7000 } })).toBe(now + 7000);
    expect(await deadlineOf({ cookie: { expires: null, originalMaxAge: 8000 } })).toBe(now + 8000);
    expect(await deadlineOf({ cookie: { maxAge: -1 } })).toBeUndefined();
    expect(db.size).toBe(0);
  });

  test('after the time to live of the store when its cookie does not say', async () => {
    expect(await deadlineOf({ cookie: { expires: null, originalMaxAge: null } })).toBe(now + DAY_MS);
    expect(await deadlineOf({})).toBe(now + DAY_MS);
    expect(await deadlineOf({ cookie: { expires: false } }, { ttl: 60_000 })).toBe(now + 60_000);
    expect(await deadlineOf({ cookie: {} }, { ttl: Number.POSITIVE_INFINITY })).toBeUndefined();
    expect(db.size).toBe(1);
  });

  test('and is found by nothing from then on', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', expiringAt(now + 1000));
    now += 1000;
    expect(await store.get('a')).toBeUndefined();
    expect(await store.length()).toBe(0);
    expect(await store.all()).toEqual([]);
  });

  test('later when it is touched, and its cookie says so', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', expiringAt(now + 1000));
    now += 900;
    await store.touch('a', { cookie: { expires: new Date(now + 1000) }, other: 'is not written' });
    now += 900;
    expect(await store.get('a')).toEqual({
      cookie: { expires: new Date(now + 100).toISOString(), originalMaxAge: 1000 },
      user: 'ada',
    });
    now += 100;
    expect(await store.get('a')).toBeUndefined();
  });

  test('without a wait for the disk when it is touched', async () => {
    const store = promised(new KeelsonSessionStore(db));
    await store.set('a', expiringAt(now + 1000));
    await store.touch('a', expiringAt(now + 2000));
    expect(db.durableLsn).toBeLessThan(db.lastLsn);
  });
});

describe('an error', () => {
  test('is given to the callback', async () => {
    const store = promised(new KeelsonSessionStore(db));
    const cycle: { self?: unknown; cookie: object } = { cookie: {} };
    cycle.self = cycle;
    await expect(store.set('a', cycle)).rejects.toThrow(TypeError);
    await db.close();
    await expect(store.get('a')).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await expect(store.load('a')).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    db = await inMemory().open('/sessions');
  });
});

describe('the methods that express-session calls by itself', () => {
  test('load() makes a session with a request of its own', async () => {
    const store = new KeelsonSessionStore(db);
    class Session {
      constructor(req: object, data: object = {}) {
        Object.defineProperty(this, 'req', { value: req });
        Object.assign(this, data);
      }
    }
    store.generate = (req) => {
      req.session = new Session(req);
      req.session.cookie = new Cookie();
    };
    await promised(store).set('a', expiringAt(now + 1000));
    const loaded = (await promised(store).load('a')) as { cookie: Cookie; req: { sessionID: string } };
    expect(loaded).toBeInstanceOf(Session);
    expect(loaded.cookie).toBeInstanceOf(Cookie);
    expect(loaded.cookie.expires).toEqual(new Date(now + 1000));
    expect(loaded.cookie.originalMaxAge).toBe(1000);
    expect(loaded.req.sessionID).toBe('a');
    expect(await promised(store).load('b')).toBeUndefined();
  });
});
