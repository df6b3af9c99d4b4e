// @ts-check
// Answers a read: what is behind an offset, at once, when it comes (long-poll), or again and again (server-sent events).

import { bodyOf } from './contents.js';
import { cursorAfter, isText, sendEvents, streamBehind } from './live.js';
import { readFrom } from './read.js';
import { offsetOf, readOf } from './requests.js';
import { expiryOf, presentStream, WITHOUT_WAITING } from './store.js';

/**
 * @typedef {import('./answers.js').Answer} Answer
 * @typedef {import('./answers.js').Request} Request
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 */

const EVENTS_MS = 60_000;

/** @returns {Promise<Answer>} */
export async function get(/** @type {Store} */ store, /** @type {Request} */ request) {
  const { path, headers, leaving } = request;
  const { position: wanted, live, cursor } = readOf(new URLSearchParams(request.query));
  let stream = presentStream(store.streams.get(path));
  // Each read begins a time to live anew.
  if (stream.ttlSeconds !== null) store.streams.touch(path, { ...expiryOf(stream), ...WITHOUT_WAITING });
  const isNow = wanted === 'now';
  const position = isNow ? stream.tail : wanted;

  if (live === 'sse')
    return {
      status: 200,
      headers: {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-cache',
        ...(isText(stream.contentType) ? {} : { 'Stream-SSE-Data-Encoding': 'base64' }),
      },
      send: (response) => sendEvents(store, path, position, cursor, response, leaving(EVENTS_MS)),
    };

  if (live === 'long-poll' && position >= stream.tail && !stream.isClosed)
    stream = (await streamBehind(store, path, position, leaving(request.longPollMs))) ?? stream;
  const { contents, next, isUpToDate } = readFrom(store, stream, position);
  const isEnd = isUpToDate && stream.isClosed;
  const place = {
    'Stream-Next-Offset': offsetOf(next),
    ...(live === null ? {} : { 'Stream-Cursor': cursorAfter(cursor) }),
    ...(isUpToDate ? { 'Stream-Up-To-Date': 'true' } : {}),
    ...(isEnd ? { 'Stream-Closed': 'true' } : {}),
  };
  if (live === 'long-poll' && contents.length === 0) return { status: 204, headers: place };

  // An answer to "now" is old at once. Any other may be kept, and asked for again by its tag.
  const etag = `"${stream.id}:${position}:${next}${isEnd ? ':c' : ''}"`;
  const caching = isNow ? { 'Cache-Control': 'no-store' } : { 'Cache-Control': 'no-cache', ETag: etag };
  if (!isNow && headers['if-none-match'] === etag) return { status: 304, headers: caching };
  return {
    status: 200,
    headers: { 'Content-Type': stream.contentType, ...place, ...caching },
    body: bodyOf(stream.contentType, contents),
  };
}
