// A snapshot: the store as it was at one LSN, for as long as somebody holds it. O(1) to take.

import { KeelsonError } from '../errors.js';
import type { Lsn } from '../journal/index.js';
import type { OrderedIndex } from './ordered-index.js';
import { type Codecs, IndexReads } from './reads.js';

export class Snapshot<K, V> extends IndexReads<K, V> {
  /** Everything up to here is in it, and nothing after. Not necessarily durable: see flush(lsn). */
  readonly lsn: Lsn;
  #index: OrderedIndex | null;

  /** `index` is this snapshot's own clone. `storeIsOpen`: a snapshot ends with its store. */
  constructor(codecs: Codecs<K, V>, index: OrderedIndex, lsn: Lsn, storeIsOpen: () => boolean) {
    const isOpen = () => this.#index !== null && storeIsOpen();
    super(codecs, {
      index: () => this.#index as OrderedIndex,
      isOpen,
      assertOpen: () => {
        if (!isOpen()) throw new KeelsonError('KEELSON_CLOSED', 'The snapshot is closed');
      },
    });
    this.#index = index;
    this.lsn = lsn;
  }

  /** Lets go of the memory it holds. Idempotent. Iterations over it end. */
  close(): void {
    this.#index = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
