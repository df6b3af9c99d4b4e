// The default value encoding: @msgpack/msgpack, with what JavaScript has and MessagePack lacks in extension types.
// Pure. This file owns the promise: a value comes back exactly as it was put, or put throws a TypeError that names
// the place in it. check.ts sees to that; extensions.ts has the extensions and the library; what is
// plain goes past both of them (plain-writer.ts, plain-reader.ts), to and from the same bytes; or, in a store,
// to and from bytes without the names of its properties (shapes.ts).
//
// Exactly: -0, undefined properties, the order of keys, the difference between a Buffer and a Uint8Array. Not kept:
// that two places held the same object (each gets a copy), that an object was frozen, that it had no prototype, and that
// it came from another realm (realms.ts). Not looked for, since that
// would mean listing every index: named properties hung on a Uint8Array or Buffer, hidden (not enumerable) ones
// on an array, and getters in the place of an array's elements. Those are read more than once, as is a Proxy, and
// should answer the same each time.
//
// What is read was written here and lies under a checksum. So other bytes are KEELSON_DECODE where no value can be
// made of them; but one that is not as we write it, such as a key that comes twice, is not looked for.

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

/**
 * Returns the msgpack codec of a store. All namespaces of a store share its shapes; without them, every object is written
 * with its names.
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

/** Throws KEELSON_DECODE for bytes that are not a value. */
function decodeMsgpack(bytes: Uint8Array, start: number, end: number, shapes: Shapes | null): unknown {
  let value: unknown;
  try {
    value =
      shapes !== null && start < end && bytes[start] === SHAPED
        ? decodeShaped(bytes, start, end, shapes, decodeItems)
        : decodeWithout(bytes, start, end);
  } catch (error) {
    throw undecodable(whatHappened(error), error);
  }
  // get() returns undefined for an absent key, so no value is undefined.
  if (value === undefined) throw undecodable('an undefined cannot stand here');
  return value;
}

function decodeWithout(bytes: Uint8Array, start: number, end: number): unknown {
  const value = decodePlain(bytes, start, end);
  return value === NOT_PLAIN ? decodeValue(bytes, start, end) : value;
}

function undecodable(reason: string, cause?: unknown): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A msgpack value does not decode: ${reason}`, {}, cause);
}
