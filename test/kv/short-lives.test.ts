// Programs that open a store, write once and end, over and over. Each life left a file of 1 MiB, and the checkpoint that
// sixteen of them made due was aborted by the close of each life: 15 MiB after 15 lives of one key, and no end.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { open, verify } from '../../src/index.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { tries } from '../counts.js';

const MIB = 2 ** 20;
const STAT_BLOCK_BYTES = 512;
const LIVES = tries(40, 100);

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-short-'));
});

afterEach(() => fs.rmSync(directory, { recursive: true }));

/** Bytes of all files by their sizes, and as they take them on the disk: whichever is more. */
function bytesIn(at: string): number {
  let bySize = 0;
  let onDisk = 0;
  for (const name of fs.readdirSync(at)) {
    const { size, blocks } = fs.statSync(path.join(at, name));
    bySize += size;
    onDisk += blocks * STAT_BLOCK_BYTES;
  }
  return Math.max(bySize, onDisk);
}

describe.each(['fs', 'auto'] as const)('many lives that write once, on the engine %s', (engine) => {
  test.each([
    ['awaited', true],
    ['left to close()', false],
  ])('leave at most 2 MiB, after each of them: %s', async (_, isAwaited) => {
    let largest = 0;
    for (let life = 0; life < LIVES; life++) {
      const db = await open<number>(directory, { engine });
      expect(db.get('key')).toBe(life === 0 ? undefined : life - 1);
      const put = db.put('key', life);
      if (isAwaited) await put;
      await db.close();
      largest = Math.max(largest, bytesIn(directory));
    }
    expect(largest).toBeLessThan(2 * MIB);
    // Sixteen of them, and an image, are as much as there ever is.
    expect(fs.readdirSync(directory).length).toBeLessThan(25);
    expect(await verify(directory)).toMatchObject({ ok: true, entries: 1, damages: [] });
  });
});

describe('a close', () => {
  async function openTiny(disk: SimulatedDisk) {
    const options = resolveStoreOptions({});
    return openStoreOn(disk.life(), '/store', options, {
      blockBytes: 512,
      segmentBytesMin: 4096,
      segmentBytesMax: 4096,
    });
  }

  async function livesOf(disk: SimulatedDisk, count: number, value: unknown): Promise<void> {
    for (let life = 0; life < count; life++) {
      const db = await openTiny(disk);
      await db.put(`key ${life}`, value);
      await db.close();
    }
  }

  const imagesOn = async (disk: SimulatedDisk) =>
    (await disk.life().list('/store')).filter((name) => name.includes('.image'));

  test('waits for a small checkpoint that many lives have made due', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    await livesOf(disk, 16, 1);
    expect(await imagesOn(disk)).toEqual([]);
    await livesOf(disk, 1, 1);
    expect(await imagesOn(disk)).toEqual([expect.stringMatching(/\.image$/)]);
  });

  test('aborts a checkpoint that has much to write', async () => {
    const disk = new SimulatedDisk({ seed: 2 });
    await livesOf(disk, 18, new Uint8Array(70_000));
    expect(await imagesOn(disk)).toEqual([]);
  });

  // It never came to an end: each close aborted it, and files gathered for ever.
  test('waits for a larger checkpoint when more lives have made it due', async () => {
    const disk = new SimulatedDisk({ seed: 5 });
    const db = await openTiny(disk);
    const value = new Uint8Array(70_000);
    await db.batch(Array.from({ length: 20 }, (_, at) => ({ type: 'put', key: `large ${at}`, value })));
    await db.close();
    await livesOf(disk, 16, 1);
    expect(await imagesOn(disk)).toEqual([]);
    await livesOf(disk, 12, 1);
    expect(await imagesOn(disk)).toEqual([expect.stringMatching(/\.image$/)]);
  });

  test('aborts a checkpoint that was asked for', async () => {
    const disk = new SimulatedDisk({ seed: 3 });
    await livesOf(disk, 16, 1);
    const db = await openTiny(disk);
    const checkpoint = db.checkpoint();
    await Promise.all([expect(checkpoint).rejects.toMatchObject({ code: 'KEELSON_ABORTED' }), db.close()]);
  });

  test('is not held up by a disk that has no room for that checkpoint', async () => {
    const disk = new SimulatedDisk({ seed: 4 });
    await livesOf(disk, 16, 1);
    disk.faults = ({ name, path: at }) =>
      name === 'createFile' && at.includes('.image') ? { errno: 'ENOSPC' } : undefined;
    await livesOf(disk, 2, 1);
    disk.faults = undefined;
    const db = await openTiny(disk);
    expect([...db.keys()]).toHaveLength(16);
    await db.close();
  });
});

// A file that something cut short, with a damaged block at its new end, looks the same, and verify() had called it sound.
test('a file that a close has cut, and that has lost its seal, opens and is damaged for verify()', async () => {
  const db = await open<number>(directory);
  await db.put('a', 1);
  await db.close();
  expect((await verify(directory)).ok).toBe(true);
  const file = path.join(directory, '000000000001.journal');
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(file, bytes.fill(0, bytes.length - 4096));
  expect((await verify(directory)).ok).toBe(false);
  const again = await open<number>(directory);
  expect([again.get('a'), again.recovery.tornWhy]).toEqual([1, expect.stringMatching(/is not its seal/)]);
  await again.close();
});
