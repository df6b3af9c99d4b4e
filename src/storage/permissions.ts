// Who may read and write the files that are made: the mode of their directory says it, and the umask does not.

import fs from 'node:fs';
import type { FsCallback } from './fs-call.js';

/** Windows has other ways than mode bits. */
const HAS_MODES = process.platform !== 'win32';

/** Who may read, write and enter; without set-group-ID and the sticky bit. */
export const PERMISSIONS = 0o777;
const READ_AND_WRITE = 0o666;
const OWNER_READS_AND_WRITES = 0o600;
const GROUP_READS = 0o040;
const GROUP_AND_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * The mode of a file in a directory of the mode `directoryMode`: whoever may read the directory may read it, and whoever may
 * write there may write it, as far as `permissionsMax` allows. In a sticky directory, such as /tmp, only its owner writes it.
 */
export function fileModeFor(directoryMode: number, permissionsMax: number): number {
  const isShared = (directoryMode & STICKY) === 0;
  const mode = isShared ? directoryMode : directoryMode & ~GROUP_AND_OTHERS_WRITE;
  return (mode & permissionsMax & READ_AND_WRITE) | OWNER_READS_AND_WRITES;
}

/** Who may use a file: its mode, and the user and group that its directory has. */
export interface FileAccess {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The access of a file in the directory at a path that the system is called with. Where nothing is, nothing can be made either. */
export function fileAccessIn(directory: string, permissionsMax: number): FileAccess {
  try {
    const { mode, uid, gid } = fs.statSync(directory);
    return { mode: fileModeFor(mode, permissionsMax), uid, gid };
  } catch {
    return { mode: OWNER_READS_AND_WRITES, uid: -1, gid: -1 };
  }
}

/**
 * Gives a file that was opened with this mode what the umask took away, and the group of its directory; root gives it the
 * owner, too, so that whoever owns the store can use what root has made in it. What the system refuses (FAT, some shares, a
 * group that this user is not in) stays as it is.
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

/** As giveAccess(), blocking. */
export function giveAccessSync(fd: number, access: FileAccess): void {
  if (!HAS_MODES) return;
  const owner = ownerFor(access);
  const hasGroup = owner === null || isDone(() => fs.fchownSync(fd, owner.uid, owner.gid));
  isDone(() => fs.fchmodSync(fd, modeFor(access, hasGroup)));
}

/**
 * As giveAccessSync(), to a socket at a path that the system is called with. By a descriptor of it: whoever may write in the
 * directory could put a link to another file there. Where that cannot be had, the umask decides.
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

/** Names a file without opening it; Linux only, and not among the constants of Node.js. */
const O_PATH = 0o10000000;

/** Returns who should own a file that this process has made; null where that is so already. */
function ownerFor({ uid, gid }: FileAccess): { readonly uid: number; readonly gid: number } | null {
  const [ownUid, ownGid] = [process.geteuid?.() ?? -1, process.getegid?.() ?? -1];
  const owner = { uid: ownUid === 0 && uid !== -1 ? uid : ownUid, gid: gid === -1 ? ownGid : gid };
  return owner.uid === ownUid && owner.gid === ownGid ? null : owner;
}

/** Where the file has not got the group of its directory, all whom that lets in may read what the group may: nobody else comes by. */
function modeFor({ mode }: FileAccess, hasGroup: boolean): number {
  return hasGroup ? mode : mode | ((mode & GROUP_READS) >> 3);
}

function isDone(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}

/** Returns what a copy of a directory is to allow: without the sticky bit nobody else may write in it, as nobody does with it. */
function permissionsFor(directoryMode: number): number {
  const isShared = (directoryMode & STICKY) === 0;
  return (isShared ? directoryMode : directoryMode & ~GROUP_AND_OTHERS_WRITE) & PERMISSIONS;
}

/** The permissions of a directory; null where the system has none. */
export function permissionsAt(path: string, callback: FsCallback<number | null>): void {
  fs.stat(path, (error, stats) => {
    if (error) callback(error);
    else callback(null, HAS_MODES ? permissionsFor(stats.mode) : null);
  });
}

/** Gives the directory at a path, which was just made, these permissions, whatever the umask is. */
export function setDirectoryPermissions(path: string, permissions: number, done: () => void): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  if (!HAS_MODES) {
    done();
    return;
  }
  fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, (error, fd) => {
    // As above: what cannot be widened stays narrow.
    if (error) {
      done();
      return;
    }
    fs.fstat(fd, (_, stats) => {
      // What the parent hands down stays: the set-group-ID bit.
      const special = (stats?.mode ?? 0) & 0o7000;
      fs.fchmod(fd, special | permissions, () => fs.close(fd, () => done()));
    });
  });
}
