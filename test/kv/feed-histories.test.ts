// Random histories under a feed: the groups up to an LSN, applied one after the other, make the store as it was at that LSN.
// That holds across restarts, kills and power cuts, which take back nothing that was told.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ChangeGroup } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { type FedStore, FeedCopy, stateOf, writeTo } from './feed-tools.js';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const STEPS = 250;

type Groups = AsyncIterableIterator<ChangeGroup<string>>;

/** A store that is written to, and a copy of it that is kept by a feed. */
class FedHistory {
  readonly #random: Random;
  readonly #machine;
  #now = 1000;
  /** What the store showed by its clock, by the LSN of its last write. */
  readonly #states = new Map<number, { readonly now: number; readonly state: string }>();
  #db!: FedStore;
  #feed!: Groups;
  #copy = new FeedCopy();
  /** The first error of a feed that was followed in the background. */
  #fault: unknown = null;
  /** All groups that were told since the copy was made. */
  #told: ChangeGroup<string>[] = [];
  readonly seen = { groups: 0, compared: 0, copies: 0 };

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#machine = inMemory({ seed });
  }

  async open(): Promise<void> {
    const clock = () => this.#now;
    const db = (await this.#machine.open('/db', { clock, checkpointBytesMin: 4096 })) as unknown as FedStore;
    this.#db = db;
    expect(db.lastLsn, 'nothing that was told is taken back').toBeGreaterThanOrEqual(this.#copy.lsn);
    for (const lsn of this.#states.keys()) if (lsn > db.lastLsn) this.#states.delete(lsn);
    if (this.#random.chance(0.2)) await this.#writeUnfollowed();
    await this.#follow();
  }

  /** Writes while nobody follows, so that a checkpoint may retire what the copy lacks. */
  async #writeUnfollowed(): Promise<void> {
    const value = 'x'.repeat(3000);
    for (let count = 0; count < 12; count++) await this.#db.put('long', value);
    this.#note();
    await this.#db.checkpoint();
    for (let count = 0; count < 5; count++) await this.#write();
  }

  /** Follows on from the copy. Makes another one if the journal no longer holds what follows. */
  async #follow(): Promise<void> {
    const db = this.#db;
    try {
      this.#feed = db.changes({ since: this.#copy.lsn, id: db.id }) as Groups;
    } catch (error) {
      expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
      expect((error as { facts: { oldestLsn: number } }).facts.oldestLsn).toBeGreaterThan(this.#copy.lsn);
      // What the copy has must be durable before it is used, and what is due is not in it, but its removal would be told.
      await db.expireNow();
      await db.flush();
      this.#copy = FeedCopy.of(db);
      this.#told = [];
      this.seen.copies++;
      this.#feed = db.changes({ since: this.#copy.lsn, id: db.id }) as Groups;
    }
    this.#takeAll(db, this.#feed).catch((error) => {
      this.#fault ??= error;
    });
  }

  async #takeAll(db: FedStore, feed: Groups): Promise<void> {
    for await (const group of feed) {
      // The process of this feed was killed meanwhile.
      if (db !== this.#db) return;
      this.#take(group);
    }
  }

  #take(group: ChangeGroup<string>): void {
    const { lsn, changes } = group;
    expect(lsn).toBeLessThanOrEqual(this.#db.durableLsn);
    expect(changes).not.toEqual([]);
    this.#copy.apply(group);
    this.#told.push(group);
    this.seen.groups++;
    const noted = this.#states.get(lsn);
    if (noted === undefined) return;
    this.seen.compared++;
    expect(this.#copy.stateAt(noted.now), `at LSN ${lsn}`).toBe(noted.state);
  }

  #note(): void {
    this.#states.set(this.#db.lastLsn, { now: this.#now, state: stateOf(this.#db) });
  }

  #write(): Promise<unknown> {
    const written = writeTo(this.#db, this.#random);
    this.#note();
    written.catch(() => {});
    return written;
  }

  /** Ends the feed, and takes what is durable and was not told yet. */
  async #catchUp(): Promise<void> {
    const db = this.#db;
    await db.flush();
    await this.#feed.return!();
    const since = this.#copy.lsn;
    for await (const group of db.changes({ since, id: db.id, live: false }) as Groups) this.#take(group);
  }

  /** Throws unless the feed tells from any place what it has told before. */
  async #tellAgain(): Promise<void> {
    const { told, db, random } = { told: this.#told, db: this.#db, random: this.#random };
    const at = random.below(told.length);
    const groups: unknown[] = [];
    try {
      const feed = db.changes({ since: told[at]!.lsn, live: false }) as Groups;
      for await (const group of feed) {
        if (groups.push(group) === told.length - at - 1) break;
      }
    } catch (error) {
      expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
      return;
    }
    expect(groups.slice(0, told.length - at - 1)).toEqual(told.slice(at + 1, at + 1 + groups.length));
  }

  async #step(dice: number): Promise<void> {
    const db = this.#db;
    if (dice < 70) {
      const written = this.#write();
      if (dice < 25) await written;
    } else if (dice < 80) this.#now += this.#random.below(60);
    else if (dice < 83) await db.expireNow();
    else if (dice < 86) await db.checkpoint();
    else if (dice < 88) {
      await this.#catchUp();
      expect(this.#copy.stateAt(this.#now)).toBe(stateOf(db));
      if (this.#told.length > 0) await this.#tellAgain();
      await this.#follow();
    } else if (dice < 90) {
      await db.close();
      await this.open();
    } else if (dice < 92) {
      if (this.#random.chance(0.5)) this.#machine.kill();
      else this.#machine.cutPower();
      await this.open();
    } else for (let turns = 0; turns < 5; turns++) await setImmediate();
  }

  async play(): Promise<void> {
    await this.open();
    for (let step = 0; step < STEPS; step++) {
      await this.#step(this.#random.below(100));
      if (this.#fault !== null) throw this.#fault;
    }
    await this.#catchUp();
    expect(this.#copy.stateAt(this.#now)).toBe(stateOf(this.#db));
    this.#now += 1000;
    await this.#db.expireNow();
    await this.#follow();
    await this.#catchUp();
    // Everything that has expired was told as a delete: nothing is left to a clock.
    expect(this.#copy.stateAt(Number.NEGATIVE_INFINITY)).toBe(stateOf(this.#db));
    expect(this.#db.stats().journal!.pins).toBe(0);
    await this.#db.close();
    await this.open();
    expect(this.#copy.stateAt(Number.NEGATIVE_INFINITY)).toBe(stateOf(this.#db));
    await this.#feed.return!();
    await this.#db.close();
  }
}

test('a copy that is kept by the feed is the store at every LSN', async () => {
  const seen = { groups: 0, compared: 0, copies: 0 };
  for (const seed of SEEDS) {
    const history = new FedHistory(seed);
    await history.play().catch((error: Error) => {
      throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
    });
    for (const name of ['groups', 'compared', 'copies'] as const) seen[name] += history.seen[name];
  }
  expect(seen.compared).toBeGreaterThan(seen.groups * 0.8);
  expect(seen.copies).toBeGreaterThan(0);
});
