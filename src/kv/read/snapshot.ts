// A snapshot: reads over a view of the store at one LSN.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import '../../platform-types.js';
import type { FrozenEntries } from '../entries/frozen-entries.js';
import type { Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import { type Codecs, IndexReads } from './reads.js';

/** A snapshot of an open store. store-interface.ts documents it for callers. */
export class Snapshot<K, V> extends IndexReads<K, V> {
  readonly lsn: Lsn;
  readonly #view: StoreView;
  /** The entries of the space; null after close(). */
  #entries: FrozenEntries | null;

  /**
   * `view` is a view of the store in `directory`, and `space` the space that is read. Every read calls `storeIsOpen`,
   * because a snapshot ends with its store.
   */
  constructor(
    codecs: Codecs<K, V>,
    view: StoreView,
    space: Space,
    directory: string,
    storeIsOpen: () => boolean,
  ) {
    super(codecs, {
      view: () => this.#entries as FrozenEntries,
      assertOpen: () => {
        if (this.#entries === null) throw closedSnapshot(directory);
        if (!storeIsOpen()) throw closedStore(directory);
      },
    });
    this.#view = view;
    // Frozen at once, so that the snapshot can be read when a later write was stopped half-way.
    this.#entries = view.in(space)!;
    this.lsn = view.lsn as Lsn;
  }

  close(): void {
    this.#view.close();
    this.#entries = null;
  }

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
