// The change feed: an iteration over groups of changes, one for each write, from records of a log.

import { BatchIterator, type BatchSource, type ClosableIterator } from '../../batch-iterator.js';
import type { KeelsonError } from '../../errors.js';
import type { FairTurns } from '../../fair-turns.js';
import type { Lsn } from '../../journal/index.js';
import type { RecordFeed, RecordWindow } from '../../journal/internal.js';
import { FRAME_OVERHEAD_BYTES } from '../../storage/index.js';
import type { Space } from '../entries/space.js';
import { ChangeDecoder, type DecodedStore, hasDropped } from './change-decoder.js';
import { type ChangeFilter, EVERYTHING } from './change-filter.js';
import type { Change, ChangeGroup } from './change-types.js';
import { FeedSchema } from './feed-schema.js';
import { OperationsReader, type RecordOperation } from './record-operations.js';

/** A feed with a filter tells how far it is after this much log of which it tells nothing. */
const SILENT_BYTES_MAX = 4 * 1024 * 1024;

/** Feeds share the operations of so many bytes of each commit. Those of small records take several times the memory. */
const SHARED_OPERATIONS_BYTES_MAX = 1024 * 1024;
/** Feeds share the operations of the last records of each commit. They are at the same record, or close to one another. */
const SHARED_RECORDS_MAX = 256;

/** The input of a change feed. */
export interface ChangeFeedPlan {
  readonly store: DecodedStore;
  /** The records. They start where the log defines everything, or at `fromLsn`. */
  readonly records: RecordFeed;
  /** Changes above this LSN are told. */
  readonly fromLsn: number;
  /** The spaces of the store as of some LSN, and whether that is `fromLsn`. */
  readonly spaces: readonly Space[];
  readonly isCurrent: boolean;
  /** The feed ends behind this LSN; Infinity for a live one. */
  readonly endLsn: number;
  readonly filter: ChangeFilter;
  readonly signal: AbortSignal | undefined;
  /** Returns the error for a feed that is not live, and whose log is closed before its end. */
  readonly closed: () => KeelsonError;
  /** Called at the end, once or more often. */
  readonly onClose: () => void;
}

/** Returns an iteration over the groups of changes. */
export function iterateChanges(plan: ChangeFeedPlan, turns: FairTurns): ClosableIterator<ChangeGroup> {
  return new BatchIterator(new ChangeFeed(plan), turns, plan.signal);
}

/** The operations of the record at a place in a window. */
interface SharedRecord {
  readonly place: number;
  readonly operations: readonly RecordOperation[];
}

/** The groups of changes of one feed. */
class ChangeFeed implements BatchSource<ChangeGroup> {
  readonly #plan: ChangeFeedPlan;
  readonly #isFiltered: boolean;
  readonly #decoder: ChangeDecoder;
  #reader: OperationsReader | null = null;
  #window: RecordWindow | null = null;
  /** The number of records that were read of the window. */
  #windowRecords = 0;
  /** The LSN of the last record, or 0 before the first. */
  #lsn = 0;
  /** The LSN of the last group, or where the feed starts. */
  #toldLsn: number;
  #isOver = false;
  #isClosed = false;

  constructor(plan: ChangeFeedPlan) {
    this.#plan = plan;
    this.#decoder = new ChangeDecoder(plan.store, plan.filter);
    this.#isFiltered = plan.filter !== EVERYTHING;
    this.#toldLsn = plan.fromLsn;
    this.#isOver = plan.fromLsn >= plan.endLsn;
  }

  take(): ChangeGroup | undefined {
    while (this.#window !== null) {
      const window: RecordWindow = this.#window;
      while (!this.#isOver && window.next()) {
        const changes = this.#changesOf(window);
        if (changes !== null) return this.#group(changes);
      }
      // A filter may take nothing of many windows. So more() fetches its windows, and the event loop gets a turn after each.
      this.#enter(this.#isOver || this.#isFiltered ? null : this.#plan.records.take());
    }
    const isCaughtUp = this.#isOver || this.#plan.records.isCaughtUp;
    return this.#isFiltered && isCaughtUp && this.#lsn > this.#toldLsn ? this.#group([]) : undefined;
  }

  async more(): Promise<boolean> {
    if (this.#isOver) return false;
    this.#enter(await this.#plan.records.next());
    if (this.#window !== null) return true;
    if (!this.#isClosed && this.#plan.endLsn < Number.POSITIVE_INFINITY) throw this.#plan.closed();
    return false;
  }

  close(): void {
    this.#isClosed = true;
    this.#window = null;
    this.#plan.records.close();
    this.#plan.onClose();
  }

  #enter(window: RecordWindow | null): void {
    this.#window = window;
    this.#windowRecords = 0;
  }

  /** Returns the changes of the next record, or null if there is nothing to tell. */
  #changesOf(window: RecordWindow): readonly Change[] | null {
    const { fromLsn, endLsn, filter } = this.#plan;
    const { lsn, start, end } = window;
    const operations = this.#read(window);
    if (this.#lsn < fromLsn && lsn > fromLsn && !this.#startsHere(lsn, end - start)) {
      throw new RangeError(
        `since: expected the LSN of a write, got ${fromLsn}, which is inside the record that ends at ${lsn}`,
      );
    }
    this.#lsn = lsn;
    if (lsn <= fromLsn) return null;
    if (lsn >= endLsn) this.#isOver = true;
    const changes = this.#decoder.changes(operations, window.bytes);
    if (this.#isFiltered && hasDropped(operations, filter)) this.#isOver = true;
    const isSilent = changes.length === 0 && (!this.#isFiltered || lsn - this.#toldLsn < SILENT_BYTES_MAX);
    return isSilent ? null : changes;
  }

  /** Returns the operations of the record that the window has found. Another feed may have read them. */
  #read({ bytes, start, end, shared }: RecordWindow): readonly RecordOperation[] {
    const place = this.#windowRecords++;
    const slot = place % SHARED_RECORDS_MAX;
    const list = end <= SHARED_OPERATIONS_BYTES_MAX ? (shared as (SharedRecord | undefined)[] | null) : null;
    const known = list?.[slot];
    if (known?.place === place) return known.operations;
    const { store, spaces, isCurrent } = this.#plan;
    this.#reader ??= new OperationsReader(new FeedSchema(store.schema, spaces, isCurrent), store.schema);
    const operations = this.#reader.read(bytes, start, end);
    // Each feed notes in a schema of its own which spaces a record creates, defines or drops.
    if (list !== null && !this.#reader.isOfSchema) list[slot] = { place, operations };
    return operations;
  }

  /** Returns true if the record that ends at `lsn` starts where the feed does. */
  #startsHere(lsn: number, recordBytes: number): boolean {
    return lsn - FRAME_OVERHEAD_BYTES - recordBytes === this.#plan.fromLsn;
  }

  #group(changes: readonly Change[]): ChangeGroup {
    this.#toldLsn = this.#lsn;
    return { lsn: this.#lsn as Lsn, changes };
  }
}
