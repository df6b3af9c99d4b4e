// What transactions, conditions and namespaces must hold on every engine: a section of store-contract.ts.

import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/kv/index.js';
import { failure, gate } from './transaction-tools.js';

/** `db` returns the store of the test, and `reopen` closes it and opens it again. */
export function transactionContract(db: () => Store<string, unknown>, reopen: () => Promise<void>): void {
  const contentOf = () => [
    [...db().entries()],
    ...db()
      .namespaces()
      .map((name) => [name, [...db().namespace(name).entries()]]),
  ];

  describe('transactions and namespaces', () => {
    it('keep all writes of a transaction, in every namespace, over a reopening and a checkpoint', async () => {
      const jobs = db().namespace('jobs');
      await db().put('gone', 1);
      await db().transaction((tx) => {
        tx.put('a', { name: 'sync', n: 1 });
        tx.in(jobs).put('first', [1, 2]);
        tx.delete('gone');
      });
      await db().transaction(async (tx) => {
        tx.put('b', tx.get('a'));
        await null;
        await db().put('between', 1);
        tx.in(jobs).put('second', 'x'.repeat(50_000));
        tx.atCommit((last) => void last.put('size', last.size));
      });
      const expected = [
        [
          ['a', { name: 'sync', n: 1 }],
          ['b', { name: 'sync', n: 1 }],
          ['between', 1],
          ['size', 3],
        ],
        [
          'jobs',
          [
            ['first', [1, 2]],
            ['second', 'x'.repeat(50_000)],
          ],
        ],
      ];
      expect(contentOf()).toEqual(expected);
      await reopen();
      expect(contentOf()).toEqual(expected);
      await db().checkpoint();
      await reopen();
      expect(contentOf()).toEqual(expected);
    });

    it('resolve a transaction only when its commit is durable', async () => {
      const { lsn } = await db().transaction(async (tx) => {
        tx.put('a', 1);
        await null;
        return tx;
      });
      expect([lsn, db().getEntry('a')?.version]).toEqual([db().lastLsn, db().lastLsn]);
      expect(db().durableLsn).toBeGreaterThanOrEqual(lsn!);
      await db().transaction((tx) => tx.put('a', 2));
      expect(db().durableLsn).toBe(db().lastLsn);
    });

    it('keep a sum that many transactions of both kinds change', async () => {
      const names = Array.from({ length: 10 }, (_, at) => `account ${at}`);
      await db().batch(names.map((key) => ({ type: 'put', key, value: 100 })));
      const move = (
        tx: { get(key: string): unknown; put(key: string, value: unknown): void },
        at: number,
      ): void => {
        const [from, to] = [names[at % 10]!, names[(at * 7 + 1) % 10]!];
        if (from === to) return;
        tx.put(from, (tx.get(from) as number) - 1);
        tx.put(to, (tx.get(to) as number) + 1);
      };
      const all = Array.from({ length: 60 }, (_, at) =>
        at % 2 === 0
          ? db().transaction((tx) => move(tx, at))
          : db().transaction(
              async (tx) => {
                const sum = [...tx.values({ prefix: 'account' })].reduce(
                  (total: number, each) => total + (each as number),
                  0,
                );
                expect(sum).toBe(1000);
                await null;
                move(tx, at);
              },
              { maxAttempts: 1000 },
            ),
      );
      await Promise.all(all);
      await reopen();
      expect([...db().values()].reduce((total: number, each) => total + (each as number), 0)).toBe(1000);
    });

    it('throw a conflict with nothing changed, on the disk as well', async () => {
      const version = await db().put('a', 1);
      const { lastLsn } = db();
      const conflict = failure('KEELSON_CONFLICT') as Error;
      expect(() => db().put('a', 2, { ifVersion: 0 })).toThrow(conflict);
      expect(() => db().delete('a', { ifVersion: version + 1 })).toThrow(conflict);
      expect(() => db().batch([{ type: 'clear' }, { type: 'check', key: 'b', version }])).toThrow(conflict);
      const goesOn = gate();
      const running = db().transaction(
        async (tx) => {
          tx.put('b', tx.get('a'));
          await goesOn.promise;
        },
        { maxAttempts: 1 },
      );
      await db().put('a', 3, { ifVersion: version });
      goesOn.open();
      await expect(running).rejects.toEqual(conflict);
      expect(db().lastLsn).toBeGreaterThan(lastLsn);
      await reopen();
      expect([...db().entries()]).toEqual([['a', 3]]);
    });

    it('drop a namespace for good, and create another of its name', async () => {
      const jobs = db().namespace('jobs');
      await jobs.put('a', 1);
      const before = db().snapshot();
      db().drop(jobs);
      await db().namespace('jobs', { keyEncoding: 'bytes' }).put(Uint8Array.of(7), 2);
      expect([...before.in(jobs).keys()]).toEqual(['a']);
      expect(() => jobs.get('a')).toThrow(failure('KEELSON_DROPPED') as Error);
      await db().checkpoint();
      await reopen();
      expect([...db().namespace('jobs', { keyEncoding: 'bytes' }).entries()]).toEqual([
        [Uint8Array.of(7), 2],
      ]);
      await db().drop('jobs');
      await reopen();
      expect(db().namespaces()).toEqual([]);
    });

    it('end the transactions that are open when the store is closed', async () => {
      const running = db().transaction(async (tx) => {
        tx.put('a', 1);
        await new Promise<never>(() => {});
      });
      const ended = expect(running).rejects.toEqual(failure('KEELSON_CLOSED'));
      await reopen();
      await ended;
      expect(db().size).toBe(0);
    });
  });
}
