// The loader of the live entries of one space. An image has their keys in ascending order, which is faster than to add them
// one by one.

import { viewOf } from '../../copy-bytes.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { DeadlineHeap } from './deadline-heap.js';
import { Entries } from './entries.js';
import { type EntriesOptions, type EntriesParts, NO_OPTIONS, newParts } from './entries-parts.js';
import type { EntryId } from './entry-handles.js';
import type { LinkQueue } from './link-queue.js';
import { OrderedIndexLoader } from './ordered-index.js';
import { NO_DEADLINE } from './slab.js';

/** The number of entries that a loader gathers before it inserts their hashes. */
const HASHES_GATHERED_MAX = 256;

/** Builds the entries of a space from keys in ascending order, as an image has them. No call takes long. */
export class EntriesLoader {
  readonly #seed: number;
  readonly #links: LinkQueue;
  readonly #parts: Omit<EntriesParts, 'orderedIndex' | 'isHashIndexPartial'>;
  #deadlines: DeadlineHeap | null = null;
  #due: Map<IndexKey, EntryId> | null = null;
  readonly #orderedIndex: OrderedIndexLoader<EntryId>;
  /** The bytes of the last add(), and a view of them. */
  #bytes: Uint8Array | null = null;
  #view: DataView | undefined;
  #isHashIndexPartial = false;
  /** The hashes and handles of entries that are not in the hash index yet, and their number. */
  readonly #hashes: Uint32Array;
  readonly #handles: Float64Array;
  #gathered = 0;

  /**
   * `seed`, `links` and `options` are those of the entries that finish() returns. `count` is the number of entries that
   * are expected; a wrong number takes more time or memory, and does no other harm.
   */
  constructor(
    seed: number,
    links: LinkQueue,
    options: EntriesOptions = NO_OPTIONS,
    count = HASHES_GATHERED_MAX,
  ) {
    const gatheredMax = Math.max(1, Math.min(HASHES_GATHERED_MAX, count));
    this.#hashes = new Uint32Array(gatheredMax);
    this.#handles = new Float64Array(gatheredMax);
    this.#seed = seed;
    this.#links = links;
    this.#orderedIndex = new OrderedIndexLoader<EntryId>(options.nodeEntriesMax, options.chunkKeys);
    this.#parts = newParts(options);
  }

  /**
   * Adds an entry with the value `bytes[start, end)`, which is copied. Returns false for a key that is not above the
   * last key. The loader must not be used any more then. Throws NoSlabMemory.
   */
  add(
    key: IndexKey,
    version: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadline = NO_DEADLINE,
  ): boolean {
    const { slabs, handles } = this.#parts;
    // Many entries come from one block.
    if (bytes !== this.#bytes) this.#view = viewOf(bytes);
    this.#bytes = bytes;
    const handle = slabs.append(key, this.#seed, bytes, start, end, this.#view, deadline);
    this.#hashes[this.#gathered] = slabs.stagedHashOf(handle);
    this.#handles[this.#gathered++] = handle;
    if (this.#gathered === this.#hashes.length) this.#insertGathered();
    const id = handles.add(handle);
    slabs.stamp(handle, version, id);
    if (deadline !== NO_DEADLINE) {
      this.#deadlines ??= new DeadlineHeap();
      this.#deadlines.push(deadline, id);
    }
    return this.#orderedIndex.add(key, id);
  }

  /** Adds an entry that was found due, and whose removal is not in the log. Its key may stand anywhere. */
  addDue(key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    const { slabs, handles } = this.#parts;
    const handle = slabs.append(key, this.#seed, bytes, start, end);
    const id = handles.add(handle);
    slabs.stamp(handle, version, id);
    this.#due ??= new Map();
    this.#due.set(key, id);
  }

  /** Inserts the gathered hashes. All their slots are loaded into the cache first, so that the cache misses overlap. */
  #insertGathered(): void {
    const { hashIndex } = this.#parts;
    for (let at = 0; at < this.#gathered; at++) hashIndex.prefetch(this.#hashes[at]!);
    for (let at = 0; at < this.#gathered; at++)
      if (!hashIndex.insert(this.#hashes[at]!, this.#handles[at]!)) this.#isHashIndexPartial = true;
    this.#gathered = 0;
  }

  /** Returns the entries. The loader must not be used any more. */
  finish(): Entries {
    this.#insertGathered();
    const parts = {
      ...this.#parts,
      orderedIndex: this.#orderedIndex.finish(),
      expiring: this.#expiring,
      isHashIndexPartial: this.#isHashIndexPartial,
    };
    return new Entries(this.#seed, this.#links, NO_OPTIONS, parts);
  }

  get #expiring(): EntriesParts['expiring'] {
    if (this.#deadlines === null && this.#due === null) return null;
    return { heap: this.#deadlines ?? new DeadlineHeap(), due: this.#due ?? new Map() };
  }
}
