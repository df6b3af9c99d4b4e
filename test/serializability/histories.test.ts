// Thousands of schedules of concurrent transactions, each from a seed, and the check that each history is serializable.
//
// KEELSON_SEED sets the first seed, and KEELSON_SCHEDULES the number of schedules.

import { expect, it } from 'vitest';
import { type Outcomes, playSchedule } from './schedule.js';
import { areUsual, chunksOfSeeds } from './seeds.js';

const outcomes: Outcomes = { commits: 0, retries: 0, conflicts: 0, dropped: 0, aborted: 0 };

it.each(chunksOfSeeds(1500))(
  'concurrent transactions of the seeds $first to $last read what they would read one after the other',
  async ({ first, last }) => {
    for (let seed = first; seed <= last; seed++) await playSchedule(seed, outcomes);
  },
);

it.runIf(areUsual)(
  'the schedules have conflicts, retries, dropped namespaces and transactions that end early',
  () => {
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(outcomes.commits / 100);
  },
);

it('one seed gives one history', async () => {
  const [first, second] = [await playSchedule(7, { ...outcomes }), await playSchedule(7, { ...outcomes })];
  expect(first.length).toBeGreaterThan(5);
  expect(second).toEqual(first);
});
