// The facts of the simulated disk: order, seeds, boundaries, memory, and which crashes are tried.

import { describe, expect, test } from 'vitest';
import {
  contents,
  durableFile,
  foundAfterCuts,
  letters,
  newDisk,
  SECTOR_BYTES,
  sectors,
  submitted,
} from './disk-tools.js';

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
    file.submit({ bytes, position: 0, checksums: null }, () => {
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
    const writing = new Promise((resolve) => file.submit({ bytes, position: 0, checksums: null }, resolve));
    bytes[0] = 1;
    expect(await writing).toMatchObject({ code: 'KEELSON_INVARIANT' });
  });

  test('a durable write of foreign memory, or of a part of a block, is a broken invariant', async () => {
    const { storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    const submit = (bytes: Uint8Array, position: number) => () =>
      file.submit({ bytes, position, checksums: null }, () => undefined);
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

// A flush made writes durable first and truncations then, so that a power cut took what was written behind a truncation;
// and it made truncations durable that came after it.
describe('a flush after a truncation', () => {
  test('keeps what was written behind it', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 3);
    await file.truncate(SECTOR_BYTES);
    await file.write(sectors(1, 98), SECTOR_BYTES);
    await file.flush();
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['ab']));
  });

  test('does not cover a truncation that came after its submission', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 2);
    await file.write(sectors(1, 98), 0);
    disk.pause();
    const flushing = file.flush();
    disk.resume();
    const cutting = file.truncate(SECTOR_BYTES);
    await flushing;
    await cutting;
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['ba', 'b']));
  });

  test('zeros the rest of the last sector, which a later growth shows', async () => {
    const { disk, storage } = newDisk();
    const file = await durableFile(storage, '/d/f', 1);
    await file.truncate(100);
    await file.write(sectors(1, 98), SECTOR_BYTES);
    await file.flush();
    // The first sector is 100 times 'a', and zeros.
    expect(await foundAfterCuts(disk.capture(), '/d/f')).toEqual(new Set(['?b']));
  });
});
