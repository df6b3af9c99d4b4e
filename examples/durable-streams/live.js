// @ts-check
// Live reads. Each is one loop over watch(): the server keeps no list of clients. A state is told when it is durable,
// so no client sees a message that a power cut could take back.

import { once } from 'node:events';
import { bodyOf, isJson, mediaType } from './contents.js';
import { readFrom } from './read.js';
import { offsetOf } from './requests.js';
import { presentStream } from './store.js';

/**
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 */

const CURSOR_EPOCH = Date.parse('2024-10-09');
const CURSOR_INTERVAL_MS = 20_000;
const JITTER_INTERVALS_MAX = 180;

/** Returns the number of the present interval of time, and more than the client's: an endless loop in a cache ends. */
export function cursorAfter(/** @type {string | null} */ cursor) {
  const now = Math.floor((Date.now() - CURSOR_EPOCH) / CURSOR_INTERVAL_MS);
  const last = Number(cursor ?? -1);
  if (!(last >= now)) return String(now);
  return String(last + 1 + Math.floor(Math.random() * JITTER_INTERVALS_MAX));
}

/**
 * Returns the stream when it has something behind the position, or is closed, and `undefined` when the signal is aborted.
 *
 * @param {Store} store
 * @param {string} path
 * @param {number} position
 * @param {AbortSignal} signal
 */
export async function streamBehind(store, path, position, signal) {
  for await (const { entry } of store.streams.watch(path, { signal })) {
    const stream = presentStream(entry?.value);
    if (stream.tail > position || stream.isClosed) return stream;
  }
  return undefined;
}

/** Tells whether server-sent events carry the contents as text, and not as base64. */
export const isText = (/** @type {string} */ contentType) =>
  isJson(contentType) || mediaType(contentType).startsWith('text/');

/**
 * Sends the contents of a stream as server-sent events until the stream ends or the signal is aborted.
 *
 * @param {Store} store
 * @param {string} path
 * @param {number} position
 * @param {string | null} cursor
 * @param {import('node:http').ServerResponse} response
 * @param {AbortSignal} signal
 */
export async function sendEvents(store, path, position, cursor, response, signal) {
  // One decoder for the connection, because a character may be split between two appends.
  const decoder = new TextDecoder();
  let isFirst = true;
  for await (const { entry } of store.streams.watch(path, { signal })) {
    const stream = entry?.value;
    if (stream === undefined || stream.isGone) break;
    while (isFirst || position < stream.tail || stream.isClosed) {
      isFirst = false;
      const { contents, next, isUpToDate } = readFrom(store, stream, position);
      position = next;
      if (contents.length > 0) response.write(eventOf('data', dataOf(stream, contents, decoder)));
      const isEnd = isUpToDate && stream.isClosed;
      const control = isEnd ? { streamClosed: true } : { streamCursor: cursorAfter(cursor) };
      const upToDate = isUpToDate ? { upToDate: true } : {};
      const text = JSON.stringify({ streamNextOffset: offsetOf(position), ...control, ...upToDate });
      const hasRoom = response.write(eventOf('control', text));
      if (isEnd) return;
      // Without this, everything that a slow client has not read yet would gather in memory.
      if (!hasRoom) await once(response, 'drain', { signal }).catch(() => {});
      if (signal.aborted) return;
    }
  }
}

/** Returns contents as the text of an event. */
function dataOf(
  /** @type {Stream} */ { contentType },
  /** @type {readonly Uint8Array[]} */ contents,
  /** @type {InstanceType<typeof TextDecoder>} */ decoder,
) {
  const body = bodyOf(contentType, contents);
  return isText(contentType) ? decoder.decode(body, { stream: true }) : body.toString('base64');
}

/** Writes an event. Each line of the data gets a prefix of its own, so no data can pretend to be an event. */
function eventOf(/** @type {string} */ type, /** @type {string} */ data) {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data:${line.startsWith(' ') ? ' ' : ''}${line}\n`);
  return `event: ${type}\n${lines.join('')}\n`;
}
