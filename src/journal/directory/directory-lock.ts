// The lock of a directory: one owner at a time, across processes, containers and worker threads, with the same
// protocol on every engine.
//
// The owner is the one who made LOCK.<n> with the highest n. It made the lock by link() of a finished file, so
// one of many contenders succeeds. The next owner makes LOCK.<n+1>, and only after it has found that LOCK.<n>
// is marked as free or that its owner is dead. A live owner never loses the lock, and no lock expires.
//
// An owner shows that it lives by a socket, LIVE.<instance>, which listens before LOCK.<n> names it. If the
// addon is there, the owner also locks the directory itself (flock). All operations use the descriptor of the
// directory: see HeldDirectory.

import { isKeelsonError, KeelsonError, NEXT_STEPS, nextStepOf, whatHappened } from '../../errors.js';
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

/**
 * Limit of the tries to take the lock. A try fails only if another contender made progress, so this many
 * failures in a row mean a loop.
 */
const LOCK_TRIES_MAX = 1000;
/**
 * Number of lock files that a new owner leaves below its own. A slow contender can link a number that was
 * removed meanwhile. It then lists the directory, and must find a higher number there.
 */
const OLDER_LOCKS_KEPT = 1;
/**
 * Limit of the tries to lock the directory. A try also fails while somebody probes the lock: a probe takes a
 * shared lock for a moment, and is no owner.
 */
const FLOCK_TRIES_MAX = 100;
/**
 * Limit of failed tries where the probe then finds an exclusive lock. Only an owner, or a contender that is
 * about to become the owner, holds one for so long.
 */
const FLOCK_EXCLUSIVE_MAX = 3;
const FLOCK_RETRY_MS = 2;
/** Milliseconds between the tries of an open with `waitForLockMs`. */
const WAIT_POLL_MS = 50;
/** Errors of link() on a file system without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/** The lock of a directory, held by this owner. */
export interface DirectoryLock {
  /**
   * The storage for all operations in the locked directory. When the lock is lost or its file was removed,
   * operations that create, rename, link or remove throw KEELSON_LOCK_LOST.
   */
  readonly storage: Storage;
  /** Sets the listener that is called once, before the first operation throws KEELSON_LOCK_LOST. */
  onLost(listener: (error: KeelsonError) => void): void;
  /**
   * Marks the lock as free. Never throws. If the mark cannot be written, the socket keeps its name, and a
   * refused connection proves that the owner is gone.
   */
  release(): Promise<void>;
  /**
   * Gives the lock up after a failed open. Marks the lock as free, and removes its file if a newer lock is
   * there. Never throws.
   */
  abandon(): Promise<void>;
}

/**
 * Takes the lock of an existing directory.
 *
 * @param waitMs How long to wait for a live owner, in milliseconds.
 * @throws KEELSON_LOCKED, with the owner and the file, if an owner still lives after `waitMs`.
 */
export async function lockDirectory(storage: Storage, directory: string, waitMs = 0): Promise<DirectoryLock> {
  for (let leftMs = waitMs; ; leftMs -= WAIT_POLL_MS) {
    try {
      return await lockNow(storage, directory);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_LOCKED')) throw error;
      if (leftMs <= 0) throw waitMs === 0 ? error : stillLocked(error, waitMs);
    }
    await delay(Math.min(leftMs, WAIT_POLL_MS));
  }
}

/** Returns the error after a wait. To advise a wait is no help then. */
function stillLocked(error: KeelsonError, waitMs: number): KeelsonError {
  const what = `${whatHappened(error)}, still after a wait of ${waitMs} ms`;
  const step = nextStepOf(error);
  const next =
    step === NEXT_STEPS.KEELSON_LOCKED
      ? 'Close it there, or wait longer with the option waitForLockMs. To read a store meanwhile, open it with readOnly: true'
      : step;
  return new KeelsonError('KEELSON_LOCKED', { what, next }, error.facts, error);
}

/**
 * Returns the number of the newest lock if nobody owns the directory. As long as that number stays the same,
 * nobody has taken the directory. For verify() and salvage(): makes and changes nothing.
 *
 * @throws KEELSON_LOCKED if an owner lives, or if nobody can tell.
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

/**
 * Locks the directory. Returns false if directories cannot be locked here.
 *
 * @throws KEELSON_LOCKED if another owner has it locked.
 */
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

/** Makes the lock with this number. Returns null if another contender was faster. */
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
    // A new owner took the socket for that of a dead owner, because it did not listen yet, and removed it.
    if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return null;
    throw namingDirectory(directory, error);
  }
  try {
    // Without this flush a power cut could leave a lock whose socket is not there. An opener without the addon
    // would be stuck.
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

/**
 * Names the directory in an error about a file of the lock. A user without write access knows the directory,
 * and not the files that the lock makes there.
 */
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

/**
 * Makes a complete lock file and links it to `name`. Returns null if `name` is taken, or if a new owner removed
 * the temporary file.
 */
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
    // Reused disk space may hold the contents of an older lock, which would count after a power cut.
    await file.flush();
    const identity = storage.identityOf(temporary);
    await storage.link(temporary, name);
    linked = { file, identity };
  } catch (error) {
    if (isKeelsonError(error) && NO_LINKS.includes(error.facts.errno ?? '')) throw needsLinks(name, error);
    // EXISTS: another contender linked this number. NOT_FOUND: a new owner removed the temporary file.
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
   * Returns true if this lock is the newest and its socket is still there. The lock may reuse a number that was
   * removed, and then there is a higher number. Or a new owner may have removed the socket before it listened.
   *
   * @throws KEELSON_INCOMPLETE if the directory holds a store that is not finished. The lock is then given up.
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
      // A backup makes its marker and then looks for locks. An owner makes its lock and then looks for the
      // marker. So one of them notices.
      await clearIncomplete(storage, directory, names);
      // Without this flush a power cut could bring the lock of a dead owner back as the newest, without the
      // socket that proves the death.
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

  /** Gives up this lock, because another contender is the owner. Keeps the directory open for another try. */
  async withdraw(): Promise<void> {
    await this.#giveUp();
    await this.#file.close().catch(() => {});
    await this.#announcement?.close();
  }

  /**
   * Marks the lock file as free, and removes the file only if a newer lock is there.
   *
   * The newest number must not be made twice: a slow opener may have judged the first owner of the number dead,
   * and would make the next number while the second owner lives. An older lock must not become the newest
   * either: its owner may be dead, and the socket that would prove it may be gone.
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
   * Marks the lock file as free, durably. Returns true if that succeeded.
   *
   * The socket goes only after that. Otherwise a power cut could leave a lock that says it is held, without a
   * socket. If the mark fails, the socket keeps its name, and refused connections say that the owner is gone.
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

  /**
   * Removes the lock file. As long as the file has its name, nobody else can make that name. So the file is
   * this owner's.
   */
  async #removeOwn(): Promise<void> {
    const { storage } = this.#held;
    if (storage.identityOf(this.#path) === this.#identity) await storage.remove(this.#path);
  }

  /** Throws KEELSON_LOCK_LOST if this is no longer the owner, and in every later call. */
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

/**
 * Removes what earlier owners left. Failures are ignored: the files are small, and the next owner tries again.
 * Removes a socket only if its owner is proven dead.
 */
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
