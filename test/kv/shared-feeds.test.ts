// Several feeds at different speeds and with different filters share what they make of each record. Each tells what a reader
// tells that reads alone, though programs spoil the objects that they are given.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ChangeGroup } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { type FedStore, writeTo } from './feed-tools.js';

type Groups = AsyncIterableIterator<ChangeGroup<string>>;

/** A feed of the store or of one namespace, read at a pace of its own. */
class Reader {
  readonly namespace: string;
  readonly since: number;
  readonly told: { readonly lsn: number; readonly changes: unknown[] }[] = [];
  /** The LSN of the last group, or infinity behind the end. */
  lsn = 0;
  readonly #feed: Groups;
  readonly #random: Random;
  readonly done: Promise<void>;

  constructor(db: FedStore, random: Random, seed: number) {
    this.namespace = random.pick(['', 'one', 'two']);
    this.since = db.lastLsn;
    const source = this.namespace === '' ? db : db.namespace(this.namespace);
    this.#feed = source.changes({ since: this.since }) as Groups;
    this.#random = new Random(seed);
    this.done = this.#read();
  }

  async #read(): Promise<void> {
    const pace = this.#random.below(4);
    for await (const { lsn, changes } of this.#feed) {
      if (changes.length > 0) this.told.push(structuredClone({ lsn, changes: [...changes] }));
      for (const change of changes) spoil(change as { key?: unknown; value?: unknown });
      this.lsn = lsn;
      for (let turns = this.#random.below(pace * 2 + 1); turns > 0; turns--) await setImmediate();
    }
    this.lsn = Number.POSITIVE_INFINITY;
  }

  async stop(): Promise<void> {
    await this.#feed.return!();
    await this.done;
  }

  /** Returns the groups that a reader of the whole store gets, without other namespaces, up to the drop of this one. */
  async expected(db: FedStore): Promise<unknown[]> {
    const groups: unknown[] = [];
    for await (const group of db.changes({ since: this.since, live: false })) {
      const changes = group.changes.filter(
        ({ namespace }) => this.namespace === '' || namespace === this.namespace,
      );
      if (changes.length > 0) groups.push({ lsn: group.lsn, changes });
      if (this.namespace !== '' && changes.some(({ type }) => type === 'drop')) break;
    }
    return groups;
  }
}

function spoil(change: { key?: unknown; value?: unknown }): void {
  if (typeof change.value === 'object') Object.assign(change.value!, { number: 'spoilt' });
  change.key = 'spoilt';
}

test.each([1, 2, 3, 4])('feeds tell the same as one that reads alone, seed %i', async (seed) => {
  const random = new Random(seed);
  let now = 1000;
  const options = { clock: () => now, retain: { bytes: 1e9 } };
  const db = (await inMemory({ seed }).open('/db', options)) as unknown as FedStore;
  const readers: Reader[] = [];
  for (let step = 0; step < 250; step++) {
    if (step < 60 && step % 8 === 0) {
      await db.flush();
      readers.push(new Reader(db, random, step));
    }
    const writes = random.chance(0.02) ? 700 : random.below(6);
    for (let count = 0; count < writes; count++) writeTo(db, random).catch(() => {});
    now += random.below(20);
    if (random.chance(0.02)) await db.checkpoint();
    for (let turns = random.below(3); turns > 0; turns--) await setImmediate();
  }
  await db.flush();
  while (readers.some(({ lsn }) => lsn < db.durableLsn)) await setImmediate();
  let compared = 0;
  for (const reader of readers) {
    // A namespace that was dropped before its first write.
    if (reader.lsn === Number.POSITIVE_INFINITY && reader.told.length === 0) continue;
    await reader.stop();
    expect(reader.told).toEqual(await reader.expected(db));
    compared++;
  }
  expect(compared).toBeGreaterThan(3);
  await db.close();
});
