// The commit header, which stands at the block boundary where a commit starts. Pure; docs/FORMAT.md is the
// authority.

import { crc32cFinish, crc32cUndo, crc32cUpdate, crc32cUpdateUint64 } from '../../crc32c.js';
import { LSN_MAX } from './lsn.js';

export const COMMIT_HEADER_BYTES = 48;

const MAGIC = 0x544d434b; // "KCMT" read as a little-endian u32
const CHECKSUM_AT = 4;
const COVERED_FROM = 8;
const START_LSN_AT = 8;
const DURABLE_LSN_AT = 16;
const HELD_FROM_LSN_AT = 24;
const BODY_BYTES_AT = 32;
const RECORD_COUNT_AT = 36;
const FLAGS_AT = 40;
const NEXT_SEQUENCE_AT = 44;

/** Flags of a mark, which is a commit without records. A commit with records has no flag. */
export const COMMIT_FLAGS = {
  /** The seal: the session that wrote this segment ended well. Nothing was in flight, and nothing follows. */
  closed: 1,
  /** This segment is full. The segment that `nextSequence` names was durable before this mark was written. */
  rotated: 2,
  /** Ends the copy that recovery made. The copy was durable before this segment had its name. */
  recovered: 4,
} as const;

/** Returns true for the flags of a closed or recovered mark, behind which no session writes anything. */
export function endsForGood(flags: number): boolean {
  return (flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;
}

const FLAGS_KNOWN = COMMIT_FLAGS.closed | COMMIT_FLAGS.rotated | COMMIT_FLAGS.recovered;

/** The fields of a commit header. */
export interface CommitHeader {
  /** The LSN at which the first frame starts. */
  readonly startLsn: number;
  /**
   * The durable LSN at the time when this commit was submitted. It is true even if the frames of the commit are
   * damaged.
   */
  readonly durableLsn: number;
  /** The oldest LSN that the journal holds. Segments below it may be missing. */
  readonly heldFromLsn: number;
  readonly bodyBytes: number;
  readonly recordCount: number;
  readonly flags: number;
  /** The low 32 bits of the sequence of the next segment, in a `rotated` mark; otherwise 0. */
  readonly nextSequence: number;
}

/**
 * Writes the header at the start of `bytes`, for a commit at `offset` in a segment whose checksums start from
 * `seed`.
 */
export function encodeCommitHeader(
  bytes: Uint8Array,
  header: CommitHeader,
  offset: number,
  seed: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, COMMIT_HEADER_BYTES);
  view.setUint32(0, MAGIC, true);
  setUint64(view, START_LSN_AT, header.startLsn);
  setUint64(view, DURABLE_LSN_AT, header.durableLsn);
  setUint64(view, HELD_FROM_LSN_AT, header.heldFromLsn);
  view.setUint32(BODY_BYTES_AT, header.bodyBytes, true);
  view.setUint32(RECORD_COUNT_AT, header.recordCount, true);
  view.setUint32(FLAGS_AT, header.flags, true);
  view.setUint32(NEXT_SEQUENCE_AT, header.nextSequence, true);
  view.setUint32(CHECKSUM_AT, headerChecksum(bytes, 0, offset, seed), true);
}

/**
 * Returns the commit header at `at` in `bytes`. Returns null if magic or checksum is wrong, or if the header
 * holds values that no writer writes.
 *
 * @param offset The place of the header in the segment. The checksum covers it, so a misdirected block is no
 * commit.
 */
export function decodeCommitHeader(
  bytes: Uint8Array,
  at: number,
  offset: number,
  seed: number,
): CommitHeader | null {
  if (at + COMMIT_HEADER_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, COMMIT_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) return null;
  if (view.getUint32(CHECKSUM_AT, true) !== headerChecksum(bytes, at, offset, seed)) return null;
  const header: CommitHeader = {
    startLsn: Number(view.getBigUint64(START_LSN_AT, true)),
    durableLsn: Number(view.getBigUint64(DURABLE_LSN_AT, true)),
    heldFromLsn: Number(view.getBigUint64(HELD_FROM_LSN_AT, true)),
    bodyBytes: view.getUint32(BODY_BYTES_AT, true),
    recordCount: view.getUint32(RECORD_COUNT_AT, true),
    flags: view.getUint32(FLAGS_AT, true),
    nextSequence: view.getUint32(NEXT_SEQUENCE_AT, true),
  };
  return isPlausible(header) ? header : null;
}

/**
 * Returns the commit header at `at` in `bytes` if it was written for another block of the segment, otherwise
 * null.
 *
 * Such a commit does not count, but the LSNs that its header claims are true wherever the header stands. The
 * checksum covers the offset, which the header does not hold. So the offset follows from the checksum. If it is
 * not a block of the segment, the header is invalid.
 */
export function decodeMisplacedHeader(
  bytes: Uint8Array,
  at: number,
  blockBytes: number,
  segmentBytes: number,
  seed: number,
): CommitHeader | null {
  if (at + COMMIT_HEADER_BYTES > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, COMMIT_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const end = ~view.getUint32(CHECKSUM_AT, true);
  const afterOffset = crc32cUndo(end, bytes, at + COVERED_FROM, at + COMMIT_HEADER_BYTES);
  // The high half of the offset is zero. A CRC step over four bytes equals a step over four zeros from the
  // register XOR these bytes.
  const offset = (crc32cUndo(afterOffset, EIGHT_ZEROS, 0, 8) ^ seed) >>> 0;
  const isPlace = offset >= blockBytes && offset < segmentBytes && offset % blockBytes === 0;
  return isPlace ? decodeCommitHeader(bytes, at, offset, seed) : null;
}

const EIGHT_ZEROS = new Uint8Array(8);

function isPlausible(header: CommitHeader): boolean {
  return (
    header.startLsn + header.bodyBytes <= LSN_MAX &&
    header.durableLsn <= header.startLsn &&
    header.heldFromLsn <= header.startLsn &&
    (header.bodyBytes === 0) === (header.recordCount === 0) &&
    (header.flags & ~FLAGS_KNOWN) === 0 &&
    (header.flags === 0 || header.recordCount === 0) &&
    (header.nextSequence === 0 || (header.flags & COMMIT_FLAGS.rotated) !== 0)
  );
}

function headerChecksum(bytes: Uint8Array, at: number, offset: number, seed: number): number {
  const register = crc32cUpdateUint64(seed, offset);
  return crc32cFinish(crc32cUpdate(register, bytes, at + COVERED_FROM, at + COMMIT_HEADER_BYTES));
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** Returns the bytes that a commit with `bodyBytes` of frames takes on the disk, which are whole blocks. */
export function commitBytesOnDisk(bodyBytes: number, blockBytes: number): number {
  return Math.ceil((COMMIT_HEADER_BYTES + bodyBytes) / blockBytes) * blockBytes;
}
