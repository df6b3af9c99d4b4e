// @ts-check
// The streams in a Keelson store. Every operation is one turn of the event loop and one batch: it reads, decides, and
// writes, and nothing can come between. So there are no locks, and a crash leaves an append whole or not at all, with
// the state of its producer. Writes do not wait for the disk; the server does, before it answers.
//
//   streams    path             the state of a stream; expires with it
//   messages   [stream, end]    the content of an append; `end` is the position behind it
//   producers  [stream, name]   the last append of an idempotent producer
//   owners     [path, stream]   a stream that has messages, and the owner that it was forked from
//   forks      [stream, fork]   who inherits the messages of a stream

import { msgpack, open, tuple } from 'keelson';
import { beginningOf, contentOf, mediaType } from './contents.js';
import { isRepeated, refuseReplaced } from './producers.js';
import { Refusal } from './refusal.js';
import { offsetOf } from './requests.js';

/**
 * @typedef {import('./requests.js').Append} Append
 * @typedef {import('./requests.js').Creation} Creation
 * @typedef {import('./requests.js').Producer} Producer
 * @typedef {{ id: number, until: number }} Part Messages of a stream, up to a position.
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
 * @typedef {[path: string, stream: number]} Owner
 */

const WITHOUT_WAITING = /** @type {const} */ ({ durability: 'memory' });
const READ_BYTES_MAX = 1024 * 1024;

/** Opens the store and its namespaces. */
export async function openStreams(/** @type {string} */ directory) {
  const db = await open(directory);
  const idPairs = /** @type {typeof tuple<[stream: number, other: number]>} */ (tuple)();
  const idNames = /** @type {typeof tuple<[stream: number, name: string]>} */ (tuple)();
  const owners = /** @type {typeof tuple<Owner>} */ (tuple)();
  return new Streams(db, {
    streams: db.namespace('streams', { valueEncoding: /** @type {typeof msgpack<Stream>} */ (msgpack)() }),
    messages: db.namespace('messages', { keyEncoding: idPairs, valueEncoding: 'bytes' }),
    producers: db.namespace('producers', {
      keyEncoding: idNames,
      valueEncoding: /** @type {typeof msgpack<import('./producers.js').Accepted>} */ (msgpack)(),
    }),
    owners: db.namespace('owners', {
      keyEncoding: owners,
      valueEncoding: /** @type {typeof msgpack<Owner | null>} */ (msgpack)(),
    }),
    forks: db.namespace('forks', {
      keyEncoding: idPairs,
      valueEncoding: /** @type {typeof msgpack<null>} */ (msgpack)(),
    }),
  });
}

/**
 * @typedef {object} Namespaces
 * @property {import('keelson').Namespace<string, Stream>} streams
 * @property {import('keelson').Namespace<[stream: number, other: number], Uint8Array>} messages
 * @property {import('keelson').Namespace<[stream: number, name: string], import('./producers.js').Accepted>} producers
 * @property {import('keelson').Namespace<Owner, Owner | null>} owners
 * @property {import('keelson').Namespace<[stream: number, other: number], null>} forks
 */

export class Streams {
  /**
   * @param {import('keelson').Store<string, unknown>} db
   * @param {Namespaces} namespaces
   */
  constructor(db, namespaces) {
    this.db = db;
    this.spaces = namespaces;
  }

  /** Returns a stream. Refuses with 404 or 410. */
  get(/** @type {string} */ path) {
    return presentStream(this.spaces.streams.get(path));
  }

  /** Creates a stream, or finds one that was created in the same way. */
  create(/** @type {string} */ path, /** @type {Creation} */ wanted, /** @type {Uint8Array} */ body) {
    const existing = this.spaces.streams.get(path);
    if (existing !== undefined) {
      if (existing.isGone || !isAsWanted(existing, wanted))
        throw new Refusal(409, 'There is another stream');
      return { stream: existing, isNew: false };
    }
    const id = this.db.nextId();
    const { stream, owner, prefix } = this.#newStream(id, wanted);
    const content = contentOf(stream.contentType, body);
    /** @type {import('keelson').BatchOperation<string, unknown>[]} */
    const operations = [];
    for (const part of [prefix, content]) {
      if (part.length === 0) continue;
      stream.tail += part.length;
      operations.push(this.#put('messages', [id, stream.tail], part));
    }
    operations.push(this.#put('owners', [path, id], owner), this.#putStream(path, stream));
    if (owner !== null) operations.push(this.#put('forks', [owner[1], id], null));
    this.db.batch(operations, WITHOUT_WAITING);
    return { stream, isNew: true };
  }

  /** Returns a stream as wanted, with what it inherits: whole messages by reference, and the rest as its prefix. */
  #newStream(/** @type {number} */ id, /** @type {Creation} */ wanted) {
    const { contentType, ttlSeconds = null, expiresAt = null, isClosed } = wanted;
    const none = Buffer.alloc(0);
    /** @type {Stream} */
    const stream = {
      id,
      contentType: contentType ?? 'application/octet-stream',
      tail: 0,
      inherited: [],
      fork: null,
      ttlSeconds,
      expiresAt,
      seq: null,
      isClosed,
      closedBy: null,
      isGone: false,
    };
    if (wanted.fork === undefined) return { stream, owner: null, prefix: none };

    const { from, sub } = wanted.fork;
    const source = this.spaces.streams.get(from);
    if (source === undefined) throw new Refusal(404, 'There is no such source');
    if (source.isGone) throw new Refusal(409, 'The source is deleted');
    if (contentType !== undefined && mediaType(contentType) !== mediaType(source.contentType))
      throw new Refusal(409, 'The source has another content type');
    const at = wanted.fork.at ?? source.tail;
    if (at > source.tail) throw new Refusal(400, 'The fork offset is behind the tail of the source');
    stream.contentType = contentType ?? source.contentType;
    stream.tail = at;
    stream.fork = { from, at, sub };
    stream.inherited = partsUntil(source, at);
    if (ttlSeconds === null && expiresAt === null) {
      stream.ttlSeconds = source.ttlSeconds;
      stream.expiresAt = source.expiresAt;
    }
    const [next = none] = sub === 0 ? [] : this.read(source, at).contents;
    const prefix = sub === 0 ? none : beginningOf(source.contentType, next, sub);
    if (prefix === undefined) throw new Refusal(400, 'The sub-offset is behind the next message');
    return { stream, owner: /** @type {Owner} */ ([from, source.id]), prefix };
  }

  /** Appends a body, closes the stream, or both. Returns the stream, and what its producer has reached. */
  append(/** @type {string} */ path, /** @type {Append} */ append, /** @type {Uint8Array} */ body) {
    const stream = this.get(path);
    const { producer, seq, isClosed } = append;
    const last = producer && this.spaces.producers.get([stream.id, producer.id]);
    if (stream.isClosed) return this.#appendToClosed(stream, append, body, last);
    const content = this.#checkedContent(stream, append, body);
    if (producer !== undefined && isRepeated(producer, last)) return { stream, accepted: last, isNew: false };
    if (seq !== undefined && stream.seq !== null && seq <= stream.seq)
      throw new Refusal(409, 'Stream-Seq does not grow');

    const tail = stream.tail + content.length;
    const closedBy = isClosed ? (producer ?? null) : null;
    const after = { ...stream, tail, seq: seq ?? stream.seq, isClosed, closedBy };
    const operations = [this.#putStream(path, after)];
    if (content.length > 0) operations.push(this.#put('messages', [stream.id, tail], content));
    const accepted = producer && { epoch: producer.epoch, seq: producer.seq };
    if (producer !== undefined)
      operations.push(this.#put('producers', [stream.id, producer.id], accepted));
    this.db.batch(operations, WITHOUT_WAITING);
    return { stream: after, accepted, isNew: content.length > 0 };
  }

  /** Answers a close that is repeated, and refuses everything else. */
  #appendToClosed(
    /** @type {Stream} */ stream,
    /** @type {Append} */ { producer, isClosed },
    /** @type {Uint8Array} */ body,
    /** @type {import('./producers.js').Accepted | undefined} */ last,
  ) {
    const by = stream.closedBy;
    if (producer === undefined && isClosed && body.length === 0)
      return { stream, accepted: undefined, isNew: false };
    if (producer !== undefined) refuseReplaced(producer, last);
    if (by !== null && by.id === producer?.id && by.epoch === producer.epoch && by.seq === producer.seq)
      return { stream, accepted: last, isNew: false };
    throw new Refusal(409, 'The stream is closed', {
      'Stream-Closed': 'true',
      'Stream-Next-Offset': offsetOf(stream.tail),
    });
  }

  /** Returns what to append. Only a close may be empty. */
  #checkedContent(
    /** @type {Stream} */ stream,
    /** @type {Append} */ { contentType, isClosed },
    /** @type {Uint8Array} */ body,
  ) {
    if (body.length === 0 && isClosed) return body;
    if (body.length === 0) throw new Refusal(400, 'The body is empty');
    if (!contentType) throw new Refusal(400, 'The content type is missing');
    if (mediaType(contentType) !== mediaType(stream.contentType))
      throw new Refusal(409, 'The stream has another content type');
    const content = contentOf(stream.contentType, body);
    if (content.length === 0) throw new Refusal(400, 'The array is empty');
    return content;
  }

  /** Returns the contents behind a position: at most about a megabyte, and at least one. */
  read(/** @type {Stream} */ stream, /** @type {number} */ position) {
    /** @type {Uint8Array[]} */
    const contents = [];
    let next = position;
    let bytes = 0;
    for (const { id, until } of partsUntil(stream, stream.tail)) {
      if (until <= position) continue;
      for (const [[, end], content] of this.spaces.messages.entries({ gt: [id, position], lte: [id, until] })) {
        if (bytes > 0 && bytes + content.length > READ_BYTES_MAX) return { contents, next, isUpToDate: false };
        contents.push(content);
        bytes += content.length;
        next = end;
      }
    }
    return { contents, next: stream.tail, isUpToDate: true };
  }

  /** Begins the time to live of a stream anew. */
  keepAlive(/** @type {string} */ path, /** @type {Stream} */ stream) {
    if (stream.ttlSeconds !== null && stream.ttlSeconds > 0)
      this.spaces.streams.touch(path, { ttl: stream.ttlSeconds * 1000, ...WITHOUT_WAITING });
  }

  /** Deletes a stream. Its messages stay while a fork needs them. */
  delete(/** @type {string} */ path) {
    const stream = this.get(path);
    this.db.transaction((tx) => {
      tx.in(this.spaces.streams).put(path, { ...stream, isGone: true });
      this.#collect(tx, [path, stream.id]);
    }, WITHOUT_WAITING);
  }

  /** Removes what belongs to streams that have expired, also before the server was started. Ends with the store. */
  async collectExpired() {
    const changes = this.spaces.streams.changes();
    this.#collectAll(this.spaces.owners.keys());
    for await (const group of changes)
      for (const change of group.changes)
        if (change.type === 'delete' && change.cause === 'expired')
          this.#collectAll(this.spaces.owners.keys({ prefix: [change.key] }));
  }

  #collectAll(/** @type {Iterable<Owner>} */ owners) {
    for (const owner of [...owners]) this.db.transaction((tx) => this.#collect(tx, owner), WITHOUT_WAITING);
  }

  /**
   * Removes what belongs to a stream that is gone, if no fork needs it, and then the same for its source.
   *
   * @param {import('keelson').Transaction<string, unknown>} tx
   * @param {Owner} owner
   */
  #collect(tx, owner) {
    const [path, id] = owner;
    const [streams, owners, forks] = [tx.in(this.spaces.streams), tx.in(this.spaces.owners), tx.in(this.spaces.forks)];
    const stream = streams.get(path);
    const isNow = stream?.id === id;
    if ((isNow && !stream.isGone) || forks.count({ prefix: [id] }) > 0) return;
    const source = owners.get(owner);
    if (isNow) streams.delete(path);
    owners.delete(owner);
    tx.in(this.spaces.messages).clear({ prefix: [id] });
    tx.in(this.spaces.producers).clear({ prefix: [id] });
    if (!source) return;
    forks.delete([source[1], id]);
    this.#collect(tx, source);
  }

  #putStream(/** @type {string} */ path, /** @type {Stream} */ stream) {
    return this.#put('streams', path, stream, expiryOf(stream));
  }

  /**
   * @param {keyof Namespaces} name
   * @param {unknown} key
   * @param {unknown} value
   * @param {import('keelson').ExpiryOptions} [expiry]
   * @returns {import('keelson').BatchOperation<string, unknown>}
   */
  #put(name, key, value, expiry) {
    return { type: 'put', namespace: this.spaces[name], key, value, ...expiry };
  }
}

/** Returns the stream. Refuses with 404 or 410. */
export function presentStream(/** @type {Stream | undefined} */ stream) {
  if (stream === undefined) throw new Refusal(404, 'There is no such stream');
  if (stream.isGone) throw new Refusal(410, 'The stream is deleted');
  return stream;
}

/** Lists where the messages of a stream are, up to a position. */
function partsUntil(/** @type {Stream} */ stream, /** @type {number} */ end) {
  /** @type {Part[]} */
  const parts = [];
  for (const { id, until } of [...stream.inherited, { id: stream.id, until: stream.tail }]) {
    parts.push({ id, until: Math.min(until, end) });
    if (until >= end) break;
  }
  return parts;
}

/** Tells whether a stream is what a repeated creation asks for. What a fork does not name, it has inherited. */
function isAsWanted(/** @type {Stream} */ stream, /** @type {Creation} */ wanted) {
  const { fork } = wanted;
  if (stream.isClosed !== wanted.isClosed || (stream.fork === null) !== (fork === undefined)) return false;
  if (fork && stream.fork) {
    const { from, at, sub } = stream.fork;
    if (fork.from !== from || fork.sub !== sub || (fork.at ?? at) !== at) return false;
  }
  const isInherited = fork !== undefined && wanted.ttlSeconds === undefined && wanted.expiresAt === undefined;
  const type = wanted.contentType ?? (fork ? stream.contentType : 'application/octet-stream');
  return (
    mediaType(type) === mediaType(stream.contentType) &&
    (isInherited ||
      (stream.ttlSeconds === (wanted.ttlSeconds ?? null) && stream.expiresAt === (wanted.expiresAt ?? null)))
  );
}

/** Returns the deadline of a stream, which is put with it. @returns {import('keelson').ExpiryOptions} */
function expiryOf(/** @type {Stream} */ { ttlSeconds, expiresAt, isGone }) {
  if (isGone) return {};
  if (ttlSeconds === 0) return { expiresAt: 1 };
  if (ttlSeconds !== null) return { ttl: ttlSeconds * 1000 };
  return expiresAt === null ? {} : { expiresAt };
}
