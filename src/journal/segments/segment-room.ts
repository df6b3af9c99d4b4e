// Room: segments that are ready before the bytes that go into them are accepted. The next one is prepared in the
// background; a synchronous append that finds none ready prepares one itself, blocking, or refuses. A retired segment of
// this life is used again where there is one of the right size: see recycled-segments.ts.

import { isKeelsonError, type KeelsonError } from '../../errors.js';
import { queueMicrotask } from '../../schedulers.js';
import {
  type BackgroundCloses,
  discard,
  runSteps,
  runStepsSync,
  type Steps,
  type Storage,
} from '../../storage/index.js';
import { temporaryPath } from '../format/segment-names.js';
import { type RecycledSegment, RecycledSegments, type SizeRange } from './recycled-segments.js';
import { prepareSegment, recycleSegment, type SegmentPlan, type WritableSegment } from './segment-files.js';

/**
 * Kept free at the end of every segment: a block for its seal, and one for a mark, so that a journal on a full disk can
 * still say that it answers for less, and give room back.
 */
export const RESERVED_BLOCKS = 2;

/** The sizes of segments: docs at the options of openJournal(). */
export interface SegmentOptions {
  readonly blockBytes: number;
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
}

export interface SegmentRoomStart {
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** One above every sequence ever seen in the directory. */
  readonly nextSequence: number;
  /** What is durable now. */
  readonly durableLsn: () => number;
}

export interface SegmentRoomStats {
  /** Segments that an append had to prepare itself, blocking. The first of a life is one, but that of a store that is made. */
  blockingPreparations: number;
  /** Segments made of a new file, which is filled with zeros. */
  segmentsPrepared: number;
  /** Segments made of a retired one, of which only the header is written. */
  segmentsRecycled: number;
  /** Bytes written for both: zeros and headers. */
  bytesPrepared: number;
}

export class SegmentRoom {
  readonly #storage: Storage;
  readonly #options: SegmentOptions;
  readonly #start: SegmentRoomStart;
  readonly #closes: BackgroundCloses;
  readonly #onPoisoned: (error: KeelsonError) => void;
  #nextSequence: number;
  #nextSizeBytes: number;
  /** Where doubling stops. */
  #capBytes: number;
  readonly #recycled = new RecycledSegments();
  #ready: WritableSegment | null = null;
  /** The preparation under way; its result is thrown away when somebody could not wait for it. */
  #underWay: { abandoned: boolean; readonly done: Promise<void> } | null = null;
  /** Removals under way, which must not reach into the next life. */
  readonly #discards = new Set<Promise<void>>();
  #closed = false;
  /** There was no room for a segment of the size whose turn it was. */
  #isShortOfRoom = false;
  /** Preparing ahead failed: a disk that is full is not filled and emptied again at every commit. take() tries anew. */
  #hasFailedAhead = false;
  readonly stats: SegmentRoomStats = {
    blockingPreparations: 0,
    segmentsPrepared: 0,
    segmentsRecycled: 0,
    bytesPrepared: 0,
  };

  constructor(
    storage: Storage,
    options: SegmentOptions,
    start: SegmentRoomStart,
    closes: BackgroundCloses,
    onPoisoned: (error: KeelsonError) => void,
  ) {
    this.#storage = storage;
    this.#options = options;
    this.#start = start;
    this.#closes = closes;
    this.#onPoisoned = onPoisoned;
    this.#nextSequence = start.nextSequence;
    this.#nextSizeBytes = options.segmentBytesMin;
    this.#capBytes = options.segmentBytesMax;
  }

  /** Where its segments are. */
  get directory(): string {
    return this.#start.directory;
  }

  /** Bytes of the files that are ready, or wait to be used again. */
  get segmentBytes(): number {
    return (this.#ready?.header.sizeBytes ?? 0) + this.#recycled.bytes;
  }

  /**
   * Doubling stops at `bytes`, within the limits of the options and rounded down to a size that doubling gives: a limit
   * that follows something else up and down must not make every retired segment one of the wrong size.
   */
  limit(bytes: number): void {
    const { segmentBytesMin, segmentBytesMax } = this.#options;
    const bytesMax = Math.min(bytes, segmentBytesMax);
    this.#capBytes = segmentBytesMin;
    while (this.#capBytes * 2 <= bytesMax) this.#capBytes *= 2;
    if (bytesMax === segmentBytesMax) this.#capBytes = segmentBytesMax;
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes, this.#capBytes);
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
  }

  /**
   * A ready segment with room for `commitBytes` of commits and its seal. Blocks when none is ready.
   * Throws what preparing threw, KEELSON_NO_SPACE above all, with nothing changed.
   */
  take(commitBytes: number): WritableSegment {
    const segment = this.#takeReady(commitBytes) ?? this.#prepareBlocking(commitBytes);
    this.#hasFailedAhead = false;
    // Only what is used counts: failed attempts must not ask for more and more of a disk that is full.
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes * 2, this.#capBytes);
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
    return segment;
  }

  /** Removes a segment that was taken and is not used after all. */
  giveUp(segment: WritableSegment): void {
    this.#discard(segment);
  }

  #takeReady(commitBytes: number): WritableSegment | null {
    const ready = this.#ready;
    this.#ready = null;
    if (ready === null || ready.header.sizeBytes >= this.#bytesFor(commitBytes)) return ready;
    // Segments are used in the order of their sequences, so one that is too small or too late is not used at all.
    this.#discard(ready);
    return null;
  }

  #prepareBlocking(commitBytes: number): WritableSegment {
    this.stats.blockingPreparations++;
    try {
      const segment = runStepsSync(this.#prepare(commitBytes));
      // Of a lower sequence, so it is too late. Where this one found no room, the other may be what has taken it: it stays.
      if (this.#underWay !== null) this.#underWay.abandoned = true;
      return segment;
    } catch (error) {
      this.#reportPoison(error);
      throw error;
    }
  }

  /** Starts to prepare the next segment unless one is ready or under way. A failure is met again by take(). */
  prepareAhead(): void {
    // Not on the stack of the write that asks, which may be stopped: what has begun must come to its end.
    if (this.#needsNext) queueMicrotask(this.#prepareNext);
  }

  get #needsNext(): boolean {
    return this.#ready === null && this.#underWay === null && !this.#closed && !this.#hasFailedAhead;
  }

  readonly #prepareNext = (): void => {
    if (!this.#needsNext) return;
    const state = { abandoned: false, done: Promise.resolve() };
    state.done = runSteps(this.#prepare(0))
      .then((segment) => {
        if (state.abandoned) this.#discard(segment);
        else this.#ready = segment;
      })
      .catch((error) => {
        this.#hasFailedAhead = true;
        this.#reportPoison(error);
      })
      .finally(() => {
        this.#underWay = null;
      });
    this.#underWay = state;
  };

  /** Has the next segment prepared as prepareAhead() does, and resolves when that has ended, well or not. */
  async prepareNow(): Promise<void> {
    this.prepareAhead();
    // It may begin in a microtask.
    await null;
    await this.#underWay?.done;
  }

  /**
   * Gives a segment that is retired its temporary name, where it can be used again: that is its retirement. False when
   * it cannot be: whoever retires it removes it. It is used when the directory has been flushed, see retired().
   */
  async recycle(segment: WritableSegment): Promise<boolean> {
    const { path, header, usedSeeds, closed } = segment;
    // Not before nothing is under way on its file: a write of the engine's that comes late must not meet its next use.
    if (closed === null || !(await closed)) return false;
    if (!this.#recycled.wants(header.sizeBytes, usedSeeds.length, this.#usefulSizes)) return false;
    const temporary = temporaryPath(path);
    try {
      await this.#storage.rename(path, temporary);
    } catch {
      // Removing it is tried, and says what is wrong.
      return false;
    }
    this.#recycled.add({ temporaryPath: temporary, sizeBytes: header.sizeBytes, usedSeeds });
    return true;
  }

  /** The directory was flushed behind everything that was retired: there is more room than there was. */
  retired(): void {
    this.#recycled.release();
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
    this.#hasFailedAhead = false;
  }

  /**
   * Where there was no room for the next segment, sizes double from the least again: a small one may have room. Not as
   * soon as that is found: what a disk that fills up has left is for the image of the checkpoint that gives room back.
   */
  startOver(): void {
    if (!this.#isShortOfRoom) return;
    this.#isShortOfRoom = false;
    this.#hasFailedAhead = false;
    this.#nextSizeBytes = this.#options.segmentBytesMin;
  }

  /** It was not: what has its temporary name is removed like everything else that was retired. */
  retiredInVain(): void {
    this.#removeAll(this.#recycled.takeWaiting());
  }

  /**
   * Removes the files that wait to be used again: somebody needs their room more. Resolves when that room is free, and that
   * of a preparation that failed: it is taken until its file is closed.
   */
  async releaseRecycled(): Promise<void> {
    this.#removeAll(this.#recycled.takeFree());
    await this.#underWay?.done;
    await Promise.all(this.#discards);
    await this.#closes.whenDone();
  }

  /** Waits for the preparation under way and removes what was prepared and not used, or waits to be used again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay?.done;
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null) this.#discard(ready);
    this.#removeAll([...this.#recycled.takeWaiting(), ...this.#recycled.takeFree()]);
    await null;
    await Promise.all(this.#discards);
  }

  /** The next segment, with room for `commitBytes`: of a retired file if there is one, else of a new one. */
  *#prepare(commitBytes: number): Steps<WritableSegment> {
    const recycled = this.#recycled.take(this.#plannedBytes(commitBytes));
    if (recycled !== null) {
      try {
        return yield* this.#prepareRecycled(recycled);
      } catch (error) {
        if (isKeelsonError(error, 'KEELSON_POISONED')) throw error;
        // The file is gone, and nothing is tried on it again. A new one may do, or say what is wrong.
      }
    }
    try {
      return yield* this.#prepareNew(commitBytes);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE')) throw error;
      this.#isShortOfRoom = true;
      if (!this.#recycled.hasFree) throw error;
      // Files that wait to be used again must not be what there is no room for.
      for (const { temporaryPath } of this.#recycled.takeFree()) yield* discard(this.#storage, temporaryPath);
      return yield* this.#prepareNew(commitBytes);
    }
  }

  *#prepareRecycled(recycled: RecycledSegment): Steps<WritableSegment> {
    const segment = yield* recycleSegment(
      this.#storage,
      this.#plan(recycled.sizeBytes),
      recycled,
      this.#closes,
    );
    this.stats.segmentsRecycled++;
    this.stats.bytesPrepared += segment.header.blockBytes;
    return segment;
  }

  *#prepareNew(commitBytes: number): Steps<WritableSegment> {
    const plan = this.#plan(this.#plannedBytes(commitBytes));
    const segment = yield* prepareSegment(this.#storage, plan, null, this.#closes);
    this.stats.segmentsPrepared++;
    this.stats.bytesPrepared += plan.sizeBytes;
    return segment;
  }

  #plan(sizeBytes: number): SegmentPlan {
    return {
      directory: this.#start.directory,
      journalId: this.#start.journalId,
      sequence: this.#nextSequence++,
      sizeBytes,
      blockBytes: this.#options.blockBytes,
      lineageStart: null,
      durableLsn: this.#start.durableLsn(),
    };
  }

  /** Of the size whose turn it is, or of a larger one of its own for what would not fit. */
  #plannedBytes(commitBytes: number): number {
    return this.#wholeBlocks(Math.max(this.#bytesFor(commitBytes), this.#nextSizeBytes));
  }

  /** Sizes of retired segments that are of use: a smaller one would undo the doubling, a larger one the limit. */
  get #usefulSizes(): SizeRange {
    const bytesMin = this.#plannedBytes(0);
    return { bytesMin, bytesMax: Math.max(bytesMin, this.#wholeBlocks(this.#capBytes)) };
  }

  #wholeBlocks(bytes: number): number {
    const { blockBytes } = this.#options;
    return Math.ceil(bytes / blockBytes) * blockBytes;
  }

  /** What a segment for these commits has at least: header, commits, and what is reserved. */
  #bytesFor(commitBytes: number): number {
    const { blockBytes } = this.#options;
    return blockBytes + commitBytes + RESERVED_BLOCKS * blockBytes;
  }

  /** Best effort: an unused segment that stays is empty, and recovery steps over it. */
  #discard(segment: WritableSegment): void {
    this.#closes.close(segment.file);
    this.#remove(segment.path);
  }

  #removeAll(recycled: readonly RecycledSegment[]): void {
    for (const { temporaryPath } of recycled) this.#remove(temporaryPath);
  }

  /** Best effort, and nobody waits for it but close(). */
  #remove(path: string): void {
    // As prepareAhead(): take() is on the stack of a write.
    queueMicrotask(() => {
      const removed = this.#storage
        .remove(path)
        .catch(() => {})
        .finally(() => this.#discards.delete(removed));
      this.#discards.add(removed);
    });
  }

  #reportPoison(error: unknown): void {
    if (isKeelsonError(error, 'KEELSON_POISONED')) this.#onPoisoned(error);
  }
}
