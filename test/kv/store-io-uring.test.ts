// The store's contract on the io_uring engine, and the turns of the event loop with it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { open } from '../../src/kv/index.js';
import { nextTurn } from '../../src/schedulers.js';
import { createIoUringStorage } from '../../src/storage/index.js';
import { whyNoIoUring } from '../native/native-tools.js';
import { storeContract } from './store-contract.js';

const why = whyNoIoUring();

describe.skipIf(why !== null)(`with io_uring${why === null ? '' : ` (skipped: ${why})`}`, () => {
  storeContract('the io_uring engine', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'keelson-store-'));
    return {
      storage: createIoUringStorage(),
      directory: join(parent, 'store'),
      dispose: () => rm(parent, { recursive: true }),
    };
  });

  // The addon looked for completions again after it had told of one. While it told, a thousand puts were made and submitted,
  // and on a fast disk their write had completed by then. So the event loop stood still for as long as a program wrote: 162 ms
  // was the median of the longest turns in a second of puts.
  test('the event loop has a turn between two commits, however many puts are in flight', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'keelson-store-'));
    const store = await open(join(parent, 'store'), { engine: 'io_uring', autoCheckpoint: false });
    const commits = (): number => store.stats().journal!.commits;
    let before = commits();
    let most = 0;
    let isDone = false;
    const countTurn = (): void => {
      const now = commits();
      most = Math.max(most, now - before);
      before = now;
      if (!isDone) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    let puts = 0;
    async function writer(): Promise<void> {
      while (puts < 60_000) await store.put(`key ${puts++ % 5000}`, 'a value that is short');
    }
    const writers = Array.from({ length: 500 }, writer);
    // The second half of the writers puts while the commit of the first half is written, and so on, in turns.
    await nextTurn();
    await Promise.all([...writers, ...Array.from({ length: 500 }, writer)]);
    isDone = true;
    const { blockingCommits } = store.stats().journal!;
    expect(commits() - blockingCommits).toBeGreaterThan(50);
    expect(most).toBeLessThanOrEqual(1 + blockingCommits);
    await store.close();
    await rm(parent, { recursive: true });
  });
});
