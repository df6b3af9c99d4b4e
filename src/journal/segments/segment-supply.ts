// The supply of segments, so that a record has its room on the disk before it is accepted.
//
// The next segment is prepared in the background. An append that finds no segment ready prepares one itself,
// blocking, or throws. A retired segment of this session is recycled if it has a useful size: see
// recycling-list.ts.

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
import { type RecycledSegment, RecyclingList, type SizeRange } from './recycling-list.js';
import { prepareSegment, recycleSegment, type SegmentPlan, type WritableSegment } from './segment-files.js';

/**
 * Blocks that records leave free at the end of a segment: one for the mark that ends it (closed or rotated),
 * and one for another mark. So a journal on a full disk can still write the mark that must precede a retirement.
 */
export const RESERVED_BLOCKS = 2;

/** The sizes of segments. The options of openJournal() document them. */
export interface SegmentOptions {
  readonly blockBytes: number;
  readonly segmentBytesMin: number;
  readonly segmentBytesMax: number;
}

/** The state in which a session starts to make segments. */
export interface SegmentSupplyStart {
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** One above the highest sequence in the directory. */
  readonly nextSequence: number;
  /** Returns the durable LSN. */
  readonly durableLsn: () => number;
}

/** Figures of the segments that a session has prepared. */
export interface SegmentSupplyStats {
  /**
   * Times an append prepared a segment itself, blocking, failures included. The first segment counts, except in a new
   * store.
   */
  blockingPreparations: number;
  /** Segments made of a new file, which is filled with zeros. */
  segmentsPrepared: number;
  /** Segments made of a retired file, of which only the header is written. */
  segmentsRecycled: number;
  /** Bytes written to prepare segments: zeros and headers. */
  bytesPrepared: number;
}

/** Prepares the segments of a session, and recycles retired ones. */
export class SegmentSupply {
  readonly #storage: Storage;
  readonly #options: SegmentOptions;
  readonly #start: SegmentSupplyStart;
  readonly #closes: BackgroundCloses;
  readonly #onPoisoned: (error: KeelsonError) => void;
  #nextSequence: number;
  #nextSizeBytes: number;
  /** The size at which doubling stops. */
  #capBytes: number;
  readonly #recycled = new RecyclingList();
  #ready: WritableSegment | null = null;
  /** The preparation under way. Its segment is removed if a blocking append has overtaken it. */
  #underWay: { abandoned: boolean; readonly done: Promise<void> } | null = null;
  /** Removals under way. close() waits for them, so that none runs during the next session. */
  readonly #discards = new Set<Promise<void>>();
  #closed = false;
  /** True after the disk had no room for a segment of the next size. */
  #isShortOfRoom = false;
  /**
   * True after preparing ahead has failed. It is not tried again at every commit, which would fill and empty a
   * full disk again and again. take() still tries.
   */
  #hasFailedAhead = false;
  readonly stats: SegmentSupplyStats = {
    blockingPreparations: 0,
    segmentsPrepared: 0,
    segmentsRecycled: 0,
    bytesPrepared: 0,
  };

  constructor(
    storage: Storage,
    options: SegmentOptions,
    start: SegmentSupplyStart,
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

  /** The directory of the segments. */
  get directory(): string {
    return this.#start.directory;
  }

  /** Bytes of the segment that is ready and of the files that can be recycled. */
  get segmentBytes(): number {
    return (this.#ready?.header.sizeBytes ?? 0) + this.#recycled.bytes;
  }

  /**
   * Sets the size at which doubling stops, within the limits of the options. The size is rounded down to one
   * that doubling gives, so that a limit that moves a little does not make every retired segment useless.
   */
  limitSizes(bytes: number): void {
    const { segmentBytesMin, segmentBytesMax } = this.#options;
    const bytesMax = Math.min(bytes, segmentBytesMax);
    this.#capBytes = segmentBytesMin;
    while (this.#capBytes * 2 <= bytesMax) this.#capBytes *= 2;
    if (bytesMax === segmentBytesMax) this.#capBytes = segmentBytesMax;
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes, this.#capBytes);
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
  }

  /**
   * Returns a segment with room for `commitBytes` of commits and for the reserved blocks. Blocks if none is
   * ready.
   *
   * @throws What preparing threw, such as KEELSON_NO_SPACE, with nothing changed.
   */
  take(commitBytes: number): WritableSegment {
    const segment = this.#takeReady(commitBytes) ?? this.#prepareBlocking(commitBytes);
    this.#hasFailedAhead = false;
    // Only a segment that is used counts: failed tries must not ask a full disk for more and more.
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes * 2, this.#capBytes);
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
    return segment;
  }

  /** Removes a segment that was taken and is not needed. */
  giveUp(segment: WritableSegment): void {
    this.#discard(segment);
  }

  #takeReady(commitBytes: number): WritableSegment | null {
    const ready = this.#ready;
    this.#ready = null;
    if (ready === null || ready.header.sizeBytes >= this.#bytesFor(commitBytes)) return ready;
    // Segments are used in the order of their sequences, so a segment that is too small is not used later.
    this.#discard(ready);
    return null;
  }

  #prepareBlocking(commitBytes: number): WritableSegment {
    this.stats.blockingPreparations++;
    try {
      const segment = runStepsSync(this.#prepare(commitBytes));
      // The preparation under way has a lower sequence, so its segment comes too late. If this preparation fails,
      // the other one goes on: its file may be what took the room.
      if (this.#underWay !== null) this.#underWay.abandoned = true;
      return segment;
    } catch (error) {
      this.#reportPoison(error);
      throw error;
    }
  }

  /**
   * Starts to prepare the next segment, unless one is ready or under way. If that fails, take() tries again.
   */
  prepareAhead(): void {
    // A microtask, because the write that asks may be stopped, and a preparation must not be stopped half-way.
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

  /** Starts to prepare the next segment as prepareAhead() does. Resolves when that has succeeded or failed. */
  async prepareNow(): Promise<void> {
    this.prepareAhead();
    // The preparation starts in a microtask.
    await null;
    await this.#underWay?.done;
  }

  /**
   * Retires a segment by renaming it to its temporary name. The file can be recycled after retirementFlushed().
   * Returns false if the file is not wanted or cannot be renamed, and then the caller removes it.
   */
  async recycle(segment: WritableSegment): Promise<boolean> {
    const { path, header, usedSeeds, closed } = segment;
    // Something may still be under way on the file: a late write of the engine must not hit the next use.
    if (closed === null || !(await closed)) return false;
    if (!this.#recycled.wants(header.sizeBytes, usedSeeds.length, this.#usefulSizes)) return false;
    const temporary = temporaryPath(path);
    try {
      await this.#storage.rename(path, temporary);
    } catch {
      // The caller removes the file, and then meets the error.
      return false;
    }
    this.#recycled.add({ temporaryPath: temporary, sizeBytes: header.sizeBytes, usedSeeds });
    return true;
  }

  /**
   * Frees the retired files for use. Call it when a flush of the directory has made the retirement durable.
   * There may be more room on the disk now, so preparing ahead is tried again.
   */
  retirementFlushed(): void {
    this.#recycled.release();
    this.#removeAll(this.#recycled.takeUseless(this.#usefulSizes));
    this.#hasFailedAhead = false;
  }

  /**
   * Lets sizes double from the smallest again if there was no room for the next segment. Do not call it as soon
   * as the room runs out: the last room on a disk is for the image of the checkpoint that frees more.
   */
  restartSizes(): void {
    if (!this.#isShortOfRoom) return;
    this.#isShortOfRoom = false;
    this.#hasFailedAhead = false;
    this.#nextSizeBytes = this.#options.segmentBytesMin;
  }

  /** Removes the retired files that wait for a flush. The flush has failed, so they must not be recycled. */
  retirementFailed(): void {
    this.#removeAll(this.#recycled.takeWaiting());
  }

  /**
   * Removes the retired files that are free for use, because something else needs their room. Resolves when
   * their room is free. Also waits for the files of failed preparations, which take room until they are closed.
   */
  async releaseRecycled(): Promise<void> {
    this.#removeAll(this.#recycled.takeFree());
    await this.#underWay?.done;
    await Promise.all(this.#discards);
    await this.#closes.whenDone();
  }

  /** Waits for the preparation under way, and removes the segment that is ready and all retired files. */
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

  /** Prepares the next segment, with room for `commitBytes`, from a retired file or from a new one. */
  *#prepare(commitBytes: number): Steps<WritableSegment> {
    const recycled = this.#recycled.take(this.#plannedBytes(commitBytes));
    if (recycled !== null) {
      try {
        return yield* this.#prepareRecycled(recycled);
      } catch (error) {
        if (isKeelsonError(error, 'KEELSON_POISONED')) throw error;
        // The retired file is lost. A new file may succeed, or fails with an error that says more.
      }
    }
    try {
      return yield* this.#prepareNew(commitBytes);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE')) throw error;
      this.#isShortOfRoom = true;
      if (!this.#recycled.hasFree) throw error;
      // Files that are free for use must not be the reason that there is no room.
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

  /** Returns the next size, or a larger one if `commitBytes` do not fit into it. */
  #plannedBytes(commitBytes: number): number {
    return this.#wholeBlocks(Math.max(this.#bytesFor(commitBytes), this.#nextSizeBytes));
  }

  /**
   * Returns the sizes at which a retired segment is useful. A smaller one would undo the doubling, and a larger
   * one would break the limit.
   */
  get #usefulSizes(): SizeRange {
    const bytesMin = this.#plannedBytes(0);
    return { bytesMin, bytesMax: Math.max(bytesMin, this.#wholeBlocks(this.#capBytes)) };
  }

  #wholeBlocks(bytes: number): number {
    const { blockBytes } = this.#options;
    return Math.ceil(bytes / blockBytes) * blockBytes;
  }

  /** Returns the smallest size of a segment for these commits: header, commits and reserved blocks. */
  #bytesFor(commitBytes: number): number {
    const { blockBytes } = this.#options;
    return blockBytes + commitBytes + RESERVED_BLOCKS * blockBytes;
  }

  /** Removes a segment that was not used. A failure is ignored: recovery skips an empty segment. */
  #discard(segment: WritableSegment): void {
    this.#closes.close(segment.file);
    this.#remove(segment.path);
  }

  #removeAll(recycled: readonly RecycledSegment[]): void {
    for (const { temporaryPath } of recycled) this.#remove(temporaryPath);
  }

  /**
   * Removes a file in the background, and ignores a failure. Only close() and releaseRecycled() wait for it.
   */
  #remove(path: string): void {
    // A microtask for the reason that prepareAhead() gives.
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
