// The header that segments and images have in common: magic, format version and checksum, over 512 bytes that keep their
// places in every version. Pure; docs/FORMAT.md is the authority.

import { CRC32C_START, crc32cFinish, crc32cUpdate } from '../../crc32c.js';
import type { KeelsonErrorCode } from '../../errors.js';

/** Bytes of a file header, in every format version. */
export const FILE_HEADER_BYTES = 512;

const VERSION_AT = 8;
const CHECKSUM_AT = 12;
const FIELDS_AT = 16;

/** One kind of file. */
export interface FileKind {
  /** The 8 ASCII characters that a file of this kind starts with. */
  readonly magic: string;
  /** The format version that is written, and the only one that is read. */
  readonly version: number;
  /** Its name in messages. */
  readonly noun: string;
  /** What stands before the noun in messages. */
  readonly article: 'a' | 'an';
}

/** Why a file is not read. */
export interface HeaderRefusal {
  readonly ok: false;
  readonly code: KeelsonErrorCode;
  readonly why: string;
}

/** Seals and checks the headers of one kind of file. */
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
  seal(bytes: Uint8Array): void {
    const view = viewOf(bytes);
    bytes.set(this.#magic, 0);
    view.setUint32(VERSION_AT, this.#kind.version, true);
    view.setUint32(CHECKSUM_AT, this.#checksumOf(bytes), true);
  }

  /**
   * Returns why the file that starts with `bytes` is not read, or null when its header holds and has this version.
   *
   * The checksum is compared before the version, so that a damaged version is not taken for a newer one.
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
   * Returns the checksum that the bytes behind the magic have in a file of this kind. It holds in a file whose magic alone is
   * damaged, and fails in one of another kind: so the first is told from the second.
   */
  #checksumOf(bytes: Uint8Array): number {
    const beforeChecksum = crc32cUpdate(this.#registerAfterMagic, bytes, VERSION_AT, CHECKSUM_AT);
    return crc32cFinish(crc32cUpdate(beforeChecksum, bytes, FIELDS_AT, FILE_HEADER_BYTES));
  }
}

/** Makes the verdict on a file that is not read. */
export function refuse(code: KeelsonErrorCode, why: string): HeaderRefusal {
  return { ok: false, code, why };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
