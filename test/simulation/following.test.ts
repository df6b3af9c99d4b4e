// A read-only store beside its owner, on one simulated disk. The owner writes, checkpoints, closes, is killed, and comes
// back. What the reader shows is always the store as it was after one write; refresh() shows what was acknowledged before
// it, and goes back only to what a new owner found.

import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import type { IndexDefinition, IndexFactory, Namespace } from '../../src/index.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import { Random } from '../../src/testing/random.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { tries } from '../counts.js';

const DIRECTORY = '/data';
const SEEDS = Array.from({ length: tries(14, 24) }, (_, seed) => seed);
const STEPS = 120;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const NAMES = ['one', 'two'];
/** Sizes with which a few writes fill a segment. */
const TINY = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 8192, commitBytesMax: 2048 };

type AnyStore = Store<unknown, unknown>;

/** All entries of a store and its namespaces, as text. */
function stateOf(db: AnyStore): string {
  const spaces = db.namespaces().map((name) => [name, [...db.namespace(name).entries()]]);
  return JSON.stringify([[...db.entries()], spaces]);
}

/** The index values of an entry, as a function of an index returns them. Values are objects, or the number 1. */
function indexed(value: unknown): number[] {
  const { number = -1 } = value as { number?: number };
  return [number % 7, number];
}

function compare(one: readonly number[], other: readonly number[]): number {
  return one[0]! - other[0]! || one[1]! - other[1]!;
}

/** Returns a namespace of a reader with an index, which is declared when it has none. */
function indexedBy(
  reader: AnyStore,
  name: string,
): Namespace<string, unknown, { by: IndexDefinition<false> }> {
  const plain = reader.namespace(name) as unknown as Namespace<
    string,
    unknown,
    { by: IndexDefinition<false> }
  >;
  if (plain.indexes.by !== undefined) return plain;
  const indexes = (index: IndexFactory<string, unknown>) => ({ by: index(indexed) });
  return reader.namespace(name, { indexes }) as never;
}

/** An owner, a reader, and every state that the owner has had at each LSN. */
class Pair {
  readonly #random: Random;
  readonly disk: SimulatedDisk;
  /** The states by LSN. After a kill, an LSN may come again with another state. */
  readonly #states = new Map<number, Set<string>>();
  #acknowledged = 0;
  #storage;
  owner!: AnyStore;
  reader!: AnyStore;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.disk = new SimulatedDisk({ seed, directories: ['/'] });
    this.#storage = this.disk.life();
  }

  async start(): Promise<void> {
    await this.openOwner();
    const options = resolveStoreOptions({ readOnly: true });
    this.reader = await openStoreOn(this.disk.life(), DIRECTORY, options);
  }

  async openOwner(): Promise<void> {
    const options = resolveStoreOptions({ autoCheckpoint: this.#random.chance(0.5) });
    this.owner = await openStoreOn(this.#storage, DIRECTORY, options, TINY);
    // What was not found is gone, and its LSNs may come again.
    this.#acknowledged = this.owner.lastLsn;
    this.#note();
  }

  async kill(): Promise<void> {
    this.disk.killLife(this.#storage);
    this.#storage = this.disk.life();
    await this.openOwner();
  }

  async reopen(): Promise<void> {
    await this.owner.close();
    await this.openOwner();
  }

  #note(): void {
    const { lastLsn } = this.owner;
    const states = this.#states.get(lastLsn) ?? new Set();
    states.add(stateOf(this.owner));
    this.#states.set(lastLsn, states);
  }

  write(): Promise<unknown> {
    const [random, db] = [this.#random, this.owner];
    const target = random.chance(0.4) ? db.namespace(random.pick(NAMES)) : db;
    const key = random.pick(KEYS) as never;
    const value = { number: random.below(1000), text: 'x'.repeat(random.below(300)) } as never;
    let written: Promise<number>;
    switch (random.below(10)) {
      case 0:
        written = target.delete(key);
        break;
      case 1:
        written = target.clear({ gte: 'b', lt: 'e' } as never);
        break;
      case 2:
        written = db.drop(random.pick(NAMES));
        break;
      case 3:
        written = db.batch([
          { type: 'put', key, value },
          { type: 'put', key: 'z', value: 1, namespace: db.namespace(random.pick(NAMES)) as never },
        ]);
        break;
      default:
        written = target.put(key, value);
    }
    this.#note();
    return written.then((lsn) => {
      if (db === this.owner) this.#acknowledged = Math.max(this.#acknowledged, lsn);
    });
  }

  /** Throws unless the reader shows the store as it was after one write. Called at every turn, so without expect(). */
  checkPrefix(): void {
    const { lastLsn, durableLsn } = this.reader;
    const state = stateOf(this.reader);
    assert(this.#states.get(lastLsn)?.has(state), `no write left at LSN ${lastLsn}: ${state}`);
    assert(durableLsn <= lastLsn, `durable is ${durableLsn}, shown is ${lastLsn}`);
    for (const name of NAMES) {
      const space = indexedBy(this.reader, name);
      const rows = [...space.entries()].map(([key, value]) => [indexed(value), key, value]);
      const inOrder = rows.sort(([a], [b]) => compare(a as number[], b as number[]));
      assert.deepEqual([...space.indexes.by.entries()], inOrder);
    }
  }

  async refresh(): Promise<void> {
    const [known, owner] = [this.#acknowledged, this.owner];
    const snapshot = this.reader.snapshot();
    const before = [...snapshot.entries()];
    const refreshing = this.reader.refresh();
    let isDone = false;
    const done = refreshing.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      this.checkPrefix();
      if (this.#random.chance(0.3)) this.write().catch(() => {});
      await new Promise(setImmediate);
    }
    await done;
    this.checkPrefix();
    if (owner === this.owner) expect(this.reader.lastLsn).toBeGreaterThanOrEqual(known);
    expect([...snapshot.entries()]).toEqual(before);
    snapshot.close();
  }

  async play(): Promise<void> {
    const random = this.#random;
    for (let step = 0; step < STEPS; step++) {
      const dice = random.below(100);
      if (dice < 60) {
        const written = this.write();
        if (random.chance(0.5)) await written;
        else written.catch(() => {});
      } else if (dice < 85) await this.refresh();
      else if (dice < 90) await this.owner.checkpoint();
      else if (dice < 93) await this.kill();
      else if (dice < 96) await this.reopen();
      else if (dice < 98) this.reader.namespace(random.pick(NAMES));
      else await this.owner.flush();
    }
    await this.owner.close();
    await this.refreshed();
  }

  /** Throws unless the reader shows everything that a closed owner has left. */
  async refreshed(): Promise<void> {
    await this.reader.refresh();
    expect(this.reader.lastLsn).toBe(this.owner.lastLsn);
    expect(this.reader.durableLsn).toBe(this.owner.lastLsn);
    this.checkPrefix();
    await this.reader.close();
    expect(this.disk.openFiles()).toEqual([]);
  }
}

describe('a read-only store beside its owner', () => {
  test.each(SEEDS)(
    'shows whole writes, everything acknowledged, and leaves no file open: seed %i',
    async (seed) => {
      const pair = new Pair(seed);
      await pair.start();
      await pair.play();
    },
  );
});
