// @ts-check
// Bookmarks over HTTP: each user has a url once, lists by tag from the newest on, page by page. An answer waits
// for one flush, so no kill and no power cut takes back what it promises or shows. An ETag is the version of an entry.
//
//     node examples/bookmarks.js      runs a server in a process, kills it, starts it again, and asks what is there

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { msgpack, open, tuple } from 'keelson';

/** @typedef {{ url: string, title: string, tags: string[], addedMs: number }} Bookmark */
/** @typedef {[status: number, body?: unknown, headers?: Record<string, string>]} Answer */

const PAGE = 20;
/** @type {Record<string, number>} */
const REFUSALS = { SyntaxError: 400, KEELSON_CONFLICT: 412, KEELSON_UNIQUE: 409 };
/** The answer waits for its writes, all at once. */
const MEMORY = /** @type {const} */ ({ durability: 'memory' });

/** JSON may hold lone surrogates, which no store takes. */
const mended = (/** @type {string} */ _, /** @type {unknown} */ value) =>
  typeof value === 'string' ? value.toWellFormed() : value;

/** Returns a bookmark that a client has sent. */
function bookmarkOf(/** @type {string} */ json) {
  const { url, title, tags = [] } = JSON.parse(json, mended) ?? {};
  const isSound = [title, url].concat(tags).every((text) => typeof text === 'string');
  if (!isSound || !URL.canParse(url) || url.length > 8000) throw new SyntaxError('this is no bookmark');
  return { url: new URL(url).href, title, tags: [tags].flat(), addedMs: Date.now() };
}

async function serve(/** @type {string} */ directory) {
  const db = await open(directory);
  /** @type {import('keelson').KeyType<[user: string, id: number]>} */
  const keyEncoding = tuple();
  /** @type {import('keelson').ValueType<Bookmark>} */
  const valueEncoding = msgpack();
  const bookmarks = await db.namespace('bookmarks', {
    keyEncoding,
    valueEncoding,
    indexes: (index) => ({
      byUrl: index.unique(({ url }, [user]) => [user, url]),
      byTag: index.many(({ tags, addedMs }, [user, id]) => tags.map((tag) => [user, tag, addedMs, id])),
    }),
  }).ready;
  const { byTag } = bookmarks.indexes;

  /** @type {(request: import('node:http').IncomingMessage) => Promise<Answer>} */
  async function answerTo(request) {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const [, user = '', what = '', id] = pathname.split('/').map(decodeURIComponent);
    const route = `${request.method} ${what}`;
    if (route === 'GET tags') {
      const prefix = [user, id ?? ''];
      const cursor = searchParams.get('after')?.split('.');
      const after = cursor?.map((part) => Number(part) || 0);
      const range = { prefix, reverse: true, limit: PAGE, ...(after && { lt: [...prefix, ...after] }) };
      const page = [...byTag.entries(range)].map(([, [, id], bookmark]) => ({ id, ...bookmark }));
      const last = page.at(-1);
      const next = last && page.length === PAGE ? `${last.addedMs}.${last.id}` : undefined;
      return [200, { total: byTag.count({ prefix }), page, next }];
    }
    if (route === 'POST bookmarks') {
      const id = db.nextId();
      bookmarks.put([user, id], bookmarkOf(await text(request)), MEMORY);
      return [201, { id }];
    }
    /** @type {[string, number]} */
    const key = [user, Number.parseInt(id ?? '', 10) || 0];
    if (route === 'PUT bookmarks') {
      const [, version] = /^"(\d{1,15})"$/.exec(request.headers['if-match'] ?? '') ?? [];
      if (!Number(version)) return [428, { error: 'If-Match is missing' }];
      bookmarks.put(key, bookmarkOf(await text(request)), { ...MEMORY, ifVersion: Number(version) });
      return [204];
    }
    const entry = route === 'GET bookmarks' ? bookmarks.getEntry(key) : undefined;
    return entry ? [200, entry.value, { ETag: `"${entry.version}"` }] : [404];
  }

  /** @returns {Answer} */
  const refusal = (/** @type {any} */ { code, name, message }) => [
    REFUSALS[code ?? name] ?? 500,
    { message },
  ];
  const server = createServer(async (request, response) => {
    const answer = answerTo(request).then((answer) => db.flush().then(() => answer));
    const [status, body, headers] = await answer.catch(refusal);
    response.writeHead(status, headers).end(body && JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(String(port));
}

/** Starts a server in a process, and resolves with it and a function that asks it. */
async function start(/** @type {string} */ directory) {
  const argv = [fileURLToPath(import.meta.url), directory];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(createInterface(child.stdout), 'line');
  const ask = async (/** @type {string} */ path, method = 'GET', body = '', headers = {}) => {
    const url = `http://127.0.0.1:${port}/ann/${path}`;
    const response = await fetch(url, { method, headers, ...(body && { body }) });
    const text = await response.text();
    return { status: response.status, etag: response.headers.get('etag'), body: text && JSON.parse(text) };
  };
  return { child, ask };
}

async function demo(/** @type {string} */ directory) {
  const { child, ask } = await start(directory);
  const bodies = Array.from({ length: 50 }, (_, at) =>
    JSON.stringify({ url: `https://example.com/${at}`, title: `Page ${at}`, tags: ['read'] }),
  );
  const added = await Promise.all(bodies.map((body) => ask('bookmarks', 'POST', body)));
  assert(added.every(({ status }) => status === 201));
  assert.equal((await ask('bookmarks', 'POST', bodies[7])).status, 409);
  const { etag, body } = await ask('bookmarks/1');
  body.title = 'My page';
  const change = () => ask('bookmarks/1', 'PUT', JSON.stringify(body), { 'If-Match': etag });
  assert.deepEqual([(await change()).status, (await change()).status], [204, 412]);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const again = await start(directory);
  const ids = new Set();
  let pages = 0;
  for (let query = ''; query !== undefined; pages++) {
    const { page, next } = (await again.ask(`tags/read${query}`)).body;
    for (const { id } of page) ids.add(id);
    query = next && `?after=${next}`;
  }
  assert.equal((await again.ask('bookmarks/1')).body.title, 'My page');
  again.child.kill();
  await once(again.child, 'exit');
  assert.equal(ids.size, 50);
  console.log(`Killed, and ${ids.size} bookmarks are on ${pages} pages.`);
}

if (process.argv[2] !== undefined) await serve(process.argv[2]);
else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-bookmarks-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
