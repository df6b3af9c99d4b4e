// The schedule of checkpoints: they run one at a time, on request, or by themselves when the log has outgrown the image. The
// schedule also decides which older files they let go. checkpoint.ts has the steps of one.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { LocalLog } from '../../journal/internal.js';
import { queueMicrotask } from '../../schedulers.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { StoreView } from '../entries/space.js';
import type { WriteObserver } from '../write/write-path.js';
import { type CheckpointResult, retireReplaced, type WrittenImage, writeCheckpoint } from './checkpoint.js';

/** A segment is at most this part of the log that may gather before a checkpoint: only whole segments are retired. */
const SEGMENTS_PER_CHECKPOINT_MIN = 4;

/** After a failure, the next try comes when the log has grown by this part of what makes a checkpoint due. */
const RETRIES_PER_CHECKPOINT = 4;

/**
 * A checkpoint is due at this many segments behind the image, whatever their size: a program that dies soon after each start
 * leaves one or two segments each time.
 */
const SEGMENTS_UNTIL_CHECKPOINT_MAX = 16;

/**
 * close() completes a running checkpoint of at most this many bytes of keys and values for each segment behind the image: it
 * takes milliseconds. Otherwise a program that always ends before its checkpoint would gather files for ever.
 */
const CLOSING_BYTES_PER_SEGMENT = 2 ** 16;

/** An event of `db.on('checkpoint', …)`: each checkpoint has one `started`, some `progress`, and one `completed` or `failed`. */
export type CheckpointEvent =
  | {
      readonly type: 'started';
      readonly lsn: Lsn;
      readonly entries: number;
      /** False when the program asked for it. */
      readonly isAutomatic: boolean;
    }
  | {
      readonly type: 'progress';
      readonly lsn: Lsn;
      readonly entriesDone: number;
      readonly entries: number;
      readonly bytesWritten: number;
    }
  | ({ readonly type: 'completed' } & CheckpointResult)
  | { readonly type: 'failed'; readonly lsn: Lsn; readonly error: Error };

export interface CheckpointStats {
  readonly completed: number;
  readonly failed: number;
  readonly isRunning: boolean;
  readonly last: CheckpointResult | null;
  /** The error of the last checkpoint if it failed; null after a success. It is tried again when the log has grown. */
  readonly lastFailure: Error | null;
  /** The error that kept files which the last image replaces; null when they are gone. The next checkpoint tries again. */
  readonly retireFailure: Error | null;
  /** The next checkpoint starts by itself when `lastLsn` reaches this LSN; null with `autoCheckpoint: false`. */
  readonly dueLsn: number | null;
}

/** An image that was loaded at open, or written since. */
export interface KnownImage {
  readonly lsn: number;
  readonly bytes: number;
}

/** The images that opening found. */
export interface FoundImages {
  /** The image that was loaded; null when the log alone made the store. */
  readonly loaded: KnownImage | null;
  /** The LSN of the next older image, read or not; 0 when there is none. */
  readonly olderLsn: number;
  /** True when a newer image could not be read: the next write makes a checkpoint due. */
  readonly isNewestDamaged: boolean;
}

/** The options of open() that say when checkpoints start by themselves, and what they keep. */
export interface CheckpointOptions {
  readonly autoCheckpoint: boolean;
  readonly checkpointBytesMin: number;
  readonly checkpointRatio: number;
  readonly keepOlderGeneration: boolean;
}

export interface CheckpointScheduleParts {
  readonly storage: Storage;
  readonly directory: string;
  readonly log: LocalLog;
  readonly options: CheckpointOptions;
  readonly schema: Schema;
  readonly images: FoundImages;
  readonly emit: (event: CheckpointEvent) => void;
}

interface QueuedCheckpoint {
  readonly isAutomatic: boolean;
  readonly resolve: (result: CheckpointResult) => void;
  readonly reject: (error: unknown) => void;
}

/** A checkpoint that started by itself: nobody waits for it, and its end is in the event and in stats(). */
const UNATTENDED: QueuedCheckpoint = { isAutomatic: true, resolve: () => {}, reject: () => {} };

export class CheckpointSchedule implements WriteObserver {
  readonly #parts: CheckpointScheduleParts;
  /** The newest whole image; null when there is none. */
  #image: KnownImage | null;
  /** The LSN of the image before, which the options may keep with its log; 0 when there is none. */
  #olderImageLsn: number;
  /** The checkpoint that runs, and those that wait for their turn. */
  readonly #queue: QueuedCheckpoint[] = [];
  #isWorking = false;
  readonly #whenIdle: (() => void)[] = [];
  #isClosed = false;
  /** True when close() waits for the running checkpoint: see CLOSING_BYTES_PER_SEGMENT. */
  #outlivesClose = false;
  #completed = 0;
  #failed = 0;
  #lastResult: CheckpointResult | null = null;
  #lastFailure: Error | null = null;
  #retireFailure: Error | null = null;
  /** A write at or above this LSN starts a checkpoint. */
  #dueLsn: number;
  /** The LSN at which foundNoRoom() last tried. */
  #noRoomLsn = -1;

  constructor(parts: CheckpointScheduleParts) {
    this.#parts = parts;
    this.#image = parts.images.loaded;
    this.#olderImageLsn = parts.images.olderLsn;
    this.#dueLsn = this.#nextDueLsn();
    this.#limitSegments();
    const { log, options, images } = parts;
    // At the next write and not now: an open without writes creates nothing.
    if (options.autoCheckpoint && (this.#hasManySegments || images.isNewestDamaged))
      this.#dueLsn = log.nextLsn + 1;
  }

  get stats(): CheckpointStats {
    return {
      completed: this.#completed,
      failed: this.#failed,
      isRunning: this.#queue.length > 0,
      last: this.#lastResult,
      lastFailure: this.#lastFailure,
      retireFailure: this.#retireFailure,
      dueLsn: this.#dueLsn === Number.POSITIVE_INFINITY ? null : this.#dueLsn,
    };
  }

  /** Starts a checkpoint when the log has outgrown the image. Called after every write. */
  committed(lsn: number): void {
    if (lsn < this.#dueLsn || this.#queue.length > 0) return;
    this.#enqueue(UNATTENDED);
  }

  /** Tries to free room after a write found none: starts a checkpoint, which retires files. Once for each LSN. */
  foundNoRoom(): void {
    const { log } = this.#parts;
    const { nextLsn } = log;
    if (nextLsn === this.#imageLsn) {
      log.tryRoomAgain();
      return;
    }
    if (!this.#isAutomatic || this.#queue.length > 0 || nextLsn === this.#noRoomLsn) return;
    this.#noRoomLsn = nextLsn;
    this.#enqueue(UNATTENDED);
  }

  /** Resolves when a checkpoint of the state at its start is complete. Checkpoints run one at a time. */
  request(): Promise<CheckpointResult> {
    return new Promise((resolve, reject) => this.#enqueue({ isAutomatic: false, resolve, reject }));
  }

  /**
   * Aborts the running checkpoint and waits for its end. A small checkpoint that many segments have made due is completed
   * instead: see CLOSING_BYTES_PER_SEGMENT.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => {
      if (this.#queue.length === 0) resolve();
      else this.#whenIdle.push(resolve);
    });
  }

  get #imageLsn(): number {
    return this.#image?.lsn ?? 0;
  }

  /**
   * Queues a checkpoint. It does not start within the call, because the write that made it due has more to do. The microtask
   * comes first: hooks run while it is queued, and a call that is stopped there must leave nothing in the queue without
   * somebody to run it.
   */
  #enqueue(checkpoint: QueuedCheckpoint): void {
    queueMicrotask(this.#work);
    this.#queue.push(checkpoint);
  }

  /** Runs the queued checkpoints, one after the other. */
  readonly #work = async (): Promise<void> => {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { isAutomatic, resolve, reject } = next;
      const outcome = await this.#run(isAutomatic).then(
        (result) => () => resolve(result),
        (error: unknown) => () => reject(error),
      );
      this.#queue.shift();
      outcome();
    }
    this.#isWorking = false;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  };

  async #run(isAutomatic: boolean): Promise<CheckpointResult> {
    const { storage, log, schema, emit } = this.#parts;
    const closingBytes = CLOSING_BYTES_PER_SEGMENT * log.segmentsAbove(this.#imageLsn);
    this.#outlivesClose = isAutomatic && this.#hasManySegments && this.#valueBytes <= closingBytes;
    this.#assertOpen();
    if (log.poisoned !== null) throw log.poisoned;
    const lsn = log.nextLsn;
    // Also in a store that was never written to: an image of LSN 0 would carry the id of a log that is not there.
    if (lsn === this.#imageLsn) {
      await this.#retire();
      log.tryRoomAgain();
      return { lsn, entries: this.#entryCount, bytesWritten: 0, durationMs: 0 };
    }
    const startedMs = storage.nowMs();
    const view = schema.view(lsn);
    // The log behind the image is read without the log before it.
    schema.startEpoch(lsn);
    emit({ type: 'started', lsn, entries: view.size, isAutomatic });
    const written = await this.#writeWithRoom(lsn, view).catch((error) => {
      this.#failedAt(lsn, error);
      throw error;
    });
    const result = { ...written, durationMs: storage.nowMs() - startedMs };
    this.#completedWith(result);
    await this.#retire();
    return result;
  }

  #completedWith(result: CheckpointResult): void {
    this.#olderImageLsn = this.#imageLsn;
    this.#image = { lsn: result.lsn, bytes: result.bytesWritten };
    this.#completed++;
    this.#lastResult = result;
    this.#lastFailure = null;
    this.#dueLsn = this.#nextDueLsn();
    this.#limitSegments();
    this.#parts.emit({ type: 'completed', ...result });
  }

  /** Writes the image; on a full disk once more, without the retired segments that wait to be used again. */
  async #writeWithRoom(lsn: Lsn, view: StoreView): Promise<WrittenImage> {
    try {
      return await this.#write(lsn, view);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE')) throw error;
      await this.#parts.log.releaseRecycled();
      return this.#write(lsn, view);
    }
  }

  #write(lsn: Lsn, view: StoreView): Promise<WrittenImage> {
    const { storage, directory, log, schema, emit } = this.#parts;
    return writeCheckpoint({
      storage,
      directory,
      log,
      schema,
      view,
      onBlock: (entriesDone, bytesWritten) => {
        this.#assertOpen();
        emit({ type: 'progress', lsn, entriesDone, entries: view.size, bytesWritten });
      },
    });
  }

  /** Notes a failure, which has harmed nothing. The next try waits, so that a full disk is not tried at every write. */
  #failedAt(lsn: Lsn, error: Error): void {
    const { log, emit } = this.#parts;
    this.#failed++;
    this.#lastFailure = error;
    if (this.#isAutomatic) this.#dueLsn = log.nextLsn + Math.ceil(this.#dueBytes / RETRIES_PER_CHECKPOINT);
    emit({ type: 'failed', lsn, error });
  }

  /** Retires what the image replaces. A file that cannot be removed harms nothing, and the next checkpoint tries again. */
  async #retire(): Promise<void> {
    const { storage, directory, log, options } = this.#parts;
    const olderLsn = options.keepOlderGeneration ? this.#olderImageLsn : this.#imageLsn;
    try {
      await retireReplaced(storage, directory, log, this.#imageLsn, olderLsn);
      this.#retireFailure = null;
    } catch (error) {
      if (log.poisoned !== null) throw error;
      this.#retireFailure = error as Error;
    }
  }

  get #entryCount(): number {
    return this.#parts.schema.spaces.reduce((sum, { entries }) => sum + entries.size, 0);
  }

  get #valueBytes(): number {
    return this.#parts.schema.spaces.reduce((sum, { entries }) => sum + entries.memory.valueBytes, 0);
  }

  get #hasManySegments(): boolean {
    return this.#parts.log.segmentsAbove(this.#imageLsn) >= SEGMENTS_UNTIL_CHECKPOINT_MAX;
  }

  get #isAutomatic(): boolean {
    return this.#parts.options.autoCheckpoint;
  }

  /** The bytes of log that may gather behind the image. */
  get #dueBytes(): number {
    const { checkpointBytesMin, checkpointRatio } = this.#parts.options;
    return Math.max(checkpointBytesMin, Math.ceil(checkpointRatio * (this.#image?.bytes ?? 0)));
  }

  #nextDueLsn(): number {
    return this.#isAutomatic ? this.#imageLsn + this.#dueBytes : Number.POSITIVE_INFINITY;
  }

  /** Bounds the size of segments: the newest stays when all others are retired. */
  #limitSegments(): void {
    if (this.#isAutomatic) this.#parts.log.limitSegments(this.#dueBytes / SEGMENTS_PER_CHECKPOINT_MIN);
  }

  #assertOpen(): void {
    if (this.#isClosed && !this.#outlivesClose)
      throw new KeelsonError('KEELSON_ABORTED', 'The store was closed during a checkpoint');
  }
}
