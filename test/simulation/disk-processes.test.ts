// The facts of the simulated disk: what a process kill takes, and who lives.

import { describe, expect, test } from 'vitest';
import {
  contents,
  durableFile,
  foundAfterCuts,
  isSeenBeforeItCompletes,
  letters,
  newDisk,
  SEEDS,
  sectors,
  viewOf,
} from './disk-tools.js';

describe('processes', () => {
  test('a process kill keeps what reads saw, durable or not', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await file.write(sectors(2, 98), 0);
    for (const seed of SEEDS) {
      expect(letters(await contents(disk.capture().processKill(seed), '/d/f'))).toBe('bb');
    }
  });

  test('what a killed process wrote and never flushed can still be lost by a power cut in the next life', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), 0);
    const next = disk.capture().processKill(1);
    expect(await foundAfterCuts(next.capture(), '/d/f')).toEqual(new Set(['a', 'b']));
  });

  test('a write in flight when its process is killed is lost, lands, or lands in the next life', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    disk.pause();
    void file.write(sectors(1, 98), 0);
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const next = disk.capture().processKill(seed);
      const reader = await next.life().openFile('/d/f', false);
      const before = await viewOf(reader);
      for (let look = 0; look < 20; look += 1) await reader.size();
      seen.add(`${before} ${await viewOf(reader)}`);
    }
    expect(seen).toEqual(new Set(['a a', 'b b', 'a b']));
  });

  test('a name in flight when its process is killed is there or not, and then stays so', async () => {
    const { disk, storage } = newDisk();
    disk.pause();
    void storage.createFile('/d/f');
    const state = disk.capture();
    const kinds = await Promise.all(SEEDS.map((seed) => state.processKill(seed).life().kind('/d/f')));
    expect(new Set(kinds)).toEqual(new Set(['file', 'absent']));
  });

  test('the next life can flush what a killed one left in the view', async () => {
    let seenCount = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const { disk, storage } = newDisk(undefined, seed);
      const file = await durableFile(storage, '/d/f', 1);
      if (!(await isSeenBeforeItCompletes(disk, file))) continue;
      seenCount += 1;
      disk.killLife(storage);
      disk.resume();
      const next = await disk.life().openFile('/d/f', true);
      await next.flush();
      expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['b']));
    }
    expect(seenCount).toBeGreaterThan(0);
  });

  test('killing one process on a disk tells it nothing, and leaves the others alone', async () => {
    const { disk, storage } = newDisk();
    const other = disk.life();
    const file = await durableFile(storage, '/d/f', 1);
    const others = await other.openFile('/d/f', true);
    let isTold = false;
    const hear = (): void => {
      isTold = true;
    };
    file.write(sectors(1, 98), 0).then(hear, hear);
    disk.killLife(storage);
    storage.list('/d').then(hear, hear);
    await others.write(sectors(1, 99), 0);
    for (let look = 0; look < 20; look += 1) await others.size();
    expect(isTold).toBe(false);
    expect(await viewOf(others)).toMatch(/[bc]/);
    expect(() => file.flushSync()).toThrow('killed');
    expect(disk.openFiles()).toEqual(['/d/f']);
  });

  test('an identity is live while its process lives, and dead for ever after', async () => {
    const { disk, storage } = newDisk();
    const other = disk.life();
    expect(other.liveness(storage.processIdentity)).toBe('live');
    expect(other.processIdentity.pid).not.toBe(storage.processIdentity.pid);
    disk.killLife(storage);
    expect(other.liveness(storage.processIdentity)).toBe('dead');
    const third = disk.life();
    // The pid is used again; the start time is not.
    expect(third.processIdentity.pid).toBe(storage.processIdentity.pid);
    expect(third.liveness(storage.processIdentity)).toBe('dead');
    disk.endLife(other);
    expect(third.liveness(other.processIdentity)).toBe('dead');
    expect(third.liveness({ ...other.processIdentity, pidNamespace: 'elsewhere' })).toBe('unknown');
  });

  test('after a crash everybody who lived is dead, and a power cut begins a new boot', async () => {
    const { disk, storage } = newDisk();
    const killed = disk.capture().processKill(1).life();
    expect(killed.liveness(storage.processIdentity)).toBe('dead');
    expect(killed.processIdentity.bootId).toBe(storage.processIdentity.bootId);
    const choice = { profile: 'prefix', grain: 'write', pattern: 'none', index: 0, seed: 1 } as const;
    const booted = disk.capture().powerCut(choice).life();
    expect(booted.liveness(storage.processIdentity)).toBe('dead');
    expect(booted.processIdentity.bootId).not.toBe(storage.processIdentity.bootId);
    expect(booted.randomBytes(16)).not.toEqual(storage.randomBytes(16));
  });

  test('files that were not closed are told', async () => {
    const { disk, storage } = newDisk();
    const one = await storage.createFile('/d/one');
    await storage.createFile('/d/two');
    await one.close();
    expect(disk.openFiles()).toEqual(['/d/two']);
  });
});
