// The header of an image: the id of its log, its LSN, and the encodings of the store. Pure. See docs/FORMAT.md.

import { invariant, isKeelsonError } from '../../errors.js';
import { FILE_HEADER_BYTES, FileHeaderCodec, type HeaderRefusal, refuse } from '../../journal/internal.js';
import { LEB128_BYTES_MAX, type ReadCursor, readLength, writeLeb128 } from '../encoding/leb128.js';
import { readUtf8, writeUtf8 } from '../encoding/utf8.js';
import { isEncodingName } from '../encoding/value-encoding.js';

const IMAGE_FORMAT_VERSION = 1;
export const IMAGE_HEADER_BYTES = FILE_HEADER_BYTES;

const HEADERS = new FileHeaderCodec({
  magic: 'KEELSONI',
  version: IMAGE_FORMAT_VERSION,
  noun: 'image',
  article: 'an',
});

const JOURNAL_ID_AT = 16;
const JOURNAL_ID_BYTES = 16;
const LSN_AT = 32;
const ENTRY_COUNT_AT = 40;
const NAMES_AT = 48;
const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** The content of an image header. */
export interface ImageHeader {
  readonly journalId: Uint8Array;
  /** The image holds the effect of every record up to this LSN. */
  readonly lsn: number;
  /** The number of entries in all spaces. */
  readonly entryCount: number;
  /** The key encoding of the root space. */
  readonly keyEncodingName: string;
  /** The value encoding of the root space. */
  readonly valueEncodingName: string;
}

/** A header, or the reason why the bytes are not a header. */
export type ImageHeaderVerdict = { readonly ok: true; readonly header: ImageHeader } | HeaderRefusal;

/** Returns the IMAGE_HEADER_BYTES bytes of a header. */
export function encodeImageHeader(header: ImageHeader): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(header.journalId, JOURNAL_ID_AT);
  view.setBigUint64(LSN_AT, BigInt(header.lsn), true);
  view.setBigUint64(ENTRY_COUNT_AT, BigInt(header.entryCount), true);
  let at = NAMES_AT;
  for (const name of [header.keyEncodingName, header.valueEncodingName]) {
    const end = at + LEB128_BYTES_MAX + Buffer.byteLength(name);
    invariant(
      name.isWellFormed() && end <= IMAGE_HEADER_BYTES,
      'the names of the encodings do not fit into an image header',
    );
    at = writeLeb128(bytes, Buffer.byteLength(name), at);
    at += writeUtf8(Buffer.from(bytes.buffer), name, at);
  }
  HEADERS.finish(bytes);
  return bytes;
}

/** Reads a header from the first IMAGE_HEADER_BYTES bytes of a file, or from all bytes of a shorter file. */
export function decodeImageHeader(bytes: Uint8Array): ImageHeaderVerdict {
  const refusal = HEADERS.check(bytes);
  if (refusal !== null) return refusal;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lsn = view.getBigUint64(LSN_AT, true);
  const entryCount = view.getBigUint64(ENTRY_COUNT_AT, true);
  if (lsn > NUMBER_MAX || entryCount > NUMBER_MAX)
    return refuse('KEELSON_CORRUPT', `the image header claims ${entryCount} entries at LSN ${lsn}`);
  const names = readNames(bytes);
  if (names === null)
    return refuse('KEELSON_CORRUPT', 'the image header does not say what keys and values are');
  const header: ImageHeader = {
    journalId: bytes.slice(JOURNAL_ID_AT, JOURNAL_ID_AT + JOURNAL_ID_BYTES),
    lsn: Number(lsn),
    entryCount: Number(entryCount),
    ...names,
  };
  return { ok: true, header };
}

/** Reads the names of the encodings. Returns null when they are malformed, or when a byte after them is not zero. */
function readNames(bytes: Uint8Array): Pick<ImageHeader, 'keyEncodingName' | 'valueEncodingName'> | null {
  const cursor: ReadCursor = { at: NAMES_AT };
  try {
    const names = { keyEncodingName: readName(bytes, cursor), valueEncodingName: readName(bytes, cursor) };
    const hasReserved = bytes.subarray(cursor.at, IMAGE_HEADER_BYTES).some((byte) => byte !== 0);
    return isEncodingName(names.valueEncodingName) && !hasReserved ? names : null;
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_DECODE')) throw error;
    return null;
  }
}

function readName(bytes: Uint8Array, cursor: ReadCursor): string {
  const length = readLength(bytes, cursor, IMAGE_HEADER_BYTES);
  cursor.at += length;
  return readUtf8(bytes, cursor.at - length, cursor.at);
}
