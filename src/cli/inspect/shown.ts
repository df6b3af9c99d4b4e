// Keys and values as the page gets them: a short text for lists, and tagged JSON for what is looked at. Pure.

import { inspect } from 'node:util';
import type { Change, VersionedValue } from '../../kv/index.js';
import { shownKey } from '../keys.js';
import { taggedText } from '../tagged-json.js';

const PREVIEW_CHARACTERS_MAX = 240;
const PREVIEW_BYTES_MAX = 24;

/** A value of more characters of tagged JSON is shown by its beginning. */
const VALUE_CHARACTERS_MAX = 1024 * 1024;
const BEGINNING_CHARACTERS = 16 * 1024;

/** A key as the page gets it. */
export interface ShownKey {
  /** The tagged JSON by which the page asks for the entry. */
  readonly key: string;
  /** The text for people. */
  readonly shown: string;
}

/** A value as the page gets it: tagged JSON as a text, or its beginning when it is too long. */
export type ShownValue =
  | { readonly json: string }
  | { readonly beginning: string; readonly characters: number };

/** A change as a line of the page. */
export interface ShownChange extends Partial<ShownKey> {
  readonly lsn: number;
  readonly type: string;
  readonly space: string;
  readonly preview: string;
  readonly expiresAt?: number;
}

/** Returns a key for a list. */
export function keyForPage(key: unknown): ShownKey {
  const shown = key instanceof Uint8Array ? hexOf(key, PREVIEW_CHARACTERS_MAX) : shownKey(key);
  return { key: taggedText(key), shown: cut(shown === '' ? '""' : shown) };
}

/** Returns a value as one short line. */
export function previewOf(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes: ${hexOf(value, PREVIEW_BYTES_MAX)}`;
  const text = inspect(value, {
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    depth: 3,
    maxArrayLength: 12,
    maxStringLength: 120,
  });
  return cut(text);
}

/** Returns a value whole, if that is not too long. */
export function valueForPage(value: unknown, charactersMax = VALUE_CHARACTERS_MAX): ShownValue {
  const json = taggedText(value);
  return json.length <= charactersMax
    ? { json }
    : { beginning: json.slice(0, BEGINNING_CHARACTERS), characters: json.length };
}

/** Returns the deadline of an entry, if it has one, as a property. */
export function deadlineOf({ expiresAt }: Pick<VersionedValue<unknown>, 'expiresAt'>): {
  expiresAt?: number;
} {
  return expiresAt === undefined ? {} : { expiresAt };
}

/** Returns a change as a line. */
export function changeForPage(lsn: number, change: Change): ShownChange {
  const { namespace: space } = change;
  switch (change.type) {
    case 'put':
      return {
        lsn,
        type: 'put',
        space,
        ...keyForPage(change.key),
        preview: previewOf(change.value),
        ...deadlineOf(change),
      };
    case 'delete':
      return { lsn, type: change.cause, space, ...keyForPage(change.key), preview: '' };
    case 'touch':
      return { lsn, type: 'touch', space, ...keyForPage(change.key), preview: '', ...deadlineOf(change) };
    case 'clear':
      return { lsn, type: 'clear', space, preview: cut(taggedText(change.range)) };
    case 'create':
      return {
        lsn,
        type: 'create',
        space,
        preview: `${change.keyEncoding} keys, ${change.valueEncoding} values`,
      };
    case 'drop':
      return { lsn, type: 'drop', space, preview: '' };
  }
}

function hexOf(bytes: Uint8Array, bytesMax: number): string {
  const pairs = Array.from(bytes.subarray(0, bytesMax), (byte) => byte.toString(16).padStart(2, '0'));
  return pairs.join(' ') + (bytes.length > bytesMax ? ' …' : '');
}

function cut(text: string): string {
  return text.length <= PREVIEW_CHARACTERS_MAX ? text : `${text.slice(0, PREVIEW_CHARACTERS_MAX)}…`;
}
