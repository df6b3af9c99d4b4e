// The clock of a simulated machine: time passes when a script says so, and timers fire then.

import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';

const CUT = { profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed: 1 } as const;

describe('the clock of a simulated machine', () => {
  test('fires timers when it is advanced, in the order in which they come due', () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const storage = disk.life();
    const fired: string[] = [];
    storage.startTimer(20, () => fired.push('twenty'));
    storage.startTimer(10, () => {
      fired.push('ten');
      storage.startTimer(5, () => fired.push('fifteen'));
    });
    const never = storage.startTimer(12, () => fired.push('never'));
    never.cancel();
    never.cancel();
    disk.advanceClock(9);
    expect(fired).toEqual([]);
    disk.advanceClock(20);
    expect(fired).toEqual(['ten', 'fifteen', 'twenty']);
    expect(disk.timers).toBe(0);
  });

  test('sets the wall clock back and forward, and never other time', () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const storage = disk.life();
    const [before, wallBefore] = [storage.nowMs(), storage.wallMs()];
    disk.shiftWallClock(-1000);
    expect(storage.wallMs()).toBeLessThanOrEqual(wallBefore - 999);
    expect(storage.nowMs()).toBeGreaterThan(before);
    disk.advanceClock(5000);
    expect(storage.nowMs()).toBeGreaterThanOrEqual(before + 5000);
    expect(storage.wallMs()).toBeGreaterThanOrEqual(wallBefore + 4000);
  });

  test('goes on after a crash, and the timers of processes that have ended never fire', () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const [killed, ended, halted] = [disk.life(), disk.life(), disk.life()];
    const fail = () => {
      throw new Error('a timer of a process that has ended');
    };
    for (const storage of [killed, ended, halted]) storage.startTimer(1, fail);
    disk.killLife(killed);
    disk.endLife(ended);
    killed.startTimer(1, fail);
    expect(disk.timers).toBe(1);
    const wallMs = disk.life().wallMs();
    const after = disk.capture().powerCut(CUT);
    expect(after.life().wallMs()).toBeGreaterThanOrEqual(wallMs);
    disk.halt();
    disk.advanceClock(10);
    expect(after.timers).toBe(0);
  });
});
