// The supply of segments, so that a record has its room on the disk before it is accepted.
//
// Segments are prepared ahead, in the background: the next one is ready, with its name, and a draft waits behind it. If
// appends outrun that, more are made ready. An append that finds no segment ready prepares one itself, blocking, or
// throws. A retired segment of this session is recycled if it has a useful size: see recycling-list.ts.

import { isKeelsonError, type KeelsonError } from '../../errors.js';
import { queueMicrotask } from '../../schedulers.js';
import {
  type BackgroundCloses,
  discard,
  runFlushesInBackground,
  runSteps,
  runStepsSync,
  type Steps,
  type Storage,
} from '../../storage/index.js';
import { draftPath, temporaryPath } from '../format/segment-names.js';
import { RecyclingList } from './recycling-list.js';
import { makeDraft, type SegmentDraft } from './segment-drafts.js';
import {
  nameSegment,
  prepareSegment,
  type ReserveRoom,
  type SegmentPlan,
  type WritableSegment,
} from './segment-files.js';
import { SegmentSequences } from './segment-sequences.js';
import { type SegmentOptions, SegmentSizes } from './segment-sizes.js';

/** Limit of the segments that are ready. */
export const READY_SEGMENTS_MAX = 4;

/** Limit of the bytes of the segments that are ready, unless there is only one. */
const READY_BYTES_MAX = 64 * 1024 * 1024;

/**
 * With commits of this many blocks and more (256 KiB of 4 KiB blocks), room is only reserved. What a commit saves by
 * not being written twice is then more than the change of metadata costs it.
 */
const LARGE_COMMIT_BLOCKS = 64;

/**
 * Sequences that a segment leaves free before its own while it gets its name, if commits are large. Appends that do not
 * wait for it take them. So it is not too late, unless they have taken all.
 */
const URGENT_SEQUENCES_MAX = 16;

/** Random bytes in the names of the drafts of a session. */
const DRAFT_OWNER_BYTES = 8;

/** The state in which a session starts to make segments. */
export interface SegmentSupplyStart {
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** One above the highest sequence in the directory. */
  readonly nextSequence: number;
  /** Returns the durable LSN. */
  readonly durableLsn: () => number;
  /** Returns the commits of this session so far, and their bytes. */
  readonly written: () => { readonly commits: number; readonly bytesWritten: number };
}

/** Figures of the segments that a session has prepared. */
export interface SegmentSupplyStats {
  /**
   * Times an append prepared a segment itself, blocking, failures included. The first segment counts, except in a new
   * store.
   */
  blockingPreparations: number;
  /** Segments made of a new file. */
  segmentsPrepared: number;
  /** Segments made of a retired file, of which only the header is written. */
  segmentsRecycled: number;
  /** Bytes of new segments, filled with zeros or reserved, and of the headers of others. */
  bytesPrepared: number;
}

/** The work under way in the background. */
interface AheadWork {
  /** False when what it prepares is to be given up. */
  isWanted: boolean;
  done: Promise<void>;
}

/** Prepares the segments of a session, and recycles retired ones. */
export class SegmentSupply {
  readonly #storage: Storage;
  readonly #blockBytes: number;
  readonly #start: SegmentSupplyStart;
  readonly #closes: BackgroundCloses;
  readonly #onPoisoned: (error: KeelsonError) => void;
  readonly #sizes: SegmentSizes;
  readonly #sequences: SegmentSequences;
  readonly #draftOwner: string;
  #draftCount = 0;
  /** Segments that commits have taken. */
  #takenCount = 0;
  readonly #recycled = new RecyclingList();
  /** Segments that are ready, in the order of their sequences. */
  readonly #ready: WritableSegment[] = [];
  /** The number of segments to have ready. Grows when an append finds none, and is 1 again when room is short. */
  #readyCount = 1;
  /** The figures of written() when a segment was taken last. */
  #writtenAtTake = { commits: 0, bytesWritten: 0 };
  /** True if the commits since the segment before were large. */
  #hasLargeCommits = false;
  /** True after the system could not reserve room. It is not asked again. */
  #cannotReserve = false;
  #work: AheadWork | null = null;
  /** Removals under way. close() waits for them, so that none runs during the next session. */
  readonly #discards = new Set<Promise<void>>();
  #closed = false;
  /**
   * True after preparing ahead has failed. It is not tried again at every commit, which would fill and empty a
   * full disk again and again. take() still tries.
   */
  #hasFailedAhead = false;
  /** True while something else needs the room on the disk. Nothing is prepared ahead meanwhile. */
  #isYielding = false;
  /** The error of the first append that found no room meanwhile. Later ones get it, too, without asking the disk. */
  #noRoomInYield: unknown = null;
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
    this.#blockBytes = options.blockBytes;
    this.#start = start;
    this.#closes = closes;
    this.#onPoisoned = onPoisoned;
    this.#sizes = new SegmentSizes(options);
    this.#sequences = new SegmentSequences(start.nextSequence);
    this.#draftOwner = Buffer.from(storage.randomBytes(DRAFT_OWNER_BYTES)).toString('hex');
  }

  /** The directory of the segments. */
  get directory(): string {
    return this.#start.directory;
  }

  /** Bytes of the segments that are ready, of the draft, and of the files that can be recycled. */
  get segmentBytes(): number {
    return bytesOf(this.#ready) + this.#recycled.bytes;
  }

  /** Sets the size at which doubling stops: see SegmentSizes.limit(). */
  limitSizes(bytes: number): void {
    this.#sizes.limit(bytes);
    this.#removeUseless();
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
    this.#takenCount++;
    this.#sizes.double();
    this.#removeUseless();
    this.#measureCommits();
    return segment;
  }

  #takeReady(commitBytes: number): WritableSegment | null {
    if (this.#ready.length === 0) {
      // The first segment of a session is never ready, except in a new store.
      if (this.#takenCount > 0) this.#readyCount = Math.min(this.#readyCount + 1, READY_SEGMENTS_MAX);
      return null;
    }
    for (let ready = this.#ready.shift(); ready !== undefined; ready = this.#ready.shift()) {
      if (ready.header.sizeBytes >= this.#sizes.needed(commitBytes)) return ready;
      // Segments are used in the order of their sequences, so a segment that is too small is not used later.
      this.giveUp(ready);
    }
    this.#readyCount = 1;
    return null;
  }

  /** Notes whether the commits since the segment before are large. */
  #measureCommits(): void {
    const { commits, bytesWritten } = this.#start.written();
    const count = commits - this.#writtenAtTake.commits;
    if (count === 0) return;
    const meanBytes = (bytesWritten - this.#writtenAtTake.bytesWritten) / count;
    this.#hasLargeCommits = meanBytes >= LARGE_COMMIT_BLOCKS * this.#blockBytes;
    this.#writtenAtTake = { commits, bytesWritten };
  }

  /** True if room is reserved for new segments, instead of filled with zeros. */
  get #reservesRoom(): boolean {
    return this.#hasLargeCommits && !this.#cannotReserve;
  }

  #prepareBlocking(commitBytes: number): WritableSegment {
    this.stats.blockingPreparations++;
    if (this.#noRoomInYield !== null) throw this.#noRoomInYield;
    try {
      const segment = runStepsSync(this.#prepareUrgently(commitBytes));
      // Noted only now: if this preparation fails, the one in the background goes on, because its file may be what
      // took the room.
      this.#sequences.used(segment.sequence);
      return segment;
    } catch (error) {
      this.#readyCount = 1;
      if (this.#isYielding && isKeelsonError(error, 'KEELSON_NO_SPACE')) this.#noRoomInYield = error;
      this.#reportPoison(error);
      throw error;
    }
  }

  /** Starts to prepare segments ahead, unless that is under way or done. If that fails, take() tries again. */
  prepareAhead(): void {
    // A microtask, because the write that asks may be stopped, and a preparation must not be stopped half-way.
    if (this.#isAheadDue) queueMicrotask(this.#startAhead);
  }

  get #isAheadDue(): boolean {
    if (this.#work !== null || this.#closed || this.#isYielding || this.#hasFailedAhead) return false;
    return this.#needsReady || this.#needsDraft;
  }

  get #needsReady(): boolean {
    const { length } = this.#ready;
    if (length === 0) return true;
    return length < this.#readyCount && bytesOf(this.#ready) + this.#sizes.next(0) <= READY_BYTES_MAX;
  }

  /**
   * True if a draft is wanted behind the segments that are ready. A session that fills no segment needs none, and
   * nothing is gained by a draft of which the room is only reserved.
   */
  get #needsDraft(): boolean {
    return this.#takenCount > 1 && !this.#reservesRoom && !this.#recycled.hasFree;
  }

  readonly #startAhead = (): void => {
    if (!this.#isAheadDue) return;
    const work: AheadWork = { isWanted: true, done: Promise.resolve() };
    const run = this.#hasLargeCommits ? runFlushesInBackground : runSteps;
    work.done = run(this.#workAhead(work))
      .catch((error) => {
        if (work.isWanted) this.#hasFailedAhead = true;
        this.#readyCount = 1;
        this.#reportPoison(error);
      })
      .finally(() => {
        this.#work = null;
        this.prepareAhead();
      });
    this.#work = work;
  };

  *#workAhead(work: AheadWork): Steps<void> {
    while (work.isWanted) {
      if (this.#needsReady) yield* this.#readyAhead(work);
      else if (this.#needsDraft) yield* this.#addDraft(work, this.#sizes.afterNext);
      else return;
    }
  }

  /** Makes one more segment ready. */
  *#readyAhead(work: AheadWork): Steps<void> {
    const size = this.#sizes.next(0);
    if (!this.#reservesRoom && !this.#recycled.hasFree) yield* this.#addDraft(work, size);
    if (!work.isWanted) return;
    // Appends may have doubled the next size meanwhile. A smaller draft is used all the same.
    const draft = this.#recycled.take(this.#sizes.needed(0));
    const sequence = this.#sequences.startNaming(this.#hasLargeCommits ? URGENT_SEQUENCES_MAX : 0);
    try {
      const segment = yield* draft === null ? this.#prepareNew(size, sequence) : this.#name(draft, sequence);
      if (this.#sequences.isOutrun || !work.isWanted) this.giveUp(segment);
      else this.#ready.push(segment);
    } catch (error) {
      // A retired file is lost then. A new one may succeed, or fails with an error that says more.
      const isRetired = draft !== null && draft.usedSeeds.length > 0;
      if (!isRetired || isKeelsonError(error, 'KEELSON_POISONED')) throw error;
    } finally {
      this.#sequences.endNaming();
    }
  }

  /** Fills a new file, which then waits to become a segment. */
  *#addDraft(work: AheadWork, sizeBytes: number): Steps<void> {
    const plan = {
      temporaryPath: draftPath(this.directory, this.#draftOwner, ++this.#draftCount),
      sizeBytes,
      isWanted: () => work.isWanted,
      isPaced: () => this.#ready.length > 0,
    };
    const isNeeded = sizeBytes <= this.#sizes.next(0);
    const draft = yield* this.#noticingRoom(
      sizeBytes,
      isNeeded,
      makeDraft(this.#storage, plan, this.#closes),
    );
    if (draft === null) return;
    this.#countNew(sizeBytes);
    this.#recycled.addNew(draft);
  }

  /** A draft for the segment after the next is not needed: that it has no room says nothing about the next one. */
  *#noticingRoom<T>(sizeBytes: number, isNeeded: boolean, steps: Steps<T>): Steps<T> {
    try {
      const made = yield* steps;
      if (made !== null) this.#sizes.foundRoom(sizeBytes);
      return made;
    } catch (error) {
      if (isNeeded && isKeelsonError(error, 'KEELSON_NO_SPACE')) this.#sizes.foundNoRoom();
      throw error;
    }
  }

  /** Starts to prepare the next segment as prepareAhead() does. Resolves when that has succeeded or failed. */
  async prepareNow(): Promise<void> {
    this.prepareAhead();
    // The preparation starts in a microtask.
    await null;
    await this.#work?.done;
  }

  /**
   * Retires a segment by renaming it to its temporary name. The file can be recycled after retirementFlushed().
   * Returns false if the file is not wanted or cannot be renamed, and then the caller removes it.
   */
  async recycle(segment: WritableSegment): Promise<boolean> {
    const { path, header, usedSeeds, closed } = segment;
    // Something may still be under way on the file: a late write of the engine must not hit the next use.
    if (closed === null || !(await closed)) return false;
    if (!this.#recycled.wants(header.sizeBytes, usedSeeds.length, this.#sizes.useful)) return false;
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
    this.#removeUseless();
    this.#hasFailedAhead = false;
  }

  /**
   * Lets sizes double from the smallest again if there was no room for the next segment. Do not call it as soon
   * as the room runs out: the last room on a disk is for the image of the checkpoint that frees more.
   */
  restartSizes(): void {
    if (this.#sizes.restart()) this.#hasFailedAhead = false;
  }

  /** Removes the retired files that wait for a flush. The flush has failed, so they must not be recycled. */
  retirementFailed(): void {
    this.#removeAll(this.#recycled.takeWaiting());
  }

  /**
   * Runs `work`, which needs room on the disk. First gives up everything that is prepared ahead and every retired file
   * that is free for use. Also waits for the files of failed preparations, which take room until they are closed.
   * Prepares nothing ahead until `work` has ended.
   */
  async yieldRoomTo<T>(work: () => Promise<T>): Promise<T> {
    this.#isYielding = true;
    try {
      await this.#giveUpAhead();
      await this.#closes.whenDone();
      return await work();
    } finally {
      this.#isYielding = false;
      this.#noRoomInYield = null;
      this.prepareAhead();
    }
  }

  /** Gives up everything that is prepared ahead, and all retired files. Resolves when they are removed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#giveUpAhead();
    this.#removeAll(this.#recycled.takeWaiting());
    await null;
    await Promise.all(this.#discards);
  }

  async #giveUpAhead(): Promise<void> {
    if (this.#work !== null) {
      this.#work.isWanted = false;
      await this.#work.done;
    }
    this.#readyCount = 1;
    for (const ready of this.#ready.splice(0)) this.giveUp(ready);
    this.#removeAll(this.#recycled.takeFree());
    // The removals start in a microtask.
    await null;
    await Promise.all(this.#discards);
  }

  /** Prepares a segment with room for `commitBytes`: of a draft, of a retired file, or of a new file. */
  *#prepareUrgently(commitBytes: number): Steps<WritableSegment> {
    const draft = this.#recycled.take(this.#sizes.needed(commitBytes));
    if (draft !== null) {
      try {
        return yield* this.#name(draft, this.#sequences.urgent());
      } catch (error) {
        if (isKeelsonError(error, 'KEELSON_POISONED')) throw error;
        // The file is lost. A new file may succeed, or fails with an error that says more.
      }
    }
    const size = () =>
      this.#reservesRoom && !this.#isYielding
        ? this.#sizes.next(commitBytes)
        : this.#sizes.urgent(commitBytes, this.#isYielding);
    try {
      return yield* this.#prepareNew(size(), this.#sequences.urgent());
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_NO_SPACE') || !this.#recycled.hasFree) throw error;
      // Files that are free for use must not be the reason that there is no room.
      for (const { temporaryPath } of this.#recycled.takeFree()) yield* discard(this.#storage, temporaryPath);
      return yield* this.#prepareNew(size(), this.#sequences.urgent());
    }
  }

  *#name(draft: SegmentDraft, sequence: number): Steps<WritableSegment> {
    const plan = this.#plan(draft.sizeBytes, sequence);
    const segment = yield* nameSegment(this.#storage, plan, draft, this.#closes);
    this.stats.bytesPrepared += segment.header.blockBytes;
    if (draft.usedSeeds.length > 0) this.stats.segmentsRecycled++;
    return segment;
  }

  *#prepareNew(sizeBytes: number, sequence: number): Steps<WritableSegment> {
    const plan = this.#plan(sizeBytes, sequence);
    const steps = prepareSegment(this.#storage, plan, null, this.#closes, this.#reserve);
    const segment = yield* this.#noticingRoom(sizeBytes, true, steps);
    this.#countNew(sizeBytes);
    return segment;
  }

  readonly #reserve: ReserveRoom = (file, sizeBytes) => {
    if (!this.#reservesRoom) return false;
    this.#cannotReserve = !file.reserve(sizeBytes);
    return !this.#cannotReserve;
  };

  #countNew(sizeBytes: number): void {
    this.stats.segmentsPrepared++;
    this.stats.bytesPrepared += sizeBytes;
  }

  #plan(sizeBytes: number, sequence: number): SegmentPlan {
    return {
      directory: this.#start.directory,
      journalId: this.#start.journalId,
      sequence,
      sizeBytes,
      blockBytes: this.#blockBytes,
      lineageStart: null,
      durableLsn: this.#start.durableLsn(),
    };
  }

  /** Removes a segment that was not used. A failure is ignored: recovery skips an empty segment. */
  giveUp(segment: WritableSegment): void {
    this.#closes.close(segment.file);
    this.#remove(segment.path);
  }

  #removeUseless(): void {
    this.#removeAll(this.#recycled.takeUseless(this.#sizes.useful));
  }

  #removeAll(drafts: readonly SegmentDraft[]): void {
    for (const { temporaryPath } of drafts) this.#remove(temporaryPath);
  }

  /**
   * Removes a file in the background, and ignores a failure. Only close() and yieldRoomTo() wait for it.
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

function bytesOf(segments: readonly WritableSegment[]): number {
  return segments.reduce((total, { header }) => total + header.sizeBytes, 0);
}
