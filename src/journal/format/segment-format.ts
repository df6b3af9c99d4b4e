// The segment header: the first block of a segment file. Pure; docs/FORMAT.md is the authority.

import { CRC32C_START, crc32cUpdate } from '../../crc32c.js';
import { FILE_HEADER_BYTES, FileHeaderCodec, type HeaderRefusal, refuse } from './file-header.js';

const SEGMENT_FORMAT_VERSION = 1;
/** Bytes of the header block that have a meaning, in every format version. */
export const SEGMENT_HEADER_BYTES = FILE_HEADER_BYTES;
export const JOURNAL_ID_BYTES = 16;
export const SALT_BYTES = 8;
/** The smallest block, in bytes. */
export const BLOCK_BYTES_MIN = 512;
/** Limit of the size of a block, in bytes. */
export const BLOCK_BYTES_MAX = 65_536;

const HEADERS = new FileHeaderCodec({
  magic: 'KEELSONJ',
  version: SEGMENT_FORMAT_VERSION,
  noun: 'segment',
  article: 'a',
});

const JOURNAL_ID_AT = 16;
const SEQUENCE_AT = 32;
const SIZE_AT = 40;
const BLOCK_BYTES_AT = 48;
const FLAGS_AT = 52;
const SALT_AT = 56;
const LINEAGE_START_AT = 64;
const DURABLE_LSN_AT = 72;
const WALL_MS_AT = 80;
const ZEROS_FROM = 88;

const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);

const FLAG_LINEAGE = 1;
const FLAG_RECYCLED = 2;

/** The fields of a segment header. */
export interface SegmentHeader {
  readonly journalId: Uint8Array;
  readonly sequence: number;
  /** Bytes of the whole file, header block included. The file has this size from the start. */
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly salt: Uint8Array;
  /**
   * The lineage start of a segment that recovery, a backup or a salvage made, otherwise null. Commits at or
   * above this LSN in segments of lower sequence are dead: they do not count, because this segment replaces
   * them.
   */
  readonly lineageStart: number | null;
  /**
   * True if the file was another segment of the same session before. Old bytes follow the last commit, instead
   * of zeros.
   */
  readonly isRecycled: boolean;
  /**
   * The durable LSN when the segment was made. In a segment that recovery made, the end of what it copied. With
   * this LSN recovery notices that records before the segment are missing.
   */
  readonly durableLsn: number;
  /** The wall-clock time when the segment was made, in ms since 1970. */
  readonly wallMs: number;
}

/** The header of a segment, or why the file is refused. */
export type SegmentHeaderVerdict = { readonly ok: true; readonly header: SegmentHeader } | HeaderRefusal;

/** Returns the header block, of `header.blockBytes` bytes. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(header.blockBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(header.journalId, JOURNAL_ID_AT);
  view.setBigUint64(SEQUENCE_AT, BigInt(header.sequence), true);
  view.setBigUint64(SIZE_AT, BigInt(header.sizeBytes), true);
  view.setUint32(BLOCK_BYTES_AT, header.blockBytes, true);
  const flags = (header.lineageStart === null ? 0 : FLAG_LINEAGE) | (header.isRecycled ? FLAG_RECYCLED : 0);
  view.setUint32(FLAGS_AT, flags, true);
  bytes.set(header.salt, SALT_AT);
  view.setBigUint64(LINEAGE_START_AT, BigInt(header.lineageStart ?? 0), true);
  view.setBigUint64(DURABLE_LSN_AT, BigInt(header.durableLsn), true);
  view.setBigUint64(WALL_MS_AT, BigInt(header.wallMs), true);
  HEADERS.finish(bytes);
  return bytes;
}

/** Returns the header in the first SEGMENT_HEADER_BYTES of a file, or why the file is refused. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeaderVerdict {
  const refusal = HEADERS.check(bytes);
  if (refusal !== null) return refusal;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blockBytes = view.getUint32(BLOCK_BYTES_AT, true);
  const sizeBytes = Number(view.getBigUint64(SIZE_AT, true));
  if (!isBlockSize(blockBytes) || !Number.isSafeInteger(sizeBytes) || sizeBytes % blockBytes !== 0) {
    return refuse(
      'KEELSON_CORRUPT',
      `the segment header claims blocks of ${blockBytes} in ${sizeBytes} bytes`,
    );
  }
  const flags = view.getUint32(FLAGS_AT, true);
  if ((flags & ~(FLAG_LINEAGE | FLAG_RECYCLED)) !== 0)
    return refuse('KEELSON_CORRUPT', `the segment header has the flags ${flags}`);
  const hasLineage = (flags & FLAG_LINEAGE) !== 0;
  const hasReserved = bytes.subarray(ZEROS_FROM, SEGMENT_HEADER_BYTES).some((byte) => byte !== 0);
  if (hasReserved || (!hasLineage && view.getBigUint64(LINEAGE_START_AT, true) !== 0n)) {
    return refuse('KEELSON_CORRUPT', 'the segment header has something in fields that must be zero');
  }
  const numbers = [SEQUENCE_AT, LINEAGE_START_AT, DURABLE_LSN_AT, WALL_MS_AT].map((at) =>
    view.getBigUint64(at, true),
  );
  if (numbers.some((number) => number > NUMBER_MAX)) {
    return refuse(
      'KEELSON_CORRUPT',
      `the segment header claims ${numbers.join(', ')}: beyond what a position can be`,
    );
  }
  return {
    ok: true,
    header: {
      journalId: bytes.slice(JOURNAL_ID_AT, JOURNAL_ID_AT + JOURNAL_ID_BYTES),
      sequence: Number(view.getBigUint64(SEQUENCE_AT, true)),
      sizeBytes,
      blockBytes,
      salt: bytes.slice(SALT_AT, SALT_AT + SALT_BYTES),
      lineageStart: hasLineage ? Number(view.getBigUint64(LINEAGE_START_AT, true)) : null,
      isRecycled: (flags & FLAG_RECYCLED) !== 0,
      durableLsn: Number(view.getBigUint64(DURABLE_LSN_AT, true)),
      wallMs: Number(view.getBigUint64(WALL_MS_AT, true)),
    },
  };
}

/** Returns true for a power of two from BLOCK_BYTES_MIN to BLOCK_BYTES_MAX. */
export function isBlockSize(blockBytes: number): boolean {
  return (
    blockBytes >= BLOCK_BYTES_MIN && blockBytes <= BLOCK_BYTES_MAX && (blockBytes & (blockBytes - 1)) === 0
  );
}

/** Returns the seed of a segment: the CRC register from which the checksum of every commit and frame starts. */
export function segmentSeed(header: Pick<SegmentHeader, 'journalId' | 'salt'>): number {
  const afterId = crc32cUpdate(CRC32C_START, header.journalId, 0, JOURNAL_ID_BYTES);
  return crc32cUpdate(afterId, header.salt, 0, SALT_BYTES);
}

/**
 * Returns the first salt, counting up from `salt`, whose seed is not in `usedSeeds`.
 *
 * This makes the old bytes of a recycled file harmless. For given bytes, a CRC maps the register at its start
 * to the result one to one. So bytes whose checksum holds with one seed fail with every other seed. Bytes that
 * no session wrote in this form, such as a mixture of old and new sectors, fail like any damage: with the
 * certainty of a CRC.
 *
 * The search ends, because each value of the last four bytes of the salt gives another register.
 */
export function unusedSalt(
  salt: Uint8Array,
  journalId: Uint8Array,
  usedSeeds: readonly number[],
): Uint8Array {
  const candidate = new Uint8Array(salt);
  const view = new DataView(candidate.buffer);
  const countedAt = SALT_BYTES - 4;
  while (usedSeeds.includes(segmentSeed({ journalId, salt: candidate }))) {
    view.setUint32(countedAt, (view.getUint32(countedAt, true) + 1) >>> 0, true);
  }
  return candidate;
}
