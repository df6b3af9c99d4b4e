// @ts-check
// What a request says: its headers and its query as checked values. Whatever is malformed is refused with 400. Pure.

import { Refusal } from './refusal.js';

/**
 * @typedef {import('node:http').IncomingHttpHeaders} RequestHeaders
 * @typedef {{ id: string, epoch: number, seq: number }} Producer
 * @typedef {{ from: string, at: number | undefined, sub: number }} Fork `at`: `undefined` is the tail of the source.
 * @typedef {{ contentType: string | undefined, ttlSeconds: number | undefined, expiresAt: number | undefined,
 *   isClosed: boolean, fork: Fork | undefined }} Creation
 * @typedef {{ contentType: string | undefined, seq: string | undefined, isClosed: boolean,
 *   producer: Producer | undefined }} Append
 * @typedef {{ position: number | 'now', live: 'long-poll' | 'sse' | null, cursor: string | null }} Read
 */

const OFFSET_DIGITS = 16;

/** Writes a position as an offset. Offsets sort as text. The first half is free for a server that has segments. */
export function offsetOf(/** @type {number} */ position) {
  return `${'0'.repeat(OFFSET_DIGITS)}_${String(position).padStart(OFFSET_DIGITS, '0')}`;
}

/** Reads an offset that this server has written. */
export function positionOf(/** @type {string} */ offset) {
  const match = /^0{16}_(\d{16})$/.exec(offset);
  if (match === null) throw new Refusal(400, 'The offset is malformed');
  return Number(match[1]);
}

/** Returns a header as text, or `undefined`. */
export function textOf(/** @type {RequestHeaders} */ headers, /** @type {string} */ name) {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Returns the value of a header that is a whole number in its shortest form, or `undefined`. */
function integerOf(/** @type {RequestHeaders} */ headers, /** @type {string} */ name) {
  const text = textOf(headers, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^(0|[1-9]\d*)$/.test(text) || !Number.isSafeInteger(value))
    throw new Refusal(400, `${name} is no whole number`);
  return value;
}

const isClosed = (/** @type {RequestHeaders} */ headers) =>
  textOf(headers, 'stream-closed')?.toLowerCase() === 'true';

/** Reads the headers of a PUT. @returns {Creation} */
export function creationOf(/** @type {RequestHeaders} */ headers) {
  const ttlSeconds = integerOf(headers, 'stream-ttl');
  const expires = textOf(headers, 'stream-expires-at');
  if (ttlSeconds !== undefined && expires !== undefined)
    throw new Refusal(400, 'Stream-TTL and Stream-Expires-At exclude each other');
  const expiresAt = expires === undefined ? undefined : Date.parse(expires);
  if (expires !== undefined && (!/^\d{4}-\d\d-\d\dT/.test(expires) || Number.isNaN(expiresAt)))
    throw new Refusal(400, 'Stream-Expires-At is no RFC 3339 timestamp');
  return {
    contentType: textOf(headers, 'content-type')?.trim() || undefined,
    ttlSeconds,
    expiresAt,
    isClosed: isClosed(headers),
    fork: forkOf(headers),
  };
}

/** @returns {Fork | undefined} */
function forkOf(/** @type {RequestHeaders} */ headers) {
  const from = textOf(headers, 'stream-forked-from');
  const offset = textOf(headers, 'stream-fork-offset');
  const sub = integerOf(headers, 'stream-fork-sub-offset');
  if (from !== undefined)
    return { from, at: offset === undefined ? undefined : positionOf(offset), sub: sub ?? 0 };
  if (offset !== undefined || sub !== undefined)
    throw new Refusal(400, 'A fork offset needs Stream-Forked-From');
  return undefined;
}

/** Reads the headers of a POST. @returns {Append} */
export function appendOf(/** @type {RequestHeaders} */ headers) {
  return {
    contentType: textOf(headers, 'content-type'),
    seq: textOf(headers, 'stream-seq'),
    isClosed: isClosed(headers),
    producer: producerOf(headers),
  };
}

/** @returns {Producer | undefined} */
function producerOf(/** @type {RequestHeaders} */ headers) {
  const id = textOf(headers, 'producer-id');
  const epoch = integerOf(headers, 'producer-epoch');
  const seq = integerOf(headers, 'producer-seq');
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  if (!id || epoch === undefined || seq === undefined)
    throw new Refusal(400, 'Producer-Id, Producer-Epoch and Producer-Seq go together');
  return { id, epoch, seq };
}

/** Reads the query of a GET. @returns {Read} */
export function readOf(/** @type {URLSearchParams} */ query) {
  const offsets = query.getAll('offset');
  const live = query.get('live');
  if (offsets.length > 1) throw new Refusal(400, 'There is more than one offset');
  const [offset = '-1'] = offsets;
  const isLive = live === 'long-poll' || live === 'sse';
  if (isLive && offsets.length === 0) throw new Refusal(400, 'A live read needs an offset');
  const position = offset === '-1' ? 0 : offset === 'now' ? 'now' : positionOf(offset);
  return { position, live: isLive ? live : null, cursor: query.get('cursor') };
}
