// Steps: one sequence of operations that can run in the background or block. An append that cannot wait needs the
// blocking form of work that otherwise runs in the background. Writing the sequence once, as a generator, keeps the
// two forms identical.

import { invariant } from '../errors.js';

/** One operation in its background form and its blocking form. */
interface Step {
  readonly run: () => Promise<unknown>;
  readonly runSync: () => unknown;
  /** True if the step waits for the disk. Other steps change memory of the system, and take microseconds. */
  readonly isFlush: boolean;
}

/** A sequence of steps that returns a `T`. Run it with runSteps() or runStepsSync(). */
export type Steps<T> = Generator<Step, T, unknown>;

/**
 * Yields one step and returns its result.
 *
 * @example
 * const file = yield* step(
 *   () => storage.createLogFile(path),
 *   () => storage.createLogFileSync(path),
 * );
 */
export function* step<T>(run: () => Promise<T>, runSync: () => T): Steps<T> {
  return (yield { run, runSync, isFlush: false }) as T;
}

/** Yields a step that waits for the disk: see runFlushesInBackground(). */
export function* flushStep(run: () => Promise<void>, runSync: () => void): Steps<void> {
  yield { run, runSync, isFlush: true };
}

/** Yields an operation without a blocking form, which only runSteps() can take. */
export function* backgroundStep<T>(run: () => Promise<T>): Steps<T> {
  const runSync = () => invariant(false, 'a step without a blocking form was to block');
  return (yield { run, runSync, isFlush: true }) as T;
}

/**
 * Runs the background form of each step, one after the other. Resolves to what the generator returns. An error of a
 * step is thrown into the generator.
 */
export function runSteps<T>(steps: Steps<T>): Promise<T> {
  return runAwaiting(steps, () => true);
}

/**
 * Runs steps as runSteps() does, but only the flushes in the background. Each step in the background takes a turn of the
 * event loop. When the turns are long, that takes longer than the disk.
 */
export function runFlushesInBackground<T>(steps: Steps<T>): Promise<T> {
  return runAwaiting(steps, ({ isFlush }) => isFlush);
}

async function runAwaiting<T>(steps: Steps<T>, isAwaited: (step: Step) => boolean): Promise<T> {
  let next = steps.next();
  while (!next.done) {
    const current = next.value;
    let result: unknown;
    try {
      result = isAwaited(current) ? await current.run() : current.runSync();
    } catch (error) {
      next = steps.throw(error);
      continue;
    }
    next = steps.next(result);
  }
  return next.value;
}

/**
 * Runs the blocking form of each step, one after the other, and returns what the generator returns. An error of a
 * step is thrown into the generator.
 */
export function runStepsSync<T>(steps: Steps<T>): T {
  let next = steps.next();
  while (!next.done) {
    const { runSync } = next.value;
    let result: unknown;
    try {
      result = runSync();
    } catch (error) {
      next = steps.throw(error);
      continue;
    }
    next = steps.next(result);
  }
  return next.value;
}
