// The view of a transaction: one space under the writes of the transaction. It records what is read of the entries beneath
// them.

import { type KeyBounds, successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { EntryHandle } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import type { IndexWalk, View, Walkable } from '../entries/view.js';
import { ALL_OF_THEM, intervalOf, type KeyInterval } from '../read/key-intervals.js';
import type { Overlay } from '../read/overlay.js';
import { RangeRead, type ReadSet } from './read-set.js';

type Decode<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** The part of an attempt that records its reads. */
export interface Recording {
  /** True when reads are recorded. */
  readonly isRecording: boolean;
  readonly reads: ReadSet;
  /** Returns a function that throws when an iteration that begins now must end. */
  iterationGuard(): () => void;
}

/** The reads of one space in an attempt of a transaction. */
export class TransactionView implements View {
  readonly #recording: Recording;
  readonly #space: Space;
  readonly #overlay: Overlay;

  constructor(recording: Recording, space: Space, overlay: Overlay) {
    this.#recording = recording;
    this.#space = space;
    this.#overlay = overlay;
  }

  find(key: IndexKey): EntryHandle | undefined {
    const overlay = this.#overlay;
    const handle = overlay.find(key);
    if (this.#recording.isRecording && !isOwn(overlay, key, handle)) {
      const version = handle === undefined ? 0 : overlay.versionOf(handle);
      this.#recording.reads.addPoint(this.#space, key, version);
    }
    return handle;
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  versionOf(handle: EntryHandle): number {
    return this.#overlay.versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return this.#overlay.deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: Decode<T>): T {
    return this.#overlay.read(handle, decode);
  }

  get size(): number {
    this.#sawKeys(ALL_OF_THEM);
    return this.#overlay.size;
  }

  count(bounds: KeyBounds): number {
    this.#sawKeys(intervalOf(bounds));
    return this.#overlay.count(bounds);
  }

  rank(key: IndexKey): number {
    this.#sawKeys({ low: ALL_OF_THEM.low, end: key });
    return this.#overlay.rank(key);
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    const found = this.#overlay.nth(at);
    this.#sawKeys(found === undefined ? ALL_OF_THEM : { low: ALL_OF_THEM.low, end: successorOf(found[0]) });
    if (found !== undefined) this.find(found[0]);
    return found;
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.view().walk(bounds, reverse, limit, offset);
  }

  handleOf(id: EntryId): EntryHandle {
    return this.#overlay.handleOf(id);
  }

  /** Returns the entries of this moment, for one iteration. */
  view(): Walkable {
    return new IterationView(this.#recording, this.#space, this.#overlay.view());
  }

  /** Notes that it was seen which keys are in an interval. */
  #sawKeys(interval: KeyInterval): void {
    if (this.#recording.isRecording)
      this.#recording.reads.addRange(new RangeRead(this.#space, interval, true));
  }
}

/** Returns true when the transaction itself has written what find() returned. */
function isOwn(overlay: Overlay, key: IndexKey, handle: EntryHandle | undefined): boolean {
  return handle === undefined ? overlay.covers(key) : handle < 0;
}

/** The entries of one moment for one iteration, which records how far it goes and whether it reads values. */
class IterationView implements Walkable {
  readonly #recording: Recording;
  readonly #space: Space;
  readonly #view: Walkable;
  #read: RangeRead | null = null;

  constructor(recording: Recording, space: Space, view: Walkable) {
    this.#recording = recording;
    this.#space = space;
    this.#view = view;
  }

  walk(bounds: KeyBounds, reverse = false, limit = Number.POSITIVE_INFINITY, offset = 0): IndexWalk<EntryId> {
    const read = new RangeRead(this.#space, intervalOf(bounds), false, reverse);
    if (this.#recording.isRecording) this.#recording.reads.addRange(read);
    this.#read = read;
    const walk = this.#view.walk(bounds, reverse, limit, offset);
    return new RecordedWalk(walk, limit, read, this.#recording.iterationGuard());
  }

  handleOf(id: EntryId): EntryHandle {
    if (this.#read !== null) this.#read.seesValues = true;
    return this.#view.handleOf(id);
  }

  versionOf(handle: EntryHandle): number {
    return this.#view.versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return this.#view.deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: Decode<T>): T {
    return this.#view.read(handle, decode);
  }
}

/** A walk that notes how far it has come. */
export class RecordedWalk implements IndexWalk<EntryId> {
  readonly #walk: IndexWalk<EntryId>;
  readonly #read: RangeRead;
  readonly #assertReadable: () => void;
  #left: number;

  constructor(walk: IndexWalk<EntryId>, limit: number, read: RangeRead, assertReadable: () => void) {
    this.#walk = walk;
    this.#left = limit;
    this.#read = read;
    this.#assertReadable = assertReadable;
  }

  get key(): IndexKey {
    return this.#walk.key;
  }

  get value(): EntryId {
    return this.#walk.value;
  }

  advance(): boolean {
    this.#assertReadable();
    if (this.#left <= 0) {
      this.#read.hasMetLimit = true;
      return false;
    }
    if (!this.#walk.advance()) {
      this.#read.isWhole = true;
      return false;
    }
    this.#left--;
    this.#read.last = this.#walk.key;
    return true;
  }
}
