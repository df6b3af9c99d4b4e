// JavaScript that is stopped anywhere in a transaction: by a timeout of node:vm while transactions run one after the other, or
// by an exhausted stack. Afterwards the store is poisoned, or goes on; and each transaction is whole or not at all, in memory
// and on the disk.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { open, type Store, type Transaction } from '../../src/kv/index.js';

let here = '';
beforeEach(() => {
  here = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-transaction-stops-'));
});
afterEach(() => fs.rmSync(here, { recursive: true, force: true }));

// A stop right behind a commit keeps the promise from its caller, and nobody handles its rejection when the store is poisoned
// later. The test runner would count that as a failure.
let listeners: NodeJS.UnhandledRejectionListener[] = [];
beforeAll(() => {
  listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', () => {});
});
afterAll(() => {
  process.removeAllListeners('unhandledRejection');
  for (const listener of listeners) process.on('unhandledRejection', listener);
});

type Db = Store<string, unknown>;

const EXPECTED = /ERR_SCRIPT_EXECUTION_TIMEOUT|KEELSON_(POISONED|INTERRUPTED|CLOSED|CONFLICT)|call stack/;

/** Puts the same number at three places, one of them in a namespace and one at the commit. */
class Workload {
  readonly db: Db;
  #n = 0;
  /** The highest number whose transaction has resolved. */
  acknowledged = 0;
  readonly promises: Promise<unknown>[] = [];
  readonly unexpected: unknown[] = [];

  constructor(db: Db) {
    this.db = db;
  }

  /**
   * Runs a transaction. A stop must be in no asynchronous one: it may keep the promise from its caller, and then nobody handles
   * its rejection.
   */
  step(isAsync = false): void {
    const n = ++this.#n;
    const pad = 'x'.repeat((n * 37) % 3000);
    const numbers = this.db.namespace('numbers');
    const fn = (tx: Transaction<string, unknown>): void => {
      tx.put('first', { n, pad });
      if (n % 3 === 0) tx.clear({ prefix: 'trash:' });
      try {
        tx.nested((inner) => {
          inner.put('second', { n: -1 });
          inner.in(numbers).put('n', -1);
          throw new Error('undone');
        });
      } catch (error) {
        if ((error as Error).message !== 'undone') throw error;
      }
      for (const _ of tx.entries()) tx.put(`trash:${n % 7}`, pad);
      tx.in(numbers).put('n', n);
      tx.atCommit((last) => void last.put('second', { n, pad: last.size }));
    };
    const running = isAsync ? this.db.transaction(async (tx) => fn(tx)) : this.db.transaction(fn);
    this.promises.push(
      running.then(
        () => {
          this.acknowledged = Math.max(this.acknowledged, n);
        },
        (error) => {
          if (!EXPECTED.test(error.code ?? error.message)) this.unexpected.push(error);
        },
      ),
    );
  }
}

/** The numbers at the three places. */
function numbersIn(db: Db): unknown[] {
  const at = (key: string) => (db.get(key) as { n: number } | undefined)?.n ?? 0;
  return [at('first'), at('second'), db.namespace('numbers').get('n') ?? 0];
}

/** Checks the store that was stopped in, and what is on the disk. */
async function conclude(workload: Workload, directory: string): Promise<void> {
  const { db } = workload;
  await Promise.race([Promise.all(workload.promises), new Promise((resolve) => setImmediate(resolve))]);
  expect(workload.unexpected).toEqual([]);
  let inMemory: unknown[] | null = null;
  try {
    await db.transaction((tx) => tx.put('last', 1));
    inMemory = numbersIn(db);
  } catch (error) {
    expect(error).toBe(db.poisoned);
  }
  // Transactions that were going on have ended by then, or are committed before the store is closed.
  await db.close();
  const again = await open(directory);
  const onDisk = numbersIn(again);
  for (const numbers of inMemory === null ? [onDisk] : [inMemory, onDisk])
    expect(numbers).toEqual(Array(3).fill(numbers[0]));
  if (inMemory !== null) expect(onDisk).toEqual(inMemory);
  if (workload.acknowledged > 0) expect(onDisk[0]).toBeGreaterThan(0);
  await again.close();
}

describe.each(['fs', 'auto'] as const)('on the engine %s, transactions that are stopped', (engine) => {
  const options = { engine, maxUndurableBytes: 64 * 1024, checkpointBytesMin: 256 * 1024 };

  it('by a timeout are whole or not at all', async () => {
    for (let store = 0; store < 12; store++) {
      const directory = path.join(here, `timeout-${store}`);
      const workload = new Workload(await open(directory, options));
      for (let round = 0; round < 4 && workload.db.poisoned === null; round++) {
        for (let count = 0; count < 3; count++) workload.step(true);
        try {
          vm.runInNewContext(
            'for (;;) step()',
            { step: () => workload.step() },
            { timeout: 2 + ((store + round) % 7) },
          );
        } catch (error) {
          expect((error as { code: string }).code).toMatch(EXPECTED);
        }
        // The guard of a function that was stopped is reset in a microtask.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await conclude(workload, directory);
    }
  });

  it('by an exhausted stack are whole or not at all, at whatever depth', async () => {
    const { stackTraceLimit } = Error;
    for (let padding = 0; padding < 24; padding += 2) {
      const directory = path.join(here, `stack-${padding}`);
      const workload = new Workload(await open(directory, options));
      for (let count = 0; count < 10; count++) workload.step();
      await Promise.all(workload.promises);
      let successes = 0;
      const descend = (..._padding: number[]): void => {
        try {
          descend();
        } catch {}
        if (successes >= 3 || workload.db.poisoned !== null) return;
        workload.step();
        successes++;
      };
      // Thousands of errors are thrown, and nobody reads their traces.
      Error.stackTraceLimit = 0;
      try {
        descend(...new Array<number>(padding).fill(0));
      } catch {
      } finally {
        Error.stackTraceLimit = stackTraceLimit;
      }
      await new Promise((resolve) => setImmediate(resolve));
      await conclude(workload, directory);
    }
  });
});
