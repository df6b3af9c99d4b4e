// The facts of the simulated disk: what a power cut takes of the contents of files, and what it never takes.

import { describe, expect, test } from 'vitest';
import {
  contents,
  durableFile,
  foundAfterCuts,
  isSeenBeforeItCompletes,
  letters,
  newDisk,
  SECTOR_BYTES,
  SEEDS,
  sectors,
  submitted,
  viewOf,
} from './disk-tools.js';

describe('contents and power cuts', () => {
  test('what was written and not flushed may vanish and may survive', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), 0);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a', 'b']));
  });

  test('what was flushed never vanishes', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 2);
    await file.write(sectors(2, 98), 0);
    await file.flush();
    expect(disk.capture().pendingUnits()).toBe(0);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['bb']));
  });

  test('a flush does not cover a write that had not completed when it was submitted', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    const writing = file.write(sectors(1, 98), 0);
    file.flushSync();
    await writing;
    expect(await viewOf(file)).toBe('b');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a', 'b']));
  });

  test('a flush under way does not take in a write that completes before it does', async () => {
    const found = new Set<string | null>();
    for (let seed = 1; seed <= 30; seed += 1) {
      const { disk, storage } = newDisk(undefined, seed);
      const file = await durableFile(storage, '/d/f', 1);
      const flushing = file.flush();
      file.writeSync(sectors(1, 98), 0);
      await flushing;
      for (const each of await foundAfterCuts(disk.capture(), '/d/f')) found.add(each);
    }
    expect(found).toEqual(new Set(['a', 'b']));
  });

  test('a durable write makes its own range durable, and nothing else', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 2);
    await file.write(sectors(1, 98), 0);
    expect(await submitted(storage, file, 99, SECTOR_BYTES)).toBeNull();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['ac', 'bc']));
  });

  test('a write of several sectors is found torn', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 3);
    await file.write(sectors(3, 98), 0);
    const found = await foundAfterCuts(disk.capture(), '/d/f');
    expect(found).toEqual(new Set(['aaa', 'aab', 'aba', 'abb', 'baa', 'bab', 'bba', 'bbb']));
  });

  test('a later write survives where an earlier one does not', async () => {
    const { disk, storage } = newDisk();
    const first = await durableFile(storage, '/d/first', 1);
    const second = await durableFile(storage, '/d/second', 1);
    await first.write(sectors(1, 98), 0);
    await second.write(sectors(1, 98), 0);
    let isReordered = false;
    for (const choice of disk.capture().powerCuts({ profile: 'prefix', budget: 16, seed: 1 })) {
      const found = disk.capture().powerCut(choice);
      const pair = [letters(await contents(found, '/d/first')), letters(await contents(found, '/d/second'))];
      isReordered ||= pair.join('') === 'ab';
    }
    expect(isReordered).toBe(true);
  });

  test('of a sector written several times any version may be found', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    for (const fill of [98, 99, 100]) await file.write(sectors(1, fill), 0);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  test('a flush does not cover a write that reads see already and that has not completed', async () => {
    const found = new Set<string | null>();
    for (let seed = 1; seed <= 40; seed += 1) {
      const { disk, storage } = newDisk(undefined, seed);
      const file = await durableFile(storage, '/d/f', 1);
      if (!(await isSeenBeforeItCompletes(disk, file))) continue;
      file.flushSync();
      for (const each of await foundAfterCuts(disk.capture(), '/d/f')) found.add(each);
    }
    expect(found).toEqual(new Set(['a', 'b', '?']));
  });

  test('an older write still in flight never comes back over a newer one that was flushed', async () => {
    let seenCount = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const { disk, storage } = newDisk(undefined, seed);
      const file = await durableFile(storage, '/d/f', 1);
      if (!(await isSeenBeforeItCompletes(disk, file))) continue;
      seenCount += 1;
      file.writeSync(sectors(1, 99), 0);
      file.flushSync();
      expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['c']));
    }
    expect(seenCount).toBeGreaterThan(0);
  });

  test('a sector in flight may be old, new, or damaged', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    disk.pause();
    file.submit(
      { bytes: storage.allocate(SECTOR_BYTES).fill(98), position: 0, checksums: null },
      () => undefined,
    );
    const state = disk.capture();
    for (const grain of ['sector', 'write'] as const) {
      const found = new Set<string | null>();
      for (const seed of SEEDS) {
        const cut = state.powerCut({ profile: 'strict', grain, pattern: 'random', index: 0, seed });
        found.add(letters(await contents(cut, '/d/f')));
      }
      expect(found).toEqual(new Set(['a', 'b', '?']));
    }
  });

  test('a hole that was flushed reads as zeros after a power cut', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await storage.flushDirectory('/d');
    await file.write(sectors(1, 98), SECTOR_BYTES);
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['0b']));
  });

  test('what was written behind the size that survived never shows when the file grows again', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await storage.flushDirectory('/d');
    await file.write(sectors(1, 98).subarray(0, 100), 0);
    await file.write(sectors(2, 98), 0);
    let shortCount = 0;
    for (const seed of SEEDS) {
      const cut = disk
        .capture()
        .powerCut({ profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed });
      const after = await cut.life().openFile('/d/f', true);
      if ((await after.size()) !== 100) continue;
      shortCount += 1;
      await after.write(sectors(1, 99), 2 * SECTOR_BYTES);
      const behind = new Uint8Array(2 * SECTOR_BYTES - 100);
      await after.read(behind, 100);
      expect(behind.every((byte) => byte === 0)).toBe(true);
    }
    expect(shortCount).toBeGreaterThan(0);
  });

  test('a size may become durable without its data, which is then garbage and not zeros', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createFile('/d/f');
    await storage.flushDirectory('/d');
    await file.write(sectors(1, 98), 0);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['', 'b', '?']));
  });

  test('zeros that were filled in and not flushed are not there for certain', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createLogFile('/d/f');
    await storage.flushDirectory('/d');
    await file.zeroFill(0, SECTOR_BYTES);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['', '0', '?']));
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['0']));
  });

  test('space that was never written may hold the bytes of another file', async () => {
    const { disk, storage } = newDisk();
    await durableFile(storage, '/d/old', 1);
    await storage.remove('/d/old');
    await storage.flushDirectory('/d');
    const file = await storage.createLogFile('/d/f');
    await storage.flushDirectory('/d');
    await file.write(sectors(1, 98), 0);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['', 'b', 'a', '?']));
  });

  test('a durable write behind the end vouches for itself and not for the space below it', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createLogFile('/d/f');
    await storage.flushDirectory('/d');
    await file.zeroFill(0, SECTOR_BYTES);
    expect(await submitted(storage, file, 98, SECTOR_BYTES)).toBeNull();
    const found = await foundAfterCuts(disk.capture(), '/d/f');
    expect(found.has('?b') && found.has('0b')).toBe(true);
    expect([...found].every((text) => text?.endsWith('b') && text.length === 2)).toBe(true);
  });

  test('a file that is used again holds its old bytes, and what is written over them may not survive', async () => {
    const { disk, storage } = newDisk();
    await (await durableFile(storage, '/d/old', 3)).close();
    await storage.rename('/d/old', '/d/f');
    await storage.flushDirectory('/d');
    const file = await storage.openLogFile('/d/f');
    expect(await viewOf(file)).toBe('aaa');
    await file.zeroFill(0, SECTOR_BYTES);
    expect(await submitted(storage, file, 98, SECTOR_BYTES)).toBeNull();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['aba', '0ba']));
  });
});
