// One order of steps, two ways of waiting. What must happen both in the background and, when a synchronous append
// cannot wait, in a blocking form is written once as a generator of steps, so that the two can never differ.

import { invariant } from '../errors.js';

/** One operation in its two forms. */
interface Step {
  readonly run: () => Promise<unknown>;
  readonly runSync: () => unknown;
}

export type Steps<T> = Generator<Step, T, unknown>;

/** `const file = yield* step(() => storage.createLogFile(path), () => storage.createLogFileSync(path))` */
export function* step<T>(run: () => Promise<T>, runSync: () => T): Steps<T> {
  return (yield { run, runSync }) as T;
}

/** A step that only runSteps() can take: what it does has no blocking form. */
export function* backgroundStep<T>(run: () => Promise<T>): Steps<T> {
  return (yield { run, runSync: () => invariant(false, 'a step without a blocking form was to block') }) as T;
}

export async function runSteps<T>(steps: Steps<T>): Promise<T> {
  let next = steps.next();
  while (!next.done) {
    const { run } = next.value;
    try {
      const result = await run();
      next = steps.next(result);
    } catch (error) {
      next = steps.throw(error);
    }
  }
  return next.value;
}

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
