// Creates directories that survive a power cut: the name of each level is durable before the next level is created.

import { isKeelsonError, KeelsonError } from '../errors.js';
import type { Storage } from './storage.js';

export interface EnsureDirectoryOptions {
  /** True creates the missing levels. False rejects with KEELSON_NOT_FOUND if the directory is missing. */
  readonly create: boolean;
  /** Mode bits of the directory itself when it is created. The umask decides for the levels above. */
  readonly permissions?: number | undefined;
}

/**
 * Makes `path` a directory. `path` is absolute and normalized. Does nothing if the directory exists: its name may
 * then not be durable (see flushNameOf). Otherwise creates the missing levels and makes their names durable. Also
 * flushes the name of the deepest level that existed before, because whoever created that level may have died before
 * the flush. Rejects with KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND, or an error of the storage.
 */
export async function ensureDirectory(
  storage: Storage,
  path: string,
  { create, permissions }: EnsureDirectoryOptions,
): Promise<void> {
  const missing: string[] = [];
  let found = path;
  let kind = await storage.kind(found);
  while (kind === 'absent' && found !== parentOf(found)) {
    missing.unshift(found);
    found = parentOf(found);
    kind = await storage.kind(found);
  }
  if (kind !== 'directory') {
    throw new KeelsonError('KEELSON_NOT_A_DIRECTORY', `${found} is not a directory`, { path: found });
  }
  if (missing.length === 0) return;
  if (!create) throw notFound(path);
  await flushNameOf(storage, found);
  for (const level of missing) {
    await storage.makeDirectory(level, level === path ? permissions : undefined);
    await storage.flushDirectory(parentOf(level));
  }
}

function notFound(path: string): KeelsonError {
  const next = 'Check the path, or leave create out to have the directory made';
  return new KeelsonError('KEELSON_NOT_FOUND', { what: `${path} does not exist`, next }, { path });
}

/** Returns `path` with symbolic links resolved. Missing levels at its end stay as given. */
export async function realPathOf(storage: Storage, path: string): Promise<string> {
  let found = path;
  while (found !== parentOf(found) && (await storage.kind(found)) === 'absent') found = parentOf(found);
  const real = await storage.realPath(found);
  const missing = path.slice(found.length);
  return real.endsWith('/') && missing.startsWith('/') ? real + missing.slice(1) : real + missing;
}

/** Returns the parent of an absolute path. The parent of '/' is '/'. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/**
 * Makes the name of a directory durable. Follows a link: the name of the link's target is flushed. Skips a parent
 * that this process may not read: a process with these rights did not create the name.
 */
export async function flushNameOf(storage: Storage, path: string): Promise<void> {
  try {
    await storage.flushDirectory(parentOf(await storage.realPath(path)));
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_ACCESS')) throw error;
  }
}
