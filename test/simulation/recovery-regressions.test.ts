// What a hostile reading of recovery, retirement and blocking writes has found, each as a scenario that is played out
// step by step. The random search did not come upon them.

import { describe, expect, it } from 'vitest';
import type { Storage } from '../../src/storage/index.js';
import { type Boundary, SimulatedDisk } from '../../src/testing/index.js';
import { heldWith } from '../storage/wrapped-storage.js';
import { openTinyStore, STORE_DIRECTORY, stateOf } from './store-workload.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const TURNS_MAX = 2000;

async function turnsUntil(isDone: () => boolean): Promise<boolean> {
  for (let turns = 0; turns < TURNS_MAX && !isDone(); turns++) await turn();
  return isDone();
}

/** Runs `work` as a life of its own and kills that at the first boundary that `isMoment`. */
async function killAt(
  disk: SimulatedDisk,
  isMoment: (boundary: Boundary) => boolean,
  work: (storage: Storage) => Promise<unknown>,
): Promise<boolean> {
  const storage = disk.life();
  let isKilled = false;
  disk.onBoundary = (boundary) => {
    if (isKilled || !isMoment(boundary)) return;
    isKilled = true;
    disk.killLife(storage);
  };
  work(storage).catch(() => {});
  await turnsUntil(() => isKilled);
  disk.onBoundary = undefined;
  return isKilled;
}

/** The storage where no socket can be made. A lock that has one flushes the directory, for its own sake. */
function withoutSockets(storage: Storage): Storage {
  const holdDirectory: Storage['holdDirectory'] = async (path) => {
    const held = await storage.holdDirectory(path);
    return { ...heldWith(held, held.storage), announce: async () => null };
  };
  return Object.assign(Object.create(storage), { holdDirectory });
}

describe('recovery', () => {
  // A life recovered an unacknowledged write into a lineage segment and was killed between its rename and the flush of
  // the directory. The next life found a good end, wrote nothing and flushed nothing, and answered flush() for a
  // write that the next power cut took away.
  it('makes the names durable that a killed recovery has left', async () => {
    let recoveries = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const disk = new SimulatedDisk({ seed, directories: ['/data'] });
      const first = disk.life();
      const store = await openTinyStore(withoutSockets(first));
      await store.put('a', 1);
      disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO', kind: 'dropped' } : undefined);
      store.put('b', 2).catch(() => {});
      await turnsUntil(() => store.poisoned !== null);
      disk.faults = undefined;
      disk.killLife(first);
      const named = ({ phase, operation, path }: Boundary) =>
        phase === 'complete' && operation === 'link' && path.includes('.journal');
      recoveries += Number(await killAt(disk, named, (storage) => openTinyStore(withoutSockets(storage))));

      const second = await openTinyStore(withoutSockets(disk.life()));
      await second.flush();
      const seen = stateOf(second);
      const choice = { profile: 'prefix', grain: 'sector', pattern: 'none', index: 0, seed } as const;
      const found = disk.capture().powerCut(choice);
      const third = await openTinyStore(withoutSockets(found.life()));
      expect(stateOf(third), `seed ${seed}`).toEqual(seen);
      disk.halt();
      found.halt();
    }
    expect(recoveries).toBeGreaterThan(10);
  });

  // A mutant that retired segments before the name of the image was durable survived: nothing cut the power there.
  it('finds everything when the power is cut while a checkpoint retires what it replaced', async () => {
    let cuts = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const disk = new SimulatedDisk({ seed, directories: ['/data'] });
      const storage = disk.life();
      const old = await openTinyStore(storage);
      for (let i = 0; i < 30; i++) await old.put(`k${i}`, 'x'.repeat(200));
      await old.close();
      const store = await openTinyStore(storage);
      await store.put('last', seed);
      const expected = stateOf(store);
      const states: ReturnType<SimulatedDisk['capture']>[] = [];
      disk.onBoundary = ({ operation, path }) => {
        if (operation === 'remove' && path.endsWith('.journal')) states.push(disk.capture());
      };
      await store.checkpoint();
      disk.onBoundary = undefined;
      expect(states.length).toBeGreaterThan(2);
      for (const state of states) {
        for (const choice of state.powerCuts({ profile: 'strict', budget: 30, seed })) {
          const found = state.powerCut(choice);
          const again = await openTinyStore(found.life());
          expect(stateOf(again), JSON.stringify(choice)).toEqual(expected);
          found.halt();
          cuts++;
        }
      }
      disk.halt();
    }
    expect(cuts).toBeGreaterThan(100);
  });

  // The image's name alone proves how far the journal had been durable; a mutant that ignored it survived.
  it('refuses a journal that ends below the LSN of an image that cannot be read', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data'] });
    const first = disk.life();
    const store = await openTinyStore(first);
    await store.put('a', 1);
    const { lsn } = await store.checkpoint();
    // Not closed: a closed segment is cut behind its seal, and refused for its length alone when the seal is gone.
    disk.killLife(first);
    const storage = disk.life();
    const overwrite = async (name: string, from: number, length: number) => {
      const file = await storage.openFile(`${STORE_DIRECTORY}/${name}`, true);
      await file.write(new Uint8Array(length).fill(0xee), from);
      await file.close();
    };
    const names = await storage.list(STORE_DIRECTORY);
    await overwrite(names.find((name) => name.endsWith('.image'))!, 512, 64);
    const journals = names.filter((name) => name.endsWith('.journal'));
    expect(journals).toHaveLength(1);
    // Every commit of the one segment: alone it would read as a store that was killed before its first write.
    await overwrite(journals[0]!, 512, 3072);
    await expect(openTinyStore(disk.life())).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      cause: { facts: { lsn: 0, lsnEnd: lsn } },
    });
  });
});

describe('a checkpoint', () => {
  // Any failure to flush the directory poisoned, also that it could not be opened for want of a descriptor.
  it('that finds no descriptor to flush the directory with fails, and the store goes on', async () => {
    const disk = new SimulatedDisk({ seed: 4, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('a', 1);
    disk.faults = ({ name }) => (name === 'createFile' ? { errno: 'EMFILE' } : undefined);
    await expect(store.checkpoint()).rejects.toMatchObject({ code: 'KEELSON_NO_SPACE' });
    disk.faults = undefined;
    await store.put('b', 2);
    expect(await store.checkpoint()).toMatchObject({ entries: 2 });
    await store.close();
  });

  // One file that was gone already made every later retirement fail, and the journal grew.
  it('retires the rest when somebody has removed a file', async () => {
    const disk = new SimulatedDisk({ seed: 5, directories: ['/data'] });
    const storage = disk.life();
    const old = await openTinyStore(storage);
    for (let i = 0; i < 40; i++) await old.put(`k${i}`, 'x'.repeat(200));
    await old.close();
    const store = await openTinyStore(storage);
    await store.put('last', 1);
    await storage.remove(`${STORE_DIRECTORY}/000000000001.journal`);
    await store.checkpoint();
    expect(store.stats().checkpoints).toMatchObject({ completed: 1, failed: 0, retireFailure: null });
    const left = (await storage.list(STORE_DIRECTORY)).filter((name) => name.endsWith('.journal'));
    expect(left).toHaveLength(1);
    await store.close();
  });

  // Retirement wanted a new segment for its mark, on the full disk that it was to relieve.
  it('relieves a full disk: what it retires needs no room', async () => {
    const disk = new SimulatedDisk({ seed: 6, directories: ['/data'] });
    const storage = disk.life();
    const old = await openTinyStore(storage);
    for (let i = 0; i < 40; i++) await old.put(`k${i}`, 'x'.repeat(200));
    await old.close();
    const store = await openTinyStore(storage);
    disk.faults = ({ name }) => (name === 'zeroFill' ? { errno: 'ENOSPC' } : undefined);
    await store.checkpoint();
    const left = (await storage.list(STORE_DIRECTORY)).filter((name) => name.endsWith('.journal'));
    expect(left).toHaveLength(1);
    disk.faults = undefined;
    await store.close();
  });

  it('whose files cannot be removed is true all the same, and the next one tries again', async () => {
    const disk = new SimulatedDisk({ seed: 7, directories: ['/data'] });
    const storage = disk.life();
    const old = await openTinyStore(storage);
    for (let i = 0; i < 40; i++) await old.put(`k${i}`, 'x'.repeat(200));
    await old.close();
    const store = await openTinyStore(storage);
    disk.faults = ({ name, path }) =>
      name === 'remove' && path.endsWith('.journal') ? { errno: 'EIO' } : undefined;
    await store.checkpoint();
    expect(store.stats().checkpoints).toMatchObject({ completed: 1, retireFailure: { code: 'KEELSON_IO' } });
    disk.faults = undefined;
    await store.checkpoint();
    expect(store.stats().checkpoints?.retireFailure).toBe(null);
    const left = (await storage.list(STORE_DIRECTORY)).filter((name) => name.endsWith('.journal'));
    expect(left).toHaveLength(1);
    await store.close();
  });
});

describe('opening', () => {
  // A dead first commit, landing late from a killed life, was read as the store's birth.
  it('takes what a store is from what counts, not from a commit that a lineage has declared dead', async () => {
    const disk = new SimulatedDisk({ seed: 8, directories: ['/data'] });
    const first = disk.life();
    let birth: ReturnType<SimulatedDisk['capture']> | null = null;
    disk.onBoundary = ({ phase, operation }) => {
      if (phase === 'submit' && operation === 'submit') birth ??= disk.capture();
    };
    openTinyStore(first).catch(() => {});
    await turnsUntil(() => birth !== null);
    const before = birth!;
    disk.onBoundary = undefined;
    disk.halt();
    let other = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const found = before.processKill(seed);
      const storage = found.life();
      const json = await openTinyStore(storage, { valueEncoding: 'json' }).catch(() => null);
      if (json === null) continue;
      other++;
      await json.put('b', 2);
      await json.close();
      await turnsUntil(() => found.inFlight().length === 0);
      const again = await openTinyStore(found.life(), { valueEncoding: 'json' });
      expect(again.get('b')).toBe(2);
      await again.close();
      found.halt();
    }
    expect(other).toBeGreaterThan(0);
  });

  // Two loops of twenty tries, one inside the other, read a damaged store four hundred times.
  it('read-only says of a damaged store that it is damaged, after looking twice', async () => {
    const disk = new SimulatedDisk({ seed: 9, directories: ['/data'] });
    const storage = disk.life();
    const store = await openTinyStore(storage);
    for (let i = 0; i < 5; i++) await store.put(`k${i}`, i);
    await store.close();
    const file = await storage.openFile(`${STORE_DIRECTORY}/000000000001.journal`, true);
    await file.write(new Uint8Array(16).fill(1), 1030);
    await file.close();
    let opened = 0;
    disk.onBoundary = ({ phase, operation }) => {
      if (phase === 'submit' && operation === 'openFile') opened++;
    };
    const refused = openTinyStore(disk.life(), { readOnly: true });
    await expect(refused).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
    expect(opened).toBeLessThan(12);
  });
});
