// Decodes the records of a log to groups of changes. The source of the records may be the log of the store, or the files of
// another process.

import { isWithin } from '../encoding/key-bounds.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import { NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, type Space } from '../entries/space.js';
import { CLEAR, CREATE, DELETE, DROP, EXPIRE, PUT, TOUCH } from '../write/operation-kinds.js';
import { type ChangeFilter, cut, rangeOf } from './change-filter.js';
import type { Change } from './change-types.js';
import { keyOf, putValueOf, type RecordOperation } from './record-operations.js';

/** The part of a store that a decoder uses. */
export interface DecodedStore {
  readonly schema: Schema;
  /** Returns the codec of the values of a space. Throws KEELSON_ENCODING_MISMATCH if nobody has given it. */
  valueCodecOf(space: Space): ValueCodec<unknown>;
}

/** Returns true if a record drops a space of the filter. */
export function hasDropped(operations: readonly RecordOperation[], filter: ChangeFilter): boolean {
  return operations.some(({ kind, space }) => kind === DROP && filter.isOf(space));
}

/** Decodes the changes of one feed. They are objects of this feed alone, and so are keys and values that are objects. */
export class ChangeDecoder {
  readonly #store: DecodedStore;
  readonly #filter: ChangeFilter;
  /** The codecs of values, by the id of the space. */
  readonly #codecs = new Map<number, ValueCodec<unknown>>();
  #rootCodec: ValueCodec<unknown> | null = null;

  constructor(store: DecodedStore, filter: ChangeFilter) {
    this.#store = store;
    this.#filter = filter;
  }

  /**
   * Returns the changes of a record that the filter lets through. `bytes` holds the values. Runs decoders of the program.
   *
   * @throws KEELSON_DECODE, KEELSON_ENCODING_MISMATCH, and what a decoder of the program throws.
   */
  changes(operations: readonly RecordOperation[], bytes: Uint8Array): Change[] {
    // An empty array that grows takes memory for 17 changes.
    let changes: Change[] | null = null;
    for (let at = 0; at < operations.length; at++) {
      const change = this.#change(operations[at]!, bytes);
      if (change === null) continue;
      if (changes === null) changes = [change];
      else changes.push(change);
    }
    return changes ?? [];
  }

  #change(operation: RecordOperation, bytes: Uint8Array): Change | null {
    const { kind, space, indexKey, deadline: expiresAt } = operation;
    const { name: namespace, keyCodec, valueEncodingName } = space;
    const { bounds } = this.#filter;
    if (!this.#filter.isOf(space)) return null;
    if (kind === CREATE)
      return { type: 'create', namespace, keyEncoding: keyCodec.name, valueEncoding: valueEncodingName };
    if (kind === DROP) {
      this.#codecs.delete(space.id);
      return { type: 'drop', namespace };
    }
    if (kind === CLEAR) {
      const within = cut(operation.bounds!, bounds);
      return within === null ? null : { type: 'clear', namespace, range: rangeOf(keyCodec, within) };
    }
    if (!isWithin(bounds, indexKey)) return null;
    const key = keyOf(operation);
    if (kind === DELETE) return { type: 'delete', namespace, key, cause: 'deleted' };
    if (kind === EXPIRE) return { type: 'delete', namespace, key, cause: 'expired' };
    if (kind === TOUCH) {
      return expiresAt === NO_DEADLINE
        ? { type: 'touch', namespace, key }
        : { type: 'touch', namespace, key, expiresAt };
    }
    if (kind !== PUT) return null;
    const value = putValueOf(operation, bytes, this.#codecOf);
    return expiresAt === NO_DEADLINE
      ? { type: 'put', namespace, key, value }
      : { type: 'put', namespace, key, value, expiresAt };
  }

  readonly #codecOf = (space: Space): ValueCodec<unknown> => {
    if (space.id === ROOT_ID) {
      this.#rootCodec ??= this.#store.valueCodecOf(space);
      return this.#rootCodec;
    }
    let codec = this.#codecs.get(space.id);
    if (codec === undefined) {
      codec = this.#store.valueCodecOf(space);
      this.#codecs.set(space.id, codec);
    }
    return codec;
  };
}
