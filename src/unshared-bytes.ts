// Bytes that another thread may change while they are read. A leaf: imports nothing of ours.

import { types } from 'node:util';

/**
 * The bytes themselves, or a copy where they lie in shared memory: there another thread may write to them, and even let
 * them grow between two looks at their length.
 */
export function unsharedBytes(bytes: Uint8Array): Uint8Array {
  return types.isSharedArrayBuffer(bytes.buffer) ? new Uint8Array(bytes) : bytes;
}
