// The README stays short, and its figures are those of the published run of the benchmark.

import { expect, test } from 'vitest';
import results from '../../docs/benchmarks/results.json' with { type: 'json' };
import { generatedPart, IS_WRITING, writeGeneratedPart } from './generated.js';
import { readText } from './markdown.js';

const WORDS_MAX = 900;
const RIVALS = ['lmdb', 'classic-level', 'better-sqlite3'];
const TRIALS = {
  'put-lone': 'durable put, one at a time',
  'put-ascending': 'durable puts, 1,000 in flight: ascending new keys',
  'put-random': 'the same: random existing keys',
  'get-objects': 'get of an object',
  'scan-objects': 'scan of 1,000 objects',
};

type Rounds = readonly (number | null)[];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios of the rounds, or a dash where the rival has no such trial. */
function ratioOver(rival: string, trial: string): string {
  const result = results.trials.find(
    ({ name, entries }) => name === trial && entries === results.options.entries,
  )!;
  const stores: Readonly<Record<string, { readonly perSecond?: Rounds }>> = result.stores;
  const ours = stores['keelson']!.perSecond!;
  const theirs = stores[rival]?.perSecond;
  if (theirs === undefined) return '–';
  const ratios = ours.flatMap((value, round) => {
    const other = theirs[round] ?? null;
    return value === null || other === null ? [] : [value / other];
  });
  return median(ratios).toPrecision(2);
}

function figures(): string {
  const rows = Object.entries(TRIALS).map(
    ([trial, title]) => `| ${[title, ...RIVALS.map((rival) => ratioOver(rival, trial))].join(' | ')} |`,
  );
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
