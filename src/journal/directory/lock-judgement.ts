// The judgement whether the owner of a directory lives.
//
// Proofs come first: a lock of the directory and a socket that listens, which the kernel drops with the
// process. Labels (boot id, process id, start time) count only for an owner that had neither. Every doubt is
// KEELSON_LOCKED, with what to do.

import { KeelsonError, NEXT_STEPS } from '../../errors.js';
import { delay } from '../../schedulers.js';
import type { HeldDirectory, Storage } from '../../storage/index.js';
import { highestLock, isLiveName, type LockOwner, lockPath, readLock } from './lock-files.js';

/** The judgement on a lock: nobody owns the directory, or the directory has changed meanwhile. */
export type Judgement = { readonly kind: 'unowned'; readonly lock: number } | { readonly kind: 'changed' };

/**
 * Who asks: an open, or an examiner (verify() or salvage()). A message proposes options of an open only to an opener.
 */
export type LockVisitor = 'opener' | 'examiner';

const FOR_EXAMINER = 'Close it first, or make a db.backup() in the program that has it open and use that';

/**
 * Limit of the probes of a socket that no lock names, STRANGER_PROBE_MS apart. A contender has a socket for a
 * moment, even if it does not get the lock.
 */
const STRANGER_PROBES_MAX = 20;
const STRANGER_PROBE_MS = 5;

/**
 * Judges the newest lock in a directory.
 *
 * @param isUnlocked True if the kernel says that nobody else has the directory locked.
 * @throws KEELSON_LOCKED if an owner lives, or if nobody can tell.
 */
export async function judgeOwner(
  held: HeldDirectory,
  isUnlocked: boolean,
  visitor: LockVisitor,
): Promise<Judgement> {
  const { storage, path: directory } = held;
  const names = await storage.list(directory);
  const lock = highestLock(names);
  let live: string | null = null;
  if (lock > 0) {
    const contents = await readLock(storage, lockPath(directory, lock));
    if (contents === null) return { kind: 'changed' };
    if (contents.kind === 'held') {
      await assertDead(held, lock, contents.owner, isUnlocked, visitor);
      live = contents.owner.live;
    }
  }
  const strangers = names.filter((name) => isLiveName(name) && name !== live);
  if (await outlast(held, strangers)) return { kind: 'changed' };
  return { kind: 'unowned', lock };
}

/**
 * Throws KEELSON_LOCKED for a directory that somebody has locked. The message names the owner if the lock file
 * does.
 */
export async function refuseLocked(held: HeldDirectory, visitor: LockVisitor): Promise<never> {
  const { storage, path: directory } = held;
  const lock = highestLock(await storage.list(directory));
  const path = lockPath(directory, lock);
  const contents = lock === 0 ? null : await readLock(storage, path);
  if (contents?.kind === 'held') throw locked(storage, directory, path, contents.owner, 'has', visitor);
  throw new KeelsonError(
    'KEELSON_LOCKED',
    {
      what: `${directory} is locked by a process that opens or closes it just now, or whose lock file was removed`,
      next:
        visitor === 'examiner'
          ? 'Try again. If it stays locked, end the process that has it open'
          : 'Try again, or wait with the option waitForLockMs. If it stays locked, end the process that has it open',
    },
    { path: directory },
  );
}

/**
 * Returns if a proof says that the owner is dead, or if the labels say so and there is no proof.
 *
 * @throws KEELSON_LOCKED otherwise.
 */
async function assertDead(
  held: HeldDirectory,
  lock: number,
  owner: LockOwner,
  isUnlocked: boolean,
  visitor: LockVisitor,
): Promise<void> {
  const { storage, path: directory } = held;
  const path = lockPath(directory, lock);
  const liveness = owner.live === null ? 'unknown' : await held.probe(owner.live);
  if (liveness === 'dead') return;
  if (liveness === 'live') throw locked(storage, directory, path, owner, 'has', visitor);
  if (owner.flock && isUnlocked) return;
  if (owner.live === null && !owner.flock) {
    const labelled = storage.liveness(owner);
    if (labelled === 'dead') return;
    if (labelled === 'live') throw locked(storage, directory, path, owner, 'has', visitor);
  }
  throw locked(storage, directory, path, owner, 'had', visitor);
}

/**
 * Waits for sockets that the newest lock does not name. Returns true if one of them listened and is gone now:
 * it belonged to a contender.
 *
 * @throws KEELSON_LOCKED if one stays. It belongs to an owner whose lock file was removed by hand.
 */
async function outlast(held: HeldDirectory, strangers: readonly string[]): Promise<boolean> {
  let wasSeen = false;
  for (const name of strangers) {
    for (let probes = 1; (await held.probe(name)) === 'live'; probes++) {
      wasSeen = true;
      if (probes === STRANGER_PROBES_MAX) throw strangerLives(held.path, name);
      await delay(STRANGER_PROBE_MS);
    }
  }
  return wasSeen;
}

function strangerLives(directory: string, name: string): KeelsonError {
  const path = `${directory}/${name}`;
  return new KeelsonError(
    'KEELSON_LOCKED',
    {
      what: `${directory} is locked: a process that no lock file names listens at ${path}. It opens or closes the directory just now, or its lock file was removed`,
      next: 'Try again; if it stays, find that process (ss -xlp shows it) and end it',
    },
    { path },
  );
}

function locked(
  storage: Storage,
  directory: string,
  path: string,
  owner: LockOwner,
  verb: 'has' | 'had',
  visitor: LockVisitor,
): KeelsonError {
  return new KeelsonError(
    'KEELSON_LOCKED',
    {
      what: `${directory} is locked: ${whyLocked(storage, owner, verb)} (${path})`,
      next: nextOf(storage, owner, verb, path, visitor),
    },
    {
      path,
      owner: JSON.stringify(owner),
    },
  );
}

function whyLocked(storage: Storage, owner: LockOwner, verb: 'has' | 'had'): string {
  if (isThisProcess(storage, owner)) {
    return `this process (${owner.pid}) has it open already`;
  }
  if (verb === 'has') return `process ${owner.pid} has it open`;
  return `process ${owner.pid} had it open, and from here it cannot be known whether that still runs`;
}

function nextOf(
  storage: Storage,
  owner: LockOwner,
  verb: 'has' | 'had',
  path: string,
  visitor: LockVisitor,
): string {
  if (verb === 'had') return `Make sure that it does not, and then remove the file ${path}`;
  if (visitor === 'examiner') return FOR_EXAMINER;
  if (!isThisProcess(storage, owner)) return NEXT_STEPS.KEELSON_LOCKED;
  return 'Share the handle that is open, or close it first. To read a store meanwhile, open it with readOnly: true';
}

/** Compares identities. So it also notices another copy of this module, and another thread. */
function isThisProcess({ processIdentity: own }: Storage, owner: LockOwner): boolean {
  return (
    owner.pid === own.pid && owner.startTime === own.startTime && owner.pidNamespace === own.pidNamespace
  );
}
