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
import { SHAPED, SHAPED_HEADER_BYTES, type Shapes, shapeIdAt } from '../shapes.js';
import { prepareForMsgpack, tooLarge, VALUE_BYTES_MAX } from './check.js';
import { decodeItems, decodeValue, encodePrepared } from './extensions.js';
import { decodePlain, decodeShaped, NOT_PLAIN } from './plain-reader.js';
import { encodePlain } from './plain-writer.js';

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
 * The bytes of a value. `argument` is what a TypeError calls it. With `shapes` it may be one that only these can decode.
 * The result is a view of a scratch buffer that the next call overwrites, so the caller copies it first.
 */
export function encodeMsgpack(
  value: unknown,
  argument: ArgumentName = 'value',
  shapes: Shapes | null = null,
): Uint8Array {
  const plain = encodePlain(value, shapes);
  if (plain !== null) return plain;
  const bytes = encodePrepared(prepareForMsgpack(value, argument));
  if (bytes.length > VALUE_BYTES_MAX) throw tooLarge();
  return bytes;
}

/** The value of `bytes[start, end)` that encodeMsgpack made, sharing no memory with them; or else KEELSON_DECODE. */
export function decodeMsgpack(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  shapes: Shapes | null = null,
): unknown {
  let value: unknown;
  try {
    value =
      shapes !== null && start < end && bytes[start] === SHAPED
        ? decodeWithShape(bytes, start, end, shapes)
        : decodeWithout(bytes, start, end);
  } catch (error) {
    throw undecodable(whatHappened(error), error);
  }
  // To whoever gets it, undefined means that there is no such key.
  if (value === undefined) throw undecodable('an undefined cannot stand here');
  return value;
}

function decodeWithout(bytes: Uint8Array, start: number, end: number): unknown {
  const value = decodePlain(bytes, start, end);
  return value === NOT_PLAIN ? decodeValue(bytes, start, end) : value;
}

function decodeWithShape(bytes: Uint8Array, start: number, end: number, shapes: Shapes): unknown {
  const value = decodeShaped(bytes, start, end, shapes);
  if (value !== NOT_PLAIN) return value;
  const { names } = shapes.get(shapeIdAt(bytes, start, end));
  const items = decodeItems(bytes.subarray(start + SHAPED_HEADER_BYTES, end));
  if (items.length !== names.length) throw new Error(`${items.length} items for ${names.length} names`);
  return Object.fromEntries(names.map((name, index) => [name, items[index]]));
}

function undecodable(reason: string, cause?: unknown): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', `A msgpack value does not decode: ${reason}`, {}, cause);
}
