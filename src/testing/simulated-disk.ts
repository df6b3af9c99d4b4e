// The simulated disk: processes ("lives") on it, their operations in flight, faults, and the boundaries at which the
// whole of it can be captured, to cut its power or kill its processes in as many ways as one likes.
//
// Nothing here waits for time. Operations complete in a seeded random order, a few per turn of the event loop; one
// seed and one workload give one history.

import { checkNames } from '../options.js';
import type { Liveness, ProcessIdentity, Storage } from '../storage/storage.js';
import { applyDamage, type Damage } from './damage.js';
import { DiskImage } from './disk-image.js';
import { CapturedDisk, type Inheritance } from './disk-state.js';
import { type FaultRule, faultKind, isSilent, type OperationName, simulatedError } from './faults.js';
import { Lives } from './lives.js';
import {
  landWrite,
  Operation,
  type OrderedFailure,
  type QueuedOperation,
  type Request,
  SYSCALLS,
  somePart,
  TRACELESS,
  type WriteIntent,
} from './operation.js';
import { mixSeeds, Random } from './random.js';
import type { FileInode } from './simulated-inode.js';
import { SimulatedStorage } from './simulated-storage.js';

export interface SimulatedDiskOptions {
  /** One seed, one history. */
  readonly seed: number;
  /** Directories that are there, durably, from the start, each with its parents. */
  readonly directories?: readonly string[];
  readonly faults?: FaultRule;
  /** How much file contents fit on it; what does not fit fails with ENOSPC. Unlimited when absent. */
  readonly capacityBytes?: number;
}

/** A moment at which a crash can find something else than at the moment before. */
export interface Boundary {
  /** Counts from 0 on every disk. */
  readonly index: number;
  readonly phase: 'submit' | 'complete';
  /** `ghost` is a write of a killed process that lands now. */
  readonly operation: OperationName | 'ghost';
  readonly path: string;
  readonly life: number;
}

/** A captured moment of a disk, from which any number of crashes can be tried. */
export type DiskState = CapturedDisk<SimulatedDisk>;

const STEPS_PER_TURN_MAX = 3;
/** How often an operation is slow, and how many steps of others, at most, may go before it. */
const SLOW_CHANCE = 0.08;
const SLOW_STEPS_MAX = 48;

/**
 * A disk that behaves as badly as a real one may.
 *
 * ```ts
 * const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
 * const storage = disk.life();          // a process; give it to the code under test
 * …                                     // work on it
 * const found = disk.capture().powerCut({ profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed: 7 });
 * const after = found.life();           // the first process after power is back
 * ```
 */
export class SimulatedDisk {
  readonly seed: number;
  /** May be set or replaced at any time; asked once per operation, at its submission. */
  faults: FaultRule | undefined;
  /** Called at every submission and every completion, before anybody is told of the completion. */
  onBoundary: ((boundary: Boundary) => void) | undefined;
  /** Grows whenever a crash could find something new. Two equal versions of one disk: two equal captures. */
  version = 0;

  readonly #image: DiskImage;
  readonly #random: Random;
  readonly #bootCount: number;
  readonly #lives: Lives;
  readonly #openHandles = new Map<object, { readonly path: string; readonly inode: FileInode }>();
  /** By the inode of the directory, and of the file that announces. They end with the life that made them. */
  readonly #directoryLocks = new Map<number, { readonly holder: object; readonly lifeId: number }>();
  readonly #announcements = new Map<number, number>();
  readonly #operationCounts = new Map<OperationName, number>();
  readonly #queue: QueuedOperation[] = [];
  #ghosts: WriteIntent[];
  #boundaryCount = 0;
  #clockMs = 0;
  #isPaused = false;
  #isTurnScheduled = false;

  constructor(options: SimulatedDiskOptions, inheritance?: Inheritance) {
    checkNames('SimulatedDisk', options, ['seed', 'directories', 'faults', 'capacityBytes']);
    this.seed = options.seed;
    this.faults = options.faults;
    this.#random = new Random(mixSeeds(options.seed, 0xd15c));
    this.#image = inheritance?.image ?? new DiskImage();
    if (options.capacityBytes !== undefined) this.#image.capacityBytes = options.capacityBytes;
    this.#ghosts = [...(inheritance?.ghosts ?? [])];
    this.#bootCount = inheritance?.bootCount ?? 1;
    const bootId = `simulated-boot-${this.#bootCount}-${mixSeeds(options.seed, this.#bootCount).toString(16)}`;
    this.#lives = new Lives(inheritance?.bootId ?? bootId, inheritance?.lifeCount ?? 0);
    for (const path of options.directories ?? []) this.#image.makeDurableDirectory(path);
  }

  /** How many boundaries there have been. */
  get boundaries(): number {
    return this.#boundaryCount;
  }

  // ── Lives ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A new process on this disk, with an identity of its own. Several may live at the same time. */
  life(): Storage {
    const { id, identity } = this.#lives.begin();
    return new SimulatedStorage(this, this.#image, id, identity, mixSeeds(this.seed, id, this.#bootCount));
  }

  /**
   * Kills a process: what it wrote stays in the view, what it had in flight is lost, lands, lands in part, or lands
   * later, in somebody else's life; nobody is told. Its later calls have no effect.
   */
  killLife(storage: Storage): void {
    const life = this.#lives.of(storage.processIdentity);
    life.isAlive = false;
    for (const operation of this.#takeOperationsOf(life.id)) this.#abandon(operation);
    this.#forgetHandlesOf(life.id);
    this.version += 1;
  }

  /** The process exits: what it had in flight is carried out, but nobody is told. */
  endLife(storage: Storage): void {
    const life = this.#lives.of(storage.processIdentity);
    life.isAlive = false;
    for (const operation of this.#takeOperationsOf(life.id)) operation.complete();
    this.#forgetHandlesOf(life.id);
    this.version += 1;
  }

  /** Ends every life, so that code which is still running on this disk has no effect and hears nothing. */
  halt(): void {
    this.#lives.endAll();
    this.#queue.length = 0;
    this.#ghosts = [];
    this.#openHandles.clear();
  }

  /** Whether the process of that identity lives on this disk. Foreign pid namespaces: nobody can know. */
  liveness(identity: ProcessIdentity): Liveness {
    return this.#lives.liveness(identity);
  }

  /** @internal Locks a directory for `holder`, unless somebody else who lives has it. */
  lockDirectory(inodeId: number, holder: object, lifeId: number): boolean {
    if (this.isDirectoryLocked(inodeId)) return this.#directoryLocks.get(inodeId)?.holder === holder;
    this.#directoryLocks.set(inodeId, { holder, lifeId });
    return true;
  }

  /** @internal */
  isDirectoryLocked(inodeId: number): boolean {
    const lock = this.#directoryLocks.get(inodeId);
    return lock !== undefined && this.isAlive(lock.lifeId);
  }

  /** @internal */
  unlockDirectory(inodeId: number, holder: object): void {
    if (this.#directoryLocks.get(inodeId)?.holder === holder) this.#directoryLocks.delete(inodeId);
  }

  /** @internal The file shows that this life lives. */
  announce(inodeId: number, lifeId: number): void {
    this.#announcements.set(inodeId, lifeId);
  }

  /** @internal */
  withdraw(inodeId: number): void {
    this.#announcements.delete(inodeId);
  }

  /** @internal */
  isAnnounced(inodeId: number): boolean {
    const lifeId = this.#announcements.get(inodeId);
    return lifeId !== undefined && this.isAlive(lifeId);
  }

  // ── Watching ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Paths of the files that are open, in the order of opening: what a test of leaks looks at. */
  openFiles(): string[] {
    return [...this.#openHandles.values()].map(({ path }) => path);
  }

  /** How much file contents fit on the disk. May be changed at any time; disks found after a crash have the same. */
  get capacityBytes(): number {
    return this.#image.capacityBytes;
  }

  set capacityBytes(bytes: number) {
    this.#image.capacityBytes = bytes;
  }

  /** What files take of it now, those included that are removed and still open. */
  usedBytes(): number {
    return this.#image.usedBytes([...this.#openHandles.values()].map(({ inode }) => inode));
  }

  /** Damages what is on the medium, now, as age and failing hardware do: nobody is told. */
  damage(damage: Damage): void {
    applyDamage(this.#image, damage);
    this.version += 1;
  }

  /** Operations that are under way. */
  inFlight(): { readonly name: OperationName; readonly path: string }[] {
    return this.#queue.map(({ name, path }) => ({ name, path }));
  }

  /** Stalls the disk: nothing completes until `resume`, except what blocks its caller. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** Everything that a crash could find now. Cheap: sectors are shared. */
  capture(): DiskState {
    const intents = this.#queue.flatMap((operation) => operation.intentLeft ?? []);
    return new CapturedDisk(
      {
        image: this.#image.clone(),
        intents: [...this.#ghosts, ...intents],
        seed: mixSeeds(this.seed, this.#boundaryCount, this.version),
        bootCount: this.#bootCount,
        lifeCount: this.#lives.count,
        bootId: this.#lives.bootId,
      },
      (seed, inheritance) => new SimulatedDisk({ seed }, inheritance),
    );
  }

  // ── For the storage of a life ──────────────────────────────────────────────────────────────────────────────────

  /** @internal Starts an operation that completes later. */
  enqueue<T>(
    request: Request<T>,
    lifeId: number,
    done: (error: Error | null, value: T | undefined) => void,
  ): QueuedOperation {
    const operation = this.#submit(request, lifeId, false, done);
    this.#schedule();
    return operation;
  }

  /** @internal Carries out an operation whose caller blocks. */
  perform<T>(request: Request<T>, lifeId: number): T {
    if (!this.isAlive(lifeId))
      throw new Error(`${request.name} of a process that was killed: ${request.path}`);
    const outcome: { error: Error | null; value?: T | undefined } = { error: null };
    if (this.#random.chance(0.1)) this.#landGhost();
    const operation = this.#submit(request, lifeId, true, (error, value) =>
      Object.assign(outcome, { error, value }),
    );
    this.finish(operation);
    if (outcome.error !== null) throw outcome.error;
    return outcome.value as T;
  }

  /** @internal Completes an operation now, if it is still under way. */
  finish(operation: QueuedOperation): void {
    const at = this.#queue.indexOf(operation);
    if (at === -1) return;
    operation.complete();
    this.#queue.splice(at, 1);
    if (operation.name === 'flushDirectory') this.#image.collect();
    if (operation.handle) operation.handle.underWayCount -= 1;
    this.#boundary('complete', operation.name, operation.path, operation.lifeId);
    // The watcher may have killed the process just now.
    if (this.isAlive(operation.lifeId)) operation.settle();
  }

  /** @internal */
  isAlive(lifeId: number): boolean {
    return this.#lives.isAlive(lifeId);
  }

  /** @internal A clock that moves with what happens and not with time. */
  nowMs(): number {
    this.#clockMs += 0.001;
    return this.#clockMs;
  }

  /** @internal */
  opened(handle: object, path: string, inode: FileInode): void {
    this.#openHandles.set(handle, { path, inode });
  }

  /** @internal */
  closed(handle: object): void {
    this.#openHandles.delete(handle);
  }

  /** @internal For choices that belong to the history of the disk. */
  get choices(): Random {
    return this.#random;
  }

  // ── The queue ──────────────────────────────────────────────────────────────────────────────────────────────────

  #submit<T>(
    request: Request<T>,
    lifeId: number,
    sync: boolean,
    done: (error: Error | null, value: T | undefined) => void,
  ): QueuedOperation {
    const failure = this.isAlive(lifeId) ? this.#orderedFailure(request, lifeId, sync) : null;
    const operation = new Operation(request, lifeId, failure, done);
    if (!sync && this.#random.chance(SLOW_CHANCE)) operation.slowSteps = this.#random.below(SLOW_STEPS_MAX);
    if (!this.isAlive(lifeId)) return operation;
    if (request.handle) request.handle.underWayCount += 1;
    this.#queue.push(operation);
    this.#clockMs += 0.01;
    this.#boundary('submit', request.name, request.path, lifeId);
    return operation;
  }

  #orderedFailure<T>(request: Request<T>, lifeId: number, sync: boolean): OrderedFailure | null {
    const { name, path } = request;
    const nth = (this.#operationCounts.get(name) ?? 0) + 1;
    this.#operationCounts.set(name, nth);
    const fault = this.faults?.({ name, path, sync, nth, life: lifeId });
    if (fault === undefined) return null;
    const ordered = faultKind(fault, name);
    const isKnown = request.faultKinds?.includes(ordered) ?? false;
    if (!('errno' in fault)) return isKnown ? { error: null, kind: ordered, memoryIsFree: true } : null;
    const kind = isKnown && !isSilent(ordered) ? ordered : 'before';
    const error = simulatedError(fault.errno, SYSCALLS[name], path);
    return { error, kind, memoryIsFree: fault.memoryIsFree ?? true };
  }

  #schedule(): void {
    if (this.#isTurnScheduled || this.#isPaused || this.#queue.length === 0) return;
    this.#isTurnScheduled = true;
    setImmediate(() => {
      this.#isTurnScheduled = false;
      try {
        this.#turn();
      } finally {
        this.#schedule();
      }
    });
  }

  #turn(): void {
    const stepCount = 1 + this.#random.below(STEPS_PER_TURN_MAX);
    for (let step = 0; step < stepCount && this.#queue.length > 0 && !this.#isPaused; step += 1) {
      if (this.#random.chance(0.25)) this.#landGhost();
      const operation = this.#pickOperation();
      if (operation.isApplied || this.#random.chance(0.5)) {
        this.finish(operation);
      } else {
        // It reaches the view now and completes later: in between, others may see it, and no flush covers it.
        operation.apply();
        if (!TRACELESS.has(operation.name)) this.version += 1;
      }
    }
  }

  /** Any operation under way, in seeded order; a slow one lets others go first; a close waits for all else on its file. */
  #pickOperation(): QueuedOperation {
    const first = this.#random.below(this.#queue.length);
    let slow: QueuedOperation | null = null;
    for (let step = 0; step < this.#queue.length; step += 1) {
      const operation = this.#queue[(first + step) % this.#queue.length] as QueuedOperation;
      const mustWait = operation.name === 'close' && (operation.handle?.underWayCount ?? 0) > 1;
      if (mustWait) continue;
      if (operation.slowSteps === 0) return operation;
      operation.slowSteps -= 1;
      slow ??= operation;
    }
    if (slow !== null) return slow;
    throw new Error('Every operation on the simulated disk waits for another one.');
  }

  #landGhost(): void {
    if (this.#ghosts.length === 0) return;
    const [ghost] = this.#ghosts.splice(this.#random.below(this.#ghosts.length), 1) as [WriteIntent];
    landWrite(this.#image, ghost);
    this.version += 1;
    this.#boundary('complete', 'ghost', '', 0);
  }

  #boundary(phase: Boundary['phase'], operation: Boundary['operation'], path: string, life: number): void {
    if (operation === 'ghost' || !TRACELESS.has(operation)) this.version += 1;
    const index = this.#boundaryCount;
    this.#boundaryCount += 1;
    this.onBoundary?.({ index, phase, operation, path, life });
  }

  // ── Ends of lives ──────────────────────────────────────────────────────────────────────────────────────────────

  #takeOperationsOf(lifeId: number): QueuedOperation[] {
    const taken = this.#queue.filter((operation) => operation.lifeId === lifeId);
    const left = this.#queue.filter((operation) => operation.lifeId !== lifeId);
    this.#queue.splice(0, this.#queue.length, ...left);
    return taken;
  }

  #abandon(operation: QueuedOperation): void {
    const intent = operation.intentLeft;
    this.#image.landed(operation.appliedOrder);
    if (intent === null || this.#random.chance(0.25)) return;
    if (intent.kind === 'names') this.#image.attempt(intent.names);
    else if (this.#random.chance(0.4)) this.#ghosts.push(intent);
    else landWrite(this.#image, { ...intent, data: somePart(intent.data, this.#random), isDurable: false });
  }

  #forgetHandlesOf(lifeId: number): void {
    for (const handle of this.#openHandles.keys()) {
      if ((handle as { lifeId?: number }).lifeId === lifeId) this.#openHandles.delete(handle);
    }
  }
}
