// The README stays short, and its figures are those of the published run of the benchmark.

import { expect, test } from 'vitest';
import results from '../../docs/benchmarks/results.json' with { type: 'json' };
import { generatedPart, IS_WRITING, writeGeneratedPart } from './generated.js';
import { readText } from './markdown.js';

const WORDS_MAX = 900;
const RIVALS = ['lmdb', 'classic-level', 'better-sqlite3'];
/** In the order of the results. */
const TITLES: Readonly<Record<string, string>> = {
  'put-lone': 'durable put, one at a time',
  'put-ascending': 'durable puts, 1,000 in flight: ascending new keys',
  'put-random': 'the same: random existing keys',
  transactions: 'durable transactions of two keys, 1,000 in flight',
  'get-objects': 'get of an object',
  'scan-objects': 'scan of 1,000 objects',
  'put-index': 'durable puts with an index, 1,000 in flight: random existing keys',
};

type Rounds = readonly (number | null)[];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The median of the ratios of the rounds, or a dash where the rival has no such trial. A rival that can share flushes is
 * compared where it does, and one that never has two writes in flight is not compared with a thousand of them.
 */
function ratioOver(
  rival: string,
  title: string,
  stores: Readonly<Record<string, { readonly perSecond?: Rounds }>>,
): string {
  if (rival === 'better-sqlite3' && title.includes('in flight')) return '–';
  const ours = stores['keelson']!.perSecond!;
  const theirs = (stores[`${rival}-async`] ?? stores[rival])?.perSecond;
  if (theirs === undefined) return '–';
  const ratios = ours.flatMap((value, round) => {
    const other = theirs[round] ?? null;
    return value === null || other === null ? [] : [value / other];
  });
  return median(ratios).toPrecision(2);
}

function figures(): string {
  const rows = results.trials
    .filter(({ name, entries }) => name in TITLES && entries === results.options.entries)
    .map(({ name, stores }) => [TITLES[name]!, stores] as const)
    .map(([title, stores]) => [title, ...RIVALS.map((rival) => ratioOver(rival, title, stores))])
    .map((cells) => `| ${cells.join(' | ')} |`);
  const head = `| Keelson over | ${RIVALS.join(' | ')} |`;
  return [head, '| --- | --- | --- | --- |', ...rows].join('\n');
}

test('the README has the ratios of the published run', () => {
  if (IS_WRITING) writeGeneratedPart('README.md', 'ratios', figures());
  expect(generatedPart(readText('README.md'), 'ratios')).toBe(figures());
});

test('the README has at most 900 words', () => {
  const text = readText('README.md').replaceAll(/<!--.*?-->/g, '');
  const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  expect(words.length).toBeLessThanOrEqual(WORDS_MAX);
});
