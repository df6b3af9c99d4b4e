// @ts-check
// What a request for a subscription asks: checked values. Whatever is malformed is refused. Pure.

import { isIP } from 'node:net';
import picomatch from 'picomatch';
import { Refusal } from '../refusal.js';

/**
 * @typedef {object} Config
 * @property {'webhook' | 'pull-wake'} type
 * @property {string | null} pattern Of paths below the root: `*` is one part of a path, `**` any number.
 * @property {string[]} streams Paths below the root.
 * @property {string | null} url
 * @property {string | null} wakeStream A path below the root.
 * @property {number} leaseMs
 * @property {string | null} description
 * @typedef {{ stream: string, offset: unknown }} Acknowledgement
 * @typedef {{ wakeId: unknown, generation: unknown, acks: Acknowledgement[], isDone: boolean }} Report
 */

const LEASE_MS = 30_000;
const LEASE_MS_MIN = 1000;
const LEASE_MS_MAX = 600_000;
const STREAMS_MAX = 1000;

/** Returns a refusal that carries its code as JSON. */
export function refused(
  /** @type {number} */ status,
  /** @type {string} */ code,
  /** @type {string} */ message,
  facts = {},
) {
  const body = JSON.stringify({ error: { code, message, ...facts } });
  return new Refusal(status, body, { 'Content-Type': 'application/json' });
}

const malformed = (/** @type {string} */ message) => refused(400, 'INVALID_REQUEST', message);

/** Reads a body that is a JSON object. An empty body is an empty object. @returns {Record<string, unknown>} */
export function objectOf(/** @type {Uint8Array} */ body) {
  let value;
  try {
    value = body.length === 0 ? {} : JSON.parse(Buffer.from(body).toString());
  } catch {
    throw malformed('The body is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('The body is no JSON object');
  return value;
}

/** Returns a path without slashes at its ends. */
export const trimmed = (/** @type {string} */ path) => path.replace(/^\/+|\/+$/g, '');

/** Returns a text that is not empty. @returns {string} */
export function textOf(/** @type {unknown} */ value, /** @type {string} */ name) {
  if (typeof value !== 'string' || value === '') throw malformed(`${name} is no text`);
  return value;
}

/** Returns paths of streams. @returns {string[]} */
export function pathsOf(/** @type {unknown} */ value) {
  if (!Array.isArray(value) || value.length > STREAMS_MAX)
    throw malformed(`streams is no list of at most ${STREAMS_MAX} paths`);
  return value.map((path) => trimmed(textOf(path, 'A stream')));
}

/** Reads the body of a PUT. @returns {Config} */
export function configOf(/** @type {Record<string, unknown>} */ body) {
  const { type, pattern, streams = [], webhook, wake_stream, lease_ttl_ms = LEASE_MS, description } = body;
  if (type !== 'webhook' && type !== 'pull-wake') throw malformed('type is neither webhook nor pull-wake');
  /** @type {Config} */
  const config = {
    type,
    pattern: pattern === undefined ? null : trimmed(textOf(pattern, 'pattern')),
    streams: [...new Set(pathsOf(streams))].sort(),
    url: type === 'webhook' ? webhookUrl(/** @type {{ url?: unknown } | undefined} */ (webhook)?.url) : null,
    wakeStream: type === 'webhook' ? null : trimmed(textOf(wake_stream, 'wake_stream')),
    leaseMs: Number.isInteger(lease_ttl_ms) ? Number(lease_ttl_ms) : 0,
    description: typeof description === 'string' ? description : null,
  };
  if (config.pattern === null && config.streams.length === 0)
    throw malformed('There is neither a pattern nor a stream');
  if (config.leaseMs < LEASE_MS_MIN || config.leaseMs > LEASE_MS_MAX)
    throw malformed(`lease_ttl_ms is no whole number from ${LEASE_MS_MIN} to ${LEASE_MS_MAX}`);
  return config;
}

/** Returns where to send webhooks: HTTPS to a name or a public address, or HTTP to this machine. */
function webhookUrl(/** @type {unknown} */ text) {
  const rejected = (/** @type {string} */ message) => refused(400, 'WEBHOOK_URL_REJECTED', message);
  if (!URL.canParse(textOf(text, 'webhook.url'))) throw rejected('webhook.url is no URL');
  const url = new URL(String(text));
  const isHere = url.hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
  if (url.protocol === 'http:' && isHere) return url.href;
  if (url.protocol !== 'https:') throw rejected('Only webhooks to this machine may do without https');
  if (isHere || isIP(url.hostname) === 4 || url.hostname.startsWith('['))
    throw rejected('A webhook over https needs the name of a host');
  return url.href;
}

/** Reads the body of a callback, an ack or a release. @returns {Report} */
export function reportOf(/** @type {Record<string, unknown>} */ { wake_id, generation, acks = [], done }) {
  if (!Array.isArray(acks)) throw malformed('acks is no list');
  return {
    wakeId: wake_id,
    generation,
    acks: acks.map((ack) => ({
      stream: trimmed(textOf(ack?.stream ?? ack?.path, 'The stream of an ack')),
      offset: ack.offset,
    })),
    isDone: done === true,
  };
}

/** Tells whether a pattern has a path. */
export const isMatch = (/** @type {string} */ pattern, /** @type {string} */ path) =>
  picomatch.isMatch(path, pattern, { dot: true, nobrace: true, noextglob: true, nonegate: true });
