// A snapshot: the store as it was at one LSN, for as long as somebody holds it. O(1) to take.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import '../../platform-types.js';
import type { EntriesView } from '../entries/entries.js';
import { type Codecs, IndexReads } from './reads.js';

/** What callers see of it is in store-interface.ts. */
export class Snapshot<K, V> extends IndexReads<K, V> {
  /** Everything up to here is in it, and nothing after. Not necessarily durable: see flush(lsn). */
  readonly lsn: Lsn;
  #entries: EntriesView | null;

  /** `entries` is this snapshot's own clone, of the store in `directory`. `storeIsOpen`: a snapshot ends with its store. */
  constructor(
    codecs: Codecs<K, V>,
    entries: EntriesView,
    lsn: Lsn,
    directory: string,
    storeIsOpen: () => boolean,
  ) {
    super(codecs, {
      entries: () => this.#entries as EntriesView,
      assertOpen: () => {
        if (this.#entries === null) throw closedSnapshot(directory);
        if (!storeIsOpen()) throw closedStore(directory);
      },
    });
    this.#entries = entries;
    this.lsn = lsn;
  }

  /**
   * Lets go of the memory it holds. Idempotent. Iterations over it that have not ended throw KEELSON_CLOSED.
   *
   * @example
   * snapshot.close();
   */
  close(): void {
    this.#entries = null;
  }

  /** Closes the snapshot at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function closedStore(directory: string): KeelsonError {
  const what = `The store in ${directory}, of which this is a snapshot, is closed`;
  return new KeelsonError('KEELSON_CLOSED', what, { path: directory });
}

function closedSnapshot(directory: string): KeelsonError {
  const next = 'Take another one with snapshot(), and close it only when everything that uses it has ended';
  return new KeelsonError(
    'KEELSON_CLOSED',
    { what: `The snapshot of the store in ${directory} is closed`, next },
    { path: directory },
  );
}
