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
  const place = new OperationPlace();
  const resolved: ResolvedOperation[] = [];
  for (let at = 0; at < operations.length; at++) {
    place.moveTo(at);
    resolved.push(writeOperation(codecs, place, operations[at], writer));
  }
  return resolved;
}

/** Where in the operations: an ArgumentName, of which no text is made while all is well. */
class OperationPlace {
  #at = 0;
  #field = '';

  moveTo(at: number): this {
    this.#at = at;
    this.#field = '';
    return this;
  }

  field(name: 'type' | 'key' | 'value'): this {
    this.#field = `.${name}`;
    return this;
  }

  toString(): string {
    return `operations[${this.#at}]${this.#field}`;
  }
}

function writeOperation<K, V>(
  codecs: Codecs<K, V>,
  place: OperationPlace,
  operation: unknown,
  writer: RecordWriter,
): ResolvedOperation {
  if (typeof operation !== 'object' || operation === null) throw misuse(place, 'an object', operation);
  const { type, key, value } = operation as { type?: unknown; key?: unknown; value?: unknown };
  const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type]! : null;
  if (fields === null) throw misuse(place.field('type'), "'put', 'delete' or 'clear'", type);
  for (const name of Object.keys(operation)) {
    if (!fields.includes(name)) {
      throw new TypeError(
        `${place}: unknown field '${name}' of a ${type}; known are ${fields.join(', ')}, got ${describeValue(operation)}`,
      );
    }
  }
  if (type === 'clear') {
    const { bounds } = resolveRange(codecs.key, `${place}`, BOUND_NAMES, operation, ['type']);
    writer.clear(codecs.key, bounds);
    return { type, bounds };
  }
  const indexKey = codecs.key.toIndexKey(place.field('key'), key);
  if (type === 'delete') {
    writer.delete(codecs.key, indexKey);
    return { type, key: indexKey };
  }
  const encoded = codecs.value.encode(value as V, place.field('value'));
  const valueStart = writer.put(codecs.key, indexKey, encoded);
  return { type: 'put', key: indexKey, valueStart, valueEnd: writer.length };
}
