// The header that segments and images share: magic, format version and checksum, in 512 bytes that have the
// same places in every version. Pure; docs/FORMAT.md is the authority.

import { CRC32C_START, crc32cFinish, crc32cUpdate } from '../../crc32c.js';
import type { KeelsonErrorCode } from '../../errors.js';

/** Bytes of a file header, in every format version. */
export const FILE_HEADER_BYTES = 512;

const VERSION_AT = 8;
const CHECKSUM_AT = 12;
const FIELDS_AT = 16;

/** A kind of file with a file header: segments or images. */
export interface FileKind {
  /** The 8 ASCII characters that a file of this kind starts with. */
  readonly magic: string;
  /** The only format version that is written and read. */
  readonly version: number;
  /** The name of this kind in messages. */
  readonly noun: string;
  /** The article of the noun in messages. */
  readonly article: 'a' | 'an';
}

/** The reason why a file is refused. */
export interface HeaderRefusal {
  readonly ok: false;
  readonly code: KeelsonErrorCode;
  readonly why: string;
}

/** Finishes and checks the headers of one kind of file. */
export class FileHeaderCodec {
  readonly #kind: FileKind;
  readonly #magic: Uint8Array;
  /** The CRC register after the magic of this kind. */
  readonly #registerAfterMagic: number;

  constructor(kind: FileKind) {
    this.#kind = kind;
    this.#magic = new TextEncoder().encode(kind.magic);
    this.#registerAfterMagic = crc32cUpdate(CRC32C_START, this.#magic, 0, VERSION_AT);
  }

  /** Writes magic, version and checksum into a header whose other fields are written. */
  finish(bytes: Uint8Array): void {
    const view = viewOf(bytes);
    bytes.set(this.#magic, 0);
    view.setUint32(VERSION_AT, this.#kind.version, true);
    view.setUint32(CHECKSUM_AT, this.#checksumOf(bytes), true);
  }

  /**
   * Returns why the file that starts with `bytes` is refused. Returns null if the header verifies and has the
   * version that is read.
   *
   * The checksum is checked before the version, so that a damaged version is not taken for a newer one.
   */
  check(bytes: Uint8Array): HeaderRefusal | null {
    const { version: knownVersion, noun, article } = this.#kind;
    const startsAsOurs = this.#magic.every((byte, at) => at >= bytes.length || bytes[at] === byte);
    const isCutOff = bytes.length < FILE_HEADER_BYTES;
    const view = viewOf(bytes);
    const checksumHolds = !isCutOff && view.getUint32(CHECKSUM_AT, true) === this.#checksumOf(bytes);
    if (!startsAsOurs && !checksumHolds)
      return refuse('KEELSON_FOREIGN', `the file does not start as ${article} ${noun}`);
    if (isCutOff)
      return refuse('KEELSON_CORRUPT', `the file ends inside its header, after ${bytes.length} bytes`);
    if (!startsAsOurs || !checksumHolds)
      return refuse('KEELSON_CORRUPT', `the checksum of the ${noun} header fails`);
    const version = view.getUint32(VERSION_AT, true);
    if (version === knownVersion) return null;
    return refuse(
      'KEELSON_FORMAT_VERSION',
      `the ${noun} has format version ${version}; this Keelson reads version ${knownVersion}`,
    );
  }

  /**
   * Returns the checksum of `bytes` as if they started with the magic of this kind. So the checksum in the file
   * matches if only the magic is damaged, and differs in a file of another kind.
   */
  #checksumOf(bytes: Uint8Array): number {
    const beforeChecksum = crc32cUpdate(this.#registerAfterMagic, bytes, VERSION_AT, CHECKSUM_AT);
    return crc32cFinish(crc32cUpdate(beforeChecksum, bytes, FIELDS_AT, FILE_HEADER_BYTES));
  }
}

/** Returns a refusal with this code and reason. */
export function refuse(code: KeelsonErrorCode, why: string): HeaderRefusal {
  return { ok: false, code, why };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
