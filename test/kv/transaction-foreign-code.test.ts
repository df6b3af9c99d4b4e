// Foreign code inside of transactions: functions that return or throw odd things, encoders, Proxies and getters that use
// the store or the transaction, and JavaScript that is stopped.

import { setImmediate as nextTurn } from 'node:timers/promises';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Store, Transaction, Tuple } from '../../src/kv/index.js';
import { failure, gate, NOTHING_HELD, typeError, World } from './transaction-tools.js';

type Tx = Transaction<string, unknown>;

const functionRuns = typeError(
  /^The function of a transaction runs, and only its tx may write meanwhile\. Write with tx, or with tx\.in\(namespace\); or write after/,
);
const isEncoding = typeError(
  /^The value of another put of this transaction is being encoded\. Put one after the other$/,
);

/** A value whose encoding runs `does` once. */
function valueThat(does: () => void): object {
  let isDone = false;
  return new Proxy({ n: 1 } as { n: number }, {
    ownKeys(target) {
      if (!isDone) {
        isDone = true;
        does();
      }
      return Reflect.ownKeys(target);
    },
  });
}

/** The name of what makes a thenable. */
const THEN = 'then';

describe('the function of a transaction', () => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', {}],
  ])('that throws %s, which is no error, throws it on, and nothing is written', async (_, thrown) => {
    const world = await World.open();
    const before = world.content;
    const fn = (tx: Tx): void => {
      tx.put('a', 1);
      throw thrown;
    };
    let caught: unknown = 'nothing';
    try {
      world.db.transaction(fn);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBe(thrown);
    const rejected = world.db.transaction(async (tx) => fn(tx));
    await rejected.then(
      () => expect.unreachable(),
      (error) => expect(error).toBe(thrown),
    );
    expect([world.content, world.held]).toEqual([before, NOTHING_HELD]);
    await world.db.close();
  });

  test('that is no function is a TypeError', async () => {
    const { db } = await World.open();
    for (const [fn, shown] of [
      [undefined, 'undefined'],
      [{}, 'an object'],
      [Promise.resolve(), 'a Promise'],
    ] as const)
      expect(() => db.transaction(fn as never)).toThrow(`fn: expected a function, got ${shown}`);
    await db.close();
  });

  test.each([
    ['a thenable', () => ({ [THEN]() {} })],
    ['a function with a then()', () => Object.assign(() => {}, { [THEN]() {} })],
    [
      'a Proxy of a promise',
      () => new Proxy(Promise.resolve(), { get: (target) => target.then.bind(target) }),
    ],
  ])('that returns %s is a TypeError, and nothing is written', async (_, make) => {
    const world = await World.open();
    const before = world.content;
    expect(() =>
      world.db.transaction((tx) => {
        tx.put('a', 1);
        return make();
      }),
    ).toThrow(
      typeError(/^the result of fn: expected a promise, or a value without then\(\), got a/) as Error,
    );
    expect([world.content, world.held]).toEqual([before, NOTHING_HELD]);
    await world.db.close();
  });

  test('that returns an object whose `then` throws, throws that, and nothing is written', async () => {
    const { db } = await World.open();
    const result = {
      // biome-ignore lint/suspicious/noThenProperty: what is odd here.
      get then(): never {
        db.put('b', 1);
        throw new Error('unreachable');
      },
    };
    expect(() =>
      db.transaction((tx) => {
        tx.put('a', 1);
        return result;
      }),
    ).toThrow(functionRuns as Error);
    expect(db.size).toBe(0);
    await db.close();
  });

  test('may return a promise of a class of its own, which resolves twice', async () => {
    const { db } = await World.open();
    class Twice<T> extends Promise<T> {
      // biome-ignore lint/suspicious/noThenProperty: what is odd here.
      override then(onFulfilled?: unknown, onRejected?: unknown): never {
        const call = onFulfilled as (value: unknown) => void;
        super.then(
          (value) => {
            call(value);
            call('again');
          },
          onRejected as () => void,
        );
        return undefined as never;
      }
    }
    const result = await db.transaction((tx) => {
      tx.put('a', 1);
      return new Twice<string>((resolve) => {
        resolve('first');
        resolve('second');
      });
    });
    expect([result, db.get('a'), db.getEntry('a')?.version]).toEqual(['first', 1, db.lastLsn]);
    await db.close();
  });

  test('may return a promise of another realm', async () => {
    const { db } = await World.open();
    const later = vm.runInNewContext('(async (put) => { await null; put(); return 7; })');
    expect(await db.transaction((tx: Tx) => later(() => tx.put('a', 1)))).toBe(7);
    expect(db.get('a')).toBe(1);
    await db.close();
  });

  test('is the only one that may write while it runs, by any handle', async () => {
    const world = await World.open();
    const { db } = world;
    const jobs = db.namespace('jobs');
    await jobs.put('a', 1);
    const before = world.content;
    const writes: readonly (() => unknown)[] = [
      () => db.put('a', 1),
      () => db.put('a', 1, { ifVersion: 0 }),
      () => db.delete('a'),
      () => db.clear(),
      () => db.batch([]),
      () => jobs.put('a', 2),
      () => jobs.delete('a'),
      () => jobs.clear(),
      () => jobs.batch([{ type: 'check', key: 'a', version: 0 }]),
      () => db.drop(jobs),
      () => db.drop('nothing'),
      () => db.transaction(() => 1),
      () => db.transaction(async () => 1),
    ];
    const tryAll = (): void => {
      for (const write of writes) expect(write).toThrow(functionRuns as Error);
    };
    await db.transaction(tryAll);
    await db.transaction((tx) => tx.nested(tryAll));
    await db.transaction((tx) => tx.atCommit(() => void tryAll()));
    await db.transaction(async (tx) => {
      tryAll();
      tx.atCommit(() => void tryAll());
      await null;
    });
    expect(world.content).toEqual(before);
    // Reads and what writes no entry are no writes.
    await db.transaction((tx) => {
      tx.put('a', 1);
      expect([db.get('a'), jobs.get('a'), db.namespaces()]).toEqual([undefined, 1, ['jobs']]);
      expect(db.nextId()).toBe(1);
      db.flush();
      db.snapshot().close();
      db.namespace('others');
    });
    await db.close();
  });

  test('is outside of the store after its first await: others write, and it may, too', async () => {
    const { db } = await World.open();
    await db
      .transaction(
        async (tx) => {
          tx.put('a', 'inside');
          await null;
          await db.put('a', 'outside');
          await db.transaction((other) => other.put('b', 'other'));
          expect([db.get('a'), tx.get('a'), tx.get('b')]).toEqual(['outside', 'inside', undefined]);
        },
        { maxAttempts: 1 },
      )
      .catch((error) => expect(error).toEqual(failure('KEELSON_CONFLICT', /the key "b"/)));
    expect([...db.entries()]).toEqual([
      ['a', 'outside'],
      ['b', 'other'],
    ]);
    await db.close();
  });

  test('has a tx that is of no use when the transaction has ended', async () => {
    const world = await World.open();
    const { db } = world;
    const jobs = db.namespace('jobs');
    const kept: Tx[] = [];
    const inJobs: { get(key: string): unknown }[] = [];
    const iterations: Iterator<unknown>[] = [];
    const keep = (tx: Tx): void => {
      tx.put('a', kept.length);
      kept.push(tx);
      inJobs.push(tx.in(jobs));
      iterations.push(tx.keys());
    };
    await db.transaction(keep);
    await db.transaction(async (tx) => keep(tx));
    await expect(
      db.transaction(async (tx) => {
        keep(tx);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    const before = world.content;
    const over = failure(
      'KEELSON_CLOSED',
      /^The transaction has ended\. Use tx only in the function that it was given to$/,
    );
    for (const tx of kept) {
      for (const use of [
        () => tx.get('a'),
        () => tx.size,
        () => tx.keys(),
        () => tx.put('a', 9),
        () => tx.delete('a'),
        () => tx.clear(),
        () => tx.in(jobs),
        () => tx.nested(() => 1),
        () => tx.atCommit(() => undefined),
      ])
        expect(use).toThrow(over as Error);
    }
    for (const reads of inJobs) expect(() => reads.get('a')).toThrow(over as Error);
    for (const iteration of iterations) expect(() => iteration.next()).toThrow(over as Error);
    expect(kept.map(({ lsn }) => lsn)).toEqual([expect.any(Number), db.lastLsn, null]);
    expect(world.content).toEqual(before);
    await db.close();
  });
});

describe('an encoder, a Proxy or a getter', () => {
  test('may read with tx while it is encoded, and write nothing with it', async () => {
    const { db } = await World.open();
    const jobs = db.namespace('jobs');
    const run = (tx: Tx): void => {
      tx.put('a', 'before');
      const meddling = valueThat(() => {
        expect([tx.get('a'), tx.size, [...tx.keys()]]).toEqual(['before', 1, ['a']]);
        for (const write of [
          () => tx.put('b', 1),
          () => tx.delete('a'),
          () => tx.clear(),
          () => tx.in(jobs).put('b', 1),
          () => tx.nested(() => 1),
          () => tx.atCommit(() => undefined),
        ])
          expect(write).toThrow(isEncoding as Error);
      });
      tx.put('c', meddling);
      tx.put('a', 'after');
    };
    await db.transaction(run);
    const expected = [
      ['a', 'after'],
      ['c', { n: 1 }],
    ];
    expect([...db.entries()]).toEqual(expected);
    await db.clear();
    await db.transaction(async (tx) => {
      await null;
      run(tx);
    });
    expect([...db.entries()]).toEqual(expected);
    await db.close();
  });

  test('that writes to the store is refused in a synchronous transaction, and nested before an asynchronous one', async () => {
    const world = await World.open();
    const { db } = world;
    const meddling = (key: string) => valueThat(() => void db.put(key, { nested: [1, 2, 3] }));
    expect(() => db.transaction((tx) => tx.put('a', meddling('x')))).toThrow(functionRuns as Error);
    expect(db.size).toBe(0);
    await db.transaction(async (tx) => {
      await null;
      tx.put('a', { before: 1 });
      tx.put('b', meddling('x'));
      tx.put('c', { after: 1 });
    });
    const expected = [
      ['a', { before: 1 }],
      ['b', { n: 1 }],
      ['c', { after: 1 }],
      ['x', { nested: [1, 2, 3] }],
    ];
    expect([...db.entries()]).toEqual(expected);
    expect(db.getEntry('x')!.version).toBeLessThan(db.getEntry('a')!.version);
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual(expected);
    await again.db.close();
  });

  test('that throws leaves the transaction as it was, and the transaction goes on', async () => {
    const world = await World.open();
    const { db } = world;
    await db.transaction((tx) => {
      tx.put('a', { shape: 1, of: 'mine' });
      const bad = valueThat(() => {
        throw new Error('from the Proxy');
      });
      expect(() => tx.put('b', bad)).toThrow('from the Proxy');
      expect(() => tx.put('b', [{ other: 1, shape: 2 }, () => {}])).toThrow(TypeError);
      expect(() => tx.in(db.namespace('jobs')).put('b', [Symbol('no')])).toThrow(TypeError);
      expect([...tx.keys()]).toEqual(['a']);
      tx.put('c', { shape: 2, of: 'mine' });
    });
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual([
      ['a', { shape: 1, of: 'mine' }],
      ['c', { shape: 2, of: 'mine' }],
    ]);
    expect(again.db.namespaces()).toEqual([]);
    await again.db.close();
  });

  test('that closes the store has its transaction refused, and nothing is written', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const goesOn = gate();
    const waiting = db.transaction(async (tx) => {
      await goesOn.promise;
      tx.put(
        'b',
        valueThat(() => void db.close()),
      );
    });
    goesOn.open();
    await expect(waiting).rejects.toEqual(failure('KEELSON_CLOSED'));
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual([['a', 1]]);
    expect(() =>
      again.db.transaction((tx) =>
        tx.put(
          'b',
          valueThat(() => void again.db.close()),
        ),
      ),
    ).toThrow(failure('KEELSON_CLOSED') as Error);
    const last = await again.reopened();
    expect([...last.db.entries()]).toEqual([['a', 1]]);
    await last.db.close();
  });

  // The write set went back to the others while the encoder still filled it. Another transaction took it, and committed what
  // the ended one had put.
  test('that ends its transaction puts nothing into the one that it begins', async () => {
    const world = await World.open();
    const { db } = world;
    const controller = new AbortController();
    const goesOn = gate();
    let other!: Promise<void>;
    const running = db.transaction(
      async (tx) => {
        await null;
        tx.put('a', 1);
        const meddling = valueThat(() => {
          controller.abort();
          other = db.transaction(async (another) => {
            another.put('other', 1);
            await goesOn.promise;
            another.put('other too', 2);
          });
        });
        tx.put('b', meddling);
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    goesOn.open();
    await other;
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual([
      ['other', 1],
      ['other too', 2],
    ]);
    await again.db.close();
  });

  test('of a key may use tx, and its own put comes after', async () => {
    const world = await World.open({ keyEncoding: 'tuple' });
    const db = world.db as unknown as Store<Tuple, unknown>;
    const keyThat = (part: string, does: () => void): Tuple =>
      new Proxy([part, 1], {
        get(target, name, receiver) {
          if (name === '0') does();
          return Reflect.get(target, name, receiver);
        },
      });
    await db.transaction((tx) => {
      tx.put(
        keyThat('a', () => tx.put(['inner'], 1)),
        2,
      );
      tx.delete(keyThat('inner', () => tx.put(['inner', 1], 3)));
      tx.clear({ prefix: keyThat('none', () => tx.delete(['absent'])) });
      expect(tx.get(keyThat('a', () => tx.put(['last'], 4)))).toBe(2);
    });
    expect([...db.entries()]).toEqual([
      [['a', 1], 2],
      [['inner'], 1],
      [['last'], 4],
    ]);
    const controller = new AbortController();
    const running = db.transaction(
      async (tx) => {
        await null;
        tx.get(keyThat('a', () => controller.abort()));
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    await world.db.close();
  });
});

// The key was made after its transaction had looked for the view. So a read of a key that ended the transaction found what was
// written later, or nothing.
describe('a key that ends its transaction', () => {
  type TupleTx = Transaction<Tuple, unknown>;

  test.each<[name: string, use: (tx: TupleTx, key: Tuple) => unknown]>([
    ['get', (tx, key) => tx.get(key)],
    ['getEntry', (tx, key) => tx.getEntry(key)],
    ['has', (tx, key) => tx.has(key)],
    ['getMany', (tx, key) => tx.getMany([key])],
    ['rank', (tx, key) => tx.rank(key)],
    ['count', (tx, key) => tx.count({ gte: key })],
    ['keys', (tx, key) => [...tx.keys({ gte: key })]],
    ['put', (tx, key) => tx.put(key, 1)],
    ['delete', (tx, key) => tx.delete(key)],
    ['clear', (tx, key) => tx.clear({ prefix: key })],
  ])('makes %s() of the transaction throw', async (_, use) => {
    const world = await World.open({ keyEncoding: 'tuple' });
    const db = world.db as unknown as Store<Tuple, unknown>;
    db.put(['kept'], 1);
    db.put(['changed'], 1);
    for (const name of ['kept', 'changed', 'absent']) {
      const controller = new AbortController();
      const key = new Proxy<Tuple>([name], {
        get(target, property, receiver) {
          controller.abort();
          return Reflect.get(target, property, receiver);
        },
      });
      let error: unknown = 'none';
      const running = db.transaction(
        async (tx) => {
          tx.get(['kept']);
          await null;
          db.put(['changed'], 2);
          try {
            use(tx, key);
          } catch (thrown) {
            error = thrown;
          }
        },
        { signal: controller.signal },
      );
      await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
      expect(error).toEqual(failure('KEELSON_CLOSED', /^The transaction has ended\./));
    }
    expect([...db.entries()]).toEqual([
      [['changed'], 2],
      [['kept'], 1],
    ]);
    await db.close();
  });
});

// The log settles promises when it makes room. A getter of a result then ended the transaction in its own commit, and its
// write set was emptied while it was written: the store acknowledged later writes, and could not be opened again.
describe('a getter that ends a transaction while the log makes room for its commit', () => {
  const counts = { few: 10, 'very many': 5000 };

  test.each(
    (['few', 'very many'] as const).flatMap((amount) =>
      (['the store', 'a namespace'] as const).flatMap((where) =>
        (['its signal', 'close()'] as const).map((how) => [amount, where, how] as const),
      ),
    ),
  )('of %s puts into %s, by %s, ends it with nothing written', async (amount, where, how) => {
    const world = await World.open({ maxUndurableBytes: 64 * 1024 });
    const { db } = world;
    const controller = new AbortController();
    let refusal: unknown = null;
    let calls = 0;
    const result = {
      // biome-ignore lint/suspicious/noThenProperty: what is odd here.
      get then(): undefined {
        if (++calls !== 2) return undefined;
        try {
          db.batch([]);
        } catch (error) {
          refusal = error;
        }
        if (how === 'its signal') controller.abort();
        else db.close();
        return undefined;
      },
    };
    const earlier = db.transaction((tx) => {
      tx.put('earlier', 'y'.repeat(40_000));
      return result;
    });
    const running = db.transaction(
      async (tx) => {
        const into = where === 'the store' ? tx : tx.in(db.namespace('jobs'));
        const count = counts[amount];
        for (let at = 0; at < count; at++) into.put(`${at}`, 'x'.repeat(50_000 / count));
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toEqual(
      how === 'its signal' ? failure('KEELSON_ABORTED', /Nothing was written/) : failure('KEELSON_CLOSED'),
    );
    // It was called inside of the commit.
    expect(refusal).toEqual(functionRuns);
    expect([await earlier, db.poisoned, world.held]).toEqual([result, null, NOTHING_HELD]);
    const expected = ['earlier'];
    if (how === 'its signal') {
      await db.put('later', 1);
      expected.push('later');
    }
    const again = await world.reopened();
    expect([[...again.db.keys()], again.db.namespaces()]).toEqual([expected, []]);
    await again.db.close();
  });
});

describe('JavaScript that is stopped', () => {
  /** Runs a function, and stops it when it never ends. */
  function stopped(run: () => unknown): unknown {
    try {
      vm.runInNewContext('run()', { run }, { timeout: 50 });
      return null;
    } catch (error) {
      return (error as { code?: string }).code ?? error;
    }
  }
  const STOPPED = 'ERR_SCRIPT_EXECUTION_TIMEOUT';
  const forEver = (): void => {
    for (;;);
  };

  test('in the function leaves nothing written, and the store is free in the next microtask', async () => {
    const world = await World.open();
    const { db } = world;
    const before = world.content;
    for (const isAsync of [false, true]) {
      const fn = (tx: Tx): void => {
        tx.put('a', 1);
        tx.nested((inner) => {
          inner.put('b', 1);
          forEver();
        });
      };
      const stop = () => db.transaction<unknown>(isAsync ? async (tx: Tx) => fn(tx) : fn);
      expect(stopped(stop)).toBe(STOPPED);
      expect(() => db.put('c', 1)).toThrow(functionRuns as Error);
      await null;
      expect([world.content, db.poisoned, world.held]).toEqual([before, null, NOTHING_HELD]);
    }
    await db.transaction((tx) => tx.put('c', 1));
    expect([...db.keys()]).toEqual(['c']);
    await db.close();
  });

  test('in an encoder ends the transaction, with nothing written', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const before = world.content;
    const interrupted = failure(
      'KEELSON_INTERRUPTED',
      /^JavaScript was stopped while a value of the transaction was encoded\. Nothing was written\. Run the transaction again$/,
    );
    const fn = (tx: Tx): void => {
      tx.put('a', 2);
      expect(stopped(() => tx.put('b', valueThat(forEver)))).toBe(STOPPED);
      expect(tx.get('a')).toBe(2);
      expect(() => tx.put('c', 1)).toThrow(isEncoding as Error);
    };
    expect(() => db.transaction(fn)).toThrow(interrupted as Error);
    await expect(db.transaction(async (tx) => fn(tx))).rejects.toEqual(interrupted);
    expect([world.content, db.poisoned, world.held]).toEqual([before, null, NOTHING_HELD]);
    await db.transaction((tx) => tx.put('b', { fine: true }));
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual([
      ['a', 1],
      ['b', { fine: true }],
    ]);
    await again.db.close();
  });

  test('in a part at the commit leaves nothing written, and the store is free in the next microtask', async () => {
    const world = await World.open();
    const { db } = world;
    const before = world.content;
    const stop = () =>
      db.transaction((tx) => {
        tx.put('a', 1);
        tx.atCommit((last) => {
          last.put('b', 1);
          forEver();
        });
      });
    expect(stopped(stop)).toBe(STOPPED);
    expect(() => db.put('c', 1)).toThrow(functionRuns as Error);
    await null;
    await db.put('c', 1);
    await db.clear();
    expect([db.size, db.poisoned, world.held]).toEqual([0, null, NOTHING_HELD]);
    expect(before).toMatchObject({ entries: [] });
    await db.close();
  });

  // The view could not be taken, so nobody awaited what the function had returned. Its rejection ended the process.
  test('in a commit before a later attempt rejects the transaction, and its function ends no process', async () => {
    const { db, schema } = await World.open();
    await db.put('a', 0);
    const goesOn = gate();
    const unhandled: unknown[] = [];
    const listeners = process.listeners('unhandledRejection');
    process
      .removeAllListeners('unhandledRejection')
      .on('unhandledRejection', (error) => unhandled.push(error));
    try {
      const running = db.transaction(async (tx) => {
        // As a stop in a commit leaves it.
        if (tx.attempt === 2) schema.links.guard.enter();
        tx.put('b', tx.get('a'));
        await goesOn.promise;
      });
      const rejected = expect(running).rejects.toMatchObject({ code: /KEELSON_(POISONED|INTERRUPTED)/ });
      await db.put('a', 1);
      goesOn.open();
      await rejected;
      for (let turn = 0; turn < 3; turn++) await nextTurn();
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const listener of listeners) process.on('unhandledRejection', listener);
    }
    expect(unhandled).toEqual([]);
    expect(db.poisoned).not.toBeNull();
    await db.close();
  });

  test('in an iteration of the function ends nothing else', async () => {
    const { db } = await World.open();
    for (let n = 0; n < 100; n++) db.put(`${n}`, n);
    // A look links what was put off. A stop in the middle of that would poison the store.
    expect(db.size).toBe(100);
    const total = await db.transaction((tx) => {
      expect(
        stopped(() => {
          for (;;) for (const _ of tx.entries()) tx.get('7');
        }),
      ).toBe(STOPPED);
      tx.put('size', tx.size);
      return tx.size;
    });
    expect([total, db.get('size')]).toEqual([101, 100]);
    await db.close();
  });
});

describe('the turn of the event loop', () => {
  test('with fake timers: transactions commit, become durable and end in time', async () => {
    const { db } = await World.open();
    const { setTimeout, setImmediate, queueMicrotask } = globalThis;
    const { nextTick } = process;
    let running: Promise<void>;
    let result: Promise<number>;
    try {
      Object.assign(globalThis, { setTimeout() {}, setImmediate() {}, queueMicrotask() {} });
      process.nextTick = () => {};
      result = db.transaction((tx) => {
        tx.put('a', 1);
        return 7;
      });
      running = db.transaction(async (tx) => tx.put('b', tx.get('a')));
    } finally {
      Object.assign(globalThis, { setTimeout, setImmediate, queueMicrotask });
      process.nextTick = nextTick;
    }
    expect(await result).toBe(7);
    await running;
    expect(db.get('b')).toBe(1);
    await nextTurn();
    await db.close();
  });
});
