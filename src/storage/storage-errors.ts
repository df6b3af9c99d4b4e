// From the operating system's errors to ours: one table, used by every engine.

import os from 'node:os';
import { KeelsonError, type KeelsonErrorCode } from '../errors.js';

const CODES: Readonly<Record<string, KeelsonErrorCode>> = {
  EACCES: 'KEELSON_ACCESS',
  EPERM: 'KEELSON_ACCESS',
  EROFS: 'KEELSON_ACCESS',
  EEXIST: 'KEELSON_EXISTS',
  ENOTEMPTY: 'KEELSON_EXISTS',
  ENOENT: 'KEELSON_NOT_FOUND',
  ENOTDIR: 'KEELSON_NOT_A_DIRECTORY',
  // Everything that room can run out of. None of these says that anything written is lost.
  EDQUOT: 'KEELSON_NO_SPACE',
  EFBIG: 'KEELSON_NO_SPACE',
  EMFILE: 'KEELSON_NO_SPACE',
  ENFILE: 'KEELSON_NO_SPACE',
  ENOMEM: 'KEELSON_NO_SPACE',
  ENOSPC: 'KEELSON_NO_SPACE',
};

/** The KeelsonError for an error of `syscall` on `path`: KEELSON_IO for every errno that has no code of its own. */
export function storageError(cause: unknown, syscall: string, path: string): KeelsonError {
  if (cause instanceof KeelsonError) return cause;
  const errno = nameOf(cause as NodeJS.ErrnoException | null);
  const code = CODES[errno] ?? 'KEELSON_IO';
  return new KeelsonError(code, `${syscall} failed with ${errno}: ${path}`, { path, errno, syscall }, cause);
}

/** libuv has no name for EDQUOT: Node calls it `UNKNOWN` or `Unknown system error -122`, and tells the number. */
function nameOf(cause: NodeJS.ErrnoException | null): string {
  return cause?.errno === -os.constants.errno.EDQUOT ? 'EDQUOT' : (cause?.code ?? 'UNKNOWN');
}

/** True when a flush was tried and failed: what it should have made durable is lost to knowledge for ever. */
export function isFailedFlush(error: unknown): boolean {
  return error instanceof KeelsonError && FLUSHES.includes(error.facts.syscall ?? '');
}

const FLUSHES = ['fsync', 'fdatasync'];
