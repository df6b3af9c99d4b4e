// Keys and ranges on the command line. Pure.

import { InvalidArgumentError, Option } from 'commander';
import type { RangeOptions } from '../kv/index.js';
import { CommandError } from './command-errors.js';
import { parseTagged, taggedText } from './tagged-json.js';

/** Options that say how keys are written. */
export interface KeyOptions {
  readonly keyJson?: true;
}

/** Returns the key of an argument: the text itself, or with --key-json what its tagged JSON stands for. */
export function parseKey(text: string, { keyJson }: KeyOptions, keyEncoding: string): unknown {
  if (keyJson) return parseTagged(text, `The key ${text}`);
  if (keyEncoding === 'utf8') return text;
  const example = keyEncoding === 'tuple' ? '\'["user",7]\'' : '\'{"$bytes":"AQI="}\'';
  throw new CommandError(
    'USAGE',
    `The keys there are ${keyEncoding}`,
    `Give keys as JSON: --key-json ${example}`,
  );
}

/** Returns a key for people: a string as it is, anything else as tagged JSON. */
export function shownKey(key: unknown): string {
  // Control characters would change the terminal.
  return typeof key === 'string' && !/\p{Cc}/u.test(key) ? key : taggedText(key);
}

const BOUNDS = ['gt', 'gte', 'lt', 'lte', 'prefix'] as const;

/** The options of a range. */
export type RangeGiven = KeyOptions &
  Partial<Record<(typeof BOUNDS)[number], string>> & {
    readonly reverse?: true;
    readonly offset?: number;
    readonly limit?: number;
  };

/** The options that give a range its bounds. */
export const BOUND_OPTIONS: readonly Option[] = [
  new Option('--prefix <key>', 'only keys that start with this'),
  new Option('--gt <key>', 'only keys above this'),
  new Option('--gte <key>', 'only this key and those above it'),
  new Option('--lt <key>', 'only keys below this'),
  new Option('--lte <key>', 'only this key and those below it'),
];

/** Returns the range of the options. */
export function rangeOf(given: RangeGiven, keyEncoding: string): RangeOptions<unknown> {
  const bounds = BOUNDS.flatMap((name) =>
    given[name] === undefined ? [] : [[name, parseKey(given[name], given, keyEncoding)]],
  );
  const { reverse, offset, limit } = given;
  return {
    ...Object.fromEntries(bounds),
    ...(reverse && { reverse }),
    ...(offset !== undefined && { offset }),
    ...(limit !== undefined && { limit }),
  };
}

/** Returns a number of 0 or more from an argument. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(count) && count >= 0) return count;
  throw new InvalidArgumentError('Expected an integer of 0 or more.');
}
