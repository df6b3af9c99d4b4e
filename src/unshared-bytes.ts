// Bytes whose length or memory may change while they are read. A leaf: imports nothing of ours.

import { types } from 'node:util';

const { getPrototypeOf, hasOwn } = Object;
const getterOf = (name: 'buffer' | 'length') =>
  Object.getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), name)!.get!;
const bufferOf = getterOf('buffer') as (
  this: Uint8Array,
) => ArrayBufferLike & { readonly resizable?: boolean };

/**
 * Returns the bytes themselves, or a copy: of shared memory, which another thread may write to and even let grow between two
 * looks at its length; of a buffer that can be resized; of a subclass, and of an array whose `length` was replaced, which
 * may answer what they like, and run code of their own.
 */
export function unsharedBytes(bytes: Uint8Array): Uint8Array {
  const prototype: unknown = getPrototypeOf(bytes);
  const isPlain =
    (prototype === Uint8Array.prototype || prototype === Buffer.prototype) && !hasOwn(bytes, 'length');
  if (!isPlain) return new Uint8Array(bytes);
  const buffer = bufferOf.call(bytes);
  return types.isSharedArrayBuffer(buffer) || buffer.resizable === true ? new Uint8Array(bytes) : bytes;
}
