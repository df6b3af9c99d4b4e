// The schedule of checkpoints: runs them one at a time, on request or when the log has outgrown the image. The schedule
// also decides which older files a checkpoint retires. checkpoint.ts has the steps of one checkpoint.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { type LocalLog, NO_RETENTION, type Retention } from '../../journal/internal.js';
import { queueMicrotask } from '../../schedulers.js';
import type { Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { WholeView } from '../entries/store-view.js';
import type { WriteObserver } from '../write/write-path.js';
import { type CheckpointResult, retireReplaced, type WrittenImage, writeCheckpoint } from './checkpoint.js';

/**
 * The fewest segments of a log that has outgrown the image, because only whole segments can be retired. There are
 * fewer if few bytes make a checkpoint due: a segment has a smallest size.
 */
const SEGMENTS_PER_CHECKPOINT_MIN = 4;

/** After a failure, a checkpoint is due again when the log has grown by its usual bytes divided by this number. */
const RETRIES_PER_CHECKPOINT = 4;

/**
 * With at least this many segments after the image at an open, whatever their size, the first write makes a checkpoint
 * due. A program that dies soon after each start leaves one or two segments each time.
 */
const SEGMENTS_UNTIL_CHECKPOINT_MAX = 16;

/**
 * The most bytes of entries, for each segment after the image, at which close() completes an automatic checkpoint.
 * There
 * must be SEGMENTS_UNTIL_CHECKPOINT_MAX segments or more. Such a checkpoint does not take long. Without it, a program
 * that always ends before its checkpoint would gather segments for ever.
 */
const CLOSING_BYTES_PER_SEGMENT = 2 ** 16;

/**
 * An event of `db.on('checkpoint', …)`. A checkpoint that writes an image emits `started`, a `progress` after each block,
 * and then `completed` or `failed`. After a full disk the image may be written once more, and its progress starts again.
 * A checkpoint that writes no image, because the last one is still current, emits nothing.
 *
 * @example
 * db.on('checkpoint', (event) => {
 *   if (event.type === 'failed') console.error(event.error);
 * });
 */
export type CheckpointEvent =
  | {
      readonly type: 'started';
      /** The LSN of the image. */
      readonly lsn: Lsn;
      /** The number of entries in the image. */
      readonly entries: number;
      /** False when the program called checkpoint(). */
      readonly isAutomatic: boolean;
    }
  | {
      readonly type: 'progress';
      /** The LSN of the image. */
      readonly lsn: Lsn;
      /** The number of entries that have been written. */
      readonly entriesDone: number;
      /** The number of entries in the image. */
      readonly entries: number;
      /** The bytes that have been written. */
      readonly bytesWritten: number;
    }
  | ({ readonly type: 'completed' } & CheckpointResult)
  | {
      readonly type: 'failed';
      /** The LSN of the image that was not completed. */
      readonly lsn: Lsn;
      /** The reason. The failure has harmed nothing, unless the store is poisoned. */
      readonly error: Error;
    };

/**
 * Figures of the checkpoints of an open store.
 *
 * @example
 * const { checkpoints } = db.stats();
 * if (checkpoints?.lastFailure) console.error(checkpoints.lastFailure);
 */
export interface CheckpointStats {
  /** The number of checkpoints of this session that have written an image. */
  readonly completed: number;
  /** The number of checkpoints of this session that have failed. */
  readonly failed: number;
  /** True while a checkpoint runs or waits for its turn. */
  readonly isRunning: boolean;
  /** The result of the last checkpoint that has written an image, or null. */
  readonly last: CheckpointResult | null;
  /** The error of the last checkpoint if it failed, or null. The next is due when the log has grown. */
  readonly lastFailure: Error | null;
  /** The error of retiring the files that the last image replaces, or null. The next checkpoint tries again. */
  readonly retireFailure: Error | null;
  /** The LSN at which a checkpoint starts by itself, when `lastLsn` reaches it. Null with `autoCheckpoint: false`. */
  readonly dueLsn: number | null;
}

/** An image that open() loaded, or that a checkpoint has written. */
export interface KnownImage {
  readonly lsn: number;
  /** The size of the file in bytes. */
  readonly bytes: number;
}

/** The images that open() found. */
export interface FoundImages {
  /** The image that was loaded, or null when the log alone made the store. */
  readonly loaded: KnownImage | null;
  /** The LSN of the next older image, which may be damaged; 0 when there is none. */
  readonly olderLsn: number;
  /** True when the newest image is damaged, so that it was not loaded. The first write then makes a checkpoint due. */
  readonly isNewestDamaged: boolean;
}

/** The options of open() about checkpoints. */
export interface CheckpointOptions {
  readonly autoCheckpoint: boolean;
  readonly checkpointBytesMin: number;
  readonly checkpointRatio: number;
  readonly keepOlderGeneration: boolean;
  readonly retain: Retention | undefined;
}

/** The parts of a store on which a schedule works. */
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
  /** True to retire files behind the last image, and write none. */
  readonly isRetirement: boolean;
  readonly resolve: (result: CheckpointResult) => void;
  readonly reject: (error: unknown) => void;
}

/** A checkpoint that starts by itself. Nobody waits for it; events and stats() have its result. */
const UNATTENDED: QueuedCheckpoint = {
  isAutomatic: true,
  isRetirement: false,
  resolve: () => {},
  reject: () => {},
};
const RETIREMENT: QueuedCheckpoint = { ...UNATTENDED, isRetirement: true };

/** The checkpoints of one store. */
export class CheckpointSchedule implements WriteObserver {
  readonly #parts: CheckpointScheduleParts;
  /** The newest whole image; null when there is none. */
  #image: KnownImage | null;
  /** The LSN of the image before #image; 0 when there is none. `keepOlderGeneration` keeps it and the log after it. */
  #olderImageLsn: number;
  /** The running checkpoint first, and then those that wait for their turn. */
  readonly #queue: QueuedCheckpoint[] = [];
  #isWorking = false;
  readonly #whenIdle: (() => void)[] = [];
  #isClosed = false;
  /** True when close() lets the running checkpoint complete: see CLOSING_BYTES_PER_SEGMENT. */
  #outlivesClose = false;
  #completed = 0;
  #failed = 0;
  #lastResult: CheckpointResult | null = null;
  #lastFailure: Error | null = null;
  #retireFailure: Error | null = null;
  /** A write at or above this LSN queues a checkpoint. */
  #dueLsn: number;
  /** True if a write has found no room since files were retired last. Then the next retirement leaves no history. */
  #isShortOfRoom = false;
  /** The LSN at which foundNoRoom() last queued a checkpoint. */
  #noRoomLsn = -1;

  constructor(parts: CheckpointScheduleParts) {
    this.#parts = parts;
    this.#image = parts.images.loaded;
    this.#olderImageLsn = parts.images.olderLsn;
    this.#dueLsn = this.#nextDueLsn();
    this.#limitSegments();
    const { log, options, images } = parts;
    // The next write makes the checkpoint due, so that a session without writes writes no image.
    if (options.autoCheckpoint && (this.#hasManySegments || images.isNewestDamaged))
      this.#dueLsn = log.nextLsn + 1;
  }

  /** The figures of checkpoints as of now. */
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

  /** Queues a checkpoint when the log has outgrown the image. Called after every commit with its LSN. */
  committed(lsn: number): void {
    if (lsn < this.#dueLsn || this.#queue.length > 0) return;
    this.#enqueue(UNATTENDED);
  }

  /**
   * Called when a write has found no room. Retires the history that is retained. Queues an automatic checkpoint, which
   * retires files, at most one for each LSN. If the image is current, no checkpoint can free more: then the log may try the
   * smallest segment.
   */
  foundNoRoom(): void {
    const { log, options } = this.#parts;
    const { nextLsn } = log;
    this.#isShortOfRoom = true;
    if (nextLsn === this.#imageLsn) log.tryRoomAgain();
    if (this.#queue.length > 0) return;
    if (this.#autoCheckpoint && nextLsn !== this.#imageLsn && nextLsn !== this.#noRoomLsn) {
      this.#noRoomLsn = nextLsn;
      this.#enqueue(UNATTENDED);
    } else if (options.retain !== undefined) this.#enqueue(RETIREMENT);
  }

  /** Queues a checkpoint, and resolves when it is completed. The image has the entries as of the checkpoint's start. */
  request(): Promise<CheckpointResult> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ isAutomatic: false, isRetirement: false, resolve, reject }),
    );
  }

  /**
   * Aborts the running and the queued checkpoints, and waits for their end. Completes a small automatic checkpoint after
   * many segments instead: see CLOSING_BYTES_PER_SEGMENT.
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
   * Queues a checkpoint. It starts in a microtask, because the write that made it due is not finished. The microtask comes
   * first: queueMicrotask() may run a hook, and a stop in the hook must not leave a queued checkpoint that nothing starts.
   */
  #enqueue(checkpoint: QueuedCheckpoint): void {
    queueMicrotask(this.#work);
    this.#queue.push(checkpoint);
  }

  /** Runs the queued checkpoints one after the other. */
  readonly #work = async (): Promise<void> => {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { resolve, reject } = next;
      const outcome = await this.#run(next).then(
        (result) => () => resolve(result),
        (error: unknown) => () => reject(error),
      );
      this.#queue.shift();
      outcome();
    }
    this.#isWorking = false;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  };

  async #run({ isAutomatic, isRetirement }: QueuedCheckpoint): Promise<CheckpointResult> {
    const { storage, log, schema, emit } = this.#parts;
    const closingBytes = CLOSING_BYTES_PER_SEGMENT * log.segmentsAbove(this.#imageLsn);
    this.#outlivesClose = isAutomatic && this.#hasManySegments && this.#valueBytes <= closingBytes;
    this.#assertOpen();
    if (log.poisoned !== null) throw log.poisoned;
    const lsn = log.nextLsn;
    // The image is current if no record is above it.
    const isCurrent = lsn === this.#imageLsn;
    if (isRetirement || isCurrent) {
      await this.#retire();
      if (isCurrent) log.tryRoomAgain();
      return { lsn: this.#imageLsn, entries: this.#entryCount, bytesWritten: 0, durationMs: 0 };
    }
    const startedMs = storage.nowMs();
    const view = schema.wholeView(lsn);
    // Later records repeat definitions, because the log before the image will be retired.
    schema.startEpoch(lsn);
    emit({ type: 'started', lsn, entries: view.size, isAutomatic });
    const written = await this.#writeWithRoom(lsn, view)
      .catch((error) => {
        this.#failedAt(lsn, error);
        throw error;
      })
      .finally(() => view.close());
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

  /** Writes the image. On a full disk, has the log give up the segments that it does not use yet, and tries once more. */
  async #writeWithRoom(lsn: Lsn, view: WholeView): Promise<WrittenImage> {
    try {
      return await this.#write(lsn, view);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE')) throw error;
      this.#isShortOfRoom = true;
      if (this.#parts.options.retain !== undefined) await this.#retire();
      return this.#parts.log.yieldRoomTo(() => this.#write(lsn, view));
    }
  }

  #write(lsn: Lsn, view: WholeView): Promise<WrittenImage> {
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

  /** Notes a failed checkpoint. The next one is due only after more log, so that a full disk is not tried at each write. */
  #failedAt(lsn: Lsn, error: Error): void {
    const { log, emit } = this.#parts;
    this.#failed++;
    this.#lastFailure = error;
    if (this.#autoCheckpoint) this.#dueLsn = log.nextLsn + Math.ceil(this.#dueBytes / RETRIES_PER_CHECKPOINT);
    emit({ type: 'failed', lsn, error });
  }

  /**
   * Retires the files that the image replaces, except for the history that the options retain. A file that cannot be removed
   * is harmless: a later checkpoint removes it.
   */
  async #retire(): Promise<void> {
    const { storage, directory, log, options } = this.#parts;
    const olderLsn = options.keepOlderGeneration ? this.#olderImageLsn : this.#imageLsn;
    const retention = this.#isShortOfRoom ? NO_RETENTION : (options.retain ?? NO_RETENTION);
    this.#isShortOfRoom = false;
    try {
      await retireReplaced(storage, directory, log, this.#imageLsn, olderLsn, retention);
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
    return this.#parts.schema.spaces.reduce((sum, { entries }) => sum + entries.valueBytes, 0);
  }

  get #hasManySegments(): boolean {
    return this.#parts.log.segmentsAbove(this.#imageLsn) >= SEGMENTS_UNTIL_CHECKPOINT_MAX;
  }

  get #autoCheckpoint(): boolean {
    return this.#parts.options.autoCheckpoint;
  }

  /** The bytes of log after the image that make a checkpoint due. */
  get #dueBytes(): number {
    const { checkpointBytesMin, checkpointRatio } = this.#parts.options;
    return Math.max(checkpointBytesMin, Math.ceil(checkpointRatio * (this.#image?.bytes ?? 0)));
  }

  #nextDueLsn(): number {
    return this.#autoCheckpoint ? this.#imageLsn + this.#dueBytes : Number.POSITIVE_INFINITY;
  }

  /** Limits the size of segments, because a checkpoint retires only whole ones and never the newest. */
  #limitSegments(): void {
    if (this.#autoCheckpoint) this.#parts.log.limitSegments(this.#dueBytes / SEGMENTS_PER_CHECKPOINT_MIN);
  }

  #assertOpen(): void {
    if (this.#isClosed && !this.#outlivesClose)
      throw new KeelsonError('KEELSON_ABORTED', 'The store was closed during a checkpoint');
  }
}
