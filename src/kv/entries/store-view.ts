// The view of a store: all spaces as they were after one write. A snapshot, a checkpoint and a backup hold one.

import type { FrozenEntries } from './frozen-entries.js';
import type { Space } from './space.js';

/** A view of a space. */
export interface SpaceView {
  readonly space: Space;
  readonly entries: FrozenEntries;
  /** The bytes of the entries at that moment, with headers and padding. */
  readonly bytes: number;
  /** The LSN of the last write to the space at that moment. */
  readonly lastLsn: number;
}

/** A view of a whole store: all spaces as they were after the write at `lsn`. */
export class StoreView {
  readonly lsn: number;
  /** The id of the next space that is created. No id is used twice. */
  readonly nextSpaceId: number;
  /** The spaces in the order of their ids. */
  readonly spaces: readonly SpaceView[];

  constructor(lsn: number, nextSpaceId: number, spaces: readonly SpaceView[]) {
    this.lsn = lsn;
    this.nextSpaceId = nextSpaceId;
    this.spaces = spaces;
  }

  /** The number of entries in all spaces. */
  get size(): number {
    return this.spaces.reduce((sum, { entries }) => sum + entries.size, 0);
  }

  /** Returns the entries of a space, or undefined when the space was not there. */
  in(id: number): FrozenEntries | undefined {
    return this.spaces.find(({ space }) => space.id === id)?.entries;
  }
}
