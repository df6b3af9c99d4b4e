// The extension types of the msgpack profile, and the library set up with them. Pure.
// docs/FORMAT.md has the table too.

import { DecodeError, Decoder, Encoder, ExtData, type ExtensionCodecType } from '@msgpack/msgpack';
import { asBuffer, readUtf8 } from '../utf8.js';

/**
 * A number, once written to a disk, keeps its meaning for ever.
 * MessagePack leaves 0 to 127 to applications; 0 stays free, so that zeroed bytes never read as one of them.
 */
export const EXTENSION = {
  /** Empty payload. Inside of arrays, objects, maps and sets only. */
  undefined: 1,
  /** u8 sign (0: zero or more, 1: negative), then the magnitude, big-endian, without leading zeros; none for 0n. */
  bigint: 2,
  /** 8 bytes: milliseconds since 1970, a big-endian float 64; NaN for an invalid Date. */
  date: 3,
  /** The bytes of a Node Buffer. A plain Uint8Array is msgpack's bin. */
  buffer: 4,
  /** Key, value, key, value, … in insertion order, each in this profile, to the end of the payload. */
  map: 5,
  /** The items in insertion order, each in this profile, to the end of the payload. */
  set: 6,
  /** Empty payload: the number -0, of which the library makes 0. */
  negativeZero: 7,
  /** UTF-8: a string that starts with U+FEFF, which the library strips from long ones. */
  markedString: 8,
  /** As a map: an object with a property name that the library may not bring back. */
  object: 9,
} as const;

const DECODED: Readonly<Record<number, (payload: Uint8Array) => unknown>> = {
  [EXTENSION.undefined]: () => undefined,
  [EXTENSION.bigint]: decodeBigint,
  [EXTENSION.date]: (payload) => new Date(Buffer.prototype.readDoubleBE.call(payload)),
  // The payload is a subarray of a CopiedOut, so it may be kept.
  [EXTENSION.buffer]: asBuffer,
  [EXTENSION.map]: decodeMap,
  [EXTENSION.set]: (payload) => new Set(decodeItems(payload)),
  [EXTENSION.negativeZero]: () => -0,
  [EXTENSION.markedString]: (payload) => readUtf8(payload, 0, payload.length),
  [EXTENSION.object]: (payload) => Object.fromEntries(decodeMap(payload)),
};

/** How many arrays, objects, maps and sets may be inside each other. */
export const VALUE_DEPTH_MAX = 100;

const SCRATCH_BYTES_INITIAL = 16 * 1024;
/** An encoder whose scratch buffer a giant value has grown past this is let go. */
const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;

/** Not the library's own class, which would write every Date as MessagePack's timestamp. */
const extensionCodec: ExtensionCodecType<undefined> = {
  tryToEncode: (value) => (value instanceof ExtData ? value : null),

  decode(payload, type) {
    const decode = DECODED[type];
    if (decode === undefined) throw new DecodeError(`extension type ${type} is unknown`);
    return decode(payload);
  },
};

// An encoder or a decoder that is called while it runs makes another one for that call.
let encoder = newEncoder();

/** By the bit length of the input, which bounds what a decoder allocates for the length of an array. */
const decoders: (Decoder | undefined)[] = [];

function newEncoder(): Encoder {
  // One level more, for what is inside of the innermost.
  const maxDepth = VALUE_DEPTH_MAX + 1;
  return new Encoder({ extensionCodec, maxDepth, initialBufferSize: SCRATCH_BYTES_INITIAL });
}

function decoderFor(lengthBytes: number): Decoder {
  const bits = 32 - Math.clz32(lengthBytes);
  decoders[bits] ??= new Decoder({ extensionCodec, maxArrayLength: 2 ** bits });
  return decoders[bits];
}

/** The bytes of a value that has been prepared: a view of a scratch buffer, which the next call overwrites. */
export function encodePrepared(value: unknown): Uint8Array {
  const bytes = encoder.encodeSharedRef(value);
  if (bytes.buffer.byteLength > SCRATCH_BYTES_KEPT_MAX) encoder = newEncoder();
  return bytes;
}

/** Prepared values one after the other: an array without its header. */
export function encodeItems(items: readonly unknown[]): Uint8Array {
  return encoder.encode(items).subarray(items.length < 16 ? 1 : items.length < 0x1_0000 ? 3 : 5);
}

/** Throws whatever the library or a payload throws when the bytes are no value. */
export function decodeValue(bytes: Uint8Array, start: number, end: number): unknown {
  return decoderFor(end - start).decode(new CopiedOut(bytes.buffer, bytes.byteOffset + start, end - start));
}

/** How many payloads with items are being decoded, one inside the other. */
let depth = 0;

/** What encodeItems() wrote. Throws as decodeValue() does. */
export function decodeItems(payload: Uint8Array): unknown[] {
  // Every level has a copy of its payload, and the library sets no limit.
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
 * The library hands out binaries as subarrays of its input. Of this input they are copies, so that each has memory
 * of its own, and one that is kept or transferred takes nothing else along. A value without binaries pays nothing
 * for it, while a copy of the whole input would take longer than decoding it.
 */
class CopiedOut extends Uint8Array<ArrayBufferLike> {
  override subarray(start: number, end: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(new Uint8Array(this.buffer, this.byteOffset + start, end - start));
  }
}
