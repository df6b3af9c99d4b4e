// Uniqueness: no two entries have the same value in a unique index. It is judged on the net result of a write, so one batch
// may swap two values. Pure.

import { inspect } from 'node:util';
import { KeelsonError } from '../../errors.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { indexValueOf, keyOf, type Posting, type ValueBytes, valueBytesOf } from '../encoding/postings.js';
import type { SecondaryIndex } from '../entries/secondary-index.js';
import type { Space } from '../entries/space.js';
import { Overlay } from '../read/overlay.js';
import { shownKey } from './conditions.js';
import { assertNoUniqueBuilding } from './index-postings.js';
import { PUT, type WriteSet } from './write-set.js';

/** Returns true for a write that puts into a space with a unique index. */
export function mustBeUnique({ count, kinds, spaces }: WriteSet): boolean {
  for (let at = 0; at < count; at++)
    if (kinds[at] === PUT && spaces[at]!.indexes !== null && spaces[at]!.indexes!.hasUnique) return true;
  return false;
}

/**
 * Throws KEELSON_UNIQUE when two entries would have the same value in a unique index after a write, and KEELSON_NOT_READY
 * while such an index is built. Nothing must be put off.
 */
export function judgeUniqueness(writes: WriteSet): void {
  for (let at = 0; at < writes.count; at++) {
    const { indexes } = writes.spaces[at]!;
    if (writes.kinds[at] === PUT && indexes !== null) assertNoUniqueBuilding(indexes);
  }
  const double = firstDouble(writes);
  if (double !== null) throw double.error;
}

/** A unique index in which two entries would have the same value after a write. */
export interface Double {
  readonly index: SecondaryIndex;
  readonly error: KeelsonError;
}

/** Returns a unique index in which two entries would have the same value after a write, or null. Nothing must be put off. */
export function firstDouble(writes: WriteSet): Double | null {
  const net = writes.isSinglePut ? null : new NetResult(writes);
  for (let at = 0; at < writes.count; at++) {
    const space = writes.spaces[at]!;
    if (writes.kinds[at] !== PUT || space.indexes === null || !space.indexes.hasUnique) continue;
    if (net !== null && !net.stays(at)) continue;
    const key = writes.keys[at]!;
    const { list } = space.indexes;
    for (let place = 0; place < list.length; place++) {
      const index = list[place]!;
      const posting = writes.postings[at]![place]!;
      if (!index.isUnique || !index.isReady || posting === null) continue;
      const other = otherKey(index, posting as Posting, key, space, net);
      if (other !== undefined)
        return { index, error: notUnique(space, index, posting as Posting, key, other) };
    }
  }
  return null;
}

/** Returns the key of another entry with the value of a posting after the write, or undefined. */
function otherKey(
  index: SecondaryIndex,
  posting: Posting,
  key: IndexKey,
  space: Space,
  net: NetResult | null,
): IndexKey | undefined {
  const valueLength = posting.length - key.length;
  const before = index.doubleOf(posting, valueLength)?.slice(valueLength);
  if (before !== undefined && (net === null || !net.hasReplaced(space, before))) return before;
  return net?.take(index, valueBytesOf(posting, key), key);
}

/** The entries of the spaces of a write as they would be after it. */
class NetResult {
  readonly #writes: WriteSet;
  readonly #overlays = new Map<Space, Overlay>();
  /** The keys that the write gives each value of an index. */
  readonly #taken = new Map<SecondaryIndex, Map<ValueBytes, IndexKey>>();

  constructor(writes: WriteSet) {
    this.#writes = writes;
  }

  /** Returns true when no later operation of the write changes what a put has put. */
  stays(operation: number): boolean {
    const writes = this.#writes;
    const found = this.#overlayOf(writes.spaces[operation]!).find(writes.keys[operation]!);
    return found !== undefined && found < 0 && writes.putOf(-1 - found) === operation;
  }

  /** Returns true when the write puts or deletes a key. */
  hasReplaced(space: Space, key: IndexKey): boolean {
    return this.#overlayOf(space).covers(key);
  }

  /** Gives a value to a key. Returns another key that the write has given it to, or undefined. */
  take(index: SecondaryIndex, bytes: ValueBytes, key: IndexKey): IndexKey | undefined {
    let taken = this.#taken.get(index);
    if (taken === undefined) {
      taken = new Map();
      this.#taken.set(index, taken);
    }
    const other = taken.get(bytes);
    if (other === undefined) taken.set(bytes, key);
    return other;
  }

  #overlayOf(space: Space): Overlay {
    let overlay = this.#overlays.get(space);
    if (overlay === undefined) {
      overlay = new Overlay(space.entries, this.#writes);
      this.#writes.replayInto(space, overlay);
      this.#overlays.set(space, overlay);
    }
    return overlay;
  }
}

/** Returns the error for two entries with one value in a unique index. */
function notUnique(
  space: Space,
  index: SecondaryIndex,
  posting: Posting,
  key: IndexKey,
  other: IndexKey,
): KeelsonError {
  const value = inspect(indexValueOf(posting), { breakLength: Infinity });
  const what = `Nothing was written: ${shownKey(space, key)} and the key ${inspect(space.keyCodec.fromIndexKey(other))} would both have the value ${value} in the unique index ${inspect(index.name)}`;
  return uniqueError(space, index, what, key);
}

/** Returns the error for doubles that are there when a unique index is declared. */
export function alreadyDouble(
  space: Space,
  index: SecondaryIndex,
  one: Posting,
  other: Posting,
): KeelsonError {
  const value = inspect(indexValueOf(one), { breakLength: Infinity });
  const what = `The unique index ${inspect(index.name)} cannot be made: ${shownKey(space, keyOf(one))} and the key ${inspect(space.keyCodec.fromIndexKey(keyOf(other)))} both have the value ${value}`;
  return uniqueError(space, index, what, keyOf(other));
}

function uniqueError(
  { name, keyCodec }: Space,
  index: SecondaryIndex,
  what: string,
  key: IndexKey,
): KeelsonError {
  const facts = { namespace: name, index: index.name, key: keyCodec.fromIndexKey(key) };
  return new KeelsonError('KEELSON_UNIQUE', what, facts);
}
