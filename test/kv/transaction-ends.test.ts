// How transactions end other than by a commit: by a signal, by time, by the end of the store, by their own function. None
// leaves anything behind: no view, no note in the write log, no listener, no write.

import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Transaction } from '../../src/kv/index.js';
import { failure, gate, NOTHING_HELD, World } from './transaction-tools.js';

type Tx = Transaction<string, unknown>;

/** A function that runs over a view, waits for ever, and has read and written. */
const forEver = async (tx: Tx): Promise<never> => {
  tx.put('a', 'never');
  await null;
  tx.get('b');
  [...tx.keys()];
  return new Promise<never>(() => {});
};

/** Signals that count their listeners. */
function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  setMaxListeners(0, signal);
  let listeners = 0;
  for (const [name, step] of [
    ['addEventListener', 1],
    ['removeEventListener', -1],
  ] as const) {
    const original = signal[name].bind(signal) as (...args: unknown[]) => void;
    signal[name] = (...args: unknown[]) => {
      listeners += step;
      original(...args);
    };
  }
  return { controller, listeners: () => listeners };
}

describe('a signal', () => {
  test('that was aborted before refuses the transaction at once, and its function is not called', async () => {
    const { db } = await World.open();
    const reason = new Error('too late');
    let calls = 0;
    expect(() => db.transaction(() => calls++, { signal: AbortSignal.abort(reason) })).toThrow(
      failure(
        'KEELSON_ABORTED',
        /^The transaction was not begun: its signal is aborted\. Give another signal$/,
      ),
    );
    try {
      db.transaction(() => calls++, { signal: AbortSignal.abort(reason) });
    } catch (error) {
      expect(error).toMatchObject({ cause: reason, facts: { attempts: 0 } });
    }
    expect(calls).toBe(0);
    await db.close();
  });

  test('that is aborted while the function runs ends the transaction, with the reason, and nothing is left', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const before = world.content;
    const { controller, listeners } = countedSignal();
    const running = db.transaction(forEver, { signal: controller.signal });
    await nextTurn();
    expect([world.held, listeners()]).toEqual([{ views: 1, isLogOpen: true }, 1]);
    const reason = { why: 'bored' };
    controller.abort(reason);
    await expect(running).rejects.toMatchObject({
      code: 'KEELSON_ABORTED',
      message: 'The transaction was ended because its signal was aborted. Nothing was written. Run it again',
      facts: { attempts: 1 },
      cause: reason,
    });
    expect([world.held, listeners(), world.content]).toEqual([NOTHING_HELD, 0, before]);
    await db.close();
  });

  test('that is aborted after the commit changes nothing, and has no listener', async () => {
    const world = await World.open();
    const { controller, listeners } = countedSignal();
    await world.db.transaction(async (tx) => tx.put('a', 1), { signal: controller.signal });
    expect(listeners()).toBe(0);
    controller.abort();
    expect(world.db.get('a')).toBe(1);
    await world.db.close();
  });

  test('that the function aborts before its first await ends the transaction', async () => {
    const world = await World.open();
    const controller = new AbortController();
    const running = world.db.transaction(
      async (tx) => {
        tx.put('a', 1);
        controller.abort();
        await null;
        return 'unseen';
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    await nextTurn();
    expect([world.held, world.db.size]).toEqual([NOTHING_HELD, 0]);
    await world.db.close();
  });

  // The second attempt took a view and a place in the write log after its transaction had ended. Nobody closed them, so all
  // later puts were noted for ever.
  test.each([
    ['and returns a promise', async () => {}],
    ['and returns a value', () => 7],
  ])('that the function aborts in its second attempt, %s, ends the transaction', async (_, result) => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const controller = new AbortController();
    const waits = gate();
    let calls = 0;
    const running = db.transaction(
      (tx: Tx): unknown => {
        tx.get('a');
        if (++calls === 1) return waits.promise.then(() => tx.put('b', 1));
        tx.put('b', 2);
        tx.atCommit((last) => void last.put('c', 3));
        controller.abort();
        expect(() => tx.put('b', 4)).toThrow(failure('KEELSON_CLOSED', /^The transaction has ended\./));
        expect(() => tx.get('b')).toThrow(failure('KEELSON_CLOSED', /^The transaction has ended\./));
        return result();
      },
      { signal: controller.signal },
    );
    await db.put('a', 2);
    waits.open();
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    await nextTurn();
    expect([world.held, [...db.keys()], calls]).toEqual([NOTHING_HELD, ['a'], 2]);
    await db.close();
  });

  test('that is aborted in a part at the commit ends the transaction, and the parts behind it write nothing', async () => {
    const world = await World.open();
    const { db } = world;
    const controller = new AbortController();
    const refusals: unknown[] = [];
    const running = db.transaction(
      async (tx) => {
        tx.put('a', 1);
        tx.atCommit((last) => {
          last.put('b', 1);
          controller.abort();
          try {
            last.put('c', 1);
          } catch (error) {
            refusals.push(error);
          }
        });
        tx.atCommit(() => {});
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    expect(refusals).toEqual([failure('KEELSON_CLOSED', /^The transaction has ended\./)]);
    expect([world.held, db.size]).toEqual([NOTHING_HELD, 0]);
    await db.put('later', 1);
    await db.close();
  });

  test('that cannot be listened to fails the transaction, and nothing is left', async () => {
    const world = await World.open();
    const signal = {
      aborted: false,
      addEventListener() {
        throw new Error('deaf');
      },
      removeEventListener() {},
    } as unknown as AbortSignal;
    await expect(world.db.transaction(forEver, { signal })).rejects.toThrow('deaf');
    expect(world.held).toEqual(NOTHING_HELD);
    await world.db.close();
  });
});

// Its error came out of the end of the transaction: promises never settled, and close() rejected and kept the lock. The end by
// time is in test/kv/transaction-time.test.ts.
describe('a signal whose removeEventListener() throws', () => {
  function stuckSignal(): { controller: AbortController; signal: AbortSignal; calls: () => number } {
    const controller = new AbortController();
    const { signal } = controller;
    let calls = 0;
    signal.removeEventListener = () => {
      calls++;
      throw new Error('stuck');
    };
    return { controller, signal, calls: () => calls };
  }

  const aborted = failure('KEELSON_ABORTED');

  test('lets it commit, fail, and run again, also when its function returns no promise then', async () => {
    const world = await World.open();
    const { db } = world;
    const { signal, calls } = stuckSignal();
    await db.put('a', 0);
    const increase = async (tx: Tx): Promise<number> => {
      const next = Number(tx.get('a')) + 1;
      tx.put('a', next);
      await null;
      return next;
    };
    expect(await db.transaction(increase, { signal })).toBe(1);
    expect(calls()).toBe(1);
    await expect(
      db.transaction(
        async (tx) => {
          await increase(tx);
          throw new Error('its own');
        },
        { signal },
      ),
    ).rejects.toThrow('its own');
    expect([calls(), db.get('a'), world.held]).toEqual([2, 1, NOTHING_HELD]);
    for (const isAsync of [true, false]) {
      const goesOn = gate();
      const running = db.transaction(
        (tx: Tx): unknown => {
          if (tx.attempt === 1) return increase(tx).then(() => goesOn.promise);
          return isAsync ? increase(tx) : void tx.put('a', 'at once');
        },
        { signal },
      );
      await db.put('a', 10);
      goesOn.open();
      expect(await running).toBe(isAsync ? 11 : undefined);
      expect(db.get('a')).toBe(isAsync ? 11 : 'at once');
    }
    expect([calls(), world.held]).toEqual([4, NOTHING_HELD]);
    await db.close();
  });

  test('lets it be aborted, and others by the same signal', async () => {
    const world = await World.open();
    const { controller, signal, calls } = stuckSignal();
    const all = [1, 2, 3].map(() => world.db.transaction(forEver, { signal }));
    await nextTurn();
    controller.abort();
    for (const each of all) await expect(each).rejects.toEqual(aborted);
    // They share one listener.
    expect([calls(), world.held]).toEqual([1, NOTHING_HELD]);
    await world.db.close();
  });

  test('lets close() end it, and others, and the store opens again', async () => {
    const world = await World.open();
    const { db } = world;
    const { signal, calls } = stuckSignal();
    const all = [{ signal }, {}, { signal }, {}].map((options) => db.transaction(forEver, options));
    const rejected = all.map((each) => expect(each).rejects.toEqual(failure('KEELSON_CLOSED')));
    await nextTurn();
    const put = db.put('a', 1);
    const again = await world.reopened();
    await Promise.all([put, ...rejected]);
    expect([calls(), world.held, [...again.db.keys()]]).toEqual([1, NOTHING_HELD, ['a']]);
    await again.db.close();
  });
});

describe('time', () => {
  test('ends an asynchronous transaction, and nothing is left', async () => {
    const world = await World.open();
    // The clock of the simulated disk goes on with its operations only.
    for (const timeoutMs of [1, 2]) {
      const running = world.db.transaction(forEver, { timeoutMs });
      let isOver = false;
      const over = expect(running)
        .rejects.toEqual(
          failure(
            'KEELSON_ABORTED',
            /^The transaction was ended because it took longer than timeoutMs\. Nothing was written\. Run it again$/,
          ),
        )
        .then(() => {
          isOver = true;
        });
      while (!isOver) {
        for (let look = 0; look < 1000; look++) world.disk.nowMs();
        await nextTurn();
      }
      await over;
      expect([world.held, world.db.size]).toEqual([NOTHING_HELD, 0]);
    }
    await world.db.close();
  });

  test('counts for all attempts of a transaction together', async () => {
    const world = await World.open();
    const { db } = world;
    let attempts = 0;
    const running = db.transaction(
      async (tx) => {
        attempts = tx.attempt;
        tx.get('a');
        await null;
        await db.put('a', attempts, { durability: 'memory' });
        for (let look = 0; look < 2000; look++) world.disk.nowMs();
        await nextTurn();
        tx.put('b', 1);
      },
      { timeoutMs: 9, maxAttempts: 1000 },
    );
    await expect(running).rejects.toEqual(failure('KEELSON_ABORTED'));
    expect(attempts).toBeGreaterThan(1);
    expect([world.held, db.has('b')]).toEqual([NOTHING_HELD, false]);
    await db.close();
  });

  test('does not end a synchronous transaction', async () => {
    const world = await World.open();
    await world.db.transaction(
      (tx) => {
        for (let look = 0; look < 5000; look++) world.disk.nowMs();
        tx.put('a', 1);
      },
      { timeoutMs: 1 },
    );
    expect(world.db.get('a')).toBe(1);
    await world.db.close();
  });
});

describe('a transaction that never ends', () => {
  test('keeps no process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const world = await World.open();
    const before = timers();
    const running = [30_000, 1000, 86_400_000].map((timeoutMs) =>
      world.db.transaction(forEver, { timeoutMs }),
    );
    expect(timers()).toBe(before);
    await Promise.all([world.db.close(), Promise.allSettled(running)]);
    // A timer of the test runner may have ended meanwhile.
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

describe('the end of the store', () => {
  test('ends the transactions that are open', async () => {
    const world = await World.open();
    await world.db.put('a', 1);
    const kept: Tx[] = [];
    const running = [1, 2, 3].map(() =>
      world.db.transaction(async (tx) => {
        kept.push(tx);
        await forEver(tx);
      }),
    );
    await nextTurn();
    const closing = world.db.close();
    for (const each of running) await expect(each).rejects.toEqual(failure('KEELSON_CLOSED', /is closed\./));
    await closing;
    for (const tx of kept) expect(() => tx.get('a')).toThrow(failure('KEELSON_CLOSED'));
    expect(world.held).toEqual(NOTHING_HELD);
    const again = await world.reopened();
    expect([...again.db.entries()]).toEqual([['a', 1]]);
    await again.db.close();
  });

  // The function closed the store before the transaction was among those that close() ends. It never ended.
  test('that an asynchronous function brings about before its first await ends the transaction', async () => {
    const world = await World.open();
    const running = world.db.transaction(async (tx) => {
      tx.put('a', 1);
      world.db.close();
      await new Promise<never>(() => {});
    });
    await expect(running).rejects.toEqual(failure('KEELSON_CLOSED', /is closed\./));
    expect(world.held).toEqual(NOTHING_HELD);
    const again = await world.reopened();
    expect(again.db.size).toBe(0);
    await again.db.close();
  });

  test('that a synchronous function brings about refuses its tx and its commit', async () => {
    const world = await World.open();
    const { db } = world;
    const closed = failure('KEELSON_CLOSED', /^The store in \/store is closed\./);
    let seen: unknown = null;
    const run = () =>
      db.transaction((tx) => {
        tx.put('a', 1);
        db.close();
        try {
          tx.get('a');
        } catch (error) {
          seen = error;
        }
      });
    expect(run).toThrow(closed);
    expect(seen).toEqual(closed);
    expect(() => db.transaction(() => {})).toThrow(closed);
    const again = await world.reopened();
    expect(again.db.size).toBe(0);
    await again.db.close();
  });

  test('at the commit of another transaction refuses that commit', async () => {
    const world = await World.open();
    const running = world.db.transaction(async (tx) => {
      tx.put('a', 1);
      tx.atCommit(() => {
        world.db.close();
      });
    });
    await expect(running).rejects.toEqual(failure('KEELSON_CLOSED'));
    const again = await world.reopened();
    expect(again.db.size).toBe(0);
    await again.db.close();
  });
});

describe('a store that is poisoned', () => {
  /** Makes all later writes to the disk fail. */
  function breakDisk({ disk }: World): void {
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
  }

  const poisoned = failure('KEELSON_POISONED');

  test('refuses the commits of transactions that were open, and of new ones, with nothing changed', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const goesOn = gate();
    const running = db.transaction(async (tx) => {
      tx.put('a', 2);
      await goesOn.promise;
    });
    breakDisk(world);
    await expect(db.put('b', 1)).rejects.toEqual(poisoned);
    const before = world.content;
    goesOn.open();
    await expect(running).rejects.toEqual(poisoned);
    expect(() => db.transaction((tx) => tx.put('a', 3))).toThrow(poisoned as Error);
    await expect(db.transaction(async (tx) => tx.put('a', 3))).rejects.toEqual(poisoned);
    expect([world.content, world.held]).toEqual([before, NOTHING_HELD]);
    await db.close();
  });

  test('rejects reads of what is not durable, and resolves those of what is', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    const goesOn = gate();
    const ofDurable = db.transaction(async (tx) => {
      await goesOn.promise;
      return tx.get('a');
    });
    breakDisk(world);
    const put = db.put('a', 2);
    const ofLost = db.transaction(async (tx) => tx.get('a'));
    const ofLostAtOnce = db.transaction((tx) => tx.get('a'));
    for (const each of [put, ofLost, ofLostAtOnce]) await expect(each).rejects.toEqual(poisoned);
    goesOn.open();
    expect(await ofDurable).toBe(1);
    expect(await db.transaction((tx) => tx.get('a'), { durability: 'memory' })).toBe(2);
    expect(world.held).toEqual(NOTHING_HELD);
    await db.close();
  });

  test('rejects a transaction whose commit does not become durable, though it was visible', async () => {
    const world = await World.open();
    const { db } = world;
    breakDisk(world);
    const running = db.transaction((tx) => tx.put('a', 1));
    expect(db.get('a')).toBe(1);
    await expect(running).rejects.toEqual(poisoned);
    expect(db.get('a')).toBe(1);
    await db.close();
  });
});

describe('ten thousand transactions that are opened and left', () => {
  test('leave nothing when their time is up, their signal is aborted, or the store is closed', async () => {
    const world = await World.open();
    const { db } = world;
    await db.put('a', 1);
    for (const end of ['signal', 'close'] as const) {
      const { controller, listeners } = countedSignal();
      const all = Array.from({ length: 10_000 }, () =>
        db.transaction(
          async (tx) => {
            tx.get('a');
            tx.count();
            await new Promise<never>(() => {});
          },
          { signal: controller.signal },
        ),
      );
      // They share one listener: Node.js warns of a signal with more than ten.
      expect([world.held.views, listeners()]).toEqual([10_000, 1]);
      const settled = Promise.allSettled(all);
      if (end === 'signal') controller.abort();
      else await db.close();
      const codes = (await settled).map((result) => (result as PromiseRejectedResult).reason.code);
      expect(new Set(codes)).toEqual(new Set([end === 'signal' ? 'KEELSON_ABORTED' : 'KEELSON_CLOSED']));
      expect([world.held, listeners()]).toEqual([NOTHING_HELD, 0]);
      expect(world.schema.views.references).toBeLessThan(50_000);
      world.views.length = 0;
    }
  });
});
