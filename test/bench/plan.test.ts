// What the benchmark runs, and in which order: nothing of it is measured here.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { FEATURES, FIGURES, planOf, resolveOptions, STORES, TRIALS, usage, VALUES } from './peers.js';

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
    ['--node', '/node24'],
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

  test('name a Node binary by its whole path, and none unless it is given', () => {
    expect(resolveOptions(['--node', 'some/node']).node).toBe(path.resolve('some/node'));
    expect(resolveOptions([]).node).toBeNull();
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
    ['--node', ''],
  ])('%s "%s" is refused by its name', (name, value) => {
    expect(() => resolveOptions([`${name}=${value}`])).toThrow(`${name}: expected`);
  });

  test('are all shown by the help', () => {
    const shown = usage();
    for (const name of ['quick', 'large', 'only', 'rounds', 'seconds', 'entries', 'directory', 'node', 'out'])
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

  test('fills a store once for all that read it', () => {
    const { preparations, runs } = planFor();
    const names = preparations.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const used = runs.flatMap(({ prepared }) => prepared ?? []);
    expect(new Set(used)).toEqual(new Set(names));
  });

  test('gives the node:fs engine a copy of the files that Keelson prepared', () => {
    const { preparations, runs } = planFor('--only', 'put-random', '--rounds', '1');
    const preparedOf = (store: string) =>
      runs.filter((run) => run.store === store).map((run) => run.prepared);
    expect(preparedOf('keelson-fs')).toEqual(preparedOf('keelson'));
    expect(preparedOf('keelson-fs')).toHaveLength(3);
    expect(preparations.map(({ store }) => store)).not.toContain('keelson-fs');
  });

  test('fills a store with an index apart from the one without it, and gives that to Keelson without the index', () => {
    const { preparations, runs } = planFor('--only', 'put-index', '--rounds', '1');
    const preparedOf = (store: string) => runs.find((run) => run.store === store)!.prepared;
    expect(preparedOf('keelson')).toBe('keelson-objects-1000000-index');
    expect(preparedOf('keelson-fs')).toBe(preparedOf('keelson'));
    expect(preparedOf('keelson-plain')).toBe('keelson-objects-1000000');
    expect(preparations.filter(({ store }) => store === 'keelson')).toMatchObject([
      { name: preparedOf('keelson'), feature: 'index' },
      { name: preparedOf('keelson-plain'), feature: undefined },
    ]);
  });

  test('leaves out the stores that are absent on this Node.js, and no other', () => {
    const storesOf = ({ runs }: ReturnType<typeof planFor>) => new Set(runs.map(({ store }) => store));
    const all = storesOf(planFor());
    expect(all).toEqual(new Set(Object.keys(STORES)));
    const present = planOf(resolveOptions([]), ['node-sqlite']);
    all.delete('node-sqlite');
    expect(storesOf(present)).toEqual(all);
    expect(present.preparations.map(({ store }) => store)).not.toContain('node-sqlite');
  });

  test('copies what is filled before it is written to', () => {
    for (const { measurement, prepared, isCopied } of planFor().runs)
      expect(isCopied).toBe(['put', 'transact'].includes(measurement) && prepared !== null);
  });

  test('never puts classes of durability into one trial', () => {
    for (const { trial, options } of planFor().runs)
      expect(options.durability).toBe(trial.endsWith('-p') ? 'P' : 'D');
    expect(planFor().runs.some(({ trial, store }) => trial.endsWith('-p') && store === 'keelson')).toBe(
      false,
    );
  });

  test('of a quick run has no transactions, features, doors, class P, other windows, sizes and lengths of values', () => {
    const { cases } = planFor('--quick');
    const names = cases.map(({ trial }) => trial.name);
    const leftOut = TRIALS.map(({ name }) => name).filter((name) => !names.includes(name));
    expect(leftOut).toEqual([
      ...['put-window-100', 'put-window-10000', 'put-20b', 'put-1kb', 'put-10kb'],
      ...['transactions', 'async-transactions'],
      ...['put-ttl', 'put-index', 'get-index', 'put-feed'],
      ...['level-put', 'level-batch', 'level-get', 'level-scan', 'keyv-set', 'keyv-get'],
      ...['put-lone-p', 'put-ascending-p', 'batch-p'],
    ]);
    expect(new Set(cases.map(({ entries }) => entries))).toEqual(new Set([1_000_000]));
  });

  test('of a quick run has the trial that is asked for by name, whichever it is', () => {
    for (const { name } of TRIALS) {
      const { cases } = planFor('--quick', '--only', name);
      expect(cases.map(({ trial }) => trial.name)).toEqual([name]);
    }
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

  test('keeps its time: ten minutes quick, fifteen large, 45 full', () => {
    expect(planFor('--large').seconds).toBeLessThan(15 * MINUTE_SECONDS);
    expect(planFor('--quick').seconds).toBeLessThan(10 * MINUTE_SECONDS);
    expect(planFor().seconds).toBeLessThan(45 * MINUTE_SECONDS);
  });
});

describe('the trials', () => {
  test('have names of their own and stores that exist', () => {
    expect(new Set(TRIALS.map(({ name }) => name)).size).toBe(TRIALS.length);
    for (const { stores } of TRIALS) for (const store of stores) expect(Object.keys(STORES)).toContain(store);
  });

  test('set goals only for and over those that take part in them', () => {
    const goals = TRIALS.flatMap((trial) => trial.goals.map((goal) => ({ ...goal, trial })));
    expect(goals.length).toBeGreaterThan(30);
    for (const { trial, of = 'keelson', figure, over } of goals) {
      expect(trial.figures).toContain(figure);
      expect(trial.stores).toContain(of);
      if (over !== undefined) expect(trial.stores).toContain(over);
    }
  });

  test('ask for at most so much where less is better, and otherwise for at least so much', () => {
    for (const { figure, atLeast, atMost } of TRIALS.flatMap(({ goals }) => goals)) {
      const asked = FIGURES[figure]!.isLessBetter ? atMost : atLeast;
      expect(asked).toBeGreaterThan(0);
      expect([atLeast, atMost]).toContain(undefined);
    }
  });

  test('set beside each feature of a put what Keelson does without it', () => {
    const features = TRIALS.filter(
      ({ measurement, parameters }) => measurement === 'put' && parameters.feature !== undefined,
    );
    expect(features.map(({ parameters }) => parameters.feature).toSorted()).toEqual(FEATURES.toSorted());
    for (const { stores, goals } of TRIALS)
      expect(stores.includes('keelson-plain')).toBe(goals.some(({ over }) => over === 'keelson-plain'));
    for (const { stores } of features) expect(stores).toContain('keelson-plain');
  });

  test('compare a door of Keelson with rivals behind the same API, and with nobody else', () => {
    const doors = TRIALS.filter(({ name }) => /^(level|keyv)-/.test(name));
    expect(doors).toHaveLength(6);
    for (const { name, stores, goals } of doors) {
      const api = name.startsWith('level') ? /-level$/ : /^keyv-|-keyv$/;
      for (const store of stores) expect(store).toMatch(api);
      expect(goals.map(({ of, over }) => [of, over])).toEqual(
        stores.slice(1).map((rival) => [stores[0], rival]),
      );
    }
  });

  test('store values of kinds that exist', () => {
    for (const { parameters } of TRIALS) expect(Object.keys(VALUES)).toContain(parameters.values);
  });

  test('measure the longest turn wherever more than one write is in flight, and only there', () => {
    const concurrent = TRIALS.filter(({ parameters: { inFlight = 1 } }) => inFlight > 1);
    const watched = TRIALS.filter(({ figures }) => figures.includes('longestTurnMs'));
    expect(watched).toEqual(concurrent);
    expect(watched).toHaveLength(16);
  });

  test('measure both engines of Keelson in every durable write, and one configuration of lmdb, with both of its kinds of transactions', () => {
    const isWrite = ({ name, durability }: { name: string; durability?: string }) =>
      durability === 'D' && name !== 'load' && !/^(level|keyv)-/.test(name);
    const writes = TRIALS.filter(isWrite);
    expect(writes).toHaveLength(16);
    for (const { stores } of writes)
      expect(stores).toEqual(expect.arrayContaining(['keelson', 'keelson-fs']));
    for (const trial of TRIALS) if (!isWrite(trial)) expect(trial.stores).not.toContain('keelson-fs');
    expect(Object.keys(STORES).filter((store) => store.startsWith('lmdb'))).toEqual(['lmdb', 'lmdb-async']);
  });
});
