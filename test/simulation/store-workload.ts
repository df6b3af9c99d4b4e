// A seeded life of a store with tiny files, and what it may be after a crash of it: every write, in order, with the whole
// state it leaves. Scripts (script.ts) do more; this is for tests that steer a life themselves.

import assert from 'node:assert/strict';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import type { Random } from '../../src/testing/random.js';
import { scriptKey } from './script.js';

export const STORE_DIRECTORY = '/data/store';

/** So small that a few writes fill a block, a few blocks a segment, and every edge is met often. */
export const TINY_JOURNAL = {
  blockBytes: 512,
  segmentBytesMin: 4096,
  segmentBytesMax: 8192,
  commitBytesMax: 1024,
};

/** The record that says what keys and values are, which goes before the first write and may survive without it. */
const BIRTH_LSN = 27;

/** Key, value, LSN of the write, deadline if there is one: the whole of what a store holds, in order. */
export type StoreState = readonly (readonly [
  key: string,
  value: unknown,
  version: number,
  expiresAt?: number,
])[];

/** What is known for certain at some moment of a life. */
export type StoreFact =
  | { readonly type: 'opened'; readonly lsn: number }
  | { readonly type: 'wrote'; readonly lsn: number; readonly state: StoreState }
  | { readonly type: 'acknowledged'; readonly lsn: number };

export async function openTinyStore(storage: Storage, options: object = {}): Promise<Store<string, unknown>> {
  const store = await openStoreOn(storage, STORE_DIRECTORY, resolveStoreOptions(options), TINY_JOURNAL);
  return store as Store<string, unknown>;
}

export function stateOf(store: Pick<Store<unknown, unknown>, 'keys' | 'getEntry'>): StoreState {
  return [...store.keys()].map((key) => {
    const entry = store.getEntry(key);
    return stateEntry(scriptKey(key), entry?.value, entry?.version ?? -1, entry?.expiresAt);
  });
}

/** Returns an entry of a state, which has a deadline only if it expires. */
export function stateEntry(
  key: string,
  value: unknown,
  version: number,
  expiresAt: number | undefined,
): StoreState[number] {
  return expiresAt === undefined ? [key, value, version] : [key, value, version, expiresAt];
}

/**
 * Checks a reopened store against everything known: whole writes, in order, none missing that was acknowledged,
 * and nothing that an earlier reopening did not find any more.
 */
export function checkState(lsn: number, state: StoreState, facts: readonly StoreFact[]): void {
  const possible = new Map<number, StoreState>([
    [0, []],
    [BIRTH_LSN, []],
  ]);
  let acknowledgedLsn = 0;
  for (const fact of facts) {
    if (fact.type === 'wrote') possible.set(fact.lsn, fact.state);
    else if (fact.type === 'acknowledged') acknowledgedLsn = Math.max(acknowledgedLsn, fact.lsn);
    else forgetAllBut(fact.lsn, possible);
  }
  assert(lsn >= acknowledgedLsn, `LSN ${acknowledgedLsn} was acknowledged; the store ends at ${lsn}`);
  const expected = possible.get(lsn);
  assert(
    expected !== undefined,
    `no write ended at LSN ${lsn}: possible are ${[...possible.keys()].join(', ')}`,
  );
  assert.deepEqual(state, expected);
}

/** A reopening has found one of the possible states: from then on it is the only one, until something is written. */
function forgetAllBut(lsn: number, possible: Map<number, StoreState>): void {
  for (const known of [...possible.keys()]) {
    const isBirthToCome = lsn === 0 && known === BIRTH_LSN;
    if (known !== lsn && !isBirthToCome) possible.delete(known);
  }
}

/** What one life does with a store. */
export class StoreLife {
  readonly #record: (fact: StoreFact) => void;
  readonly #random: Random;
  readonly #options: object;
  readonly #pending: Promise<unknown>[] = [];

  constructor(random: Random, record: (fact: StoreFact) => void, options: object = {}) {
    this.#random = random;
    this.#options = options;
    this.#record = record;
  }

  async open(storage: Storage): Promise<Store<string, unknown>> {
    const store = await openTinyStore(storage, this.#options);
    this.#record({ type: 'opened', lsn: store.lastLsn });
    return store;
  }

  /** Notes a write that has been accepted, and later that it was acknowledged. */
  wrote(store: Store<string, unknown>, promise: Promise<number>): Promise<void> {
    const lsn = store.lastLsn;
    this.#record({ type: 'wrote', lsn, state: stateOf(store) });
    const acknowledged = promise.then(() => this.#record({ type: 'acknowledged', lsn }));
    // A life that is killed leaves promises that nobody settles, and one with a fault some that reject.
    acknowledged.catch(() => {});
    this.#pending.push(acknowledged);
    return acknowledged;
  }

  /** One seeded step. */
  async step(store: Store<string, unknown>, number: number): Promise<void> {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 45) {
      const written = this.wrote(store, store.put(this.#key(), this.#value(number)));
      if (random.below(3) === 0) await written;
    } else if (kind < 55) this.wrote(store, store.delete(this.#key()));
    else if (kind < 70) this.wrote(store, store.batch(this.#batch(number)));
    else if (kind < 75) this.wrote(store, store.clear({ gte: this.#key() }));
    else if (kind < 85) await this.settled();
    else if (kind < 92) await store.checkpoint();
    else if (kind < 96) store.flushSync();
    else await new Promise((resolve) => setImmediate(resolve));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  #key(): string {
    return `k${this.#random.below(8)}`;
  }

  /** Mostly small, now and then larger than a block, seldom larger than a segment. */
  #value(number: number): unknown {
    const size = this.#random.below(20);
    const length = size === 0 ? 9000 : size < 4 ? 700 : size * 6;
    return { number, text: 'x'.repeat(length) };
  }

  #batch(number: number) {
    const put = { type: 'put', key: this.#key(), value: this.#value(number) } as const;
    const other = { type: 'put', key: this.#key(), value: number } as const;
    const remove = { type: 'delete', key: this.#key() } as const;
    return this.#random.below(2) === 0 ? [put, remove] : [remove, put, other];
  }
}
