// @ts-check
// Creates streams and forks. A fork inherits messages by reference: it lists whose messages it begins with.

import { beginningOf, contentOf, mediaType } from './contents.js';
import { partsUntil, readFrom } from './read.js';
import { Refusal } from './refusal.js';
import { expiryOf, WITHOUT_WAITING } from './store.js';

/**
 * @typedef {import('./requests.js').Creation} Creation
 * @typedef {import('./requests.js').Fork} Fork
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 */

const DEFAULT_TYPE = 'application/octet-stream';
const NOTHING = Buffer.alloc(0);

/**
 * Creates a stream, or finds one that was created in the same way.
 *
 * @param {Store} store
 * @param {string} path
 * @param {Creation} wanted
 * @param {Uint8Array} body
 */
export function create(store, path, wanted, body) {
  const existing = store.streams.get(path);
  if (existing !== undefined) {
    if (existing.isGone || !isAsWanted(existing, wanted)) throw new Refusal(409, 'There is another stream');
    return { stream: existing, isNew: false };
  }
  const { stream, source, prefix } = wanted.fork
    ? forked(store, wanted, wanted.fork)
    : { stream: empty(wanted, DEFAULT_TYPE), source: undefined, prefix: NOTHING };
  const { messages, owners, forks, streams } = store;
  const id = store.db.nextId();
  let { tail } = stream;
  /** @type {import('keelson').BatchOperation<unknown, unknown>[]} */
  const operations = [];
  for (const content of [prefix, contentOf(stream.contentType, body)]) {
    if (content.length === 0) continue;
    tail += content.length;
    operations.push({ type: 'put', namespace: messages, key: [id, tail], value: content });
  }
  const created = { ...stream, id, tail };
  operations.push({ type: 'put', namespace: streams, key: path, value: created, ...expiryOf(created) });
  operations.push({ type: 'put', namespace: owners, key: [path, id], value: source ?? null });
  if (source) operations.push({ type: 'put', namespace: forks, key: [source[1], id], value: null });
  store.db.batch(/** @type {never} */ (operations), WITHOUT_WAITING);
  return { stream: created, isNew: true };
}

/** @returns {Stream} */
function empty(/** @type {Creation} */ { contentType, ttlSeconds, expiresAt, isClosed }, defaultType = '') {
  return {
    id: 0,
    contentType: contentType ?? defaultType,
    tail: 0,
    inherited: [],
    fork: null,
    ttlSeconds: ttlSeconds ?? null,
    expiresAt: expiresAt ?? null,
    seq: null,
    isClosed,
    closedBy: null,
    isGone: false,
  };
}

/** Returns a stream that inherits, and as its prefix what it inherits of a message. */
function forked(
  /** @type {Store} */ store,
  /** @type {Creation} */ wanted,
  /** @type {Fork} */ { from, at, sub },
) {
  const source = store.streams.get(from);
  if (source === undefined) throw new Refusal(404, 'There is no such source');
  if (source.isGone) throw new Refusal(409, 'The source is deleted');
  const stream = empty(wanted, source.contentType);
  if (mediaType(stream.contentType) !== mediaType(source.contentType))
    throw new Refusal(409, 'The source has another content type');
  const start = at ?? source.tail;
  if (start > source.tail) throw new Refusal(400, 'The fork offset is behind the tail of the source');
  const [next = NOTHING] = sub === 0 ? [] : readFrom(store, source, start).contents;
  const prefix = sub === 0 ? NOTHING : beginningOf(source.contentType, next, sub);
  if (prefix === undefined) throw new Refusal(400, 'The sub-offset is behind the next message');
  const { ttlSeconds, expiresAt } = isForEver(stream) ? source : stream;
  return {
    stream: {
      ...stream,
      tail: start,
      inherited: partsUntil(source, start),
      fork: { from, at: start, sub },
      ttlSeconds,
      expiresAt,
    },
    source: /** @type {import('./store.js').Owner} */ ([from, source.id]),
    prefix,
  };
}

const isForEver = (/** @type {Stream} */ { ttlSeconds, expiresAt }) =>
  ttlSeconds === null && expiresAt === null;

/** Tells whether a stream is what a repeated creation asks for. What it leaves out, a fork has inherited. */
function isAsWanted(/** @type {Stream} */ stream, /** @type {Creation} */ wanted) {
  const { fork } = wanted;
  const asked = empty(wanted, fork ? stream.contentType : DEFAULT_TYPE);
  const sameFork =
    fork === undefined || stream.fork === null
      ? fork === undefined && stream.fork === null
      : fork.from === stream.fork.from &&
        fork.sub === stream.fork.sub &&
        (fork.at ?? stream.fork.at) === stream.fork.at;
  const sameEnd =
    (fork !== undefined && isForEver(asked)) ||
    (asked.ttlSeconds === stream.ttlSeconds && asked.expiresAt === stream.expiresAt);
  const sameType = mediaType(asked.contentType) === mediaType(stream.contentType);
  return sameFork && sameEnd && sameType && asked.isClosed === stream.isClosed;
}
