// The lock: one owner per directory, across processes, containers and worker threads, in one protocol for every engine.
//
// The owner is whoever made LOCK.<n> with the highest n, by link()ing a finished file to that name: of many racers
// one link succeeds. A next owner makes n+1, and only after it has judged n released or dead. Nothing is ever taken
// away from a live owner, and nothing waits for a lock to become old.
//
// An owner shows that it lives by a socket, LIVE.<instance>, that listens before LOCK.<n> names it; where the addon is, the
// directory itself is locked as well. All of it goes through the descriptor of the directory: see HeldDirectory.

import { isKeelsonError, KeelsonError, nextStepOf, whatHappened } from '../../errors.js';
import { delay } from '../../schedulers.js';
import type { Announcement, HeldDirectory, Storage, StorageFile } from '../../storage/index.js';
import { clearIncomplete } from './incomplete.js';
import {
  encodeFreeLock,
  encodeHeldLock,
  highestLock,
  INSTANCE_BYTES,
  isSocket,
  isTemporaryLock,
  LOCK_NUMBER_MAX,
  lockNumber,
  lockPath,
} from './lock-files.js';
import { judgeOwner, refuseLocked } from './lock-judgement.js';
import { withOwnedNames } from './owned-names.js';

/** Each try that fails shows that somebody else made progress; this many in a row means a loop. */
const LOCK_TRIES_MAX = 1000;
/**
 * Older lock files that stay. A racer that read the directory long ago may make a number that has been cleared
 * away since; it finds the higher ones when it looks again, and these make sure there are some to find.
 */
const OLDER_LOCKS_KEPT = 1;
/** Whoever looks has the directory locked for a moment, shared, and is no owner. */
const FLOCK_TRIES_MAX = 100;
/** So often in a row only an owner has it locked exclusively, or another contender that is about to become it. */
const FLOCK_EXCLUSIVE_MAX = 3;
const FLOCK_RETRY_MS = 2;
/** How often an open with `waitForLockMs` looks. */
const WAIT_POLL_MS = 50;
/** What link() says on a file system without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

export interface DirectoryLock {
  /**
   * The engine, for everything in the directory that is locked. It refuses to create, rename, link and remove with
   * KEELSON_LOCK_LOST once the lock is somebody else's, or its file was removed.
   */
  readonly storage: Storage;
  /** Told once, before an operation on a name throws KEELSON_LOCK_LOST for the first time. */
  onLost(listener: (error: KeelsonError) => void): void;
  /** Marks the lock as released. Never throws: where that fails, what proves that its owner is gone stays. */
  release(): Promise<void>;
  /** Gives the lock up: what could not be opened is left as it was, but for a lock that is marked as released. Never throws. */
  abandon(): Promise<void>;
}

/**
 * Takes the lock of a directory that exists. Throws KEELSON_LOCKED, naming the owner and the file, when an owner still
 * lives after `waitMs`.
 */
export async function lockDirectory(storage: Storage, directory: string, waitMs = 0): Promise<DirectoryLock> {
  for (let leftMs = waitMs; ; leftMs -= WAIT_POLL_MS) {
    try {
      return await lockNow(storage, directory);
    } catch (error) {
      if (leftMs <= 0 || !isKeelsonError(error, 'KEELSON_LOCKED')) throw error;
    }
    await delay(Math.min(leftMs, WAIT_POLL_MS));
  }
}

/**
 * For verify() and salvage(): throws KEELSON_LOCKED when a live owner has the directory, or nobody can tell. Makes and changes nothing. Returns the
 * number of the newest lock: as long as it stays the same, nobody has taken the directory since.
 */
export async function assertUnowned(held: HeldDirectory): Promise<number> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
    const state = held.probeLock();
    if (state === 'held') await refuseLocked(held, 'examiner');
    const judgement = await judgeOwner(held, state === 'free', 'examiner');
    if (judgement.kind === 'unowned') return judgement.lock;
  }
  throw changesHands(held.path);
}

async function lockNow(storage: Storage, directory: string): Promise<DirectoryLock> {
  const held = await storage.holdDirectory(directory);
  try {
    const flock = await lockExclusively(held);
    for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
      const judgement = await judgeOwner(held, flock, 'opener');
      if (judgement.kind === 'changed') continue;
      const lock = await tryLock(held, judgement.lock + 1, flock);
      if (lock === null) continue;
      await removeLeftovers(held, lock);
      return lock;
    }
    throw changesHands(directory);
  } catch (error) {
    await held.close().catch(() => {});
    throw error;
  }
}

function changesHands(directory: string): KeelsonError {
  const text = { what: `${directory} changes hands all the time`, next: 'Try again' };
  return new KeelsonError('KEELSON_LOCKED', text, { path: directory });
}

/** True when the directory is locked now; false where directories cannot be locked. Throws KEELSON_LOCKED. */
async function lockExclusively(held: HeldDirectory): Promise<boolean> {
  let exclusiveCount = 0;
  for (let tries = 0; tries < FLOCK_TRIES_MAX && exclusiveCount < FLOCK_EXCLUSIVE_MAX; tries++) {
    const attempt = held.lock();
    if (attempt !== 'held') return attempt === 'locked';
    if (held.probeLock() === 'held') exclusiveCount++;
    await delay(FLOCK_RETRY_MS);
  }
  return refuseLocked(held, 'opener');
}

/** Null when somebody else was faster. */
async function tryLock(held: HeldDirectory, number: number, flock: boolean): Promise<OwnedLock | null> {
  const { storage, path: directory } = held;
  if (number > LOCK_NUMBER_MAX) {
    const path = lockPath(directory, number - 1);
    const text = {
      what: `${path} has the last number there is for a lock, so somebody made it by hand`,
      next: 'Make sure that no process has the directory open, and remove the file',
    };
    throw new KeelsonError('KEELSON_EXHAUSTED', text, { path });
  }
  const instance = Buffer.from(storage.randomBytes(INSTANCE_BYTES)).toString('hex');
  const live = `LIVE.${instance}`;
  let announcement: Announcement | null;
  try {
    announcement = await held.announce(live);
  } catch (error) {
    // A new owner took the socket, which did not listen yet, for a dead one's, and removed it.
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    throw namingDirectory(directory, error);
  }
  try {
    // A power cut must not leave a lock that names a socket which is not there: the next opener may lack the addon.
    if (announcement !== null) await storage.flushDirectory(directory);
    const liveIdentity = announcement === null ? null : storage.identityOf(`${directory}/${live}`);
    const owner = { ...storage.processIdentity, live: announcement === null ? null : live, flock };
    const made = await linkLock(
      storage,
      `${directory}/LOCK.tmp.${instance}`,
      lockPath(directory, number),
      owner,
    );
    if (made === null) return await withdrawn(announcement);
    const lock = new OwnedLock(held, number, made, announcement, live);
    if (await lock.isConfirmed(liveIdentity)) return lock;
    await lock.withdraw();
    return null;
  } catch (error) {
    await announcement?.close();
    throw namingDirectory(directory, error);
  }
}

/** Whoever may not write in a directory knows the directory, and none of the files that the lock would make there. */
function namingDirectory(directory: string, error: unknown): unknown {
  if (!isKeelsonError(error, 'KEELSON_ACCESS')) return error;
  const { path = '', errno, syscall } = error.facts;
  const name = path.slice(directory.length + 1);
  if (!isSocket(name) && !isTemporaryLock(name)) return error;
  const user = process.geteuid === undefined ? 'this user' : `user ${process.geteuid()}`;
  const what = `${directory} may not be written to by ${user}: ${syscall} failed with ${errno}`;
  return new KeelsonError(
    'KEELSON_ACCESS',
    { what, next: nextStepOf(error) },
    { ...error.facts, path: directory },
    error.cause,
  );
}

async function withdrawn(announcement: Announcement | null): Promise<null> {
  await announcement?.close();
  return null;
}

interface LinkedLock {
  readonly file: StorageFile;
  readonly identity: string | null;
}

/** Makes the file, whole, and then gives it its name. Null when that was taken, or a new owner cleared our file away. */
async function linkLock(
  storage: Storage,
  temporary: string,
  name: string,
  owner: Parameters<typeof encodeHeldLock>[0],
): Promise<LinkedLock | null> {
  const file = await storage.createFile(temporary);
  let linked: LinkedLock | null = null;
  try {
    await file.write(encodeHeldLock(owner), 0);
    // Space that was used before may hold an older lock's contents until then: after a power cut they would count.
    await file.flush();
    const identity = storage.identityOf(temporary);
    await storage.link(temporary, name);
    linked = { file, identity };
  } catch (error) {
    if (isKeelsonError(error) && NO_LINKS.includes(error.facts.errno ?? '')) throw needsLinks(name, error);
    // EEXIST: somebody linked that number. Not found: a new owner cleared our temporary file away.
    if (!isKeelsonError(error, 'KEELSON_EXISTS') && !isKeelsonError(error, 'KEELSON_NOT_FOUND')) throw error;
  } finally {
    await storage.remove(temporary).catch(() => {});
    if (linked === null) await file.close();
  }
  return linked;
}

function needsLinks(path: string, error: KeelsonError): KeelsonError {
  return new KeelsonError(
    error.code,
    {
      what: `${whatHappened(error)}. The file system has no hard links, without which files get no name safely`,
      next: 'Put the store on one that has them, such as ext4, XFS, btrfs, APFS or NTFS',
    },
    { ...error.facts, path },
    error,
  );
}

class OwnedLock implements DirectoryLock {
  readonly storage: Storage;
  readonly number: number;
  readonly live: string;
  readonly #held: HeldDirectory;
  readonly #path: string;
  readonly #nextPath: string;
  readonly #file: StorageFile;
  readonly #identity: string | null;
  readonly #announcement: Announcement | null;
  #lost: KeelsonError | null = null;
  #onLost: (error: KeelsonError) => void = () => {};

  constructor(
    held: HeldDirectory,
    number: number,
    { file, identity }: LinkedLock,
    announcement: Announcement | null,
    live: string,
  ) {
    this.number = number;
    this.live = live;
    this.#held = held;
    this.#path = lockPath(held.path, number);
    this.#nextPath = lockPath(held.path, number + 1);
    this.#file = file;
    this.#identity = identity;
    this.#announcement = announcement;
    this.storage = withOwnedNames(held.storage, () => this.#assertOwner());
  }

  /**
   * Whether this is the owner. The number may be one that had been cleared away: then a higher one is there, and its
   * owner is the owner. And a new owner may have taken our socket for a dead one's, before it listened.
   */
  async isConfirmed(liveIdentity: string | null): Promise<boolean> {
    const { storage, path: directory } = this.#held;
    try {
      const names = await storage.list(directory);
      if (highestLock(names) !== this.number) return false;
      if (this.#announcement !== null) {
        const identity = storage.identityOf(`${directory}/${this.live}`);
        if (identity === null || identity !== liveIdentity) return false;
      }
      // Whoever makes a store here looks for locks after its marker is there; we look for the marker after our lock is.
      await clearIncomplete(storage, directory, names);
      // Before the socket of a dead owner goes: a power cut must not leave that owner's lock as the newest again.
      if (names.some((name) => isSocket(name) && name !== this.live)) await storage.flushDirectory(directory);
      return true;
    } catch (error) {
      await this.#giveUp();
      await this.#file.close().catch(() => {});
      throw error;
    }
  }

  onLost(listener: (error: KeelsonError) => void): void {
    this.#onLost = listener;
  }

  async release(): Promise<void> {
    await this.#markFree();
    await this.#end();
  }

  async abandon(): Promise<void> {
    await this.#giveUp();
    await this.#end();
  }

  /** Somebody else is the owner: gives up what was made, and keeps the directory for another try. */
  async withdraw(): Promise<void> {
    await this.#giveUp();
    await this.#file.close().catch(() => {});
    await this.#announcement?.close();
  }

  /**
   * Marks the lock file, and removes it only below a newer one. The newest number is never given out twice: a slow opener
   * that judged its first owner dead would take the next number from the second. Nor does an older lock become the newest
   * again: that may be a dead owner's, whose socket, the proof of it, has been cleared away.
   */
  async #giveUp(): Promise<void> {
    const { storage, path: directory } = this.#held;
    const isFree = await this.#markFree();
    const newest = await storage.list(directory).then(highestLock, () => this.number);
    if (isFree && newest > this.number) await this.#removeOwn().catch(() => {});
  }

  async #end(): Promise<void> {
    await this.#file.close().catch(() => {});
    await this.#held.close().catch(() => {});
  }

  /**
   * True when the file says so durably. The socket goes only then: a power cut must not leave a lock that says it is held,
   * and no socket. Where it cannot be marked, the socket keeps its name, and refused connections say that its owner is gone.
   */
  async #markFree(): Promise<boolean> {
    try {
      await this.#file.write(encodeFreeLock(), 0);
      await this.#file.flush();
      return true;
    } catch {
      await this.#announcement?.close(true);
      return false;
    }
  }

  /** While the file has its name nobody else can make that name: what is removed is ours. */
  async #removeOwn(): Promise<void> {
    const { storage } = this.#held;
    if (storage.identityOf(this.#path) === this.#identity) await storage.remove(this.#path);
  }

  /** Throws KEELSON_LOCK_LOST, now and ever after, when this is not the owner any more. */
  #assertOwner(): void {
    if (this.#lost !== null) throw this.#lost;
    const why = this.#whyLost();
    if (why === null) return;
    const path = this.#path;
    const what = `${this.#held.path} is not this store's any more: ${why}`;
    const next =
      'Close this store, and find out who removes files there. What it had acknowledged is in the directory that it was opened in';
    this.#lost = new KeelsonError('KEELSON_LOCK_LOST', { what, next }, { path });
    this.#onLost(this.#lost);
    throw this.#lost;
  }

  #whyLost(): string | null {
    const { storage } = this.#held;
    const identity = storage.identityOf(this.#path);
    if (identity === null) return `its lock file ${this.#path} was removed, or the directory was`;
    if (identity !== this.#identity) return `${this.#path} is another owner's`;
    return storage.identityOf(this.#nextPath) === null ? null : `there is a newer lock, ${this.#nextPath}`;
  }
}

/** Best effort: what stays is small, and the next owner tries again. A socket goes only when it is proven dead. */
async function removeLeftovers(held: HeldDirectory, { storage, number, live }: OwnedLock): Promise<void> {
  const { path: directory } = held;
  for (const name of await storage.list(directory).catch(() => [])) {
    const old = lockNumber(name);
    const isLeftover =
      isTemporaryLock(name) ||
      (old > 0 && old < number - OLDER_LOCKS_KEPT) ||
      (isSocket(name) && name !== live && (await held.probe(name)) === 'dead');
    if (isLeftover) await storage.remove(`${directory}/${name}`).catch(() => {});
  }
}
