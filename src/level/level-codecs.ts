// The codecs of Level's data: keys and values that are text or bytes, in a store of bytes. A key or value that was written as
// text can be read as bytes, and the other way round. Pure.

import {
  asBuffer,
  bytesKeyCodec,
  bytesValueCodec,
  type KeyCodec,
  readLossyUtf8,
  type ValueCodec,
} from '../kv/internal.js';

/** A key or value as abstract-level gives it, encoded. Bytes may be a view of any kind. */
export type LevelData = string | ArrayBufferView;

/** A form in which keys and values are read. */
export interface Form {
  /** Returns the key of an index key, whose code units are the bytes of the key. */
  key(indexKey: string): string | Buffer;
  /** Returns the value in `bytes[start, end)`, without sharing their memory. */
  value(bytes: Uint8Array, start: number, end: number): string | Buffer;
}

const ASCII_MAX = 0x7f;

/** The longest key that is looked at unit by unit. In a longer one a call into C++ is faster, and checks the length. */
const SHORT_KEY_UNITS_MAX = 128;

/** Strings. As in every Level, bytes that are not UTF-8 become U+FFFD. */
const TEXT: Form = {
  key: (indexKey) => (isAscii(indexKey) ? indexKey : Buffer.from(indexKey, 'latin1').toString()),
  value: readLossyUtf8,
};

/** Buffers, which are Uint8Arrays, too. */
const BYTES: Form = {
  key: (indexKey) => Buffer.from(indexKey, 'latin1'),
  value: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
};

/** Returns the form of an encoding format of abstract-level: 'utf8', 'buffer' or 'view'. */
export function formOf(format: string | undefined): Form {
  return format === 'utf8' ? TEXT : BYTES;
}

/** Returns the index key of a key. Throws KEELSON_KEY_TOO_LARGE. */
export function indexKeyOf(key: LevelData): string {
  return levelKeyCodec.toIndexKey('key', key);
}

/** The codec of keys. The order is that of the bytes. */
export const levelKeyCodec: KeyCodec<LevelData> = {
  ...bytesKeyCodec,

  toIndexKey(argument, key) {
    if (typeof key !== 'string') return bytesKeyCodec.toIndexKey(argument, bytesOf(key));
    const isShort = key.length <= SHORT_KEY_UNITS_MAX;
    return isShort && isAscii(key) ? key : bytesKeyCodec.toIndexKey(argument, Buffer.from(key));
  },
};

/** The codec of values. */
export const levelValueCodec: ValueCodec<LevelData> = {
  ...bytesValueCodec,

  encode(value, argument, out) {
    if (typeof value === 'string') out.appendText(value);
    else bytesValueCodec.encode(bytesOf(value) as Uint8Array, argument, out);
  },
};

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > ASCII_MAX) return false;
  return true;
}

/** Returns the bytes of any view. What is no view is returned as it is, for the check of the codec. */
function bytesOf(data: unknown): unknown {
  return ArrayBuffer.isView(data) && !(data instanceof Uint8Array) ? asBuffer(data as Uint8Array) : data;
}
