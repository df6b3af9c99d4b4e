// A crash at any boundary of a store under watches: a state that was told with durability 'disk' survives it.

import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import type { Store } from '../../src/kv/index.js';
import { simulateCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';

const STEPS = 40;
const STATES = 600;
const KEYS = ['a', 'b', 'c', 'd', 'e'];

/** A state that was told: the versions of keys as of an LSN; 0 for an absent key. */
interface Told {
  readonly lsn: number;
  readonly versions: ReadonlyMap<string, number>;
}

/** Notes the states of a key or a range until the signal is aborted. */
async function read(
  db: Store<string, number>,
  at: number,
  signal: AbortSignal,
  note: (told: Told) => void,
): Promise<void> {
  const key = KEYS[at % KEYS.length]!;
  if (at % 2 === 0) {
    for await (const { lsn, entry } of db.watch(key, { signal })) {
      note({ lsn, versions: new Map([[key, entry?.version ?? 0]]) });
    }
    return;
  }
  const known = new Map<string, number>();
  for await (const { lsn, entries } of valuesOf(db, key, signal)) {
    for (const each of KEYS) if (each >= key) known.set(each, entries.get(each) ?? 0);
    note({ lsn, versions: new Map(known) });
  }
}

/** Iterates over the states of the keys from `gte` on, with the values as versions: each value is written once. */
async function* valuesOf(db: Store<string, number>, gte: string, signal: AbortSignal) {
  for await (const state of db.watchRange({ gte }, { signal })) {
    yield { lsn: state.lsn, entries: new Map(state.entries()) };
  }
}

/** Makes a random write. The value of an entry is less than its version and above all earlier LSNs. */
function write(db: Store<string, number>, random: Random): Promise<unknown> {
  const key = KEYS[random.below(KEYS.length)]!;
  const value = db.lastLsn + 1;
  switch (random.below(6)) {
    case 0:
      return db.delete(key);
    case 1:
      return db.clear({ gte: key, limit: 2 });
    case 2:
      return db.batch(KEYS.map((each) => ({ type: 'put', key: each, value })));
    case 3:
      return db.transaction((tx) => {
        tx.put(key, value);
        tx.delete('a');
      });
    default:
      return db.put(key, value, { durability: 'memory' });
  }
}

/** Returns true when an entry that was told with `told` and is found with `found` may have been rewritten since `lsn`. */
const survives = (told: number, found: number, lsn: number): boolean =>
  found === told || found === 0 || found > lsn;

test.each([1, 2, Date.now() % 1_000_000])(
  'a state that was told survives every crash (seed %i)',
  { timeout: 240_000 },
  async (seed) => {
    let states = 0;
    let newest = 0;
    await simulateCrashes<Told>({
      seed,
      states: STATES,
      workload: async ({ open, note }) => {
        const random = new Random(seed);
        const db = await open<number>('/data');
        const leave = new AbortController();
        const readers = [0, 1, 2, 3, 4, 5].map((at) => read(db, at, leave.signal, note));
        const writes: Promise<unknown>[] = [];
        for (let step = 0; step < STEPS; step++) {
          writes.push(write(db, random));
          if (random.below(3) === 0) await writes.at(-1);
        }
        await Promise.all(writes);
        leave.abort();
        await Promise.all(readers);
        await db.close();
      },
      check: async ({ open, notes }) => {
        const db = await open<number>('/data');
        for (const { lsn, versions } of notes) {
          states++;
          newest = Math.max(newest, lsn);
          assert(
            db.lastLsn >= lsn,
            `a state as of ${lsn} was told, and the store is found as of ${db.lastLsn}`,
          );
          for (const [key, told] of versions) {
            const entry = db.getEntry(key);
            assert(
              [entry?.version ?? 0, entry?.value ?? 0].some((found) => survives(told, found, lsn)),
              `${key} was told as ${told} as of ${lsn}, and is found as ${entry?.version}`,
            );
          }
        }
        await db.close();
      },
    });
    expect(states).toBeGreaterThan(STATES);
    expect(newest).toBeGreaterThan(0);
  },
);
