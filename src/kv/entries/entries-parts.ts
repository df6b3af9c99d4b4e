// The parts of the live entries of one space: where the entries lie, and how they are found. entries.ts keeps them in
// step, and entries-loader.ts fills them.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { DeadlineHeap } from './deadline-heap.js';
import { EntryHandles, type EntryId } from './entry-handles.js';
import { EntrySlabs, type SlabMemory } from './entry-slabs.js';
import { HashIndex } from './hash-index.js';
import { OrderedIndex } from './ordered-index.js';
import type { Populate } from './slab.js';
import { ViewEpoch } from './view-epoch.js';

/** The parts of Entries, filled by a loader or made by the first stage(). */
export interface EntriesParts {
  readonly orderedIndex: OrderedIndex<EntryId>;
  readonly hashIndex: HashIndex<IndexKey>;
  readonly handles: EntryHandles;
  readonly slabs: EntrySlabs;
  /** The deadlines, and the entries that were found due; null without any. */
  readonly expiring: { readonly heap: DeadlineHeap; readonly due: Map<IndexKey, EntryId> } | null;
  /** True when the hash index has refused a key. A lookup then goes on in the ordered index. */
  readonly isHashIndexPartial: boolean;
}

/** Options of entries. Tests give small sizes. */
export interface EntriesOptions {
  /** Makes the pages of memory in the background; null where that is not possible. See Storage.populate. */
  readonly populate?: Populate | null;
  readonly nodeEntriesMax?: number;
  readonly slabBytesMax?: number;
  readonly tableSlotsMax?: number;
  /** The number of keys that a loader makes into nodes at a time. */
  readonly chunkKeys?: number;
}

export const NO_OPTIONS: EntriesOptions = {};

/** The memory of entries outside the JavaScript heap, and of their handles, without the keys in the ordered index. */
export interface EntriesMemory extends SlabMemory {
  /** The bytes of the hash index, which finds single keys. */
  readonly hashIndexBytes: number;
  /** The bytes of the table that leads from the ordered index to the entries. */
  readonly handleBytes: number;
  /** The bytes of the heap of deadlines. */
  readonly deadlineBytes: number;
}

/** Returns empty parts. */
export function newParts({
  nodeEntriesMax,
  slabBytesMax,
  tableSlotsMax,
  populate,
}: EntriesOptions): EntriesParts {
  return {
    orderedIndex: new OrderedIndex<EntryId>(nodeEntriesMax),
    hashIndex: new HashIndex(tableSlotsMax),
    handles: new EntryHandles(),
    slabs: new EntrySlabs(slabBytesMax, undefined, new ViewEpoch(), populate),
    expiring: null,
    isHashIndexPartial: false,
  };
}
