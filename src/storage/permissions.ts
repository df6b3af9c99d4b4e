// Who may read and write the files that are made: the mode of their directory says it, and the umask does not.

import fs from 'node:fs';
import type { FsCallback } from './fs-call.js';

/** Windows has other ways than mode bits. */
const HAS_MODES = process.platform !== 'win32';

/** Who may read, write and enter; without set-group-ID and the sticky bit. */
export const PERMISSIONS = 0o777;
const READ_AND_WRITE = 0o666;
const OWNER_READS_AND_WRITES = 0o600;
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

/** The same of the directory at a path that the system is called with. Where nothing is, nothing can be made either. */
export function fileModeIn(directory: string, permissionsMax: number): number {
  try {
    return fileModeFor(fs.statSync(directory).mode, permissionsMax);
  } catch {
    return OWNER_READS_AND_WRITES;
  }
}

/**
 * Gives a file that was opened with this mode what the umask took away. A file system that has no such modes (FAT, some
 * shares) refuses; then fewer may use the file, which is no harm.
 */
export function restoreMode(fd: number, mode: number, done: () => void): void {
  if (HAS_MODES) fs.fchmod(fd, mode, () => done());
  else done();
}

/** The same, blocking. */
export function restoreModeSync(fd: number, mode: number): void {
  try {
    if (HAS_MODES) fs.fchmodSync(fd, mode);
  } catch {
    // As above.
  }
}

/** The permissions of a directory; null where the system has none. */
export function permissionsAt(path: string, callback: FsCallback<number | null>): void {
  fs.stat(path, (error, stats) => {
    if (error) callback(error);
    else callback(null, HAS_MODES ? stats.mode & PERMISSIONS : null);
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
