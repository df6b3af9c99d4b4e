// The extension types of the msgpack profile, and the library @msgpack/msgpack set up with them. docs/FORMAT.md lists
// the types, too.
//
// One encoder and some decoders are module state, because making them takes long. A Proxy in a value can call the
// encoder while it runs. The library uses another encoder for such a call, so nested calls do not disturb each other.

import { DecodeError, Decoder, Encoder, ExtData, type ExtensionCodecType } from '@msgpack/msgpack';
import { asBuffer, readUtf8 } from '../utf8.js';

/**
 * The numbers of the extension types. A number keeps its meaning for ever, because disks hold it. MessagePack leaves 0
 * to 127 to applications. 0 stays unused, so that zeroed bytes are no extension.
 */
export const EXTENSION = {
  /** The value undefined, which stands only inside of arrays, objects, maps and sets. The payload is empty. */
  undefined: 1,
  /**
   * A bigint: u8 sign (1 if negative, otherwise 0), then the magnitude, big-endian, without leading zeros. The
   * magnitude of 0n is empty.
   */
  bigint: 2,
  /** A Date: milliseconds since 1970 as a big-endian float 64 in 8 bytes. An invalid Date is NaN. */
  date: 3,
  /** A Buffer of Node.js: its bytes. A plain Uint8Array is a `bin` of MessagePack. */
  buffer: 4,
  /** A Map: key, value, key, value and so on in insertion order, each in this profile, to the end of the payload. */
  map: 5,
  /** A Set: its items in insertion order, each in this profile, to the end of the payload. */
  set: 6,
  /** The number -0. The payload is empty. The library would write it as 0. */
  negativeZero: 7,
  /** A string that starts with U+FEFF, in UTF-8. The library strips U+FEFF from long strings. */
  markedString: 8,
  /** An object with a property name that the library may not bring back. The payload is that of a Map. */
  object: 9,
} as const;

/** The decoder of each extension type. */
const DECODED: Readonly<Record<number, (payload: Uint8Array) => unknown>> = {
  [EXTENSION.undefined]: () => undefined,
  [EXTENSION.bigint]: decodeBigint,
  [EXTENSION.date]: (payload) => new Date(Buffer.prototype.readDoubleBE.call(payload)),
  // The value may keep the payload: it is a subarray of a CopiedOut, and so a copy.
  [EXTENSION.buffer]: asBuffer,
  [EXTENSION.map]: decodeMap,
  [EXTENSION.set]: (payload) => new Set(decodeItems(payload)),
  [EXTENSION.negativeZero]: () => -0,
  [EXTENSION.markedString]: (payload) => readUtf8(payload, 0, payload.length),
  [EXTENSION.object]: (payload) => Object.fromEntries(decodeMap(payload)),
};

/** The most levels of a value: arrays, objects, maps and sets inside each other. */
export const VALUE_DEPTH_MAX = 100;

const SCRATCH_BYTES_INITIAL = 16 * 1024;
/** The largest scratch buffer that the msgpack encoder keeps. An encoder with a larger buffer is dropped. */
const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/**
 * The extension codec, in place of the ExtensionCodec of the library, which would write a Date as a timestamp of
 * MessagePack.
 */
const extensionCodec: ExtensionCodecType<undefined> = {
  tryToEncode: (value) => (value instanceof ExtData ? value : null),

  decode(payload, type) {
    const decode = DECODED[type];
    if (decode === undefined) throw new DecodeError(`extension type ${type} is unknown`);
    return decode(payload);
  },
};

let encoder = newEncoder();

/**
 * The decoders by the bit length of the input. A decoder refuses an array that no input of this bit length could hold,
 * before it allocates memory for the array.
 */
const decoders: (Decoder | undefined)[] = [];

function newEncoder(): Encoder {
  // The library counts the values inside the innermost container as one more level.
  const maxDepth = VALUE_DEPTH_MAX + 1;
  return new Encoder({ extensionCodec, maxDepth, initialBufferSize: SCRATCH_BYTES_INITIAL });
}

function decoderFor(lengthBytes: number): Decoder {
  const bits = 32 - Math.clz32(lengthBytes);
  decoders[bits] ??= new Decoder({ extensionCodec, maxArrayLength: 2 ** bits });
  return decoders[bits];
}

/** Returns the bytes of a prepared value (check.ts): a view of a scratch buffer, which the next call overwrites. */
export function encodePrepared(value: unknown): Uint8Array {
  const bytes = encoder.encodeSharedRef(value);
  if (bytes.buffer.byteLength > SCRATCH_BYTES_KEPT_MAX) encoder = newEncoder();
  return bytes;
}

/** Returns the bytes of prepared values, one after the other: an array of MessagePack without its header. */
export function encodeItems(items: readonly unknown[]): Uint8Array {
  return encoder.encode(items).subarray(items.length < 16 ? 1 : items.length < 0x1_0000 ? 3 : 5);
}

/**
 * Returns the value in `bytes[start, end)`. Throws errors of the library and of the functions in DECODED for bytes that
 * are no value.
 */
export function decodeValue(bytes: Uint8Array, start: number, end: number): unknown {
  return decoderFor(end - start).decode(new CopiedOut(bytes.buffer, bytes.byteOffset + start, end - start));
}

/** The number of payloads of maps, sets and objects that are being decoded, one inside the other. */
let depth = 0;

/** Returns the values that encodeItems() wrote. Throws what decodeValue() throws. */
export function decodeItems(payload: Uint8Array): unknown[] {
  // Each level copies its payload, and the library does not limit the levels when it decodes.
  if (depth === VALUE_DEPTH_MAX) throw new DecodeError(`it is nested deeper than ${depth} levels`);
  depth++;
  try {
    const bytes = new CopiedOut(payload.buffer, payload.byteOffset, payload.length);
    return [...decoderFor(payload.length).decodeMulti(bytes)];
  } finally {
    depth--;
  }
}

function decodeMap(payload: Uint8Array): Map<unknown, unknown> {
  const items = decodeItems(payload);
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
  return map;
}

function decodeBigint(payload: Uint8Array): bigint {
  const magnitude = BigInt(`0x0${asBuffer(payload).toString('hex', 1)}`);
  return payload[0] === 1 ? -magnitude : magnitude;
}

/**
 * An input for the library whose subarrays are copies. The library returns binaries as subarrays of its input. A copy
 * has memory of its own, so a program can keep or transfer one binary without the rest. A value without binaries pays
 * nothing for this; a copy of the whole input would take long.
 */
class CopiedOut extends Uint8Array<ArrayBufferLike> {
  override subarray(start: number, end: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(new Uint8Array(this.buffer, this.byteOffset + start, end - start));
  }
}
