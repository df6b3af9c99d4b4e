// The files of the lock: LOCK.<n> names the n-th owner, LIVE.<instance> is the socket by which an owner shows
// that it lives.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { ProcessIdentity, Storage } from '../../storage/index.js';

const NAME_PATTERN = /^LOCK\.(\d{1,15})$/;
const TEMPORARY_PATTERN = /^LOCK\.tmp\.[0-9a-f]+$/;
const LIVE_PATTERN = /^LIVE\.[0-9a-f]{16}$/;
/** A socket that is bound, and perhaps does not listen yet. */
const UNNAMED_LIVE_PATTERN = /^LIVE\.[0-9a-f]{16}\.tmp$/;
const LOCK_FILE_BYTES_MAX = 4096;
const HELD = 'held';
const FREE = 'free';

/** Limit of the number of a lock. */
export const LOCK_NUMBER_MAX = 10 ** 15 - 1;
/** Random bytes in the name of a LIVE file. */
export const INSTANCE_BYTES = 8;

/** The owner of a lock, and the means by which the kernel shows that the owner lives. */
export interface LockOwner extends ProcessIdentity {
  /** The name of the LIVE file, or null if file system or platform have no sockets. */
  readonly live: string | null;
  /** True if the owner also has the directory itself locked. */
  readonly flock: boolean;
}

/** The contents of a LOCK file. */
export type LockContents = { readonly kind: 'free' } | { readonly kind: 'held'; readonly owner: LockOwner };

/** Returns the path of the lock with that number. */
export function lockPath(directory: string, number: number): string {
  return `${directory}/LOCK.${number}`;
}

/** Returns the number in the name of a lock, or 0 if the name is not one. */
export function lockNumber(name: string): number {
  const match = NAME_PATTERN.exec(name);
  return match === null ? 0 : Number(match[1]);
}

/** Returns the highest number of a lock among these names, or 0. */
export function highestLock(names: readonly string[]): number {
  return Math.max(0, ...names.map(lockNumber));
}

/** Returns true for the name of a lock file that is not linked yet. */
export function isTemporaryLock(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** Returns true for a name that only the lock uses. Such a file holds nothing of a store or journal. */
export function isLockName(name: string): boolean {
  return name.startsWith('LOCK.') || isSocket(name);
}

/** Returns true for the name of a socket, final or temporary. */
export function isSocket(name: string): boolean {
  return isLiveName(name) || UNNAMED_LIVE_PATTERN.test(name);
}

/** Returns true for the final name of a socket. */
export function isLiveName(name: string): boolean {
  return LIVE_PATTERN.test(name);
}

/** Returns the contents of the LOCK file of an owner. */
export function encodeHeldLock(owner: LockOwner): Uint8Array {
  return new TextEncoder().encode(`${HELD} ${JSON.stringify(owner)}\n`);
}

/** Returns the bytes that are written over the start of a released lock. */
export function encodeFreeLock(): Uint8Array {
  return new TextEncoder().encode(FREE);
}

/**
 * Reads a LOCK file. Returns null if it is not there.
 *
 * A file that cannot be parsed counts as free. It had its name only when it was whole, so it lost its contents
 * in a power cut, and its owner died in it.
 */
export async function readLock(storage: Storage, path: string): Promise<LockContents | null> {
  const text = await readText(storage, path);
  if (text === null) return null;
  const owner = text.startsWith(HELD) ? parseOwner(text.slice(HELD.length)) : null;
  return owner === null ? { kind: 'free' } : { kind: 'held', owner };
}

async function readText(storage: Storage, path: string): Promise<string | null> {
  try {
    const file = await storage.openFile(path, false);
    try {
      const bytes = new Uint8Array(LOCK_FILE_BYTES_MAX);
      const length = await file.read(bytes, 0);
      return new TextDecoder().decode(bytes.subarray(0, length));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    if (!isKeelsonError(error, 'KEELSON_ACCESS')) throw error;
    throw new KeelsonError(
      'KEELSON_ACCESS',
      {
        what: `${path} may not be read, so nobody can tell who has the directory`,
        next: 'Make it readable for this user',
      },
      error.facts,
      error,
    );
  }
}

function parseOwner(text: string): LockOwner | null {
  try {
    const owner: unknown = JSON.parse(text);
    return isLockOwner(owner) ? { ...owner, live: owner.live ?? null, flock: owner.flock ?? false } : null;
  } catch {
    return null;
  }
}

function isLockOwner(value: unknown): value is ProcessIdentity & Partial<LockOwner> {
  if (typeof value !== 'object' || value === null) return false;
  const { bootId, pidNamespace, pid, startTime, live, flock } = value as Record<string, unknown>;
  return (
    typeof bootId === 'string' &&
    typeof pidNamespace === 'string' &&
    typeof startTime === 'string' &&
    // An owner without these fields is judged by its labels, and not taken for garbage.
    (flock === undefined || typeof flock === 'boolean') &&
    // The name becomes part of a path.
    (live === undefined || live === null || (typeof live === 'string' && isLiveName(live))) &&
    Number.isSafeInteger(pid)
  );
}
