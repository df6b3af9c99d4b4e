// Hooks of async_hooks in transactions: hooks that write while a transaction runs or is committed, and hooks in which
// JavaScript is stopped. Each program is a process of its own, because its hooks are no business of the test runner's.

import { describe, expect, it } from 'vitest';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';

const here = useDirectory();

function resultOf(program: string, ...parameters: string[]): Promise<unknown> {
  return jsonOf(runProgram(program, [here.at('db'), ...parameters]));
}

/**
 * Moves amounts between accounts, in transactions of both kinds, while a hook writes. Says what is wrong in memory and after
 * the store was opened again: the sum of all accounts, the count of transfers, and writes of the hook that were lost.
 */
function transfers(engine: string, hook: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import { open } from 'keelson';
    const directory = process.argv[1];
    const db = await open(directory, { engine: '${engine}', maxUndurableBytes: 64 * 1024, checkpointBytesMin: 256 * 1024 });
    const audit = db.namespace('audit');
    const ACCOUNTS = 8, SUM = 800;
    for (let at = 0; at < ACCOUNTS; at++) db.put('account:' + at, 100);
    db.put('transfers', 0);
    let isIn = false, accepted = 0, refused = 0, transferCount = 0, left = 0, sinceLast = 0;
    const write = () => {
      if (isIn || left === 0 || ++sinceLast % 3 !== 0) return;
      isIn = true;
      try {
        db.batch([
          { type: 'put', key: 'hook', value: accepted + 1 },
          { type: 'put', namespace: audit, key: 'hook:' + accepted, value: 'x'.repeat(accepted % 300) },
        ]).catch(() => {});
        accepted++;
        left--;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        refused++;
      }
      isIn = false;
    };
    const hook = createHook({ ${hook} }).enable();
    const transfer = (tx, from, to) => {
      tx.put(from, tx.get(from) - 1);
      tx.put(to, tx.get(to) + 1);
      tx.get('hook');
      tx.atCommit((last) => { last.put('transfers', last.get('transfers') + 1); });
    };
    for (let round = 0; round < 80; round++) {
      left = 6;
      const [from, to] = ['account:' + (round % ACCOUNTS), 'account:' + ((round * 3 + 1) % ACCOUNTS)];
      if (from === to) continue;
      transferCount += 2;
      await Promise.all([
        db.transaction((tx) => transfer(tx, from, to)),
        db.transaction(async (tx) => {
          [...tx.entries({ prefix: 'account:', limit: 2 })];
          await null;
          transfer(tx, to, from);
        }, { maxAttempts: 1000 }),
      ]);
      if (round % 20 === 0) db.flushSync();
    }
    hook.disable();
    const sumOf = (store) => [...store.values({ prefix: 'account:' })].reduce((sum, amount) => sum + amount, 0);
    const faultsOf = (store) => {
      const faults = [];
      if (sumOf(store) !== SUM) faults.push('the sum is ' + sumOf(store));
      if (store.get('transfers') !== transferCount) faults.push(store.get('transfers') + ' transfers of ' + transferCount);
      if (store.get('hook') !== accepted) faults.push('hook ' + store.get('hook') + ' of ' + accepted);
      if (store.namespace('audit').size !== accepted) faults.push('audit ' + store.namespace('audit').size + ' of ' + accepted);
      return faults;
    };
    const memory = faultsOf(db);
    await db.close();
    const again = await open(directory);
    console.log(JSON.stringify({ memory, disk: faultsOf(again), accepted: accepted > 100, refused: refused > 10 }));
    process.exit(0);
  `;
}

describe.each(['fs', 'auto'])('on the engine %s, a hook that writes', (engine) => {
  it.each([
    ['when a promise is made', 'init(id, type) { if (type === "PROMISE") write(); }'],
    ['when anything is made or settled', 'init() { write(); }, promiseResolve() { write(); }'],
    ['before and after each callback', 'before() { write(); }, after() { write(); }, init() { write(); }'],
  ])(
    '%s is refused inside of a transaction, and never comes between its reads and writes',
    async (_, hook) => {
      expect(await resultOf(transfers(engine, hook))).toEqual({
        memory: [],
        disk: [],
        accepted: true,
        refused: true,
      });
    },
  );
});

/**
 * Makes the call, and stops it at its hook number `at`. Then transactions, puts and a checkpoint must go on, or say why they
 * do not; and nothing that was acknowledged is lost.
 */
function stoppedIn(call: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import vm from 'node:vm';
    import { open } from 'keelson';
    const [, directory, number] = process.argv;
    const at = Number(number);
    const db = await open(directory, { engine: 'fs' });
    process.on('unhandledRejection', () => {});
    const faults = [];
    await db.batch([{ type: 'put', key: 'a', value: 0 }, { type: 'put', key: 'b', value: 0 }]);
    const ends = (what, promise) => new Promise((resolve) => {
      const timer = setTimeout(() => { faults.push(what + ' never ends'); resolve(); }, 10_000);
      promise.then(() => {}, () => {}).then(() => { clearTimeout(timer); resolve(); });
    });
    let hooks = 0, isOn = false;
    createHook({ init() { if (isOn && ++hooks === at) for (;;); } }).enable();
    const both = (n) => (tx) => { tx.put('a', n); tx.put('b', n); };
    const call = () => { ${call} };
    isOn = true;
    let running = null;
    try {
      running = vm.runInNewContext('call()', { call }, { timeout: at > 0 ? 25 : 60_000 });
    } catch (error) {
      if (error.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    }
    isOn = false;
    if (running !== null) await ends('the transaction', running);
    await null;
    let acknowledged = null;
    for (const write of [
      () => db.put('c', 1),
      () => db.transaction(both(7)),
      () => db.transaction(async (tx) => { await null; both(8)(tx); }),
    ]) {
      try {
        await write();
        acknowledged = db.get('a');
      } catch (error) {
        if (error.code !== 'KEELSON_POISONED') faults.push(error.name + ': ' + error.message);
      }
    }
    await ends('close()', db.close());
    const again = await open(directory);
    if (again.get('a') !== again.get('b')) faults.push('half of a transaction');
    if (acknowledged !== null && again.get('a') !== acknowledged) faults.push('lost ' + acknowledged);
    console.log(JSON.stringify({ hooks, faults }));
    process.exit(0);
  `;
}

// The guard of functions was set before the microtask that resets it was queued. A stop in between left it set for ever, and
// every later write was a TypeError.
describe('stopped inside of a hook, a transaction leaves the store free, and is whole or not at all', () => {
  it.each([
    ['a synchronous one', 'return db.transaction(both(1));'],
    [
      'one with a part at the commit',
      'return db.transaction((tx) => { tx.atCommit((last) => void both(1)(last)); });',
    ],
    ['an asynchronous one', 'return db.transaction(async (tx) => { both(1)(tx); });'],
  ])('%s', async (_, call) => {
    const program = stoppedIn(call);
    const { hooks } = (await resultOf(program, '0')) as { hooks: number };
    expect(hooks).toBeGreaterThan(0);
    for (let at = 1; at <= Math.min(hooks, 8); at++) {
      const outcome = await jsonOf(runProgram(program, [here.at(`${at}`), `${at}`]));
      expect(outcome).toEqual({ hooks: expect.any(Number), faults: [] });
    }
  });
});

// A hook in the middle of a commit aborted the signal, so the transaction was ended and its write set given back while it was
// written: it rejected with "Nothing was written", and its record was there.
describe('a hook that ends a transaction while it is committed', () => {
  it.each([
    ['by its signal', 'controller.abort()'],
    ['by closing the store', 'db.close()'],
  ])('%s, comes before the commit or too late', async (_, end) => {
    const program = `
      import { createHook } from 'node:async_hooks';
      import { open } from 'keelson';
      const [, directory, number] = process.argv;
      const at = Number(number);
      const db = await open(directory, { engine: 'fs' });
      await db.batch([{ type: 'put', key: 'a', value: 0 }, { type: 'put', key: 'b', value: 0 }]);
      const controller = new AbortController();
      let hooks = 0, isOn = false;
      createHook({ init() { if (isOn && ++hooks === at) ${end}; } }).enable();
      let outcome = 'resolved';
      const running = db.transaction(async (tx) => {
        await null;
        tx.put('a', 1);
        tx.put('b', 1);
        tx.atCommit((last) => { isOn = true; });
      }, { signal: controller.signal });
      try { await running; } catch (error) { outcome = error.code ?? error.message; }
      isOn = false;
      try { await db.put('later', 1); } catch (error) { if (error.code !== 'KEELSON_CLOSED') throw error; }
      await db.close();
      const again = await open(directory);
      const found = [again.get('a'), again.get('b')];
      console.log(JSON.stringify({ hooks, outcome, found }));
      process.exit(0);
    `;
    const outcomes = new Set<string>();
    for (let at = 1; ; at++) {
      const { hooks, outcome, found } = (await jsonOf(runProgram(program, [here.at(`${at}`), `${at}`]))) as {
        hooks: number;
        outcome: string;
        found: number[];
      };
      expect([at, outcome, found]).toEqual([at, outcome, outcome === 'resolved' ? [1, 1] : [0, 0]]);
      outcomes.add(outcome);
      if (hooks < at || at === 12) break;
    }
    expect(outcomes).toContain('resolved');
  });
});

/**
 * Runs a transaction that makes the given writes again and again, each time on a new store, and ends it in the next hook after
 * its function. Says for each hook whether the record was claimed and the commit went on, how the transaction ended, and what a
 * store that was opened again has.
 */
function endedInEachHook(writes: string, end: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import { open } from 'keelson';
    const directory = process.argv[1];
    const long = 'x'.repeat(100_000);
    let onInit = null;
    createHook({ init(id, type) { onInit?.(type); } }).enable();
    const isRefused = (write) => { try { write(); return false; } catch { return true; } };
    const rounds = [];
    for (let at = 1; ; at++) {
      const path = directory + at;
      const db = await open(path, { engine: 'fs' });
      const jobs = db.namespace('jobs');
      const before = await db.put('before', 1);
      const controller = new AbortController();
      let hooks = 0, met = null;
      const running = db.transaction(async (tx) => {
        await null;
        ${writes}
        onInit = (type) => {
          if (++hooks < at) return;
          onInit = null;
          met = { type, isClaimed: db.lastLsn > before, isInside: isRefused(() => db.batch([])) };
          ${end};
        };
      }, { signal: controller.signal });
      let outcome = 'resolved';
      try { await running; } catch (error) { outcome = error.code ?? error.message; }
      onInit = null;
      if (met === null) break;
      await db.close();
      const again = await open(path);
      const found = [...again.keys(), ...again.namespace('jobs').keys()].sort().join();
      rounds.push({ ...met, outcome, found });
      await again.close();
    }
    console.log(JSON.stringify(rounds));
    process.exit(0);
  `;
}

// One ended the transaction when the guard was set, and its part at the commit was written all the same. Another one ended it
// when its record was in the log, and it rejected with "Nothing was written".
describe('in whichever hook of its commit a transaction is ended, it is written whole and resolves, or not at all', () => {
  const ways = [
    ['by its signal', 'controller.abort()', 'KEELSON_ABORTED'],
    ['by closing the store', 'db.close()', 'KEELSON_CLOSED'],
  ] as const;
  const writes = [
    ['short puts', "tx.put('a', 1); tx.put('b', 1);"],
    ['long puts', "tx.put('a', long); tx.put('b', long);"],
    ['a single put', "tx.put('a', long);"],
    ['puts into a namespace', "tx.in(jobs).put('a', long); tx.put('b', 1);"],
    ['puts of a part at the commit', "tx.atCommit((last) => { last.put('a', long); last.put('b', 1); });"],
  ] as const;

  it.each(writes.flatMap(([what, write]) => ways.map((way) => [what, ...way, write] as const)))(
    '%s, %s',
    async (what, _, end, code, write) => {
      const rounds = (await resultOf(endedInEachHook(write, end))) as {
        type: string;
        isClaimed: boolean;
        isInside: boolean;
        outcome: string;
        found: string;
      }[];
      const all = what === 'a single put' ? 'a,before' : 'a,b,before';
      for (const round of rounds)
        expect(round).toMatchObject(
          round.isClaimed ? { outcome: 'resolved', found: all } : { outcome: code, found: 'before' },
        );
      const inside = rounds.filter(({ isInside }) => isInside);
      if (write.includes('long')) expect(inside.map(({ isClaimed }) => isClaimed)).toContain(true);
      // The microtask that resets the guard of functions is queued before anything is checked.
      expect(rounds).toContainEqual(expect.objectContaining({ type: 'Microtask', isClaimed: false }));
    },
  );
});
