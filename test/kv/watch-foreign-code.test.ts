// Foreign code beside watches: hooks of async_hooks that write whenever a promise is made or settled, and JavaScript that is
// stopped anywhere in a write. No change is missed for ever. A program with hooks is a process of its own, because its hooks are no
// business of the test runner's.

import { setImmediate } from 'node:timers/promises';
import vm from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isKeelsonError, type Store } from '../../src/kv/index.js';
import { inMemory } from '../../src/testing/index.js';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';

const here = useDirectory();

/** Watches a key and a range, while a hook writes to both. Says what was told last, and what the store has. */
function hooked(hook: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import { setImmediate } from 'node:timers/promises';
    import { open } from 'keelson';
    const db = await open(process.argv[1], { engine: 'fs' });
    const leave = new AbortController();
    const told = {};
    let states = 0;
    const readers = ['disk', 'memory'].flatMap((durability) => [
      (async () => {
        for await (const { entry } of db.watch('hook', { durability, signal: leave.signal })) {
          states++;
          told['key ' + durability] = entry?.value;
        }
      })(),
      (async () => {
        for await (const state of db.watchRange({}, { durability, signal: leave.signal })) {
          states++;
          told['range ' + durability] = [...state.entries()].map(([, value]) => value).join();
        }
      })(),
    ]);
    let isIn = false, left = 0, value = 0, calls = 0;
    const write = () => {
      if (isIn || left === 0 || ++calls % 3 !== 0) return;
      isIn = true;
      left--;
      db.put('hook', ++value, { durability: 'memory' });
      isIn = false;
    };
    const hook = createHook({ ${hook} }).enable();
    for (let round = 0; round < 100; round++) {
      left = 5;
      await db.put('main', round);
    }
    left = 0;
    hook.disable();
    await db.flush();
    for (let turn = 0; turn < 100; turn++) await setImmediate();
    const all = [...db.values()].join();
    const faults = Object.entries({ 'key disk': value, 'key memory': value, 'range disk': all, 'range memory': all })
      .filter(([name, expected]) => told[name] !== expected)
      .map(([name, expected]) => name + ' was told as ' + told[name] + ', and is ' + expected);
    leave.abort();
    await Promise.all(readers);
    await db.close();
    console.log(JSON.stringify({ faults, wrote: value > 100, told: states > 50 }));
    process.exit(0);
  `;
}

describe('a hook that writes', () => {
  test.each([
    ['when a promise is made', 'init(id, type) { if (type === "PROMISE") write(); }'],
    ['when a promise is settled', 'promiseResolve() { write(); }'],
    ['when anything is made or settled', 'init() { write(); }, promiseResolve() { write(); }'],
    ['before and after each callback', 'before() { write(); }, after() { write(); }'],
  ])('%s, is told as any other write', async (_, hook) => {
    expect(await jsonOf(runProgram(hooked(hook), [here.at('db')]))).toEqual({
      faults: [],
      wrote: true,
      told: true,
    });
  });
});

describe('JavaScript that is stopped in a write', () => {
  // A stop right behind a commit keeps the promise from its caller, and nobody handles its rejection when the store is
  // poisoned later. The test runner would count that as a failure.
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

  const ROUNDS = 60;

  /** Puts numbers until it is stopped. Returns false when the store takes no writes any more. */
  function putUntilStopped(db: Store<string, number>, numbers: { next: number }): boolean {
    const step = (): void => {
      const n = ++numbers.next;
      db.put('a', n, { durability: 'memory' });
      db.batch([
        { type: 'put', key: `k${n % 7}`, value: n },
        { type: 'delete', key: `k${(n + 3) % 7}` },
      ]).catch(() => {});
    };
    try {
      vm.runInNewContext('for (;;) step()', { step }, { timeout: 4 });
    } catch (error) {
      if (isKeelsonError(error)) return false;
      if ((error as { code?: string }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    }
    return db.poisoned === null;
  }

  test('leaves no watch behind: it tells what comes later, or ends with the error of the store', async () => {
    const { open } = inMemory();
    let rounds = 0;
    for (let stores = 0; rounds < ROUNDS && stores < ROUNDS; stores++) {
      const db = await open<number>(`/stops-${stores}`);
      rounds += await stopAgainAndAgain(db);
      await db.close();
    }
    expect(rounds).toBeGreaterThan(0);
  });

  /** Stops writes until the store takes none any more, and checks what is told meanwhile. Returns the number of stops that it survived. */
  async function stopAgainAndAgain(db: Store<string, number>): Promise<number> {
    const told = { a: undefined as number | undefined, range: '' };
    const readers = [
      (async () => {
        for await (const { entry } of db.watch('a', { durability: 'memory' })) told.a = entry?.value;
      })(),
      (async () => {
        for await (const state of db.watchRange({}, { durability: 'memory' })) {
          told.range = JSON.stringify([...state.entries()]);
        }
      })(),
    ];
    const ends = Promise.allSettled(readers);
    const numbers = { next: 0 };
    for (let round = 0; ; round++) {
      const goesOn = round < ROUNDS && putUntilStopped(db, numbers) && putOnce(db, numbers);
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      if (round === ROUNDS || !goesOn || db.poisoned !== null) {
        if (db.poisoned !== null) expect((await ends).map(codeOf)).toEqual(Array(2).fill('KEELSON_POISONED'));
        return round;
      }
      expect(told).toEqual({ a: numbers.next, range: JSON.stringify([...db.entries()]) });
    }
  }

  /** Puts the next number. Returns false when the store takes no writes any more. */
  function putOnce(db: Store<string, number>, numbers: { next: number }): boolean {
    try {
      db.put('a', ++numbers.next, { durability: 'memory' });
      return true;
    } catch (error) {
      if (isKeelsonError(error)) return false;
      throw error;
    }
  }

  const codeOf = (end: PromiseSettledResult<void>): unknown =>
    end.status === 'rejected' ? end.reason.code : 'ended';
});
