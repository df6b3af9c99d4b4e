// Publishing a file: it has a temporary name until its contents are durable. So a file under its own name is whole, whenever
// the process or the machine stops.

import { type Steps, step } from './steps.js';
import type { Storage } from './storage.js';

/** A file that is being made. */
export interface Publication<T> {
  /** The path of the file until its contents are durable. */
  readonly temporary: string;
  /** The path that it gets then. */
  readonly path: string;
  /** Whether it replaces a file that has this path already. If not, publishing it throws KEELSON_EXISTS. */
  readonly replaces: boolean;
  /** Writes and flushes the file at `temporary`, and waits for all else that must come before it has its path. */
  readonly contents: Steps<T>;
}

/**
 * Gives a file its path when its contents are durable, and returns what `contents` returned. The name is durable when the
 * directory has been flushed after this: the caller does that, and knows what a failure of it means.
 *
 * Throws what failed. Then the file has not got the path, and the temporary one has been removed, unless that failed as well.
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

/** Removes a file if that is possible. For a clean-up whose failure harms nothing, after an error that says more. */
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
 * Moves a file to a path that nobody has, by a second name for it: rename() would replace. A crash between the two steps leaves
 * both names. A failure never does: whoever uses the file again must not find its contents under another name.
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
