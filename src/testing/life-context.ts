// Interfaces through which the storage of a life, its open files and its held directories use the simulated disk.

import type { Announcement, Liveness, ProcessIdentity, Storage, Timer } from '../storage/storage.js';
import type { DiskImage } from './disk-image.js';
import type { QueuedOperation, Request } from './operation.js';
import type { Random } from './random.js';
import type { FileInode } from './simulated-inode.js';

/** Methods of SimulatedDisk for the lives on it. SimulatedDisk documents them. */
export interface LifeDisk {
  readonly choices: Random;
  readonly capacityBytes: number;
  usedBytes(): number;
  nowMs(): number;
  wallMs(): number;
  readonly lastWallMs: number;
  startTimer(ms: number, callback: () => void, lifeId: number): Timer;
  liveness(identity: ProcessIdentity): Liveness;
  lockDirectory(inodeId: number, holder: object, lifeId: number): boolean;
  isDirectoryLocked(inodeId: number): boolean;
  unlockDirectory(inodeId: number, holder: object): void;
  announce(inodeId: number, lifeId: number): void;
  withdraw(inodeId: number): void;
  isAnnounced(inodeId: number): boolean;
  enqueue<T>(
    request: Request<T>,
    lifeId: number,
    done: (error: Error | null, value: T | undefined) => void,
  ): QueuedOperation;
  perform<T>(request: Request<T>, lifeId: number): T;
  finish(operation: QueuedOperation): void;
  opened(handle: object, path: string, inode: FileInode): void;
  closed(handle: object): void;
}

/** Members of a life's storage that its open files use. */
export interface LifeContext {
  readonly disk: LifeDisk;
  readonly image: DiskImage;
  readonly lifeId: number;
  /**
   * Offset of each allocation in its buffer. A durable write accepts no other memory, like an engine with direct I/O.
   */
  readonly allocations: WeakMap<ArrayBufferLike, number>;
  /** Starts an operation of this process. Never settles after the process was killed. */
  run<T>(request: Request<T>): Promise<T>;
  /** Carries out an operation of this process, blocking. */
  runSync<T>(request: Request<T>): T;
}

/** Storage of a life through which a held directory is used. */
export interface HeldView extends Storage {
  readonly disk: LifeDisk;
  readonly lifeId: number;
  announce(path: string): Promise<Announcement>;
  probe(path: string): Promise<Liveness>;
}
