// A crash at any boundary of a store whose entries expire, whose clock jumps, and which removes, checkpoints and opens again:
// nothing expired is seen, nothing is gone early, what was durably gone does not come back, and nothing that is written later
// dies by an old clock.

import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { type Open, simulateCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { type Fact, historiesOf, EXPIRING_KEYS as KEYS } from '../kv/expiry-facts.js';

const STEPS = 60;
const STATES = 250;
/** How far the clock of some checks is ahead. */
const AHEAD_MS = 70;
const NEVER = Number.MAX_SAFE_INTEGER;

type Db = Awaited<ReturnType<typeof openAt>>;

function openAt(open: Open, clock: () => number, options: object) {
  return open<number>('/s', { clock, ...options });
}

/** Returns where a key is: half of the keys are in a namespace, so that one space finds what another has not looked for. */
function placeOf(db: Db, key: string) {
  return key <= 'c' ? db : db.namespace<number>('other');
}

class Life {
  readonly time: { now: number };
  readonly note: (fact: Fact) => void;
  readonly #random: Random;
  #values = 0;

  constructor(seed: number, time: { now: number }, note: (fact: Fact) => void) {
    this.#random = new Random(seed);
    this.time = time;
    this.note = note;
  }

  open(open: Open) {
    return openAt(open, () => this.time.now, { checkpointBytesMin: 2048 });
  }

  async play(open: Open): Promise<void> {
    const random = this.#random;
    let db = await this.open(open);
    for (let step = 0; step < STEPS; step++) {
      const key = random.pick(KEYS);
      const kind = random.below(20);
      if (kind < 8) this.#put(db, key);
      else if (kind < 10) this.#touch(db, key);
      else if (kind < 11) {
        this.note({ type: 'write', key, value: null, expiresAt: NEVER });
        placeOf(db, key).delete(key, { durability: 'memory' });
      } else if (kind < 14) {
        this.time.now = Math.max(1, this.time.now + random.below(90) - (random.below(4) === 0 ? 120 : 0));
        this.note({ type: 'clock', now: this.time.now });
      } else if (kind < 16) this.#look(db);
      else if (kind < 17) {
        await db.expireNow();
        this.#look(db);
      } else if (kind < 18) await db.checkpoint();
      else if (kind < 19) {
        await db.flush();
        this.note({ type: 'durable' });
      } else {
        await db.close();
        this.note({ type: 'durable' });
        db = await this.open(open);
      }
    }
    await db.close();
  }

  #put(db: Db, key: string): void {
    const ttl = 1 + this.#random.below(100);
    const expires = this.#random.below(3) > 0;
    const value = ++this.#values;
    this.note({ type: 'write', key, value, expiresAt: expires ? this.time.now + ttl : NEVER });
    placeOf(db, key).put(key, value, { durability: 'memory', ...(expires && { ttl }) });
  }

  #touch(db: Db, key: string): void {
    const value = placeOf(db, key).get(key);
    if (value === undefined) return;
    // A touch is told as a delete and a put of a new value, so that each write has one of its own.
    const ttl = 1 + this.#random.below(100);
    const [was, is] = [value, ++this.#values];
    assert(was !== is);
    this.note({ type: 'write', key, value: is, expiresAt: this.time.now + ttl });
    placeOf(db, key).batch(
      [
        { type: 'put', key, value: is },
        { type: 'touch', key, ttl },
      ],
      { durability: 'memory' },
    );
  }

  /** Looks at all keys. Those that have expired by the facts are told. */
  #look(db: Db): void {
    for (const key of KEYS) if (placeOf(db, key).get(key) === undefined) this.note({ type: 'gone', key });
    // Any record after that moment makes it last.
    this.note({ type: 'write', key: 'f', value: ++this.#values, expiresAt: NEVER });
    placeOf(db, 'f').put('f', this.#values, { durability: 'memory' });
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  'deadlines hold after a crash at any boundary (seed %i)',
  { timeout: 240_000 },
  async (seed) => {
    let found = 0;
    let expired = 0;
    await simulateCrashes<Fact>({
      seed,
      states: STATES,
      workload: async ({ open, note }) => new Life(seed, { now: 1000 }, note).play(open),
      check: async ({ open, notes, crashes }) => {
        const { histories, now } = historiesOf(notes);
        // The clock goes back, stands still, or is far ahead.
        const time = {
          now: [Math.max(1, now - 500), now, now + AHEAD_MS][(seed + crashes.length + notes.length) % 3]!,
        };
        // A check that was crashed before this one may have had the clock that is ahead.
        const highestNow = crashes.length > 1 ? now + AHEAD_MS : time.now;
        const db = await openAt(open, () => time.now, { autoCheckpoint: false });
        const spaces = [db, db.namespace<number>('other')];
        const entriesOf = () => spaces.map((space) => [...space.entries()]);
        for (const [key, history] of histories) {
          const value = placeOf(db, key).get(key);
          history.check(key, value, time.now, highestNow);
          if (value === undefined) expired++;
          else found++;
        }
        const seen = entriesOf();
        assert.deepEqual(
          seen.map(({ length }) => length),
          spaces.map(({ size }) => size),
        );
        await db.expireNow();
        assert.deepEqual(entriesOf(), seen);
        await db.close();
      },
    });
    expect(found).toBeGreaterThan(100);
    expect(expired).toBeGreaterThan(100);
  },
);
