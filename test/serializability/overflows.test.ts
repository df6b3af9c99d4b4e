// Transactions that are so old that the write log has lost changes. They compare two views instead, and find the same.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/kv/store-interface.js';
import type { Transaction } from '../../src/kv/transaction-interface.js';
import { newDisk, openOn } from './stores.js';

/** The most changes in the write log of these tests. */
const CHANGES_MAX = 4;

type Numbers = Store<string, number>;
type Tx = Transaction<string, number>;

/** Opens a store with the keys a0 to a4 and b0 to b4. */
async function openSmall(): Promise<Numbers> {
  const db = await openOn<number>(newDisk(1).life(), CHANGES_MAX);
  for (let at = 0; at < 5; at++) {
    db.put(`a${at}`, at);
    db.put(`b${at}`, at);
  }
  return db;
}

/** Writes to other keys so often that the write log overflows. */
function overflow(db: Numbers): void {
  for (let at = 0; at <= CHANGES_MAX; at++) db.put(`z${at}`, at);
}

/** Reads, then lets others write, and writes. Returns the number of attempts. */
async function attemptsOf(db: Numbers, read: (tx: Tx) => unknown, meanwhile: () => void): Promise<number> {
  let attempts = 0;
  await db.transaction(async (tx) => {
    attempts = tx.attempt;
    const seen = read(tx);
    await null;
    if (attempts === 1) meanwhile();
    tx.put('result', Number(seen));
  });
  return attempts;
}

const sumOf = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
const A = { prefix: 'a' };

describe('when the write log has lost changes, a transaction', () => {
  const cases: readonly (readonly [
    fact: string,
    read: (tx: Tx) => unknown,
    write: (db: Numbers) => void,
    attempts: number,
  ])[] = [
    ['commits when nothing that it has read was changed', (tx) => sumOf(tx.values(A)), () => {}, 1],
    [
      'runs again when a value that it has read was changed',
      (tx) => sumOf(tx.values(A)),
      (db) => db.put('a3', 9),
      2,
    ],
    [
      'commits when a value has changed of which it has read the key',
      (tx) => [...tx.keys(A)].length,
      (db) => db.put('a3', 9),
      1,
    ],
    [
      'commits when a value has changed of which it has counted the key',
      (tx) => tx.count(A),
      (db) => db.put('a3', 9),
      1,
    ],
    ['runs again when a key has come', (tx) => tx.count(A), (db) => db.put('a7', 9), 2],
    ['runs again when a key has gone', (tx) => tx.count(A), (db) => db.delete('a1'), 2],
    ['runs again when a range was cleared', (tx) => tx.count(A), (db) => db.clear({ gt: 'a3', lt: 'b' }), 2],
    [
      'runs again when the highest key of a place has gone',
      (tx) => tx.nth(2)?.[1],
      (db) => db.delete('a2'),
      2,
    ],
    ['runs again when a point read has changed', (tx) => tx.get('a2'), (db) => db.put('a2', 9), 2],
    ['runs again when a key of a point read has come', (tx) => tx.has('a7'), (db) => db.put('a7', 9), 2],
    [
      'commits when something has changed behind the end of its iteration',
      (tx) => tx.keys(A).next().value?.length,
      (db) => db.delete('a1'),
      1,
    ],
    [
      'runs again when something has changed before the end of its iteration',
      (tx) => tx.keys({ ...A, reverse: true }).next().value?.length,
      (db) => db.put('a7', 1),
      2,
    ],
  ];

  it.each(cases)('%s', async (_, read, write, attempts) => {
    const db = await openSmall();
    const found = await attemptsOf(db, read, () => {
      write(db);
      overflow(db);
    });
    expect(found).toBe(attempts);
    await db.close();
  });

  it('runs again when its namespace was dropped, and has the new one', async () => {
    const db = await openSmall();
    await db.namespace<number>('rows').put('old', 1);
    const seen: string[][] = [];
    await db.transaction(async (tx) => {
      seen.push([...tx.in(db.namespace('rows')).keys()]);
      await null;
      if (tx.attempt === 1) {
        db.drop('rows');
        db.namespace<number>('rows').put('new', 1);
        overflow(db);
      }
      tx.put('result', 1);
    });
    expect(seen).toEqual([['old'], ['new']]);
    await db.close();
  });

  it('sees changes of before and after its second view', async () => {
    const db = await openSmall();
    const attempts = await attemptsOf(
      db,
      (tx) => tx.count(A),
      () => {
        overflow(db);
        // The comparison begins when the function has ended, and ends in a later microtask.
        queueMicrotask(() => db.put('a7', 1));
      },
    );
    expect(attempts).toBe(2);
    await db.close();
  });
});

// It was compared as those that write are: it ran again whenever its range had changed, and gave up after eight attempts.
describe('a transaction that writes nothing in the end', () => {
  it.each<[what: string, extra: (tx: Tx) => void]>([
    ['has only read', () => {}],
    ['has deleted an absent key', (tx) => tx.delete('absent')],
    [
      'has undone what it wrote',
      (tx) =>
        expect(() =>
          tx.nested((inner) => {
            inner.put('undone', 1);
            inner.atCommit((last) => void last.put('undone', 2));
            throw new Error('undone');
          }),
        ).toThrow('undone'),
    ],
  ])('and %s runs once, however much has changed of what it has read', async (_, extra) => {
    const db = await openSmall();
    let calls = 0;
    const seen = await db.transaction(
      async (tx) => {
        calls++;
        const before = sumOf(tx.values(A));
        await null;
        db.put('a3', 1000 * calls);
        overflow(db);
        extra(tx);
        return [before, sumOf(tx.values(A)), tx.count(), tx.get('a3')];
      },
      { maxAttempts: 3 },
    );
    expect([seen, calls]).toEqual([[10, 10, 10, 3], 1]);
    expect([db.get('a3'), db.has('undone')]).toEqual([1000, false]);
    await db.close();
  });
});

describe('a comparison of many keys', () => {
  const KEYS = 5000;

  /** Opens a store of many keys whose clock is so fast that a comparison takes many turns. */
  async function openLarge(): Promise<Numbers> {
    const disk = newDisk(1);
    let nowMs = 0;
    disk.nowMs = () => {
      nowMs += 10;
      return nowMs;
    };
    const db = await openOn<number>(disk.life(), CHANGES_MAX);
    await db.batch(
      Array.from({ length: KEYS }, (_, at) => ({ type: 'put', key: `a${at + 10_000}`, value: at })),
    );
    return db;
  }

  /** Reads all keys in a transaction that overflows the log, and calls `meanwhile` in the first turn of its comparison. */
  async function compare(
    db: Numbers,
    meanwhile: () => void,
  ): Promise<{ attempts: number; lsn: number; meanwhileLsn: number }> {
    let last: Tx | null = null;
    let end = () => {};
    const atEnd = new Promise<void>((resolve) => {
      end = resolve;
    });
    const done = db.transaction(async (tx) => {
      last = tx;
      const sum = sumOf(tx.values(A));
      await null;
      if (tx.attempt === 1) overflow(db);
      tx.put('sum', sum);
      end();
    });
    await atEnd;
    await nextTurn();
    meanwhile();
    const meanwhileLsn = db.lastLsn;
    await done;
    const { attempt: attempts, lsn } = last! as Tx;
    return { attempts, lsn: lsn!, meanwhileLsn };
  }

  it('leaves turns to others, and commits behind their writes', async () => {
    const db = await openLarge();
    const { attempts, lsn, meanwhileLsn } = await compare(db, () => db.put('other', 1));
    expect(attempts).toBe(1);
    expect(lsn).toBeGreaterThan(meanwhileLsn);
    await db.close();
  });

  it('misses no change in its turns', async () => {
    const db = await openLarge();
    const { attempts } = await compare(db, () => db.put('a10002', 7));
    expect(attempts).toBe(2);
    expect(db.get('sum')).toBe((KEYS * (KEYS - 1)) / 2 + 5);
    await db.close();
  });

  it('does not help when the log overflows in its turns once more', async () => {
    const db = await openLarge();
    const { attempts } = await compare(db, () => overflow(db));
    expect(attempts).toBe(2);
    await db.close();
  });
});
