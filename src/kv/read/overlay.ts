// The overlay: a view of a space as it would be after operations that are not committed. A transaction and a batch look at
// it. The operations and their values are in a write set.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { EntryHandle } from '../entries/slab.js';
import type { IndexWalk, LastingView, View, Walkable } from '../entries/view.js';
import { intervalAt, intervalOf, isEmptyInterval, type KeyInterval, withInterval } from './key-intervals.js';
import { DELETED_ID, MergedKeys } from './merged-keys.js';
import { WrittenIds } from './written-ids.js';

type Decode<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** The values of the puts and touches that an overlay shows. A write set implements it. */
export interface WrittenValues {
  /** Calls `decode` with the value of a put, by the number of the operation. */
  readValue<T>(operation: number, decode: Decode<T>): T;
  /** Returns false for a touch of an entry of the view beneath, whose value is there. */
  hasValue(operation: number): boolean;
  /** Returns the deadline of a put or a touch. */
  deadlineOf(operation: number): number;
  /** Returns the key of a put or a touch. */
  keyOf(operation: number): IndexKey;
}

const NONE_CLEARED: readonly KeyInterval[] = [];

/** The version of an entry that is not committed. */
const NO_VERSION = 0;

/** Reads entries of an overlay. The id and the handle of a written entry are -1 minus the number of its put or touch. */
abstract class OverlayReads {
  protected abstract readonly base: View;
  protected readonly values: WrittenValues;

  constructor(values: WrittenValues) {
    this.values = values;
  }

  versionOf(handle: EntryHandle): number {
    return handle < 0 ? NO_VERSION : this.base.versionOf(handle);
  }

  deadlineOf(handle: EntryHandle): number {
    return handle < 0 ? this.values.deadlineOf(-1 - handle) : this.base.deadlineOf(handle);
  }

  read<T>(handle: EntryHandle, decode: Decode<T>): T {
    if (handle >= 0) return this.base.read(handle, decode);
    const operation = -1 - handle;
    if (this.values.hasValue(operation)) return this.values.readValue(operation, decode);
    return this.base.read(this.base.find(this.values.keyOf(operation))!, decode);
  }

  handleOf(id: EntryId): EntryHandle {
    return id < 0 ? id : this.base.handleOf(id);
  }
}

/** A view of a space under operations that are not committed. */
export class Overlay extends OverlayReads implements View {
  protected base: LastingView;
  /** The ids of written keys, and DELETED_ID for deleted ones. A clear removes the keys in its range. */
  readonly #ids = new WrittenIds();
  #cleared: readonly KeyInterval[] = NONE_CLEARED;
  /** The keys in their order, or null while nobody needs the order. */
  #keys: MergedKeys | null = null;
  /** The functions that undo each change since the first open savepoint, or null without one. */
  #undo: (() => void)[] | null = null;
  #savepoints = 0;

  constructor(base: LastingView, values: WrittenValues) {
    super(values);
    this.base = base;
  }

  /** The keys that were written, with their ids: -1 minus the number of the put, or DELETED_ID. In no order. */
  get written(): Iterable<readonly [key: IndexKey, id: EntryId]> {
    return this.#ids.entries();
  }

  /** The cleared intervals, which are disjoint and ascend. */
  get cleared(): readonly KeyInterval[] {
    return this.#cleared;
  }

  /** Returns the id that a key has in the view beneath, or undefined. */
  baseIdOf(key: IndexKey): EntryId | undefined {
    const handle = this.base.find(key);
    return handle === undefined ? undefined : this.base.idOf(handle);
  }

  /** Walks over keys of the view beneath. */
  walkBase(bounds: KeyBounds): IndexWalk<EntryId> {
    return this.base.walk(bounds);
  }

  /** Replaces the view beneath. */
  rebase(base: LastingView): void {
    this.base = base;
    this.#keys = null;
  }

  /** True when a read of the key sees an operation, and not the view beneath. */
  covers(key: IndexKey): boolean {
    return this.#ids.get(key) !== undefined || this.#isCleared(key);
  }

  /** Shows a put or a touch. `operation` is its number in the write set. */
  set(key: IndexKey, operation: number): void {
    this.#write(key, -1 - operation);
  }

  delete(key: IndexKey): void {
    this.#write(key, DELETED_ID);
  }

  clear(bounds: KeyBounds): void {
    const interval = intervalOf(bounds);
    if (isEmptyInterval(interval)) return;
    const cleared = this.#cleared;
    this.#undo?.push(() => {
      this.#cleared = cleared;
    });
    if (this.#ids.size > 0) this.#orderedKeys.clear(bounds, (key) => this.#forget(key));
    else this.#keys = null;
    this.#cleared = withInterval(cleared, interval);
  }

  /** Begins a savepoint and returns its mark. Savepoints are nested. O(1). */
  savepoint(): number {
    this.#savepoints++;
    this.#undo ??= [];
    return this.#undo.length;
  }

  /** Undoes all changes since a savepoint, which ends with it. */
  undo(mark: number): void {
    const undo = this.#undo!;
    while (undo.length > mark) undo.pop()!();
    this.#keys = null;
    this.keep();
  }

  /** Ends the last savepoint and keeps its changes. */
  keep(): void {
    if (--this.#savepoints === 0) this.#undo = null;
  }

  find(key: IndexKey): EntryHandle | undefined {
    const id = this.#ids.get(key);
    if (id !== undefined) return id === DELETED_ID ? undefined : id;
    return this.#isCleared(key) ? undefined : this.base.find(key);
  }

  has(key: IndexKey): boolean {
    return this.find(key) !== undefined;
  }

  get size(): number {
    return this.isUntouched ? this.base.size : this.#orderedKeys.size;
  }

  count(bounds: KeyBounds): number {
    return this.isUntouched ? this.base.count(bounds) : this.#orderedKeys.count(bounds);
  }

  rank(key: IndexKey): number {
    return this.isUntouched ? this.base.rank(key) : this.#orderedKeys.rank(key);
  }

  nth(at: number): readonly [key: IndexKey, id: EntryId] | undefined {
    return this.isUntouched ? this.base.nth(at) : this.#orderedKeys.nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#orderedKeys.walk(bounds, reverse, limit, offset);
  }

  view(): Walkable {
    const base = this.base.view();
    if (this.isUntouched) return base;
    return new FrozenOverlay(base, this.#orderedKeys.over(base), this.values);
  }

  /** True when there is no operation. */
  get isUntouched(): boolean {
    return this.#ids.size === 0 && this.#cleared.length === 0;
  }

  get #orderedKeys(): MergedKeys {
    if (this.#keys === null) {
      this.#keys = new MergedKeys(this.base, this.#cleared);
      for (const [key, id] of this.#ids.entries()) this.#keys.write(key, id);
    }
    return this.#keys;
  }

  #isCleared(key: IndexKey): boolean {
    return this.#cleared.length > 0 && intervalAt(this.#cleared, key) !== undefined;
  }

  #write(key: IndexKey, id: EntryId): void {
    if (this.#undo !== null) this.#noteForUndo(key, this.#undo);
    this.#ids.set(key, id);
    this.#keys?.write(key, id);
  }

  #forget(key: IndexKey): void {
    if (this.#undo !== null) this.#noteForUndo(key, this.#undo);
    this.#ids.delete(key);
  }

  #noteForUndo(key: IndexKey, undo: (() => void)[]): void {
    const id = this.#ids.get(key);
    undo.push(id === undefined ? () => this.#ids.delete(key) : () => this.#ids.set(key, id));
  }
}

/** An overlay as it was at one moment. */
class FrozenOverlay extends OverlayReads implements Walkable {
  protected readonly base: View;
  readonly #keys: MergedKeys;

  constructor(base: View, keys: MergedKeys, values: WrittenValues) {
    super(values);
    this.base = base;
    this.#keys = keys;
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#keys.walk(bounds, reverse, limit, offset);
  }
}
