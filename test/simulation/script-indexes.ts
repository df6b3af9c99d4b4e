// The indexes of the namespaces of scripts: a plain one, a unique one and one of many values, and what they must show.

import type { IndexFactory } from '../../src/kv/read/index-interface.js';
import { hold, holdEqual } from './invariants.js';
import { scriptKey } from './script.js';
import type { StoreState } from './store-workload.js';

/** Fewer marks than numbers, so that some writes are refused because of a mark that another entry has. */
const MARKS = 23;

/** Index values: numbers, in the order that arrays of them have. */
type Values = readonly number[];

/** Returns the index values of an entry in each index, as the index functions and the model make them. */
const VALUES: { readonly [index: string]: (value: unknown) => Values } = {
  bySize: (value) => [sizeOf(value) % 5],
  byMark: (value) => {
    const mark = markOf(value);
    return mark === undefined ? [] : [mark];
  },
  byParts: (value) => [...new Set([sizeOf(value) % 3, 10 + (sizeOf(value) % 4)])],
};

/** The option `indexes` of the namespaces of scripts. */
export const SCRIPT_INDEXES = (index: IndexFactory<unknown, unknown>) => ({
  bySize: index((value) => VALUES.bySize!(value)[0]),
  byMark: index.unique((value) => VALUES.byMark!(value)[0]),
  byParts: index.many((value) => VALUES.byParts!(value)),
});

/** The reads of an index of a script. */
interface IndexReads {
  entries(range?: object): Iterable<readonly [index: unknown, key: unknown, value: unknown]>;
  keys(range?: object): Iterable<unknown>;
  count(range?: object): number;
  rank(index: number): number;
  nth(at: number): readonly [index: unknown, key: unknown, value: unknown] | undefined;
  getKey?(index: number): unknown;
}

function sizeOf(value: unknown): number {
  return JSON.stringify(value).length;
}

/** Returns the mark of a value that was put with a number; undefined for one that stands for a number. */
function markOf(value: unknown): number | undefined {
  const text = typeof value === 'string' ? value : (value as { text?: string }).text;
  const number = /^#(\d+) /.exec(text ?? '')?.[1];
  return number === undefined ? undefined : Number(number) % MARKS;
}

/** Returns true when two of the values have one mark, which no namespace may hold. */
export function haveDoubles(values: Iterable<unknown>): boolean {
  const seen = new Set<number>();
  for (const value of values) {
    const mark = markOf(value);
    if (mark === undefined) continue;
    if (seen.has(mark)) return true;
    seen.add(mark);
  }
  return false;
}

/** Checks all reads of all indexes against the entries of a namespace. */
export function checkIndexes(reads: { readonly indexes: object }, entries: StoreState): void {
  for (const [name, valuesOf] of Object.entries(VALUES)) {
    const index = (reads.indexes as { readonly [name: string]: IndexReads })[name]!;
    const expected = entries
      .flatMap(([key, value]) => valuesOf(value).map((each) => [each, key, value] as const))
      // The entries are in the order of keys, and a sort keeps the order of what is equal.
      .sort(([one], [other]) => one - other);
    checkIndex(index, name, expected);
  }
}

function checkIndex(
  index: IndexReads,
  name: string,
  expected: readonly (readonly [number, string, unknown])[],
): void {
  const found = [...index.entries()].map(([value, key, put]) => [value, scriptKey(key), put]);
  holdEqual(12, found, expected, `the index ${name}`);
  const { length } = expected;
  hold(12, index.count() === length, `${name} counts ${index.count()} of ${length}`);
  const [offset, limit] = [length >> 2, length >> 1];
  holdEqual(
    12,
    [...index.keys({ reverse: true, offset, limit })].map(scriptKey),
    expected
      .map(([, key]) => key)
      .toReversed()
      .slice(offset, offset + limit),
    `an offset and a limit in ${name}`,
  );
  for (const [at, [value, key]] of expected.entries()) {
    const below = expected.filter(([other]) => other < value).length;
    hold(12, index.rank(value) === below, `the rank of ${value} in ${name} is ${index.rank(value)}`);
    holdEqual(12, scriptKey(index.nth(at)?.[1]), key, `place ${at} of ${name}`);
    const above = index.count({ gte: value });
    hold(12, above === length - below, `${name} counts ${above} from ${value} on`);
    if (index.getKey !== undefined) holdEqual(12, scriptKey(index.getKey(value)), key, `${value} in ${name}`);
  }
}
