// Transactions: all writes or none, over live state when the function is synchronous, and over a view that is checked at the
// commit when it is not. test/serializability has histories of many at once.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Store, Transaction } from '../../src/kv/index.js';
import { failure, gate, NOTHING_HELD, typeError, World } from './transaction-tools.js';

type Tx = Transaction<string, unknown>;

let world: World;
let db: Store<string, unknown>;

beforeEach(async () => {
  world = await World.open();
  db = world.db;
});

const transfer = (tx: Tx): void => {
  tx.put('ann', (tx.get('ann') as number) - 10);
  tx.put('bob', (tx.get('bob') as number) + 10);
};

describe('a read, a check and a write in one turn', () => {
  test('have nothing between them, whatever else is under way', async () => {
    await db.batch(['ann', 'bob'].map((key) => ({ type: 'put', key, value: 1000 })));
    const move = async (): Promise<void> => {
      await nextTurn();
      const [ann, bob] = [db.get('ann') as number, db.get('bob') as number];
      await db.batch([
        { type: 'put', key: 'ann', value: ann - 1 },
        { type: 'put', key: 'bob', value: bob + 1 },
      ]);
    };
    await Promise.all(Array.from({ length: 100 }, move));
    expect([db.get('ann'), db.get('bob')]).toEqual([900, 1100]);
    await db.close();
  });
});

describe('the options of a transaction', () => {
  test.each([
    [null, /^transaction options: expected an object, got null/],
    [7, /^transaction options: expected an object, got the number 7/],
    [
      { retries: 3 },
      /^transaction: unknown option 'retries'; known are durability, maxAttempts, timeoutMs, signal$/,
    ],
    [{ ifVersion: 3 }, /^transaction: unknown option 'ifVersion'/],
    [
      { durability: 'soon' },
      /^transaction option 'durability': expected one of 'disk', 'memory', got the string "soon"/,
    ],
    [
      { maxAttempts: 0 },
      /^transaction option 'maxAttempts': expected an integer from 1 to 1000, got the number 0/,
    ],
    [{ maxAttempts: 1.5 }, /^transaction option 'maxAttempts': .* got the number 1\.5/],
    [
      { maxAttempts: Number.POSITIVE_INFINITY },
      /^transaction option 'maxAttempts': .* got the number Infinity/,
    ],
    [
      { timeoutMs: 0 },
      /^transaction option 'timeoutMs': expected an integer from 1 to 86400000, got the number 0/,
    ],
    [{ timeoutMs: '30' }, /^transaction option 'timeoutMs': .* got the string "30"/],
    [{ signal: {} }, /^transaction option 'signal': expected an AbortSignal, got an object/],
    [
      { signal: new AbortController() },
      /^transaction option 'signal': expected an AbortSignal, got an AbortController/,
    ],
  ])('%j are refused, and the function is not called', async (options, message) => {
    let calls = 0;
    let thrown: unknown;
    try {
      db.transaction(() => calls++, options as never);
    } catch (error) {
      thrown = error;
    }
    expect([thrown, calls]).toEqual([typeError(message), 0]);
    await db.close();
  });

  test('that are undefined are the defaults', async () => {
    const options = {
      durability: undefined,
      maxAttempts: undefined,
      timeoutMs: undefined,
      signal: undefined,
    };
    expect(await db.transaction(() => 7, options)).toBe(7);
    await db.close();
  });
});

describe('a synchronous transaction', () => {
  test('is visible when the call returns, as one write, and durable when its promise resolves', async () => {
    await db.batch(['ann', 'bob'].map((key) => ({ type: 'put', key, value: 100 })));
    const { records } = db.stats().journal!;
    const jobs = db.namespace('jobs');
    let tx!: Tx;
    const done = db.transaction((given) => {
      tx = given;
      transfer(given);
      given.in(jobs).put('first', 1);
      given.in(jobs).delete('absent');
      return 'result';
    });
    const lsn = db.lastLsn;
    expect([db.get('ann'), db.get('bob'), jobs.get('first'), tx.lsn]).toEqual([90, 110, 1, lsn]);
    expect(['ann', 'bob'].map((key) => db.getEntry(key)!.version)).toEqual([lsn, lsn]);
    expect(db.durableLsn).toBeLessThan(lsn);
    expect(await done).toBe('result');
    expect(db.durableLsn).toBeGreaterThanOrEqual(lsn);
    expect(db.stats().journal!.records - records).toBe(1);
    const again = await world.reopened();
    expect([again.db.get('ann'), again.db.get('bob'), again.db.namespace('jobs').get('first')]).toEqual([
      90, 110, 1,
    ]);
    await again.db.close();
  });

  test('takes no view, and reads its own writes while the store shows the state before', async () => {
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: 0 })));
    await db.transaction((tx) => {
      tx.put('b', 1);
      tx.put('bb', 2);
      tx.delete('a');
      tx.clear({ gte: 'c' });
      expect([...tx.entries()]).toEqual([
        ['b', 1],
        ['bb', 2],
      ]);
      expect([
        tx.size,
        tx.count({ gt: 'b' }),
        tx.rank('bb'),
        tx.nth(-1),
        tx.has('a'),
        tx.getMany(['a', 'b']),
      ]).toEqual([2, 1, 1, ['bb', 2], false, [undefined, 1]]);
      expect([...db.keys()]).toEqual(['a', 'b', 'c']);
      expect(world.held).toEqual(NOTHING_HELD);
    });
    expect([world.views, [...db.keys()]]).toEqual([[], ['b', 'bb']]);
    await db.close();
  });

  test('that throws throws the same error, and nothing has happened', async () => {
    await db.put('a', 1);
    const before = world.content;
    const error = new Error('no');
    let tx!: Tx;
    const run = () =>
      db.transaction((given) => {
        tx = given;
        given.put('a', 2);
        given.clear();
        given.in(db.namespace('jobs')).put('a', 1);
        throw error;
      });
    expect(run).toThrow(error);
    expect([world.content, tx.lsn, world.held]).toEqual([before, null, NOTHING_HELD]);
    await db.close();
  });

  test('has one time, from its first look at it', async () => {
    const pass = () => {
      for (let look = 0; look < 3000; look++) world.disk.nowMs();
    };
    await db.transaction((tx) => {
      pass();
      const first = tx.now;
      pass();
      expect(tx.now).toBe(first);
    });
    await db.close();
  });

  test("with durability 'memory' resolves before it is durable", async () => {
    await db.transaction((tx) => tx.put('a', 1), { durability: 'memory' });
    expect(db.durableLsn).toBeLessThan(db.lastLsn);
    await db.flush();
    await db.close();
  });

  test('without writes writes nothing, and resolves when what it has read is durable', async () => {
    const putting = db.put('a', 1);
    const { lastLsn } = db;
    let tx!: Tx;
    const got = await db.transaction((given) => {
      tx = given;
      given.delete('absent');
      return given.get('a');
    });
    expect([got, tx.lsn, db.lastLsn, db.durableLsn]).toEqual([1, null, lastLsn, lastLsn]);
    await putting;
    await db.close();
  });

  test('takes a million operations', async () => {
    const count = 1_000_000;
    const large = await World.open({
      autoCheckpoint: false,
      maxUndurableBytes: 64 * 1024 * 1024,
      valueEncoding: 'bytes',
    });
    const value = Uint8Array.of(1, 2, 3) as unknown;
    await large.db.transaction((tx) => {
      for (let at = 0; at < count; at++) tx.put(`${at % 200_000}`, value);
      expect(tx.get('199999')).toEqual(value);
    });
    expect([large.db.size, large.db.getEntry('7')!.version, large.held]).toEqual([
      200_000,
      large.db.lastLsn,
      NOTHING_HELD,
    ]);
    await large.db.close();
  });
});

describe('an asynchronous transaction', () => {
  test('reads the store as it was when its function returned, under its own writes; others see nothing until the commit', async () => {
    await db.batch(['a', 'b'].map((key) => ({ type: 'put', key, value: 0 })));
    const goesOn = gate();
    let tx!: Tx;
    const running = db.transaction(
      async (given) => {
        tx = given;
        given.put('c', 1);
        await goesOn.promise;
        expect([...given.entries()]).toEqual([
          ['a', 0],
          ['b', 0],
          ['c', 1],
        ]);
        given.clear({ lte: 'a' });
        expect([given.size, given.nth(0), given.get('z')]).toEqual([2, ['b', 0], undefined]);
      },
      { maxAttempts: 1 },
    );
    await nextTurn();
    expect([[...db.keys()], tx.lsn]).toEqual([['a', 'b'], null]);
    goesOn.open();
    await running;
    expect([[...db.keys()], tx.lsn, world.held]).toEqual([['b', 'c'], db.lastLsn, NOTHING_HELD]);
    await db.close();
  });

  test('is tried again when others have changed what it has read, over the store as it is then', async () => {
    await db.batch(['ann', 'bob'].map((key) => ({ type: 'put', key, value: 100 })));
    const goesOn = gate();
    const attempts: Tx[] = [];
    const running = db.transaction(async (tx) => {
      attempts.push(tx);
      const ann = tx.get('ann') as number;
      await goesOn.promise;
      tx.put('ann', ann - 1);
    });
    await db.put('ann', 50);
    goesOn.open();
    await running;
    expect([db.get('ann'), attempts.map(({ attempt }) => attempt), attempts.map(({ lsn }) => lsn)]).toEqual([
      49,
      [1, 2],
      [null, db.lastLsn],
    ]);
    await db.close();
  });

  test('gives up after maxAttempts, naming the key, with nothing written', async () => {
    const jobs = db.namespace('jobs');
    for (const [read, what] of [
      [(tx: Tx) => void tx.get('n'), 'the key "n"'],
      [(tx: Tx) => void tx.in(jobs).size, 'the key "\\d" of the namespace "jobs"'],
    ] as const) {
      let attempts = 0;
      const running = db.transaction(
        async (tx) => {
          read(tx);
          tx.put('never', 1);
          await null;
          attempts++;
          await db.put('n', attempts);
          await jobs.put(`${jobs.size}`, 1);
        },
        { maxAttempts: 3 },
      );
      await expect(running).rejects.toEqual(
        failure(
          'KEELSON_CONFLICT',
          new RegExp(
            `^The transaction gave up after 3 attempts, and nothing was written: each time, others .*changed what it had read; the last time ${what}\\. Run it again, read less in it, or write counters and totals in tx\\.atCommit\\(\\)$`,
          ),
        ),
      );
      expect([attempts, db.has('never'), world.held]).toEqual([3, false, NOTHING_HELD]);
    }
    const once = db.transaction(
      async (tx) => {
        tx.get('n');
        await null;
        await db.put('n', 0);
        tx.put('never', 1);
      },
      { maxAttempts: 1 },
    );
    await expect(once).rejects.toMatchObject({
      message: /gave up after 1 attempt, and/,
      facts: { attempts: 1 },
    });
    await db.close();
  });

  test('is not tried again for an error of its own', async () => {
    let attempts = 0;
    const running = db.transaction(async (tx) => {
      attempts++;
      tx.get('a');
      await null;
      await db.put('a', attempts);
      tx.put('b', 1);
      throw new Error('no');
    });
    await expect(running).rejects.toThrow('no');
    expect([attempts, db.has('b'), world.held]).toEqual([1, false, NOTHING_HELD]);
    await db.close();
  });

  test('whose later attempt returns no promise is committed at once', async () => {
    const goesOn = gate();
    const running = db.transaction((tx: Tx): unknown => {
      const n = (tx.get('n') as number | undefined) ?? 0;
      tx.put('m', n);
      return tx.attempt === 1 ? goesOn.promise : `attempt ${tx.attempt}`;
    });
    await db.put('n', 7);
    goesOn.open();
    expect(await running).toBe('attempt 2');
    expect([db.get('m'), world.held]).toEqual([7, NOTHING_HELD]);
    await db.close();
  });

  test('without writes is never checked, and resolves when its view is durable', async () => {
    await db.put('a', 1);
    const goesOn = gate();
    const putting = db.put('a', 2);
    const { lastLsn } = db;
    let tx!: Tx;
    const running = db.transaction(
      async (given) => {
        tx = given;
        await goesOn.promise;
        given.delete('absent');
        return [...given.entries()];
      },
      { maxAttempts: 1 },
    );
    await db.put('a', 3);
    await db.put('b', 1);
    goesOn.open();
    expect([await running, tx.lsn, world.held]).toEqual([[['a', 2]], null, NOTHING_HELD]);
    expect(db.durableLsn).toBeGreaterThanOrEqual(lastLsn);
    await putting;
    await db.close();
  });

  test('does not resolve before what it has read is durable', async () => {
    world.disk.pause();
    db.put('a', 1);
    let isDone = false;
    const running = db
      .transaction(async (tx) => tx.get('a'))
      .then(() => {
        isDone = true;
      });
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(isDone).toBe(false);
    world.disk.resume();
    await running;
    expect(db.durableLsn).toBe(db.lastLsn);
    await db.close();
  });

  test('writes of which do not depend on reads conflicts with nothing', async () => {
    await db.put('old', 1);
    const goesOn = gate();
    const running = db.transaction(
      async (tx) => {
        await goesOn.promise;
        tx.put('a', 'mine');
        tx.clear({ prefix: 'old' });
      },
      { maxAttempts: 1 },
    );
    await db.put('a', 'theirs');
    await db.put('old 2', 1);
    goesOn.open();
    await running;
    expect([...db.entries()]).toEqual([['a', 'mine']]);
    await db.close();
  });

  test('that reads what it has written, deleted or cleared conflicts with nothing', async () => {
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: 0 })));
    const goesOn = gate();
    const running = db.transaction(
      async (tx) => {
        tx.put('a', 1);
        tx.clear({ gte: 'b' });
        await goesOn.promise;
        expect([tx.get('a'), tx.get('b'), tx.has('zzz')]).toEqual([1, undefined, false]);
        tx.put('a', 2);
      },
      { maxAttempts: 1 },
    );
    await db.put('a', 'theirs');
    await db.put('b', 'theirs');
    goesOn.open();
    await running;
    expect([...db.entries()]).toEqual([['a', 2]]);
    await db.close();
  });

  test('holds up no checkpoint, however long it is open', async () => {
    const goesOn = gate();
    await db.put('a', 1);
    const running = db.transaction(async (tx) => {
      await goesOn.promise;
      return tx.get('a');
    });
    for (let round = 0; round < 3; round++) {
      await db.put('a', round);
      expect(await db.checkpoint()).toMatchObject({ lsn: db.lastLsn });
    }
    goesOn.open();
    expect(await running).toBe(1);
    await db.close();
  });

  test('is checked by comparison when more was written than the log of recent writes holds', async () => {
    const many = (round: number) =>
      db.batch(
        Array.from({ length: 20_000 }, (_, at) => ({ type: 'put', key: `other ${at}`, value: round })),
      );
    await many(0);
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: 0 })));
    const changes: readonly (readonly [string, () => Promise<unknown>, number])[] = [
      ['nothing that was read', () => many(1), 1],
      ['a value', () => Promise.all([many(2), db.put('b', 1)]), 2],
      [
        'a value and back, which is another version',
        () => Promise.all([many(3), db.put('b', 9), db.put('b', 1)]),
        2,
      ],
      ['a new key', () => Promise.all([many(4), db.put('bb', 1)]), 2],
      ['a key that comes and goes', () => Promise.all([many(5), db.put('bbb', 1), db.delete('bbb')]), 1],
      ['a key less', () => Promise.all([many(6), db.delete('b')]), 2],
    ];
    for (const [what, change, attemptsExpected] of changes) {
      const goesOn = gate();
      let attempts = 0;
      const running = db.transaction(async (tx) => {
        attempts = tx.attempt;
        const sum = [...tx.values({ lte: 'd' })].length;
        await goesOn.promise;
        tx.put('sum', sum);
      });
      await change();
      goesOn.open();
      await running;
      expect([what, attempts, db.get('sum'), world.held]).toEqual([
        what,
        attemptsExpected,
        db.count({ lte: 'd' }),
        NOTHING_HELD,
      ]);
    }
    await db.close();
  });

  test('comes to its end among many others, because it takes a turn', async () => {
    await db.put('n', 0);
    let calls = 0;
    const counting = Array.from({ length: 60 }, () =>
      db.transaction(
        async (tx) => {
          calls++;
          const n = tx.get('n') as number;
          await nextTurn();
          tx.put('n', n + 1);
        },
        { maxAttempts: 1000 },
      ),
    );
    await Promise.all(counting);
    expect([db.get('n'), world.held]).toEqual([60, NOTHING_HELD]);
    // Without turns, each commit makes all others try again: 60 × 61 / 2 calls.
    expect(calls).toBeLessThan(1000);
    await db.close();
  });
});

describe('a store that is opened read-only', () => {
  test('runs transactions that write nothing, and refuses a write in them', async () => {
    await db.put('a', 1);
    await db.close();
    const reader = await World.open({ readOnly: true }, world.disk);
    const readOnly = failure(
      'KEELSON_READ_ONLY',
      /^The store in \/store was opened with readOnly: true\. To write/,
    );
    expect(await reader.db.transaction((tx) => tx.get('a'))).toBe(1);
    expect(await reader.db.transaction(async (tx) => [...tx.keys()])).toEqual(['a']);
    expect(() => reader.db.transaction((tx) => tx.put('a', 2))).toThrow(readOnly as Error);
    await expect(reader.db.transaction(async (tx) => tx.delete('a'))).rejects.toEqual(readOnly);
    expect(() => reader.db.drop('jobs')).toThrow(readOnly as Error);
    expect(() => reader.db.nextId()).toThrow(readOnly as Error);
    expect(() => reader.db.namespace('jobs').put('a', 1)).toThrow(readOnly as Error);
    expect([reader.db.namespace('jobs').size, reader.held]).toEqual([0, NOTHING_HELD]);
    await reader.db.close();
  });
});

describe('a refused write of a transaction', () => {
  test('names what was wrong, and the transaction goes on without it', async () => {
    const wrong: readonly (readonly [(tx: Tx) => unknown, unknown])[] = [
      [(tx) => tx.put(7 as never, 1), typeError(/^key: expected a string, got the number 7/)],
      [(tx) => tx.put('a\uD800', 1), typeError(/^key: expected a string without lone surrogates/)],
      [(tx) => tx.put('k'.repeat(70_000), 1), failure('KEELSON_KEY_TOO_LARGE')],
      [(tx) => tx.put('a', { at: [() => {}] }), typeError(/^value\.at\[0\]/)],
      [(tx) => tx.put('a', new (class Odd {})()), typeError(/^value/)],
      [(tx) => tx.delete(undefined as never), typeError(/^key: expected a string, got undefined/)],
      [
        (tx) => tx.clear({ limit: 1 } as never),
        typeError(/^range: unknown option 'limit'; known are gt, gte, lt, lte, prefix/),
      ],
      [(tx) => tx.clear({ reverse: true } as never), typeError(/^range: unknown option 'reverse'/)],
      [(tx) => tx.clear(7 as never), typeError(/^range: expected an object, got the number 7/)],
      [(tx) => tx.keys({ odd: 1 } as never), typeError(/^range: unknown option 'odd'/)],
      [(tx) => tx.nth(1.5), typeError(/^at: expected an integer, got the number 1\.5/)],
      [(tx) => tx.getMany('a' as never), typeError(/^keys: expected an array of keys, got the string "a"/)],
    ];
    const run = (tx: Tx): void => {
      tx.put('before', 1);
      for (const [call, error] of wrong) {
        let thrown: unknown = null;
        try {
          call(tx);
        } catch (caught) {
          thrown = caught;
        }
        expect(thrown).toEqual(error);
      }
      tx.put('after', 1);
    };
    await db.transaction(run);
    await db.transaction(async (tx) => run(tx));
    const again = await world.reopened();
    expect([...again.db.keys()]).toEqual(['after', 'before']);
    await again.db.close();
  });
});
