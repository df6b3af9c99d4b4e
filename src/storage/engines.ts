// Chooses the engine: the `engine` option decides, then KEELSON_ENGINE, then the fastest engine that works here. Each
// open chooses again, because io_uring may be denied at one moment and allowed at the next.

import { describeValue, KeelsonError, whatHappened } from '../errors.js';
import { createFsStorage } from './fs-storage.js';
import { createIoUringStorage } from './io-uring-storage.js';
import type { Storage } from './storage.js';

/** All values of the option `engine`. */
export const ENGINE_CHOICES = ['auto', 'io_uring', 'fs'] as const;

/**
 * The option `engine`: `'auto'` chooses the fastest engine that works here, `'io_uring'` and `'fs'` insist on one. See
 * KEELSON_ENGINE_UNAVAILABLE.
 */
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

const ENVIRONMENT_VARIABLE = 'KEELSON_ENGINE';

/**
 * Returns the storage of the chosen engine. Throws KEELSON_ENGINE_UNAVAILABLE, with the cause, if 'io_uring' was
 * named and cannot run. Throws a TypeError if KEELSON_ENGINE names no engine.
 */
export function openStorage(choice: EngineChoice): Storage {
  const engine = choice === 'auto' ? engineOfEnvironment() : choice;
  if (engine === 'fs') return createFsStorage('It was asked for.');
  try {
    return createIoUringStorage();
  } catch (error) {
    const why = whatHappened(error).split('\n')[0]!;
    if (engine === 'auto')
      return createFsStorage(`The node:fs engine runs, durable and complete, only slower: ${why}.`);
    throw new KeelsonError(
      'KEELSON_ENGINE_UNAVAILABLE',
      `The io_uring engine cannot be had: ${why}`,
      {},
      error,
    );
  }
}

function engineOfEnvironment(): EngineChoice {
  const named = process.env[ENVIRONMENT_VARIABLE];
  if (named === undefined || named === '') return 'auto';
  if (ENGINE_CHOICES.includes(named as EngineChoice)) return named as EngineChoice;
  throw new TypeError(
    `${ENVIRONMENT_VARIABLE}: expected one of ${ENGINE_CHOICES.join(', ')}, got ${describeValue(named)}. Correct the environment variable, or unset it`,
  );
}
