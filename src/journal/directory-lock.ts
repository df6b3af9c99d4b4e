// The lock: one owner per directory, across processes and worker threads, in one protocol for every engine.
//
// The owner is whoever made LOCK.<n> with the highest n, by link()ing a finished file to that name: of many racers
// one link succeeds. A next owner makes n+1, and only after it has judged n released or dead. Nothing is ever taken
// away from a live owner, and nothing waits for a lock to become old.

import { isKeelsonError, KeelsonError } from '../errors.js';
import type { ProcessIdentity, Storage, StorageFile } from '../storage/index.js';
import { clearIncomplete } from './incomplete.js';

const NAME_PATTERN = /^LOCK\.(\d{1,15})$/;
const LOCK_NUMBER_MAX = 10 ** 15 - 1;
const TEMPORARY_PATTERN = /^LOCK\.tmp\.[0-9a-f]+$/;
const HELD = 'held';
const FREE = 'free';
const LOCK_FILE_BYTES_MAX = 4096;
const INSTANCE_BYTES = 8;
/** Each try that fails shows that somebody else made progress; this many in a row means a loop. */
const LOCK_TRIES_MAX = 1000;
/**
 * Older lock files that stay. A racer that read the directory long ago may make a number that has been cleared
 * away since; it finds the higher ones when it looks again, and these make sure there are some to find.
 */
const OLDER_LOCKS_KEPT = 1;

export interface DirectoryLock {
  /** Marks the lock as released, or removes it where that fails. Never throws. */
  release(): Promise<void>;
  /** Gives the lock up as if it had never been taken: what could not be opened is left as it was. Never throws. */
  abandon(): Promise<void>;
}

/** Takes the lock of a directory that exists. Throws KEELSON_LOCKED, naming the owner and the file. */
export async function lockDirectory(storage: Storage, directory: string): Promise<DirectoryLock> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
    const highest = highestLock(await storage.list(directory));
    if (highest > 0 && !(await isFree(storage, directory, highest))) continue;
    const lock = await tryLock(storage, directory, highest + 1);
    if (lock === null) continue;
    await removeOlder(storage, directory, highest + 1);
    return lock;
  }
  throw changesHands(directory);
}

function changesHands(directory: string): KeelsonError {
  return new KeelsonError('KEELSON_LOCKED', `${directory} changes hands all the time`, { path: directory });
}

/**
 * Throws KEELSON_LOCKED when a live owner has the directory, or nobody can tell. Makes and changes nothing. Returns the
 * number of the newest lock: as long as it stays the same, nobody has taken the directory since.
 */
export async function assertUnowned(storage: Storage, directory: string): Promise<number> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
    const highest = highestLock(await storage.list(directory));
    if (highest === 0 || (await isFree(storage, directory, highest))) return highest;
  }
  throw changesHands(directory);
}

/** Null when somebody else was faster. */
async function tryLock(storage: Storage, directory: string, number: number): Promise<DirectoryLock | null> {
  if (number > LOCK_NUMBER_MAX) {
    const path = lockPath(directory, number - 1);
    throw new KeelsonError('KEELSON_EXHAUSTED', `${path} has the last number there is for a lock`, { path });
  }
  const instance = Buffer.from(storage.randomBytes(INSTANCE_BYTES)).toString('hex');
  const temporary = `${directory}/LOCK.tmp.${instance}`;
  const name = lockPath(directory, number);
  const file = await storage.createFile(temporary);
  let linked = false;
  try {
    // Before it has its name: whoever finds the name may rely on the lock.
    const flock = storage.lockFile(file) === 'locked';
    const text = `${HELD} ${JSON.stringify({ ...storage.processIdentity, instance, flock })}\n`;
    await file.write(new TextEncoder().encode(text), 0);
    await storage.link(temporary, name);
    linked = true;
  } catch (error) {
    // EEXIST: somebody linked that number. Not found: a new owner cleared our temporary file away.
    if (!isKeelsonError(error, 'KEELSON_EXISTS') && !isKeelsonError(error, 'KEELSON_NOT_FOUND')) throw error;
  } finally {
    await storage.remove(temporary).catch(() => {});
    if (!linked) await file.close();
  }
  if (!linked) return null;
  const lock: DirectoryLock = {
    release: () => releaseLock(storage, name, file),
    abandon: () => abandonLock(storage, name, file),
  };
  let names: string[];
  try {
    names = await storage.list(directory);
  } catch (error) {
    await lock.abandon();
    throw error;
  }
  // The number may be one that had been cleared away: then a higher one is there, and its owner is the owner.
  if (highestLock(names) === number) {
    try {
      // Whoever makes a store here looks for locks after its marker is there; we look for the marker after our lock is.
      await clearIncomplete(storage, directory, names);
      return lock;
    } catch (error) {
      await lock.abandon();
      throw error;
    }
  }
  await storage.remove(name).catch(() => {});
  await file.close();
  return null;
}

async function releaseLock(storage: Storage, name: string, file: StorageFile): Promise<void> {
  // A lock that can neither be marked nor removed is free once this process has ended.
  await file.write(new TextEncoder().encode(FREE), 0).catch(() => storage.remove(name).catch(() => {}));
  await file.close().catch(() => {});
}

/** While the file has its name nobody else can make that name: what is removed is ours. */
async function abandonLock(storage: Storage, name: string, file: StorageFile): Promise<void> {
  try {
    await storage.remove(name);
    await file.close();
  } catch {
    await releaseLock(storage, name, file);
  }
}

/**
 * True when LOCK.<number> was released or its owner is dead. False when it has gone meanwhile: look again.
 * Throws KEELSON_LOCKED when its owner lives, or nobody can tell.
 */
async function isFree(storage: Storage, directory: string, number: number): Promise<boolean> {
  const path = lockPath(directory, number);
  let text: string;
  try {
    text = await readLock(storage, path);
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return false;
    throw error;
  }
  if (!text.startsWith(HELD)) return true;
  const owner = parseOwner(text.slice(HELD.length));
  // A lock gets its name only when it is written whole, so one that cannot be read lost its contents in a power cut.
  if (owner === null) return true;
  const liveness = storage.liveness(owner, path);
  if (liveness === 'dead') return true;
  // Also where the process cannot be looked up, in a container for one, or lives on without the thread that had it.
  if (owner.flock && (await isUnlocked(storage, path))) return true;
  const who =
    owner.pid === storage.processIdentity.pid ? `this process (${owner.pid})` : `process ${owner.pid}`;
  const why =
    liveness === 'live'
      ? `${who} has it open`
      : `${who} had it open, and from here it cannot be known whether that still runs. If it does not, remove the file`;
  throw new KeelsonError('KEELSON_LOCKED', `${directory} is locked: ${why} (${path})`, {
    path,
    owner: JSON.stringify(owner),
  });
}

/** True when nobody has the file locked: its owner, who had, is gone. */
async function isUnlocked(storage: Storage, path: string): Promise<boolean> {
  const file = await storage.openFile(path, false);
  try {
    return storage.lockFile(file) === 'locked';
  } finally {
    await file.close();
  }
}

async function readLock(storage: Storage, path: string): Promise<string> {
  const file = await storage.openFile(path, false);
  try {
    const bytes = new Uint8Array(LOCK_FILE_BYTES_MAX);
    const length = await file.read(bytes, 0);
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
}

/** Who a lock's file names, and whether that owner has the file locked as well. */
interface LockOwner extends ProcessIdentity {
  readonly flock?: boolean;
}

function parseOwner(text: string): LockOwner | null {
  try {
    const owner: unknown = JSON.parse(text);
    return isLockOwner(owner) ? owner : null;
  } catch {
    return null;
  }
}

function isLockOwner(value: unknown): value is LockOwner {
  if (typeof value !== 'object' || value === null) return false;
  const { bootId, pidNamespace, pid, startTime, flock } = value as Record<string, unknown>;
  return (
    typeof bootId === 'string' &&
    typeof pidNamespace === 'string' &&
    typeof startTime === 'string' &&
    // Absent from an owner that cannot lock files: it must be asked for its process, never be taken for garbage.
    (flock === undefined || typeof flock === 'boolean') &&
    Number.isSafeInteger(pid)
  );
}

/** Best effort: what stays is small, and the next owner tries again. */
async function removeOlder(storage: Storage, directory: string, own: number): Promise<void> {
  const names = await storage.list(directory).catch(() => []);
  const old = names.filter((name) => {
    const number = lockNumber(name);
    return TEMPORARY_PATTERN.test(name) || (number > 0 && number < own - OLDER_LOCKS_KEPT);
  });
  for (const name of old) await storage.remove(`${directory}/${name}`).catch(() => {});
}

function highestLock(names: readonly string[]): number {
  return Math.max(0, ...names.map(lockNumber));
}

/** The number in a lock's name; 0 when the name is not one. */
function lockNumber(name: string): number {
  const match = NAME_PATTERN.exec(name);
  return match === null ? 0 : Number(match[1]);
}

function lockPath(directory: string, number: number): string {
  return `${directory}/LOCK.${number}`;
}
