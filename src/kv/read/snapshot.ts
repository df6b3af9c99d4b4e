// A snapshot: reads over a view of the store at one LSN.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import '../../platform-types.js';
import type { FrozenEntries } from '../entries/frozen-entries.js';
import { ROOT_ID } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import { type Codecs, IndexReads } from './reads.js';

/** A snapshot of an open store. store-interface.ts documents it for callers. */
export class Snapshot<K, V> extends IndexReads<K, V> {
  readonly lsn: Lsn;
  #root: FrozenEntries | null;

  /**
   * `view` is a view of the store in `directory`. Every read calls `storeIsOpen`, because a snapshot ends with its
   * store.
   */
  constructor(codecs: Codecs<K, V>, view: StoreView, directory: string, storeIsOpen: () => boolean) {
    super(codecs, {
      view: () => this.#root as FrozenEntries,
      assertOpen: () => {
        if (this.#root === null) throw closedSnapshot(directory);
        if (!storeIsOpen()) throw closedStore(directory);
      },
    });
    this.#root = view.in(ROOT_ID)!;
    this.lsn = view.lsn as Lsn;
  }

  close(): void {
    this.#root = null;
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
