// The feed of records: windows of durable records, in order and without a gap. A reader that has seen everything is fed
// from the memory of commits, and one that is behind from segments.

import { KeelsonError } from '../../errors.js';
import { nextTurn } from '../../schedulers.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../../storage/index.js';
import type { PendingCommit } from '../commit/pending-commit.js';
import type { Lsn } from '../format/lsn.js';
import type { HeldSegments, SegmentPin } from './held-segments.js';
import { notABoundary, type ReaderPlace, type RecordWindow, readWindows } from './journal-reader.js';
import { type RecentCommit, RecentCommits, SHARED_BYTES_MAX } from './recent-commits.js';

/** The options of a feed. */
export interface RecordFeedOptions {
  /** The feed is asked for the records above this LSN: the LSN of a record, or where the log begins. */
  readonly fromLsn: number;
  /**
   * Starts earlier, if that is needed: so that the records before `fromLsn` define everything that later ones refer to. The
   * consumer skips the records up to `fromLsn`, and checks that one of them ends there.
   */
  readonly isDefined: boolean;
  /** The most bytes of durable log that the reader may be behind, or Infinity. */
  readonly maxLagBytes: number;
  /** The feed goes on as soon as a commit is durable, and not a turn of the event loop later. For one that only copies records. */
  readonly isPrompt?: boolean;
}

/** A feed of durable records. One call of next() at a time. */
export interface RecordFeed {
  /** The LSN of the last record that the consumer has taken, or where the feed starts. */
  readonly lsn: number;
  /** True if no durable record follows `lsn` as of now, as far as the feed knows. */
  readonly isCaughtUp: boolean;
  /**
   * Resolves to the next window, when there is a durable record. Resolves to null after close(), and when the log is closed.
   *
   * @throws Rejects with KEELSON_HISTORY_GONE if the reader is more than `maxLagBytes` behind, with KEELSON_POISONED behind the
   * last durable record of a poisoned log, KEELSON_CORRUPT if a record does not verify, and a RangeError if `fromLsn` is inside
   * a record.
   */
  next(): Promise<RecordWindow | null>;
  /** Returns the next window if it is in memory; otherwise null, and next() waits for it. Throws what next() rejects with. */
  take(): RecordWindow | null;
  /** Ends the feed, and releases the segments that it needs. Idempotent. */
  close(): void;
}

/** The state of the journal that is read. */
export interface FedJournal {
  readonly syncedLsn: () => number;
  readonly isClosed: () => boolean;
  readonly poisoned: () => KeelsonError | null;
}

/** The feeds of one journal. */
export class RecordFeeds {
  readonly storage: Storage;
  readonly held: HeldSegments;
  readonly journal: FedJournal;
  readonly recent: RecentCommits;
  /** The functions that wake the feeds which wait for a record. */
  readonly #wakes = new Set<() => void>();
  /** Those of prompt feeds. */
  readonly #promptWakes = new Set<() => void>();

  constructor(storage: Storage, held: HeldSegments, journal: FedJournal, sharedBytesMax = SHARED_BYTES_MAX) {
    this.storage = storage;
    this.held = held;
    this.journal = journal;
    this.recent = new RecentCommits(sharedBytesMax);
  }

  /** Returns a feed, which pins the segments that it needs. `fromLsn` must be held. */
  open(options: RecordFeedOptions): RecordFeed {
    return new SegmentFeed(this, options);
  }

  /** Notes a commit that has just become durable. Runs no foreign code. */
  landed(commit: PendingCommit): void {
    this.recent.add(commit);
  }

  /** Wakes every feed that waits, because the journal is closed or poisoned. */
  wake(): void {
    callAll(this.#promptWakes);
    callAll(this.#wakes);
  }

  /**
   * Wakes every feed that waits, because a commit is durable: those that are not prompt in the next turn of the event loop.
   * The writers that wait for the commit go on before, so the disk writes their next one while feeds decode this one. May run
   * foreign code.
   */
  wakeSoon(): void {
    callAll(this.#promptWakes);
    if (this.#wakes.size > 0) void nextTurn().then(() => callAll(this.#wakes));
  }

  /** Resolves when `isOver` held at the call, at the next wake(), or when the function is called that `onWait` is given. */
  whenWoken(isPrompt: boolean, isOver: () => boolean, onWait: (wake: () => void) => void): Promise<void> {
    const wakes = isPrompt ? this.#promptWakes : this.#wakes;
    return new Promise((resolve) => {
      const wake = () => {
        wakes.delete(wake);
        resolve();
      };
      // Asked now, because a hook on the new promise may have made more durable, or closed the journal.
      if (isOver()) resolve();
      else {
        wakes.add(wake);
        onWait(wake);
      }
    });
  }
}

/** Calls functions, of which each may take itself out of the set and add others. */
function callAll(functions: ReadonlySet<() => void>): void {
  for (const each of [...functions]) each();
}

/** A feed of one journal. */
class SegmentFeed implements RecordFeed {
  readonly #feeds: RecordFeeds;
  readonly #fromLsn: number;
  readonly #maxLagBytes: number;
  readonly #isPrompt: boolean;
  readonly #place: ReaderPlace;
  readonly #pin: SegmentPin;
  /** The windows from segments, while the reader is behind. */
  #windows: AsyncGenerator<RecordWindow, void, undefined> | null = null;
  /** The end of the windows from segments, from which recent commits are kept. */
  #windowsEndLsn = 0;
  /** True if the place is known to be the end of a record. */
  #isBoundary: boolean;
  #isClosed = false;
  #isLost = false;
  /** Ends the wait of next(). */
  #wake: () => void = () => {};

  constructor(feeds: RecordFeeds, { fromLsn, isDefined, maxLagBytes, isPrompt = false }: RecordFeedOptions) {
    const { held } = feeds;
    const lsn = (isDefined ? held.definedFrom(fromLsn) : null) ?? fromLsn;
    this.#feeds = feeds;
    this.#fromLsn = fromLsn;
    this.#maxLagBytes = maxLagBytes;
    this.#isPrompt = isPrompt;
    this.#place = { lsn, sequence: 0, offset: 0 };
    // Where a segment starts, a record ends.
    this.#isBoundary = isDefined && lsn < fromLsn;
    const feed = this;
    this.#pin = held.pin(lsn, {
      get lsn() {
        return feed.#reachedLsn;
      },
      bytesMax: maxLagBytes,
      lost: () => {
        feed.#isLost = true;
      },
    });
  }

  get lsn(): number {
    return this.#place.lsn;
  }

  get isCaughtUp(): boolean {
    return this.#place.lsn >= this.#feeds.journal.syncedLsn();
  }

  /** The recent commits that this reader needs are those above this LSN. */
  get neededLsn(): number {
    return Math.max(this.#place.lsn, this.#windowsEndLsn);
  }

  get #reachedLsn(): number {
    return Math.max(this.#place.lsn, this.#fromLsn);
  }

  async next(): Promise<RecordWindow | null> {
    while (!this.#isEnded) {
      const shared = this.take();
      if (shared !== null) return shared;
      if (this.isCaughtUp) {
        await this.#whenMore();
        continue;
      }
      const window = await this.#nextOfSegments();
      if (window !== null && !this.#isClosed) return window;
    }
    return null;
  }

  take(): RecordWindow | null {
    if (this.#isEnded) return null;
    this.#assertNotBehind();
    this.#pin.lsn = this.#place.lsn;
    if (this.#windows !== null || this.isCaughtUp) return null;
    const commit = this.#feeds.recent.find(this.#place.lsn);
    return commit === null ? null : this.#windowOf(commit);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#feeds.recent.leave(this);
    this.#pin.release();
    this.#wake();
    this.#windows?.return().catch(() => {});
    this.#windows = null;
  }

  get #isEnded(): boolean {
    return this.#isClosed || this.#feeds.journal.isClosed();
  }

  #assertNotBehind(): void {
    const syncedLsn = this.#feeds.journal.syncedLsn();
    if (!this.#isLost && syncedLsn - this.#reachedLsn <= this.#maxLagBytes) return;
    const { held } = this.#feeds;
    const oldestLsn = held.definedStartLsn ?? syncedLsn;
    throw new KeelsonError(
      'KEELSON_HISTORY_GONE',
      `The reader at LSN ${this.#reachedLsn} is more than ${this.#maxLagBytes} bytes behind LSN ${syncedLsn}`,
      { oldestLsn },
    );
  }

  async #whenMore(): Promise<void> {
    const { journal, recent } = this.#feeds;
    // Hooks may run when the promise is made. So nothing is missed if the reader has joined before.
    recent.join(this);
    const hasMore = () => this.#place.lsn < journal.syncedLsn();
    const poisoned = journal.poisoned();
    if (poisoned !== null && !hasMore()) throw poisoned;
    await this.#feeds.whenWoken(
      this.#isPrompt,
      () => hasMore() || this.#isClosed || journal.isClosed() || journal.poisoned() !== null,
      (wake) => {
        this.#wake = wake;
      },
    );
  }

  #windowOf(commit: RecentCommit): RecordWindow {
    const isShared = this.#feeds.recent.readerCount > 1;
    const window = new CommitWindow(commit, this.#place, this.#isBoundary, isShared);
    this.#isBoundary = true;
    return window;
  }

  /** Returns the next window from segments, or null if they end here. */
  async #nextOfSegments(): Promise<RecordWindow | null> {
    const { storage, held, recent, journal } = this.#feeds;
    if (this.#windows === null) {
      const syncedLsn = journal.syncedLsn();
      this.#windowsEndLsn = syncedLsn;
      // Commits that become durable while the rest is read follow from memory.
      if (syncedLsn - this.#place.lsn <= SHARED_BYTES_MAX) recent.join(this);
      this.#windows = readWindows(storage, held, this.#place, syncedLsn);
    }
    try {
      const { value } = await this.#windows.next();
      if (value !== undefined) {
        this.#isBoundary = true;
        return value;
      }
      this.#windows = null;
      return null;
    } catch (error) {
      this.#windows = null;
      // The journal was closed meanwhile, and the file with it. Or the file was retired, because this reader is too slow.
      if (this.#isClosed || this.#isLost || journal.isClosed()) return null;
      throw error;
    }
  }
}

/** The records of a commit above `place.lsn`. Moves `place` along. */
class CommitWindow implements RecordWindow {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  lsn: Lsn;
  readonly shared: unknown[] | null;
  readonly #commit: RecentCommit;
  readonly #place: ReaderPlace;
  readonly #view: DataView;

  constructor(commit: RecentCommit, place: ReaderPlace, isBoundary: boolean, isShared: boolean) {
    const { frames, startLsn } = commit;
    this.bytes = frames;
    this.#commit = commit;
    this.#place = place;
    this.shared = isShared && place.lsn === startLsn ? commit.shared : null;
    this.#view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
    this.lsn = (isBoundary ? place.lsn : startLsn) as Lsn;
  }

  next(): boolean {
    const { startLsn, endLsn, sequence, offsetEnd } = this.#commit;
    while (this.lsn < endLsn) {
      const from = this.lsn;
      this.start = from - startLsn + FRAME_OVERHEAD_BYTES;
      this.end = this.start + this.#view.getUint32(this.start - FRAME_OVERHEAD_BYTES, true);
      this.lsn = (startLsn + this.end) as Lsn;
      if (this.lsn <= this.#place.lsn) continue;
      if (from < this.#place.lsn) throw notABoundary('from', this.#place.lsn, this.lsn);
      this.#place.lsn = this.lsn;
      if (this.lsn === endLsn) {
        this.#place.sequence = sequence;
        this.#place.offset = offsetEnd;
      }
      return true;
    }
    return false;
  }
}
