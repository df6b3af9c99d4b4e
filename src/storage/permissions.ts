// Access rights of created files. They follow from the mode of the directory; the umask does not matter.

import fs from 'node:fs';
import type { FsCallback } from './fs-call.js';

/** False on Windows, which has no mode bits. */
const HAS_MODES = process.platform !== 'win32';

/** Mode bits for reading, writing and entering, without set-user-ID, set-group-ID and sticky bit. */
export const PERMISSIONS = 0o777;
const READ_AND_WRITE = 0o666;
const OWNER_READS_AND_WRITES = 0o600;
const GROUP_READS = 0o040;
const OTHERS_ENTER = 0o001;
const GROUP_AND_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Returns the mode of a file in a directory with the mode `directoryMode`. Users who may read or write in the
 * directory may read or write the file, within the bits of `permissionsMax`. In a sticky directory such as /tmp only
 * the owner may write the file. The owner may always read and write.
 */
function fileModeFor(directoryMode: number, permissionsMax: number): number {
  const isShared = (directoryMode & STICKY) === 0;
  const mode = isShared ? directoryMode : directoryMode & ~GROUP_AND_OTHERS_WRITE;
  return (mode & permissionsMax & READ_AND_WRITE) | OWNER_READS_AND_WRITES;
}

/** Access rights of a file: its mode, and the user and group of its directory. */
export interface FileAccess {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** True if users who are neither the owner nor in the group may enter the directory, and so open names they know. */
  readonly othersEnter: boolean;
}

/**
 * Returns the access rights for a file in `directory`, a path for system calls. If the directory is missing, creating
 * the file fails anyway, and any rights will do.
 */
export function fileAccessIn(directory: string, permissionsMax: number): FileAccess {
  try {
    const { mode, uid, gid } = fs.statSync(directory);
    const othersEnter = (mode & OTHERS_ENTER) !== 0;
    return { mode: fileModeFor(mode, permissionsMax), uid, gid, othersEnter };
  } catch {
    return { mode: OWNER_READS_AND_WRITES, uid: -1, gid: -1, othersEnter: true };
  }
}

/**
 * Gives a newly created file the mode bits that the umask removed, and the group of its directory. Root also gives
 * the file the owner of its directory, so that the owner of a store can use files that root made in it. Ignores what
 * the system refuses: FAT, some network shares, a group that this user is not in.
 */
export function giveAccess(fd: number, access: FileAccess, done: () => void): void {
  if (!HAS_MODES) {
    done();
    return;
  }
  const owner = ownerFor(access);
  const giveMode = (hasGroup: boolean) => fs.fchmod(fd, modeFor(access, hasGroup), () => done());
  if (owner === null) giveMode(true);
  else fs.fchown(fd, owner.uid, owner.gid, (error) => giveMode(error === null));
}

/** Blocking form of giveAccess(). */
export function giveAccessSync(fd: number, access: FileAccess): void {
  if (!HAS_MODES) return;
  const owner = ownerFor(access);
  const hasGroup = owner === null || isDone(() => fs.fchownSync(fd, owner.uid, owner.gid));
  isDone(() => fs.fchmodSync(fd, modeFor(access, hasGroup)));
}

/**
 * Gives access rights to a socket at `path`, a path for system calls. Goes through a descriptor that follows no link,
 * because another user who may write in the directory could replace the socket by a link to another file. Ignores
 * every failure: the umask decides then.
 */
export function giveSocketAccess(path: string, access: FileAccess): void {
  if (process.platform !== 'linux') return;
  isDone(() => {
    const fd = fs.openSync(path, O_PATH | fs.constants.O_NOFOLLOW);
    try {
      if (!fs.fstatSync(fd).isSocket()) return;
      const through = `/proc/self/fd/${fd}`;
      const owner = ownerFor(access);
      const hasGroup = owner === null || isDone(() => fs.chownSync(through, owner.uid, owner.gid));
      fs.chmodSync(through, modeFor(access, hasGroup));
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Flag of open(2) that names a file without opening it. Linux only, and not among the constants of Node.js. */
const O_PATH = 0o10000000;

/** Returns the user and group to give to a file that this process made; null if the file has them already. */
function ownerFor({ uid, gid }: FileAccess): { readonly uid: number; readonly gid: number } | null {
  const [ownUid, ownGid] = [process.geteuid?.() ?? -1, process.getegid?.() ?? -1];
  const owner = { uid: ownUid === 0 && uid !== -1 ? uid : ownUid, gid: gid === -1 ? ownGid : gid };
  return owner.uid === ownUid && owner.gid === ownGid ? null : owner;
}

/**
 * Returns the mode for a file. If the file could not get the directory's group, everybody gets the group's right to
 * read, so that the group's members have it, unless the directory lets users in who are not in its group.
 */
function modeFor({ mode, othersEnter }: FileAccess, hasGroup: boolean): number {
  return hasGroup || othersEnter ? mode : mode | ((mode & GROUP_READS) >> 3);
}

function isDone(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns the mode bits for a copy of a directory. The copy has no sticky bit. Group and others lose the right to
 * write in the copy of a sticky directory: in the original they could not write the store's files either.
 */
function permissionsFor(directoryMode: number): number {
  const isShared = (directoryMode & STICKY) === 0;
  return (isShared ? directoryMode : directoryMode & ~GROUP_AND_OTHERS_WRITE) & PERMISSIONS;
}

/** Passes the mode bits for a copy of the directory at `path` to `callback`; null where there are no mode bits. */
export function permissionsAt(path: string, callback: FsCallback<number | null>): void {
  fs.stat(path, (error, stats) => {
    if (error) callback(error);
    else callback(null, HAS_MODES ? permissionsFor(stats.mode) : null);
  });
}

/**
 * Gives these mode bits to a directory that this process has just made. Overrides the umask. Ignores failures: the
 * directory then keeps the narrower mode.
 */
export function setDirectoryPermissions(path: string, permissions: number, done: () => void): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  if (!HAS_MODES) {
    done();
    return;
  }
  fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, (error, fd) => {
    if (error) {
      done();
      return;
    }
    fs.fstat(fd, (_, stats) => {
      // Keeps the set-group-ID bit that the parent hands down.
      const special = (stats?.mode ?? 0) & 0o7000;
      fs.fchmod(fd, special | permissions, () => fs.close(fd, () => done()));
    });
  });
}
