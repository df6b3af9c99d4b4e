// The store under crashes while its checkpoints retire segments that are used again at once: of one size, so that all
// of them are, several times over.

import { describe, expect, it } from 'vitest';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { checkState, STORE_DIRECTORY, type StoreFact, StoreLife, stateOf } from './store-workload.js';

const ONE_SIZE = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 4096, commitBytesMax: 1024 };
const ROUNDS = 6;
const PUTS_PER_ROUND = 10;

async function openOneSize(storage: Storage): Promise<Store<string, unknown>> {
  const store = await openStoreOn(storage, STORE_DIRECTORY, resolveStoreOptions({}), ONE_SIZE);
  return store as Store<string, unknown>;
}

describe('a store whose segments are used again', () => {
  it.each([1, 2, 3])('is after any crash the state after one of its writes (seed %i)', async (seed) => {
    let recycled = 0;
    const counts = await exploreCrashes<StoreFact, { store: Store<string, unknown>; lsn: number }>({
      seed,
      statesMax: 300,
      disk: { directories: ['/data'] },
      workload: async (storage, record) => {
        const random = new Random(seed);
        const life = new StoreLife(random, record);
        const { openLogFile, openLogFileSync } = storage;
        Object.assign(storage, {
          openLogFile: (path: string) => {
            recycled++;
            return openLogFile.call(storage, path);
          },
          openLogFileSync: (path: string) => {
            recycled++;
            return openLogFileSync.call(storage, path);
          },
        });
        const store = await openOneSize(storage);
        for (let round = 0; round < ROUNDS; round++) {
          for (let put = 0; put < PUTS_PER_ROUND; put++) {
            // Of one length: each commit stands where one of an earlier use stood.
            const value = `${round}.${put}`.padEnd(300, 'x');
            const written = life.wrote(store, store.put(`k${random.below(5)}`, value));
            if (random.chance(0.8)) await written;
          }
          const checkpoint = store.checkpoint();
          if (random.chance(0.5)) await checkpoint;
          else await Promise.all([checkpoint, life.wrote(store, store.put('beside it', round))]);
        }
        await store.close();
        await life.settled();
      },
      recover: async (storage, record) => {
        const store = await openOneSize(storage);
        record({ type: 'opened', lsn: store.lastLsn });
        return { store, lsn: store.lastLsn };
      },
      verify: async ({ store, lsn }, facts) => {
        checkState(lsn, stateOf(store), facts.slice(0, -1));
        await store.close();
      },
    });
    expect(counts.states).toBeGreaterThan(200);
    expect(recycled).toBeGreaterThan(6);
  });
});
