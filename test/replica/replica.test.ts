// Replicas in the thread of their store: they show what is durable, whole write by whole write, and leak nothing.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isKeelsonError, json, msgpack, open, type Store, tuple } from '../../src/index.js';
import { openReplica } from '../../src/replica/index.js';
import { inMemory } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { tries } from '../counts.js';

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-replica-'));
});

afterEach(() => fs.rmSync(directory, { recursive: true }));

/** Opened, closed and left: what one of them kept would be seen among so many. */
const REPLICATIONS = tries(300, 1000);
const at = (name: string) => path.join(directory, name);

function stateOf(db: {
  entries(): Iterable<unknown>;
  namespaces(): string[];
  namespace(name: string): Pick<Store<string, unknown>, 'entries'>;
}) {
  return [[...db.entries()], db.namespaces().map((name) => [name, [...db.namespace(name).entries()]])];
}

/** The descriptors of this process that lead into the directory. */
function openFiles(): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(directory) ? [target] : [];
    } catch {
      return [];
    }
  });
}

describe('a replica', () => {
  test('shows the entries of the store when it is opened, and later writes when they are durable', async () => {
    const db = await open<number>(at('s'));
    await db.put('a', 1);
    const replica = await openReplica<number>(db.replicate());
    expect(replica.get('a')).toBe(1);
    expect(replica.lsn).toBe(db.lastLsn);
    const lsn = await db.put('b', 2);
    expect(await replica.whenAt(lsn)).toBeGreaterThanOrEqual(lsn);
    expect([...replica.entries()]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(replica.getEntry('b')).toEqual({ value: 2, version: lsn });
    expect([replica.size, replica.count({ gt: 'a' }), replica.rank('b'), replica.nth(-1)]).toEqual([
      2,
      1,
      1,
      ['b', 2],
    ]);
    await replica.close();
    await db.close();
  });

  test('keeps indexes of its own, and goes on when a write breaks a unique one', async () => {
    const db = await open(at('s'));
    const replica = await openReplica(db.replicate());
    const encoding = { valueEncoding: json<{ email: string }>() };
    const users = db.namespace('users', encoding);
    await users.put('ada', { email: 'ada@x' });
    const mine = replica.namespace('users', {
      ...encoding,
      indexes: (index) => ({ byEmail: index.unique((user) => user.email) }),
    });
    await replica.whenAt(await users.put('bob', { email: 'bob@x' }));
    expect(await mine.ready).toBe(mine);
    expect(mine.indexes.byEmail.getKey('bob@x')).toBe('bob');
    await replica.whenAt(await users.delete('bob'));
    expect(mine.indexes.byEmail.getKey('bob@x')).toBe(undefined);
    await replica.whenAt(await users.put('eve', { email: 'ada@x' }));
    expect(mine.get('eve')).toEqual({ email: 'ada@x' });
    expect(() => mine.indexes.byEmail.getKey('ada@x')).toThrow(
      expect.objectContaining({ code: 'KEELSON_UNIQUE' }),
    );
    await replica.whenAt(await users.put('eve', { email: 'eve@x' }));
    expect(mine.size).toBe(2);
    await replica.close();
    await db.close();
  });

  test('has the namespaces, encodings and versions of the store', async () => {
    const key = { keyEncoding: tuple<[string, number]>(), valueEncoding: msgpack<{ n: number }>() };
    const db = await open(at('s'), key);
    const users = db.namespace('users', { valueEncoding: json<string[]>() });
    await db.put(['x', 1], { n: 1 });
    const replica = await openReplica(db.replicate(), key);
    // Asked for before it is there.
    const names = replica.namespace('users', { valueEncoding: json<string[]>() });
    await names.ready;
    expect([names.name, names.size, replica.namespaces()]).toEqual(['users', 0, []]);
    await replica.whenAt(await users.put('ada', ['Ada']));
    expect([names.get('ada'), replica.namespaces()]).toEqual([['Ada'], ['users']]);
    expect(() => replica.namespace('users', { keyEncoding: 'bytes' })).toThrow(
      expect.objectContaining({ code: 'KEELSON_ENCODING_MISMATCH' }),
    );
    await replica.whenAt(await db.drop('users'));
    expect(() => names.size).toThrow(expect.objectContaining({ code: 'KEELSON_DROPPED' }));
    expect(replica.get(['x', 1])).toEqual({ n: 1 });
    await replica.close();
    await db.close();
  });

  test('at an LSN is the store at that LSN, whatever is written, and across checkpoints', async () => {
    const random = new Random(7);
    const db: Store<string, unknown> = await open(at('s'), { checkpointBytesMin: 4096 });
    const replica = await openReplica(db.replicate());
    const states = new Map<number, unknown>([[db.lastLsn, stateOf(db)]]);
    let seen = 0;
    for (let step = 0; step < 2000; step++) {
      const target = random.chance(0.4) ? db.namespace(random.pick(['one', 'two'])) : db;
      const dice = random.below(20);
      const key = `k${random.below(20)}`;
      let written: Promise<number>;
      if (dice === 0) written = db.drop(random.pick(['one', 'two']));
      else if (dice === 1) written = target.clear({ gte: 'k1', lt: 'k15' });
      else if (dice < 5) written = target.delete(key);
      else if (dice === 5) {
        written = db.batch([
          { type: 'put', key, value: step },
          { type: 'put', key, value: { step }, namespace: db.namespace('one') },
        ]);
      } else written = target.put(key, { step, text: 'x'.repeat(random.below(2000)) });
      states.set(db.lastLsn, stateOf(db));
      if (random.chance(0.2)) await written;
      if (random.chance(0.02)) await db.checkpoint();
      if (random.chance(0.3)) await new Promise(setImmediate);
      const expected = states.get(replica.lsn);
      expect(expected).toBeDefined();
      expect(stateOf(replica as never)).toEqual(expected);
      expect(replica.lsn).toBeLessThanOrEqual(db.durableLsn);
      if (replica.lsn > seen) seen = replica.lsn;
      else expect(replica.lsn).toBe(seen);
    }
    await replica.whenAt(await db.flush());
    expect(stateOf(replica as never)).toEqual(stateOf(db));
    await replica.close();
    await db.close();
  });

  test('has indexes of its own, which keep up, also when the store is loaded anew', async () => {
    const db = await open(at('s'));
    const users = db.namespace('users', { valueEncoding: msgpack<{ email: string }>() });
    await users.put('ada', { email: 'a@x' });
    const replica = await openReplica(db.replicate({ maxLagBytes: 1000 }));
    const copies = replica.namespace('users', {
      valueEncoding: msgpack<{ email: string }>(),
      indexes: (index) => ({ byEmail: index.unique((user) => user.email) }),
    });
    await copies.ready;
    expect(copies.indexes.byEmail.getKey('a@x')).toBe('ada');
    await replica.whenAt(await users.put('bob', { email: 'b@x' }));
    expect(copies.indexes.byEmail.getKey('b@x')).toBe('bob');
    for (let n = 0; n < 500; n++) void db.put(`k${n}`, 'x'.repeat(10_000));
    await db.checkpoint();
    await replica.whenAt(await users.put('bob', { email: 'c@x' }));
    // Built again, maybe in slices.
    for (;;) {
      try {
        expect(copies.indexes.byEmail.getKey('c@x')).toBe('bob');
        break;
      } catch (error) {
        if (!isKeelsonError(error, 'KEELSON_NOT_READY')) throw error;
        await new Promise(setImmediate);
      }
    }
    expect(copies.indexes.byEmail.getKey('b@x')).toBeUndefined();
    await replica.close();
    await db.close();
  });

  test('that is too far behind loads the store anew, and keeps showing what it had until then', async () => {
    const db = await open<string>(at('s'));
    const port = db.replicate({ maxLagBytes: 1000 });
    const value = 'x'.repeat(10_000);
    for (let n = 0; n < 50; n++) await db.put(`k${n}`, value);
    await db.checkpoint();
    const replica = await openReplica<string>(port);
    for (let n = 0; n < 500; n++) void db.put(`k${n}`, value + n);
    const lsn = await db.flush();
    await replica.whenAt(lsn);
    expect([...replica.entries()]).toEqual([...db.entries()]);
    await replica.close();
    await db.close();
  });
});

describe('the end of a replica', () => {
  test('leaves reads that throw KEELSON_CLOSED, and rejects waits', async () => {
    const db = await open<number>(at('s'));
    const replica = await openReplica<number>(db.replicate());
    const waiting = replica.whenAt(1e9);
    waiting.catch(() => {});
    await Promise.all([replica.close(), replica.close()]);
    await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await expect(replica.whenAt(1)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    expect(() => replica.get('a')).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
    expect(replica.lsn).toBe(db.lastLsn);
    await db.put('a', 1);
    await db.close();
    expect(openFiles()).toEqual([]);
  });

  test('of the store leaves what was durable, and rejects waits for more', async () => {
    const db = await open<number>(at('s'));
    const replica = await openReplica<number>(db.replicate());
    const lsn = await db.put('a', 1);
    await replica.whenAt(lsn);
    const waiting = replica.whenAt(lsn + 1);
    waiting.catch(() => {});
    await db.close();
    await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_CLOSED', facts: { path: at('s') } });
    expect(replica.get('a')).toBe(1);
    expect(await replica.whenAt(lsn)).toBe(lsn);
    await expect(replica.whenAt(lsn + 1)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await replica.close();
  });

  test('may come while it is opened', async () => {
    const db = await open<number>(at('s'));
    await db.put('a', 1);
    const opening = openReplica<number>(db.replicate());
    await db.close();
    // It may have loaded the store before.
    const replica = await opening.catch((error) => error);
    if (isKeelsonError(replica)) expect(replica.code).toBe('KEELSON_CLOSED');
    else {
      expect(replica.get('a')).toBe(1);
      await expect(replica.whenAt(1e9)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
      await replica.close();
    }
    expect(openFiles()).toEqual([]);
  });

  test('of a wait comes with its signal', async () => {
    const db = await open<number>(at('s'));
    const replica = await openReplica<number>(db.replicate());
    const stop = new AbortController();
    const waiting = replica.whenAt(1e9, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_ABORTED', cause: { message: 'enough' } });
    await expect(replica.whenAt(1e9, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'KEELSON_ABORTED',
    });
    await replica.close();
    await db.close();
  });

  test(`leaks nothing, ${REPLICATIONS} times`, async () => {
    const db = await open<number>(at('s'));
    for (let n = 0; n < REPLICATIONS; n++) {
      const port = db.replicate();
      if (n % 3 === 0) port.close();
      else if (n % 3 === 1) await (await openReplica<number>(port)).close();
      else await db.put('n', n);
    }
    await db.close();
    expect(openFiles()).toEqual([]);
  });
});

describe('misuse', () => {
  test.each([
    ['nothing', undefined],
    ['an object', {}],
    ['null', null],
    ['a string', 'port'],
  ])('is a TypeError: %s instead of a port', async (_, port) => {
    await expect(openReplica(port as never)).rejects.toThrow(TypeError);
  });

  test('is a TypeError: a port of somebody else', async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage({ kind: 'hello' });
    await expect(openReplica(port2)).rejects.toThrow(/port: expected a port of db\.replicate\(\)/);
    port1.close();
  });

  test('is a port that was closed, or used before', async () => {
    const { port1, port2 } = new MessageChannel();
    port1.close();
    await expect(openReplica(port2)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    const db = await open<number>(at('s'));
    const port: MessagePort = db.replicate();
    const replica = await openReplica<number>(port);
    // A second replica once waited for ever while the first one was open.
    await expect(openReplica(port)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await replica.close();
    await expect(openReplica(port)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await db.close();
  });

  test('is refused: other encodings, unknown options, LSNs that are none', async () => {
    const db = await open<number>(at('s'));
    await expect(openReplica(db.replicate(), { keyEncoding: 'bytes' })).rejects.toMatchObject({
      code: 'KEELSON_ENCODING_MISMATCH',
    });
    await expect(openReplica(db.replicate(), { valueEncoding: 'json' })).rejects.toMatchObject({
      code: 'KEELSON_ENCODING_MISMATCH',
    });
    await expect(openReplica(db.replicate(), { keyEncodings: 'utf8' } as never)).rejects.toThrow(
      /unknown option 'keyEncodings'/,
    );
    expect(() => db.replicate({ maxLag: 1 } as never)).toThrow(/unknown option 'maxLag'/);
    expect(() => db.replicate({ maxLagBytes: 0 })).toThrow(TypeError);
    const replica = await openReplica<number>(db.replicate());
    for (const lsn of [-1, 0.5, Number.NaN, '1', undefined, null])
      expect(() => replica.whenAt(lsn as never)).toThrow(TypeError);
    expect(() => replica.whenAt(1, { timeout: 1 } as never)).toThrow(/unknown option 'timeout'/);
    expect(() => replica.whenAt(1, { signal: 1 } as never)).toThrow(TypeError);
    await replica.close();
    await db.close();
    expect(() => db.replicate()).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });

  test('is refused: a store that is read-only, or in memory', async () => {
    await (await open(at('s'))).close();
    const reader = await open(at('s'), { readOnly: true });
    expect(() => reader.replicate()).toThrow(expect.objectContaining({ code: 'KEELSON_READ_ONLY' }));
    await reader.close();
    const db = await inMemory().open('/s');
    expect(() => db.replicate()).toThrow(expect.objectContaining({ code: 'KEELSON_ENGINE_UNAVAILABLE' }));
    await db.close();
  });
});
