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
import { PUT } from './operation-kinds.js';
import type { WriteSet } from './write-set.js';

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
  const double = firstDouble(writes, notUnique);
  if (double !== null) throw double.error;
}

/** A unique index in which two entries would have the same value after a write. */
export interface Double {
  readonly index: SecondaryIndex;
  readonly error: KeelsonError;
}

/** Makes the error for two postings of one value in a unique index. */
type DoubleError = (space: Space, index: SecondaryIndex, one: Posting, other: Posting) => KeelsonError;

/**
 * Returns a unique index in which two entries would have the same value after a write, or null. `errorOf` is called with the
 * posting of the write first. Nothing must be put off.
 */
export function firstDouble(writes: WriteSet, errorOf: DoubleError): Double | null {
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
      if (other === undefined) continue;
      const bytes = valueBytesOf(posting as Posting, key);
      return { index, error: errorOf(space, index, posting as Posting, bytes + other) };
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
    if (found === undefined || found >= 0 || !writes.hasValue(-1 - found)) return false;
    // A touch has the value of the put before it.
    return writes.valueStarts[-1 - found] === writes.valueStarts[operation];
  }

  /** Returns true when the write puts or deletes an entry. A touch leaves it its value. */
  hasReplaced(space: Space, key: IndexKey): boolean {
    const found = this.#overlayOf(space).find(key);
    return found === undefined || (found < 0 && this.#writes.hasValue(-1 - found));
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

/** Returns the error for a write after which two entries would have one value in a unique index. */
function notUnique(space: Space, index: SecondaryIndex, one: Posting, other: Posting): KeelsonError {
  const what = `Nothing was written: ${doubleIn(space, one, other, 'would both have')} in the unique index ${inspect(index.name)}`;
  return uniqueError(space, index, what, one, other);
}

/** Returns the error for doubles that a unique index cannot refuse: they are there already. */
export function alreadyDouble(
  space: Space,
  index: SecondaryIndex,
  one: Posting,
  other: Posting,
): KeelsonError {
  const what = `The unique index ${inspect(index.name)} is given up: ${doubleIn(space, one, other, 'both have')}`;
  const next = 'Change or delete one of the two entries, and declare the index again';
  return uniqueError(space, index, { what, next }, other, one);
}

function doubleIn(space: Space, one: Posting, other: Posting, verb: string): string {
  const value = inspect(indexValueOf(one), { breakLength: Infinity });
  return `${shownKey(space, keyOf(one))} and the key ${inspect(space.keyCodec.fromIndexKey(keyOf(other)))} ${verb} the value ${value}`;
}

/** Returns the error for two postings of one value, of which `holder` was first. */
function uniqueError(
  { name, keyCodec }: Space,
  index: SecondaryIndex,
  what: string | { readonly what: string; readonly next: string },
  posting: Posting,
  holder: Posting,
): KeelsonError {
  const [key, held] = [posting, holder].map((one) => keyCodec.fromIndexKey(keyOf(one)));
  const value = indexValueOf(posting);
  const facts = { namespace: name, index: index.name, key, value, holder: held };
  return new KeelsonError('KEELSON_UNIQUE', what, facts);
}
