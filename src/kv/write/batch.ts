// The operations of a batch as callers give them: checks them and adds them to a write set.

import { describeValue, misuse } from '../../errors.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from '../encoding/range.js';
import type { Space } from '../entries/space.js';
import type { Codecs } from '../read/reads.js';
import type { WriteSet } from './write-set.js';

/**
 * An operation of a batch: a put, a delete, or a clear of a range. A clear without bounds deletes all keys.
 *
 * @example
 * const operations: BatchOperation<string, number>[] = [
 *   { type: 'put', key: 'ann', value: 90 },
 *   { type: 'delete', key: 'bob' },
 *   { type: 'clear', prefix: 'session:' },
 * ];
 */
export type BatchOperation<K, V> =
  | { readonly type: 'put'; readonly key: K; readonly value: V }
  | { readonly type: 'delete'; readonly key: K }
  | ({ readonly type: 'clear' } & KeyRange<K>);

/** The fields of an operation by its type. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  put: ['type', 'key', 'value'],
  delete: ['type', 'key'],
  clear: ['type', ...BOUND_NAMES],
};

/**
 * Adds all operations to `writes`, whose begin() was called. May run foreign code, which may write meanwhile with
 * another write set.
 *
 * @throws A TypeError that names the operation and its field, as in `operations[3].key`; KEELSON_KEY_TOO_LARGE,
 * KEELSON_RECORD_TOO_LARGE, and what an encoder of the caller throws.
 */
export function addBatch<K, V>(
  space: Space,
  codecs: Codecs<K, V>,
  operations: unknown,
  writes: WriteSet,
): void {
  if (!Array.isArray(operations)) throw misuse('operations', 'an array', operations);
  const place = new OperationPlace();
  for (let at = 0; at < operations.length; at++) {
    place.moveTo(at);
    addOperation(space, codecs, place, operations[at], writes);
  }
}

/** The place of an operation or of its field. Its text, as in `operations[3].key`, is made only for an error. */
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

function addOperation<K, V>(
  space: Space,
  codecs: Codecs<K, V>,
  place: OperationPlace,
  operation: unknown,
  writes: WriteSet,
): void {
  if (typeof operation !== 'object' || operation === null) throw misuse(place, 'an object', operation);
  const { type, key, value } = operation as { type?: unknown; key?: unknown; value?: unknown };
  const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type]! : null;
  if (fields === null) throw misuse(place.field('type'), "'put', 'delete' or 'clear'", type);
  // `for`-`in` makes no array of the names. It also visits inherited ones.
  for (const name in operation) {
    if (!fields.includes(name) && Object.hasOwn(operation, name)) {
      throw new TypeError(
        `${place}: unknown field '${name}' of a ${type}; known are ${fields.join(', ')}, got ${describeValue(operation)}`,
      );
    }
  }
  if (type === 'clear') {
    const { bounds } = resolveRange(codecs.key, `${place}`, BOUND_NAMES, operation, ['type']);
    writes.clear(space, bounds);
    return;
  }
  const indexKey = codecs.key.toIndexKey(place.field('key'), key);
  if (type === 'delete') writes.delete(space, indexKey);
  else writes.put(space, indexKey, codecs.value, value as V, place.field('value'));
}
