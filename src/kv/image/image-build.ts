// Builds the blocks of an image from its parts. Pure. It runs in the thread of the store or in a worker, and does the
// same in both.

import { invariant } from '../../errors.js';
import { type KeyCodec, resolveKeyEncoding } from '../encoding/key-encoding.js';
import { type SlabsView, slabsViewOf } from '../entries/slabs-view.js';
import { ImageBlockWriter } from './image-block-writer.js';
import type { ImageOutline, ImagePart } from './image-parts.js';

/** The most entries that are looked up before the first of them is copied, so that their cache misses overlap. */
const GATHERED_ENTRIES_MAX = 1024;

/** The building of one image. */
export class ImageBuild {
  readonly #outline: ImageOutline;
  readonly #blocks: ImageBlockWriter;
  /** The memories of the slabs of the space, and a view of them when all are there. */
  #memories: (Uint8Array | undefined)[] = [];
  #slabs: SlabsView | null = null;
  #slabBytesMax = 0;
  /** The number of entries of the space that have not come yet. */
  #entriesLeft = 0;
  #entriesDone = 0;

  constructor(outline: ImageOutline) {
    this.#outline = outline;
    this.#blocks = new ImageBlockWriter(outline, outline.definitions);
  }

  /** The number of entries in all blocks so far. */
  get entriesDone(): number {
    return this.#entriesDone;
  }

  /** Returns the first block, which comes before all parts. */
  first(): Uint8Array {
    return this.#blocks.table(this.#outline.table, this.#outline.tableRows);
  }

  /**
   * Takes the next part, and yields the blocks that it completes. A block is valid until the next one is asked for. Throws
   * KEELSON_INVARIANT when memory contradicts itself: about a key, the order of keys, or their number.
   */
  *blocksOf(part: ImagePart): Generator<Uint8Array, void, undefined> {
    switch (part.kind) {
      case 'space':
        yield* this.#endSpace();
        this.#startSpace(part);
        break;
      case 'slabs':
        this.#memories.push(...part.memories);
        break;
      case 'entries':
        yield* this.#addEntries(part);
        break;
      case 'end':
        yield* this.#endSpace();
        yield this.first();
        yield this.#blocks.end();
    }
  }

  #startSpace({
    id,
    keyEncoding,
    hasReferences,
    hasDeadlines,
    entries,
    slabBytesMax,
  }: PartOfKind<'space'>): void {
    const keyCodec = resolveKeyEncoding('key encoding', keyEncoding) as KeyCodec<unknown>;
    this.#blocks.startSpace({ id, keyCodec, hasReferences, hasDeadlines });
    this.#memories = [];
    this.#slabs = null;
    this.#slabBytesMax = slabBytesMax;
    this.#entriesLeft = entries;
  }

  *#addEntries({
    count,
    ids,
    handles,
    areDue,
  }: PartOfKind<'entries'>): Generator<Uint8Array, void, undefined> {
    const blocks = this.#blocks;
    this.#slabs ??= slabsViewOf(this.#memories, this.#slabBytesMax);
    const slabs = this.#slabs;
    this.#entriesLeft -= count;
    for (let from = 0; from < count; from += GATHERED_ENTRIES_MAX) {
      const to = Math.min(count, from + GATHERED_ENTRIES_MAX);
      for (let at = from; at < to; at++) slabs.prefetch(handles[at]!);
      for (let at = from; at < to; at++) {
        blocks.add(slabs, ids[at]!, handles[at]!, areDue?.[at] === 1);
        this.#entriesDone++;
        if (blocks.isFull) yield blocks.finish();
      }
    }
  }

  *#endSpace(): Generator<Uint8Array, void, undefined> {
    invariant(this.#entriesLeft === 0, 'the index in memory miscounts the entries');
    if (!this.#blocks.isEmpty) yield this.#blocks.finish();
  }
}

type PartOfKind<K extends ImagePart['kind']> = Extract<ImagePart, { kind: K }>;
