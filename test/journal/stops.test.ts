// Appends to a journal that are stopped, or entered, in their middle. test/kv/stops.test.ts has the same of stores.

import { createHook } from 'node:async_hooks';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import { CommitGuard } from '../../src/commit-guard.js';
import type { CommitLayout } from '../../src/journal/commit/commit-layout.js';
import { CommitPipeline } from '../../src/journal/commit/commit-pipeline.js';
import { DurableWaiters } from '../../src/journal/commit/durable-waiters.js';
import type { Journal } from '../../src/journal/journal.js';
import {
  createFsStorage,
  type DurableWrite,
  type DurableWriteDone,
  type LogFile,
  type Storage,
} from '../../src/storage/index.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import { bytesOf, open, TINY, textOf, useDirectory } from './helpers.js';

/** The fs engine with log files of which one call is another. */
function storageWith(change: (file: LogFile) => void): Storage {
  const storage = createFsStorage();
  const changed = (file: LogFile) => {
    change(file);
    return file;
  };
  return alsoHeld({
    ...storage,
    createLogFile: async (path) => changed(await storage.createLogFile(path)),
    createLogFileSync: (path) => changed(storage.createLogFileSync(path)),
  });
}

describe('a journal', () => {
  const here = useDirectory();

  // A stop in a drain lost the completion that came in it. The next drain looked for it again and again.
  test('whose completion is lost poisons instead of waiting for ever', async () => {
    const storage = storageWith((file) => Object.assign(file, { submit: () => {}, drainSync: () => {} }));
    const journal = await open(here.path, {}, storage);
    const waiting = journal.commit(bytesOf('a'));
    waiting.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    expect(() => journal.syncThroughSync()).toThrow(expect.objectContaining({ code: 'KEELSON_POISONED' }));
    await expect(waiting).rejects.toBe(journal.poisoned);
    expect(journal.poisoned!.cause).toMatchObject({ code: 'KEELSON_INTERRUPTED' });
    await journal.close();
  });

  // What the guard says is all that is left of a stop: here it was in the log, while a commit was on its way to the disk.
  test('that was stopped in its critical section does not believe a completion that comes later', () => {
    const guard = new CommitGuard((cause) => pipeline.poison(cause));
    let done: DurableWriteDone = () => expect.unreachable();
    const file = { submit: (_: DurableWrite, later: DurableWriteDone) => (done = later) };
    const commit = {
      segment: { file, path: 'a segment', sequence: 1 },
      startLsn: 0,
      endLsn: 10,
      mark: null,
      finish: () => new Uint8Array(512),
      checksumsDue: () => null,
      release: () => {},
    };
    const next = [commit];
    const layout = { nextLsn: 10, isEmpty: true, takeNext: () => next.shift() ?? null, drop: () => [] };
    const told: string[] = [];
    const events = {
      landed: () => told.push('landed'),
      durable: () => told.push('durable'),
      submitted: () => {},
      poisoned: () => told.push('poisoned'),
    };
    const start = { syncedLsn: 0, heldFromLsn: 0, nowMs: () => 0 };
    const pipeline: CommitPipeline = new CommitPipeline(
      layout as unknown as CommitLayout,
      new DurableWaiters(),
      events,
      guard,
      start,
    );
    pipeline.submitAtOnce();
    guard.enter();
    done(null, true);
    expect([pipeline.syncedLsn, told]).toEqual([0, ['poisoned']]);
    expect(pipeline.poisonedBy).toMatchObject({ cause: { code: 'KEELSON_INTERRUPTED' } });
  });

  test('that is stopped by timeouts holds whole records, and all that it acknowledged', async () => {
    for (let round = 0; round < 30; round++) {
      const directory = here.at(`round-${round}`);
      const journal = await open(directory, { maxUndurableBytes: 32 * 1024 });
      const acknowledged: number[] = [];
      const promises: Promise<unknown>[] = [];
      let n = 0;
      const append = () => {
        const own = n++;
        const record = bytesOf(`${own}:${'x'.repeat(own % 500)}`);
        promises.push(
          journal.commit(record).then(
            () => acknowledged.push(own),
            () => {},
          ),
        );
      };
      for (let again = 0; again < 5 && journal.poisoned === null; again++) {
        try {
          vm.runInNewContext('for (;;) append()', { append }, { timeout: 1 + (round % 4) });
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/ERR_SCRIPT_EXECUTION_TIMEOUT|KEELSON_POISONED/);
        }
        await Promise.all(promises);
      }
      await journal.close();
      const reopened = await open(directory);
      const found: number[] = [];
      for await (const { record } of reopened.read()) {
        const [number, padding] = textOf(record).split(':');
        expect(padding).toBe('x'.repeat(Number(number) % 500));
        found.push(Number(number));
      }
      expect(found).toEqual(found.toSorted((a, b) => a - b));
      const there = new Set(found);
      expect(acknowledged.filter((own) => !there.has(own))).toEqual([]);
      await reopened.close();
    }
  });

  // A hook that appended while a segment was taken had one taken of its own: the log went on in the wrong one.
  test('into which hooks append while it makes room keeps every record, in order', async () => {
    const journal = await open(here.path, TINY);
    const lsns: number[] = [];
    let depth = 0;
    let nested = 0;
    const append = (text: string) => lsns.push(journal.append(bytesOf(text)));
    const hook = createHook({
      init() {
        if (depth > 0 || nested >= 300) return;
        depth++;
        append(`nested ${nested++} ${'y'.repeat(700)}`);
        depth--;
      },
    }).enable();
    for (let at = 0; at < 120; at++) {
      append(`${at} ${'x'.repeat(600)}`);
      if (at % 5 === 4) await journal.syncThrough();
    }
    hook.disable();
    await journal.close();
    expect(nested).toBe(300);
    const reopened = await open(here.path);
    const found: number[] = [];
    for await (const { lsn } of reopened.read()) found.push(lsn);
    expect(found).toEqual(lsns.toSorted((a, b) => a - b));
    await reopened.close();
  });

  // A hook that made the log durable while the promise of a waiter was made had woken everybody before that one waited.
  test.each([
    ['of whoever waits', (journal: Journal) => () => journal.syncThrough()],
    [
      'of a follower',
      (journal: Journal) => {
        const following = journal.follow({ from: 0 });
        return () => following.next();
      },
    ],
  ])('that a hook makes durable at any promise %s leaves nobody waiting', async (_, waiting) => {
    for (let at = 1; at <= 40; at++) {
      const journal = await open(here.at(`at-${at}`));
      const wait = waiting(journal);
      await journal.commit(bytesOf('first'));
      await wait();
      journal.append(bytesOf('second'));
      let promises = 0;
      const hook = createHook({
        init(_id, type) {
          if (type !== 'PROMISE' || ++promises !== at) return;
          journal.append(bytesOf('third'));
          journal.syncThroughSync();
        },
      }).enable();
      const waited = wait();
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      hook.disable();
      await waited;
      await journal.close();
    }
  });
});
