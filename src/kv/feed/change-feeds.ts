// The change feeds of one store: judges the options at the call, pins the log, and makes the iteration.

import type { ClosableIterator } from '../../batch-iterator.js';
import type { KeelsonError } from '../../errors.js';
import { FairTurns, SharedTurn } from '../../fair-turns.js';
import type { RecordFeed, RecordFeedOptions } from '../../journal/internal.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import { iterateChanges } from './change-feed.js';
import { type ChangeFilter, filterOf } from './change-filter.js';
import type { ChangeGroup } from './change-types.js';
import { type ResolvedChangesOptions, startOf } from './changes-options.js';

/** The log that feeds read: that of the store itself, or the files of another process. */
export interface FedLog {
  /** The lowest LSN from which a feed can start. */
  readonly oldestLsn: number;
  readonly durableLsn: number;
  readonly lastLsn: number;
  /** A feed that is not live ends behind this LSN. */
  readonly endLsn: number;
  /** True if the store itself writes the log, so that its spaces are those of `lastLsn`. */
  readonly isOwn: boolean;
  /** Returns a feed of records above an LSN from `oldestLsn` to `lastLsn`, pinned from the call on. */
  feed(options: RecordFeedOptions): RecordFeed;
}

/** The store whose changes are told. */
export interface FedStore {
  readonly schema: Schema;
  /** The id of the store. */
  readonly id: string;
  readonly fedLog: FedLog;
  /** Returns the codec of the values of a space. Throws KEELSON_ENCODING_MISMATCH if nobody has given it. */
  valueCodecOf(space: Space): ValueCodec<unknown>;
  /** Returns the error for a use after close(). */
  closed(): KeelsonError;
}

/** Opens the change feeds of one store. */
export class ChangeFeeds {
  readonly #store: FedStore;
  readonly #turn = new SharedTurn();
  /** The functions that end iterations over spaces which were not written to when they began. */
  readonly #unwritten = new WeakMap<Space, Set<() => void>>();

  constructor(store: FedStore) {
    this.#store = store;
  }

  /** Returns what open() returns, for the changes of one space within bounds. */
  openOf(space: Space, bounds: KeyBounds, options: ResolvedChangesOptions): ClosableIterator<ChangeGroup> {
    const filter = filterOf(space, bounds, this.#store.fedLog.isOwn);
    if (space.isThere) return this.open(options, filter);
    const ends = this.#unwritten.get(space) ?? new Set();
    this.#unwritten.set(space, ends);
    let isOver = false;
    const end = () => void iteration.return!();
    // A signal that is aborted ends the iteration before it is returned.
    const iteration = this.open(options, filter, () => {
      isOver = true;
      ends.delete(end);
    });
    if (!isOver) ends.add(end);
    return iteration;
  }

  /** Ends the iterations over a space that is dropped before its first write. No record of the log tells of that. */
  droppedUnwritten(space: Space): void {
    for (const end of [...(this.#unwritten.get(space) ?? [])]) end();
  }

  /**
   * Returns an iteration over the changes, which keeps the log that it needs from the call on. `onClose` is called at its end.
   *
   * @throws A RangeError for `since`, KEELSON_HISTORY_GONE, and what `fedLog` throws.
   */
  open(
    options: ResolvedChangesOptions,
    filter: ChangeFilter,
    onClose = () => {},
  ): ClosableIterator<ChangeGroup> {
    const store = this.#store;
    const { schema, fedLog, id } = store;
    // A create that is put off is not in the schema yet.
    schema.links.runOutsideOfCommits();
    const { oldestLsn, durableLsn, lastLsn, endLsn, isOwn } = fedLog;
    const fromLsn = startOf(options, { id, oldestLsn, durableLsn, lastLsn });
    const isCurrent = isOwn && fromLsn === lastLsn;
    const { live, signal, maxLagBytes } = options;
    const records = fedLog.feed({ fromLsn, isDefined: !isCurrent, maxLagBytes });
    return iterateChanges(
      {
        store,
        records,
        fromLsn,
        spaces: schema.spaces,
        isCurrent,
        endLsn: live ? Number.POSITIVE_INFINITY : endLsn,
        filter,
        signal,
        closed: () => store.closed(),
        onClose,
      },
      new FairTurns(this.#turn),
    );
  }
}
