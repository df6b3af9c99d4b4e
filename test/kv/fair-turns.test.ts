// Loops that await what is resolved already. 400,000 awaited puts with durability 'memory', or flushes with nothing to
// flush, went on in microtasks only, and no timer ran before the last of them.

import { describe, expect, test } from 'vitest';
import { FairTurns, SharedTurn } from '../../src/fair-turns.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import type { Store } from '../../src/kv/index.js';
import { inMemory, SimulatedDisk } from '../../src/testing/index.js';

const LOOP_MAX = 400_000;
/** Of single writes without much in them. */
const WRITES_PER_TURN = 1024;

/** How often `step` was awaited until the event loop had a turn; LOOP_MAX when it had none. */
async function stepsUntilTurn(step: (at: number) => Promise<unknown>): Promise<number> {
  let hasTurned = false;
  setImmediate(() => {
    hasTurned = true;
  });
  let at = 0;
  while (at < LOOP_MAX && !hasTurned) await step(at++);
  return at;
}

async function withStore<T>(run: (db: Store<string, unknown>) => Promise<T>): Promise<T> {
  const db = await inMemory().open<unknown>('/store');
  await db.put('key', 1);
  try {
    return await run(db);
  } finally {
    await db.close();
  }
}

describe('the event loop has its turns in a loop that awaits', () => {
  test.each<[string, number, (db: Store<string, unknown>, at: number) => Promise<unknown>]>([
    ['flushes with nothing to flush', WRITES_PER_TURN, (db) => db.flush()],
    ['waits for a journal that has drained', WRITES_PER_TURN, (db) => db.drained()],
    ['deletes of an absent key', WRITES_PER_TURN, (db) => db.delete('absent')],
    ['empty batches', WRITES_PER_TURN, (db) => db.batch([])],
    ['clears of nothing', WRITES_PER_TURN, (db) => db.clear({ prefix: 'absent' })],
    ["'memory' puts", WRITES_PER_TURN, (db, at) => db.put(`key ${at % 100}`, at, { durability: 'memory' })],
    [
      "'memory' puts of 64 KiB",
      16,
      (db, at) => db.put(`key ${at % 10}`, new Uint8Array(65_536), { durability: 'memory' }),
    ],
    [
      "'memory' batches of a hundred",
      11,
      (db) =>
        db.batch(
          Array.from({ length: 100 }, (_, key) => ({ type: 'put', key: String(key), value: 1 }) as const),
          { durability: 'memory' },
        ),
    ],
  ])('%s', async (_, stepsMax, step) => {
    const steps = await withStore((db) => stepsUntilTurn((at) => step(db, at)));
    expect(steps).toBeLessThanOrEqual(stepsMax + 1);
  });

  test("'memory' clears of many keys, after the first", async () => {
    const steps = await withStore(async (db) => {
      for (let key = 0; key < WRITES_PER_TURN; key++) db.put(String(key), key);
      await db.flush();
      return stepsUntilTurn(() => db.clear({}, { durability: 'memory' }));
    });
    expect(steps).toBe(1);
  });

  test('a timer fires in the middle of 400,000 puts', async () => {
    const puts = await withStore(async (db) => {
      let hasFired = false;
      setTimeout(() => {
        hasFired = true;
      }, 0);
      let at = 0;
      while (at < LOOP_MAX && !hasFired) await db.put(`key ${at++ % 100}`, at, { durability: 'memory' });
      return at;
    });
    expect(puts).toBeLessThan(LOOP_MAX);
  });

  test('records of a journal that is read', async () => {
    const journal = await openJournalOn(
      new SimulatedDisk({ seed: 1 }).life(),
      '/log',
      resolveJournalOptions('openJournal', {}),
    );
    await journal.syncThrough(journal.appendBatch(Array.from({ length: 20_000 }, () => new Uint8Array(8))));
    const records = journal.read();
    await records.next();
    const read = await stepsUntilTurn(() => records.next());
    expect(read).toBeLessThanOrEqual(WRITES_PER_TURN + 1);
    await journal.close();
  });
});

describe('turns', () => {
  test('are due when enough work has come together, and then from nothing again', () => {
    const turns = new FairTurns();
    expect(turns.isDue(1023)).toBe(false);
    expect(turns.isDue()).toBe(true);
    expect(turns.isDue(1023)).toBe(false);
    expect(turns.isDue(5000)).toBe(true);
    expect(turns.isDue()).toBe(false);
  });

  test('change no value', async () => {
    const turns = new FairTurns();
    expect([await turns.resolved('a'), await turns.resolved('b', 5000)]).toEqual(['a', 'b']);
  });

  test('that are shared come to all when one has done enough, and each counts from nothing again', async () => {
    const turn = new SharedTurn();
    const [one, other] = [new FairTurns(turn), new FairTurns(turn)];
    expect(await winner(one.resolved('one', 1))).toBe('one');
    expect(await winner(other.resolved('other', 1024))).toBe('microtask');
    expect(await winner(one.resolved('one'))).toBe('microtask');
    await turn.whenItComes();
    expect(turn.isAwaited).toBe(false);
    expect(await winner(one.resolved('one', 1023))).toBe('one');
    expect(await winner(other.resolved('other', 1023))).toBe('other');
  });
});

/** Resolves to what a promise resolves to in a few microtasks, or to 'microtask'. */
async function winner(promise: Promise<string>): Promise<string> {
  let found = 'microtask';
  void promise.then((value) => {
    found = value;
  });
  for (let at = 0; at < 5; at++) await null;
  return found;
}
