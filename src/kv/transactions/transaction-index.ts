// An index in a transaction: its postings under the writes of the transaction. It records what is read of the index beneath
// them: ranges of postings, and a point read of each entry whose value is read.

import { type KeyBounds, successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type Posting, postingsOf, type ValueBytes } from '../encoding/postings.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { SecondaryIndex } from '../entries/secondary-index.js';
import type { Space } from '../entries/space.js';
import type { IndexWalk, OrderedKeys, Walkable } from '../entries/view.js';
import type { IndexOverlays } from '../read/index-overlay.js';
import type { IndexedView, IndexedWalkable } from '../read/index-reads.js';
import { ALL_OF_THEM, intervalOf, type KeyInterval } from '../read/key-intervals.js';
import type { Overlay } from '../read/overlay.js';
import { RangeRead } from './read-set.js';
import { RecordedWalk, type Recording } from './transaction-view.js';

type Decode<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** One index in an attempt of a transaction, at one moment or for ever. */
class RecordedIndex implements IndexedWalkable {
  protected readonly recording: Recording;
  protected readonly space: Space;
  protected readonly index: SecondaryIndex;
  readonly #keysOf: () => OrderedKeys;
  readonly #entries: Walkable;

  constructor(
    recording: Recording,
    space: Space,
    index: SecondaryIndex,
    keysOf: () => OrderedKeys,
    entries: Walkable,
  ) {
    this.recording = recording;
    this.space = space;
    this.index = index;
    this.#keysOf = keysOf;
    this.#entries = entries;
  }

  protected get keys(): OrderedKeys {
    return this.#keysOf();
  }

  walk(bounds: KeyBounds, reverse = false, limit = Number.POSITIVE_INFINITY, offset = 0): IndexWalk<EntryId> {
    const read = new RangeRead(this.space, intervalOf(bounds), false, reverse, this.index);
    if (this.recording.isRecording) this.recording.reads.addRange(read);
    const walk = this.keys.walk(bounds, reverse, limit, offset);
    return new RecordedWalk(walk, limit, read, this.recording.iterationGuard());
  }

  read<T>(key: IndexKey, id: EntryId, decode: Decode<T>): T {
    const entries = this.#entries;
    const handle = entries.handleOf(id);
    // A negative id is that of an own write.
    if (id >= 0 && this.recording.isRecording)
      this.recording.reads.addPoint(this.space, key, entries.versionOf(handle));
    return entries.read(handle, decode);
  }
}

/** The reads of one index in an attempt of a transaction. */
export class TransactionIndex extends RecordedIndex implements IndexedView {
  readonly #overlays: IndexOverlays;
  readonly #overlay: Overlay;

  constructor(
    recording: Recording,
    space: Space,
    index: SecondaryIndex,
    overlays: IndexOverlays,
    overlay: Overlay,
  ) {
    super(recording, space, index, () => overlays.keysOf(index), overlay);
    this.#overlays = overlays;
    this.#overlay = overlay;
  }

  get size(): number {
    const { size } = this.keys;
    this.#saw(ALL_OF_THEM);
    return size;
  }

  /** Returns the one that was put last of the entries with one value, which only this transaction can have made. */
  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined {
    const bounds = postingsOf(bytes);
    const walk = this.keys.walk(bounds);
    this.#saw(intervalOf(bounds));
    let found: readonly [Posting, EntryId] | undefined;
    while (walk.advance()) if (found === undefined || walk.value < found[1]) found = [walk.key, walk.value];
    return found;
  }

  count(bounds: KeyBounds): number {
    const count = this.keys.count(bounds);
    this.#saw(intervalOf(bounds));
    return count;
  }

  rank(posting: Posting): number {
    const rank = this.keys.rank(posting);
    this.#saw({ low: ALL_OF_THEM.low, end: posting });
    return rank;
  }

  nth(at: number): readonly [posting: Posting, id: EntryId] | undefined {
    const found = this.keys.nth(at);
    this.#saw(found === undefined ? ALL_OF_THEM : { low: ALL_OF_THEM.low, end: successorOf(found[0]) });
    return found;
  }

  view(): IndexedWalkable {
    const keys = this.#overlays.frozen(this.index);
    return new RecordedIndex(this.recording, this.space, this.index, () => keys, this.#overlay.view());
  }

  /** Notes that it was seen which postings are in an interval. */
  #saw(interval: KeyInterval): void {
    if (this.recording.isRecording)
      this.recording.reads.addRange(new RangeRead(this.space, interval, true, false, this.index));
  }
}
