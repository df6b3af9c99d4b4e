// The msgpack profile, which is the default value encoding: MessagePack, with extension types for what JavaScript has
// and MessagePack lacks. This file makes one promise: a value comes back exactly as it was put, or put() throws a
// TypeError that names the place in the value.
//
// check.ts refuses values that would not come back exactly. extensions.ts has the extension types and the library
// @msgpack/msgpack. plain-writer.ts and plain-reader.ts encode and decode plain values without the library, to and from
// the same bytes. In a store, they leave out the property names of values with a shape (shapes.ts).
//
// "Exactly" includes -0, properties that are undefined, the order of keys, and the difference between a Buffer and a
// Uint8Array. Four facts about objects are lost: that two places held the same object (each gets a copy), that an
// object was frozen, that an object had no prototype, and that an object came from another realm (realms.ts).
//
// Three things are not checked, because the check would have to list every index: named properties of a Uint8Array or
// Buffer, properties of an array that are not enumerable, and getters in the place of elements of an array. Such
// getters, and Proxies, are read more than once, and should return the same value each time.
//
// A checksum vouches for the bytes that are decoded. Bytes that are no value throw KEELSON_DECODE. Bytes that this
// profile would not write, such as a map with a duplicate key, may decode.

import { type ArgumentName, KeelsonError, whatHappened } from '../../../errors.js';
import type { Scratch } from '../scratch.js';
import { SHAPED, type Shapes } from '../shapes.js';
import type { ValueCodec } from '../value-encoding.js';
import { prepareForMsgpack, tooLarge, VALUE_BYTES_MAX } from './check.js';
import { decodeItems, decodeValue, encodePrepared } from './extensions.js';
import { decodePlain, decodeShaped, NOT_PLAIN } from './plain-reader.js';
import { writePlain } from './plain-writer.js';

export { VALUE_BYTES_MAX } from './check.js';
export { VALUE_DEPTH_MAX } from './extensions.js';

/** A value that the msgpack encoding takes and returns. */
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

/**
 * Returns the msgpack codec of a store. All spaces of the store share `shapes`. With null, every object is written with
 * its property names.
 */
export function msgpackCodec(shapes: Shapes | null): ValueCodec<unknown> {
  return {
    name: 'msgpack',
    encode: (value, argument, out) => encodeMsgpack(value, argument, shapes, out),
    decode: (bytes, start, end) => decodeMsgpack(bytes, start, end, shapes),
  };
}

function encodeMsgpack(value: unknown, argument: ArgumentName, shapes: Shapes | null, out: Scratch): void {
  if (writePlain(value, shapes, out)) return;
  const bytes = encodePrepared(prepareForMsgpack(value, argument));
  if (bytes.length > VALUE_BYTES_MAX) throw tooLarge();
  out.append(bytes);
}

/** Returns the value in `bytes[start, end)`. Throws KEELSON_DECODE for bytes that are no value. */
function decodeMsgpack(bytes: Uint8Array, start: number, end: number, shapes: Shapes | null): unknown {
  let value: unknown;
  try {
    value =
      shapes !== null && start < end && bytes[start] === SHAPED
        ? decodeShaped(bytes, start, end, shapes, decodeItems)
        : decodeUnshaped(bytes, start, end);
  } catch (error) {
    throw undecodable(whatHappened(error), error);
  }
  // get() returns undefined for an absent key, so no value is undefined.
  if (value === undefined) throw undecodable('an undefined cannot stand here');
  return value;
}

function decodeUnshaped(bytes: Uint8Array, start: number, end: number): unknown {
  const value = decodePlain(bytes, start, end);
  return value === NOT_PLAIN ? decodeValue(bytes, start, end) : value;
}

function undecodable(reason: string, cause?: unknown): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A msgpack value does not decode: ${reason}`, {}, cause);
}
