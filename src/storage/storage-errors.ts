// Converts errors of the operating system to KeelsonErrors. Every engine uses this table.

import os from 'node:os';
import { namedStop } from '../commit-guard.js';
import { KeelsonError, type KeelsonErrorCode, NEXT_STEPS } from '../errors.js';

interface SystemError {
  readonly code: KeelsonErrorCode;
  readonly meaning: string;
  readonly next: string;
}

const NOT_ALLOWED: Pick<SystemError, 'code' | 'next'> = {
  code: 'KEELSON_ACCESS',
  next: NEXT_STEPS.KEELSON_ACCESS,
};
const IN_THE_WAY: Pick<SystemError, 'code' | 'next'> = {
  code: 'KEELSON_EXISTS',
  next: 'Find out what else writes in this directory, and keep it away: a store has its directory for itself',
};

/** Code, meaning and next step for each errno. docs/ERRORS.md lists them. */
export const SYSTEM_ERRORS: Readonly<Record<string, SystemError>> = {
  EACCES: { ...NOT_ALLOWED, meaning: 'permission denied' },
  EPERM: { ...NOT_ALLOWED, meaning: 'not permitted' },
  EROFS: {
    code: 'KEELSON_ACCESS',
    meaning: 'the file system is mounted read-only',
    next: 'Mount it for writing, choose another directory, or open the store with readOnly: true',
  },
  EEXIST: { ...IN_THE_WAY, meaning: 'it is there already' },
  ENOTEMPTY: { ...IN_THE_WAY, meaning: 'the directory is not empty' },
  ENOENT: {
    code: 'KEELSON_NOT_FOUND',
    meaning: 'it is not there',
    next: 'Check the path. If it was right, something else removes files or directories there: find out what',
  },
  ENOTDIR: {
    code: 'KEELSON_NOT_A_DIRECTORY',
    meaning: 'it, or a part of its path, is not a directory',
    next: NEXT_STEPS.KEELSON_NOT_A_DIRECTORY,
  },
  EISDIR: {
    code: 'KEELSON_IO',
    meaning: "it is a directory, and has the name of a file of Keelson's",
    next: 'Move it away',
  },
  // Errors for lack of room of any kind. None of them means that written data is lost.
  EDQUOT: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'the disk quota is used up',
    next: 'Free some of the quota, or have it raised, and try again',
  },
  EFBIG: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'the file would be larger than allowed',
    next: 'Raise the limit of file sizes (ulimit -f) and try again',
  },
  EMFILE: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'this process has too many files open',
    next: 'Close files, or raise the limit (ulimit -n), and try again',
  },
  ENFILE: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'the system has too many files open',
    next: 'End what holds the files open, or raise the limit of the system (fs.file-max), and try again',
  },
  ENOMEM: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'the system has no memory left',
    next: 'Free memory, or give the process or its container more, and try again',
  },
  ENOSPC: {
    code: 'KEELSON_NO_SPACE',
    meaning: 'the disk is full',
    next: 'Free some space on it and try again',
  },
  EIO: {
    code: 'KEELSON_IO',
    meaning: 'the disk could not do it',
    next: "Look at the disk and at the system's log (dmesg): the disk may be failing. Copy the directory before you do anything else",
  },
  ELOOP: {
    code: 'KEELSON_IO',
    meaning: 'the symbolic links of the path lead in a circle',
    next: 'Correct the links, or give the path of the directory itself',
  },
  ENAMETOOLONG: {
    code: 'KEELSON_IO',
    meaning: 'the path is too long',
    next: 'Choose a directory with a shorter path',
  },
  EBUSY: {
    code: 'KEELSON_IO',
    meaning: 'something else is using it',
    next: 'Close what uses it (a virus scanner, a backup, a mount), and try again',
  },
  ESTALE: {
    code: 'KEELSON_IO',
    meaning: 'the network file system has lost it',
    next: 'Mount the file system again, or put the store on a local disk',
  },
};

/** Code and next step for every other errno. */
export const OTHER_ERROR: SystemError = {
  code: 'KEELSON_IO',
  meaning: '',
  next: 'The documentation of the system tells what this error means. Mend its cause, and try again',
};

/**
 * Returns the KeelsonError for an error of `syscall` on `path`. An errno without a code of its own becomes
 * KEELSON_IO. A stack overflow within the call becomes KEELSON_INTERRUPTED, because the system reported nothing.
 */
export function storageError(cause: unknown, syscall: string, path: string): KeelsonError {
  const known = namedStop(cause);
  if (known instanceof KeelsonError) return known;
  const errno = nameOf(cause as NodeJS.ErrnoException | null);
  const { code, meaning, next } = SYSTEM_ERRORS[errno] ?? OTHER_ERROR;
  const shown = meaning === '' ? errno : `${errno} (${meaning})`;
  const text = { what: `${syscall} failed with ${shown}: ${path}`, next };
  return new KeelsonError(code, text, { path, errno, syscall }, cause);
}

/**
 * Returns the errno's name. libuv has no name for EDQUOT: Node calls it `UNKNOWN` or `Unknown system error -122`, and
 * gives the number.
 */
function nameOf(cause: NodeJS.ErrnoException | null): string {
  return cause?.errno === -os.constants.errno.EDQUOT ? 'EDQUOT' : (cause?.code ?? 'UNKNOWN');
}

/** Returns true if `error` is a failed flush. Nobody can know whether the bytes that the flush covered are durable. */
export function isFailedFlush(error: unknown): boolean {
  return error instanceof KeelsonError && FLUSHES.includes(error.facts.syscall ?? '');
}

const FLUSHES = ['fsync', 'fdatasync'];
