// @ts-check
// A server of Durable Streams: append-only streams over HTTP that a client reads on from where it was, live if it
// likes (https://github.com/durable-streams/durable-streams).
//
//     node examples/durable-streams/server.js [directory] [port] [longest long-poll in ms]
//
// An answer is sent when everything that it says is on disk. All requests that wait at a moment share one flush.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { ANSWERS } from './answers.js';
import { Refusal } from './refusal.js';
import { removeExpired } from './remove.js';
import { openStore } from './store.js';
import { answerReserved, isReserved } from './subscriptions/answers.js';
import { tellOfWakes } from './subscriptions/wakes.js';

/**
 * @typedef {import('node:http').IncomingMessage} IncomingMessage
 * @typedef {import('node:http').ServerResponse} ServerResponse
 * @typedef {import('./answers.js').Answer} Answer
 * @typedef {import('./store.js').Store} Store
 */

const BODY_BYTES_MAX = 16 * 1024 * 1024;

const FOR_BROWSERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
};

/** Returns the server of the streams in a store. */
function serve(/** @type {Store} */ store, /** @type {number} */ longPollMs) {
  const server = createServer(async (incoming, response) => {
    let answer = await answerTo(store, longPollMs, incoming, response).catch(refusalOf);
    // A refusal waits as well: what it says may come from a write that is not durable yet.
    await store.db.flush(store.db.lastLsn).catch((error) => {
      answer = refusalOf(error);
    });
    response.writeHead(answer.status, { ...FOR_BROWSERS, ...answer.headers });
    await answer.send?.(response).catch(refusalOf);
    response.end(answer.body);
  });
  // Longer than clients and proxies keep a connection, so that none is closed under a request.
  server.keepAliveTimeout = 75_000;
  return server;
}

/**
 * @param {Store} store
 * @param {number} longPollMs
 * @param {IncomingMessage} incoming
 * @param {ServerResponse} response
 */
async function answerTo(store, longPollMs, incoming, response) {
  const { method = '', url = '/', headers } = incoming;
  const [path = '/', query = ''] = url.split('?', 2);
  const body = await bodyOf(incoming);
  const answer = ANSWERS[method];
  if (answer === undefined) throw new Refusal(405, 'There is no such method');
  const leaving = (/** @type {number} */ waitMs) => leavingSignal(response, waitMs);
  const request = { path, query, headers, body, longPollMs, leaving };
  if (isReserved(path) && method !== 'OPTIONS') return answerReserved(store, method, request);
  return answer(store, request);
}

function leavingSignal(/** @type {ServerResponse} */ response, /** @type {number} */ waitMs) {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  return AbortSignal.any([gone.signal, AbortSignal.timeout(waitMs)]);
}

/** Reads the body of a request. @returns {Promise<Uint8Array>} */
function bodyOf(/** @type {IncomingMessage} */ incoming) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = [];
    let bytes = 0;
    incoming.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    incoming.on('end', () => {
      if (bytes > BODY_BYTES_MAX) reject(new Refusal(413, 'The body is too long'));
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    incoming.on('error', () => reject(new Refusal(400, 'The client has left')));
  });
}

/** Returns the answer to a request that failed. @returns {Answer} */
function refusalOf(/** @type {unknown} */ error) {
  if (!(error instanceof Refusal)) {
    console.error(error);
    return { status: 500 };
  }
  const { status, headers, message } = error;
  return { status, headers: { 'Content-Type': 'text/plain', ...headers }, body: message };
}

const [directory = './durable-streams', port = '4437', longPollMs = '20000'] = process.argv.slice(2);
const store = await openStore(directory);
removeExpired(store).catch((error) => console.error(error));
const server = serve(store, Number(longPollMs)).listen(Number(port), '127.0.0.1');
await once(server, 'listening');
const address = /** @type {import('node:net').AddressInfo} */ (server.address());
const origin = `http://127.0.0.1:${address.port}`;
tellOfWakes(store, origin).catch((error) => console.error(error));
console.log(origin);
