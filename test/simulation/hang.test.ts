// Work that never settles is told, and work that takes its time is not.

import { describe, expect, test } from 'vitest';
import { settledOrHung } from '../../src/testing/hang.js';
import { HangError, SimulatedDisk } from '../../src/testing/index.js';

const IDLE_TURNS_MAX = 100;

function newDisk(): SimulatedDisk {
  return new SimulatedDisk({ seed: 1, directories: ['/d'] });
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('work on a simulated disk', () => {
  test('that waits for nothing hangs', async () => {
    const waiting = settledOrHung(new Promise(() => {}), newDisk(), IDLE_TURNS_MAX);
    await expect(waiting).rejects.toThrow(HangError);
    await expect(waiting).rejects.toThrow('nothing is under way');
  });

  test('that waits for a disk which does nothing hangs, with what is under way', async () => {
    const disk = newDisk();
    disk.pause();
    const waiting = settledOrHung(disk.life().list('/d'), disk, IDLE_TURNS_MAX);
    await expect(waiting).rejects.toThrow('under way, and stalled, are list /d');
  });

  test('that asks the disk again and again without end hangs', async () => {
    const disk = newDisk();
    const storage = disk.life();
    let isEnded = false;
    const asking = async (): Promise<void> => {
      while (!isEnded) await storage.list('/d');
    };
    await expect(settledOrHung(asking(), disk, IDLE_TURNS_MAX, 500)).rejects.toThrow('steps of the disk');
    isEnded = true;
  });

  test('that goes on between pauses, or ends before the last of so many turns, does not', async () => {
    const disk = newDisk();
    const storage = disk.life();
    const slow = async (): Promise<string> => {
      for (let step = 0; step < 10; step += 1) {
        await turns(IDLE_TURNS_MAX - 10);
        await storage.list('/d');
      }
      return 'done';
    };
    await expect(settledOrHung(slow(), disk, IDLE_TURNS_MAX)).resolves.toBe('done');
    await expect(settledOrHung(turns(300), disk, Number.POSITIVE_INFINITY)).resolves.toBeUndefined();
  });

  test('that fails has failed, and does not hang', async () => {
    const failing = settledOrHung(Promise.reject(new Error('no')), newDisk(), IDLE_TURNS_MAX);
    await expect(failing).rejects.toThrow('no');
  });
});
