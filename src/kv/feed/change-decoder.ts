// Decodes the records of a log to groups of changes. The source of the records may be the log of the store, or the files of
// another process.

import { RECORD_BYTES_MAX } from '../../storage/index.js';
import { isWithin } from '../encoding/key-bounds.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import { NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, type Space } from '../entries/space.js';
import { isBirth, readWriteSet } from '../write/record-reader.js';
import { CLEAR, CREATE, DELETE, DROP, EXPIRE, PUT, TOUCH, WriteSet } from '../write/write-set.js';
import { type ChangeFilter, cut, rangeOf } from './change-filter.js';
import type { Change } from './change-types.js';
import { FeedSchema } from './feed-schema.js';

/** The part of a store that a decoder uses. */
export interface DecodedStore {
  readonly schema: Schema;
  /** Returns the codec of the values of a space. Throws KEELSON_ENCODING_MISMATCH if nobody has given it. */
  valueCodecOf(space: Space): ValueCodec<unknown>;
}

/** Decodes the records of a log, one after the other. */
export class ChangeDecoder {
  readonly #store: DecodedStore;
  readonly #schema: FeedSchema;
  readonly #writes: WriteSet;
  /** The codecs of values, by the id of the space. */
  readonly #codecs = new Map<number, ValueCodec<unknown>>();
  #rootCodec: ValueCodec<unknown> | null = null;

  /**
   * @param storeSpaces The spaces of the store as of some LSN.
   * @param isCurrent True if the records follow that LSN. Otherwise they start where the log defines everything.
   */
  constructor(store: DecodedStore, storeSpaces: readonly Space[], isCurrent: boolean) {
    this.#store = store;
    this.#schema = new FeedSchema(store.schema, storeSpaces, isCurrent);
    this.#writes = new WriteSet(RECORD_BYTES_MAX, store.schema);
  }

  /**
   * Takes the next record, `bytes[start, end)`. changes() returns its changes afterwards, until the next record.
   *
   * @throws KEELSON_DECODE.
   */
  read(bytes: Uint8Array, start: number, end: number): void {
    const writes = this.#writes;
    if (isBirth(bytes, start, end)) {
      writes.beginReading(bytes);
      return;
    }
    readWriteSet(this.#schema, bytes, start, end, writes);
    if (!writes.isInNamespaces) return;
    const { count, kinds, spaces } = writes;
    for (let at = 0; at < count; at++) {
      if (kinds[at] === CREATE) this.#schema.add(spaces[at]!);
      else if (kinds[at] === DROP) this.#drop(spaces[at]!);
    }
  }

  /** Returns true if the last record drops a space of the filter. */
  hasDropped(filter: ChangeFilter): boolean {
    const { count, kinds, spaces, isInNamespaces } = this.#writes;
    if (!isInNamespaces) return false;
    for (let at = 0; at < count; at++) if (kinds[at] === DROP && filter.isOf(spaces[at]!)) return true;
    return false;
  }

  /**
   * Returns the changes of the last record that the filter lets through. Runs decoders of the program.
   *
   * @throws KEELSON_DECODE, KEELSON_ENCODING_MISMATCH, and what a decoder of the program throws.
   */
  changes(filter: ChangeFilter): Change[] {
    const writes = this.#writes;
    const changes: Change[] = [];
    let clears = 0;
    for (let at = 0; at < writes.count; at++) {
      const isClear = writes.kinds[at] === CLEAR;
      if (isClear) clears++;
      if (!filter.isOf(writes.spaces[at]!)) continue;
      const change = isClear ? this.#clear(at, clears - 1, filter) : this.#change(at, filter);
      if (change !== null) changes.push(change);
    }
    return changes;
  }

  #change(at: number, { bounds }: ChangeFilter): Change | null {
    const { kinds, spaces, keys, bytes, valueStarts, valueEnds, deadlines } = this.#writes;
    const space = spaces[at]!;
    const { name: namespace, keyCodec, valueEncodingName } = space;
    const kind = kinds[at];
    if (kind === CREATE) {
      if (this.#writes.isDefinedAgain(space)) return null;
      return { type: 'create', namespace, keyEncoding: keyCodec.name, valueEncoding: valueEncodingName };
    }
    if (kind === DROP) return { type: 'drop', namespace };
    const indexKey = keys[at]!;
    if (!isWithin(bounds, indexKey)) return null;
    const key = keyCodec.fromIndexKey(indexKey);
    if (kind === DELETE) return { type: 'delete', namespace, key, cause: 'deleted' };
    if (kind === EXPIRE) return { type: 'delete', namespace, key, cause: 'expired' };
    const expiresAt = deadlines[at]!;
    if (kind === TOUCH) {
      return expiresAt === NO_DEADLINE
        ? { type: 'touch', namespace, key }
        : { type: 'touch', namespace, key, expiresAt };
    }
    if (kind !== PUT) return null;
    const value = this.#codecOf(space).decode(bytes, valueStarts[at]!, valueEnds[at]!);
    return expiresAt === NO_DEADLINE
      ? { type: 'put', namespace, key, value }
      : { type: 'put', namespace, key, value, expiresAt };
  }

  #clear(at: number, clear: number, filter: ChangeFilter): Change | null {
    const { spaces, bounds } = this.#writes;
    const { name: namespace, keyCodec } = spaces[at]!;
    const within = cut(bounds[clear]!, filter.bounds);
    return within === null ? null : { type: 'clear', namespace, range: rangeOf(keyCodec, within) };
  }

  #codecOf(space: Space): ValueCodec<unknown> {
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
  }

  #drop(space: Space): void {
    this.#schema.drop(space);
    this.#codecs.delete(space.id);
  }
}
