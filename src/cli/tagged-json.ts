// Tagged JSON: every value that a store can hold, exactly, as JSON. Pure. What JSON cannot hold is an object with one
// property that starts with $, as in {"$bytes":"AQI="}. docs/guide/command.md lists the tags.

import { CommandError } from './command-errors.js';

/** Returns what JSON.stringify() writes as tagged JSON. It shares the parts of `value` that need no tag. */
export function toTagged(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: numberName(value) };
    case 'bigint':
      return { $bigint: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'object':
      return value === null ? null : objectToTagged(value);
    default:
      return value;
  }
}

function numberName(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function objectToTagged(value: object): unknown {
  if (Array.isArray(value)) return arrayToTagged(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return instanceToTagged(value);
  return plainToTagged(value);
}

/** Copies at the first item that needs a tag. Each item is looked at once: twice would be 2 to the depth times. */
function arrayToTagged(items: readonly unknown[]): unknown {
  let copy: unknown[] | null = null;
  for (let at = 0; at < items.length; at++) {
    const item = items[at];
    const tagged = toTagged(item);
    if (tagged !== item) copy ??= items.slice();
    if (copy !== null) copy[at] = tagged;
  }
  return copy ?? items;
}

function instanceToTagged(value: object): unknown {
  if (Buffer.isBuffer(value)) return { $buffer: value.toString('base64') };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  if (value instanceof Map) return { $map: Array.from(value, (pair) => pair.map(toTagged)) };
  if (value instanceof Set) return { $set: Array.from(value, toTagged) };
  return plainToTagged(value);
}

function plainToTagged(value: object): unknown {
  const names = Object.keys(value);
  const changes: [string, unknown][] = [];
  for (const name of names) {
    const item = (value as Record<string, unknown>)[name];
    const tagged = toTagged(item);
    if (tagged !== item) changes.push([name, tagged]);
  }
  // A name that comes again keeps its place.
  const tagged = changes.length === 0 ? value : Object.fromEntries([...Object.entries(value), ...changes]);
  // An object that looks like a tag.
  return names.length === 1 && names[0]!.startsWith('$') ? { $object: tagged } : tagged;
}

/** Returns the value that tagged JSON stands for, given what JSON.parse() returned, which it may change and keep. */
export function fromTagged(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromTagged);
  const names = Object.keys(json);
  const [name] = names;
  return names.length === 1 && name!.startsWith('$')
    ? fromTag(name!, (json as Record<string, unknown>)[name!])
    : plainFromTagged(json);
}

/** Decodes the properties of an object in place. One named __proto__ is its own, as JSON.parse() makes it. */
function plainFromTagged(json: object): object {
  for (const [name, item] of Object.entries(json)) (json as Record<string, unknown>)[name] = fromTagged(item);
  return json;
}

/** Returns false when a text of tagged JSON has no tag, which is quick to tell. JSON may write $ as \u0024, too. */
export function mayHoldTags(text: string): boolean {
  return text.includes('$') || text.includes('\\u0024');
}

const NUMBERS: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-0': -0,
};

/** The decoder of each tag. It returns NO_VALUE for content that no encoder writes. */
const NO_VALUE = Symbol('no value');
const TAGS: Readonly<Record<string, (content: unknown) => unknown>> = {
  $bytes: (content) => bytesOf(content, (bytes) => new Uint8Array(bytes)),
  $buffer: (content) => bytesOf(content, (bytes) => bytes),
  $bigint: (content) => (typeof content === 'string' && /^-?\d+$/.test(content) ? BigInt(content) : NO_VALUE),
  $date: dateOf,
  $number: (content) => (typeof content === 'string' ? (NUMBERS[content] ?? NO_VALUE) : NO_VALUE),
  $undefined: (content) => (content === true ? undefined : NO_VALUE),
  $map: (content) =>
    Array.isArray(content) && content.every((pair) => Array.isArray(pair) && pair.length === 2)
      ? new Map(content.map(([key, value]) => [fromTagged(key), fromTagged(value)]))
      : NO_VALUE,
  $set: (content) => (Array.isArray(content) ? new Set(content.map(fromTagged)) : NO_VALUE),
  $object: (content) =>
    typeof content === 'object' && content !== null && !Array.isArray(content)
      ? plainFromTagged(content)
      : NO_VALUE,
};

function fromTag(name: string, content: unknown): unknown {
  const decode = Object.hasOwn(TAGS, name) ? TAGS[name] : undefined;
  const value = decode === undefined ? NO_VALUE : decode(content);
  if (value !== NO_VALUE) return value;
  const what = `{${JSON.stringify(name)}: …} is no tag, or has content that no tag has`;
  const next = `Tags are ${Object.keys(TAGS).join(', ')}; {"$object": {${JSON.stringify(name)}: …}} is an object with this property`;
  throw new CommandError('MALFORMED', what, next);
}

function bytesOf(content: unknown, make: (bytes: Buffer) => Uint8Array): unknown {
  if (typeof content !== 'string') return NO_VALUE;
  const bytes = Buffer.from(content, 'base64');
  return bytes.toString('base64') === content ? make(bytes) : NO_VALUE;
}

function dateOf(content: unknown): unknown {
  if (content === null) return new Date(Number.NaN);
  const date = new Date(typeof content === 'string' ? content : Number.NaN);
  return Number.isNaN(date.getTime()) ? NO_VALUE : date;
}

/** Returns a value as one line of tagged JSON. */
export function taggedText(value: unknown): string {
  return JSON.stringify(toTagged(value));
}

/** Returns the value of a text of tagged JSON. `what` names the text in the error. */
export function parseTagged(text: string, what: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const next = 'Give JSON, as in \'"text"\', 7 or \'{"a":1}\'';
    throw new CommandError('MALFORMED', `${what} is no JSON: ${(error as Error).message}`, next);
  }
  return fromTagged(json);
}
