// Incremental backups on the simulated disk: after a crash at any boundary a backup opens with a prefix of the writes, at
// least those that it had, and goes on from there; any call may fail; and the source never notices.

import assert from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes, type OperationName, SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { tries } from '../counts.js';
import {
  openTinyStore,
  STORE_DIRECTORY,
  type StoreFact,
  StoreLife,
  type StoreState,
  stateOf,
} from './store-workload.js';

const TARGET = '/data/target';
const RETAINED = { retain: { bytes: 1e9 } };
const INCREMENTAL = { incremental: true };

type Fact =
  | StoreFact
  | { readonly type: 'begun'; readonly isFull: boolean; readonly lsn: number; readonly state: StoreState }
  | { readonly type: 'backed up'; readonly lsn: number };

interface Found {
  readonly lsn: number;
  readonly state: StoreState;
}

/** Reads the backup, which changes nothing. Returns the code of what refuses it. */
async function foundIn(storage: Storage): Promise<Found | string> {
  try {
    const store = await openStoreOn(storage, TARGET, resolveStoreOptions({ readOnly: true }));
    const found = { lsn: store.lastLsn, state: stateOf(store) };
    await store.close();
    return found;
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    return error.code;
  }
}

/** Checks that the backup is a state which the source had, not before the last backup that resolved. */
function checkBackup(found: Found | string, facts: readonly Fact[]): void {
  const done = facts.filter((fact) => fact.type === 'backed up').at(-1);
  if (typeof found === 'string') {
    assert(done === undefined, `a backup was finished, and is refused with ${found}`);
    assert(['KEELSON_INCOMPLETE', 'KEELSON_NOT_FOUND'].includes(found), found);
    return;
  }
  assert(found.lsn >= (done?.lsn ?? 0), `LSN ${done?.lsn} was backed up; the backup ends at ${found.lsn}`);
  const states = facts.flatMap((fact) => (fact.type === 'wrote' || fact.type === 'begun' ? [fact] : []));
  const known = states.findLast(({ lsn }) => lsn === found.lsn);
  assert(known !== undefined, `the source had no write at LSN ${found.lsn}`);
  assert.deepEqual(found.state, known.state);
}

describe('a crash at any boundary of a store whose backup is brought up to date', () => {
  it.each([1, 2, Date.now() % 1_000_000])(
    'leaves the backup whole, up to some write, and fit to go on (seed %i)',
    { timeout: 600_000 },
    async (seed) => {
      let increments = 0;
      await exploreCrashes<Fact, { found: Found | string; after: Found | string; isParted: boolean }>({
        seed,
        statesMax: tries(250, 2000),
        disk: { directories: ['/data'] },
        workload: async (storage, record) => {
          const life = new StoreLife(new Random(seed), record, RETAINED);
          const store = await life.open(storage);
          for (let number = 0; number < 30; number++) {
            await life.step(store, number);
            if (number % 6 !== 5) continue;
            const isFull = number === 5;
            record({ type: 'begun', isFull, lsn: store.lastLsn, state: stateOf(store) });
            const { lsn } = await store.backup(TARGET, isFull ? {} : INCREMENTAL);
            record({ type: 'backed up', lsn });
            increments++;
          }
          await store.close();
          await life.settled();
        },
        recover: async (storage, record) => {
          const found = await foundIn(storage);
          const life = new StoreLife(new Random(seed), record, RETAINED);
          const store = await life.open(storage);
          await life.wrote(store, store.put('after the crash', 1));
          let isParted = false;
          if (typeof found !== 'string')
            await store.backup(TARGET, INCREMENTAL).catch((error) => {
              if (!isKeelsonError(error, 'KEELSON_FOREIGN')) throw error;
              isParted = true;
            });
          const after = { lsn: store.lastLsn, state: stateOf(store) };
          await store.close();
          return { found, after: isParted ? found : after, isParted };
        },
        verify: async ({ found, after, isParted }, facts, { disk }) => {
          // The source holds every write that the backup has, because a backup has only what is durable.
          assert(!isParted, 'the backup has what its source has lost');
          checkBackup(found, facts);
          if (typeof found === 'string') return;
          assert.deepEqual(await foundIn(disk.life()), after);
          assert((await verifyOn(disk.life(), TARGET)).ok);
        },
      });
      expect(increments).toBeGreaterThan(0);
    },
  );
});

const OPERATIONS: readonly OperationName[] = [
  'kind',
  'list',
  'openFile',
  'read',
  'createFile',
  'createLogFile',
  'write',
  'zeroFill',
  'flush',
  'flushDirectory',
  'rename',
  'link',
  'remove',
  'close',
];

describe('an incremental backup whose nth call fails', () => {
  it.each(OPERATIONS)('rejects, and can be made again: %s', { timeout: 120_000 }, async (operation) => {
    for (const errno of ['EIO', 'ENOSPC']) {
      for (let nth = 1; ; nth++) {
        const what = `${operation} ${nth} ${errno}`;
        const disk = new SimulatedDisk({ seed: nth, directories: ['/data'] });
        const store = await openTinyStore(disk.life(), RETAINED);
        for (let at = 0; at < 5; at++) await store.put(`k${at}`, 'x'.repeat(300));
        await store.backup(TARGET);
        const before = { lsn: store.lastLsn, state: stateOf(store) };
        for (let at = 3; at < 8; at++) await store.put(`k${at}`, 'y'.repeat(300));
        const now = { lsn: store.lastLsn, state: stateOf(store) };
        let count = 0;
        disk.faults = ({ name, path }) => {
          if (name !== operation || path.startsWith(STORE_DIRECTORY)) return undefined;
          count++;
          return count === nth ? { errno } : undefined;
        };
        const outcome = await store.backup(TARGET, INCREMENTAL).then(
          () => null,
          (error: unknown) => error,
        );
        const isReached = count >= nth;
        disk.faults = undefined;
        assert(outcome === null || isKeelsonError(outcome), `${what}: ${outcome}`);
        assert.equal(store.poisoned, null, what);

        const cut = disk
          .capture()
          .powerCut({ profile: 'strict', grain: 'sector', pattern: 'none', index: 0, seed: nth });
        for (const after of [disk, cut]) {
          const found = await foundIn(after.life());
          const isAsExpected = outcome === null ? [now] : [before, now];
          assert(
            isAsExpected.some((state) => JSON.stringify(state) === JSON.stringify(found)),
            `${what}: found ${JSON.stringify(found).slice(0, 200)}`,
          );
        }
        await store.backup(TARGET, INCREMENTAL);
        assert.deepEqual(await foundIn(disk.life()), now, what);
        await store.close();
        assert.deepEqual(disk.openFiles(), [], what);
        if (!isReached) break;
      }
    }
  });
});

describe('a full backup that fails behind its mark', () => {
  it('leaves nothing, so that it can be made again', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
    const store = await openTinyStore(disk.life(), RETAINED);
    await store.put('a', 'x');
    disk.faults = ({ name, path }) =>
      name === 'write' && path.startsWith(TARGET) && path.includes('journal') ? { errno: 'EIO' } : undefined;
    await assert.rejects(store.backup(TARGET));
    disk.faults = undefined;
    assert.deepEqual(await disk.life().list(TARGET), []);
    await store.backup(TARGET);
    await store.close();
  });
});
