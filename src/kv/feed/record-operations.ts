// The operations of a record, as feeds tell them. Readers that are caught up share them, so that a record is read once
// for all of them.

import { RECORD_BYTES_MAX } from '../../storage/index.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import { isBirth, readWriteSet } from '../write/record-reader.js';
import { CLEAR, CREATE, DROP, WriteSet } from '../write/write-set.js';
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
}

/** The operations of one record, in their order. A space that the record only defines again is none of them. */
export interface RecordOperations {
  /** Holds the values. */
  readonly bytes: Uint8Array;
  readonly operations: readonly RecordOperation[];
  /** True if the record creates, defines or drops a space, which each reader must note in a schema of its own. */
  readonly isOfSchema: boolean;
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
  const value = codecOf(operation.space).decode(bytes, operation.valueStart, operation.valueEnd);
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

  constructor(schema: FeedSchema, storeSchema: Schema) {
    this.#schema = schema;
    this.#writes = new WriteSet(RECORD_BYTES_MAX, storeSchema);
  }

  /**
   * Reads the next record, `bytes[start, end)`. Notes in the schema which spaces it creates, defines and drops.
   *
   * @throws KEELSON_DECODE.
   */
  read(bytes: Uint8Array, start: number, end: number): RecordOperations {
    const operations: RecordOperation[] = [];
    if (isBirth(bytes, start, end)) return { bytes, operations, isOfSchema: false };
    const writes = this.#writes;
    readWriteSet(this.#schema, bytes, start, end, writes);
    const { count, kinds, spaces, keys, valueStarts, valueEnds, deadlines, bounds } = writes;
    let { definesSpaces: isOfSchema } = writes;
    let clears = 0;
    for (let at = 0; at < count; at++) {
      const kind = kinds[at]!;
      const space = spaces[at]!;
      if (kind === CREATE) this.#schema.add(space);
      if (kind === DROP) {
        this.#schema.drop(space);
        isOfSchema = true;
      }
      if (kind === CREATE && writes.isDefinedAgain(space)) continue;
      operations.push({
        kind,
        space,
        indexKey: keys[at]!,
        valueStart: valueStarts[at]!,
        valueEnd: valueEnds[at]!,
        deadline: deadlines[at]!,
        bounds: kind === CLEAR ? bounds[clears++]! : null,
        key: NOT_SHARED,
        value: NOT_SHARED,
      });
    }
    return { bytes, operations, isOfSchema };
  }
}
