// An environment that ends, at every step of a commit and in every way: nothing crashes, nothing leaks, nothing that was
// acknowledged is lost, and the lock is free at once. (better-sqlite3#1476, rocksdb-js#741 and lmdb-js#48 crash at
// worker exit.) Each in a process of its own, on the built package, because what is shown is that it does not die.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open } from '../../src/index.js';
import { tries } from '../counts.js';
import { type Ended, linesOf, PROJECT, runProgram, useDirectory, whyNoIoUring } from './native-tools.js';

const why = whyNoIoUring();
const ADDON = path.join(PROJECT, 'native/build/Release/keelson.node');

/** Where a worker stops for ever, and is terminated. */
const STEPS = [
  'loaded',
  'ring opened',
  'file opened',
  'before submit',
  'after submit',
  'told',
  'before drain',
  'told in drain',
  'after drain',
  'file closed',
  'acknowledged',
  'in checkpoint',
  'in close',
  'running',
] as const;
/** KEELSON_OCCURRENCES makes more of them. */
const OCCURRENCES = Number(process.env['KEELSON_OCCURRENCES'] ?? tries(3, 5));
/** Processes that do it at the same time. */
const HOSTS = 4;

/** Puts without end, and stops for ever where it was told to. */
const WORKER = `
  import { createRequire } from 'node:module';
  import { parentPort, workerData } from 'node:worker_threads';
  const { addonPath, entry, directory, step, occurrence, shared } = workerData;
  const words = new Int32Array(shared);
  let seen = 0;
  const at = (name) => {
    if (name !== step || ++seen < occurrence) return;
    parentPort.postMessage(name);
    if (name !== 'running') Atomics.wait(words, 1, 0);
  };
  const addon = createRequire(entry)(addonPath);
  at('loaded');
  const { openRing, openFile, closeFile, submit, drain, result } = addon;
  addon.openRing = (finished) => {
    const result = openRing((slot, error) => {
      at('told');
      finished(slot, error);
    });
    at('ring opened');
    return result;
  };
  addon.openFile = (path) => { const file = openFile(path); at('file opened'); return file; };
  addon.closeFile = (fd) => { const closed = closeFile(fd); at('file closed'); return closed; };
  addon.submit = (...write) => {
    at('before submit');
    const slot = submit(...write);
    at('after submit');
    return slot;
  };
  addon.drain = (slot) => {
    at('before drain');
    drain(slot);
    at('after drain');
  };
  addon.result = (slot) => { const found = result(slot); at('told in drain'); return found; };
  const { open } = await import(entry);
  for (;;) {
    const db = await open(directory, { engine: 'io_uring' });
    for (let round = 0; round < 3; round++) {
      const n = db.size;
      const put = db.put('k' + String(n).padStart(8, '0'), n);
      if (round === 1) db.flushSync();
      at('running');
      await put;
      Atomics.store(words, 0, n + 1);
      at('acknowledged');
    }
    const checkpoint = db.checkpoint().catch(() => {});
    if (step === 'in checkpoint') await null;
    at('in checkpoint');
    await checkpoint;
    const closing = db.close();
    at('in close');
    await closing;
  }
`;

const HOST = `
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  import { open } from 'keelson';
  const [addonPath, entry, steps, occurrences, workerProgram] = PARAMETERS;
  const url = new URL('data:text/javascript,' + encodeURIComponent(workerProgram));
  const targets = () => fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try { return [fs.readlinkSync('/proc/self/fd/' + fd).replace(/\\[\\d+\\]/, '[]')]; } catch { return []; }
  }).sort();
  let state = 20261123;
  const random = (below) => {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return (state >>> 0) % below;
  };
  const failures = [];
  let before = null;
  let terminated = 0;
  for (const step of JSON.parse(steps)) {
    const directory = DIRECTORY + '/' + step.replaceAll(' ', '-');
    for (let occurrence = 1; occurrence <= Number(occurrences); occurrence++) {
      const shared = new SharedArrayBuffer(8);
      // What happens once for a worker cannot be waited for a second time.
      const nth = ['loaded', 'ring opened'].includes(step) ? 1 : 1 + (occurrence % 5);
      const worker = new Worker(url, {
        workerData: { addonPath, entry, directory, step, occurrence: nth, shared },
      });
      const failed = once(worker, 'error').then(([error]) => { throw error; });
      failed.catch(() => {});
      await Promise.race([once(worker, 'message'), failed]);
      for (let turn = step === 'running' ? random(20) : 0; turn > 0; turn--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await worker.terminate();
      terminated++;
      const acknowledged = Atomics.load(new Int32Array(shared), 0);
      const where = step + ' ' + occurrence + ': ';
      try {
        const db = await open(directory, { engine: 'io_uring' });
        if (db.size < acknowledged) failures.push(where + db.size + ' of ' + acknowledged + ' are there');
        let n = 0;
        for (const value of db.values()) if (value !== n++) failures.push(where + 'a hole at ' + n);
        await db.close();
      } catch (error) {
        failures.push(where + error);
      }
      const after = targets();
      before ??= after;
      if (JSON.stringify(after) !== JSON.stringify(before)) {
        failures.push(where + after.length + ' descriptors, not ' + before.length + ': ' + after.join(' '));
        before = after;
      }
    }
  }
  print({ terminated, failures });
`;

describe.skipIf(why !== null)(`an environment that ends${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const here = useDirectory();

  async function valuesAfter(): Promise<number[]> {
    const db = await open<number>(here.at('db'), { engine: 'io_uring' });
    const values = [...db.values()];
    await db.close();
    return values;
  }

  test(`a worker terminated at every step of a commit, ${STEPS.length * OCCURRENCES} times in all`, async () => {
    const shares = Array.from({ length: HOSTS }, (_, host) =>
      STEPS.filter((_, index) => index % HOSTS === host),
    );
    const entry = new URL('../../dist/index.js', import.meta.url).href;
    const runs = shares.map(async (steps, index) => {
      const parameters = [
        here.at(String(index)),
        ADDON,
        entry,
        JSON.stringify(steps),
        String(OCCURRENCES),
        WORKER,
      ];
      fs.mkdirSync(here.at(String(index)));
      return JSON.parse(linesOf(await runProgram(HOST, parameters)).at(-1)!);
    });
    const results = await Promise.all(runs);
    expect(results.flatMap(({ failures }) => failures)).toEqual([]);
    const terminated = results.reduce((sum, result) => sum + result.terminated, 0);
    expect(terminated).toBe(STEPS.length * OCCURRENCES);
  });

  /** A worker on the bare addon, and a pipe that stands for a disk: what is written to a full one is under way. */
  const onPipe = (inWorker: string, afterMessage: string): string => `
    import { execFileSync } from 'node:child_process';
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const PIPE_BYTES = 65536;
    const pipe = DIRECTORY + '/pipe';
    execFileSync('mkfifo', [pipe]);
    const count = () => fs.readdirSync('/proc/self/fd').length;
    const program = \`
      const fs = require('node:fs');
      const { parentPort, workerData } = require('node:worker_threads');
      const { pipe, shared, PIPE_BYTES } = workerData;
      const words = new Int32Array(shared);
      const addon = require(workerData.addonPath);
      addon.openRing(() => Atomics.add(words, 0, 1));
      ${inWorker}
    \`;
    const shared = new SharedArrayBuffer(8);
    const start = () => new Worker(program, {
      eval: true, execArgv: [], workerData: { pipe, shared, PIPE_BYTES, addonPath: PARAMETERS[0] },
    });
    ${afterMessage}
  `;

  test('in the middle of opening a file, the process lives on', async () => {
    const program = onPipe(
      // A pipe nobody reads is opened when somebody does.
      `parentPort.postMessage(0); addon.openFile(pipe); addon.openFile(pipe); for (;;);`,
      `
        const warm = new Worker('0', { eval: true });
        await once(warm, 'exit');
        const before = count();
        const worker = start();
        await once(worker, 'message');
        const isOpening = () => fs.readdirSync('/proc/self/task').some((task) => {
          const call = fs.readFileSync('/proc/self/task/' + task + '/wchan', 'utf8');
          return call.includes('fifo') || call.includes('wait_for_partner');
        });
        while (!isOpening()) await new Promise((resolve) => setImmediate(resolve));
        const ended = worker.terminate();
        const reader = fs.openSync(pipe, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
        await ended;
        fs.closeSync(reader);
        print({ leaked: count() - before });
      `,
    );
    expect(linesOf(await runProgram(program, [here.path, ADDON]))).toEqual(['{"leaked":0}']);
  });

  const stalled = `
    const reader = fs.openSync(pipe, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const before = count();
    const worker = start();
    await once(worker, 'message');
  `;
  const submitted = `
    const fd = fs.openSync(pipe, fs.constants.O_WRONLY);
    fs.writeSync(fd, new Uint8Array(PIPE_BYTES));
    addon.submit(fd, new Uint8Array(32768).fill(7), 0, 0, 0, 0, 0);
  `;

  test('with a write under way, it waits for it, and the bytes are those that were submitted', async () => {
    const program = onPipe(
      `${submitted} parentPort.postMessage(0);`,
      `
        ${stalled}
        let hasEnded = false;
        const ended = worker.terminate().then(() => { hasEnded = true; });
        // The thread sits in the kernel and waits for completions, or it did not wait, and ends.
        const isWaiting = () => fs.readdirSync('/proc/self/task').some((task) => {
          try { return /io_cqring_wait/.test(fs.readFileSync('/proc/self/task/' + task + '/wchan', 'utf8')); }
          catch { return false; }
        });
        while (!hasEnded && !isWaiting()) await new Promise((resolve) => setImmediate(resolve));
        const waited = !hasEnded;
        fs.readSync(reader, new Uint8Array(PIPE_BYTES));
        await ended;
        const read = new Uint8Array(32768);
        const length = waited ? fs.readSync(reader, read) : 0;
        fs.closeSync(reader);
        const foreign = read.filter((byte) => byte !== 7).length;
        print({ waited, length, foreign, told: Atomics.load(new Int32Array(shared), 0), leaked: count() - before + 1 });
      `,
    );
    expect(linesOf(await runProgram(program, [here.path, ADDON]))).toEqual([
      '{"waited":true,"length":32768,"foreign":0,"told":0,"leaked":0}',
    ]);
  });

  test('while it blocks for a write, the write ends, and then the worker', async () => {
    const program = onPipe(
      `${submitted} parentPort.postMessage(0); for (;;) addon.drain(0);`,
      `
        ${stalled}
        const ended = worker.terminate();
        fs.readSync(reader, new Uint8Array(PIPE_BYTES));
        await ended;
        fs.closeSync(reader);
        print({ leaked: count() - before + 1 });
      `,
    );
    expect(linesOf(await runProgram(program, [here.path, ADDON]))).toEqual(['{"leaked":0}']);
  });

  let stalledDirectory = '';
  let stalledRun: Promise<Ended>;

  // It takes the seconds for which a disk is waited for: they pass while the other tests run.
  beforeAll(() => {
    stalledDirectory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-stalled-'));
    const program = onPipe(
      `${submitted} parentPort.postMessage(0);`,
      `
        ${stalled}
        await worker.terminate();
        // What the heap hands out now may be what the kernel still has.
        for (let round = 0; round < 200; round++) { gc(); new Uint8Array(32768).fill(9); }
        fs.readSync(reader, new Uint8Array(PIPE_BYTES));
        const rest = new Uint8Array(32768);
        let length = 0;
        try { length = fs.readSync(reader, rest); } catch {}
        fs.closeSync(reader);
        print({ foreign: rest.subarray(0, length).filter((byte) => byte === 9).length, leaked: count() - before + 1 });
      `,
    );
    stalledRun = runProgram(program, [stalledDirectory, ADDON], { nodeOptions: ['--expose-gc'] });
  });

  afterAll(() => fs.rmSync(stalledDirectory, { recursive: true }));

  test('on a disk that never answers it gives up, leaves the memory, and the process goes on', async () => {
    expect(linesOf(await stalledRun)).toEqual(['{"foreign":0,"leaked":0}']);
  });

  /** Opens a store and runs the rest. `acknowledged(n)` prints how many are. */
  const onStore = (rest: string): string => `
    import { open } from 'keelson';
    const db = await open(DIRECTORY, { engine: 'io_uring' });
    const put = (n) => db.put('k' + String(n).padStart(8, '0'), n).then(() => print(n));
    for (let n = 0; n < 10; n++) await put(n);
    ${rest}
  `;

  test.each([
    [
      'process.exit() with writes under way',
      'for (let n = 10; n < 200; n++) put(n); setImmediate(() => process.exit(3));',
      3,
    ],
    ['process.exit() in the turn of the write', 'put(10); process.exit(4);', 4],
    ['process.exit() where a write is acknowledged', 'put(10).then(() => { put(11); process.exit(5); });', 5],
    ['an uncaught exception', "put(10); setImmediate(() => { put(11); throw new Error('on purpose'); });", 1],
    [
      'an exception where a write is acknowledged',
      "put(10); put(11).then(() => { throw new Error('on purpose'); });",
      1,
    ],
    [
      'an exit listener that throws',
      "process.on('exit', () => { db.put('x', 1); throw new Error('on purpose'); });",
      1,
    ],
  ])('%s ends with its code, and nothing acknowledged is lost', async (_, rest, expected) => {
    const { code, signal, stdout, stderr } = await runProgram(onStore(rest), [here.at('db')]);
    expect({ code, signal }, stderr).toEqual({ code: expected, signal: null });
    const acknowledged = stdout.trim().split('\n').map(Number);
    expect(acknowledged.length).toBeGreaterThanOrEqual(10);
    const values = (await valuesAfter()).slice(0, acknowledged.length);
    expect(values).toEqual(acknowledged);
  });

  test('an exit listener may still make everything durable, blocking', async () => {
    const rest = `
      process.on('exit', () => { for (let n = 10; n < 500; n++) put(n); db.flushSync(); });
      setImmediate(() => process.exit(6));
    `;
    const { code, signal } = await runProgram(onStore(rest), [here.at('db')]);
    expect({ code, signal }).toEqual({ code: 6, signal: null });
    expect(await valuesAfter()).toEqual(Array.from({ length: 500 }, (_, n) => n));
  });

  test('an idle store does not keep the process alive, an undurable write does', async () => {
    expect(linesOf(await runProgram(onStore(''), [here.at('db')]))).toHaveLength(10);
    fs.rmSync(here.at('db'), { recursive: true });
    const rest = `for (let n = 10; n < 300; n++) put(n);`;
    expect(linesOf(await runProgram(onStore(rest), [here.at('db')]))).toHaveLength(300);
    expect(await valuesAfter()).toHaveLength(300);
  });

  test('a worker that ends by itself, by process.exit() and by an exception loses nothing and crashes nothing', async () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      const ends = ['', 'process.exit(9);', 'throw new Error("on purpose");', 'setImmediate(() => process.exit(8));'];
      const codes = [];
      for (const [index, end] of ends.entries()) {
        const program = 'const db = await (await import(' + JSON.stringify(PARAMETERS[0]) + ')).open(' +
          JSON.stringify(DIRECTORY + '/' + index) + ', { engine: "io_uring" });' +
          'await db.put("a", 1); for (let i = 0; i < 50; i++) db.put("k" + i, i).catch(() => {});' + end;
        const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(program)));
        let failure = null;
        worker.on('error', (error) => { failure = error.message; });
        const code = await new Promise((resolve) => worker.on('exit', resolve));
        codes.push([code, failure]);
        const { open } = await import('keelson');
        const db = await open(DIRECTORY + '/' + index);
        if (db.get('a') !== 1 || (end === '' && db.size !== 51)) codes.push('lost');
        await db.close();
      }
      print(codes);
    `;
    fs.mkdirSync(here.at('stores'));
    const entry = new URL('../../dist/index.js', import.meta.url).href;
    const lines = linesOf(await runProgram(program, [here.at('stores'), entry]));
    expect(JSON.parse(lines.at(-1)!)).toEqual([
      [0, null],
      [9, null],
      [1, 'on purpose'],
      [8, null],
    ]);
  });

  test('process.exit() while workers write stops them all, and what they were told is there', async () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      const program = 'import fs from "node:fs"; import { workerData } from "node:worker_threads";' +
        'const { open } = await import(workerData.entry);' +
        'const db = await open(workerData.directory, { engine: "io_uring" });' +
        'for (let n = 0; ; n++) { await db.put("k" + String(n).padStart(8, "0"), n);' +
        'Atomics.add(new Int32Array(workerData.shared), workerData.index, 1); }';
      const shared = new SharedArrayBuffer(16);
      const words = new Int32Array(shared);
      for (let index = 0; index < 3; index++) {
        new Worker(new URL('data:text/javascript,' + encodeURIComponent(program)), {
          workerData: { entry: PARAMETERS[0], directory: DIRECTORY + '/' + index, shared, index },
        });
      }
      process.on('exit', () => print([...words.subarray(0, 3)]));
      const look = () => (words.subarray(0, 3).every((n) => n > 20) ? process.exit(7) : setImmediate(look));
      look();
    `;
    fs.mkdirSync(here.at('stores'));
    const entry = new URL('../../dist/index.js', import.meta.url).href;
    const { code, signal, stdout } = await runProgram(program, [here.at('stores'), entry]);
    expect({ code, signal }).toEqual({ code: 7, signal: null });
    for (const [index, acknowledged] of (JSON.parse(stdout) as number[]).entries()) {
      const db = await open<number>(here.at('stores', String(index)));
      expect(db.size).toBeGreaterThanOrEqual(acknowledged);
      expect([...db.values()]).toEqual(Array.from({ length: db.size }, (_, n) => n));
      await db.close();
    }
  });

  test('a killed process leaves its lock free, and everything it acknowledged', async () => {
    const rest = 'for (let n = 10; ; n++) await put(n);';
    let killed = false;
    const { signal, stdout } = await runProgram(onStore(rest), [here.at('db')], {
      onLine: (line, child) => {
        if (killed || Number(line) < 100) return;
        killed = child.kill('SIGKILL');
      },
    });
    expect(signal).toBe('SIGKILL');
    const acknowledged = stdout.slice(0, stdout.lastIndexOf('\n')).split('\n').length;
    expect((await valuesAfter()).length).toBeGreaterThanOrEqual(acknowledged);
  });

  test('a process that is a child of the owner does not inherit the lock', async () => {
    // The ring, its files and the lock are closed by exec.
    const program = onStore(`
      const { spawn } = await import('node:child_process');
      const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
      child.unref();
      print('child ' + child.pid);
      process.kill(process.pid, 'SIGKILL');
    `);
    const { stdout } = await runProgram(program, [here.at('db')]);
    const child = Number(/child (\d+)/.exec(stdout)![1]);
    try {
      expect(fs.readlinkSync(`/proc/${child}/exe`)).toMatch(/sleep|coreutils|busybox/);
      expect(await valuesAfter()).toHaveLength(10);
    } finally {
      process.kill(child, 'SIGKILL');
    }
  });
});
