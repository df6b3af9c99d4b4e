// Concurrent transactions append ids to lists and read lists. A search for cycles in the graph of who must come before whom
// finds what is not serializable. It knows nothing of LSNs and shares no code with the model of histories.test.ts.

import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { Transaction } from '../../src/kv/transaction-interface.js';
import { Random } from '../../src/testing/random.js';
import { type AppendingTransaction, findAnomaly } from './append-graph.js';
import { Scheduler } from './scheduler.js';
import { areUsual, chunksOfSeeds } from './seeds.js';
import { newDisk, openOn } from './stores.js';

const KEYS: readonly string[] = ['a', 'b', 'c', 'd'];

type List = readonly number[];

/** One store, and actors that append to its lists. */
class Appenders {
  readonly committed: AppendingTransaction[] = [];
  failed = 0;
  readonly #db: Store<string, List>;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  #lastId = 0;
  #nowMs = 0;

  constructor(db: Store<string, List>, random: Random) {
    this.#db = db;
    this.#random = random;
    this.#scheduler = new Scheduler(random);
  }

  async play(): Promise<void> {
    for (let actor = 0; actor < 4; actor++) {
      this.#scheduler.start(async () => {
        for (let at = 0; at < 4; at++) await this.#transact(`T${actor}.${at}`);
      });
    }
    await this.#scheduler.run();
  }

  async #transact(name: string): Promise<void> {
    await this.#scheduler.pause();
    const isSynchronous = this.#random.chance(0.2);
    const steps = Array.from({ length: 1 + this.#random.below(4) }, () => this.#random.uint32());
    const begin = ++this.#nowMs;
    let attempt = new AppendAttempt();
    try {
      await this.#db.transaction(
        (tx) => {
          attempt = new AppendAttempt();
          return isSynchronous ? this.#stepsNow(tx, attempt, steps) : this.#steps(tx, attempt, steps);
        },
        { durability: 'memory', maxAttempts: 1 + this.#random.below(4) },
      );
      this.committed.push({ name, begin, end: ++this.#nowMs, ...attempt });
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_CONFLICT')) throw error;
      this.failed++;
    }
  }

  #stepsNow(tx: Transaction<string, List>, attempt: AppendAttempt, steps: readonly number[]): undefined {
    for (const step of steps) this.#step(tx, attempt, step);
  }

  async #steps(
    tx: Transaction<string, List>,
    attempt: AppendAttempt,
    steps: readonly number[],
  ): Promise<void> {
    for (const step of steps) {
      if (this.#random.chance(0.6)) await this.#scheduler.pause();
      this.#step(tx, attempt, step);
    }
    if (this.#random.chance(0.5)) await this.#scheduler.pause();
  }

  #step(tx: Transaction<string, List>, attempt: AppendAttempt, step: number): void {
    const key = KEYS[step % KEYS.length]!;
    const list = (step >> 4) % 2 === 0 ? attempt.read(tx, key) : attempt.readRange(tx, key);
    if ((step >> 5) % 2 === 0) return;
    const id = ++this.#lastId;
    tx.put(key, [...list, id]);
    attempt.appends.push([key, id]);
  }
}

/** What one attempt has read and appended. */
class AppendAttempt {
  readonly reads: [string, List][] = [];
  readonly appends: [string, number][] = [];

  read(tx: Transaction<string, List>, key: string): List {
    const list = tx.get(key) ?? [];
    this.#note(key, list);
    return list;
  }

  /** Reads all lists from a key on, and so sees which are not there. */
  readRange(tx: Transaction<string, List>, key: string): List {
    const found = new Map(tx.entries({ gte: key }));
    for (const each of KEYS) if (each >= key) this.#note(each, found.get(each) ?? []);
    return found.get(key) ?? [];
  }

  #note(key: string, list: List): void {
    const own = this.appends.map(([, id]) => id);
    this.reads.push([key, list.filter((id) => !own.includes(id))]);
  }
}

let failed = 0;

it.each(chunksOfSeeds(1000))(
  'the appends and reads of the seeds $first to $last make no cycle',
  async ({ first, last }) => {
    for (let seed = first; seed <= last; seed++) {
      const random = new Random(seed);
      const db = await openOn<List>(newDisk(seed).life(), random.pick([1, 5, 1000]));
      const appenders = new Appenders(db, random);
      await appenders.play();
      expect(findAnomaly(appenders.committed, new Map(db.entries())), `seed ${seed}`).toBe(null);
      failed += appenders.failed;
      await db.close();
    }
  },
);

it.runIf(areUsual)('some transactions are refused for their conflicts', () => {
  expect(failed).toBeGreaterThan(50);
});

describe('the search finds', () => {
  const by = (
    name: string,
    reads: [string, number[]][],
    appends: [string, number][],
    begin = 0,
  ): AppendingTransaction => ({ name, reads, appends, begin, end: begin + 1 });

  it('nothing in a serial history', () => {
    const first = by('T1', [['a', []]], [['a', 1]]);
    const second = by('T2', [['a', [1]]], [['a', 2]]);
    expect(findAnomaly([first, second], new Map([['a', [1, 2]]]))).toBe(null);
  });

  it('a lost append', () => {
    const first = by('T1', [['a', []]], [['a', 1]]);
    const second = by('T2', [['a', []]], [['a', 2]]);
    expect(findAnomaly([first, second], new Map([['a', [2]]]))).toMatch('1 to a by T1 is lost');
  });

  it('an append of a transaction that was not committed', () => {
    expect(findAnomaly([], new Map([['a', [7]]]))).toMatch('7, which no committed');
  });

  it('a read of what never was', () => {
    const first = by('T1', [], [['a', 1]]);
    const second = by('T2', [['a', [9]]], []);
    expect(findAnomaly([first, second], new Map([['a', [1]]]))).toMatch('T2 has read 9 of a');
  });

  it('a write skew', () => {
    const first = by('T1', [['b', []]], [['a', 1]]);
    const second = by('T2', [['a', []]], [['b', 2]]);
    const lists = new Map([
      ['a', [1]],
      ['b', [2]],
    ]);
    expect(findAnomaly([first, second], lists)).toMatch(
      'a cycle: T1 did not see in b T2; T2 did not see in a T1',
    );
  });

  it('a reader that sees two writers in different orders than another reader', () => {
    const writers = [by('T1', [], [['a', 1]]), by('T2', [], [['b', 2]])];
    const readers = [
      by(
        'T3',
        [
          ['a', [1]],
          ['b', []],
        ],
        [],
      ),
      by(
        'T4',
        [
          ['a', []],
          ['b', [2]],
        ],
        [],
      ),
    ];
    const lists = new Map([
      ['a', [1]],
      ['b', [2]],
    ]);
    expect(findAnomaly([...writers, ...readers], lists)).toMatch('a cycle');
  });

  it('a read of what was over when the transaction began', () => {
    const first = by('T1', [], [['a', 1]], 0);
    const second = by('T2', [['a', []]], [], 10);
    expect(findAnomaly([first, second], new Map([['a', [1]]]))).toMatch('T1 ended before the begin of T2');
  });
});
