// @ts-check
// A server of Durable Streams: append-only streams over HTTP that a client reads on from where it was, live if it
// likes (https://github.com/durable-streams/durable-streams).
//
//     node examples/durable-streams/server.js [directory] [port] [longest long-poll in ms]
//
// An answer is sent when everything that it says is on disk. All requests that wait at a moment share one flush.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { append } from './append.js';
import { bodyOf } from './contents.js';
import { create } from './create.js';
import { cursorAfter, isText, sendEvents, streamBehind } from './live.js';
import { readFrom } from './read.js';
import { Refusal } from './refusal.js';
import { remove, removeExpired } from './remove.js';
import { appendOf, creationOf, offsetOf, readOf } from './requests.js';
import { expiryOf, openStore, presentStream, WITHOUT_WAITING } from './store.js';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('./refusal.js').Headers} Headers
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 * @typedef {{ status: number, headers?: Headers, body?: Uint8Array | string }} Answer
 * @typedef {{ longPollMs: number, eventsMs: number }} Waits
 */

const BODY_BYTES_MAX = 16 * 1024 * 1024;

const FOR_BROWSERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
};

/** @type {Record<string, (store: Store, path: string, request: Request, body: Uint8Array) => Answer>} */
const HANDLERS = {
  OPTIONS: () => ({
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE',
      'Access-Control-Allow-Headers': '*',
    },
  }),

  PUT(store, path, { headers }, body) {
    const { stream, isNew } = create(store, path, creationOf(headers), body);
    const location = isNew ? { Location: `http://${headers.host}${path}` } : {};
    return {
      status: isNew ? 201 : 200,
      headers: { 'Content-Type': stream.contentType, ...tailOf(stream), ...location },
    };
  },

  POST(store, path, { headers }, body) {
    const { stream, accepted, isNew } = append(store, path, appendOf(headers), body);
    const producer = accepted && {
      'Producer-Epoch': String(accepted.epoch),
      'Producer-Seq': String(accepted.seq),
    };
    return { status: isNew && accepted ? 200 : 204, headers: { ...tailOf(stream), ...producer } };
  },

  HEAD(store, path) {
    const stream = presentStream(store.streams.get(path));
    const { ttlSeconds, expiresAt } = stream;
    return {
      status: 200,
      headers: {
        'Content-Type': stream.contentType,
        'Cache-Control': 'no-store',
        ...tailOf(stream),
        ...(ttlSeconds === null ? {} : { 'Stream-TTL': String(ttlSeconds) }),
        ...(expiresAt === null ? {} : { 'Stream-Expires-At': new Date(expiresAt).toISOString() }),
      },
    };
  },

  DELETE(store, path) {
    remove(store, path);
    return { status: 204 };
  },
};

/** Returns where a stream ends, and whether for good. @returns {Headers} */
function tailOf(/** @type {Stream} */ { tail, isClosed }) {
  const headers = { 'Stream-Next-Offset': offsetOf(tail) };
  return isClosed ? { ...headers, 'Stream-Closed': 'true' } : headers;
}

/**
 * Answers a GET, or sends events and returns `undefined`.
 *
 * @param {Store} store
 * @param {string} path
 * @param {string} query
 * @param {Request} request
 * @param {Response} response
 * @param {Waits} waits
 * @returns {Promise<Answer | undefined>}
 */
async function read(store, path, query, request, response, waits) {
  const { offset, position: wanted, live, cursor } = readOf(new URLSearchParams(query));
  let stream = presentStream(store.streams.get(path));
  // Each read begins a time to live anew.
  if (stream.ttlSeconds !== null) store.streams.touch(path, { ...expiryOf(stream), ...WITHOUT_WAITING });
  const position = wanted === 'now' ? stream.tail : wanted;
  const { contentType } = stream;

  if (live === 'sse') {
    const encoding = isText(contentType) ? {} : { 'Stream-SSE-Data-Encoding': 'base64' };
    response.writeHead(200, {
      ...FOR_BROWSERS,
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      ...encoding,
    });
    await sendEvents(store, path, position, cursor, response, leaving(response, waits.eventsMs));
    response.end();
    return undefined;
  }

  const moving = live === null ? {} : { 'Stream-Cursor': cursorAfter(cursor) };
  if (live === 'long-poll') {
    if (position >= stream.tail && !stream.isClosed) {
      const signal = leaving(response, waits.longPollMs);
      stream = (await streamBehind(store, path, position, signal)) ?? stream;
    }
    if (position >= stream.tail)
      return { status: 204, headers: { ...tailOf(stream), ...moving, 'Stream-Up-To-Date': 'true' } };
  }

  const { contents, next, isUpToDate } = readFrom(store, stream, position);
  const isEnd = isUpToDate && stream.isClosed;
  const etag = `"${stream.id}:${position}:${next}${isEnd ? ':c' : ''}"`;
  const caching =
    offset === 'now' ? { 'Cache-Control': 'no-store' } : { 'Cache-Control': 'no-cache', ETag: etag };
  if (offset !== 'now' && request.headers['if-none-match'] === etag) return { status: 304, headers: caching };
  return {
    status: 200,
    headers: {
      'Content-Type': contentType,
      'Stream-Next-Offset': offsetOf(next),
      ...caching,
      ...moving,
      ...(isUpToDate ? { 'Stream-Up-To-Date': 'true' } : {}),
      ...(isEnd ? { 'Stream-Closed': 'true' } : {}),
    },
    body: bodyOf(contentType, contents),
  };
}

/** Returns a signal that is aborted when the client leaves, or has waited for so long. */
function leaving(/** @type {Response} */ response, /** @type {number} */ waitMs) {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  return AbortSignal.any([gone.signal, AbortSignal.timeout(waitMs)]);
}

/** Reads the body of a request. @returns {Promise<Uint8Array>} */
function bodyOfRequest(/** @type {Request} */ request) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = [];
    let bytes = 0;
    request.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    request.on('end', () => {
      if (bytes > BODY_BYTES_MAX) reject(new Refusal(413, 'The body is too long'));
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('error', () => reject(new Refusal(400, 'The client has left')));
  });
}

/** Returns the server of the streams. */
export function serve(/** @type {Store} */ store, /** @type {Waits} */ waits) {
  /** @returns {Promise<Answer | undefined>} */
  const answerTo = async (/** @type {Request} */ request, /** @type {Response} */ response) => {
    const { method = '', url = '/' } = request;
    const [path = '/', query = ''] = url.split('?', 2);
    if (method === 'GET') return read(store, path, query, request, response, waits);
    const handler = HANDLERS[method];
    if (handler === undefined) throw new Refusal(405, 'There is no such method');
    return handler(store, path, request, await bodyOfRequest(request));
  };
  const server = createServer(async (request, response) => {
    let answer = await answerTo(request, response).catch(refusalOf);
    // A refusal waits as well: what it says may come from a write that is not durable yet.
    await store.db.flush(store.db.lastLsn).catch((error) => {
      answer = refusalOf(error);
    });
    if (answer === undefined || response.headersSent) response.end();
    else response.writeHead(answer.status, { ...FOR_BROWSERS, ...answer.headers }).end(answer.body);
  });
  // Longer than clients and proxies keep a connection, so that none is closed under a request.
  server.keepAliveTimeout = 75_000;
  return server;
}

/** @returns {Answer} */
function refusalOf(/** @type {unknown} */ error) {
  if (!(error instanceof Refusal)) {
    console.error(error);
    return { status: 500 };
  }
  return {
    status: error.status,
    headers: { 'Content-Type': 'text/plain', ...error.headers },
    body: error.message,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [directory = './durable-streams', port = '4437', longPollMs = '20000'] = process.argv.slice(2);
  const store = await openStore(directory);
  removeExpired(store).catch((error) => console.error(error));
  const server = serve(store, { longPollMs: Number(longPollMs), eventsMs: 60_000 }).listen(
    Number(port),
    '127.0.0.1',
  );
  await once(server, 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`http://127.0.0.1:${address.port}`);
}
