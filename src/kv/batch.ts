// A batch as callers give it: checked as a whole, and put into its record on the way, before anything of it is written.

import { describeValue, misuse } from '../errors.js';
import type { IndexKey } from './key-encoding.js';
import type { KeyBounds } from './ordered-index.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from './range.js';
import type { Codecs } from './reads.js';
import type { RecordWriter } from './record-codec.js';

export type BatchOperation<K, V> =
  | { readonly type: 'put'; readonly key: K; readonly value: V }
  | { readonly type: 'delete'; readonly key: K }
  | ({ readonly type: 'clear' } & KeyRange<K>);

/** An operation in the index's terms. The value of a put is `record[valueStart, valueEnd)`. */
export type ResolvedOperation =
  | { readonly type: 'put'; readonly key: IndexKey; readonly valueStart: number; readonly valueEnd: number }
  | { readonly type: 'delete'; readonly key: IndexKey }
  | { readonly type: 'clear'; readonly bounds: KeyBounds };

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  put: ['type', 'key', 'value'],
  delete: ['type', 'key'],
  clear: ['type', ...BOUND_NAMES],
};

/**
 * Resolves all operations, and writes them into a record that `writer` has begun. Throws a TypeError that names the
 * operation and its field, as in `operations[3].key`. Encoders may be the caller's own code and call the store again: the
 * writer is this batch's alone.
 */
export function writeBatch<K, V>(
  codecs: Codecs<K, V>,
  operations: unknown,
  writer: RecordWriter,
): ResolvedOperation[] {
  if (!Array.isArray(operations)) throw misuse('operations', 'an array', operations);
  // Not map(): it passes holes over.
  return Array.from(operations, (operation, at) =>
    writeOperation(codecs, `operations[${at}]`, operation, writer),
  );
}

function writeOperation<K, V>(
  codecs: Codecs<K, V>,
  argument: string,
  operation: unknown,
  writer: RecordWriter,
): ResolvedOperation {
  if (typeof operation !== 'object' || operation === null) throw misuse(argument, 'an object', operation);
  const { type, key, value } = operation as { type?: unknown; key?: unknown; value?: unknown };
  const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type]! : null;
  if (fields === null) throw misuse(`${argument}.type`, "'put', 'delete' or 'clear'", type);
  for (const name of Object.keys(operation)) {
    if (!fields.includes(name)) {
      throw new TypeError(
        `${argument}: unknown field '${name}' of a ${type}; known are ${fields.join(', ')}, got ${describeValue(operation)}`,
      );
    }
  }
  if (type === 'clear') {
    const { bounds } = resolveRange(codecs.key, argument, BOUND_NAMES, operation, ['type']);
    writer.clear(codecs.key, bounds);
    return { type, bounds };
  }
  const indexKey = codecs.key.toIndexKey(`${argument}.key`, key);
  if (type === 'delete') {
    writer.delete(codecs.key, indexKey);
    return { type, key: indexKey };
  }
  const valueStart = writer.put(codecs.key, indexKey, codecs.value.encode(value as V, `${argument}.value`));
  return { type: 'put', key: indexKey, valueStart, valueEnd: writer.length };
}
