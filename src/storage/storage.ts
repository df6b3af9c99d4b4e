// The storage interface: every operation that Keelson uses on a disk. The engines are node:fs (fs-storage.ts),
// io_uring (io-uring-storage.ts) and the simulated disk (src/testing/). test/storage/contract.ts tests all of them.
//
// Rules for every engine:
// - Short writes are continued. EINTR and EAGAIN are retried a bounded number of times.
// - A failed flush is reported and never retried. Whether a later flush of the same file reports success is
//   unspecified.
// - Errors are KeelsonErrors with errno, syscall and path. storage-errors.ts chooses the code.
// - Contents are durable after flush() or a durable write. Names (create, rename, link, remove) are durable after
//   flushDirectory() of the directory that holds them. Nothing else makes anything durable.
// - Using a file after close() breaks an invariant, except for close() and drainSync().
// - The mode of the directory decides who may read and write a created file; the umask does not.
// - Paths are absolute, with '/' as the separator.

import type { FrameChecksums, VerifyChecksums } from './frame-checksums.js';

/** Kind of a path, with symbolic links followed. A dangling link is 'absent'. */
export type PathKind = 'file' | 'directory' | 'other' | 'absent';

/**
 * Identity of the process that holds a lock. Another process on the machine can tell from it whether the owner lives.
 */
export interface ProcessIdentity {
  /** Random id of the machine's boot; empty where the system has none. */
  readonly bootId: string;
  /** Pid namespace, which a pid needs to be unique on a machine; empty where the system has none. */
  readonly pidNamespace: string;
  /** Process id, unique within its pid namespace. */
  readonly pid: number;
  /**
   * Start time of the process in clock ticks, which tells it from a later process with the same pid; empty if
   * unknown.
   */
  readonly startTime: string;
}

/** Result of taking a lock. 'held': another owner has it. 'unknown': this system cannot lock. */
export type LockAttempt = 'locked' | 'held' | 'unknown';

/** Result of probing a lock. 'held': an owner has it exclusively. 'unknown': this system cannot lock. */
export type LockState = 'free' | 'held' | 'unknown';

/** Whether a process lives. 'dead' is proven; 'unknown' must be treated like 'live'. */
export type Liveness = 'live' | 'dead' | 'unknown';

/** Report on the engine that runs, and why. */
export interface EngineReport {
  /** Name of the engine that runs. */
  readonly engine: 'fs' | 'io_uring' | 'simulated';
  /** Sentence that says why this engine runs and no faster one. */
  readonly engineReason: string;
  /** True if io_uring does the durable writes. */
  readonly nativeIoUringActive: boolean;
  /** True if durable writes bypass the page cache. */
  readonly directIoActive: boolean;
  /**
   * Number of times a durable write was submitted again because the kernel refused it for now (EINTR, EAGAIN, EBUSY).
   * Counts all stores of this thread on the io_uring engine; 0 on other engines. A write fails after 1,000 such
   * refusals in a row.
   */
  readonly retries: number;
  /** Milliseconds that this thread slept before such submissions, with the event loop stopped. Each sleep is 1 ms. */
  readonly retryPausesMs: number;
}

/** Storage of one engine. Methods that return a promise work in the background; the others block. */
export interface Storage {
  /** Report on this engine. */
  readonly report: EngineReport;

  /** Resolves to the kind of the inode at `path`; to 'absent' if there is none, and for a path below a file. */
  kind(path: string): Promise<PathKind>;
  /** Resolves to `path` without symbolic links. KEELSON_NOT_FOUND if nothing is there. */
  realPath(path: string): Promise<string>;
  /**
   * Resolves to the mode bits (at most 0o777) that a copy of this directory should have; null where there are no mode
   * bits.
   */
  permissionsOf(path: string): Promise<number | null>;
  /**
   * Creates one level of directories. Resolves to false if the directory exists, and leaves it unchanged. Without
   * `permissions` the umask decides the mode.
   */
  makeDirectory(path: string, permissions?: number): Promise<boolean>;
  /** Resolves to the names in a directory, in no particular order. */
  list(path: string): Promise<string[]>;
  /** Makes durable all creations, renames and removals of names in this directory that ended before the call. */
  flushDirectory(path: string): Promise<void>;
  /** Blocking form of flushDirectory(). */
  flushDirectorySync(path: string): void;
  /** Renames a file atomically, replacing `to` if it exists. Durable after flushDirectory(). */
  rename(from: string, to: string): Promise<void>;
  /** Blocking form of rename(). */
  renameSync(from: string, to: string): void;
  /** Gives a file a second name. KEELSON_EXISTS if `name` is taken, so that at most one of several racers succeeds. */
  link(existing: string, name: string): Promise<void>;
  /** Blocking form of link(). */
  linkSync(existing: string, name: string): void;
  /** Removes the name of a file. KEELSON_NOT_FOUND if it is missing. */
  remove(path: string): Promise<void>;
  /** Blocking form of remove(). */
  removeSync(path: string): void;
  /**
   * Returns the identity of the file or directory at `path`; null if nothing is there. All names of a file give the
   * same identity. No other file has it while a descriptor of this one is open.
   */
  identityOf(path: string): string | null;
  /**
   * Holds a directory: the result stays the same directory, even if it is moved or its path leads elsewhere later.
   * KEELSON_NOT_FOUND if it is missing.
   * Files created in it give group and others no mode bits outside `permissionsMax`.
   */
  holdDirectory(path: string, permissionsMax?: number): Promise<HeldDirectory>;

  /** Opens a file for reading, and for writing in place if `writable`. KEELSON_NOT_FOUND if it is missing. */
  openFile(path: string, writable: boolean): Promise<StorageFile>;
  /** Creates a file for reading and writing. KEELSON_EXISTS if it exists. */
  createFile(path: string): Promise<StorageFile>;
  /**
   * Creates a file for durable writes. Opens everything that they need, so that none fails for lack of a descriptor.
   * KEELSON_EXISTS if it exists.
   */
  createLogFile(path: string): Promise<LogFile>;
  /** Blocking form of createLogFile(). */
  createLogFileSync(path: string): LogFile;
  /**
   * Opens an existing file for durable writes, with its contents and size unchanged. KEELSON_NOT_FOUND if it is
   * missing.
   */
  openLogFile(path: string): Promise<LogFile>;
  /** Blocking form of openLogFile(). */
  openLogFileSync(path: string): LogFile;

  /**
   * Returns `length` bytes of zeroed memory that durable writes of this engine accept. After a write,
   * DurableWriteDone says whether the engine still uses the memory.
   */
  allocate(length: number): Uint8Array;

  /**
   * Fills in the checksums that a durable write with these `checksums` would fill in. Lets a caller do so while the
   * disk is busy with another write.
   */
  checksumFrames(bytes: Uint8Array, checksums: FrameChecksums): void;
  /** Verifies the checksums of all frames of a commit in one call; null where that is not faster than one by one. */
  readonly verifyChecksums: VerifyChecksums | null;
  /** Returns the CRC-32C register after `bytes`, as crc32cUpdate() of src/crc32c.ts does, and maybe faster. */
  crc32cUpdate(register: number, bytes: Uint8Array): number;

  /**
   * Has another thread make the pages of this memory, so that the first write to each does not wait for it. Changes no
   * contents. Best effort. Null where that is not possible.
   */
  readonly populate: ((bytes: Uint8Array) => void) | null;

  /** Identity of this process. */
  readonly processIdentity: ProcessIdentity;
  /** Returns whether the process of `identity` has a task that can still run. A zombie is dead. */
  liveness(identity: ProcessIdentity): Liveness;
  /** Returns `length` random bytes. */
  randomBytes(length: number): Uint8Array;
  /** Returns milliseconds since an arbitrary start; never goes back. For statistics, never for decisions about data. */
  nowMs(): number;
  /**
   * Resolves after `ms` milliseconds. For background work that leaves the disk to others meanwhile. On a simulated disk,
   * where no time passes, it resolves at once.
   */
  pause(ms: number): Promise<void>;
  /** Returns the wall-clock time in whole milliseconds since 1970. It may jump, forwards and back. */
  wallMs(): number;
  /**
   * Calls `callback` once after `ms` milliseconds, unless the timer is cancelled before. Keeps no process alive. On a
   * simulated disk, timers fire when a script advances the clock of the disk.
   */
  startTimer(ms: number, callback: () => void): Timer;
}

/** A timer that was started. */
export interface Timer {
  /** Ends the timer. Idempotent. */
  cancel(): void;
}

/**
 * A directory held by its inode, whatever happens to its path, with its lock and its announcements. The lock and the
 * announcements end with the process, or the worker thread, that made them.
 */
export interface HeldDirectory {
  /** Path under which the directory was held. Messages show it. */
  readonly path: string;
  /** Storage of the same engine. Names below `path` are looked up in the held directory. */
  readonly storage: Storage;
  /** Locks the directory exclusively until close(). Does not wait. */
  lock(): LockAttempt;
  /**
   * Returns whether an owner has the directory locked exclusively. Probes do not disturb each other, but a lock() at
   * the same moment may find the directory 'held'.
   */
  probeLock(): LockState;
  /**
   * Announces under `name` that this process lives. `name` must be new in this directory. Resolves to null where the
   * system or the file system cannot announce.
   */
  announce(name: string): Promise<Announcement | null>;
  /**
   * Resolves to whether the process that announced itself as `name` lives. Without a proof of its death the answer is
   * 'live' or 'unknown'.
   */
  probe(name: string): Promise<Liveness>;
  /** Ends the announcements, waits for operations on names that are under way, and releases the lock. Idempotent. */
  close(): Promise<void>;
}

/** An announcement that a process lives. Ends at the latest with its process. */
export interface Announcement {
  /**
   * Ends the announcement. Removes its name unless `keepsName`; a name that stays proves that its owner is gone.
   * Later calls change nothing. Never rejects.
   */
  close(keepsName?: boolean): Promise<void>;
}

/** An open file. */
export interface StorageFile {
  /** Absolute path with which the file was opened. */
  readonly path: string;
  /** Resolves to the size of the file in bytes. */
  size(): Promise<number>;
  /** Resolves to the wall-clock time of the last write to the file, in whole milliseconds since 1970. */
  modifiedMs(): Promise<number>;
  /**
   * Reads from `position` into all of `into`. Resolves to the number of bytes read, which is less only at the end of
   * the file.
   */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`. Not durable before flush(). */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes durable everything that was written before the call, and the size of the file. */
  flush(): Promise<void>;
  /** Waits for operations under way on this file, then closes its descriptors. Idempotent. */
  close(): Promise<void>;
}

/** One durable write: all bytes of a commit. */
export interface DurableWrite {
  /** Whole blocks in memory from Storage.allocate(): the allocation itself, or a part that starts at its first byte. */
  readonly bytes: Uint8Array;
  /** Byte offset in the file; a multiple of the block size. */
  readonly position: number;
  /** Frames whose checksums are filled in before the write; null if the checksums are in `bytes` already. */
  readonly checksums: FrameChecksums | null;
}

/**
 * Receives the outcome of a submitted write. Called exactly once per submit(), and never from inside submit();
 * drainSync() may call it.
 *
 * If `error` is null, the bytes are durable. Otherwise their state on disk is unknown, and no engine retries the
 * write. If `memoryIsFree` is false, the engine may still read the memory: the caller must drop it and never write to
 * it again.
 */
export type DurableWriteDone = (error: Error | null, memoryIsFree: boolean) => void;

/** A file that takes durable writes. */
export interface LogFile extends StorageFile {
  /** Blocking form of write(). */
  writeSync(bytes: Uint8Array, position: number): void;
  /** Blocking form of flush(). */
  flushSync(): void;
  /** Writes zeros over `[from, to)`, so that later writes there change no metadata. Not durable before flush(). */
  zeroFill(from: number, to: number): Promise<void>;
  /** Blocking form of zeroFill(). */
  zeroFillSync(from: number, to: number): void;
  /**
   * Reserves room on the disk for an empty file, and gives the file `sizeBytes`. Its bytes are zeros, and no write to
   * them fails for lack of room. The first write to each place also changes metadata. So durable writes are slower than
   * after zeroFill(), but nothing is written twice. Blocks, but writes nothing. Not durable before flush().
   *
   * Returns false where the system cannot reserve room. Throws KEELSON_NO_SPACE if there is none; part of it may be
   * reserved then.
   */
  reserve(sizeBytes: number): boolean;
  /**
   * Truncates the file to `sizeBytes` and frees the space after it. No write past `sizeBytes` may be under way. Not
   * durable before flush(): after a power cut the file may have its former size.
   */
  truncate(sizeBytes: number): Promise<void>;
  /** Fills in the checksums and starts one durable write. A second write while one is under way breaks an invariant. */
  submit(write: DurableWrite, done: DurableWriteDone): void;
  /**
   * Fills in the checksums and carries out one durable write, blocking. No other may be under way. Throws unless the
   * bytes are certainly durable.
   */
  writeDurableSync(write: DurableWrite): void;
  /** Blocks until the write under way, if any, is finished and has called its `done`. */
  drainSync(): void;
}
