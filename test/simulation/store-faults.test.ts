// The store on a disk that fails: the nth call of every kind, once or from then on. A write that throws has changed
// nothing; a write that was acknowledged is there afterwards; nothing hangs; and it always closes and reopens.

import assert from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { type FaultKind, type OperationName, SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { checkState, openTinyStore, type StoreFact, StoreLife, stateOf } from './store-workload.js';

const OPERATIONS: readonly OperationName[] = [
  'createLogFile',
  'createFile',
  'write',
  'zeroFill',
  'flush',
  'flushDirectory',
  'rename',
  'remove',
  'link',
  'openFile',
  'list',
  'read',
  'size',
  'close',
  'submit',
];
const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE'];
const NTH = [1, 2, 3, 5, 8, 13];
const STEPS = 30;

interface FaultCase {
  readonly operation: OperationName;
  readonly errno: string;
  readonly nth: number;
  readonly isSticky: boolean;
  readonly kind: FaultKind | undefined;
}

/** One life under the fault, in which every refusal is checked to have changed nothing. */
async function liveWithFault(life: StoreLife, storage: Storage): Promise<void> {
  let store: Store<string, unknown>;
  try {
    store = await life.open(storage);
  } catch (error) {
    assert(isKeelsonError(error), `opening failed with ${error}`);
    return;
  }
  for (let number = 0; number < STEPS; number++) {
    const before = stateOf(store);
    const { lastLsn } = store;
    try {
      await life.step(store, number);
    } catch (error) {
      assert(isKeelsonError(error), `step ${number} failed with ${error}`);
      if (store.lastLsn === lastLsn)
        assert.deepEqual(stateOf(store), before, 'a refused write changed something');
    }
  }
  await store.close();
  await life.settled().catch(() => {});
}

async function runCase(seed: number, { operation, errno, nth, isSticky, kind }: FaultCase): Promise<void> {
  const disk = new SimulatedDisk({ seed, directories: ['/data'] });
  disk.faults = ({ name, nth: count }) =>
    name === operation && (isSticky ? count >= nth : count === nth)
      ? { errno, ...(kind === undefined ? {} : { kind }) }
      : undefined;
  const facts: StoreFact[] = [];
  const life = new StoreLife(new Random(seed), (fact) => facts.push(fact));
  await liveWithFault(life, disk.life());
  assert.deepEqual(disk.openFiles(), [], 'a closed store left a file open');

  // What is on the disk, after a power cut that takes everything undurable, and as the next process sees it.
  const choice = { profile: 'strict', grain: 'sector', pattern: 'none', index: 0, seed } as const;
  const cut = disk.capture().powerCut(choice);
  disk.faults = undefined;
  for (const found of [cut, disk]) {
    const store = await openTinyStore(found.life());
    checkState(store.lastLsn, stateOf(store), facts);
    await store.put('goes on', 1);
    await store.close();
    found.halt();
  }
}

describe('a failing disk', () => {
  it.each(OPERATIONS)(
    'loses nothing acknowledged and lets every store close and reopen: %s',
    async (operation) => {
      let seed = 1;
      for (const errno of ERRNOS) {
        for (const nth of NTH) {
          for (const isSticky of [false, true]) {
            for (const kind of ['dropped', 'kept', 'reverted', undefined] as const) {
              const faultCase: FaultCase = { operation, errno, nth, isSticky, kind };
              try {
                await runCase(seed++, faultCase);
              } catch (error) {
                throw new Error(`seed ${seed - 1}, ${JSON.stringify(faultCase)}: ${error}`, { cause: error });
              }
            }
          }
        }
      }
    },
  );

  it('is poisoned by one failed write and says so to everyone who waits, with one cause', async () => {
    const disk = new SimulatedDisk({ seed: 5, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('safe', 1);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    const told: unknown[] = [];
    store.on('poisoned', (error) => told.push(error));
    const promises = ['a', 'b', 'c'].map((key) => store.put(key, 1));
    const results = await Promise.allSettled(promises);
    const reasons = results.map((result) => (result.status === 'rejected' ? result.reason : null));
    expect(reasons[0]).toMatchObject({ code: 'KEELSON_POISONED', cause: { code: 'KEELSON_IO' } });
    expect(new Set(reasons).size).toBe(1);
    expect(told).toEqual([reasons[0]]);
    disk.faults = undefined;
    expect(() => store.put('d', 1)).toThrow(reasons[0] as Error);
    expect(store.get('a')).toBe(1);
    expect(store.poisoned).toBe(reasons[0]);
    expect(store.durableLsn).toBeLessThan(store.lastLsn);
    await store.close();
    const again = await openTinyStore(disk.life());
    expect(again.get('safe')).toBe(1);
    await again.close();
  });

  it('without space refuses a write before it is visible, and goes on when there is space again', async () => {
    const disk = new SimulatedDisk({ seed: 6, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('first', 1);
    disk.faults = ({ name }) => (name === 'zeroFill' ? { errno: 'ENOSPC' } : undefined);
    const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
    const large = 'x'.repeat(20_000);
    const { lastLsn } = store;
    expect(() => store.put('large', large)).toThrow(noSpace);
    expect(() => store.batch([{ type: 'put', key: 'large', value: large }])).toThrow(noSpace);
    expect([store.has('large'), store.lastLsn, store.poisoned]).toEqual([false, lastLsn, null]);
    disk.faults = undefined;
    await store.put('large', large);
    await store.close();
    const again = await openTinyStore(disk.life());
    expect(again.get('large')).toBe(large);
    await again.close();
  });
});
