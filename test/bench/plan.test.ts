// What the benchmark runs, and in which order: nothing of it is measured here.

import { describe, expect, test } from 'vitest';
import { planOf, resolveOptions, STORES, TRIALS, usage } from './peers.js';

const MINUTE_SECONDS = 60;

const planFor = (...args: string[]) => planOf(resolveOptions(args));

describe('the options', () => {
  test('of a full run are five rounds of a million entries, written to the published results', () => {
    expect(resolveOptions([])).toMatchObject({
      rounds: 5,
      entries: 1_000_000,
      only: null,
      out: 'docs/benchmarks',
    });
  });

  test.each([
    ['--quick'],
    ['--only', 'open'],
    ['--rounds', '2'],
    ['--seconds', '0.1'],
    ['--entries', '1000'],
  ])('%s %s is no full run, and does not write over the published results', (...args) => {
    expect(resolveOptions(args).out).toBe('build/benchmarks');
    expect(resolveOptions([...args, '--out', 'docs/benchmarks']).out).toBe('docs/benchmarks');
  });

  test('of a large run are one short round, written beside the published results', () => {
    expect(resolveOptions(['--large'])).toMatchObject({ rounds: 1, out: 'docs/benchmarks/large' });
    expect(resolveOptions(['--large', '--rounds', '2']).out).toBe('build/benchmarks');
    expect(() => resolveOptions(['--large', '--quick'])).toThrow('expected one of them');
  });

  test('that are given count in a quick run too', () => {
    expect(resolveOptions(['--quick', '--rounds', '7']).rounds).toBe(7);
    expect(resolveOptions(['--quick']).rounds).toBeLessThan(resolveOptions([]).rounds);
  });

  test.each([[['--fast']], [['quick']], [['--rounds']], [['--quick=1']]])('%j is refused', (args) => {
    expect(() => resolveOptions(args)).toThrow(TypeError);
  });

  test.each([
    ['--only', 'put'],
    ['--rounds', '0'],
    ['--rounds', '1.5'],
    ['--rounds', 'five'],
    ['--seconds', '0'],
    ['--seconds', 'Infinity'],
    ['--entries', '-1'],
    ['--directory', ''],
  ])('%s "%s" is refused by its name', (name, value) => {
    expect(() => resolveOptions([`${name}=${value}`])).toThrow(`${name}: expected`);
  });

  test('are all shown by the help', () => {
    const shown = usage();
    for (const name of ['quick', 'large', 'only', 'rounds', 'seconds', 'entries', 'directory', 'out'])
      expect(shown).toContain(`--${name}`);
  });
});

describe('the plan', () => {
  test('measures every store of every trial once a round', () => {
    const { runs } = planFor();
    const seen = runs.map(({ trial, entries, store, round }) => [trial, entries, store, round].join());
    expect(new Set(seen).size).toBe(seen.length);
    for (const { name, stores } of TRIALS) {
      for (const store of stores)
        for (const round of [0, 1, 2, 3, 4]) expect(seen).toContain([name, 1_000_000, store, round].join());
    }
  });

  test('interleaves: a round ends before the next one begins', () => {
    const rounds = planFor().runs.map(({ round }) => round);
    expect(rounds).toEqual([...rounds].sort());
  });

  test('lets the rivals of a trial follow each other, beginning with another one each round', () => {
    const { runs } = planFor('--only', 'put-ascending', '--rounds', '2');
    const order = runs.map(({ store }) => store);
    const [first, ...rest] = order.slice(0, order.length / 2);
    expect(order.slice(order.length / 2)).toEqual([...rest, first]);
  });

  test('fills a store once for all that read it, and for all of its configurations', () => {
    const { preparations, runs } = planFor();
    const names = preparations.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith('lmdb-objects-1000000'))).toHaveLength(1);
    for (const { prepared } of runs) if (prepared !== null) expect(names).toContain(prepared);
  });

  test('copies what is filled before it is written to', () => {
    for (const { measurement, prepared, isCopied } of planFor().runs)
      expect(isCopied).toBe(measurement === 'put' && prepared !== null);
  });

  test('never puts classes of durability into one trial', () => {
    for (const { trial, options } of planFor().runs)
      expect(options.durability).toBe(trial.endsWith('-p') ? 'P' : 'D');
    expect(planFor().runs.some(({ trial, store }) => trial.endsWith('-p') && store === 'keelson')).toBe(
      false,
    );
  });

  test('of a quick run has every goal, and neither class P nor other sizes', () => {
    const { cases } = planFor('--quick');
    const names = cases.map(({ trial }) => trial.name);
    expect(names).toEqual(TRIALS.filter(({ durability }) => durability !== 'P').map(({ name }) => name));
    expect(new Set(cases.map(({ entries }) => entries))).toEqual(new Set([1_000_000]));
  });

  test('varies the size in a full run, and has ten millions only when asked', () => {
    const sizes = (...args: string[]) => new Set(planFor(...args).cases.map(({ entries }) => entries));
    expect(sizes()).toEqual(new Set([10_000, 100_000, 1_000_000]));
    expect(sizes('--large')).toEqual(new Set([10_000, 100_000, 1_000_000, 10_000_000]));
    expect(sizes('--large', '--entries', '10000000')).toEqual(new Set([10_000, 100_000, 10_000_000]));
  });

  test('of a large run has the trials in which a size is varied, and no other', () => {
    const trialsOf = (...args: string[]) => planFor(...args).cases.map(({ trial }) => trial.name);
    expect(new Set(trialsOf('--large'))).toEqual(new Set(['put-random', 'get-objects', 'scan-objects']));
  });

  test('keeps its time: ten minutes quick, fifteen large, ninety full', () => {
    expect(planFor('--large').seconds).toBeLessThan(15 * MINUTE_SECONDS);
    expect(planFor('--quick').seconds).toBeLessThan(10 * MINUTE_SECONDS);
    expect(planFor().seconds).toBeLessThan(90 * MINUTE_SECONDS);
  });
});

describe('the trials', () => {
  test('have names of their own and stores that exist', () => {
    expect(new Set(TRIALS.map(({ name }) => name)).size).toBe(TRIALS.length);
    for (const { stores } of TRIALS) for (const store of stores) expect(Object.keys(STORES)).toContain(store);
  });

  test('set goals only over those that take part in them', () => {
    for (const { stores, figures, goals } of TRIALS) {
      for (const { figure, over } of goals) {
        expect(figures).toContain(figure);
        if (over !== undefined) expect(stores).toContain(over);
      }
    }
  });
});
