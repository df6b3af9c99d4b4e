// Wrappers around node:fs calls. Every error becomes a KeelsonError that names the call and the path.

import { storageError } from './storage-errors.js';

export type FsCallback<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;

/** Runs a call on the thread pool. `T` is the type of the callback's value; it is void for calls without a value. */
export function poolCall<T = void>(
  syscall: string,
  path: string,
  start: (callback: FsCallback<T>) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      start((error, value) => {
        if (error) reject(storageError(error, syscall, path));
        else resolve(value as T);
      });
    } catch (error) {
      // node:fs throws before the call when it refuses the path, for example a path with a NUL.
      reject(storageError(error, syscall, path));
    }
  });
}

/** Runs a blocking call and returns its value. */
export function syncCall<T>(syscall: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw storageError(error, syscall, path);
  }
}
