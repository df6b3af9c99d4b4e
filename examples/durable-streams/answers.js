// @ts-check
// The answer to each method.

import { append } from './append.js';
import { create } from './create.js';
import { get } from './get.js';
import { remove } from './remove.js';
import { appendOf, creationOf, offsetOf } from './requests.js';
import { presentStream } from './store.js';

/**
 * @typedef {import('./store.js').Store} Store
 * @typedef {object} Request
 * @property {string} path
 * @property {string} query
 * @property {import('node:http').IncomingHttpHeaders} headers
 * @property {Uint8Array} body
 * @property {number} longPollMs
 * @property {(waitMs: number) => AbortSignal} leaving Aborted when the client has left, or has waited for so long.
 * @typedef {object} Answer
 * @property {number} status
 * @property {import('./refusal.js').Headers} [headers]
 * @property {Uint8Array | string} [body]
 * @property {(response: import('node:http').ServerResponse) => Promise<void>} [send] Sends a body piece by piece.
 */

/** @type {Record<string, (store: Store, request: Request) => Answer | Promise<Answer>>} */
export const ANSWERS = {
  GET: get,

  PUT(store, { path, headers, body }) {
    const { stream, isNew } = create(store, path, creationOf(headers), body);
    const location = isNew ? { Location: `http://${headers.host}${path}` } : {};
    return {
      status: isNew ? 201 : 200,
      headers: { 'Content-Type': stream.contentType, ...tailOf(stream), ...location },
    };
  },

  POST(store, { path, headers, body }) {
    const { stream, accepted, isNew } = append(store, path, appendOf(headers), body);
    const producer = accepted && {
      'Producer-Epoch': String(accepted.epoch),
      'Producer-Seq': String(accepted.seq),
    };
    return { status: isNew && accepted ? 200 : 204, headers: { ...tailOf(stream), ...producer } };
  },

  HEAD(store, { path }) {
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

  DELETE(store, { path }) {
    remove(store, path);
    return { status: 204 };
  },

  OPTIONS: () => ({
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE',
      'Access-Control-Allow-Headers': '*',
    },
  }),
};

/** Returns where a stream ends, and whether for good. @returns {import('./refusal.js').Headers} */
function tailOf(/** @type {import('./store.js').Stream} */ { tail, isClosed }) {
  const headers = { 'Stream-Next-Offset': offsetOf(tail) };
  return isClosed ? { ...headers, 'Stream-Closed': 'true' } : headers;
}
