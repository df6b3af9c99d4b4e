// @ts-check
// Reads the messages of a stream: those that it has inherited, and its own.

/**
 * @typedef {import('./store.js').Part} Part
 * @typedef {import('./store.js').Store} Store
 * @typedef {import('./store.js').Stream} Stream
 */

const READ_BYTES_MAX = 1024 * 1024;

/** Lists where the messages of a stream are, up to a position. */
export function partsUntil(/** @type {Stream} */ stream, /** @type {number} */ end) {
  /** @type {Part[]} */
  const parts = [];
  for (const { id, until } of [...stream.inherited, { id: stream.id, until: stream.tail }]) {
    parts.push({ id, until: Math.min(until, end) });
    if (until >= end) break;
  }
  return parts;
}

/** Returns the contents behind a position: one, and then as many as have a mebibyte together. */
export function readFrom(
  /** @type {Store} */ store,
  /** @type {Stream} */ stream,
  /** @type {number} */ position,
) {
  /** @type {Uint8Array[]} */
  const contents = [];
  let next = position;
  let bytes = 0;
  for (const { id, until } of partsUntil(stream, stream.tail)) {
    if (until <= position) continue;
    for (const [[, end], content] of store.messages.entries({ gt: [id, position], lte: [id, until] })) {
      bytes += content.length;
      if (contents.length > 0 && bytes > READ_BYTES_MAX) return { contents, next, isUpToDate: false };
      contents.push(content);
      next = end;
    }
  }
  return { contents, next: stream.tail, isUpToDate: true };
}
