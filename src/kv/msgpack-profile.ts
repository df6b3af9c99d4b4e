// The default value encoding: MessagePack, with what JavaScript has and MessagePack lacks in extension types.
// Pure. This file owns the profile: what is supported, the extension types, the limits. The two halves are
// msgpack-writer.ts and msgpack-reader.ts.
//
// A value comes back exactly as it was put, or put throws a TypeError that names the place in it.
// Exactly: -0, undefined properties, the order of keys, the difference between a Buffer and a Uint8Array. Not kept:
// that two places held the same object (each gets a copy) and that an object was frozen. Not looked for, since that
// would mean listing every index: named properties hung on a Uint8Array or Buffer, hidden (not enumerable) ones
// on an array, and getters in the place of an array's elements, which are read.
//
// Why not @msgpack/msgpack itself: it writes -0 as 0 and undefined as nil before an extension is asked, strips
// a leading U+FEFF from strings over 200 bytes, reads bytes that are no UTF-8 as other characters, hands out
// binaries that alias their input, and allocates arrays by an unchecked length. What is plain MessagePack here it
// reads and writes identically; the tests hold us to that.

import { decodeMsgpack } from './msgpack-reader.js';
import { MsgpackWriter } from './msgpack-writer.js';

export { VALUE_BYTES_MAX, VALUE_DEPTH_MAX } from './msgpack-extensions.js';

/** What the msgpack encoding takes and gives back. */
export type MsgpackValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | readonly MsgpackValue[]
  | { readonly [key: string]: MsgpackValue }
  | ReadonlyMap<MsgpackValue, MsgpackValue>
  | ReadonlySet<MsgpackValue>;

const writer = new MsgpackWriter();

/**
 * The bytes of a value. `argument` is what a TypeError calls it.
 * The result is a view of a scratch buffer that the next call overwrites, so the caller copies it first.
 */
export function encodeMsgpack(value: unknown, argument = 'value'): Uint8Array {
  // A Proxy's traps are the one kind of foreign code that runs while a value is encoded. Should they
  // encode a value too, it gets a writer of its own.
  return (writer.busy ? new MsgpackWriter() : writer).encode(value, argument);
}

export { decodeMsgpack };
