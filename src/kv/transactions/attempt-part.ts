// The parts of an attempt of a transaction, one in the other, and the state to go back to when one is undone.

import type { Overlay } from '../read/overlay.js';
import type { WriteMark } from '../write/write-set.js';

/** A part of an attempt: the whole function, a nested one, or one that runs at the commit. */
export class Part {
  readonly outer: Part | null;
  isOpen = true;
  #isUndone = false;
  /** The state to go back to, or null for the outermost part. */
  readonly savepoint: Savepoint | null;

  constructor(outer: Part | null, savepoint: Savepoint | null) {
    this.outer = outer;
    this.savepoint = savepoint;
  }

  /** True when the part was undone, alone or with a part around it. */
  get isUndone(): boolean {
    return this.#isUndone || (this.outer?.isUndone ?? false);
  }

  noteUndo(): void {
    this.isOpen = false;
    this.#isUndone = true;
  }
}

/** The state of an attempt when a part began. */
interface Savepoint {
  readonly writes: WriteMark | null;
  readonly overlays: ReadonlyMap<Overlay, number>;
  readonly atCommits: number;
}
