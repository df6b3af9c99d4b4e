// The store under crashes while its commits are so large that the room of new segments is only reserved.

import { describe, expect, it } from 'vitest';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes, SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { checkState, STORE_DIRECTORY, type StoreFact, StoreLife, stateOf } from './store-workload.js';

const SIZES = {
  blockBytes: 512,
  segmentBytesMin: 131_072,
  segmentBytesMax: 262_144,
  commitBytesMax: 131_072,
};
const ROUNDS = 24;
/** The puts of one turn, which are one commit of more than 64 blocks. */
const PUTS_PER_ROUND = 16;
const VALUE_BYTES = 4000;

async function openLarge(storage: Storage): Promise<Store<string, unknown>> {
  const store = await openStoreOn(storage, STORE_DIRECTORY, resolveStoreOptions({}), SIZES);
  return store as Store<string, unknown>;
}

async function putRounds(store: Store<string, unknown>, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const puts = Array.from({ length: PUTS_PER_ROUND }, (_, put) =>
      store.put(`k${put}`, `${round}`.padEnd(VALUE_BYTES, 'x')),
    );
    await Promise.all(puts);
  }
}

/** Counts the files whose room was reserved on this disk. */
function countReserved(disk: SimulatedDisk): () => number {
  const paths = new Set<string>();
  disk.onBoundary = ({ operation, path }) => {
    if (operation === 'reserve') paths.add(path);
  };
  return () => paths.size;
}

describe('a store whose room is reserved', () => {
  it.each([1, 2, 3])('is after any crash the state after one of its writes (seed %i)', async (seed) => {
    const counts = await exploreCrashes<StoreFact, { store: Store<string, unknown>; lsn: number }>({
      seed,
      statesMax: 250,
      disk: { directories: ['/data'] },
      workload: async (storage, record) => {
        const random = new Random(seed);
        const life = new StoreLife(random, record);
        const store = await openLarge(storage);
        for (let round = 0; round < ROUNDS; round++) {
          let written: Promise<unknown> = Promise.resolve();
          for (let put = 0; put < PUTS_PER_ROUND; put++) {
            const value = `${round}.${put}`.padEnd(VALUE_BYTES, 'x');
            written = life.wrote(store, store.put(`k${random.below(5)}`, value));
          }
          await written;
          if (round % 10 === 9) await store.checkpoint();
        }
        await store.close();
        await life.settled();
      },
      recover: async (storage, record) => {
        const store = await openLarge(storage);
        record({ type: 'opened', lsn: store.lastLsn });
        return { store, lsn: store.lastLsn };
      },
      verify: async ({ store, lsn }, facts) => {
        checkState(lsn, stateOf(store), facts.slice(0, -1));
        await store.close();
      },
    });
    expect(counts.states).toBeGreaterThan(200);
  });

  it('has its segments reserved as soon as commits are large, and goes back when they are small', async () => {
    const disk = new SimulatedDisk({ seed: 4, directories: ['/data'] });
    const reserved = countReserved(disk);
    const store = await openLarge(disk.life());
    await putRounds(store, ROUNDS);
    const whenLarge = reserved();
    expect(whenLarge).toBeGreaterThan(4);
    for (let put = 0; put < 3000; put++) await store.put(`s${put % 10}`, 'x'.repeat(300));
    // What was ready is used, and the first small ones are measured with the last large ones.
    expect(reserved() - whenLarge).toBeLessThan(6);
    await store.close();
    const again = await openLarge(disk.life());
    expect(again.get('k7')).toBe(`${ROUNDS - 1}`.padEnd(VALUE_BYTES, 'x'));
    await again.close();
  });

  it('refuses a write for which no room can be reserved, before it is visible', async () => {
    const disk = new SimulatedDisk({ seed: 5, directories: ['/data'] });
    const store = await openLarge(disk.life());
    await putRounds(store, 10);
    disk.faults = ({ name }) => (name === 'reserve' ? { errno: 'ENOSPC' } : undefined);
    let refused: unknown = null;
    let accepted = 0;
    const value = (put: number) => `${put}`.padEnd(VALUE_BYTES, 'x');
    // So many in one turn that their commits stay large.
    for (let round = 0; round < 20 && refused === null; round++) {
      let written: Promise<unknown> = Promise.resolve();
      for (let put = 0; put < PUTS_PER_ROUND && refused === null; put++) {
        try {
          written = store.put('k', value(accepted));
          accepted++;
        } catch (error) {
          refused = error;
        }
      }
      await written;
    }
    expect(store.get('k')).toBe(value(accepted - 1));
    expect(refused).toMatchObject({ code: 'KEELSON_NO_SPACE' });
    expect(store.poisoned).toBeNull();
    disk.faults = undefined;
    await store.put('k', 'there is room again');
    await store.close();
  });
});
