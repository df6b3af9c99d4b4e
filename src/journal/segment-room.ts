// Room: segments that are ready before the bytes that go into them are accepted. The next one is prepared in the
// background; a synchronous append that finds none ready prepares one itself, blocking, or refuses.

import { isKeelsonError, type KeelsonError } from '../errors.js';
import { type BackgroundCloses, runSteps, runStepsSync, type Storage } from '../storage/index.js';
import type { ResolvedJournalOptions } from './options.js';
import { prepareSegment, type SegmentPlan, type WritableSegment } from './segment-files.js';

/**
 * Kept free at the end of every segment: a block for its seal, and one for a mark, so that a journal on a full disk can
 * still say that it answers for less, and give room back.
 */
export const RESERVED_BLOCKS = 2;

export interface SegmentRoomStart {
  readonly directory: string;
  readonly journalId: Uint8Array;
  /** One above every sequence ever seen in the directory. */
  readonly nextSequence: number;
  /** What is durable now. */
  readonly durableLsn: () => number;
}

export class SegmentRoom {
  readonly #storage: Storage;
  readonly #options: ResolvedJournalOptions;
  readonly #start: SegmentRoomStart;
  readonly #closes: BackgroundCloses;
  readonly #onPoisoned: (error: KeelsonError) => void;
  #nextSequence: number;
  #nextSizeBytes: number;
  #ready: WritableSegment | null = null;
  /** The preparation under way; its result is thrown away when somebody could not wait for it. */
  #underWay: { abandoned: boolean; readonly done: Promise<void> } | null = null;
  /** Removals under way, which must not reach into the next life. */
  readonly #discards = new Set<Promise<void>>();
  #closed = false;
  /** Preparing ahead failed: a disk that is full is not filled and emptied again at every commit. take() tries anew. */
  #hasFailedAhead = false;
  /** How often an append had to prepare a segment itself, blocking. The first of a life always does. */
  blockingPreparations = 0;

  constructor(
    storage: Storage,
    options: ResolvedJournalOptions,
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
    const segment = this.#takeReady(commitBytes) ?? this.#prepareBlocking(commitBytes);
    this.#hasFailedAhead = false;
    // Only what is used counts: failed attempts must not ask for more and more of a disk that is full.
    this.#nextSizeBytes = Math.min(this.#nextSizeBytes * 2, this.#options.segmentBytesMax);
    return segment;
  }

  #takeReady(commitBytes: number): WritableSegment | null {
    const ready = this.#ready;
    this.#ready = null;
    if (ready === null || ready.header.sizeBytes >= this.#bytesFor(commitBytes)) return ready;
    // Segments are used in the order of their sequences, so one that is too small or too late is not used at all.
    const discarded = this.#discard(ready).finally(() => this.#discards.delete(discarded));
    this.#discards.add(discarded);
    return null;
  }

  #prepareBlocking(commitBytes: number): WritableSegment {
    if (this.#underWay !== null) this.#underWay.abandoned = true;
    this.blockingPreparations++;
    try {
      return runStepsSync(prepareSegment(this.#storage, this.#plan(commitBytes), null, this.#closes));
    } catch (error) {
      this.#reportPoison(error);
      throw error;
    }
  }

  /** Starts to prepare the next segment unless one is ready or under way. A failure is met again by take(). */
  prepareAhead(): void {
    if (this.#ready !== null || this.#underWay !== null || this.#closed || this.#hasFailedAhead) return;
    const state = { abandoned: false, done: Promise.resolve() };
    this.#underWay = state;
    state.done = runSteps(prepareSegment(this.#storage, this.#plan(0), null, this.#closes))
      .then(async (segment) => {
        if (state.abandoned) await this.#discard(segment);
        else this.#ready = segment;
      })
      .catch((error) => {
        this.#hasFailedAhead = true;
        this.#reportPoison(error);
      })
      .finally(() => {
        this.#underWay = null;
      });
  }

  /** Waits for the preparation under way and removes what was prepared and not used. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay?.done;
    await Promise.all(this.#discards);
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null) await this.#discard(ready);
  }

  /** Of the size whose turn it is, or of a larger one of its own for what would not fit. */
  #plan(commitBytes: number): SegmentPlan {
    const { directory, journalId } = this.#start;
    const { blockBytes } = this.#options;
    const bytes = Math.max(this.#bytesFor(commitBytes), this.#nextSizeBytes);
    return {
      directory,
      journalId,
      sequence: this.#nextSequence++,
      sizeBytes: Math.ceil(bytes / blockBytes) * blockBytes,
      blockBytes,
      lineageStart: null,
      durableLsn: this.#start.durableLsn(),
    };
  }

  /** What a segment for these commits has at least: header, commits, and what is reserved. */
  #bytesFor(commitBytes: number): number {
    const { blockBytes } = this.#options;
    return blockBytes + commitBytes + RESERVED_BLOCKS * blockBytes;
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
