// The completion of a shell: names of namespaces, and keys inside of the quotes of a call. Pure, apart from reading keys.

import type { AnyStore } from '../any-store.js';

/** The most keys that are offered. */
const KEYS_MAX = 50;

const NAMESPACE = /\bns\.([\w$]*)$/;
const KEY = /\b(?:db|ns\.([\w$]+)|ns\['([^']+)'\])\.\w+\(\s*(?:'([^']*)|"([^"]*))$/;

/** Returns the completions of a line and the part of it that they replace, or null when it is for JavaScript to complete. */
export function completeStore(line: string, store: AnyStore): [string[], string] | null {
  const names = store.spaces.map(({ name }) => name);
  const [, start] = NAMESPACE.exec(line) ?? [];
  if (start !== undefined) return [names.filter((name) => name !== '' && name.startsWith(start)), start];
  const match = KEY.exec(line);
  if (match === null) return null;
  const [, dotted, quoted, single, double] = match;
  const name = dotted ?? quoted ?? '';
  const prefix = single ?? double ?? '';
  if (!names.includes(name) || store.encodingsOf(name).keyEncoding !== 'utf8') return null;
  return [[...store.in(name).keys({ prefix, limit: KEYS_MAX })] as string[], prefix];
}
