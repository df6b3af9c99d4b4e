// A crash at any boundary of a store whose entries expire, whose clock jumps, and which removes, checkpoints and opens again:
// nothing expired is seen, nothing is gone early, what was durably gone does not come back, and nothing that is written later
// dies by an old clock.

import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { type Open, simulateCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const STEPS = 60;
const STATES = 500;
/** How far the clock of some checks is ahead. */
const AHEAD_MS = 70;
const NEVER = Number.MAX_SAFE_INTEGER;

type Fact =
  /** A write is about to be made: its value is its number, and null for a delete. */
  | {
      readonly type: 'write';
      readonly key: string;
      readonly value: number | null;
      readonly expiresAt: number;
    }
  /** All writes so far are durable. */
  | { readonly type: 'durable' }
  | { readonly type: 'clock'; readonly now: number }
  /** A key was seen to have expired. Once a later write is durable, it is gone for good. */
  | { readonly type: 'gone'; readonly key: string };

interface Written {
  readonly value: number | null;
  readonly expiresAt: number;
  /** The highest time that the clock has shown since. */
  highestNow: number;
}

/** What may be found under one key, from the facts before a crash. */
class KeyHistory {
  writes: Written[] = [];
  /** The number of the first write that may be the last that is found. */
  first = 0;
  seenGone: number | null = null;
  /** Writes below this one are gone for good if they had a deadline that was met. */
  goneBelow = 0;

  write(written: Written): void {
    this.writes.push(written);
  }

  durable(): void {
    this.first = Math.max(0, this.writes.length - 1);
    if (this.seenGone !== null) this.goneBelow = this.seenGone;
  }

  clock(now: number): void {
    for (const written of this.writes) written.highestNow = Math.max(written.highestNow, now);
  }

  gone(): void {
    this.seenGone = this.writes.length;
  }

  /** Throws when the value, or the absence, that was found at `now` is impossible. The clock may have shown `highestNow`. */
  check(key: string, found: number | undefined, now: number, highestNow: number): void {
    const possible = this.writes.slice(this.first);
    if (found === undefined) {
      const mayBeAbsent = possible.some(
        ({ value, expiresAt, highestNow: since }) =>
          value === null || expiresAt <= Math.max(since, highestNow),
      );
      const isDurable = this.isDurable;
      assert(!isDurable || mayBeAbsent, `${key} is gone early, at ${now}: ${JSON.stringify(this.writes)}`);
      return;
    }
    const at = this.writes.findIndex(({ value }) => value === found);
    assert(at >= this.first, `${key} has ${found}, which is older than what was durable`);
    assert(this.writes[at]!.expiresAt > now, `${key} has ${found}, which has expired`);
    assert(at >= this.goneBelow, `${key} has ${found}, which was gone for good`);
  }

  isDurable = false;
}

function historiesOf(facts: readonly Fact[]): { histories: Map<string, KeyHistory>; now: number } {
  const histories = new Map(KEYS.map((key) => [key, new KeyHistory()]));
  let now = 1000;
  for (const fact of facts) {
    if (fact.type === 'write') {
      const { value, expiresAt } = fact;
      histories.get(fact.key)!.write({ value, expiresAt, highestNow: now });
    } else if (fact.type === 'gone') histories.get(fact.key)!.gone();
    else if (fact.type === 'clock') {
      now = fact.now;
      for (const history of histories.values()) history.clock(now);
    } else {
      for (const history of histories.values()) {
        history.durable();
        if (history.writes.length > 0) history.isDurable = true;
      }
    }
  }
  return { histories, now };
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
    return open<number>('/s', { clock: () => this.time.now, checkpointBytesMin: 2048 });
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
        db.delete(key, { durability: 'memory' });
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

  #put(db: Awaited<ReturnType<Life['open']>>, key: string): void {
    const ttl = 1 + this.#random.below(100);
    const expires = this.#random.below(3) > 0;
    const value = ++this.#values;
    this.note({ type: 'write', key, value, expiresAt: expires ? this.time.now + ttl : NEVER });
    db.put(key, value, { durability: 'memory', ...(expires && { ttl }) });
  }

  #touch(db: Awaited<ReturnType<Life['open']>>, key: string): void {
    const value = db.get(key);
    if (value === undefined) return;
    // A touch is told as a delete and a put of a new value, so that each write has one of its own.
    const ttl = 1 + this.#random.below(100);
    const [was, is] = [value, ++this.#values];
    assert(was !== is);
    this.note({ type: 'write', key, value: is, expiresAt: this.time.now + ttl });
    db.batch(
      [
        { type: 'put', key, value: is },
        { type: 'touch', key, ttl },
      ],
      { durability: 'memory' },
    );
  }

  /** Looks at all keys. Those that have expired by the facts are told. */
  #look(db: Awaited<ReturnType<Life['open']>>): void {
    for (const key of KEYS) if (db.get(key) === undefined) this.note({ type: 'gone', key });
    // Any record after that moment makes it last.
    this.note({ type: 'write', key: 'f', value: ++this.#values, expiresAt: NEVER });
    db.put('f', this.#values, { durability: 'memory' });
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
        const db = await open<number>('/s', { clock: () => time.now, autoCheckpoint: false });
        for (const [key, history] of histories) {
          const value = db.get(key);
          history.check(key, value, time.now, highestNow);
          if (value === undefined) expired++;
          else found++;
        }
        const seen = [...db.entries()];
        assert.equal(seen.length, db.size);
        await db.expireNow();
        assert.deepEqual([...db.entries()], seen);
        await db.close();
      },
    });
    expect(found).toBeGreaterThan(100);
    expect(expired).toBeGreaterThan(100);
  },
);
