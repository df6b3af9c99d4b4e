// Invariants that hold when transactions run one after the other, and that weaker isolation breaks. Many concurrent
// transactions keep them, in every order of their steps.

import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { Transaction } from '../../src/kv/transaction-interface.js';
import { Random } from '../../src/testing/random.js';
import { Scheduler } from './scheduler.js';
import { areUsual, seedsOf } from './seeds.js';
import { newDisk, openOn } from './stores.js';

const SEEDS = seedsOf(100);

type Tx = Transaction<string, number>;

/** What the schedules of one invariant need. */
class World {
  readonly db: Store<string, number>;
  readonly random: Random;
  readonly scheduler: Scheduler;

  constructor(db: Store<string, number>, random: Random) {
    this.db = db;
    this.random = random;
    this.scheduler = new Scheduler(random);
  }

  pause(): Promise<void> {
    return this.scheduler.pause();
  }

  /** Runs a transaction, which may be refused for its conflicts. */
  async transact(fn: (tx: Tx) => Promise<void>): Promise<void> {
    try {
      await this.db.transaction(fn, { durability: 'memory', maxAttempts: this.random.pick([1, 8]) });
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_CONFLICT')) throw error;
    }
  }
}

/** Plays the schedules of an invariant: `begin` starts the actors, and `check` looks at the end. */
async function playAll(begin: (world: World) => void, check: (world: World) => void): Promise<void> {
  for (const seed of SEEDS) {
    const random = new Random(seed);
    const db = await openOn<number>(newDisk(seed).life(), random.pick([1, 4, 1000]));
    const world = new World(db, random);
    try {
      begin(world);
      await world.scheduler.run();
      check(world);
    } catch (error) {
      throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
    await db.close();
  }
}

describe('a bank', () => {
  const ACCOUNTS = ['ann', 'bob', 'cyn', 'dan'];
  const TOTAL = 400;

  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

  it('has the same total in every transaction and at the end', async () => {
    const transfer = async (world: World): Promise<void> => {
      const { random } = world;
      const [from, to, amount] = [random.pick(ACCOUNTS), random.pick(ACCOUNTS), random.below(150)];
      await world.transact(async (tx) => {
        const left = tx.get(from)! - amount;
        await world.pause();
        if (left < 0 || from === to) return;
        tx.put(from, left);
        await world.pause();
        tx.put(to, tx.get(to)! + amount);
      });
    };
    const audit = async (world: World): Promise<void> => {
      await world.transact(async (tx) => {
        await world.pause();
        const values = world.random.chance(0.5) ? tx.values() : (tx.getMany(ACCOUNTS) as number[]);
        expect(sum(values)).toBe(TOTAL);
        await world.pause();
        tx.put('audits', 0);
        tx.delete('audits');
        expect(sum(tx.values({ reverse: true }))).toBe(TOTAL);
      });
    };
    await playAll(
      (world) => {
        for (const account of ACCOUNTS) world.db.put(account, TOTAL / ACCOUNTS.length);
        for (let actor = 0; actor < 4; actor++)
          world.scheduler.start(async () => {
            for (let left = 3; left > 0; left--) await (actor === 0 ? audit(world) : transfer(world));
          });
      },
      ({ db }) => {
        expect(sum(db.values())).toBe(TOTAL);
        for (const value of db.values()) expect(value).toBeGreaterThanOrEqual(0);
      },
    );
  });
});

describe('a write skew is refused', () => {
  /** Four transactions look, wait, and write what they may write only because of what they saw. */
  const skew = (
    seen: string,
    prepare: (db: Store<string, number>) => void,
    mayWrite: (tx: Tx) => boolean,
    write: (tx: Tx, who: number) => void,
    holds: (db: Store<string, number>) => boolean,
  ) =>
    it(`of transactions that have seen ${seen}`, async () => {
      let written = 0;
      await playAll(
        (world) => {
          prepare(world.db);
          for (let who = 0; who < 4; who++)
            world.scheduler.start(async () => {
              await world.pause();
              await world.transact(async (tx) => {
                await world.pause();
                const isAllowed = mayWrite(tx);
                await world.pause();
                if (!isAllowed) return;
                write(tx, who);
                written++;
              });
            });
        },
        ({ db }) => expect(holds(db), JSON.stringify([...db.entries()])).toBe(true),
      );
      // More wanted to write than the invariant allows, or nothing was tried.
      if (areUsual) expect(written).toBeGreaterThan(SEEDS.length);
    });

  const onCall = (db: Store<string, number>) => {
    for (let who = 0; who < 4; who++) db.put(`doctor ${who}`, who < 2 ? 1 : 0);
  };
  const goHome = (tx: Tx, who: number) => tx.put(`doctor ${who % 2}`, 0);
  const someoneStays = (db: Store<string, number>) => db.get('doctor 0') === 1 || db.get('doctor 1') === 1;

  skew(
    'the values of keys',
    onCall,
    (tx) => tx.get('doctor 0') === 1 && tx.get('doctor 1') === 1,
    goHome,
    someoneStays,
  );
  skew(
    'the values of a range',
    onCall,
    (tx) => [...tx.values({ prefix: 'doctor' })].filter((value) => value === 1).length > 1,
    goHome,
    someoneStays,
  );

  const nothing = () => {};
  const insert = (tx: Tx, who: number) => tx.put(`seat ${who}`, who);
  const hasAtMost = (max: number) => (db: Store<string, number>) => db.count({ prefix: 'seat' }) <= max;
  const one = hasAtMost(1);

  skew('an empty range', nothing, (tx) => tx.keys({ prefix: 'seat' }).next().done === true, insert, one);
  skew(
    'a range that is empty in reverse',
    nothing,
    (tx) => [...tx.keys({ reverse: true })].length === 0,
    insert,
    one,
  );
  skew(
    'that keys are absent',
    nothing,
    (tx) => !tx.hasMany(['seat 0', 'seat 1', 'seat 2', 'seat 3']).includes(true),
    insert,
    one,
  );
  skew('a count', nothing, (tx) => tx.count({ prefix: 'seat' }) < 2, insert, hasAtMost(2));
  skew('the size', nothing, (tx) => tx.size === 0, insert, one);
  skew('the rank of a key', nothing, (tx) => tx.rank('t') === 0, insert, one);
  skew('that no key has a place', nothing, (tx) => tx.nth(1) === undefined, insert, hasAtMost(2));
  skew('that no key has a place from the end', nothing, (tx) => tx.nth(-1) === undefined, insert, one);
  skew(
    'nothing behind an offset',
    nothing,
    (tx) => tx.keys({ prefix: 'seat', offset: 1 }).next().done === true,
    insert,
    hasAtMost(2),
  );
  skew(
    'that a key to delete is there',
    (db) => db.put('token', 1),
    (tx) => tx.has('token'),
    (tx, who) => {
      tx.delete('token');
      insert(tx, who);
    },
    one,
  );
});
