// Bytes that cannot change while they are read. A leaf: it imports nothing of ours.

import { types } from 'node:util';

const { getPrototypeOf, hasOwn } = Object;
const getterOf = (name: 'buffer' | 'length') =>
  Object.getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), name)!.get!;
const bufferOf = getterOf('buffer') as (
  this: Uint8Array,
) => ArrayBufferLike & { readonly resizable?: boolean };

/**
 * Returns `bytes`, or a copy of them if they could change or run code while they are read. Copies shared memory,
 * which another thread may write to and grow; resizable buffers; and subclasses or arrays with a replaced `length`,
 * whose getters may return anything and run code.
 */
export function unsharedBytes(bytes: Uint8Array): Uint8Array {
  const prototype: unknown = getPrototypeOf(bytes);
  const isPlain =
    (prototype === Uint8Array.prototype || prototype === Buffer.prototype) && !hasOwn(bytes, 'length');
  if (!isPlain) return new Uint8Array(bytes);
  const buffer = bufferOf.call(bytes);
  return types.isSharedArrayBuffer(buffer) || buffer.resizable === true ? new Uint8Array(bytes) : bytes;
}
