// One operation on the simulated disk, from its submission to its completion.
// It has three steps that a crash can fall between: it reaches the view, it completes, and its caller is told.

import type { DiskImage, NameIntent } from './disk-image.js';
import type { FaultKind, OperationName, SilentFaultKind } from './faults.js';
import type { Random } from './random.js';
import { SECTOR_BYTES, sectorsFor } from './sector-map.js';
import type { WriteData } from './simulated-inode.js';

/** Operations that leave no trace: nothing new to find for a crash. */
export const TRACELESS: ReadonlySet<OperationName> = new Set([
  'kind',
  'list',
  'size',
  'read',
  'openFile',
  'openLogFile',
  'close',
]);
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
  truncate: 'ftruncate',
  flush: 'fdatasync',
  close: 'close',
  submit: 'fdatasync',
};

/** What a crash may find of an operation that is in flight. Plain data, so that a captured state can hold it. */
export type Intent =
  | {
      readonly kind: 'write';
      readonly inodeId: number;
      readonly position: number;
      readonly data: WriteData;
      readonly isDurable: boolean;
    }
  | { readonly kind: 'names'; readonly names: NameIntent };

export type WriteIntent = Extract<Intent, { kind: 'write' }>;

/** Counts what is under way on an open file, so that closing it can wait. */
export interface HandleUse {
  underWayCount: number;
}

export interface Request<T> {
  readonly name: OperationName;
  readonly path: string;
  readonly intent?: Intent;
  readonly handle?: HandleUse;
  /** The kinds of fault, other than `before`, that this operation can have. */
  readonly faultKinds?: readonly (FaultKind | SilentFaultKind)[];
  /** Reaches the view. May throw what a disk would say. */
  readonly apply: (fault: FaultKind | SilentFaultKind | null) => T;
  /** The place of its effect in the order of the disk, for operations that change something. */
  readonly orderOf?: (result: T) => number | null;
  /** Completes. With a fault, one of `faultKinds`, it does what is left to do after a failure of that kind. */
  readonly complete?: (result: T, fault: FaultKind | SilentFaultKind | null) => void;
}

/** The failure that a fault rule ordered. */
export interface OrderedFailure {
  /** Null for a silent one. */
  readonly error: Error | null;
  readonly kind: FaultKind | SilentFaultKind;
  /** What a durable write says of its memory. */
  readonly memoryIsFree: boolean;
}

export interface QueuedOperation {
  readonly name: OperationName;
  readonly path: string;
  readonly lifeId: number;
  readonly handle: HandleUse | undefined;
  /** What a crash may find of it beyond what is in the view already; null when there is no more. */
  readonly intentLeft: Intent | null;
  /** The place in the order of the disk of what has reached the view; null when nothing has. */
  readonly appliedOrder: number | null;
  readonly isApplied: boolean;
  readonly memoryIsFree: boolean;
  /** How many steps of others still go before it. */
  slowSteps: number;
  apply(): void;
  complete(): void;
  settle(): void;
}

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
    // What does wrong in silence does it when it is applied: until then nothing is on its way.
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

/** A write that was in flight lands. */
export function landWrite(image: DiskImage, intent: WriteIntent): void {
  const inode = image.inodes.get(intent.inodeId);
  // Nothing leads to that file any more, so nobody can ever see the write.
  if (inode?.kind !== 'file') return;
  const order = image.write(inode, intent.position, intent.data);
  image.landed(order);
  if (intent.isDurable) inode.makeDurable(new Set([order]));
}

/** The start of a write, for one that was cut short. */
function firstSectors(data: WriteData, sectorCount: number): WriteData {
  const length = sectorCount * SECTOR_BYTES;
  if (data instanceof Uint8Array) return length < data.length ? data.subarray(0, length) : data;
  return length < data.zerosLength ? { zerosLength: length } : data;
}

/** A seeded part of a write: some sectors, or none. */
export function somePart(data: WriteData, random: Random): WriteData {
  const length = data instanceof Uint8Array ? data.length : data.zerosLength;
  return firstSectors(data, random.below(sectorsFor(length)));
}
