// Backups on the simulated disk: a crash at any boundary leaves nothing, something that is refused, or the whole
// backup; any call may fail; and the source never notices.

import assert from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { exploreCrashes, type OperationName, SimulatedDisk } from '../../src/testing/index.js';
import { Random } from '../../src/testing/random.js';
import { tries } from '../counts.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import {
  checkState,
  openTinyStore,
  STORE_DIRECTORY,
  type StoreFact,
  StoreLife,
  type StoreState,
  stateOf,
} from './store-workload.js';

const STEPS = 30;
const STATES = 400;
const TARGETS = ['/data/first', '/data/second', '/data/deep/third'] as const;

type BackupFact =
  | { readonly type: 'begun'; readonly target: string; readonly lsn: number; readonly state: StoreState }
  | { readonly type: 'backed up'; readonly target: string };

type Fact = StoreFact | BackupFact;

const isBackupFact = (fact: Fact): fact is BackupFact => fact.type === 'begun' || fact.type === 'backed up';

type Found = Awaited<ReturnType<typeof foundAt>>;

interface AfterCrash {
  readonly source: { readonly lsn: number; readonly state: StoreState };
  readonly targets: ReadonlyMap<string, Found>;
}

async function openAt(storage: Storage, directory: string): Promise<Store<string, unknown>> {
  const options = resolveStoreOptions({ create: false });
  return (await openStoreOn(storage, directory, options)) as Store<string, unknown>;
}

/** What is at a target: its state, or the code of what refuses it. */
async function foundAt(
  storage: Storage,
  target: string,
): Promise<{ lsn: number; state: StoreState } | string> {
  try {
    const store = await openAt(storage, target);
    const found = { lsn: store.lastLsn, state: stateOf(store) };
    await store.close();
    return found;
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    return error.code;
  }
}

function checkTarget(target: string, found: Found, facts: readonly Fact[]): void {
  const backupFacts = facts.filter(isBackupFact).filter((fact) => fact.target === target);
  const begun = backupFacts.find((fact) => fact.type === 'begun');
  if (typeof found === 'string') {
    assert(
      !backupFacts.some(({ type }) => type === 'backed up'),
      `${target} is finished, and refused: ${found}`,
    );
    assert(['KEELSON_INCOMPLETE', 'KEELSON_NOT_FOUND'].includes(found), `${target} is refused with ${found}`);
    return;
  }
  assert(begun?.type === 'begun', `${target} is there before it was begun`);
  assert.deepEqual(found, { lsn: begun.lsn, state: begun.state });
}

describe('a crash at any boundary of a store that is backed up', () => {
  it.each([...[1, 2, 3].slice(0, tries(1, 3)), Date.now() % 1_000_000])(
    'leaves each backup whole, or refused, or not there (seed %i)',
    { timeout: 300_000 },
    async (seed) => {
      const outcomes = new Set<string>();
      await exploreCrashes<Fact, AfterCrash>({
        seed,
        statesMax: STATES,
        disk: { directories: ['/data'] },
        nestedDepth: 1,
        workload: async (storage, record) => {
          const random = new Random(seed);
          const life = new StoreLife(random, record);
          const store = await life.open(storage);
          const backups: Promise<void>[] = [];
          for (let number = 0; number < STEPS; number++) {
            await life.step(store, number);
            const target = TARGETS[(number - 5) / 8];
            if (target === undefined) continue;
            // While writes go on, also such as are not durable yet.
            void life.wrote(store, store.put('just before', number)).catch(() => {});
            record({ type: 'begun', target, lsn: store.lastLsn, state: stateOf(store) });
            backups.push(store.backup(target).then(() => record({ type: 'backed up', target })));
          }
          await Promise.all(backups);
          await store.close();
          await life.settled();
        },
        recover: async (storage, record) => {
          const store = await new StoreLife(new Random(seed), record).open(storage);
          const source = { lsn: store.lastLsn, state: stateOf(store) };
          await store.close();
          const targets = new Map<string, Found>();
          for (const target of TARGETS) targets.set(target, await foundAt(storage, target));
          return { source, targets };
        },
        verify: async ({ source, targets }, facts, { disk }) => {
          const before = facts.slice(
            0,
            facts.findLastIndex((fact) => fact.type === 'opened'),
          );
          checkState(
            source.lsn,
            source.state,
            before.filter((fact): fact is StoreFact => !isBackupFact(fact)),
          );
          for (const [target, what] of targets) {
            checkTarget(target, what, facts);
            // Of what a backup holds the source has lost nothing.
            if (typeof what !== 'string') assert(source.lsn >= what.lsn, `${target} is ahead of its source`);
            outcomes.add(typeof what === 'string' ? what : 'whole');
            if (typeof what !== 'string')
              assert((await verifyOn(disk.life(), target)).ok, `${target} is damaged`);
          }
        },
      });
      expect([...outcomes].sort()).toEqual(['KEELSON_INCOMPLETE', 'KEELSON_NOT_FOUND', 'whole']);
    },
  );
});

describe('a crash while a backup that failed is cleared away', () => {
  it('leaves nothing that opens as less than it was', { timeout: 120_000 }, async () => {
    await exploreCrashes<Fact>({
      seed: 8,
      statesMax: 3000,
      kinds: ['power-cut-strict'],
      disk: { directories: ['/data'] },
      workload: async (storage, record, disk) => {
        const store = await openTinyStore(storage);
        await store.put('a', 1);
        const isLast = ({ name, path }: { name: string; path: string }) =>
          name === 'zeroFill' && path.startsWith('/data/target');
        disk.faults = (operation) => (isLast(operation) ? { errno: 'ENOSPC' } : undefined);
        record({ type: 'begun', target: '/data/target', lsn: store.lastLsn, state: stateOf(store) });
        await assert.rejects(store.backup('/data/target'), { code: 'KEELSON_NO_SPACE' });
        await store.close();
      },
      check: async (storage, facts) => {
        checkTarget('/data/target', await foundAt(storage, '/data/target'), facts);
      },
    });
  });
});

const OPERATIONS: readonly OperationName[] = [
  'kind',
  'makeDirectory',
  'list',
  'createFile',
  'createLogFile',
  'write',
  'zeroFill',
  'flush',
  'flushDirectory',
  'rename',
  'remove',
  'close',
];

describe('a backup whose nth call fails', () => {
  it.each(OPERATIONS)('rejects, can be told from a whole one, and harms nobody: %s', async (operation) => {
    let rejected = 0;
    for (const errno of ['EIO', 'ENOSPC']) {
      for (const isSticky of [false, true]) {
        for (let nth = 1; ; nth++) {
          const what = `${operation} ${nth} ${errno}${isSticky ? ' and all after it' : ''}`;
          const disk = new SimulatedDisk({ seed: nth, directories: ['/data'] });
          const store = await openTinyStore(disk.life());
          for (let at = 0; at < 10; at++) await store.put(`k${at}`, 'x'.repeat(300));
          const before = { lsn: store.lastLsn, state: stateOf(store) };
          let count = 0;
          disk.faults = ({ name, path }) => {
            if (name !== operation || path.startsWith(STORE_DIRECTORY)) return undefined;
            count++;
            return (isSticky ? count >= nth : count === nth) ? { errno } : undefined;
          };
          const outcome = await store.backup('/data/target').then(
            () => null,
            (error: unknown) => error,
          );
          const isReached = count >= nth;
          disk.faults = undefined;
          assert(outcome === null || isKeelsonError(outcome), `${what}: ${outcome}`);
          if (outcome !== null) rejected++;
          assert.equal(store.poisoned, null, what);
          await store.put('goes on', 1);
          await store.close();
          assert.deepEqual(disk.openFiles(), [], what);

          const cut = disk
            .capture()
            .powerCut({ profile: 'strict', grain: 'sector', pattern: 'none', index: 0, seed: nth });
          for (const after of [disk, cut]) {
            const storage = after.life();
            const found = await foundAt(storage, '/data/target');
            if (typeof found !== 'string') assert.deepEqual(found, before, what);
            else if (outcome === null) assert.fail(`${what}: it resolved, and is refused with ${found}`);
            else assert(['KEELSON_INCOMPLETE', 'KEELSON_NOT_FOUND'].includes(found), `${what}: ${found}`);
            const source = await openTinyStore(storage);
            assert.equal(source.get('goes on'), 1, what);
            await source.close();
            after.halt();
          }
          if (!isReached) break;
        }
      }
    }
    expect(rejected).toBeGreaterThan(0);
  });

  it('is rejected with the poison when its source fails before it is durable, and holds nothing', async () => {
    const disk = new SimulatedDisk({ seed: 9, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('safe', 1);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    const lost = store.put('lost', 1);
    const backup = store.backup('/data/target');
    await expect(lost).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    await expect(backup).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    disk.faults = undefined;
    await store.close();
    expect(await foundAt(disk.life(), '/data/target')).toBe('KEELSON_NOT_FOUND');
    expect(await disk.life().list('/data/target')).toEqual([]);
  });
});

function signal(): [Promise<void>, () => void] {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return [given, give];
}

/** Holds the making of the marker in a process back, once somebody asks for it. */
function withSlowMarker(storage: Storage): { storage: Storage; reached: Promise<void>; release: () => void } {
  const [gate, release] = signal();
  const [reached, reach] = signal();
  const createFile: Storage['createFile'] = async (path) => {
    if (path.endsWith('/INCOMPLETE')) {
      reach();
      await gate;
    }
    return storage.createFile(path);
  };
  const slow = new Proxy(storage, {
    get: (target, name) => {
      if (name === 'createFile') return createFile;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { storage: alsoHeld(slow), reached, release };
}

// The marker was flushed, and only then was looked whether somebody else is there; its removal was not flushed. So it
// came back after a power cut, in a store that had acknowledged writes, and every open told to remove the directory.
describe('a backup that comes late into a directory', () => {
  const TARGET = '/data/target';
  const CUTS = Array.from({ length: 40 }, (_, seed) => seed).flatMap((seed) =>
    (['prefix', 'strict'] as const).flatMap((profile) => [
      { profile, grain: 'write', pattern: 'none', index: 0, seed } as const,
      { profile, grain: 'write', pattern: 'random', index: 0, seed } as const,
    ]),
  );

  async function lateBackup(disk: SimulatedDisk) {
    const { storage, reached, release } = withSlowMarker(disk.life());
    const store = await openTinyStore(storage);
    await store.put('a', 1);
    const late = assert.rejects(store.backup(TARGET), { code: 'KEELSON_EXISTS' });
    await reached;
    return { storage, store, late, release };
  }

  const openTarget = (storage: Storage) => openStoreOn(storage, TARGET, resolveStoreOptions({}));

  it('takes nothing from the store that was opened there meanwhile, whenever the power fails', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: [TARGET] });
    const { store, late, release } = await lateBackup(disk);
    const owner = await openTarget(disk.life());
    await owner.put('precious', 1);
    release();
    await late;
    for (let at = 0; at < 100; at++) await owner.put(`k${at}`, at);
    for (const cut of CUTS) {
      const found = await openTarget(disk.capture().powerCut(cut).life());
      assert.equal(found.size, 101, JSON.stringify(cut));
      await found.close();
    }
    await owner.close();
    await store.close();
  });

  it('takes nothing either when it is killed over the marker', async () => {
    const disk = new SimulatedDisk({ seed: 2, directories: [TARGET] });
    const { storage, late, release } = await lateBackup(disk);
    late.catch(() => {});
    const owner = await openTarget(disk.life());
    await owner.put('precious', 1);
    let isKilled = false;
    disk.onBoundary = ({ operation, phase, path }) => {
      if (operation !== 'createFile' || phase !== 'complete' || path !== `${TARGET}/INCOMPLETE`) return;
      isKilled = true;
      disk.killLife(storage);
    };
    release();
    while (!isKilled) await new Promise((resolve) => setImmediate(resolve));
    assert((await disk.life().list(TARGET)).includes('INCOMPLETE'));
    await owner.put('after', 1);
    await owner.close();
    const again = await openTarget(disk.life());
    assert.equal(again.size, 2);
    await again.close();
    assert(!(await disk.life().list(TARGET)).includes('INCOMPLETE'));
  });

  it('takes nothing from another backup that has resolved', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: [TARGET] });
    const { store, late, release } = await lateBackup(disk);
    const other = await openStoreOn(disk.life(), '/data/other', resolveStoreOptions({}));
    await other.put('b', 1);
    await other.backup(TARGET);
    const during: SimulatedDisk[] = [];
    let count = 0;
    disk.onBoundary = () => {
      for (const cut of CUTS.slice(0, 8)) during.push(disk.capture().powerCut({ ...cut, seed: count++ }));
    };
    release();
    await late;
    disk.onBoundary = undefined;
    for (const after of [...during, ...CUTS.map((cut) => disk.capture().powerCut(cut))]) {
      const found = await openTarget(after.life());
      assert.equal(found.get('b'), 1);
      await found.close();
    }
    await other.close();
    await store.close();
  });
});

describe('salvage on the simulated disk', () => {
  it('of a store that crashed gives what opening it gives', { timeout: 120_000 }, async () => {
    const seed = 5;
    await exploreCrashes<StoreFact>({
      seed,
      statesMax: 300,
      disk: { directories: ['/data'] },
      workload: async (storage, record) => {
        const life = new StoreLife(new Random(seed), record);
        const store = await life.open(storage);
        for (let number = 0; number < STEPS; number++) await life.step(store, number);
        await store.close();
        await life.settled();
      },
      check: async (storage, facts) => {
        // A store that was not born says nothing of its keys and values.
        const nothing = (error: unknown) => {
          assert(
            isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_DECODE'),
            String(error),
          );
          return null;
        };
        const verified = await verifyOn(storage, STORE_DIRECTORY).catch(nothing);
        const report = await salvageOn(storage, STORE_DIRECTORY, '/data/salvaged').catch(nothing);
        const store = await openTinyStore(storage);
        const found = { lsn: store.lastLsn, state: stateOf(store) };
        checkState(found.lsn, found.state, facts);
        await store.close();
        if (verified === null || report === null) {
          assert.equal(store.recovery.lastLsn, 0);
          return;
        }
        // Also when a power cut in a retirement has left only some of the files that nobody needs any more.
        assert.deepEqual(verified.damages, []);
        assert.equal(verified.ok, true);
        assert.deepEqual(report.missing, []);
        assert.deepEqual(await foundAt(storage, '/data/salvaged'), found);
      },
    });
  });
});
