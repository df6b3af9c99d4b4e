// A batch as callers give it: checked as a whole before anything is written.

import { describeValue, misuse } from '../errors.js';
import type { IndexKey } from './key-encoding.js';
import type { KeyBounds } from './ordered-index.js';
import { BOUND_NAMES, type KeyRange, resolveRange } from './range.js';
import type { Codecs } from './reads.js';

export type BatchOperation<K, V> =
  | { readonly type: 'put'; readonly key: K; readonly value: V }
  | { readonly type: 'delete'; readonly key: K }
  | ({ readonly type: 'clear' } & KeyRange<K>);

/** An operation in the index's terms, its value in memory of its own. */
export type ResolvedOperation =
  | { readonly type: 'put'; readonly key: IndexKey; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: IndexKey }
  | { readonly type: 'clear'; readonly bounds: KeyBounds };

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  put: ['type', 'key', 'value'],
  delete: ['type', 'key'],
  clear: ['type', ...BOUND_NAMES],
};

/** Throws a TypeError that names the operation and its field, as in `operations[3].key`. */
export function resolveBatch<K, V>(codecs: Codecs<K, V>, operations: unknown): ResolvedOperation[] {
  if (!Array.isArray(operations)) throw misuse('operations', 'an array', operations);
  return operations.map((operation, at) => resolveOperation(codecs, `operations[${at}]`, operation));
}

function resolveOperation<K, V>(
  codecs: Codecs<K, V>,
  argument: string,
  operation: unknown,
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
    return { type, bounds: resolveRange(codecs.key, argument, BOUND_NAMES, operation, ['type']).bounds };
  }
  const indexKey = codecs.key.toIndexKey(`${argument}.key`, key);
  if (type === 'delete') return { type, key: indexKey };
  return {
    type: 'put',
    key: indexKey,
    value: new Uint8Array(codecs.value.encode(value as V, `${argument}.value`)),
  };
}
