// @ts-check
// The rules of idempotent producers: whether an append is new, was made before, or comes from a producer that another
// one has replaced. Pure.

import { Refusal } from './refusal.js';

/**
 * @typedef {import('./requests.js').Producer} Producer
 * @typedef {{ epoch: number, seq: number }} Accepted The last append of a producer that was accepted.
 */

/** Refuses a producer that another one with a higher epoch has replaced. */
export function refuseReplaced(/** @type {Producer} */ { epoch }, /** @type {Accepted | undefined} */ last) {
  if (last !== undefined && epoch < last.epoch)
    throw new Refusal(403, 'The epoch of the producer is over', { 'Producer-Epoch': String(last.epoch) });
}

/** Tells whether the append was made before. Refuses one that is out of order. */
export function isRepeated(/** @type {Producer} */ producer, /** @type {Accepted | undefined} */ last) {
  refuseReplaced(producer, last);
  const { epoch, seq } = producer;
  if (last !== undefined && epoch > last.epoch && seq !== 0)
    throw new Refusal(400, 'A new epoch begins with the sequence number 0');
  const isSameEpoch = last !== undefined && epoch === last.epoch;
  const expected = isSameEpoch ? last.seq + 1 : 0;
  if (seq <= expected) return seq < expected;
  throw new Refusal(409, 'The producer has left out a sequence number', {
    'Producer-Expected-Seq': String(expected),
    'Producer-Received-Seq': String(seq),
  });
}
