// JavaScript that is stopped inside a hook of async_hooks: a timeout of node:vm strikes while a tracer runs, which the
// runtime enters wherever a promise or a callback is made. Each call is stopped at each of its hooks in turn.
//
// A stop while a checkpoint was queued let two checkpoints run at once and share one temporary name: the store did not open
// any more. One while the next segment was begun left the count of a directory's users up: close() hung, and kept the lock.

import { describe, expect, it } from 'vitest';
import { tries } from '../counts.js';
import { jsonOf, runProgram, useDirectory } from '../native/native-tools.js';

const here = useDirectory();

interface Outcome {
  /** How many hooks the call has run, up to the one in which it was stopped. */
  readonly hooks: number;
  /** What went wrong, in words. */
  readonly faults: string[];
}

/**
 * Makes the call, and stops it at its hook number `at`. Then the store goes on as far as it may, is closed, and opened again.
 * In a process of its own: the runtime calls no hook any more in one whose hook was stopped.
 */
function programOf(engine: string, call: string): string {
  return `
    import { createHook } from 'node:async_hooks';
    import vm from 'node:vm';
    import { open } from 'keelson';
    const [, directory, number] = process.argv;
    const at = Number(number);
    const options = { engine: '${engine}', checkpointBytesMin: 512 * 1024, maxUndurableBytes: 256 * 1024 };
    const db = await open(directory, options);
    // A stop may keep a promise from its caller, so that nobody handles it.
    process.on('unhandledRejection', () => {});
    const faults = [];
    const acknowledged = new Map();
    const promises = [];
    let n = 0;
    const later = (promise) => { promises.push(promise); promise.catch(() => {}); };
    const put = (bytes) => {
      const key = 'k' + (n % 50), own = ++n;
      const promise = db.put(key, { n: own, pad: 'x'.repeat(bytes) });
      promise.then(() => acknowledged.set(key, Math.max(own, acknowledged.get(key) ?? 0)), () => {});
      later(promise);
    };
    const mayRefuse = (call) => {
      try {
        call();
      } catch (error) {
        if (!/KEELSON_(POISONED|CLOSED)|ERR_SCRIPT_EXECUTION_TIMEOUT/.test(error.code)) throw error;
      }
    };
    const ends = (what, promise) => new Promise((resolve) => {
      const timer = setTimeout(() => { faults.push(what + ' never ends'); resolve(); }, 10_000);
      promise.then(() => {}, () => {}).then(() => { clearTimeout(timer); resolve(); });
    });
    for (let count = 0; count < 100; count++) put(200);
    await db.flush();
    let hooks = 0, isOn = false;
    createHook({ init() { if (isOn && ++hooks === at) for (;;); } }).enable();
    const call = () => { ${call} };
    isOn = true;
    mayRefuse(() => vm.runInNewContext('call()', { call }, { timeout: at > 0 ? 25 : 60_000 }));
    isOn = false;
    mayRefuse(() => later(db.checkpoint()));
    for (let count = 0; count < 200 && db.poisoned === null; count++) {
      mayRefuse(() => put(4000));
      if (count % 50 === 49) await ends('a put', promises.at(-1));
    }
    mayRefuse(() => later(db.checkpoint()));
    for (const promise of promises) await ends('a promise', promise);
    await ends('close()', db.close());
    try {
      const again = await open(directory, options);
      for (const [key, n] of acknowledged) if (!(again.get(key)?.n >= n)) faults.push('lost ' + key);
      await again.close();
    } catch (error) {
      faults.push('open: ' + error.message);
    }
    console.log(JSON.stringify({ hooks, faults }));
    process.exit(0);
  `;
}

function outcomeOf(program: string, at: number): Promise<Outcome> {
  return jsonOf(runProgram(program, [here.at(`${at}`), `${at}`]));
}

/** Of a call with more hooks, as many are taken from its whole length. */
const STOPS_MAX = tries(6, 12);

describe('stopped inside a hook, nothing is lost and nothing hangs after', () => {
  it.each([
    ['fs', 'a put', 'put(200);'],
    ['auto', 'puts that rotate and make a checkpoint due', 'for (let i = 0; i < 4; i++) put(300_000);'],
    [
      'fs',
      'a batch',
      "later(db.batch([{ type: 'put', key: 'a', value: 1 }, { type: 'delete', key: 'k1' }]));",
    ],
    ['fs', 'two checkpoints', 'later(db.checkpoint()); later(db.checkpoint());'],
    ['fs', 'a backup', "later(db.backup(directory + '.backup'));"],
    ['fs', 'a flush', 'put(100); later(db.flush());'],
    ['auto', 'a blocking flush', 'put(100); db.flushSync();'],
    ['auto', 'close()', 'put(100); later(db.close());'],
  ])('on the engine %s, %s', async (engine, _, call) => {
    const program = programOf(engine, call);
    const { hooks, faults } = await outcomeOf(program, 0);
    expect(faults).toEqual([]);
    expect(hooks).toBeGreaterThan(0);
    const step = Math.ceil(hooks / STOPS_MAX);
    for (let at = 1; at <= hooks; at += step) {
      expect(await outcomeOf(program, at)).toEqual({ hooks: expect.any(Number), faults: [] });
    }
  });
});
