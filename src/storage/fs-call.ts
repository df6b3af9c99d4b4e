// One way to call node:fs: every error leaves here as a KeelsonError that names the call and the path.

import { storageError } from './storage-errors.js';

export type FsCallback<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;

/** A call that runs on the thread pool. `T` is what its callback is given, void for those given nothing. */
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
      // A path that no system accepts is refused before any call is made.
      reject(storageError(error, syscall, path));
    }
  });
}

/** The same for a call that blocks. */
export function syncCall<T>(syscall: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw storageError(error, syscall, path);
  }
}
