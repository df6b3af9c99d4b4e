// The node:fs engine. It runs everywhere, needs no binary, and runs calls that may block on libuv's thread pool. This
// file has names and directories; fs-file.ts and fs-log-file.ts have the contents of files.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { crc32cUpdate } from '../crc32c.js';
import { isKeelsonError, KeelsonError } from '../errors.js';
import { alarm, delay, nowMs } from '../schedulers.js';
import { parentOf } from './directories.js';
import { checksumFrames } from './frame-checksums.js';
import { poolCall, syncCall } from './fs-call.js';
import { FsFile } from './fs-file.js';
import { FsLogFile } from './fs-log-file.js';
import { holdDirectory, identityAt, type Locate } from './held-directory.js';
import {
  fileAccessIn,
  giveAccess,
  giveAccessSync,
  PERMISSIONS,
  permissionsAt,
  setDirectoryPermissions,
} from './permissions.js';
import { processLiveness, readProcessIdentity } from './process-identity.js';
import type { EngineReport, LogFile, PathKind, Storage } from './storage.js';

/** Date.now() as it was before a test faked it. */
const { now: wallMs } = Date;

/** Flags that create a file and fail if it exists (O_EXCL), so that creating never touches another file's contents. */
const CREATE_FLAGS = 'wx+';
const READ_WRITE_FLAGS = 'r+';

/** Builds another engine on top of this one. `locate` finds names the same way as `storage` does. */
export type Decorate = (storage: Storage, locate: Locate) => Storage;

/**
 * Returns storage on node:fs. `engineReason` is the sentence of the report that says why this engine runs. `decorate`
 * wraps the storage, and the storage of every held directory.
 */
export function createFsStorage(
  engineReason = 'It was asked for.',
  decorate: Decorate = (storage) => storage,
): Storage {
  const processIdentity = readProcessIdentity();
  const report: EngineReport = {
    engine: 'fs',
    engineReason,
    nativeIoUringActive: false,
    directIoActive: false,
    retries: 0,
    retryPausesMs: 0,
  };
  const storageOn = (locate: Locate, permissionsMax = PERMISSIONS): Storage => {
    const storage: Storage = {
      report,
      ...namesOn(locate),
      ...filesOn(locate, permissionsMax),
      holdDirectory: (path, permissions = permissionsMax) =>
        holdDirectory(path, locate, permissions, storageOn),
      checksumFrames,
      verifyChecksums: null,
      populate: null,
      crc32cUpdate: (register, bytes) => crc32cUpdate(register, bytes, 0, bytes.length),
      allocate: (length) => new Uint8Array(length),
      processIdentity,
      liveness: (identity) => processLiveness(identity, processIdentity),
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
      nowMs,
      pause: delay,
      wallMs,
      startTimer: (ms, callback) => ({ cancel: alarm(ms, callback) }),
    };
    return decorate(storage, locate);
  };
  return storageOn((path) => path);
}

type Names = Pick<
  Storage,
  | 'kind'
  | 'realPath'
  | 'permissionsOf'
  | 'makeDirectory'
  | 'list'
  | 'flushDirectory'
  | 'flushDirectorySync'
  | 'rename'
  | 'renameSync'
  | 'link'
  | 'linkSync'
  | 'remove'
  | 'removeSync'
  | 'identityOf'
>;

function namesOn(at: Locate): Names {
  return {
    kind: (path) => kind(path, at),
    realPath: (path) => realPath(path, at),
    permissionsOf: (path) => poolCall('stat', path, (callback) => permissionsAt(at(path), callback)),
    makeDirectory: (path, permissions) => makeDirectory(path, permissions, at),
    list: (path) => poolCall<string[]>('readdir', path, (callback) => fs.readdir(at(path), callback)),
    flushDirectory: (path) => flushDirectory(path, at),
    flushDirectorySync: (path) => flushDirectorySync(path, at),
    rename: (from, to) => poolCall('rename', from, (callback) => fs.rename(at(from), at(to), callback)),
    renameSync: (from, to) => syncCall('rename', from, () => fs.renameSync(at(from), at(to))),
    link: (existing, name) => poolCall('link', name, (callback) => fs.link(at(existing), at(name), callback)),
    linkSync: (existing, name) => syncCall('link', name, () => fs.linkSync(at(existing), at(name))),
    remove: (path) => poolCall('unlink', path, (callback) => fs.unlink(at(path), callback)),
    removeSync: (path) => syncCall('unlink', path, () => fs.unlinkSync(at(path))),
    identityOf: (path) => identityAt(at(path), path),
  };
}

async function kind(path: string, at: Locate): Promise<PathKind> {
  try {
    const stats = await poolCall<fs.Stats>('stat', path, (callback) => fs.stat(at(path), callback));
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    const isAbsent =
      isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_NOT_A_DIRECTORY');
    if (isAbsent) return 'absent';
    throw error;
  }
}

async function realPath(path: string, at: Locate): Promise<string> {
  const real = await poolCall<string>('realpath', path, (callback) => fs.realpath.native(at(path), callback));
  return process.platform === 'win32' ? real.replaceAll('\\', '/') : real;
}

async function makeDirectory(path: string, permissions: number | undefined, at: Locate): Promise<boolean> {
  try {
    await poolCall('mkdir', path, (callback) => fs.mkdir(at(path), permissions ?? PERMISSIONS, callback));
    if (permissions !== undefined) {
      await new Promise<void>((resolve) => setDirectoryPermissions(at(path), permissions, resolve));
    }
    return true;
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_EXISTS')) throw error;
    const found = await kind(path, at);
    if (found === 'directory') return false;
    // A dangling symbolic link is 'absent' and still occupies the name.
    if (found === 'absent') throw error;
    throw new KeelsonError(
      'KEELSON_NOT_A_DIRECTORY',
      `${path} is there, and is not a directory`,
      error.facts,
      error,
    );
  }
}

/** False on Windows: it cannot open a directory as a file and has no call to flush one. NTFS journals names itself. */
const DIRECTORIES_CAN_BE_FLUSHED = process.platform !== 'win32';

/** O_DIRECTORY refuses a file: flushing a file would make no name durable. */
const DIRECTORY_FLAGS = fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0);

async function flushDirectory(path: string, at: Locate): Promise<void> {
  if (!DIRECTORIES_CAN_BE_FLUSHED) return;
  // Opening and closing wait for no disk, and each call on the pool takes a turn of the event loop.
  const fd = syncCall('open', path, () => fs.openSync(at(path), DIRECTORY_FLAGS));
  try {
    await poolCall('fsync', path, (callback) => fs.fsync(fd, callback));
  } finally {
    syncCall('close', path, () => fs.closeSync(fd));
  }
}

function flushDirectorySync(path: string, at: Locate): void {
  if (!DIRECTORIES_CAN_BE_FLUSHED) return;
  const fd = syncCall('open', path, () => fs.openSync(at(path), DIRECTORY_FLAGS));
  try {
    syncCall('fsync', path, () => fs.fsyncSync(fd));
  } finally {
    syncCall('close', path, () => fs.closeSync(fd));
  }
}

type Files = Pick<
  Storage,
  'openFile' | 'createFile' | 'createLogFile' | 'createLogFileSync' | 'openLogFile' | 'openLogFileSync'
>;

function filesOn(at: Locate, permissionsMax: number): Files {
  const open = (path: string, flags: string, mode?: number): Promise<number> =>
    poolCall<number>('open', path, (callback) => fs.open(at(path), flags, mode, callback));
  const openSync = (path: string, flags: string, mode?: number): number =>
    syncCall('open', path, () => fs.openSync(at(path), flags, mode));
  /** Creates a file whose mode comes from its directory. At no moment does it grant more access than that mode. */
  const create = async (path: string): Promise<number> => {
    const access = fileAccessIn(at(parentOf(path)), permissionsMax);
    const fd = await open(path, CREATE_FLAGS, access.mode);
    await new Promise<void>((resolve) => giveAccess(fd, access, resolve));
    return fd;
  };
  const createSync = (path: string): number => {
    const access = fileAccessIn(at(parentOf(path)), permissionsMax);
    const fd = openSync(path, CREATE_FLAGS, access.mode);
    giveAccessSync(fd, access);
    return fd;
  };

  /** Returns a log file on `fd` and on a second descriptor, which it opens. Closes `fd` if that open fails. */
  async function logFile(path: string, fd: number): Promise<LogFile> {
    try {
      return new FsLogFile(path, fd, await open(path, READ_WRITE_FLAGS));
    } catch (error) {
      // The open failed, most likely for lack of descriptors. That error matters to the caller, and an error of the
      // close does not.
      await poolCall('close', path, (callback) => fs.close(fd, callback)).catch(() => undefined);
      throw error;
    }
  }

  function logFileSync(path: string, fd: number): LogFile {
    try {
      return new FsLogFile(path, fd, openSync(path, READ_WRITE_FLAGS));
    } catch (error) {
      ignoringErrors(() => fs.closeSync(fd));
      throw error;
    }
  }

  return {
    openFile: async (path, writable) => new FsFile(path, await open(path, writable ? READ_WRITE_FLAGS : 'r')),
    createFile: async (path) => new FsFile(path, await create(path)),
    async createLogFile(path) {
      const fd = await create(path);
      try {
        return await logFile(path, fd);
      } catch (error) {
        // The name is removed so that the next attempt does not find it taken.
        await poolCall('unlink', path, (callback) => fs.unlink(at(path), callback)).catch(() => undefined);
        throw error;
      }
    },
    createLogFileSync(path) {
      const fd = createSync(path);
      try {
        return logFileSync(path, fd);
      } catch (error) {
        ignoringErrors(() => fs.unlinkSync(at(path)));
        throw error;
      }
    },
    openLogFile: async (path) => logFile(path, await open(path, READ_WRITE_FLAGS)),
    openLogFileSync: (path) => logFileSync(path, openSync(path, READ_WRITE_FLAGS)),
  };
}

function ignoringErrors(attempt: () => void): void {
  try {
    attempt();
  } catch {
    // The caller throws the error that led here.
  }
}
