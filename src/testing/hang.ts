// Work that never settles is a failure like any other. It is told by counting turns of the event loop in which the disk
// has nothing to do, and steps of the disk without an end; never by time.

import type { SimulatedDisk } from './simulated-disk.js';

/** Turns without a step of the disk after which nothing will come any more, by default. */
export const IDLE_TURNS_MAX = 10_000;
/** Steps of the disk that one workload, recovery or check may take. */
const STEPS_MAX = 2_000_000;

/** Nothing happens any more, or it never ends: somebody waits for what will not come. */
export class HangError extends Error {
  override readonly name = 'HangError';
}

/**
 * Settles as `work` does, or rejects with a HangError. `idleTurnsMax` Infinity: for work that waits for timers, sockets
 * and the like, which no disk can see.
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
  return `It has not settled, and for ${idleTurns} turns the disk had nothing to do: ${told}`;
}
