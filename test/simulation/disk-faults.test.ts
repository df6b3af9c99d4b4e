// The facts of the simulated disk: what is left when an operation fails, or succeeds and has done something else.

import { describe, expect, test } from 'vitest';
import type { Damage, FaultRule } from '../../src/testing/index.js';
import {
  contents,
  durableFile,
  foundAfterCuts,
  namesAfterCuts,
  newDisk,
  SECTOR_BYTES,
  sectors,
  submitted,
  viewOf,
} from './disk-tools.js';

describe('failing operations', () => {
  const firstFlushFails =
    (kind: 'dropped' | 'kept' | 'reverted'): FaultRule =>
    ({ name, nth }) =>
      name === 'flush' && nth === 2 ? { errno: 'EIO', kind } : undefined;

  test('after a failed flush of the kind dropped, a flush that succeeds makes nothing of it durable', async () => {
    const { disk, storage } = newDisk(firstFlushFails('dropped'));
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), 0);
    await expect(file.flush()).rejects.toMatchObject({ code: 'KEELSON_IO', facts: { errno: 'EIO' } });
    await file.flush();
    expect(await viewOf(file)).toBe('b');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a']));
  });

  test('after a failed flush of the kind kept, the next flush covers the data', async () => {
    const { disk, storage } = newDisk(firstFlushFails('kept'));
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), 0);
    await expect(file.flush()).rejects.toMatchObject({ code: 'KEELSON_IO' });
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a', 'b']));
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['b']));
  });

  test('after a failed flush of the kind reverted, reads see what is durable', async () => {
    const { disk, storage } = newDisk(firstFlushFails('reverted'));
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(2, 98), 0);
    await expect(file.flush()).rejects.toMatchObject({ code: 'KEELSON_IO' });
    expect(await viewOf(file)).toBe('a');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['a']));
  });

  test('a failed flush of the kind reverted leaves a write that came after it', async () => {
    const { disk, storage } = newDisk(firstFlushFails('reverted'));
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), 0);
    const flushing = file.flush();
    file.writeSync(sectors(1, 99), SECTOR_BYTES);
    await expect(flushing).rejects.toMatchObject({ code: 'KEELSON_IO' });
    expect(await viewOf(file)).toBe('ac');
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['ac']));
  });

  test('a failed durable write may be on the medium or not, and no later flush changes that', async () => {
    const found = new Set<string | null>();
    for (let seed = 1; seed <= 40; seed += 1) {
      const { disk, storage } = newDisk(
        ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined),
        seed,
      );
      const file = await durableFile(storage, '/d/f', 1);
      expect(await submitted(storage, file, 98)).toMatchObject({ code: 'KEELSON_IO' });
      await file.flush();
      const here = await foundAfterCuts(disk.capture(), '/d/f');
      expect(here.size).toBe(1);
      for (const each of here) found.add(each);
    }
    expect(found).toEqual(new Set(['a', 'b', '?']));
  });

  test('a durable write can fail without giving its memory back', async () => {
    const { storage } = newDisk(({ name }) =>
      name === 'submit' ? { errno: 'EIO', memoryIsFree: false } : undefined,
    );
    const file = await durableFile(storage, '/d/f', 1);
    const isFree = await new Promise((resolve) => {
      const bytes = storage.allocate(SECTOR_BYTES);
      file.submit({ bytes, position: 0, checksums: null }, (_, memoryIsFree) => resolve(memoryIsFree));
    });
    expect(isFree).toBe(false);
  });

  test('an operation that fails before it starts has no effect, and its error has the code of its errno', async () => {
    const { disk, storage } = newDisk();
    disk.faults = ({ name }) => (name === 'createFile' ? { errno: 'EMFILE' } : undefined);
    await expect(storage.createFile('/d/f')).rejects.toMatchObject({ code: 'KEELSON_NO_SPACE' });
    expect(await storage.list('/d')).toEqual([]);
    disk.faults = undefined;
    await (await storage.createFile('/d/f')).close();
    expect(await storage.list('/d')).toEqual(['f']);
  });

  test('a rule sees the operation, its path, its number and whether it blocks', async () => {
    const seen: string[] = [];
    const { storage } = newDisk(({ name, path, nth, sync, life }) => {
      seen.push(`${name} ${path} ${nth} ${sync} ${life}`);
      return undefined;
    });
    const file = await storage.createLogFile('/d/f');
    file.writeSync(sectors(1, 98), 0);
    await file.write(sectors(1, 98), 0);
    expect(seen).toEqual(['createLogFile /d/f 1 false 1', 'write /d/f 1 true 1', 'write /d/f 2 false 1']);
  });

  test('names whose flush failed and were dropped do not become durable by the next flush', async () => {
    const { disk, storage } = newDisk(({ name, nth }) =>
      name === 'flushDirectory' && nth === 1 ? { errno: 'EIO' } : undefined,
    );
    await (await storage.createFile('/d/f')).close();
    await expect(storage.flushDirectory('/d')).rejects.toMatchObject({ code: 'KEELSON_IO' });
    await storage.flushDirectory('/d');
    expect(await storage.list('/d')).toEqual(['f']);
    expect(await namesAfterCuts(disk.capture(), 'strict')).toEqual(new Set(['']));
  });

  test('a lost write reports success and leaves what was there', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 2);
    disk.faults = ({ name }) => (name === 'submit' ? { kind: 'lost' } : undefined);
    expect(await submitted(storage, file, 98)).toBeNull();
    expect(await viewOf(file)).toBe('aa');
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['aa']));
    // Behind the end there is nothing that could be left: the size is there, and garbage.
    expect(await submitted(storage, file, 98, 2 * SECTOR_BYTES)).toBeNull();
    expect(await viewOf(file)).toBe('aa?');
  });

  test('a misdirected write reports success and is at another place, durably', async () => {
    const found = new Set<string | null>();
    for (let seed = 1; seed <= 30; seed += 1) {
      const { disk, storage } = newDisk(
        ({ name }) => (name === 'submit' ? { kind: 'misdirected' } : undefined),
        seed,
      );
      const file = await durableFile(storage, '/d/f', 3);
      expect(await submitted(storage, file, 98)).toBeNull();
      const cut = await foundAfterCuts(disk.capture(), '/d/f');
      expect(cut).toEqual(new Set([await viewOf(file)]));
      for (const each of cut) found.add(each);
    }
    expect(found).toEqual(new Set(['baa', 'aba', 'aab']));
  });

  test('a silent fault of an operation that cannot have it is none', async () => {
    const { disk, storage } = newDisk(() => ({ kind: 'lost' }));
    await (await storage.createFile('/d/f')).close();
    await storage.flushDirectory('/d');
    expect(await namesAfterCuts(disk.capture(), 'strict')).toEqual(new Set(['f']));
  });
});

describe('a full disk', () => {
  const full = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });

  test('takes what fits, and fails with ENOSPC; what has its place already can be written again', async () => {
    const { disk, storage } = newDisk();
    disk.capacityBytes = 3 * SECTOR_BYTES;
    const file = await storage.createLogFile('/d/f');
    await file.zeroFill(0, 2 * SECTOR_BYTES);
    await expect(file.write(sectors(3, 98), SECTOR_BYTES)).rejects.toEqual(full);
    expect(await viewOf(file)).toBe('0bb');
    expect(disk.usedBytes()).toBe(3 * SECTOR_BYTES);
    expect(await submitted(storage, file, 99)).toBeNull();
    expect(() => file.zeroFillSync(3 * SECTOR_BYTES, 4 * SECTOR_BYTES)).toThrow(full);
    expect(await submitted(storage, file, 99, 3 * SECTOR_BYTES)).toMatchObject({ code: 'KEELSON_NO_SPACE' });
    disk.capacityBytes = 4 * SECTOR_BYTES;
    await file.zeroFill(3 * SECTOR_BYTES, 4 * SECTOR_BYTES);
    expect(await viewOf(file)).toBe('cbb0');
  });

  test('has room again when a file is removed and closed, and not before', async () => {
    const { disk, storage } = newDisk();
    disk.capacityBytes = SECTOR_BYTES;
    const file = await storage.createFile('/d/f');
    await file.write(sectors(1, 98), 0);
    await storage.remove('/d/f');
    const other = await storage.createFile('/d/g');
    await expect(other.write(sectors(1, 98), 0)).rejects.toEqual(full);
    await file.close();
    await other.write(sectors(1, 98), 0);
    expect(await viewOf(other)).toBe('b');
  });

  test('is as large after a crash', async () => {
    const { disk, storage } = newDisk();
    disk.capacityBytes = SECTOR_BYTES;
    await durableFile(storage, '/d/f', 1);
    for (const found of [
      disk.capture().processKill(1),
      disk.capture().powerCut({ profile: 'strict', grain: 'write', pattern: 'all', index: 0, seed: 1 }),
    ]) {
      const file = await found.life().createFile('/d/g');
      await expect(file.write(sectors(1, 98), 0)).rejects.toEqual(full);
    }
  });
});

describe('damage', () => {
  async function damaged(damage: Damage): Promise<string | null> {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    await file.write(sectors(1, 98), SECTOR_BYTES);
    await file.write(sectors(1, 99), 2 * SECTOR_BYTES);
    await file.flush();
    disk.damage(damage);
    const view = await viewOf(file);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set([view]));
    return view;
  }

  const place = { path: '/d/f', offset: 0, length: SECTOR_BYTES } as const;
  const other = { toPath: '/d/f', toOffset: 2 * SECTOR_BYTES } as const;

  test.each<[Damage, string]>([
    [{ kind: 'flip', ...place, bits: 1, seed: 1 }, '?bc'],
    [{ kind: 'garbage', ...place, seed: 1 }, '?bc'],
    [{ kind: 'zero', ...place }, '0bc'],
    [{ kind: 'swap', ...place, ...other }, 'cba'],
    [{ kind: 'copy', ...place, ...other }, 'aba'],
    [{ kind: 'truncate', path: '/d/f', sizeBytes: SECTOR_BYTES }, 'a'],
    [{ kind: 'truncate', path: '/d/f', sizeBytes: 0 }, ''],
  ])('%j is durable at once, and is all that has changed', async (damage, found) => {
    expect(await damaged(damage)).toBe(found);
  });

  test('turns over as many bits as it says, and none elsewhere', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 3);
    const before = await contents(disk, '/d/f');
    disk.damage({ kind: 'flip', path: '/d/f', offset: SECTOR_BYTES, length: 100, bits: 5, seed: 7 });
    const after = await contents(disk, '/d/f');
    const places = [...after!.keys()].filter((at) => after![at] !== before![at]);
    const bits = places.map((at) => (after![at]! ^ before![at]!).toString(2).replaceAll('0', '').length);
    expect(bits.reduce((sum, count) => sum + count)).toBe(5);
    expect(places.every((at) => at >= SECTOR_BYTES && at < SECTOR_BYTES + 100)).toBe(true);
    await file.close();
  });
});
