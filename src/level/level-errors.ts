// The errors of Level databases: codes that programs for other Level databases know. The KeelsonError is the cause.

import { isKeelsonError, type KeelsonErrorCode } from '../errors.js';

/** The codes of LevelDB's errors for those of Keelson. Other KeelsonErrors are thrown as they are. */
const LEVEL_CODES: Readonly<Partial<Record<KeelsonErrorCode, string>>> = {
  KEELSON_LOCKED: 'LEVEL_LOCKED',
  KEELSON_CORRUPT: 'LEVEL_CORRUPTION',
  KEELSON_IO: 'LEVEL_IO_ERROR',
  KEELSON_NO_SPACE: 'LEVEL_IO_ERROR',
  KEELSON_ACCESS: 'LEVEL_IO_ERROR',
  KEELSON_POISONED: 'LEVEL_IO_ERROR',
};

/** An error with a code of Level. */
class LevelError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Returns the error to throw for an error of the store. */
export function levelErrorOf(error: unknown): unknown {
  if (!isKeelsonError(error)) return error;
  const code = LEVEL_CODES[error.code];
  return code === undefined ? error : new LevelError(code, error.message, error);
}

/** Throws the error of Level for an error of the store. */
export function throwLevelError(error: unknown): never {
  throw levelErrorOf(error);
}

/** Returns the error for a read that a signal ended. */
export function abortError(signal: AbortSignal): Error {
  const error = new LevelError('LEVEL_ABORTED', 'Operation has been aborted', signal.reason);
  // Programs look for this name, as in the web's own operations.
  error.name = 'AbortError';
  return error;
}
