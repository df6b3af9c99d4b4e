// The iterations over the records of an open journal: read(), follow() and replay(). Each pins the segments
// that it needs. read() and follow() give the event loop a turn now and then.

import { BatchIterator, type BatchSource, type ClosableIterator } from '../../batch-iterator.js';
import type { FairTurns } from '../../fair-turns.js';
import { nextTurn } from '../../schedulers.js';
import type { Storage } from '../../storage/index.js';
import { checkLsn } from '../format/lsn.js';
import type { HeldSegments } from './held-segments.js';
import {
  type JournalRecord,
  type ReaderPlace,
  type RecordVisit,
  type RecordWindow,
  readRecords,
  replayRecords,
} from './journal-reader.js';
import type { RecordFeed, RecordFeeds } from './record-feed.js';

/** The state of the journal that is read. */
export interface ReadJournal {
  /** Records above this LSN are held. */
  readonly startLsn: () => number;
  /** Records up to this LSN are durable. */
  readonly syncedLsn: () => number;
  /** Throws KEELSON_CLOSED if the journal is closed. */
  readonly assertOpen: () => void;
}

/** Iterates over the records of an open journal. */
export class Iterations {
  readonly #storage: Storage;
  readonly #held: HeldSegments;
  readonly #feeds: RecordFeeds;
  readonly #turns: FairTurns;
  readonly #journal: ReadJournal;

  constructor(feeds: RecordFeeds, turns: FairTurns, journal: ReadJournal) {
    this.#storage = feeds.storage;
    this.#held = feeds.held;
    this.#feeds = feeds;
    this.#turns = turns;
    this.#journal = journal;
  }

  /** Iterates over the records above `fromLsn` and up to `toLsn`, which are durable. */
  async *read(fromLsn: number, toLsn: number): AsyncGenerator<JournalRecord, undefined, undefined> {
    const place: ReaderPlace = { lsn: fromLsn, sequence: 0, offset: 0 };
    this.#checkFrom(fromLsn);
    const pin = this.#held.pin(fromLsn);
    try {
      for await (const record of readRecords(this.#storage, this.#held, place, toLsn)) {
        yield record;
        if (this.#turns.isDue()) await nextTurn();
        this.#journal.assertOpen();
      }
    } finally {
      pin.release();
    }
  }

  /**
   * Iterates over the records above `fromLsn`, and over later ones when they are durable. Ends at an abort or a
   * close.
   */
  follow(fromLsn: number, signal: AbortSignal | undefined): ClosableIterator<JournalRecord> {
    return new BatchIterator(new FollowedRecords(() => this.#openFeed(fromLsn)), this.#turns, signal);
  }

  #openFeed(fromLsn: number): RecordFeed {
    this.#checkFrom(fromLsn);
    return this.#feeds.open({ fromLsn, isDefined: false, maxLagBytes: Number.POSITIVE_INFINITY });
  }

  /** Calls `visit` with every record above `fromLsn` that is durable now. */
  async replay(fromLsn: number, visit: RecordVisit): Promise<void> {
    const place = { lsn: fromLsn, sequence: 0, offset: 0 };
    const pin = this.#held.pin(fromLsn);
    try {
      await replayRecords(this.#storage, this.#held, place, this.#journal.syncedLsn(), visit);
    } finally {
      pin.release();
    }
  }

  /** Checks again at the first step, because an iterator that nobody steps must not keep segments. */
  #checkFrom(fromLsn: number): void {
    checkLsn('from', fromLsn, this.#journal.startLsn(), this.#journal.syncedLsn());
  }
}

/** The records of a feed, which is opened when the first one is asked for. */
class FollowedRecords implements BatchSource<JournalRecord> {
  readonly #open: () => RecordFeed;
  #feed: RecordFeed | null = null;
  #window: RecordWindow | null = null;

  constructor(open: () => RecordFeed) {
    this.#open = open;
  }

  take(): JournalRecord | undefined {
    const window = this.#window;
    if (!window?.next()) return undefined;
    return { lsn: window.lsn, record: window.bytes.slice(window.start, window.end) };
  }

  async more(): Promise<boolean> {
    this.#feed ??= this.#open();
    this.#window = await this.#feed.next();
    return this.#window !== null;
  }

  close(): void {
    this.#window = null;
    this.#feed?.close();
  }
}
