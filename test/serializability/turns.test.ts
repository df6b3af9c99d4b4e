// The turn among asynchronous commits: a transaction that conflicts again and again gets it, and then ends.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Store } from '../../src/kv/store-interface.js';
import type { Transaction } from '../../src/kv/transaction-interface.js';
import { CommitTurns } from '../../src/kv/transactions/commit-turns.js';
import { newDisk, openOn } from './stores.js';

/** The alarms that are set, and the clock, which only tests move. */
const fake = vi.hoisted(() => ({ nowMs: 0, alarms: new Map<() => void, number>() }));

vi.mock('../../src/schedulers.js', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  alarm: (ms: number, task: () => void) => {
    fake.alarms.set(task, fake.nowMs + ms);
    return () => fake.alarms.delete(task);
  },
}));

function pass(ms: number): void {
  fake.nowMs += ms;
  for (const [task, dueMs] of fake.alarms) {
    if (dueMs > fake.nowMs) continue;
    fake.alarms.delete(task);
    task();
  }
}

/** Waits for so many turns of the event loop that everything has happened that can happen without time. */
async function settle(): Promise<void> {
  for (let left = 20; left > 0; left--) await nextTurn();
}

beforeEach(() => {
  fake.nowMs = 0;
  fake.alarms.clear();
});

async function openWithClock(): Promise<Store<string, number>> {
  const disk = newDisk(1);
  disk.nowMs = () => fake.nowMs;
  const db = await openOn<number>(disk.life());
  await db.put('x', 0);
  return db;
}

/** Adds one to a key in an asynchronous transaction. */
function increment(db: Store<string, number>): Promise<unknown> {
  return db.transaction(async (tx) => {
    await null;
    tx.put('x', tx.get('x')! + 1);
  });
}

describe('a transaction that conflicts each time', () => {
  it('keeps others from committing at its fourth attempt, and commits', async () => {
    const db = await openWithClock();
    const rivals: Promise<unknown>[] = [];
    let attempts = 0;
    await db.transaction(async (tx) => {
      attempts = tx.attempt;
      const seen = tx.get('x')!;
      await null;
      rivals.push(increment(db));
      await settle();
      tx.put('x', seen + 100);
    });
    expect(attempts).toBe(4);
    await Promise.all(rivals);
    expect(db.get('x')).toBe(104);
    await db.close();
  });

  it('never makes plain writes wait', async () => {
    const db = await openWithClock();
    let attempts = 0;
    await db.transaction(async (tx) => {
      attempts = tx.attempt;
      const seen = tx.get('x')!;
      await settle();
      if (attempts < 6) await db.put('x', seen + 1);
      tx.put('y', seen);
    });
    expect([attempts, db.get('y')]).toEqual([6, 5]);
    await db.close();
  });

  it('loses its turn after one second', async () => {
    const db = await openWithClock();
    const attempt: { seen: number; go: () => void }[] = [];
    const slow = db.transaction(async (tx) => {
      const seen = tx.get('x')!;
      await new Promise<void>((resolve) => attempt.push({ seen, go: resolve }));
      tx.put('x', seen + 100);
    });
    for (let count = 1; count <= 3; count++) {
      await increment(db);
      attempt[count - 1]!.go();
      await settle();
    }
    expect(attempt.map(({ seen }) => seen)).toEqual([0, 1, 2, 3]);
    const rival = increment(db);
    await settle();
    pass(998);
    await settle();
    expect(db.get('x')).toBe(3);
    pass(2);
    await rival;
    expect(db.get('x')).toBe(4);
    attempt[3]!.go();
    await settle();
    expect(attempt.at(-1)!.seen).toBe(4);
    attempt[4]!.go();
    await slow;
    expect(db.get('x')).toBe(104);
    await db.close();
  });

  it('leaves its turn when it fails', async () => {
    const db = await openWithClock();
    const failing = db.transaction(async (tx: Transaction<string, number>) => {
      const seen = tx.get('x')!;
      await null;
      if (tx.attempt === 4) throw new Error('enough');
      db.put('x', seen + 1);
      tx.put('x', 0);
    });
    await expect(failing).rejects.toThrow('enough');
    await increment(db);
    expect(db.get('x')).toBe(4);
    await db.close();
  });
});

// Its reads are those of its view, so there is nothing that it would wait for.
it('a transaction that only reads never waits for a turn', async () => {
  const db = await openWithClock();
  let end!: () => void;
  const owner = db.transaction(async (tx) => {
    const seen = tx.get('x')!;
    await null;
    if (tx.attempt < 4) db.put('x', seen + 1);
    else
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    tx.put('y', seen);
  });
  await settle();
  expect(end).toBeTypeOf('function');
  let calls = 0;
  const reading = db.transaction(async (tx) => {
    calls++;
    const seen = [tx.get('z'), tx.count()];
    await null;
    db.put('z', 1);
    return [...seen, tx.get('z')];
  });
  // The clock stands still, so the turn does not end.
  expect(await Promise.race([reading, settle()])).toEqual([undefined, 1, undefined]);
  expect([calls, db.has('y')]).toEqual([1, false]);
  end();
  await owner;
  expect([db.get('y'), db.get('z')]).toEqual([3, 1]);
  await db.close();
});

describe('a closed store', () => {
  // The timer was set after close(), and held the store in memory for as long as the transaction might have taken.
  it('that was closed by the function of a transaction has no timer', async () => {
    const db = await openWithClock();
    const running = db.transaction(
      async () => {
        db.close();
        await new Promise(() => {});
      },
      { timeoutMs: 86_400_000 },
    );
    await expect(running).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    expect(fake.alarms.size).toBe(0);
  });

  it('has no timer, which would keep it in memory', async () => {
    const db = await openWithClock();
    await db.transaction(async (tx) => tx.get('x'), { timeoutMs: 86_400_000 });
    const open = db.transaction(() => new Promise(() => {}), { timeoutMs: 1000 });
    expect(fake.alarms.size).toBe(1);
    await Promise.all([db.close(), expect(open).rejects.toMatchObject({ code: 'KEELSON_CLOSED' })]);
    expect(fake.alarms.size).toBe(0);
  });
});

describe('the turn', () => {
  const [owner, claimer, waiter] = [{}, {}, {}];

  it('goes to those who asked for it in their order, when those who wait have gone', async () => {
    const turns = new CommitTurns(() => fake.nowMs);
    const order: string[] = [];
    const later = {};
    await turns.take(owner);
    turns.take(claimer).then(() => order.push('the first that asked'));
    turns.take(later).then(() => order.push('the second that asked'));
    turns.free(waiter).then(() => order.push('the one that waits'));
    await settle();
    expect(order).toEqual([]);
    turns.leave(owner);
    await settle();
    expect(order).toEqual(['the one that waits', 'the first that asked']);
    expect(turns.isTakenByAnother(waiter)).toBe(true);
    turns.leave(claimer);
    await settle();
    expect(order.at(-1)).toBe('the second that asked');
  });

  it('lets those who wait go in between, however many ask for it', async () => {
    const turns = new CommitTurns(() => fake.nowMs);
    const claimers = [{}, {}, {}];
    let isFree = false;
    await turns.take(owner);
    for (const each of claimers) void turns.take(each);
    turns.free(waiter).then(() => {
      isFree = true;
    });
    turns.leave(owner);
    await settle();
    expect(isFree).toBe(true);
  });

  it('is not taken by one that has left while it waited', async () => {
    const turns = new CommitTurns(() => fake.nowMs);
    await turns.take(owner);
    const claim = turns.take(claimer);
    turns.leave(claimer);
    await claim;
    turns.leave(owner);
    await settle();
    expect(turns.isTakenByAnother(waiter)).toBe(false);
    expect(fake.alarms.size).toBe(0);
  });
});
