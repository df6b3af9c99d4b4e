// The iterations over the records of an open journal: read(), follow() and replay(). Each pins the segments
// that it needs. read() and follow() give the event loop a turn now and then.

import { isKeelsonError } from '../../errors.js';
import type { FairTurns } from '../../fair-turns.js';
import { nextTurn } from '../../schedulers.js';
import type { Storage } from '../../storage/index.js';
import { checkLsn } from '../format/lsn.js';
import type { HeldSegments } from './held-segments.js';
import {
  type JournalRecord,
  type ReaderPlace,
  type RecordVisit,
  readRecords,
  replayRecords,
} from './journal-reader.js';

/** The state of the journal that is read. */
export interface ReadJournal {
  /** Records above this LSN are held. */
  readonly startLsn: () => number;
  /** Records up to this LSN are durable. */
  readonly syncedLsn: () => number;
  readonly isClosed: () => boolean;
  /** Throws KEELSON_CLOSED if the journal is closed. */
  readonly assertOpen: () => void;
}

/** Iterates over the records of an open journal. */
export class Iterations {
  readonly #storage: Storage;
  readonly #held: HeldSegments;
  readonly #turns: FairTurns;
  readonly #journal: ReadJournal;
  /** Functions that wake the iterations of follow() which wait for a record. */
  readonly #wakes: (() => void)[] = [];

  constructor(storage: Storage, held: HeldSegments, turns: FairTurns, journal: ReadJournal) {
    this.#storage = storage;
    this.#held = held;
    this.#turns = turns;
    this.#journal = journal;
  }

  /** Iterates over the records above `fromLsn` and up to `toLsn`, which are durable. */
  async *read(fromLsn: number, toLsn: number): AsyncGenerator<JournalRecord, void, undefined> {
    const place: ReaderPlace = { lsn: fromLsn, sequence: 0, offset: 0 };
    const pin = this.#pin(fromLsn);
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
  follow(fromLsn: number, signal: AbortSignal | undefined): AsyncIterableIterator<JournalRecord> {
    const stop = new AbortController();
    const records = this.#follow(
      fromLsn,
      signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
    );
    const { return: end } = records;
    // Without the abort, a generator that waits for a record would end only when the record comes.
    records.return = (value) => {
      stop.abort();
      return end.call(records, value);
    };
    return records;
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

  /** Wakes every follow() that waits, because a commit is durable, or the journal is closed or poisoned. */
  wake(): void {
    for (let wake = this.#wakes.pop(); wake !== undefined; wake = this.#wakes.pop()) wake();
  }

  async *#follow(fromLsn: number, signal: AbortSignal): AsyncGenerator<JournalRecord, void, undefined> {
    const { syncedLsn, isClosed } = this.#journal;
    const place: ReaderPlace = { lsn: fromLsn, sequence: 0, offset: 0 };
    const pin = this.#pin(fromLsn);
    const wake = () => this.wake();
    signal.addEventListener('abort', wake);
    try {
      while (!isClosed() && !signal.aborted) {
        if (place.lsn === syncedLsn()) {
          await new Promise<void>((resolve) => {
            // Checked again, because a hook on the new promise may have made more durable, or closed the
            // journal.
            if (place.lsn !== syncedLsn() || isClosed() || signal.aborted) resolve();
            else this.#wakes.push(resolve);
          });
          continue;
        }
        for await (const record of readRecords(this.#storage, this.#held, place, syncedLsn())) {
          yield record;
          if (this.#turns.isDue()) await nextTurn();
          if (isClosed() || signal.aborted) return;
          pin.move(place.lsn);
        }
      }
    } catch (error) {
      if (!isClosed() || !isKeelsonError(error, 'KEELSON_CLOSED')) throw error;
    } finally {
      signal.removeEventListener('abort', wake);
      pin.release();
    }
  }

  /** Pins at the first step of an iteration, because an iterator that nobody steps must not keep segments. */
  #pin(fromLsn: number): ReturnType<HeldSegments['pin']> {
    checkLsn('from', fromLsn, this.#journal.startLsn(), this.#journal.syncedLsn());
    return this.#held.pin(fromLsn);
  }
}
