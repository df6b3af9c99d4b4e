// One operation on the simulated disk, from its submission to its end. It has three steps: it reaches the view (what
// processes see), it completes, and its promise settles. A crash can fall between any two of them.

import type { DiskImage, NameIntent } from './disk-image.js';
import type { FaultKind, OperationName, SilentFaultKind } from './faults.js';
import type { Random } from './random.js';
import { SECTOR_BYTES, sectorsFor } from './sector-map.js';
import type { WriteData } from './simulated-inode.js';

/** Operations that change nothing on the disk, so that a crash after them finds nothing new. */
export const TRACELESS: ReadonlySet<OperationName> = new Set([
  'kind',
  'list',
  'size',
  'read',
  'openFile',
  'openLogFile',
  'close',
]);
/** System call that an error of each operation names. */
export const SYSCALLS: Readonly<Record<OperationName, string>> = {
  kind: 'stat',
  makeDirectory: 'mkdir',
  list: 'readdir',
  flushDirectory: 'fsync',
  rename: 'rename',
  link: 'link',
  remove: 'unlink',
  openFile: 'open',
  createFile: 'open',
  createLogFile: 'open',
  openLogFile: 'open',
  size: 'fstat',
  read: 'read',
  write: 'write',
  zeroFill: 'write',
  reserve: 'fallocate',
  truncate: 'ftruncate',
  flush: 'fdatasync',
  close: 'close',
  submit: 'fdatasync',
};

/** Effect of an operation in flight that a crash may find. Plain data, so that a captured state can hold it. */
export type Intent =
  | {
      readonly kind: 'write';
      readonly inodeId: number;
      readonly position: number;
      readonly data: WriteData;
      readonly isDurable: boolean;
    }
  | { readonly kind: 'names'; readonly names: NameIntent };

/** Effect of a write in flight. */
export type WriteIntent = Extract<Intent, { kind: 'write' }>;

/** Count of operations under way on an open file. Its close waits for them. */
export interface HandleUse {
  underWayCount: number;
}

/** A request of a process to the disk. */
export interface Request<T> {
  readonly name: OperationName;
  readonly path: string;
  readonly intent?: Intent;
  readonly handle?: HandleUse;
  /** Kinds of fault that this operation supports, besides `before`. */
  readonly faultKinds?: readonly (FaultKind | SilentFaultKind)[];
  /** Applies the operation to the view. Throws the error of the disk if there is one. */
  readonly apply: (fault: FaultKind | SilentFaultKind | null) => T;
  /** Returns the order of the change, for operations that change something. */
  readonly orderOf?: (result: T) => number | null;
  /**
   * Completes the operation. With a fault, which is one of `faultKinds`, does what remains to be done after that
   * failure.
   */
  readonly complete?: (result: T, fault: FaultKind | SilentFaultKind | null) => void;
}

/** Failure that a fault rule demands of an operation. */
export interface OrderedFailure {
  /** Error to report; null for a silent fault. */
  readonly error: Error | null;
  readonly kind: FaultKind | SilentFaultKind;
  /** Value of `memoryIsFree` that a durable write reports. */
  readonly memoryIsFree: boolean;
}

/** An operation in the queue of the disk. */
export interface QueuedOperation {
  readonly name: OperationName;
  readonly path: string;
  readonly lifeId: number;
  readonly handle: HandleUse | undefined;
  /** Effect that a crash may find in addition to the view; null if there is none. */
  readonly intentLeft: Intent | null;
  /** Order of the change that has reached the view; null if none has. */
  readonly appliedOrder: number | null;
  readonly isApplied: boolean;
  readonly memoryIsFree: boolean;
  /** Number of steps of other operations that still go before this one. */
  slowSteps: number;
  apply(): void;
  complete(): void;
  settle(): void;
}

/** An operation with the type of its result. */
export class Operation<T> implements QueuedOperation {
  readonly name: OperationName;
  readonly path: string;
  readonly handle: HandleUse | undefined;
  isApplied = false;
  slowSteps = 0;
  #outcome: { readonly value: T } | { readonly error: Error } | null = null;

  readonly lifeId: number;
  readonly #request: Request<T>;
  readonly #failure: OrderedFailure | null;
  readonly #done: (error: Error | null, value: T | undefined) => void;

  constructor(
    request: Request<T>,
    lifeId: number,
    failure: OrderedFailure | null,
    done: (error: Error | null, value: T | undefined) => void,
  ) {
    this.#request = request;
    this.lifeId = lifeId;
    this.#failure = failure;
    this.#done = done;
    this.name = request.name;
    this.path = request.path;
    this.handle = request.handle;
  }

  get intentLeft(): Intent | null {
    // A silent fault takes effect when the operation is applied. Until then nothing is on its way to the disk.
    if (this.isApplied || this.#failure?.kind === 'before' || this.#failure?.error === null) return null;
    return this.#request.intent ?? null;
  }

  get appliedOrder(): number | null {
    if (this.#outcome === null || 'error' in this.#outcome) return null;
    return this.#request.orderOf?.(this.#outcome.value) ?? null;
  }

  get memoryIsFree(): boolean {
    return this.#failure?.memoryIsFree ?? true;
  }

  apply(): void {
    if (this.isApplied) return;
    this.isApplied = true;
    if (this.#failure?.kind === 'before') {
      this.#outcome = { error: this.#failure.error as Error };
      return;
    }
    try {
      this.#outcome = { value: this.#request.apply(this.#failure?.kind ?? null) };
    } catch (error) {
      this.#outcome = { error: error as Error };
    }
  }

  complete(): void {
    this.apply();
    if (this.#outcome === null || 'error' in this.#outcome) return;
    try {
      this.#request.complete?.(this.#outcome.value, this.#failure?.kind ?? null);
      if (this.#failure?.error) this.#outcome = { error: this.#failure.error };
    } catch (error) {
      this.#outcome = { error: error as Error };
    }
  }

  settle(): void {
    const outcome = this.#outcome;
    if (outcome === null) return;
    if ('error' in outcome) this.#done(outcome.error, undefined);
    else this.#done(null, outcome.value);
  }
}

/** Lands a write that was in flight. */
export function landWrite(image: DiskImage, intent: WriteIntent): void {
  const inode = image.inodes.get(intent.inodeId);
  // The file no longer has a name or a handle, so no process can see the write.
  if (inode?.kind !== 'file') return;
  const order = image.write(inode, intent.position, intent.data);
  image.landed(order);
  if (intent.isDurable) inode.makeDurable(new Set([order]));
}

/** Returns the first sectors of a write. */
function firstSectors(data: WriteData, sectorCount: number): WriteData {
  const length = sectorCount * SECTOR_BYTES;
  if (data instanceof Uint8Array) return length < data.length ? data.subarray(0, length) : data;
  return length < data.zerosLength ? { zerosLength: length } : data;
}

/** Returns the first sectors of a write, a seeded number of them; possibly none, never all. */
export function somePart(data: WriteData, random: Random): WriteData {
  const length = data instanceof Uint8Array ? data.length : data.zerosLength;
  return firstSectors(data, random.below(sectorsFor(length)));
}
