// The server of `keelson inspect`: whom it answers, what it answers, and what it leaves behind. The page itself comes from dist/.

import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { CommitBars } from '../../src/cli/inspect/journal-facts.js';
import { msgpack, open, type Store } from '../../src/index.js';
import { openDescriptors } from '../journal/helpers.js';
import { keelson, newFolder, startKeelson } from './command-tools.js';
import { ask, inspectStore, listen, request, startPage } from './inspect-tools.js';

/** Returns the directory of a store that `fill` has filled and closed. */
async function filled(fill: (db: Store<string, unknown>) => unknown): Promise<string> {
  const directory = path.join(newFolder(), 'store');
  const db = await open(directory, { valueEncoding: msgpack<unknown>() });
  await fill(db);
  await db.close();
  return directory;
}

/** A page that tests share: of a store with a key, and namespaces of bytes and tuples. */
let shared: Awaited<ReturnType<typeof startPage>>;

beforeAll(async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-inspect-'));
  const db = await open<number>(directory);
  await db.put('a', 1);
  await db.namespace('bytes', { keyEncoding: 'bytes' }).put(Uint8Array.of(1), 1);
  await db.namespace('tuples', { keyEncoding: 'tuple' }).put([1], 1);
  await db.close();
  shared = await startPage(directory);
  return async () => {
    await shared.close();
    fs.rmSync(directory, { recursive: true });
  };
});

const textOf = (value: { readonly json: string }) => JSON.parse(value.json);

describe('the guard', () => {
  test('lets through GET with the token and a Host that is the address, and nobody else', async () => {
    const { url } = shared;
    const { port, pathname } = new URL(url);
    const token = pathname.slice(1, -1);
    const statusOf = async (given: string, options = {}) => (await request(url, given, options)).status;
    const withHost = (host: string) => statusOf('', { headers: { host } });
    expect(token).toMatch(/^[\w-]{32}$/);
    expect(await statusOf('')).toBe(200);
    expect(await withHost(`localhost:${port}`)).toBe(200);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', 'localhost', `[::1]:${port}`])
      expect(await withHost(host)).toBe(403);
    expect(await withHost(`localhost:${Number(port) + 1}`)).toBe(403);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'])
      expect(await request(url, 'api/store', { method })).toMatchObject({
        status: 405,
        headers: { allow: 'GET' },
      });

    const other = (token.startsWith('A') ? 'B' : 'A') + token.slice(1);
    const root = `http://127.0.0.1:${port}/`;
    for (const given of [
      '',
      'api/store',
      `${other}/`,
      `${other}/api/store`,
      `${token.slice(1)}/`,
      `${token.slice(0, -1)}/`,
      `${token}A/`,
      token,
    ])
      expect(await request(root, given)).toMatchObject({
        status: 404,
        text: expect.not.stringContaining(token),
      });
  });

  test('gives files of the page and no other file, whatever the path', async () => {
    const { url } = shared;
    for (const name of ['page.js', 'page.css', 'uplot.js', 'icon.svg'])
      expect(await request(url, name)).toMatchObject({ status: 200 });
    for (const name of [
      '../package.json',
      '../../package.json',
      '..%2f..%2fpackage.json',
      '%2e%2e/server.js',
      './page.js',
      '/page.js',
      '//etc/passwd',
      'page.js/',
      'page.js%00',
      'index.html',
      'uplot.LICENSE',
      'api',
      'api/',
      'api/__proto__',
      'api/../page.js',
    ])
      expect(await request(url, name), name).toMatchObject({ status: 404 });
  });

  test('has every answer forbid scripts of others, frames and caches', async () => {
    const { url } = shared;
    const answers = [
      await request(url, ''),
      await request(url, 'api/store'),
      await request(url, 'api/keys?at=x'),
      await request(url, 'nothing'),
      await request(url, '', { method: 'POST' }),
      await request(url, '', { headers: { host: 'evil.example' } }),
    ];
    for (const { headers } of answers) {
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      );
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect(answers[0]!.text).not.toMatch(
      /<script(?![^>]* src=)|<style| style=| on\w+=|https?:\/\/(?!github\.com)/,
    );
  });

  test('is on 127.0.0.1 only', async () => {
    const { url } = shared;
    const others = Object.values(os.networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address, scopeid } of others) {
      if (address === '127.0.0.1') continue;
      const host = scopeid ? `${address}%${scopeid}` : address;
      const socket = net.connect({ host, port: Number(new URL(url).port) });
      const outcome = await new Promise((resolve) => {
        socket.once('connect', () => resolve('connected')).once('error', () => resolve('refused'));
      });
      socket.destroy();
      expect(outcome, address).toBe('refused');
    }
  });
});

describe('the page answers', () => {
  test('keys by rank, also those of a prefix', async () => {
    const keyOf = (n: number) => `${n % 2 === 0 ? 'even' : 'odd'}:${String(n).padStart(5, '0')}`;
    const puts = Array.from({ length: 100_000 }, (_, n) => ({
      type: 'put' as const,
      key: keyOf(n),
      value: n,
    }));
    const { url } = await inspectStore(await filled((db) => db.batch(puts)));
    const keysOf = async (parameters: Record<string, string>) => {
      const { total, at, entries } = await ask(url, 'keys', parameters);
      return { total, at, keys: entries.map(({ shown }: { shown: string }) => shown) };
    };
    expect(await keysOf({ at: '49999', limit: '2' })).toEqual({
      total: 100_000,
      at: 49_999,
      keys: ['even:99998', 'odd:00001'],
    });
    expect(await keysOf({ at: '99999' })).toMatchObject({ keys: ['odd:99999'] });
    expect(await keysOf({ at: '100000' })).toMatchObject({ total: 100_000, keys: [] });
    expect(await keysOf({ prefix: 'odd:', at: '25000', limit: '1' })).toEqual({
      total: 50_000,
      at: 25_000,
      keys: ['odd:50001'],
    });
    expect(await keysOf({ prefix: 'odd:', from: 'odd:00004', limit: '1' })).toEqual({
      total: 50_000,
      at: 2,
      keys: ['odd:00005'],
    });
    const { keys } = await keysOf({ limit: '999999999' });
    expect(keys).toHaveLength(500);
  });

  test('values of every kind, exactly, and previews of them', async () => {
    const value = {
      big: 2n ** 70n,
      at: new Date(7),
      bytes: Uint8Array.of(1, 255),
      set: new Set([1]),
      zero: -0,
    };
    const directory = await filled(async (db) => {
      await db.put('all', value, { expiresAt: 4_000_000_000_000 });
      await db.put('<b>&"\n', '<script>alert(1)</script>');
      const tuples = db.namespace('tuples', { keyEncoding: 'tuple' });
      await tuples.put(['u', 7, 2n ** 65n], 'text');
      await tuples.put(['v', 8], 'more');
      const own = db.namespace('own', {
        keyEncoding: 'bytes',
        valueEncoding: { name: 'mine', encode: (text: string) => Buffer.from(text), decode: String },
      });
      await own.put(Uint8Array.of(0, 255), 'own');
    });
    const { url } = await inspectStore(directory);
    const all = await ask(url, 'entry', { key: '"all"' });
    expect(all).toMatchObject({ isThere: true, expiresAt: 4_000_000_000_000, shown: 'all' });
    expect(textOf(all.value)).toEqual({
      big: { $bigint: String(2n ** 70n) },
      at: { $date: '1970-01-01T00:00:00.007Z' },
      bytes: { $bytes: 'Af8=' },
      set: { $set: [1] },
      zero: { $number: '-0' },
    });
    const { entries } = await ask(url, 'keys');
    expect(entries).toMatchObject([
      { shown: JSON.stringify('<b>&"\n'), preview: "'<script>alert(1)</script>'" },
      { shown: 'all', preview: expect.stringContaining('1180591620717411303424n') },
    ]);
    expect(await ask(url, 'keys', { space: 'tuples', prefix: '"u", 7' })).toMatchObject({
      total: 1,
      entries: [{ key: '["u",7,{"$bigint":"36893488147419103232"}]' }],
    });
    expect(await ask(url, 'keys', { space: 'tuples', prefix: 'v' })).toMatchObject({ total: 1 });
    expect(await ask(url, 'keys', { space: 'tuples', prefix: '["w"]' })).toMatchObject({ total: 0 });
    expect(await ask(url, 'keys', { space: 'own', prefix: '00' })).toMatchObject({
      entries: [{ shown: '00 ff', preview: '3 bytes: 6f 77 6e' }],
    });
    expect(await ask(url, 'store')).toMatchObject({
      directory,
      spaces: [
        { name: '', entries: 2 },
        { name: 'tuples', keyEncoding: 'tuple', entries: 2 },
        { name: 'own', valueEncoding: 'mine', entries: 1 },
      ],
    });
  });

  test('the beginning of a value that is too long', async () => {
    const { url } = await inspectStore(await filled((db) => db.put('long', 'x'.repeat(2_000_000))));
    const { value } = await ask(url, 'entry', { key: '"long"' });
    expect(value).toEqual({ beginning: `"${'x'.repeat(16 * 1024 - 1)}`, characters: 2_000_002 });
  });

  test('a key of the greatest length', async () => {
    const key = 'ü'.repeat(32_768);
    const { url } = await inspectStore(await filled((db) => db.put(key, 1)));
    expect(await ask(url, 'entry', { key: JSON.stringify(key) })).toMatchObject({ isThere: true });
  });

  test('an empty store', async () => {
    const { url } = await inspectStore(await filled(() => {}));
    expect(await ask(url, 'keys')).toEqual({ total: 0, at: 0, entries: [] });
    expect(await ask(url, 'entry', { key: '"a"' })).toMatchObject({ isThere: false });
    expect(await ask(url, 'history', { key: '"a"' })).toMatchObject({ count: 0, versions: [] });
  });

  test.each([
    ['an `at` below 0', 'keys?at=-1', 400, 'MALFORMED'],
    ['an `at` with an exponent', 'keys?at=1e3', 400, 'MALFORMED'],
    ['an `at` that is too great', 'keys?at=99999999999999999999', 400, 'MALFORMED'],
    ['a limit that is no number', 'keys?limit=x', 400, 'MALFORMED'],
    ['a namespace of nobody', 'keys?space=nobody', 404, 'NO_NAMESPACE'],
    ['half a byte', 'keys?space=bytes&prefix=0', 400, 'MALFORMED'],
    ['a tuple that is cut off', 'keys?space=tuples&prefix=%5B1', 400, 'MALFORMED'],
    ['a tuple with an object', 'keys?space=tuples&prefix=%7B%22a%22:1%7D', 400, 'USAGE'],
    ['no key', 'entry', 400, 'MALFORMED'],
    ['an empty key', 'entry?key=', 400, 'MALFORMED'],
    ['a tag that is none', 'entry?key=%7B%22$nothing%22:1%7D', 400, 'MALFORMED'],
    ['a key of another type', 'entry?key=7', 400, 'USAGE'],
    ['a namespace with a control character', 'entry?space=%00&key=7', 404, 'NO_NAMESPACE'],
    ['a key that is too long', `entry?key=%22${'a'.repeat(70_000)}%22`, 500, 'KEELSON_KEY_TOO_LARGE'],
    ['a history of a key of another type', 'history?key=7', 400, 'USAGE'],
    ['a history from the future', 'history?key=%22a%22&since=99999', 400, 'USAGE'],
    ['no segment', 'segment', 400, 'MALFORMED'],
    ['a segment that is not there', 'segment?sequence=9', 400, 'MALFORMED'],
  ])('%s with one error', async (_fact, question, status, code) => {
    const { url, store } = shared;
    const answer = await request(url, `api/${question}`);
    expect(answer).toMatchObject({ status });
    expect(JSON.parse(answer.text)).toEqual({
      error: { code, what: expect.any(String), next: expect.any(String) },
    });
    expect(await ask(url, 'store')).toMatchObject({ directory: store.db.directory });
  });

  test('what a value that cannot be decoded is, and the other entries', async () => {
    const { store, url } = await inspectStore(
      await filled(async (db) => {
        await db.put('a', 1);
        await db.put('b', 2);
      }),
    );
    const getEntry = store.db.getEntry.bind(store.db);
    Object.assign(store.db, {
      getEntry: (key: string) => {
        if (key === 'a') throw new RangeError('no such value');
        return getEntry(key);
      },
    });
    expect((await ask(url, 'keys')).entries).toMatchObject([
      { shown: 'a', preview: expect.stringContaining('no such value') },
      { shown: 'b', preview: '2' },
    ]);
  });

  test('the files of the store, and the commits of a segment', async () => {
    const directory = await filled(async (db) => {
      for (let n = 0; n < 50; n++) await db.put('a', n);
      await db.checkpoint();
      await db.put('a', 50);
    });
    const { url } = await inspectStore(directory);
    const { images, segments } = await ask(url, 'files');
    expect(images).toMatchObject([{ entries: 1, why: null }]);
    const { bars } = await ask(url, 'segment', { sequence: String(segments.at(-1).sequence) });
    expect(bars.every(({ isDamaged }: { isDamaged: boolean }) => !isDamaged)).toBe(true);
    expect(bars.length).toBeGreaterThan(0);
  });
});

describe('the bars of commits', () => {
  test('are few, and stand for as many commits each', () => {
    const bars = new CommitBars();
    for (let n = 0; n < 5000; n++)
      bars.add({ offset: n * 10, bytes: 10, commits: 1, records: 2, isDamaged: n === 7 });
    expect(bars.all.length).toBeLessThanOrEqual(400);
    expect(new Set(bars.all.slice(0, -1).map(({ commits }) => commits)).size).toBe(1);
    const sum = (field: 'bytes' | 'commits' | 'records') =>
      bars.all.reduce((all, bar) => all + bar[field], 0);
    expect([sum('bytes'), sum('commits'), sum('records')]).toEqual([50_000, 5000, 10_000]);
    expect(bars.all.map(({ isDamaged }) => isDamaged).indexOf(true)).toBe(0);
  });
});

describe('beside a live owner, the page', () => {
  test('shows what it writes, the history of a key, and changes as they come', async () => {
    const directory = path.join(newFolder(), 'store');
    const db = await open(directory, { valueEncoding: msgpack<unknown>() });
    await db.put('a', 1);
    const names = fs.readdirSync(directory);
    const { url } = await inspectStore(directory);
    const live = await listen(url);
    await live.until(/event: state\n.*"lastLsn":/);
    await db.put('a', { two: 2n });
    await db.touch('a', { expiresAt: 4_000_000_000_000 });
    await db.delete('a');
    const users = db.namespace('users');
    await users.put('ada', 1);
    await users.put('ada', 2);
    expect(await ask(url, 'keys')).toMatchObject({ total: 0 });
    expect(await ask(url, 'entry', { space: 'users', key: '"ada"' })).toMatchObject({ value: { json: '2' } });

    const heard = await live.until(/"preview":"1"/);
    expect(heard).toContain('"type":"put","space":"","key":"\\"a\\"","shown":"a","preview":"{ two: 2n }"');
    expect(heard).toContain('"type":"touch"');
    expect(heard).toContain('"type":"deleted"');
    expect(heard).toContain('"type":"create","space":"users"');

    // Those of other keys and namespaces are none.
    const history = await ask(url, 'history', { key: '"a"' });
    expect(history).toMatchObject({
      sinceLsn: 0,
      count: 4,
      versions: [
        { type: 'deleted' },
        { type: 'touch', expiresAt: 4_000_000_000_000 },
        { type: 'put', value: { json: '{"two":{"$bigint":"2"}}' } },
        { type: 'put', value: { json: '1' } },
      ],
    });
    expect(await ask(url, 'history', { space: 'users', key: '"ada"' })).toMatchObject({
      versions: [{ type: 'put', preview: '1' }],
    });
    await users.put('ada', 3);
    await db.clear();
    await users.put('ada', 4);
    const since = String(history.untilLsn);
    expect(await ask(url, 'history', { key: '"a"', since })).toMatchObject({ count: 0 });
    expect(await ask(url, 'history', { space: 'users', key: '"ada"', since })).toMatchObject({
      versions: [{ preview: '3' }, { preview: '2' }],
    });

    // A namespace in an encoding that is not known yet does not end the feed.
    const encode = (text: string) => Buffer.from(text);
    const own = db.namespace('own', { valueEncoding: { name: 'mine', encode, decode: String } });
    await own.put('b', 'own');
    await own.put('b', 'own');
    await live.until(/"space":"own".*"preview":"3 bytes: 6f 77 6e"/);
    expect(fs.readdirSync(directory)).toEqual(names);
    await db.close();
  });

  test('tells the newest of many changes, and counts them all', async () => {
    const directory = path.join(newFolder(), 'store');
    const db = await open<number>(directory);
    await db.put('a', 0);
    const { url } = await inspectStore(directory);
    const live = await listen(url);
    await live.until(/event: state/);
    for (let n = 0; n < 20_000; n++) db.put('a', n, { durability: 'memory' });
    await db.flush();
    await db.put('b', 0);
    await db.put('b', 1);
    const heard = await live.until(/"key":"\\"b\\""/);
    const events = [...heard.matchAll(/event: changes\ndata: (.*)\n/g)].map(([, json]) => JSON.parse(json!));
    for (const { changes } of events) expect(changes.length).toBeLessThanOrEqual(100);
    const counted = events.reduce((sum, { count }) => sum + count, 0);
    expect(counted).toBeGreaterThan(20_000);
    await db.close();
  });

  test('begins a history where the journal that is there begins', async () => {
    const directory = path.join(newFolder(), 'store');
    const db = await open<unknown>(directory, { keepOlderGeneration: false });
    await db.put('a', 1);
    for (let n = 0; n < 4; n++) await db.put('b', new Uint8Array(800_000));
    await db.checkpoint();
    await db.put('a', 2);
    await db.put('b', 2);
    const { url } = await inspectStore(directory);
    const { sinceLsn, versions } = await ask(url, 'history', { key: '"a"' });
    expect(sinceLsn).toBeGreaterThan(0);
    expect(versions).toMatchObject([{ preview: '2' }]);
    await db.close();
  });

  test('tells that the store has gone, and goes on', async () => {
    const directory = await filled((db) => db.put('a', 1));
    const { url } = await inspectStore(directory);
    const live = await listen(url);
    fs.renameSync(directory, `${directory}.gone`);
    const answer = await request(url, 'api/keys');
    expect(answer).toMatchObject({ status: 500 });
    expect(JSON.parse(answer.text).error.code).toMatch(/^KEELSON_/);
    await live.until(/event: trouble\ndata: \{"line":"KEELSON_/);
    fs.renameSync(`${directory}.gone`, directory);
    expect(await ask(url, 'keys')).toMatchObject({ total: 1 });
  });
});

describe('nothing is left', () => {
  const left = (directory: string) => ({
    descriptors: openDescriptors(directory) ?? 0,
    timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
    sockets: process.getActiveResourcesInfo().filter((kind) => /^TCP/.test(kind)).length,
  });

  /** Listens. The server ends a page that was left a moment later. */
  async function listenWhenFree(url: string) {
    for (;;) {
      const live = await listen(url);
      if (live.response.statusCode === 200) return live;
      live.leave();
      await setTimeout(5);
    }
  }

  test('of pages that were opened and left', async () => {
    const { url, store } = shared;
    const { directory } = store.db;
    const before = left(directory);
    for (let n = 0; n < 40; n++) {
      const live = await listenWhenFree(url);
      await live.until(/event: state/);
      live.leave();
      await live.isEnded;
    }
    // As many as may be open at once: those before have ended.
    const pages = await Promise.all(Array.from({ length: 16 }, () => listenWhenFree(url)));
    for (const live of pages) await live.until(/event: state/);
    expect(await request(url, 'api/live')).toMatchObject({ status: 503 });
    for (const live of pages) live.leave();
    while (left(directory).descriptors > before.descriptors) await setTimeout(5);
    while (left(directory).timers > before.timers) await setTimeout(5);
  });

  test('of a server that was closed under its pages', async () => {
    const directory = await filled(async (db) => {
      for (let n = 0; n < 20_000; n++) db.put('a', n, { durability: 'memory' });
      await db.flush();
    });
    const before = left(directory);
    const { url, close } = await inspectStore(directory);
    const live = await listen(url);
    await live.until(/event: state/);
    const history = request(url, 'api/history?key="a"').catch(() => null);
    await close();
    await live.isEnded;
    await history;
    expect(left(directory).descriptors).toBe(before.descriptors);
    while (left(directory).timers > before.timers) await setTimeout(5);
    while (left(directory).sockets > before.sockets) await setTimeout(5);
    await expect(request(url, '')).rejects.toThrow(/ECONNREFUSED/);
  });
});

describe('the command', () => {
  test('prints the address, and ends well with Ctrl-C under an open page', async () => {
    const directory = await filled((db) => db.put('a', 1));
    const names = fs.readdirSync(directory);
    const running = startKeelson(['inspect', directory]);
    const [url] = /http:\S+/.exec(await running.until('Ctrl-C'))!;
    const live = await listen(url);
    await live.until(/event: state/);
    const taken = await keelson(['inspect', directory, '--port', new URL(url).port]);
    expect(taken).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^USAGE: Port \d+ is in use\. .*\n$/),
    });
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 0, signal: null, err: '' });
    expect(fs.readdirSync(directory)).toEqual(names);
  });

  test('refuses what is no store, and a store that is damaged', async () => {
    const directory = await filled((db) => db.put('a', 'x'.repeat(100)));
    const none = await keelson(['inspect', `${directory}-none`]);
    expect(none).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^KEELSON_NOT_FOUND: .*\n$/) });
    const file = path.join(directory, fs.readdirSync(directory).find((name) => name.endsWith('.journal'))!);
    const bytes = fs.readFileSync(file);
    bytes.fill(99, 4096 + 60, 4096 + 61);
    fs.writeFileSync(file, bytes);
    const damaged = await keelson(['inspect', directory, '--json']);
    expect(damaged).toMatchObject({ code: 3, out: '' });
    expect(JSON.parse(damaged.err).error.code).toBe('KEELSON_CORRUPT');
    expect(await keelson(['inspect', directory, '--port', '65536'])).toMatchObject({ code: 2 });
  });
});
