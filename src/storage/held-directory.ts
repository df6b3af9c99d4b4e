// A directory held by its descriptor. Names in it are reached as /proc/self/fd/N/name, so a moved directory or a
// switched link never leads into another directory. Without /proc, each operation on a name first compares the
// directory at the path with the held one; a move between the comparison and the operation goes unnoticed.

import fs from 'node:fs';
import os from 'node:os';
import { isKeelsonError, KeelsonError } from '../errors.js';
import { poolCall, syncCall } from './fs-call.js';
import { announceAt, probeAt } from './liveness-socket.js';
import { FLOCK, loadNativeAddon } from './native-addon.js';
import { fileAccessIn } from './permissions.js';
import type { Announcement, HeldDirectory, Liveness, LockAttempt, LockState, Storage } from './storage.js';

/** Maps the path that messages show to the path that system calls get. */
export type Locate = (path: string) => string;

/**
 * Builds the engine that finds names with `locate` and creates files with no more than the mode bits in
 * `permissionsMax`.
 */
export type StorageOn = (locate: Locate, permissionsMax: number) => Storage;

/** errno of flock(2) when another process or descriptor has the lock. */
const WOULD_BLOCK = os.constants.errno.EAGAIN;

const DIRECTORY_FLAGS = fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0);
/** False on Windows, which opens no directory as a file. */
const DIRECTORIES_CAN_BE_OPENED = process.platform !== 'win32';

/** Operations on names that use the descriptor after the call has returned. close() waits for them. */
const NAME_OPERATIONS = [
  'kind',
  'realPath',
  'permissionsOf',
  'makeDirectory',
  'list',
  'flushDirectory',
  'rename',
  'link',
  'remove',
  'openFile',
  'createFile',
  'createLogFile',
  'openLogFile',
  'holdDirectory',
] as const;

/** Holds the directory at `path`, which `locate` finds. `storageOn` builds the engine for names in it. */
export async function holdDirectory(
  path: string,
  locate: Locate,
  permissionsMax: number,
  storageOn: StorageOn,
): Promise<HeldDirectory> {
  if (!DIRECTORIES_CAN_BE_OPENED) return new FsHeldDirectory(path, null, permissionsMax, storageOn);
  const fd = await poolCall<number>('open', path, (callback) =>
    fs.open(locate(path), DIRECTORY_FLAGS, callback),
  );
  return new FsHeldDirectory(path, fd, permissionsMax, storageOn);
}

/**
 * Returns the identity of the file or directory at `located`, a path for system calls. Returns null if nothing is
 * there. Errors show `shown`.
 */
export function identityAt(located: string, shown: string): string | null {
  try {
    // Mostly nothing is there: before each operation on a name, the lock looks whether a newer lock file exists.
    // throwIfNoEntry: false saves the cost of an error each time.
    const options = { bigint: true, throwIfNoEntry: false } as const;
    const found = syncCall('stat', shown, () => fs.statSync(located, options));
    return found === undefined ? null : `${found.dev}:${found.ino}`;
  } catch (error) {
    const isAbsent =
      isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_NOT_A_DIRECTORY');
    if (isAbsent) return null;
    throw error;
  }
}

class FsHeldDirectory implements HeldDirectory {
  readonly path: string;
  readonly storage: Storage;
  readonly #fd: number | null;
  readonly #permissionsMax: number;
  readonly #identity: string | null;
  /** Path of the held directory below /proc/self/fd, or null where /proc does not show it. */
  readonly #through: string | null;
  readonly #announcements = new Set<Announcement>();
  #underWayCount = 0;
  #whenIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  constructor(path: string, fd: number | null, permissionsMax: number, storageOn: StorageOn) {
    this.path = path;
    this.#fd = fd;
    this.#permissionsMax = permissionsMax;
    this.#identity = fd === null ? identityAt(path, path) : identityOfDescriptor(fd);
    this.#through = fd === null ? null : pathOfDescriptor(fd, this.#identity);
    this.storage = this.#counting(storageOn((shown) => this.#locate(shown), permissionsMax));
  }

  lock(): LockAttempt {
    const result = this.#flock(FLOCK.exclusive);
    return result === 'free' ? 'locked' : result;
  }

  probeLock(): LockState {
    const result = this.#flock(FLOCK.shared);
    if (result === 'free') this.#flock(FLOCK.unlock);
    return result;
  }

  async announce(name: string): Promise<Announcement | null> {
    const shown = `${this.path}/${name}`;
    const access = fileAccessIn(this.#locate(this.path), this.#permissionsMax);
    const announcement = await announceAt(this.#locate(shown), shown, access);
    if (announcement !== null) this.#announcements.add(announcement);
    return announcement;
  }

  probe(name: string): Promise<Liveness> {
    return probeAt(this.#locate(`${this.path}/${name}`));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Closing an announcement removes the socket's name through the directory's descriptor, so the descriptor is
    // closed last.
    for (const announcement of this.#announcements) await announcement.close();
    if (this.#underWayCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const fd = this.#fd;
    if (fd !== null) await poolCall('close', this.path, (callback) => fs.close(fd, callback));
  }

  #locate(shown: string): string {
    if (shown !== this.path && !shown.startsWith(`${this.path}/`)) return shown;
    // The number of a closed descriptor may belong to another directory by now.
    if (this.#closing !== null) {
      throw new KeelsonError('KEELSON_CLOSED', `The directory ${this.path} was closed`, { path: this.path });
    }
    if (this.#through !== null) return this.#through + shown.slice(this.path.length);
    if (identityAt(this.path, this.path) === this.#identity) return shown;
    throw new KeelsonError(
      'KEELSON_LOCK_LOST',
      {
        what: `${this.path} was moved, removed or replaced while it was open`,
        next: 'Close this store, and open the directory where it is now',
      },
      { path: this.path },
    );
  }

  #flock(operation: number): LockState {
    if (this.#fd === null) return 'unknown';
    try {
      const result = loadNativeAddon().flock(this.#fd, operation);
      return result === 0 ? 'free' : result === -WOULD_BLOCK ? 'held' : 'unknown';
    } catch {
      // Without the addon no lock can be taken; everything else works.
      return 'unknown';
    }
  }

  /** Replaces the NAME_OPERATIONS of `storage` by operations that close() waits for. */
  #counting(storage: Storage): Storage {
    const counted = NAME_OPERATIONS.map((name) => {
      const operation = storage[name] as (...args: unknown[]) => Promise<unknown>;
      return [name, (...args: unknown[]) => this.#underWay(() => operation(...args))] as const;
    });
    return Object.defineProperties(storage, propertiesOf(counted));
  }

  async #underWay<T>(operation: () => Promise<T>): Promise<T> {
    this.#underWayCount++;
    try {
      return await operation();
    } finally {
      this.#underWayCount--;
      if (this.#underWayCount === 0) this.#whenIdle?.();
    }
  }
}

function propertiesOf(entries: readonly (readonly [string, unknown])[]): PropertyDescriptorMap {
  return Object.fromEntries(entries.map(([name, value]) => [name, { value, enumerable: true }]));
}

function identityOfDescriptor(fd: number): string {
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

/** Returns the path below /proc/self/fd of a directory's descriptor, or null if /proc does not show that directory. */
function pathOfDescriptor(fd: number, identity: string | null): string | null {
  const through = `/proc/self/fd/${fd}`;
  try {
    return process.platform === 'linux' && identityAt(through, through) === identity ? through : null;
  } catch {
    return null;
  }
}
