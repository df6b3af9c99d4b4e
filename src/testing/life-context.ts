// What the storage of a life, and its open files and directories, use of the simulated disk.

import type { Announcement, Liveness, ProcessIdentity, Storage } from '../storage/storage.js';
import type { DiskImage } from './disk-image.js';
import type { QueuedOperation, Request } from './operation.js';
import type { Random } from './random.js';
import type { FileInode } from './simulated-inode.js';

/** The disk, as every life on it uses it. SimulatedDisk has the docs. */
export interface LifeDisk {
  readonly choices: Random;
  readonly capacityBytes: number;
  usedBytes(): number;
  nowMs(): number;
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

/** What the open files of a life need of it. */
export interface LifeContext {
  readonly disk: LifeDisk;
  readonly image: DiskImage;
  readonly lifeId: number;
  /** Where each allocation starts: a durable write accepts no other memory, as on an engine with direct I/O. */
  readonly allocations: WeakMap<ArrayBufferLike, number>;
  run<T>(request: Request<T>): Promise<T>;
  runSync<T>(request: Request<T>): T;
}

/** A storage of a life in which a directory is held. */
export interface HeldView extends Storage {
  readonly disk: LifeDisk;
  readonly lifeId: number;
  announce(path: string): Promise<Announcement>;
  probe(path: string): Promise<Liveness>;
}
