// The feed of records from the files of another process. It looks for new records now and then while somebody waits.

import { KeelsonError } from '../../errors.js';
import type { Storage } from '../../storage/index.js';
import { FileFollower, LeftBehind } from './file-follower.js';
import type { ReaderPlace, RecordWindow } from './journal-reader.js';
import type { RecordFeed, RecordFeedOptions } from './record-feed.js';

/** The time between two looks for new records, in milliseconds, and the longest after looks that have found nothing. */
const LOOK_MS = 4;
const LOOK_MS_MAX = 20;

/** A feed looks for another segment at every look of this number that has found nothing. */
const THOROUGH_EVERY = 5;

/** The log of another process. */
export interface FollowedLog {
  readonly storage: Storage;
  readonly directory: string;
  readonly journalId: Uint8Array;
}

/** Feeds the records of one log. It pins nothing: the owner retires what it no longer needs. */
export class FollowerFeed implements RecordFeed {
  readonly #log: FollowedLog;
  readonly #options: RecordFeedOptions;
  readonly #follower: FileFollower;
  readonly #place: ReaderPlace;
  readonly #onEnd: () => void;
  #windows: AsyncGenerator<RecordWindow, void, undefined> | null = null;
  #isStarted = false;
  #idleLooks = 0;
  #isClosed = false;
  /** Resolves when the call of next() under way has ended. */
  #ended: Promise<unknown> = Promise.resolve();

  /**
   * `durableLsn` is an LSN up to which the log is known to be durable. `onEnd` is called once, after close(), when the feed has
   * no file open.
   */
  constructor(
    log: FollowedLog,
    options: RecordFeedOptions,
    durableLsn: number,
    onEnd: (feed: FollowerFeed) => void,
  ) {
    const { storage, directory, journalId } = log;
    const { fromLsn, isDefined } = options;
    this.#log = log;
    this.#options = options;
    this.#follower = new FileFollower(storage, directory, journalId, fromLsn, isDefined, durableLsn);
    this.#place = { lsn: fromLsn, sequence: 0, offset: 0 };
    this.#onEnd = () => onEnd(this);
  }

  get lsn(): number {
    return this.#place.lsn;
  }

  get isCaughtUp(): boolean {
    return this.#place.lsn >= this.#follower.lsn;
  }

  next(): Promise<RecordWindow | null> {
    if (this.#isClosed) return Promise.resolve(null);
    const next = this.#next();
    this.#ended = next.catch(() => {});
    return next;
  }

  /** The files of another process are read. */
  take(): null {
    return null;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Closes the file of windows that were not read to their end.
    const closeFile = () => this.#windows?.return();
    this.#ended = this.#ended
      .then(closeFile)
      .catch(() => {})
      .then(this.#onEnd);
  }

  /** Closes the feed. Resolves when it has no file open. */
  async end(): Promise<void> {
    this.close();
    await this.#ended;
  }

  async #next(): Promise<RecordWindow | null> {
    try {
      while (!this.#isClosed) {
        const window = await this.#nextWindow();
        if (window !== null) return window;
        if (!this.#isClosed && this.isCaughtUp) await this.#look();
      }
      return null;
    } catch (error) {
      if (!(error instanceof LeftBehind)) throw error;
      throw await this.#gone(
        `The changes after LSN ${this.#reachedLsn} are no longer in the files of the store`,
      );
    }
  }

  /** Returns the next window of what is known to be durable, or null if there is none. */
  async #nextWindow(): Promise<RecordWindow | null> {
    if (!this.#isStarted || this.isCaughtUp) return null;
    this.#windows ??= this.#follower.windows(this.#place);
    const { value } = await this.#windows.next();
    if (value !== undefined) return value;
    this.#windows = null;
    return null;
  }

  /** Looks for new records. Waits first if the last look has found none. */
  async #look(): Promise<void> {
    const { storage } = this.#log;
    if (this.#idleLooks > 0) await storage.pause(Math.min(LOOK_MS * this.#idleLooks, LOOK_MS_MAX));
    if (this.#isClosed) return;
    const isQuick = this.#isStarted && this.#idleLooks % THOROUGH_EVERY !== THOROUGH_EVERY - 1;
    const state = await this.#follower.update(isQuick);
    if (state === 'left behind') throw new LeftBehind();
    this.#start();
    this.#idleLooks = this.isCaughtUp ? this.#idleLooks + 1 : 0;
    const behind = this.#follower.lsn - this.#reachedLsn;
    if (behind <= this.#options.maxLagBytes) return;
    const { maxLagBytes } = this.#options;
    const what = `The reader at LSN ${this.#reachedLsn} is more than ${maxLagBytes} bytes behind LSN ${this.#follower.lsn}`;
    throw await this.#gone(what);
  }

  /** Starts to read where the follower has found the log to define everything. */
  #start(): void {
    const { startLsn } = this.#follower;
    if (this.#isStarted || startLsn === null) return;
    this.#isStarted = true;
    if (this.#options.isDefined) this.#place.lsn = Math.min(startLsn, this.#place.lsn);
  }

  get #reachedLsn(): number {
    return Math.max(this.#place.lsn, this.#options.fromLsn);
  }

  async #gone(what: string): Promise<Error> {
    const oldestLsn = (await this.#follower.oldestLsn()) ?? this.#reachedLsn;
    return new KeelsonError('KEELSON_HISTORY_GONE', what, { oldestLsn });
  }
}
