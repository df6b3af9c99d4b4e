// Making a directory that survives: every level is durable in the one above it before the next is made.

import { isKeelsonError, KeelsonError } from '../errors.js';
import type { Storage } from './storage.js';

export interface EnsureDirectoryOptions {
  /** Make what is missing. Otherwise a missing directory is KEELSON_NOT_FOUND. */
  readonly create: boolean;
  /** The permissions of the directory when it is made; the levels above it are made as the umask says. */
  readonly permissions?: number | undefined;
}

/**
 * Sees to it that `path`, absolute and normal, is a directory, and that its name, and the name of every level that was
 * made for it, is durable. A level that is there proves nothing about its own name: whoever made it may have died
 * before flushing it, so the name of the deepest level that is found is flushed as well, before anything is put in it.
 * Throws KEELSON_NOT_A_DIRECTORY, KEELSON_NOT_FOUND or what the storage throws.
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

/** `path` as it is without links on the way, as far as it is there: the levels that are missing stay as they are. */
export async function realPathOf(storage: Storage, path: string): Promise<string> {
  let found = path;
  while (found !== parentOf(found) && (await storage.kind(found)) === 'absent') found = parentOf(found);
  const real = await storage.realPath(found);
  const missing = path.slice(found.length);
  return real.endsWith('/') && missing.startsWith('/') ? real + missing.slice(1) : real + missing;
}

export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/**
 * Makes the name of a directory durable: the one that it has itself, where `path` is a link to it. A parent that we may
 * not even read was made by nobody with our rights.
 */
export async function flushNameOf(storage: Storage, path: string): Promise<void> {
  try {
    await storage.flushDirectory(parentOf(await storage.realPath(path)));
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_ACCESS')) throw error;
  }
}
