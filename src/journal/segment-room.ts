// Room: segments that are ready before the bytes that go into them are accepted. The next one is prepared in the
// background; a synchronous append that finds none ready prepares one itself, blocking, or refuses.

import { isKeelsonError, type KeelsonError } from '../errors.js';
import { type BackgroundCloses, runSteps, runStepsSync, type Storage } from '../storage/index.js';
import type { JournalOptions } from './options.js';
import { prepareSegment, type SegmentPlan, type WritableSegment } from './segment-files.js';

export interface SegmentRoomStart {
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** One above every sequence ever seen in the directory. */
  readonly nextSequence: number;
}

export class SegmentRoom {
  readonly #storage: Storage;
  readonly #options: JournalOptions;
  readonly #start: SegmentRoomStart;
  readonly #closes: BackgroundCloses;
  readonly #onPoisoned: (error: KeelsonError) => void;
  #nextSequence: number;
  #nextSizeBytes: number;
  #ready: WritableSegment | null = null;
  /** The preparation under way; its result is thrown away when somebody could not wait for it. */
  #underWay: { abandoned: boolean; readonly done: Promise<void> } | null = null;
  #closed = false;
  /** How often an append had to prepare a segment itself, blocking. The first of a life always does. */
  blockingPreparations = 0;

  constructor(
    storage: Storage,
    options: JournalOptions,
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
  }

  /**
   * A ready segment with room for `commitBytes` of commits and its seal. Blocks when none is ready.
   * Throws what preparing threw, KEELSON_NO_SPACE above all, with nothing changed.
   */
  take(commitBytes: number): WritableSegment {
    const sizeBytes = this.#sizeFor(commitBytes);
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null && ready.header.sizeBytes >= sizeBytes) return ready;
    // Segments are used in the order of their sequences, so one that is too small or too late is not used at all.
    if (ready !== null) void this.#discard(ready);
    if (this.#underWay !== null) this.#underWay.abandoned = true;
    this.blockingPreparations++;
    try {
      return runStepsSync(prepareSegment(this.#storage, this.#plan(sizeBytes), null, this.#closes));
    } catch (error) {
      this.#reportPoison(error);
      throw error;
    }
  }

  /** Starts to prepare the next segment unless one is ready or under way. A failure is met again by take(). */
  prepareAhead(): void {
    if (this.#ready !== null || this.#underWay !== null || this.#closed) return;
    const state = { abandoned: false, done: Promise.resolve() };
    this.#underWay = state;
    state.done = runSteps(prepareSegment(this.#storage, this.#plan(this.#sizeFor(0)), null, this.#closes))
      .then(async (segment) => {
        if (state.abandoned) await this.#discard(segment);
        else this.#ready = segment;
      })
      .catch((error) => this.#reportPoison(error))
      .finally(() => {
        this.#underWay = null;
      });
  }

  /** Waits for the preparation under way and removes what was prepared and not used. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay?.done;
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null) await this.#discard(ready);
  }

  #plan(sizeBytes: number): SegmentPlan {
    const { directory, journalId } = this.#start;
    const { blockBytes, segmentBytesMax } = this.#options;
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes * 2, segmentBytesMax);
    return {
      directory,
      journalId,
      sequence: this.#nextSequence++,
      sizeBytes,
      blockBytes,
      lineageStart: null,
    };
  }

  /** The size whose turn it is, or a larger one of its own for what would not fit: header, commits, seal. */
  #sizeFor(commitBytes: number): number {
    const { blockBytes } = this.#options;
    const needed = blockBytes + commitBytes + blockBytes;
    return Math.ceil(Math.max(needed, this.#nextSizeBytes) / blockBytes) * blockBytes;
  }

  /** Best effort: an unused segment that stays is empty, and recovery steps over it. */
  async #discard(segment: WritableSegment): Promise<void> {
    this.#closes.close(segment.file);
    await this.#storage.remove(segment.path).catch(() => {});
  }

  #reportPoison(error: unknown): void {
    if (isKeelsonError(error, 'KEELSON_POISONED')) this.#onPoisoned(error);
  }
}
