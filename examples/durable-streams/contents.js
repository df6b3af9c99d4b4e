// @ts-check
// What a stream keeps of a body, and what it gives back. A JSON stream keeps the elements of an array, and gives back
// all that are read as one array. Any other stream keeps and gives back bytes. Pure.

import { Refusal } from './refusal.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const COMMA = Buffer.from(',');

/** Returns a content type without its parameters, in small letters. */
export function mediaType(/** @type {string} */ contentType) {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

export const isJson = (/** @type {string} */ contentType) => mediaType(contentType) === 'application/json';

/** Returns what to keep of a body. It is empty if the body is, or has no elements. */
export function contentOf(/** @type {string} */ contentType, /** @type {Uint8Array} */ body) {
  if (!isJson(contentType) || body.length === 0) return body;
  try {
    const text = utf8.decode(body).trim();
    return Buffer.from(Array.isArray(JSON.parse(text)) ? text.slice(1, -1).trim() : text);
  } catch {
    throw new Refusal(400, 'The body is no JSON');
  }
}

/** Joins contents that follow one another into a body. */
export function bodyOf(/** @type {string} */ contentType, /** @type {readonly Uint8Array[]} */ contents) {
  if (!isJson(contentType)) return Buffer.concat(contents);
  const parts = contents.flatMap((content, at) => (at === 0 ? [content] : [COMMA, content]));
  return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]);
}

/** Returns the first elements of a JSON content, or the first bytes of another, or `undefined` if it has fewer. */
export function beginningOf(
  /** @type {string} */ contentType,
  /** @type {Uint8Array} */ content,
  /** @type {number} */ count,
) {
  if (!isJson(contentType)) return count <= content.length ? content.subarray(0, count) : undefined;
  const elements = JSON.parse(`[${utf8.decode(content)}]`);
  if (count > elements.length) return undefined;
  const texts = elements.slice(0, count).map((/** @type {unknown} */ element) => JSON.stringify(element));
  return Buffer.from(texts.join(','));
}
