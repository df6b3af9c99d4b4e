// @ts-check
// Appends to streams and closes them. An append is one turn of the event loop and one batch: it reads, decides and
// writes, and nothing can come between. So there are no locks, and a crash leaves an append whole or not at all,
// together with the state of its producer.

import { contentOf, mediaType } from './contents.js';
import { Refusal } from './refusal.js';
import { offsetOf } from './requests.js';
import { expiryOf, presentStream, WITHOUT_WAITING } from './store.js';

/**
 * @typedef {import('./requests.js').Append} Append
 * @typedef {import('./requests.js').Producer} Producer
 * @typedef {import('./store.js').Accepted} Accepted
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 * @typedef {{ stream: Stream, accepted: Accepted | undefined, isNew: boolean }} Appended
 */

/**
 * Appends a body, closes the stream, or both. An append that a producer repeats changes nothing.
 *
 * @param {Store} store
 * @param {string} path
 * @param {Append} wanted
 * @param {Uint8Array} body
 * @returns {Appended}
 */
export function append(store, path, wanted, body) {
  const stream = presentStream(store.streams.get(path));
  const { producer, seq = stream.seq, isClosed } = wanted;
  const last = producer && store.producers.get([stream.id, producer.id]);
  if (stream.isClosed) return closedAlready(stream, wanted, body, last);
  const content = checkedContent(stream, wanted, body);
  if (producer && isRepeated(producer, last)) return { stream, accepted: last, isNew: false };
  if (wanted.seq !== undefined && stream.seq !== null && wanted.seq <= stream.seq)
    throw new Refusal(409, 'Stream-Seq does not grow');

  const tail = stream.tail + content.length;
  const after = { ...stream, tail, seq, isClosed, closedBy: isClosed && producer ? producer : null };
  const accepted = producer && { epoch: producer.epoch, seq: producer.seq };
  /** @type {import('keelson').BatchOperation<unknown, unknown>[]} */
  const operations = [{ type: 'put', namespace: store.streams, key: path, value: after, ...expiryOf(after) }];
  if (content.length > 0)
    operations.push({ type: 'put', namespace: store.messages, key: [stream.id, tail], value: content });
  if (producer)
    operations.push({
      type: 'put',
      namespace: store.producers,
      key: [stream.id, producer.id],
      value: accepted,
    });
  store.db.batch(/** @type {never} */ (operations), WITHOUT_WAITING);
  return { stream: after, accepted, isNew: content.length > 0 };
}

/** Accepts the close that is repeated, and refuses everything else. @returns {Appended} */
function closedAlready(
  /** @type {Stream} */ stream,
  /** @type {Append} */ { producer, isClosed },
  /** @type {Uint8Array} */ body,
  /** @type {Accepted | undefined} */ last,
) {
  if (!producer && isClosed && body.length === 0) return { stream, accepted: undefined, isNew: false };
  if (producer) refuseReplaced(producer, last);
  const by = stream.closedBy;
  if (by && by.id === producer?.id && by.epoch === producer.epoch && by.seq === producer.seq)
    return { stream, accepted: last, isNew: false };
  throw new Refusal(409, 'The stream is closed', {
    'Stream-Closed': 'true',
    'Stream-Next-Offset': offsetOf(stream.tail),
  });
}

/** Returns what to append. Only a close may be empty. */
function checkedContent(
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

/** Refuses a producer that another one with a higher epoch has replaced. */
function refuseReplaced(/** @type {Producer} */ { epoch }, /** @type {Accepted | undefined} */ last) {
  if (last && epoch < last.epoch)
    throw new Refusal(403, 'The epoch of the producer is over', { 'Producer-Epoch': String(last.epoch) });
}

/** Tells whether an append was made before. Refuses one that is out of order. */
function isRepeated(/** @type {Producer} */ producer, /** @type {Accepted | undefined} */ last) {
  refuseReplaced(producer, last);
  const { epoch, seq } = producer;
  if (last && epoch > last.epoch && seq !== 0)
    throw new Refusal(400, 'A new epoch begins with the sequence number 0');
  const expected = last && epoch === last.epoch ? last.seq + 1 : 0;
  if (seq <= expected) return seq < expected;
  throw new Refusal(409, 'The producer has left out a sequence number', {
    'Producer-Expected-Seq': String(expected),
    'Producer-Received-Seq': String(seq),
  });
}
