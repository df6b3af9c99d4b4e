// The operations of a record, as feeds tell them. Readers that are caught up share them, so that a record is read once
// for all of them.

import { RECORD_BYTES_MAX } from '../../storage/index.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { partOf, type ValueCodec } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import { CLEAR, CREATE, DROP } from '../write/operation-kinds.js';
import { isBirth, readWriteSet } from '../write/record-reader.js';
import { WriteSet } from '../write/write-set.js';
import type { FeedSchema } from './feed-schema.js';

/** Stands for a key or a value that is not decoded yet, or that is an object, which no two readers may share. */
const NOT_SHARED = Symbol('not shared');

/** An operation of a record. */
export interface RecordOperation {
  readonly kind: number;
  readonly space: Space;
  /** The key of a put, a delete, a touch or an expiry. */
  readonly indexKey: IndexKey;
  /** The place of the value of a put in the bytes of the record. */
  readonly valueStart: number;
  readonly valueEnd: number;
  /** The deadline of a put or a touch. */
  readonly deadline: number;
  /** The bounds of a clear. */
  readonly bounds: KeyBounds | null;
  key: unknown;
  value: unknown;
  /** A view of the bytes of the value, which no reader gets, or null before one needs it. */
  valueBytes: Uint8Array | null;
}

/** Returns the decoded key of an operation. A key that is an object is a new one in each call. */
export function keyOf(operation: RecordOperation): unknown {
  if (operation.key !== NOT_SHARED) return operation.key;
  const key = operation.space.keyCodec.fromIndexKey(operation.indexKey);
  if (isPrimitive(key)) operation.key = key;
  return key;
}

/** Returns the decoded value of a put. A value that is an object is a new one in each call. May run foreign code. */
export function putValueOf(
  operation: RecordOperation,
  bytes: Uint8Array,
  codecOf: (space: Space) => ValueCodec<unknown>,
): unknown {
  if (operation.value !== NOT_SHARED) return operation.value;
  const codec = codecOf(operation.space);
  const { valueStart, valueEnd } = operation;
  if (codec.decodeAll !== undefined) {
    operation.valueBytes ??= partOf(bytes, valueStart, valueEnd);
    return codec.decodeAll(operation.valueBytes);
  }
  const value = codec.decode(bytes, valueStart, valueEnd);
  if (isPrimitive(value)) operation.value = value;
  return value;
}

function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}

/** Reads the records of a log, one after the other. Runs no foreign code. */
export class OperationsReader {
  readonly #schema: FeedSchema;
  readonly #writes: WriteSet;
  /** True if the last record creates, defines or drops a space. Each reader must note that in a schema of its own. */
  isOfSchema = false;

  constructor(schema: FeedSchema, storeSchema: Schema) {
    this.#schema = schema;
    this.#writes = new WriteSet(RECORD_BYTES_MAX, storeSchema);
  }

  /**
   * Reads the next record, `bytes[start, end)`. Notes in the schema which spaces it creates, defines and drops. Returns its
   * operations, in their order; a space that the record only defines again is none of them.
   *
   * @throws KEELSON_DECODE.
   */
  read(bytes: Uint8Array, start: number, end: number): readonly RecordOperation[] {
    this.isOfSchema = false;
    if (isBirth(bytes, start, end)) return [];
    const writes = this.#writes;
    readWriteSet(this.#schema, bytes, start, end, writes);
    if (writes.isInNamespaces) this.#noteSpaces();
    // An empty array that grows takes memory for 17 operations.
    if (writes.isSinglePut) return [this.#operation(0, null)];
    const operations: RecordOperation[] = [];
    let clears = 0;
    for (let at = 0; at < writes.count; at++) {
      const isClear = writes.kinds[at] === CLEAR;
      if (writes.kinds[at] === CREATE && writes.isDefinedAgain(writes.spaces[at]!)) continue;
      operations.push(this.#operation(at, isClear ? writes.bounds[clears++]! : null));
    }
    return operations;
  }

  #operation(at: number, bounds: KeyBounds | null): RecordOperation {
    const { kinds, spaces, keys, valueStarts, valueEnds, deadlines } = this.#writes;
    return {
      kind: kinds[at]!,
      space: spaces[at]!,
      indexKey: keys[at]!,
      valueStart: valueStarts[at]!,
      valueEnd: valueEnds[at]!,
      deadline: deadlines[at]!,
      bounds,
      key: NOT_SHARED,
      value: NOT_SHARED,
      valueBytes: null,
    };
  }

  #noteSpaces(): void {
    const { count, kinds, spaces, definesSpaces } = this.#writes;
    this.isOfSchema = definesSpaces;
    for (let at = 0; at < count; at++) {
      if (kinds[at] === CREATE) this.#schema.add(spaces[at]!);
      if (kinds[at] !== DROP) continue;
      this.#schema.drop(spaces[at]!);
      this.isOfSchema = true;
    }
  }
}
