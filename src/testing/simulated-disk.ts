// The simulated disk: the processes ("lives") on it, their operations in flight, faults, and the boundaries at which
// the whole disk can be captured and then crashed.
//
// Nothing waits for time. Operations complete in a seeded random order, a few per turn of the event loop. One seed
// and one workload give one history.

import { checkNames } from '../options.js';
import type { Liveness, ProcessIdentity, Storage, Timer } from '../storage/storage.js';
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
import { SimulatedClock } from './simulated-clock.js';
import type { FileInode } from './simulated-inode.js';
import { SimulatedStorage } from './simulated-storage.js';

/** Options of SimulatedDisk. */
export interface SimulatedDiskOptions {
  /** Seed of the disk's history. */
  readonly seed: number;
  /** Directories that exist from the start, durable, each with its parents. Default: none. */
  readonly directories?: readonly string[];
  /** Fault rule; see SimulatedDisk.faults. Default: no faults. */
  readonly faults?: FaultRule;
  /** Capacity for file contents in bytes. Writes beyond it fail with ENOSPC. Default: unlimited. */
  readonly capacityBytes?: number;
}

/** A point of the history at which a crash can find something new: the submission or the completion of an operation. */
export interface Boundary {
  /** 0-based number of the boundary on its disk. */
  readonly index: number;
  /** Whether the operation was submitted or has completed. */
  readonly phase: 'submit' | 'complete';
  /** Name of the operation; `ghost` for a write of a killed process that lands now. */
  readonly operation: OperationName | 'ghost';
  /** Path of the operation; empty for a ghost. */
  readonly path: string;
  /** 1-based number of the process; 0 for a ghost. */
  readonly life: number;
}

/** A captured state of a disk, from which any number of crashes can be tried. */
export type DiskState = CapturedDisk<SimulatedDisk>;

/** Limit of the operations that make progress in one turn of the event loop. */
const STEPS_PER_TURN_MAX = 3;
/** Chance that an operation is slow, and the limit of steps of other operations that go before it. */
const SLOW_CHANCE = 0.08;
const SLOW_STEPS_MAX = 48;

/**
 * A simulated disk with the faults of real disks.
 *
 * @example
 * const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
 * const storage = disk.life(); // a process: give it to the code under test
 * // … and let that code work …
 * const choice = { profile: 'strict', grain: 'sector', pattern: 'random', index: 0, seed: 7 } as const;
 * const found = disk.capture().powerCut(choice);
 * const after = found.life(); // the first process after the power cut
 */
export class SimulatedDisk {
  /** Seed of the disk's history. */
  readonly seed: number;
  /** Fault rule, called once for each operation at its submission. May be set or replaced at any time. */
  faults: FaultRule | undefined;
  /** Called at every boundary. At a completion it is called before the promise of the operation settles. */
  onBoundary: ((boundary: Boundary) => void) | undefined;
  /** Grows whenever a crash could find something new. Two captures at the same version are equal. */
  version = 0;

  readonly #image: DiskImage;
  readonly #random: Random;
  readonly #bootCount: number;
  readonly #lives: Lives;
  readonly #openHandles = new Map<object, { readonly path: string; readonly inode: FileInode }>();
  /** Holder of each locked directory, by inode id. A lock ends with its process. */
  readonly #directoryLocks = new Map<number, { readonly holder: object; readonly lifeId: number }>();
  /** Process of each announcement, by the inode id of its file. An announcement ends with its process. */
  readonly #announcements = new Map<number, number>();
  readonly #operationCounts = new Map<OperationName, number>();
  readonly #queue: QueuedOperation[] = [];
  #ghosts: WriteIntent[];
  #boundaryCount = 0;
  readonly #clock: SimulatedClock;
  #isPaused = false;
  #isTurnScheduled = false;

  /**
   * Creates an empty disk.
   *
   * @param options The seed, and what the disk can do; see SimulatedDiskOptions.
   * @throws A TypeError for an unknown option.
   * @example
   * const disk = new SimulatedDisk({ seed: 1, directories: ['/data'], capacityBytes: 1024 ** 2 });
   */
  constructor(options: SimulatedDiskOptions);
  /** @internal Creates the disk after a crash, with what it takes over. */
  constructor(options: SimulatedDiskOptions, inheritance: Inheritance);
  constructor(options: SimulatedDiskOptions, inheritance?: Inheritance) {
    checkNames('SimulatedDisk', options, ['seed', 'directories', 'faults', 'capacityBytes']);
    this.seed = options.seed;
    this.faults = options.faults;
    this.#random = new Random(mixSeeds(options.seed, 0xd15c));
    this.#image = inheritance?.image ?? new DiskImage();
    if (options.capacityBytes !== undefined) this.#image.capacityBytes = options.capacityBytes;
    this.#ghosts = [...(inheritance?.ghosts ?? [])];
    this.#bootCount = inheritance?.bootCount ?? 1;
    this.#clock = new SimulatedClock(inheritance?.clock);
    const bootId = `simulated-boot-${this.#bootCount}-${mixSeeds(options.seed, this.#bootCount).toString(16)}`;
    this.#lives = new Lives(inheritance?.bootId ?? bootId, inheritance?.lifeCount ?? 0);
    for (const path of options.directories ?? []) this.#image.makeDurableDirectory(path);
  }

  /** Number of boundaries so far. */
  get boundaries(): number {
    return this.#boundaryCount;
  }

  // ── Lives ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a process on this disk and returns its storage. Several processes may live at the same time. */
  life(): Storage {
    const { id, identity } = this.#lives.begin();
    return new SimulatedStorage(this, this.#image, id, identity, mixSeeds(this.seed, id, this.#bootCount));
  }

  /**
   * Kills the process that has `storage`. Other processes still see its completed writes. Each of its operations in flight is lost, has
   * its effect now, has it in part, or has it later, while another process runs. Promises of the process never
   * settle. Its later calls have no effect, and blocking calls throw.
   */
  killLife(storage: Storage): void {
    const life = this.#lives.of(storage.processIdentity);
    life.isAlive = false;
    for (const operation of this.#takeOperationsOf(life.id)) this.#abandon(operation);
    this.#forgetHandlesOf(life.id);
    this.#clock.forgetTimersOf(life.id);
    this.version += 1;
  }

  /** Ends the process that has `storage`, like an exit. Operations in flight are carried out, but their promises never settle. */
  endLife(storage: Storage): void {
    const life = this.#lives.of(storage.processIdentity);
    life.isAlive = false;
    for (const operation of this.#takeOperationsOf(life.id)) operation.complete();
    this.#forgetHandlesOf(life.id);
    this.#clock.forgetTimersOf(life.id);
    this.version += 1;
  }

  /**
   * Ends every process. Calls of code that still runs on this disk have no effect, and their promises never settle.
   */
  halt(): void {
    this.#lives.endAll();
    this.#clock.forgetTimers();
    this.#queue.length = 0;
    this.#ghosts = [];
    this.#openHandles.clear();
  }

  /** Returns whether the process of `identity` lives on this disk; 'unknown' for other pid namespaces. */
  liveness(identity: ProcessIdentity): Liveness {
    return this.#lives.liveness(identity);
  }

  /** @internal Locks a directory for `holder`. Returns false if another living holder has it. */
  lockDirectory(inodeId: number, holder: object, lifeId: number): boolean {
    if (this.isDirectoryLocked(inodeId)) return this.#directoryLocks.get(inodeId)?.holder === holder;
    this.#directoryLocks.set(inodeId, { holder, lifeId });
    return true;
  }

  /** @internal Returns whether a living process has the directory locked. */
  isDirectoryLocked(inodeId: number): boolean {
    const lock = this.#directoryLocks.get(inodeId);
    return lock !== undefined && this.isAlive(lock.lifeId);
  }

  /** @internal Releases the lock of `holder`, if it has it. */
  unlockDirectory(inodeId: number, holder: object): void {
    if (this.#directoryLocks.get(inodeId)?.holder === holder) this.#directoryLocks.delete(inodeId);
  }

  /** @internal Announces a process by a file. */
  announce(inodeId: number, lifeId: number): void {
    this.#announcements.set(inodeId, lifeId);
  }

  /** @internal Ends the announcement by a file. */
  withdraw(inodeId: number): void {
    this.#announcements.delete(inodeId);
  }

  /** @internal Returns whether a living process is announced by this file. */
  isAnnounced(inodeId: number): boolean {
    const lifeId = this.#announcements.get(inodeId);
    return lifeId !== undefined && this.isAlive(lifeId);
  }

  // ── Watching ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns the paths of open files in the order of their opening, for tests of leaks. */
  openFiles(): string[] {
    return [...this.#openHandles.values()].map(({ path }) => path);
  }

  /** Capacity for file contents in bytes. May be changed at any time. A crash keeps it. */
  get capacityBytes(): number {
    return this.#image.capacityBytes;
  }

  /** Changes the capacity, in bytes. */
  set capacityBytes(bytes: number) {
    this.#image.capacityBytes = bytes;
  }

  /** Returns the bytes that files use, removed files that are still open included. */
  usedBytes(): number {
    return this.#image.usedBytes([...this.#openHandles.values()].map(({ inode }) => inode));
  }

  /**
   * Damages the medium now, as age and failing hardware do. No operation reports it.
   *
   * @param damage The damage; see Damage.
   * @throws A TypeError for a `truncate` that would grow the file, and a KeelsonError if there is no file at the path.
   */
  damage(damage: Damage): void {
    applyDamage(this.#image, damage);
    this.version += 1;
  }

  /** Returns the name and the path of every operation that was submitted and has not completed. */
  inFlight(): { readonly name: OperationName; readonly path: string }[] {
    return this.#queue.map(({ name, path }) => ({ name, path }));
  }

  /** Stalls the disk: until resume() only blocking operations complete. */
  pause(): void {
    this.#isPaused = true;
  }

  /**
   * Lets time pass on this machine: advances its clocks by `ms`, and calls the timers of its processes that come due, in
   * their order. Time passes in no other way, apart from fractions of a millisecond with each operation.
   */
  advanceClock(ms: number): void {
    this.#clock.advance(ms);
  }

  /** Sets the wall clock of this machine forward by `ms`, or back if `ms` is negative. No timer notices. */
  shiftWallClock(ms: number): void {
    this.#clock.shiftWall(ms);
  }

  /** The number of timers that processes of this machine have started and that have not fired, for tests of leaks. */
  get timers(): number {
    return this.#clock.timers;
  }

  /** Ends a stall. */
  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** Captures everything that a crash could find now. Cheap, because sectors are shared. */
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
        clock: this.#clock.reading,
      },
      (seed, inheritance) => new SimulatedDisk({ seed }, inheritance),
    );
  }

  // ── For the storage of a life ──────────────────────────────────────────────────────────────────────────────────

  /** @internal Submits an operation that completes later. */
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

  /** @internal Completes an operation now if it is under way. */
  finish(operation: QueuedOperation): void {
    const at = this.#queue.indexOf(operation);
    if (at === -1) return;
    operation.complete();
    this.#queue.splice(at, 1);
    if (operation.name === 'flushDirectory') this.#image.collect();
    if (operation.handle) operation.handle.underWayCount -= 1;
    this.#boundary('complete', operation.name, operation.path, operation.lifeId);
    // onBoundary may have killed the process just now.
    if (this.isAlive(operation.lifeId)) operation.settle();
  }

  /** @internal Returns whether a process lives. */
  isAlive(lifeId: number): boolean {
    return this.#lives.isAlive(lifeId);
  }

  /** @internal Returns milliseconds of a clock that advances with operations and not with time. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** @internal Returns the wall-clock time of the simulated machine. It advances with operations. */
  wallMs(): number {
    return this.#clock.wallMs();
  }

  /** @internal The wall-clock time of the simulated machine at the last look or operation. Nothing advances. */
  get lastWallMs(): number {
    return this.#clock.lastWallMs;
  }

  /** @internal Starts a timer of a process. A process that was killed has none. */
  startTimer(ms: number, callback: () => void, lifeId: number): Timer {
    return this.#clock.startTimer(ms, callback, this.isAlive(lifeId) ? lifeId : null);
  }

  /** @internal Registers an open file. */
  opened(handle: object, path: string, inode: FileInode): void {
    this.#openHandles.set(handle, { path, inode });
  }

  /** @internal Removes an open file. */
  closed(handle: object): void {
    this.#openHandles.delete(handle);
  }

  /** @internal Random numbers for choices that belong to the history of the disk. */
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
    this.#clock.tick();
    this.#boundary('submit', request.name, request.path, lifeId);
    return operation;
  }

  /**
   * Returns the failure that the fault rule demands, or null. A kind of error that the operation does not support
   * becomes `before`, and a silent fault that it does not support has no effect.
   */
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
        // The operation reaches the view now and completes later. Meanwhile other processes may see it, and no flush
        // covers it.
        operation.apply();
        if (!TRACELESS.has(operation.name)) this.version += 1;
      }
    }
  }

  /**
   * Picks an operation under way, in seeded order. A slow operation lets others go first. A close waits for all other
   * operations on its file.
   */
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
