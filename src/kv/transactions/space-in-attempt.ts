// One space in an attempt of a transaction: what the attempt has written there over what lies beneath, with the indexes.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryPostings, IndexView, SecondaryIndex } from '../entries/secondary-index.js';
import type { Space } from '../entries/space.js';
import type { LastingView } from '../entries/view.js';
import { IndexOverlays, type IndexSource } from '../read/index-overlay.js';
import type { IndexedView } from '../read/index-reads.js';
import { DELETED_ID } from '../read/merged-keys.js';
import type { Overlay } from '../read/overlay.js';
import { TransactionIndex } from './transaction-index.js';
import { type Recording, TransactionView } from './transaction-view.js';

/** The part of an attempt that its spaces use. */
export interface IndexedRecording extends Recording {
  /** Returns an index beneath the writes of the attempt. Throws when it is not ready there. */
  indexBeneath(space: Space, index: SecondaryIndex): IndexView;
  /**
   * Returns the postings of a put or a touch; undefined for a touch of an entry that this attempt has not put. Runs foreign
   * code when the index was declared after the put.
   */
  postingsOf(operation: number, index: SecondaryIndex): EntryPostings | undefined;
}

/** One space in an attempt. */
export class SpaceInAttempt implements IndexSource {
  readonly space: Space;
  readonly overlay: Overlay;
  readonly view: TransactionView;
  readonly #attempt: IndexedRecording;
  #indexes: IndexOverlays | null = null;

  constructor(attempt: IndexedRecording, space: Space, overlay: Overlay) {
    this.#attempt = attempt;
    this.space = space;
    this.overlay = overlay;
    this.view = new TransactionView(attempt, space, overlay);
  }

  /** Returns the reads of an index. */
  indexOf(index: SecondaryIndex): IndexedView {
    this.#indexes ??= new IndexOverlays(this);
    return new TransactionIndex(this.#attempt, this.space, index, this.#indexes, this.overlay);
  }

  baseOf(index: SecondaryIndex): IndexView {
    return this.#attempt.indexBeneath(this.space, index);
  }

  postingsOf(operation: number, index: SecondaryIndex): EntryPostings | undefined {
    return this.#attempt.postingsOf(operation, index);
  }

  put(key: IndexKey, operation: number): void {
    this.#indexes?.write(key, -1 - operation);
    this.overlay.set(key, operation);
  }

  delete(key: IndexKey): void {
    this.#indexes?.write(key, DELETED_ID);
    this.overlay.delete(key);
  }

  clear(bounds: KeyBounds): void {
    this.#indexes?.clear(bounds);
    this.overlay.clear(bounds);
  }

  undo(mark: number): void {
    this.#indexes?.forget();
    this.overlay.undo(mark);
  }

  rebase(base: LastingView): void {
    this.#indexes?.forget();
    this.overlay.rebase(base);
  }
}
