// The feed of a read-only store beside its owner, on one simulated disk. The owner writes, checkpoints, closes, is killed, and
// comes back. The feed tells every write that lasts, in order, and never one that is not durable. It says so when the owner
// has retired what follows.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ChangeGroup } from '../../src/kv/index.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { Random } from '../../src/testing/random.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { tries } from '../counts.js';
import { type FedStore, FeedCopy, stateOf, writeTo } from '../kv/feed-tools.js';

const DIRECTORY = '/data';
/** With 354, the owner retires what a feed lacks and leaves a lineage segment, and the error named the LSN of the reader. */
const SEEDS = [...Array.from({ length: tries(14, 24) }, (_, seed) => seed), 354];
const STEPS = 200;
/** Sizes with which a few writes fill a segment. */
const TINY = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 8192, commitBytesMax: 2048 };

type Groups = AsyncIterableIterator<ChangeGroup<string>>;

/** An owner, a reader beside it, and a copy that is kept by the feed of the reader. */
class Pair {
  readonly #random: Random;
  readonly #disk: SimulatedDisk;
  readonly #clock = () => this.#now;
  #now = 1000;
  #storage;
  #owner!: FedStore;
  #reader!: FedStore;
  #copy = new FeedCopy();
  #feed!: Groups;
  /** What the owner has shown by its clock, by the LSN of its last write. */
  readonly #states = new Map<number, { readonly now: number; readonly state: string }>();
  /** True while no owner is open: what is told then is judged when the next one has opened. */
  #isBetween = false;
  /** True from KEELSON_HISTORY_GONE on until the owner has closed, when all that the reader shows is durable. */
  #isLeft = false;
  #fault: unknown = null;
  readonly seen = { groups: 0, compared: 0, gone: 0, between: 0 };

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#disk = new SimulatedDisk({ seed, directories: ['/'] });
    this.#storage = this.#disk.life();
  }

  async #openOwner(): Promise<void> {
    const autoCheckpoint = this.#random.chance(0.3);
    const options = resolveStoreOptions({ autoCheckpoint, checkpointBytesMin: 4096, clock: this.#clock });
    const owner = await openStoreOn(this.#storage, DIRECTORY, options, TINY);
    this.#owner = owner as unknown as FedStore;
    this.#isBetween = false;
    expect(owner.lastLsn, 'what was told is found').toBeGreaterThanOrEqual(this.#copy.lsn);
    for (const lsn of this.#states.keys()) if (lsn > owner.lastLsn) this.#states.delete(lsn);
  }

  async #openReader(): Promise<void> {
    const options = resolveStoreOptions({ readOnly: true, clock: this.#clock });
    const reader = await openStoreOn(this.#disk.life(), DIRECTORY, options);
    this.#reader = reader as unknown as FedStore;
  }

  #follow(): void {
    this.#feed = this.#reader.changes({ since: this.#copy.lsn, id: this.#owner.id }) as Groups;
    const startLsn = this.#copy.lsn;
    this.#takeAll(this.#feed).catch((error) => {
      const { code, facts } = error as { code?: string; facts?: { oldestLsn: number } };
      const isBehind = code === 'KEELSON_HISTORY_GONE' && facts!.oldestLsn > this.#copy.lsn;
      // A lineage segment does not define all that it refers to, so no feed starts in it, though one that was on goes on.
      const isUndefined = code === 'KEELSON_HISTORY_GONE' && this.#copy.lsn === startLsn;
      if (isBehind || isUndefined) this.#isLeft = true;
      else this.#fault ??= error;
    });
  }

  async #takeAll(feed: Groups): Promise<void> {
    for await (const group of feed) this.#take(group);
  }

  #take(group: ChangeGroup<string>): void {
    const { lsn } = group;
    if (this.#isBetween) this.seen.between++;
    else expect(lsn).toBeLessThanOrEqual(this.#owner.durableLsn);
    this.#copy.apply(group);
    this.seen.groups++;
    const noted = this.#states.get(lsn);
    if (noted === undefined) return;
    this.seen.compared++;
    expect(this.#copy.stateAt(noted.now), `at LSN ${lsn}`).toBe(noted.state);
  }

  #write(): Promise<unknown> {
    const written = writeTo(this.#owner, this.#random);
    this.#states.set(this.#owner.lastLsn, { now: this.#now, state: stateOf(this.#owner) });
    written.catch(() => {});
    return written;
  }

  async #kill(): Promise<void> {
    this.#disk.killLife(this.#storage);
    this.#isBetween = true;
    await this.#turns();
    this.#storage = this.#disk.life();
    await this.#openOwner();
  }

  async #reopen(): Promise<void> {
    // Nothing due may be in the copy, because the reader does not show it, and its removal would be told.
    const isLeft = this.#isLeft;
    if (isLeft) await this.#owner.expireNow();
    await this.#owner.close();
    this.#isBetween = true;
    if (isLeft) await this.#copyAnew();
    else await this.#turns();
    await this.#openOwner();
  }

  async #copyAnew(): Promise<void> {
    await this.#reader.refresh();
    expect(this.#reader.durableLsn).toBe(this.#reader.lastLsn);
    this.#copy = FeedCopy.of(this.#reader);
    this.#isLeft = false;
    this.seen.gone++;
    this.#follow();
  }

  async #turns(): Promise<void> {
    for (let turns = this.#random.below(30); turns > 0; turns--) await setImmediate();
  }

  async #step(dice: number): Promise<void> {
    if (dice < 65) {
      const written = this.#write();
      if (dice < 30) await written;
    } else if (dice < 72) this.#now += this.#random.below(60);
    else if (dice < 75) await this.#owner.expireNow();
    else if (dice < 78) await this.#owner.checkpoint();
    else if (dice < 80) await this.#reader.refresh();
    else if (dice < 82) await this.#kill();
    else if (dice < 84) await this.#reopen();
    else if (dice < 86) {
      if (this.#isLeft) return;
      await this.#feed.return!();
      // A feed tells more than its store shows before a refresh(), and `since` may not be beyond what that shows.
      await this.#reader.refresh();
      this.#follow();
    } else await this.#turns();
  }

  async play(): Promise<void> {
    await this.#openOwner();
    await this.#openReader();
    this.#follow();
    for (let step = 0; step < STEPS; step++) {
      await this.#step(this.#random.below(100));
      if (this.#fault !== null) throw this.#fault;
    }
    await this.#end();
  }

  /** Throws unless the feed tells everything that a closed owner has left. */
  async #end(): Promise<void> {
    if (this.#isLeft) await this.#reopen();
    await this.#feed.return!();
    this.#now += 1000;
    await this.#owner.expireNow();
    const state = stateOf(this.#owner);
    await this.#owner.close();
    await this.#reader.refresh();
    const rest = this.#reader.changes({ since: this.#copy.lsn, id: this.#owner.id, live: false }) as Groups;
    try {
      for await (const group of rest) this.#take(group);
      expect(this.#copy.stateAt(Number.NEGATIVE_INFINITY)).toBe(state);
    } catch (error) {
      expect(error).toMatchObject({ code: 'KEELSON_HISTORY_GONE' });
    }
    await this.#reader.close();
    expect(this.#disk.openFiles()).toEqual([]);
  }
}

test('the feed beside an owner tells every write that lasts, in order, when it is durable', async () => {
  const seen = { groups: 0, compared: 0, gone: 0, between: 0 };
  for (const seed of SEEDS) {
    const pair = new Pair(seed);
    await pair.play().catch((error: Error) => {
      throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
    });
    for (const name of ['groups', 'compared', 'gone', 'between'] as const) seen[name] += pair.seen[name];
  }
  expect(seen.compared).toBeGreaterThan(seen.groups * 0.8);
  expect(seen.gone).toBeGreaterThan(0);
  expect(seen.between).toBeGreaterThan(0);
});
