// A crash at any boundary of a store under feeds, one of its own and one of a read-only store beside it: what a feed has told
// is told again afterwards, byte for byte and without a gap, and all that is told makes the store that is found.

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ChangeGroup } from '../../src/kv/index.js';
import { type Open, simulateCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { type FedStore, FeedCopy, stateOf, writeTo } from '../kv/feed-tools.js';

const STEPS = 50;
const STATES = 250;

type Groups = AsyncIterableIterator<ChangeGroup<string>>;

/** A group as a feed told it. Each feed tells all groups, from the first one on. */
interface Told {
  readonly feed: 'own' | 'beside';
  readonly lsn: number;
  readonly group: string;
}

function openAt(open: Open, clock: () => number, options: object = {}): Promise<FedStore> {
  // The store keeps everything, so that every feed can begin at the first write.
  const all = { autoCheckpoint: false, retain: { bytes: 2 ** 30 } };
  return open('/data', { clock, ...all, ...options }) as unknown as Promise<FedStore>;
}

async function noteAll(db: FedStore, feed: Told['feed'], note: (told: Told) => void): Promise<void> {
  for await (const group of db.changes({ since: 0 }) as Groups) {
    note({ feed, lsn: group.lsn, group: JSON.stringify(group) });
  }
}

async function play(seed: number, open: Open, note: (told: Told) => void): Promise<void> {
  const random = new Random(seed);
  let now = 1000;
  const db = await openAt(open, () => now);
  const reader = await openAt(open, () => now, { readOnly: true });
  const ends = [noteAll(db, 'own', note), noteAll(reader, 'beside', note)];
  const writes: Promise<unknown>[] = [];
  for (let step = 0; step < STEPS; step++) {
    now += random.below(20);
    writes.push(writeTo(db, random));
    if (random.chance(0.3)) await writes.at(-1);
    if (random.chance(0.05)) await db.expireNow();
    if (random.chance(0.05)) await db.checkpoint();
    // The disk of this seed may be slow to answer the feeds.
    for (let turns = random.below(8); turns > 0; turns--) await setImmediate();
  }
  await Promise.all(writes);
  await db.close();
  await reader.close();
  await Promise.all(ends);
}

async function groupsOf(db: FedStore): Promise<ChangeGroup<string>[]> {
  const groups: ChangeGroup<string>[] = [];
  await db.flush();
  for await (const group of db.changes({ since: 0, live: false }) as Groups) groups.push(group);
  return groups;
}

/** Throws unless the groups, applied one after the other, make the store as it is by the clock. */
function assertMakes(groups: readonly ChangeGroup<string>[], db: FedStore, now: number): void {
  const copy = new FeedCopy();
  for (const group of groups) copy.apply(group);
  assert.equal(copy.stateAt(now), stateOf(db));
}

test.each([1, 2, 3])('a feed tells nothing that a crash takes back (seed %i)', async (seed) => {
  const told = { own: 0, beside: 0 };
  await simulateCrashes<Told>({
    seed,
    states: STATES,
    workload: ({ open, note }) => play(seed, open, note),
    check: async ({ open, notes }) => {
      // Above the times of the life before: what has expired in it is not seen.
      const now = 5000;
      const db = await openAt(open, () => now);
      const found = await groupsOf(db);
      const texts = found.map((group) => JSON.stringify(group));
      for (const feed of ['own', 'beside'] as const) {
        const mine = notes.filter((each) => each.feed === feed);
        told[feed] += mine.length;
        assert.deepEqual(
          texts.slice(0, mine.length),
          mine.map(({ group }) => group),
        );
      }
      assertMakes(found, db, now);
      await db.expireNow();
      const rest = await groupsOf(db);
      assert.deepEqual(rest.slice(0, found.length), found);
      assertMakes(rest, db, Number.NEGATIVE_INFINITY);
      await db.checkpoint();
      assert.deepEqual(await groupsOf(db), rest);
      await db.close();
    },
  });
  expect(told.own).toBeGreaterThan(STATES);
  expect(told.beside).toBeGreaterThan(STATES);
});
