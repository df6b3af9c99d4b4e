// Publishes files: a file has a temporary name until its contents are durable. So a file under its own name is whole,
// whenever the process or the machine stops.

import { type Steps, step } from './steps.js';
import type { Storage } from './storage.js';

/** A file that is to be made and published. */
export interface Publication<T> {
  /** The path of the file until its contents are durable. */
  readonly temporary: string;
  /** The path that the file gets then. */
  readonly path: string;
  /** True replaces a file that has `path` already. False throws KEELSON_EXISTS for it. */
  readonly replaces: boolean;
  /** Steps that write and flush the file at `temporary`, and wait for all else that must come before the renaming. */
  readonly contents: Steps<T>;
}

/**
 * Gives a file its path when its contents are durable, and returns what `contents` returned. The name is durable when the
 * caller has flushed the directory. The caller does so, because it knows what a failure of the flush means.
 *
 * Throws the error of the step that failed. Then no file has been published, and the temporary file has been removed,
 * unless that failed as well.
 */
export function* publishFile<T>(storage: Storage, publication: Publication<T>): Steps<T> {
  const { temporary, path, replaces, contents } = publication;
  try {
    const written = yield* contents;
    yield* replaces ? rename(storage, temporary, path) : moveToFree(storage, temporary, path);
    return written;
  } catch (error) {
    yield* discard(storage, temporary);
    throw error;
  }
}

/** Removes a file, and ignores a failure. For a clean-up whose failure harms nothing. */
export function* discard(storage: Storage, path: string): Steps<void> {
  try {
    yield* step(
      () => storage.remove(path),
      () => storage.removeSync(path),
    );
  } catch {}
}

function* rename(storage: Storage, from: string, to: string): Steps<void> {
  yield* step(
    () => storage.rename(from, to),
    () => storage.renameSync(from, to),
  );
}

/**
 * Moves a file to a path that must be free. Gives the file a second name and removes the first, because rename() would
 * replace a file at `to`. A crash between the two steps leaves both names. A failure to remove the first name removes the
 * second: whoever reuses the file must not change a published one.
 */
function* moveToFree(storage: Storage, from: string, to: string): Steps<void> {
  yield* step(
    () => storage.link(from, to),
    () => storage.linkSync(from, to),
  );
  try {
    yield* step(
      () => storage.remove(from),
      () => storage.removeSync(from),
    );
  } catch (error) {
    yield* discard(storage, to);
    throw error;
  }
}
