// Which engine runs: asked for by the option, or by KEELSON_ENGINE where the option leaves it open, or the fastest
// that works here. Every open asks anew: what was denied a moment ago may be allowed now.

import { describeValue, KeelsonError, whatHappened } from '../errors.js';
import { createFsStorage } from './fs-storage.js';
import { createIoUringStorage } from './io-uring-storage.js';
import type { Storage } from './storage.js';

export const ENGINE_CHOICES = ['auto', 'io_uring', 'fs'] as const;

export type EngineChoice = (typeof ENGINE_CHOICES)[number];

const ENVIRONMENT_VARIABLE = 'KEELSON_ENGINE';

/** Throws KEELSON_ENGINE_UNAVAILABLE, with the cause, for an engine asked for by name that cannot be had. */
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
