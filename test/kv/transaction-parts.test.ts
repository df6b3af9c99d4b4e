// The parts of a transaction: nested ones, which are undone alone when they fail, and those that run at the commit.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Namespace, Transaction } from '../../src/kv/index.js';
import { failure, gate, NOTHING_HELD, typeError, World } from './transaction-tools.js';

type Tx = Transaction<string, unknown>;

const ended = failure(
  'KEELSON_CLOSED',
  /^This nested part of a transaction has ended\. Use tx only in the function/,
);
const undone = failure(
  'KEELSON_CLOSED',
  /^This nested part of a transaction was undone\. Use tx only in the function/,
);
const otherRuns = typeError(
  /^A nested part of the transaction runs, and only the tx that it was given may write\. Await/,
);

describe('a nested part', () => {
  test('returns what its function returns, and keeps what it wrote', async () => {
    const { db } = await World.open();
    await db.transaction((tx) => {
      tx.put('a', 1);
      const got = tx.nested((inner) => {
        inner.put('b', inner.get('a'));
        return inner.nested((innermost) => {
          innermost.put('c', innermost.size);
          return 'result';
        });
      });
      expect(got).toBe('result');
    });
    expect([...db.entries()]).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ]);
    await db.close();
  });

  test('that throws is undone with the parts in it, and its error comes out', async () => {
    const world = await World.open();
    const { db } = world;
    await db.batch(['x', 'y', 'z'].map((key) => ({ type: 'put', key, value: 0 })));
    const jobs = db.namespace('jobs');
    const thrown = { no: 'error' };
    await db.transaction((tx) => {
      tx.put('a', 1);
      const show = () => [[...tx.entries()], tx.size, tx.nth(-1), tx.rank('y'), [...tx.in(jobs).keys()]];
      const before = show();
      const run = () =>
        tx.nested((inner) => {
          inner.put('a', 2);
          inner.delete('x');
          inner.clear({ gte: 'y' });
          inner.nested((innermost) => innermost.put('y', 3));
          inner.in(jobs).put('first', 1);
          inner.atCommit((last) => void last.put('never', 1));
          throw thrown;
        });
      let caught: unknown;
      try {
        run();
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(thrown);
      expect(show()).toEqual(before);
      tx.put('b', 1);
    });
    expect([...db.keys()]).toEqual(['a', 'b', 'x', 'y', 'z']);
    expect([db.get('a'), db.namespaces()]).toEqual([1, []]);
    const again = await world.reopened();
    expect([...again.db.keys()]).toEqual(['a', 'b', 'x', 'y', 'z']);
    await again.db.close();
  });

  test('that rejects is undone, and its reads stay reads', async () => {
    const { db } = await World.open();
    await db.put('a', 1);
    const goesOn = gate();
    let attempts = 0;
    const running = db.transaction(async (tx) => {
      attempts++;
      await tx
        .nested(async (inner) => {
          inner.get('a');
          inner.put('b', 1);
          await null;
          throw new Error('no');
        })
        .catch((error) => expect(error).toEqual(new Error('no')));
      await goesOn.promise;
      tx.put('c', attempts);
    });
    await nextTurn();
    await db.put('a', 2);
    goesOn.open();
    await running;
    expect([...db.entries()]).toEqual([
      ['a', 2],
      ['c', 2],
    ]);
    await db.close();
  });

  test('is the only one that writes while it runs; reads through the outer tx show its writes', async () => {
    const { db } = await World.open();
    const goesOn = gate();
    await db.transaction(async (tx) => {
      const nested = tx.nested(async (inner) => {
        inner.put('a', 1);
        await goesOn.promise;
        inner.put('b', 1);
      });
      for (const write of [
        () => tx.put('c', 1),
        () => tx.delete('a'),
        () => tx.clear(),
        () => tx.atCommit(() => undefined),
        () => tx.nested(() => 1),
        () => tx.in(db.namespace('jobs')).put('c', 1),
      ])
        expect(write).toThrow(otherRuns as Error);
      expect(tx.get('a')).toBe(1);
      goesOn.open();
      await nested;
      tx.put('c', 1);
    });
    expect([...db.keys()]).toEqual(['a', 'b', 'c']);
    await db.close();
  });

  test('cannot be used when it has ended: its tx reads on when it was kept, and does nothing when it was undone', async () => {
    const { db } = await World.open();
    await db.transaction((tx) => {
      let kept!: Tx;
      let gone!: Tx;
      tx.nested((inner) => {
        kept = inner;
      });
      expect(() =>
        tx.nested((inner) => {
          gone = inner;
          throw new Error('no');
        }),
      ).toThrow('no');
      expect(kept.size).toBe(0);
      expect(() => kept.put('a', 1)).toThrow(ended as Error);
      expect(() => kept.nested(() => 1)).toThrow(ended as Error);
      for (const use of [() => gone.get('a'), () => gone.put('a', 1), () => gone.size, () => gone.keys()])
        expect(use).toThrow(undone as Error);
    });
    expect(db.size).toBe(0);
    await db.close();
  });

  // An iteration of a part that was kept went on after the part around it was undone, and showed values that the next
  // operations had overwritten.
  test('ends its iterations when it is undone, also with a part around it', async () => {
    const { db } = await World.open();
    await db.transaction((tx) => {
      const iterations: Iterator<unknown>[] = [];
      const outer = () =>
        tx.nested((one) => {
          one.nested((two) => {
            two.put('a', 1);
            two.put('b', 2);
            iterations.push(two.entries(), one.keys(), tx.values());
          });
          for (const iteration of iterations) expect(iteration.next().done).toBe(false);
          throw new Error('no');
        });
      expect(outer).toThrow('no');
      tx.put('c', 'x'.repeat(100));
      for (const iteration of iterations) expect(() => iteration.next()).toThrow(undone as Error);
    });
    expect([...db.keys()]).toEqual(['c']);
    await db.close();
  });

  test('that ends before one in it is a TypeError, and both are undone', async () => {
    const { db } = await World.open();
    const goesOn = gate();
    const outcomes: Promise<unknown>[] = [];
    await db.transaction(async (tx) => {
      const outer = tx.nested(async (one) => {
        one.put('a', 1);
        outcomes.push(
          one.nested(async (two) => {
            two.put('b', 1);
            await goesOn.promise;
          }),
        );
      });
      await expect(outer).rejects.toEqual(
        typeError(
          /^A nested part has ended before one that began in it\. Await what tx\.nested\(\) returns$/,
        ),
      );
      goesOn.open();
      await expect(outcomes[0]).rejects.toEqual(undone);
      tx.put('c', 1);
    });
    expect([...db.keys()]).toEqual(['c']);
    await db.close();
  });

  // The inner part was undone with the outer one. When its promise was settled it was to be undone once more, and an
  // error of the inside ended the process.
  test.each(['open', 'fail'] as const)(
    'in one that has rejected rejects when its promise is settled (%s), and undoes nothing else',
    async (how) => {
      const { db } = await World.open();
      const goesOn = gate();
      let inner!: Promise<unknown>;
      await db.transaction(async (tx) => {
        const outer = tx.nested(async (one) => {
          inner = one.nested(async (two) => {
            two.put('b', 1);
            await goesOn.promise;
          });
          throw new Error('outer');
        });
        await expect(outer).rejects.toThrow('outer');
        tx.put('c', 1);
        if (how === 'open') goesOn.open();
        else goesOn.fail(new Error('inner'));
        await expect(inner).rejects.toEqual(how === 'open' ? undone : new Error('inner'));
        tx.put('d', 1);
      });
      expect([...db.keys()]).toEqual(['c', 'd']);
      await db.close();
    },
  );

  test('that the transaction does not await is a TypeError at its end, with nothing written', async () => {
    const world = await World.open();
    const { db } = world;
    const error = typeError(
      /^The transaction ended before a nested part of it\. Await what tx\.nested\(\) returns$/,
    );
    const goesOn = gate();
    const forget = (tx: Tx): void => {
      tx.put('a', 1);
      tx.nested(async (inner) => {
        inner.put('b', 1);
        await goesOn.promise;
      });
    };
    expect(() => db.transaction(forget)).toThrow(error as Error);
    await expect(db.transaction(async (tx) => forget(tx))).rejects.toEqual(error);
    goesOn.open();
    await nextTurn();
    expect([db.size, world.held]).toEqual([0, NOTHING_HELD]);
    await db.close();
  });

  test('takes no other thing than a function, which returns no thenable that is no promise', async () => {
    const { db } = await World.open();
    db.transaction((tx) => {
      expect(() => tx.nested(7 as never)).toThrow('fn: expected a function, got the number 7');
      const thenable = {
        // biome-ignore lint/suspicious/noThenProperty: what is refused.
        then() {},
      };
      const run = () =>
        tx.nested((inner) => {
          inner.put('a', 1);
          return thenable;
        });
      expect(run).toThrow(
        'fn of nested(): expected a function that returns a promise or no thenable, got an object',
      );
      expect(tx.size).toBe(0);
    });
    await db.close();
  });

  test('of any depth is undone alone', async () => {
    const { db } = await World.open();
    const dive = (tx: Tx, depth: number): void => {
      tx.put(`${depth}`, depth);
      if (depth === 200) return;
      try {
        tx.nested((inner) => {
          dive(inner, depth + 1);
          if (depth === 100) throw new Error('no');
        });
      } catch {
        tx.put('undone', depth);
      }
    };
    await db.transaction((tx) => dive(tx, 0));
    expect([db.size, db.get('undone'), db.get('100'), db.has('101')]).toEqual([102, 100, 100, false]);
    await db.close();
  });
});

describe('a part at the commit', () => {
  test('reads live state under the writes of the transaction, and so never conflicts', async () => {
    const { db } = await World.open();
    await db.put('total', 1);
    const goesOn = gate();
    const running = db.transaction(async (tx) => {
      await goesOn.promise;
      tx.put('a', tx.attempt);
      tx.atCommit((last) => {
        last.put('total', (last.get('total') as number) + 1);
        last.put('seen', [...last.keys()]);
      });
      tx.atCommit((last) => void last.put('total', (last.get('total') as number) + 1));
    });
    await db.put('total', 10);
    await db.put('b', 1);
    goesOn.open();
    await running;
    expect(Object.fromEntries(db.entries())).toEqual({ a: 1, b: 1, total: 12, seen: ['a', 'b', 'total'] });
    await db.close();
  });

  test('makes a transaction without other reads and writes one that writes', async () => {
    const { db } = await World.open();
    const lsns: unknown[] = [];
    for (const isAsync of [false, true]) {
      const fn = (tx: Tx): Tx => {
        tx.atCommit((last) => void last.put('n', ((last.get('n') as number) ?? 0) + 1));
        return tx;
      };
      const tx = await db.transaction<Tx | Promise<Tx>>(isAsync ? async (tx) => fn(tx) : fn);
      lsns.push(tx.lsn);
      expect([tx.lsn, db.getEntry('n')?.version]).toEqual([db.lastLsn, db.lastLsn]);
    }
    expect([db.get('n'), new Set(lsns).size]).toEqual([2, 2]);
    await db.close();
  });

  test('has the time of the commit, and the function one time', async () => {
    const world = await World.open();
    const { db } = world;
    const times: number[] = [];
    const pass = (ms: number) => {
      for (let look = 0; look < ms * 1000; look++) world.disk.nowMs();
    };
    await db.transaction(async (tx) => {
      times.push(tx.now);
      pass(5);
      await null;
      times.push(tx.now);
      tx.atCommit((last) => {
        times.push(last.now);
        pass(5);
        times.push(last.now, tx.now);
      });
      pass(5);
    });
    const [begun, same, committed, again, outer] = times as [number, number, number, number, number];
    expect([same, again, outer]).toEqual([begun, committed, committed]);
    expect(committed).toBeGreaterThanOrEqual(begun + 10);
    await db.close();
  });

  test('that throws undoes the transaction, without another attempt, and its error comes out', async () => {
    const world = await World.open();
    const { db } = world;
    const before = world.content;
    let attempts = 0;
    const fn = (tx: Tx): void => {
      attempts++;
      tx.put('a', 1);
      tx.atCommit((last) => void last.put('b', 1));
      tx.atCommit(() => {
        throw null;
      });
    };
    let thrown: unknown = 'nothing';
    try {
      db.transaction(fn);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeNull();
    await expect(db.transaction(async (tx) => fn(tx))).rejects.toBeNull();
    expect([attempts, world.content, world.held]).toEqual([2, before, NOTHING_HELD]);
    await db.close();
  });

  test('that returns a promise is a TypeError, and its rejection ends no process', async () => {
    const world = await World.open();
    const { db } = world;
    const error = typeError(
      /^fn of atCommit\(\): expected a function that returns no promise, because it runs at the commit, got a Promise$/,
    );
    const fn = (tx: Tx): void => {
      tx.put('a', 1);
      tx.atCommit((async () => {
        throw new Error('unseen');
      }) as never);
    };
    expect(() => db.transaction(fn)).toThrow(error as Error);
    await expect(db.transaction(async (tx) => fn(tx))).rejects.toEqual(error);
    const nested = (tx: Tx): void => {
      tx.atCommit((last) => void last.nested(async () => 1));
    };
    expect(() => db.transaction(nested)).toThrow(
      'fn of nested(): expected a function that returns no promise, because it runs at the commit, got a Promise',
    );
    await nextTurn();
    expect([db.size, world.held]).toEqual([0, NOTHING_HELD]);
    await db.close();
  });

  test('may have nested parts, and asks for no more parts', async () => {
    const { db } = await World.open();
    await db.transaction((tx) => {
      tx.put('a', 1);
      tx.atCommit((last) => {
        expect(() => last.atCommit(() => undefined)).toThrow(
          typeError(
            /^atCommit\(\) was called at the commit\. Write right away with the tx of the function$/,
          ) as Error,
        );
        expect(() =>
          last.nested((inner) => {
            inner.clear();
            throw new Error('no');
          }),
        ).toThrow('no');
        last.nested((inner) => inner.put('b', inner.size));
      });
      expect(() => tx.atCommit(undefined as never)).toThrow('fn: expected a function, got undefined');
    });
    expect([...db.entries()]).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    await db.close();
  });

  // What the iteration read there was not checked, because the check was over.
  test('ends the iterations of the function', async () => {
    const { db } = await World.open();
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: 0 })));
    const begun = failure('KEELSON_CLOSED', /^The commit of the transaction has begun\./);
    let steps = 0;
    const fn = (tx: Tx): void => {
      const [untouched, stepped] = [tx.keys(), tx.entries()];
      stepped.next();
      tx.atCommit((last) => {
        for (const iteration of [untouched, stepped]) expect(() => iteration.next()).toThrow(begun as Error);
        for (const _ of last.keys()) steps++;
      });
    };
    await db.transaction(fn);
    await db.transaction(async (tx) => {
      await null;
      fn(tx);
    });
    expect(steps).toBe(6);
    await db.close();
  });

  // The namespace was there in the view, so it read as an empty one.
  test.each([
    ['no read of it before', false],
    ['a look at it before', true],
  ])('refuses to read a namespace that was dropped meanwhile, with %s', async (_, isTouched) => {
    const world = await World.open();
    const { db } = world;
    const jobs: Namespace<string, unknown> = db.namespace('jobs');
    await jobs.put('a', 1);
    const goesOn = gate();
    const running = db.transaction(async (tx) => {
      const inJobs = tx.in(jobs);
      if (isTouched) inJobs.keys({ limit: 0 }).next();
      await goesOn.promise;
      tx.atCommit(() => void inJobs.size);
    });
    await db.drop(jobs);
    goesOn.open();
    await expect(running).rejects.toEqual(
      failure('KEELSON_DROPPED', /^The namespace "jobs" was dropped\. Get the namespace again/),
    );
    expect(world.held).toEqual(NOTHING_HELD);
    await db.close();
  });
});
