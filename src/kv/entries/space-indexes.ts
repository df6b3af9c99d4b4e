// The secondary indexes of one space. They change together with its entries.

import type { IndexKey, KeyCodec } from '../encoding/key-encoding.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { EntryId } from './handles-view.js';
import type { EntryPostings, FrozenIndex, OnPosting, SecondaryIndex } from './secondary-index.js';

/** The codecs of the entries of a space. */
export interface IndexedCodecs {
  readonly key: KeyCodec<unknown>;
  readonly value: ValueCodec<unknown>;
}

/** The indexes of a space as they were at one moment. */
export type FrozenIndexes = ReadonlyMap<SecondaryIndex, FrozenIndex>;

/** The indexes of a space. An object has the same indexes for ever; a space gets another one when it gets other indexes. */
export class SpaceIndexes {
  readonly list: readonly SecondaryIndex[];
  readonly byName: ReadonlyMap<string, SecondaryIndex>;
  /** True when an index is unique. */
  readonly hasUnique: boolean;

  readonly codecs: IndexedCodecs;
  /** The number of puts that were looked at: see write/index-postings.ts. */
  puts = 0;

  constructor(list: readonly SecondaryIndex[], codecs: IndexedCodecs) {
    this.codecs = codecs;
    this.list = list;
    this.byName = new Map(list.map((index) => [index.name, index]));
    this.hasUnique = list.some(({ isUnique }) => isUnique);
  }

  /** Returns the same indexes, of which none is built. */
  renewed(): SpaceIndexes {
    return new SpaceIndexes(
      this.list.map((index) => index.renewed()),
      this.codecs,
    );
  }

  /** Sets the postings of an entry: one for each index, in their order. */
  put(id: EntryId, postings: readonly EntryPostings[], onPosting: OnPosting | null): void {
    const { list } = this;
    for (let at = 0; at < list.length; at++)
      if (!list[at]!.isOff) list[at]!.put(id, postings[at]!, onPosting);
  }

  /** Removes an entry. It needs no value and runs no foreign code. */
  remove(id: EntryId, onPosting: OnPosting | null): void {
    for (const index of this.list) index.remove(id, onPosting);
  }

  /** Removes an entry that was found due, and whose removal is not in the log. */
  leave(id: EntryId, key: IndexKey, onPosting: OnPosting | null): void {
    for (const index of this.list) index.leave(id, key, onPosting);
  }

  /** Notes that the log removes a due entry. */
  removedDue(key: IndexKey): void {
    if (this.hasUnique) for (const index of this.list) index.removedDue(key);
  }

  /** Removes all entries. Calls `onAll` with each index that had one. */
  clear(onAll: ((index: SecondaryIndex) => void) | null): void {
    for (const index of this.list) index.clear(onAll);
  }

  /** Returns the indexes that are ready, as they are now. Call it inside of a change. O(indexes). */
  freeze(): FrozenIndexes {
    const frozen = new Map<SecondaryIndex, FrozenIndex>();
    for (const index of this.list) if (index.isReady) frozen.set(index, index.freeze());
    return frozen;
  }
}
