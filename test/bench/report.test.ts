// What the benchmark says of its figures: ratios, goals, the page. From made-up results.

import { describe, expect, test } from 'vitest';
import { markdownOf, shown, summarize } from './peers.js';

const ENTRIES = 1000;

const results = (stores: object, name = 'put-lone', entries = ENTRIES) => ({
  startedAt: '2026-01-01T00:00:00.000Z',
  durationMinutes: 1,
  machine: {
    cpu: 'a processor',
    cores: 2,
    memoryGib: 4,
    kernel: 'Linux',
    fileSystem: 'ext4',
    node: 'v20',
    loadBefore: 0,
    keelson: '0',
    engine: 'fs',
    versions: { lmdb: '3' },
  },
  options: { quick: false, only: null, large: false, rounds: 3, seconds: 1, entries: ENTRIES },
  trials: [{ name, entries, stores, failures: [] as string[] }],
});

const goalOver = (store: string, stores: object) =>
  summarize(results(stores)).trials[0]!.goals.find(({ over }) => over === store)!;

describe('a goal', () => {
  test('is judged by the median of the ratios of each round, not by the ratio of the medians', () => {
    const goal = goalOver('lmdb', {
      keelson: { perSecond: [40, 400, 4] },
      lmdb: { perSecond: [10, 100, 1] },
    });
    expect(goal).toMatchObject({ median: 4, lowest: 4, highest: 4, isReached: true });
  });

  test('that is missed by a little is short', () => {
    const just = { keelson: { perSecond: [85, 85, 85] }, floor: { perSecond: [100, 100, 100] } };
    const missed = { keelson: { perSecond: [84.9, 84.9, 84.9] }, floor: { perSecond: [100, 100, 100] } };
    expect(goalOver('floor', just).isReached).toBe(true);
    expect(goalOver('floor', missed).isReached).toBe(false);
  });

  test('of latency is reached from below', () => {
    const latencyGoal = (p99Ms: number) => {
      const stores = { keelson: { p99Ms: [p99Ms, p99Ms, p99Ms] }, lmdb: { p99Ms: [10, 10, 10] } };
      const { goals } = summarize(results(stores, 'put-ascending')).trials[0]!;
      return goals.find(({ figure }) => figure === 'p99Ms');
    };
    expect(latencyGoal(15)).toMatchObject({ median: 1.5, isReached: true });
    expect(latencyGoal(15.1)).toMatchObject({ median: 1.51, isReached: false });
  });

  test('can judge another store than Keelson', () => {
    const stores = {
      keelson: { perSecond: [100, 100, 100] },
      'keelson-fs': { perSecond: [70, 80, 90] },
      lmdb: { perSecond: [100, 100, 100] },
    };
    const run = results(stores, 'put-ascending');
    const goal = summarize(run).trials[0]!.goals.find(({ of }) => of === 'keelson-fs');
    expect(goal).toMatchObject({ over: 'keelson', median: 0.8, isReached: true });
    expect(markdownOf(run, summarize(run), [])).toContain(
      '| Keelson, node:fs engine: per second, over Keelson | ≥ 0.8 | 0.800 |',
    );
  });

  test('without a rival is a bound of our own figure', () => {
    const stores = { keelson: { rssMb: [279, 280, 281] }, lmdb: {} };
    const goals = summarize(results(stores, 'load')).trials[0]!.goals;
    expect(goals.find(({ figure }) => figure === 'rssMb')).toMatchObject({
      isReached: true,
    });
  });

  test('is not judged in a large run, whose rounds are too short for it', () => {
    const measured = results({ keelson: { perSecond: [4, 4, 4] }, lmdb: { perSecond: [1, 1, 1] } });
    const large = { ...measured, options: { ...measured.options, large: true } };
    expect(summarize(measured).trials[0]!.goals).not.toEqual([]);
    expect(summarize(large).trials[0]!.goals).toEqual([]);
  });

  test('that nothing was measured for is not reached', () => {
    const goal = goalOver('lmdb', {
      keelson: { perSecond: [1, 1, 1] },
      lmdb: { perSecond: [null, null, null] },
    });
    expect(goal).toMatchObject({ median: null, isReached: false });
  });

  test('is not set for other sizes than that of the run', () => {
    const stores = { keelson: { perSecond: [4] }, lmdb: { perSecond: [1] } };
    expect(summarize(results(stores, 'get-objects', 10)).trials[0]!.goals).toEqual([]);
  });
});

describe('costs against size', () => {
  const ofSize = (entries: number, perSecond: number) =>
    results({ keelson: { perSecond: [perSecond, perSecond, perSecond] } }, 'get-objects', entries).trials[0]!;
  const costsOf = (...trials: ReturnType<typeof ofSize>[]) => summarize({ ...results({}), trials }).costs;

  test('are in ascending order of size, with the steepest step', () => {
    const [cost] = costsOf(ofSize(ENTRIES, 1e6), ofSize(10, 4e6), ofSize(100, 2e6));
    expect(cost).toMatchObject({
      sizes: [10, 100, ENTRIES],
      stores: [{ store: 'keelson', costsUs: [0.25, 0.5, 1], steepest: 2 }],
    });
  });

  test('are of trials that were run in more than one size', () => {
    expect(costsOf(ofSize(ENTRIES, 1e6))).toEqual([]);
  });

  test('have no steepest step for a store that was measured at one size only', () => {
    const trials = [ofSize(ENTRIES, 1e6), { ...ofSize(10, 1e6), stores: { keelson: { perSecond: [null] } } }];
    const run = { ...results({}), trials };
    expect(summarize(run).costs[0]).toMatchObject({ stores: [{ costsUs: [null, 1], steepest: null }] });
    expect(markdownOf(run, summarize(run), [])).toContain('| Keelson | – | 1.00 | × – |');
  });

  test('say that there is a cliff', () => {
    const withTrials = (perSecond: number) => ({
      ...results({}),
      trials: [ofSize(ENTRIES, perSecond), ofSize(100, 1e6)],
    });
    const pageOf = (run: ReturnType<typeof withTrials>) => markdownOf(run, summarize(run), []);
    expect(pageOf(withTrials(1e6 / 4))).toContain('Keelson **has a cliff**');
    expect(pageOf(withTrials(1e6 / 2))).toContain('Keelson has none');
  });
});

describe('the page', () => {
  const run = results({
    keelson: { perSecond: [100_000, 200_000, 300_000] },
    lmdb: { perSecond: [100_000, 100_000, null] },
  });
  run.trials[0]!.failures.push('round 3, it died');
  const page = markdownOf(run, summarize(run), [{ file: 'a.svg', title: 'A chart' }]);

  test('has each store with its median, lowest and highest', () => {
    expect(page).toContain('| Keelson | 200,000 | 100,000 | 300,000 |');
  });

  test('has each goal with what was asked, and that it is short', () => {
    expect(page).toMatch(/per second, over lmdb \| ≥ 3\.2 \| 1\.50 \| 1\.00 \| 2\.00 \| \*\*short\*\*/);
    expect(page).toMatch(/per second, over C floor \| ≥ 0\.85 \| – \| – \| – \| not measured/);
  });

  test.each([
    ['a store', results({ 'lmdb-no-overlap': { perSecond: [1, 1, 1] } }), 'lmdb-no-overlap'],
    ['a trial', results({}, 'put-of-old'), 'put-of-old'],
  ])('is refused for results with %s that is not known here', (_what, old, name) => {
    expect(() => summarize(old)).toThrow(`it has no '${name}'`);
  });

  test('has the charts, the machine, and what failed', () => {
    expect(page).toContain('![A chart](a.svg)');
    expect(page).toContain('a processor');
    expect(page).toContain('Failed: round 3, it died');
  });

  test.each([
    [1_234_567.8, '1,234,568'],
    [99.96, '100.0'],
    [1.5, '1.50'],
    [0.7, '0.700'],
    [null, '–'],
  ])('shows %d as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });
});
