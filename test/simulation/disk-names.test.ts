// The facts of the simulated disk: what a power cut takes of names, and what it never takes.

import { describe, expect, test } from 'vitest';
import { durableFile, foundAfterCuts, namesAfterCuts, newDisk, SEEDS, sectors } from './disk-tools.js';

describe('names and power cuts', () => {
  test('a name vanishes without a flush of its directory, even when its file was flushed', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await file.write(sectors(1, 98), 0);
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set([null, 'b']));
    await storage.flushDirectory('/d');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['b']));
  });

  test('flushing a directory persists names, not contents', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await file.write(sectors(1, 98), 0);
    await storage.flushDirectory('/d');
    expect((await foundAfterCuts(disk.capture(), '/d/f')).has('')).toBe(true);
  });

  test('a rename is atomic: the old file or the new one, under either profile', async () => {
    for (const profile of ['prefix', 'strict'] as const) {
      const { disk, storage } = newDisk();
      await durableFile(storage, '/d/target', 1);
      const file = await durableFile(storage, '/d/temp', 1);
      await file.write(sectors(1, 98), 0);
      await file.flush();
      await storage.rename('/d/temp', '/d/target');
      expect(await foundAfterCuts(disk.capture(), '/d/target', profile)).toEqual(new Set(['a', 'b']));
      expect(await namesAfterCuts(disk.capture(), profile)).toEqual(new Set(['target', 'target temp']));
    }
  });

  test('a rename into another directory is in one of them after a power cut, never in both or none', async () => {
    for (const profile of ['prefix', 'strict'] as const) {
      const { disk, storage } = newDisk();
      await storage.makeDirectory('/d/sub');
      await durableFile(storage, '/d/f', 1);
      await storage.rename('/d/f', '/d/sub/f');
      const found = new Set<string>();
      for (const seed of SEEDS) {
        const choice = { profile, grain: 'sector', pattern: 'random', index: 0, seed } as const;
        const after = disk.capture().powerCut(choice).life();
        found.add(`${await after.kind('/d/f')} ${await after.kind('/d/sub/f')}`);
      }
      expect(found).toEqual(new Set(['file absent', 'absent file']));
    }
  });

  test('a flush of either directory makes the whole of a rename between the two durable', async () => {
    for (const flushed of ['/d', '/d/sub']) {
      const { disk, storage } = newDisk();
      await storage.makeDirectory('/d/sub');
      await durableFile(storage, '/d/f', 1);
      await storage.rename('/d/f', '/d/sub/f');
      await storage.flushDirectory(flushed);
      expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set([null]));
      expect(await foundAfterCuts(disk.capture(), '/d/sub/f')).toEqual(new Set(['a']));
    }
  });

  test('a flush of a directory does not cover a name that changes while it is under way', async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) {
      const { disk, storage } = newDisk(undefined, seed);
      const flushing = storage.flushDirectory('/d');
      storage.createLogFileSync('/d/f');
      await flushing;
      for (const names of await namesAfterCuts(disk.capture(), 'strict')) found.add(names);
    }
    expect(found).toEqual(new Set(['', 'f']));
  });

  test('names survive in order in the profile prefix, and in any selection in the strict one', async () => {
    const { disk, storage } = newDisk();
    for (const name of ['a', 'b']) await (await storage.createFile(`/d/${name}`)).close();
    expect(await namesAfterCuts(disk.capture(), 'prefix')).toEqual(new Set(['', 'a', 'a b']));
    expect(await namesAfterCuts(disk.capture(), 'strict')).toEqual(new Set(['', 'a', 'b', 'a b']));
  });

  test('a removed name may come back with its contents until the directory is flushed', async () => {
    const { disk, storage } = newDisk();
    await durableFile(storage, '/d/f', 1);
    await storage.remove('/d/f');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set([null, 'a']));
    await storage.flushDirectory('/d');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set([null]));
  });

  test('a directory that was made vanishes with all that is in it when its parent was not flushed', async () => {
    const { disk, storage } = newDisk();
    await storage.makeDirectory('/d/sub');
    const file = await storage.createFile('/d/sub/f');
    await file.write(sectors(1, 98), 0);
    await file.flush();
    await storage.flushDirectory('/d/sub');
    expect(await foundAfterCuts(disk.capture(), '/d/sub/f')).toEqual(new Set([null, 'b']));
    await storage.flushDirectory('/d');
    expect(await foundAfterCuts(disk.capture(), '/d/sub/f')).toEqual(new Set(['b']));
  });
});
