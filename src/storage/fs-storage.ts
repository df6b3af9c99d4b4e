// The node:fs engine: it runs everywhere, needs no binary, and does all that may block on libuv's thread pool.
// This file owns names and directories; fs-file.ts and fs-log-file.ts own what happens inside files.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { performance } from 'node:perf_hooks';
import { isKeelsonError, KeelsonError } from '../errors.js';
import { sealFrames } from './frame-seal.js';
import { poolCall, syncCall } from './fs-call.js';
import { FsFile } from './fs-file.js';
import { FsLogFile } from './fs-log-file.js';
import { mayBeOpenHere, processLiveness, readProcessIdentity } from './process-identity.js';
import type { EngineReport, LogFile, PathKind, Storage, StorageFile } from './storage.js';

/**
 * Written by their owner only, readable by others, and the umask may take more away. Write permission for a group
 * would invite a second writer; hiding the data is for the directory's mode, which whoever deploys can choose.
 */
const FILE_MODE = 0o644;
/** Fails when the file is there (O_EXCL): creating never touches what another one wrote. */
const CREATE_FLAGS = 'wx+';
const READ_WRITE_FLAGS = 'r+';

/** Storage on node:fs. `engineReason` is why it runs and not a faster one: a sentence, for the report. */
export function createFsStorage(engineReason = 'It was asked for.'): Storage {
  const processIdentity = readProcessIdentity();
  const report: EngineReport = {
    engine: 'fs',
    engineReason,
    nativeIoUringActive: false,
    directIoActive: false,
  };
  return {
    report,
    kind,
    realPath,
    makeDirectory,
    list: (path) => poolCall<string[]>('readdir', path, (callback) => fs.readdir(path, callback)),
    flushDirectory,
    flushDirectorySync,
    rename: (from, to) => poolCall('rename', from, (callback) => fs.rename(from, to, callback)),
    renameSync: (from, to) => syncCall('rename', from, () => fs.renameSync(from, to)),
    link: (existing, name) => poolCall('link', name, (callback) => fs.link(existing, name, callback)),
    remove: (path) => poolCall('unlink', path, (callback) => fs.unlink(path, callback)),
    removeSync: (path) => syncCall('unlink', path, () => fs.unlinkSync(path)),
    openFile,
    createFile,
    createLogFile,
    createLogFileSync,
    openLogFile,
    openLogFileSync,
    sealFrames,
    allocate: (length) => new Uint8Array(length),
    processIdentity,
    liveness: (identity, openPath) => {
      const liveness = processLiveness(identity, processIdentity);
      const isThisProcess = liveness === 'live' && identity.pid === processIdentity.pid;
      return isThisProcess && openPath !== undefined && !mayBeOpenHere(openPath) ? 'dead' : liveness;
    },
    lockFile: () => 'unknown',
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    nowMs: () => performance.now(),
  };
}

async function kind(path: string): Promise<PathKind> {
  try {
    const stats = await poolCall<fs.Stats>('stat', path, (callback) => fs.stat(path, callback));
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    const isAbsent =
      isKeelsonError(error, 'KEELSON_NOT_FOUND') || isKeelsonError(error, 'KEELSON_NOT_A_DIRECTORY');
    if (isAbsent) return 'absent';
    throw error;
  }
}

async function realPath(path: string): Promise<string> {
  const real = await poolCall<string>('realpath', path, (callback) => fs.realpath.native(path, callback));
  return process.platform === 'win32' ? real.replaceAll('\\', '/') : real;
}

async function makeDirectory(path: string): Promise<boolean> {
  try {
    await poolCall('mkdir', path, (callback) => fs.mkdir(path, callback));
    return true;
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_EXISTS')) throw error;
    const found = await kind(path);
    if (found === 'directory') return false;
    // A link to nothing is 'absent', and takes the name all the same.
    if (found === 'absent') throw error;
    throw new KeelsonError(
      'KEELSON_NOT_A_DIRECTORY',
      `mkdir failed, there is something that is not a directory: ${path}`,
      error.facts,
      error,
    );
  }
}

/** Windows opens no directory as a file, and has no call that flushes one: NTFS journals names by itself. */
const DIRECTORIES_CAN_BE_FLUSHED = process.platform !== 'win32';

/** To flush a file that was taken for a directory would say nothing about any name: O_DIRECTORY refuses it. */
const DIRECTORY_FLAGS = fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0);

async function flushDirectory(path: string): Promise<void> {
  if (!DIRECTORIES_CAN_BE_FLUSHED) return;
  const fd = await poolCall<number>('open', path, (callback) => fs.open(path, DIRECTORY_FLAGS, callback));
  try {
    await poolCall('fsync', path, (callback) => fs.fsync(fd, callback));
  } finally {
    await poolCall('close', path, (callback) => fs.close(fd, callback));
  }
}

function flushDirectorySync(path: string): void {
  if (!DIRECTORIES_CAN_BE_FLUSHED) return;
  const fd = syncCall('open', path, () => fs.openSync(path, DIRECTORY_FLAGS));
  try {
    syncCall('fsync', path, () => fs.fsyncSync(fd));
  } finally {
    syncCall('close', path, () => fs.closeSync(fd));
  }
}

async function openFile(path: string, writable: boolean): Promise<StorageFile> {
  return new FsFile(path, await open(path, writable ? READ_WRITE_FLAGS : 'r'));
}

async function createFile(path: string): Promise<StorageFile> {
  return new FsFile(path, await open(path, CREATE_FLAGS));
}

async function createLogFile(path: string): Promise<LogFile> {
  const fd = await open(path, CREATE_FLAGS);
  try {
    return await logFile(path, fd);
  } catch (error) {
    // What failed leaves no name behind, or the next attempt would find it taken.
    await poolCall('unlink', path, (callback) => fs.unlink(path, callback)).catch(() => undefined);
    throw error;
  }
}

function createLogFileSync(path: string): LogFile {
  const fd = openSync(path, CREATE_FLAGS);
  try {
    return logFileSync(path, fd);
  } catch (error) {
    ignoringErrors(() => fs.unlinkSync(path));
    throw error;
  }
}

async function openLogFile(path: string): Promise<LogFile> {
  return logFile(path, await open(path, READ_WRITE_FLAGS));
}

function openLogFileSync(path: string): LogFile {
  return logFileSync(path, openSync(path, READ_WRITE_FLAGS));
}

/** A log file on `fd` and a second descriptor of the same file. Gives `fd` back if that cannot be had. */
async function logFile(path: string, fd: number): Promise<LogFile> {
  try {
    return new FsLogFile(path, fd, await open(path, READ_WRITE_FLAGS));
  } catch (error) {
    // Out of descriptors, most likely. What goes wrong while clearing up is told by nobody: the first error is the one
    // that matters.
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

function open(path: string, flags: string): Promise<number> {
  return poolCall<number>('open', path, (callback) => fs.open(path, flags, FILE_MODE, callback));
}

function openSync(path: string, flags: string): number {
  return syncCall('open', path, () => fs.openSync(path, flags, FILE_MODE));
}

function ignoringErrors(attempt: () => void): void {
  try {
    attempt();
  } catch {
    // The caller is about to throw the error that led here.
  }
}
