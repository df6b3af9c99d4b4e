// The storage interface: everything that Keelson ever asks of a disk, and nothing else.
// Engines: node:fs (fs-storage.ts), the simulated disk (src/testing/), io_uring (a later one).
// test/storage/contract.ts is what each of them must hold.
//
// Rules every engine keeps:
// - A short write is continued, EINTR and EAGAIN are retried (a named, bounded number of times). A failed flush
//   is reported and never retried; whether the same file would report success when asked again is not specified.
// - Errors are KeelsonErrors with the errno, the syscall and the path: see storage-errors.ts for which code.
// - Nothing is durable because it was written. File contents are durable after flush() or a durable write;
//   names (create, rename, link, remove) only after flushDirectory() of the directory that holds them.
// - A file that is used after close(), other than by close() or drainSync(), is a broken invariant.
// - A file that is created may be read and written by whoever may do so with its directory: the mode of the directory
//   governs, the umask does not.
// - Paths are absolute, with '/' as the separator.

import type { FrameSeal } from './frame-seal.js';

export type PathKind = 'file' | 'directory' | 'other' | 'absent';

/** Who holds a lock. Enough to tell, from another process on this machine, whether its owner still lives. */
export interface ProcessIdentity {
  /** Random per boot of the machine; empty where the system has none. */
  readonly bootId: string;
  /** The pid namespace, without which a pid means nothing; empty where the system has none. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** When the process started, in the system's own ticks, so that a reused pid is not mistaken; empty if unknown. */
  readonly startTime: string;
}

/** What taking a lock gave: 'held' when somebody else has it; 'unknown' where nothing can be locked. */
export type LockAttempt = 'locked' | 'held' | 'unknown';

/** What a look at a lock gave: 'held' when somebody has it exclusively; 'unknown' where nothing can be locked. */
export type LockState = 'free' | 'held' | 'unknown';

export type Liveness = 'live' | 'dead' | 'unknown';

/** Which engine runs and why: observable, so that nobody has to guess. */
export interface EngineReport {
  readonly engine: 'fs' | 'io_uring' | 'simulated';
  /** Why this engine and not a faster one; a sentence. */
  readonly engineReason: string;
  readonly nativeIoUringActive: boolean;
  readonly directIoActive: boolean;
  /**
   * How often the kernel was asked again after it had refused a commit for now (EINTR, EAGAIN, EBUSY). Of all stores of this
   * thread; only io_uring counts. A kernel that refuses a thousand times has failed.
   */
  readonly retries: number;
  /** Milliseconds that this thread has waited before it asked again, one at a time, with the event loop stopped. */
  readonly retryPausesMs: number;
}

export interface Storage {
  readonly report: EngineReport;

  /** What is at `path`. Never throws for a path that is not there, nor for one below a file ('absent'). */
  kind(path: string): Promise<PathKind>;
  /** The path of what is there without a symbolic link on the way to it. */
  realPath(path: string): Promise<string>;
  /** Who may read, write and enter a directory: the nine bits of its mode. Null where there are none. */
  permissionsOf(path: string): Promise<number | null>;
  /**
   * Creates one level. False when a directory was there already, which stays as it is. Without `permissions` the umask
   * decides.
   */
  makeDirectory(path: string, permissions?: number): Promise<boolean>;
  /** The names in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /** Makes every name created, renamed or removed in this directory before the call durable. */
  flushDirectory(path: string): Promise<void>;
  flushDirectorySync(path: string): void;
  /** Replaces `to` when it is there; atomic. */
  rename(from: string, to: string): Promise<void>;
  renameSync(from: string, to: string): void;
  /** A second name for a file. KEELSON_EXISTS when `name` is taken: at most one of many racers wins. */
  link(existing: string, name: string): Promise<void>;
  linkSync(existing: string, name: string): void;
  remove(path: string): Promise<void>;
  removeSync(path: string): void;
  /**
   * Identifies what has that name now; null when nothing has. Two names of one file give the same. No other file gives
   * it as long as somebody has this one open.
   */
  identityOf(path: string): string | null;
  /**
   * Keeps a directory, wherever it is moved to and whatever its path leads to later. KEELSON_NOT_FOUND when absent. Files
   * that are made in it give nobody more than `permissionsMax`.
   */
  holdDirectory(path: string, permissionsMax?: number): Promise<HeldDirectory>;

  /** Opens a file for reading, and for writing in place when `writable`. KEELSON_NOT_FOUND when absent. */
  openFile(path: string, writable: boolean): Promise<StorageFile>;
  /** Creates a file that is not there, for reading and writing. KEELSON_EXISTS when it is. */
  createFile(path: string): Promise<StorageFile>;
  /** Creates a file that will take durable writes. Everything they need is opened here, before the first of them. */
  createLogFile(path: string): Promise<LogFile>;
  createLogFileSync(path: string): LogFile;
  /** The same for a file that is there, contents and size as they are. KEELSON_NOT_FOUND when absent. */
  openLogFile(path: string): Promise<LogFile>;
  openLogFileSync(path: string): LogFile;

  /** Zeroed memory that a durable write of this engine accepts. An engine never keeps it longer than it says. */
  allocate(length: number): Uint8Array;

  /** What a write with that seal does to its bytes first; ahead of it, while the disk is busy with another write. */
  sealFrames(bytes: Uint8Array, seal: FrameSeal): void;

  readonly processIdentity: ProcessIdentity;
  /** Whether the process of that identity still has a task that can run. A zombie is dead. */
  liveness(identity: ProcessIdentity): Liveness;
  randomBytes(length: number): Uint8Array;
  /** Milliseconds from an arbitrary start, never going back. For figures, never for decisions about data. */
  nowMs(): number;
}

/**
 * A directory that stays the same one whatever happens to its path, and what the kernel knows of who uses it. Locks and
 * announcements end with the process, and with the worker thread, that made them.
 */
export interface HeldDirectory {
  /** As it was asked for. */
  readonly path: string;
  /** The same engine; names in `path` are looked up in the directory that is held. Messages show `path`. */
  readonly storage: Storage;
  /** Locks the directory exclusively until close(). Does not wait. */
  lock(): LockAttempt;
  /** Looks whether anybody has the directory locked exclusively. Others who look are not in the way. */
  probeLock(): LockState;
  /**
   * Shows under `name`, which was never used before, that this process lives. Null where the system or the file system
   * has nothing to show it with.
   */
  announce(name: string): Promise<Announcement | null>;
  /** Whether whoever announced itself as `name` lives. Everything but a proof of death is 'live' or 'unknown'. */
  probe(name: string): Promise<Liveness>;
  /** Ends announcements, waits for what is under way on names, and gives the lock back. Idempotent. */
  close(): Promise<void>;
}

export interface Announcement {
  /**
   * Ends it, and removes its name unless `keepsName`: a name that stays proves that its owner is gone. The first call decides.
   * Never rejects.
   */
  close(keepsName?: boolean): Promise<void>;
}

export interface StorageFile {
  readonly path: string;
  /** Bytes in the file. */
  size(): Promise<number>;
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`. Not durable. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Contents and size of everything written before the call, durable. */
  flush(): Promise<void>;
  /** Waits for what the engine still has under way on this file, then gives the descriptor back. Idempotent. */
  close(): Promise<void>;
}

/** One durable write: the unit of a commit. */
export interface DurableWrite {
  /** From Storage.allocate, or a part of it that starts where the allocation starts. Whole blocks. */
  readonly bytes: Uint8Array;
  readonly position: number;
  /** Checksums to fill in before the bytes go out; null when there are no frames. */
  readonly seal: FrameSeal | null;
}

/**
 * Called exactly once per submit, never from inside it; from inside drainSync() when that is what completed it.
 * `error` null: the bytes are durable. Otherwise nothing may be assumed about them, and nothing is retried.
 * `memoryIsFree` false: the engine may still read the memory of this write; it must not be written again, only dropped.
 */
export type DurableWriteDone = (error: Error | null, memoryIsFree: boolean) => void;

export interface LogFile extends StorageFile {
  writeSync(bytes: Uint8Array, position: number): void;
  flushSync(): void;
  /** Writes zeros over [from, to), so that later writes there change no metadata. Not durable by itself. */
  zeroFill(from: number, to: number): Promise<void>;
  zeroFillSync(from: number, to: number): void;
  /**
   * Cuts off what is behind `sizeBytes`, of which nothing is under way, and gives its room back. Not durable by itself: a power
   * cut may leave the file as long as it was.
   */
  truncate(sizeBytes: number): Promise<void>;
  /** Seals and starts one durable write. At most one is under way per file: a second is an invariant broken. */
  submit(write: DurableWrite, done: DurableWriteDone): void;
  /** The same, blocking, when none is under way. Throws when the bytes may not be durable. */
  writeDurableSync(write: DurableWrite): void;
  /** Blocks until the write under way, if any, has called its `done`. */
  drainSync(): void;
}
