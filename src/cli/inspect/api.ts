// The answers about entries as they are now: what is asked to what is answered. It reads an open store, and does no I/O.

import { performance } from 'node:perf_hooks';
import type { VersionedValue } from '../../kv/index.js';
import type { AnyStore } from '../any-store.js';
import { CommandError, reportOf } from '../command-errors.js';
import { parseTagged } from '../tagged-json.js';
import { deadlineOf, keyForPage, previewOf, type ShownKey, type ShownValue, valueForPage } from './shown.js';

const PAGE_KEYS_MAX = 500;
/** Long values take long to decode: what is left of a page after this time has no previews. */
const PREVIEWS_MS = 150;

/** The store as a whole. */
export type StoreAnswer = Pick<AnyStore['db'], 'directory' | 'id' | 'lastLsn' | 'durableLsn'> &
  Pick<AnyStore, 'spaces'> &
  Pick<ReturnType<AnyStore['db']['stats']>, 'memory'>;

/** A page of keys. */
export interface KeysAnswer {
  /** The number of keys with the prefix. */
  readonly total: number;
  /** The rank among them of the first key of the page. */
  readonly at: number;
  readonly entries: readonly (ShownKey & Summary)[];
}

/** An entry as a list shows it. */
interface Summary {
  /** The value as a short line; null when it was not decoded. */
  readonly preview: string | null;
  readonly version?: number;
  readonly expiresAt?: number;
}

/** An entry, or that there is none. */
export type EntryAnswer = ShownKey &
  (
    | { readonly isThere: false }
    | {
        readonly isThere: true;
        readonly version: number;
        readonly expiresAt?: number;
        readonly value: ShownValue;
      }
  );

/** Answers about the store as a whole. */
export function answerStore({ db, spaces }: AnyStore): StoreAnswer {
  const { directory, id, lastLsn, durableLsn } = db;
  return { directory, id, lastLsn, durableLsn, spaces, memory: db.stats().memory };
}

/** Answers `space`, `prefix`, `at` or `from`, and `limit` with a page of keys by rank. */
export function answerKeys(store: AnyStore, query: URLSearchParams): KeysAnswer {
  const name = query.get('space') ?? '';
  const { keyEncoding } = store.encodingsOf(name);
  const space = store.in(name);
  const prefix = typedKey(query.get('prefix'), keyEncoding);
  const range = prefix === undefined ? {} : { prefix };
  const from = typedKey(query.get('from'), keyEncoding);
  const at = from === undefined ? countOf(query, 'at', 0) : space.count({ ...range, lt: from });
  const limit = Math.min(countOf(query, 'limit', 100), PAGE_KEYS_MAX);
  const until = performance.now() + PREVIEWS_MS;
  const entries = Array.from(space.keys({ ...range, offset: at, limit }), (key) => ({
    ...keyForPage(key),
    ...(performance.now() < until ? summaryOf(() => space.getEntry(key)) : { preview: null }),
  }));
  return { total: space.count(range), at, entries };
}

/** Answers `space` and `key` with the entry. */
export function answerEntry(store: AnyStore, query: URLSearchParams): EntryAnswer {
  const key = givenKey(query);
  const entry = store.in(query.get('space') ?? '').getEntry(key);
  if (entry === undefined) return { ...keyForPage(key), isThere: false };
  const { version, value } = entry;
  return { ...keyForPage(key), isThere: true, version, ...deadlineOf(entry), value: valueForPage(value) };
}

/** Returns the key of a query, which is tagged JSON. */
export function givenKey(query: URLSearchParams): unknown {
  const text = query.get('key');
  if (text === null) throw malformed('There is no key', 'Give one as tagged JSON');
  return parseTagged(text, 'The key');
}

/** Returns the integer of 0 or more that a query names. */
export function countOf(query: URLSearchParams, name: string, standard: number): number {
  const text = query.get(name);
  if (text === null) return standard;
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw malformed(`${name} is ${JSON.stringify(text)}`, 'Give an integer of 0 or more');
}

/**
 * Returns the key, or the beginning of keys, that a person has typed: text as it is, bytes as hexadecimal digits, and a tuple
 * as JSON whose brackets may be left out. Nothing typed is undefined.
 */
function typedKey(text: string | null, keyEncoding: string): unknown {
  if (text === null || text === '') return undefined;
  if (keyEncoding === 'utf8') return text;
  if (keyEncoding === 'tuple') return typedTuple(text);
  const digits = text.replaceAll(/[\s:]/g, '');
  if (/^(?:[\da-f]{2})+$/i.test(digits)) return new Uint8Array(Buffer.from(digits, 'hex'));
  throw malformed('The keys there are bytes', 'Give hexadecimal digits, two for each byte, as in 00ff');
}

function typedTuple(text: string): unknown {
  const typed = text.trim();
  if (typed.startsWith('[')) return parseTagged(typed, 'The tuple');
  try {
    return parseTagged(`[${typed}]`, 'The tuple');
  } catch {
    return [typed];
  }
}

/** Returns what a list shows of an entry. A value that cannot be decoded does not end the list. */
function summaryOf(read: () => VersionedValue<unknown> | undefined): Summary {
  try {
    const entry = read();
    if (entry === undefined) return { preview: null };
    return { preview: previewOf(entry.value), version: entry.version, ...deadlineOf(entry) };
  } catch (error) {
    const { code, what } = reportOf(error);
    return { preview: `${code}: ${what}` };
  }
}

function malformed(what: string, next: string): CommandError {
  return new CommandError('MALFORMED', what, next);
}
