// Detects work that never settles. Counts turns of the event loop in which the disk has nothing to do, and steps of
// the disk. It measures no time.

import type { SimulatedDisk } from './simulated-disk.js';

/** Default limit of the turns of the event loop without a step of the disk. */
export const IDLE_TURNS_MAX = 10_000;
/** Limit of the steps of the disk for one workload, recovery or check. */
const STEPS_MAX = 2_000_000;

const NEXT_STEP =
  'Open every store with the open that is given: that of keelson writes to the real disk. For code that waits for timers or sockets, set idleTurnsMax: Infinity';

/** Error for work that never settles: the disk has nothing left to do, or its steps never end. */
export class HangError extends Error {
  /** Always 'HangError'. */
  override readonly name = 'HangError';
}

/**
 * Settles as `work` does, or rejects with a HangError. `idleTurnsMax` is the limit of turns without a step of the
 * disk; Infinity suits work that waits for timers or sockets, which the disk cannot see.
 */
export function settledOrHung<T>(
  work: Promise<T>,
  disk: SimulatedDisk,
  idleTurnsMax: number,
  stepsMax = STEPS_MAX,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    work.then(settle, settle);
    work.then(resolve, reject);
    const firstStep = disk.boundaries;
    let lastStep = firstStep;
    let idleTurns = 0;
    const look = (): void => {
      if (isSettled) return;
      const step = disk.boundaries;
      idleTurns = step === lastStep ? idleTurns + 1 : 0;
      lastStep = step;
      if (idleTurns > idleTurnsMax) reject(new HangError(idleMessage(disk, idleTurns)));
      else if (step - firstStep > stepsMax) {
        reject(new HangError(`It has not settled after ${step - firstStep} steps of the disk`));
      } else setImmediate(look);
    };
    setImmediate(look);
  });
}

function idleMessage(disk: SimulatedDisk, idleTurns: number): string {
  const underWay = disk.inFlight().map(({ name, path }) => `${name} ${path}`);
  const told =
    underWay.length === 0 ? 'nothing is under way' : `under way, and stalled, are ${underWay.join(', ')}`;
  return `It has not settled, and for ${idleTurns} turns the disk had nothing to do: ${told}. ${NEXT_STEP}`;
}
