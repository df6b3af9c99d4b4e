// When checkpoints run: one at a time, on request or by themselves when the journal has outgrown the image; what
// became of them; and which older files they let go. The steps of one are in checkpoint.ts.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { LocalLog } from '../../journal/internal.js';
import { queueMicrotask } from '../../schedulers.js';
import type { Storage } from '../../storage/index.js';
import type { Entries, EntriesView } from '../entries/entries.js';
import type { Codecs } from '../read/reads.js';
import { type CheckpointResult, retireReplaced, type WrittenImage, writeCheckpoint } from './checkpoint.js';

/** A segment is at most this part of the journal that may gather before a checkpoint: whole segments are retired. */
const SEGMENTS_PER_CHECKPOINT_MIN = 4;

/** After a failure the journal grows by this part of what makes a checkpoint due, and then it is tried again. */
const RETRIES_PER_CHECKPOINT = 4;

/**
 * With so many segments behind the image a checkpoint is due whatever their size: a program that dies again and again
 * soon after its start leaves one or two in each life.
 */
const SEGMENTS_UNTIL_CHECKPOINT_MAX = 16;

/**
 * So many bytes of keys and values, for each segment that short lives have left, are written in milliseconds, and close()
 * waits for it: without that a store whose lives are always too short for a checkpoint would gather files for ever.
 */
const CLOSING_BYTES_PER_SEGMENT = 2 ** 16;

/** What `db.on('checkpoint', …)` is told: one `started`, `progress` now and then, and one of the last two. */
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
  /** Why the last one failed, if none has succeeded since. It is tried again when the journal has grown. */
  readonly lastFailure: Error | null;
  /** Why files that the last image has replaced are still there; the next checkpoint tries again. */
  readonly retireFailure: Error | null;
  /** The next one starts by itself when `lastLsn` has reached this; null when none ever does. */
  readonly dueLsn: number | null;
}

/** An image that this life loaded or wrote. */
export interface KnownImage {
  readonly lsn: number;
  readonly bytes: number;
}

/** What opening found of images. */
export interface FoundImages {
  /** What was loaded; null when the journal alone made the store. */
  readonly loaded: KnownImage | null;
  /** The next older one, read or not; 0 when there is none. */
  readonly olderLsn: number;
  /** A newer one could not be read: the next write makes a checkpoint due. */
  readonly isNewestDamaged: boolean;
}

/** When checkpoints start by themselves, and what they keep: docs at the options of open(). */
export interface CheckpointOptions {
  readonly autoCheckpoint: boolean;
  readonly checkpointBytesMin: number;
  readonly checkpointRatio: number;
  readonly keepOlderGeneration: boolean;
}

export interface CheckpointScheduleParts {
  readonly storage: Storage;
  readonly directory: string;
  readonly journal: LocalLog;
  readonly codecs: Codecs<unknown, unknown>;
  readonly options: CheckpointOptions;
  readonly entries: Entries;
  readonly images: FoundImages;
  readonly emit: (event: CheckpointEvent) => void;
}

interface QueuedCheckpoint {
  readonly isAutomatic: boolean;
  readonly resolve: (result: CheckpointResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Its end is in the event and in stats(): nobody waits for it. */
const UNATTENDED: QueuedCheckpoint = { isAutomatic: true, resolve: () => {}, reject: () => {} };

export class CheckpointSchedule {
  readonly #parts: CheckpointScheduleParts;
  /** Up to here an image holds everything. */
  #image: KnownImage | null;
  /** The image before it, kept with its journal when the options say so; 0 when the journal alone went before. */
  #olderImageLsn: number;
  /** The one that runs, and those that wait for their turn. */
  readonly #queue: QueuedCheckpoint[] = [];
  #isWorking = false;
  readonly #whenIdle: (() => void)[] = [];
  #isClosed = false;
  /** The one that runs is small, and lives of this store are too short for another: close() waits for its end. */
  #outlivesClose = false;
  #completed = 0;
  #failed = 0;
  #lastResult: CheckpointResult | null = null;
  #lastFailure: Error | null = null;
  #retireFailure: Error | null = null;
  /** A write at or above this starts one. */
  #dueLsn: number;
  /** Where foundNoRoom() has tried. */
  #noRoomLsn = -1;

  constructor(parts: CheckpointScheduleParts) {
    this.#parts = parts;
    this.#image = parts.images.loaded;
    this.#olderImageLsn = parts.images.olderLsn;
    this.#dueLsn = this.#nextDueLsn();
    this.#limitSegments();
    const { journal, options, images } = parts;
    // At the next write and not now: an open that writes nothing creates nothing.
    if (options.autoCheckpoint && (this.#hasManySegments || images.isNewestDamaged))
      this.#dueLsn = journal.nextLsn + 1;
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

  /** After every write: starts a checkpoint when the journal has outgrown the image. */
  wrote(lsn: number): void {
    if (lsn < this.#dueLsn || this.#queue.length > 0) return;
    this.#enqueue(UNATTENDED);
  }

  /** A write found no room: what a checkpoint retires may be all that there is to get. Once for each LSN. */
  foundNoRoom(): void {
    const { journal } = this.#parts;
    const { nextLsn } = journal;
    if (nextLsn === this.#imageLsn) {
      journal.tryRoomAgain();
      return;
    }
    if (!this.#isAutomatic || this.#queue.length > 0 || nextLsn === this.#noRoomLsn) return;
    this.#noRoomLsn = nextLsn;
    this.#enqueue(UNATTENDED);
  }

  /** One at a time: a call during another waits for it and then takes its own. */
  request(): Promise<CheckpointResult> {
    return new Promise((resolve, reject) => this.#enqueue({ isAutomatic: false, resolve, reject }));
  }

  /**
   * Aborts the one that runs, and waits for its end. Not so one that started by itself, because of many short lives, and has
   * little to write: aborted in each of them, it would never come to its end.
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
   * Never runs within the call: the write that made it due has more to do. In this order: hooks run while the microtask is
   * queued, and a call that is stopped then has recorded nothing; what is recorded has a worker that comes.
   */
  #enqueue(checkpoint: QueuedCheckpoint): void {
    queueMicrotask(this.#work);
    this.#queue.push(checkpoint);
  }

  /** Runs what is queued, one after the other. */
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
    const { storage, journal, codecs, entries, emit } = this.#parts;
    const closingBytes = CLOSING_BYTES_PER_SEGMENT * journal.segmentsAbove(this.#imageLsn);
    this.#outlivesClose = isAutomatic && this.#hasManySegments && entries.memory.valueBytes <= closingBytes;
    this.#assertOpen();
    if (journal.poisoned !== null) throw journal.poisoned;
    const lsn = journal.nextLsn;
    // Also for a store that nobody has ever written to: an image of LSN 0 would have the id of a journal that is not there.
    if (lsn === this.#imageLsn) {
      await this.#retire();
      journal.tryRoomAgain();
      return { lsn, entries: entries.size, bytesWritten: 0, durationMs: 0 };
    }
    const startedMs = storage.nowMs();
    const view = entries.clone();
    // The log behind the image is read without what is before it.
    codecs.value.shapes?.startEpoch();
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

  /** Neither files that wait to be used again nor those of a failed preparation must be what there is no room for. */
  async #writeWithRoom(lsn: Lsn, view: EntriesView): Promise<WrittenImage> {
    try {
      return await this.#write(lsn, view);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE')) throw error;
      await this.#parts.journal.releaseRecycled();
      return this.#write(lsn, view);
    }
  }

  #write(lsn: Lsn, view: EntriesView): Promise<WrittenImage> {
    const { storage, directory, journal, codecs, emit } = this.#parts;
    const { key, value } = codecs;
    const names = { keyEncodingName: key.name, valueEncodingName: value.name };
    return writeCheckpoint({
      storage,
      directory,
      journal,
      header: { journalId: journal.journalId, lsn, entryCount: view.size, ...names },
      entries: view,
      keyCodec: key,
      shapes: value.shapes,
      onBlock: (entriesDone, bytesWritten) => {
        this.#assertOpen();
        emit({ type: 'progress', lsn, entriesDone, entries: view.size, bytesWritten });
      },
    });
  }

  /** A failed checkpoint has harmed nothing; a full disk is not tried at every write. */
  #failedAt(lsn: Lsn, error: Error): void {
    const { journal, emit } = this.#parts;
    this.#failed++;
    this.#lastFailure = error;
    if (this.#isAutomatic)
      this.#dueLsn = journal.nextLsn + Math.ceil(this.#dueBytes / RETRIES_PER_CHECKPOINT);
    emit({ type: 'failed', lsn, error });
  }

  /** A file that cannot be removed takes space and harms nothing: the next checkpoint tries again. */
  async #retire(): Promise<void> {
    const { storage, directory, journal, options } = this.#parts;
    const olderLsn = options.keepOlderGeneration ? this.#olderImageLsn : this.#imageLsn;
    try {
      await retireReplaced(storage, directory, journal, this.#imageLsn, olderLsn);
      this.#retireFailure = null;
    } catch (error) {
      if (journal.poisoned !== null) throw error;
      this.#retireFailure = error as Error;
    }
  }

  get #hasManySegments(): boolean {
    return this.#parts.journal.segmentsAbove(this.#imageLsn) >= SEGMENTS_UNTIL_CHECKPOINT_MAX;
  }

  get #isAutomatic(): boolean {
    return this.#parts.options.autoCheckpoint;
  }

  /** How much journal may gather behind the image. */
  get #dueBytes(): number {
    const { checkpointBytesMin, checkpointRatio } = this.#parts.options;
    return Math.max(checkpointBytesMin, Math.ceil(checkpointRatio * (this.#image?.bytes ?? 0)));
  }

  #nextDueLsn(): number {
    return this.#isAutomatic ? this.#imageLsn + this.#dueBytes : Number.POSITIVE_INFINITY;
  }

  /** The newest segment stays when all others are retired, so its size must be bounded by that of the image. */
  #limitSegments(): void {
    if (this.#isAutomatic) this.#parts.journal.limitSegments(this.#dueBytes / SEGMENTS_PER_CHECKPOINT_MIN);
  }

  #assertOpen(): void {
    if (this.#isClosed && !this.#outlivesClose)
      throw new KeelsonError('KEELSON_ABORTED', 'The store was closed during a checkpoint');
  }
}
