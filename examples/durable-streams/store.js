// @ts-check
// What the server keeps in Keelson. A stream expires with its entry; remove.js then removes what belongs to it.
//
//   streams    path             the state of a stream
//   messages   [stream, end]    the content of an append; `end` is the position behind it
//   producers  [stream, name]   the last append of an idempotent producer
//   owners     [path, stream]   each stream that has messages, and the owner that it was forked from
//   forks      [stream, fork]   who inherits the messages of a stream
//
//   subscriptions  id             who is told that streams have grown
//   links          [id, path]     a stream of a subscription, and how far it is acknowledged
//   leases         id             the wake that somebody works on, until the lease expires

import { msgpack, open, tuple } from 'keelson';
import { Refusal } from './refusal.js';
import { newSecrets, secretsOf } from './subscriptions/secrets.js';

/**
 * @typedef {import('./requests.js').Producer} Producer
 * @typedef {{ epoch: number, seq: number }} Accepted The last append of a producer.
 * @typedef {{ id: number, until: number }} Part Messages of a stream, up to a position.
 * @typedef {import('./subscriptions/subscriptions.js').Subscription} Subscription
 * @typedef {import('./subscriptions/subscriptions.js').Link} Link
 * @typedef {[path: string, stream: number]} Owner
 * @typedef {[stream: number, end: number]} MessageKey
 * @typedef {object} Stream
 * @property {number} id
 * @property {string} contentType
 * @property {number} tail The position behind the last byte.
 * @property {readonly Part[]} inherited
 * @property {{ from: string, at: number, sub: number } | null} fork
 * @property {number | null} ttlSeconds
 * @property {number | null} expiresAt In milliseconds since 1970.
 * @property {string | null} seq The highest Stream-Seq.
 * @property {boolean} isClosed
 * @property {Producer | null} closedBy
 * @property {boolean} isGone Deleted, and kept for its forks.
 * @typedef {Awaited<ReturnType<typeof openStore>>} Store
 */

/** The server waits for the disk once, before it answers. */
export const WITHOUT_WAITING = /** @type {const} */ ({ durability: 'memory' });

/** Opens the store and its namespaces. */
export async function openStore(/** @type {string} */ directory) {
  const db = await open(directory);
  const keys = {
    message: /** @type {typeof tuple<MessageKey>} */ (tuple)(),
    producer: /** @type {typeof tuple<[stream: number, name: string]>} */ (tuple)(),
    owner: /** @type {typeof tuple<Owner>} */ (tuple)(),
    fork: /** @type {typeof tuple<[stream: number, fork: number]>} */ (tuple)(),
    link: /** @type {typeof tuple<[subscription: string, path: string]>} */ (tuple)(),
  };
  const values = {
    stream: /** @type {typeof msgpack<Stream>} */ (msgpack)(),
    accepted: /** @type {typeof msgpack<Accepted>} */ (msgpack)(),
    source: /** @type {typeof msgpack<Owner | null>} */ (msgpack)(),
    nothing: /** @type {typeof msgpack<null>} */ (msgpack)(),
    subscription: /** @type {typeof msgpack<Subscription>} */ (msgpack)(),
    link: /** @type {typeof msgpack<Link>} */ (msgpack)(),
    generation: /** @type {typeof msgpack<number>} */ (msgpack)(),
    secrets: /** @type {typeof msgpack<ReturnType<typeof newSecrets>>} */ (msgpack)(),
  };
  const secrets = db.namespace('secrets', { valueEncoding: values.secrets });
  if (!secrets.has('server')) await secrets.put('server', newSecrets());
  return {
    db,
    secrets: secretsOf(/** @type {ReturnType<typeof newSecrets>} */ (secrets.get('server'))),
    streams: db.namespace('streams', { valueEncoding: values.stream }),
    messages: db.namespace('messages', { keyEncoding: keys.message, valueEncoding: 'bytes' }),
    producers: db.namespace('producers', { keyEncoding: keys.producer, valueEncoding: values.accepted }),
    owners: db.namespace('owners', { keyEncoding: keys.owner, valueEncoding: values.source }),
    forks: db.namespace('forks', { keyEncoding: keys.fork, valueEncoding: values.nothing }),
    subscriptions: db.namespace('subscriptions', { valueEncoding: values.subscription }),
    links: db.namespace('links', { keyEncoding: keys.link, valueEncoding: values.link }),
    leases: db.namespace('leases', { valueEncoding: values.generation }),
  };
}

/** Returns the stream that a client sees. Refuses with 404 or 410. */
export function presentStream(/** @type {Stream | undefined} */ stream) {
  if (stream === undefined) throw new Refusal(404, 'There is no such stream');
  if (stream.isGone) throw new Refusal(410, 'The stream is deleted');
  return stream;
}

/** Returns the deadline that is put with a stream. @returns {import('keelson').ExpiryOptions} */
export function expiryOf(/** @type {Stream} */ { ttlSeconds, expiresAt }) {
  if (ttlSeconds === 0) return { expiresAt: 1 };
  if (ttlSeconds !== null) return { ttl: ttlSeconds * 1000 };
  return expiresAt === null ? {} : { expiresAt };
}
