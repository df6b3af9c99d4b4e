// The facts of the simulated disk: what a power cut and a process kill may take, and what they never take.

import { describe, expect, test } from 'vitest';
import type { LogFile, Storage, StorageFile } from '../../src/storage/index.js';
import { type DiskState, type FaultRule, SimulatedDisk } from '../../src/testing/index.js';

const SECTOR_BYTES = 512;
const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

function newDisk(faults?: FaultRule, seed = 1): { disk: SimulatedDisk; storage: Storage } {
  const disk = new SimulatedDisk({ seed, directories: ['/d'], ...(faults ? { faults } : {}) });
  return { disk, storage: disk.life() };
}

function sectors(count: number, fill: number): Uint8Array {
  return new Uint8Array(count * SECTOR_BYTES).fill(fill);
}

/** A file whose name and `count` sectors of 'a' are durable. */
async function durableFile(storage: Storage, path: string, count: number): Promise<LogFile> {
  const file = await storage.createLogFile(path);
  await file.write(sectors(count, 97), 0);
  await file.flush();
  await storage.flushDirectory('/d');
  return file;
}

/** Waits for a durable write; its error, or null. */
function submitted(storage: Storage, file: LogFile, fill: number, position = 0): Promise<Error | null> {
  const bytes = storage.allocate(SECTOR_BYTES).fill(fill);
  return new Promise((resolve) => file.submit({ bytes, position, seal: null }, resolve));
}

async function contents(disk: SimulatedDisk, path: string): Promise<Uint8Array | null> {
  const storage = disk.life();
  if ((await storage.kind(path)) !== 'file') return null;
  const file = await storage.openFile(path, false);
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** The first byte of every sector: a, b, … for what a test wrote, ? for a sector that is not of one byte. */
function letters(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  let text = '';
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES);
    const first = sector[0] as number;
    text += sector.every((byte) => byte === first) ? (first === 0 ? '0' : String.fromCharCode(first)) : '?';
  }
  return text;
}

/** What is found at `path` after many different power cuts. */
async function foundAfterCuts(
  state: DiskState,
  path: string,
  profile: 'prefix' | 'strict' = 'strict',
): Promise<Set<string | null>> {
  const found = new Set<string | null>();
  for (const seed of SEEDS) {
    for (const grain of ['sector', 'write'] as const) {
      const disk = state.powerCut({ profile, grain, pattern: 'random', index: 0, seed });
      found.add(letters(await contents(disk, path)));
    }
  }
  return found;
}

async function namesAfterCuts(state: DiskState, profile: 'prefix' | 'strict'): Promise<Set<string>> {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = state.powerCut({ profile, grain: 'sector', pattern: 'random', index: 0, seed });
    found.add((await disk.life().list('/d')).sort().join(' '));
  }
  return found;
}

/** Starts a write of 'b', and waits until reads see it. True when it has not completed by then. */
async function isSeenBeforeItCompletes(disk: SimulatedDisk, file: LogFile): Promise<boolean> {
  void file.write(sectors(1, 98), 0);
  while (disk.inFlight().length > 0) {
    // In flight, and a process kill keeps it whatever the seed: so it has reached the view.
    const kills = SEEDS.slice(0, 20).map((seed) => contents(disk.capture().processKill(seed), '/d/f'));
    disk.pause();
    if ((await Promise.all(kills)).every((bytes) => letters(bytes) === 'b')) return true;
    disk.resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

/** The letters that the view shows now. */
async function viewOf(file: StorageFile): Promise<string | null> {
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  return letters(bytes);
}

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
    file.submit({ bytes: storage.allocate(SECTOR_BYTES).fill(98), position: 0, seal: null }, () => undefined);
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
});

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
      file.submit({ bytes, position: 0, seal: null }, (_, memoryIsFree) => resolve(memoryIsFree));
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
});

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

describe('order and seeds', () => {
  test('operations under way at the same time complete in an order that the seed chooses', async () => {
    const orders = new Map<number, string>();
    for (const seed of [1, 2, 3, 4, 5, 6, 1]) {
      const { storage } = newDisk(undefined, seed);
      const done: number[] = [];
      await Promise.all(
        [0, 1, 2, 3, 4].map(async (index) => {
          await (await storage.createFile(`/d/${index}`)).close();
          done.push(index);
        }),
      );
      const order = done.join(' ');
      if (orders.has(seed)) expect(order).toBe(orders.get(seed));
      orders.set(seed, order);
    }
    expect(new Set(orders.values()).size).toBeGreaterThan(2);
  });

  test('one seed gives one history, whether or not anybody captures it', async () => {
    const run = async (isCaptured: boolean): Promise<string[]> => {
      const { disk, storage } = newDisk(undefined, 9);
      const history: string[] = [];
      disk.onBoundary = ({ index, phase, operation, path }) => {
        history.push(`${index} ${phase} ${operation} ${path}`);
        if (isCaptured) disk.capture();
      };
      const files = await Promise.all(['a', 'b', 'c'].map((name) => storage.createLogFile(`/d/${name}`)));
      await Promise.all(files.map((file) => file.write(sectors(3, 98), 0)));
      await storage.rename('/d/a', '/d/b');
      await Promise.all(files.map((file) => file.flush()));
      await storage.flushDirectory('/d');
      const choice = { profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed: 3 } as const;
      history.push(String(letters(await contents(disk.capture().powerCut(choice), '/d/b'))));
      return [...history, String(storage.randomBytes(8))];
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test('every operation has a boundary at its submission and at its completion, blocking ones too', async () => {
    const { disk, storage } = newDisk();
    const file = await storage.createLogFile('/d/f');
    const seen: string[] = [];
    disk.onBoundary = ({ phase, operation, path }) => seen.push(`${phase} ${operation} ${path}`);
    await file.write(sectors(1, 98), 0);
    file.flushSync();
    expect(seen).toEqual([
      'submit write /d/f',
      'complete write /d/f',
      'submit flush /d/f',
      'complete flush /d/f',
    ]);
  });

  test('a stalled disk completes nothing until it resumes', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    disk.pause();
    let isDone = false;
    const writing = submitted(storage, file, 98).then(() => {
      isDone = true;
    });
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    expect(disk.inFlight()).toEqual([{ name: 'submit', path: '/d/f' }]);
    disk.resume();
    await writing;
    expect(isDone).toBe(true);
  });

  test('drainSync completes the durable write under way, durably, and its done comes once', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    let doneCount = 0;
    const bytes = storage.allocate(SECTOR_BYTES).fill(98);
    file.submit({ bytes, position: 0, seal: null }, () => {
      doneCount += 1;
    });
    expect(doneCount).toBe(0);
    file.drainSync();
    expect(doneCount).toBe(1);
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['b']));
    await file.close();
    expect(doneCount).toBe(1);
  });

  test('memory that is changed while a durable write is under way is reported', async () => {
    const { storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    const bytes = storage.allocate(SECTOR_BYTES);
    const writing = new Promise((resolve) => file.submit({ bytes, position: 0, seal: null }, resolve));
    bytes[0] = 1;
    expect(await writing).toMatchObject({ code: 'KEELSON_INVARIANT' });
  });

  test('a durable write of foreign memory, or of a part of a block, is a broken invariant', async () => {
    const { storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    const submit = (bytes: Uint8Array, position: number) => () =>
      file.submit({ bytes, position, seal: null }, () => undefined);
    const broken = expect.objectContaining({ code: 'KEELSON_INVARIANT' });
    expect(submit(new Uint8Array(SECTOR_BYTES), 0)).toThrow(broken);
    expect(submit(storage.allocate(2 * SECTOR_BYTES).subarray(SECTOR_BYTES), 0)).toThrow(broken);
    expect(submit(storage.allocate(100), 0)).toThrow(broken);
    expect(submit(storage.allocate(SECTOR_BYTES), 100)).toThrow(broken);
  });

  test('up to 12 units every subset of them is tried, and never more than the budget', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 12);
    await file.write(sectors(12, 98), 0);
    const state = disk.capture();
    const found = new Set<string | null>();
    for (const choice of state.powerCuts({ profile: 'strict', budget: 4096, seed: 1 })) {
      found.add(letters(await contents(state.powerCut(choice), '/d/f')));
    }
    expect(found.size).toBe(4096);
    for (const budget of [1, 3, 100]) {
      expect([...state.powerCuts({ profile: 'strict', budget, seed: 1 })]).toHaveLength(budget);
    }
  });
});
