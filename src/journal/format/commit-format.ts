// The commit header: what stands at the block boundary where a commit starts. Pure; docs/FORMAT.md is the authority.

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

/** What an empty commit says. A commit with records has none of these. */
export const COMMIT_FLAGS = {
  /** The life that wrote this segment ended well: nothing was in flight, nothing follows. */
  closed: 1,
  /** This segment is full; the segment named by `nextSequence` was durable before this was written. */
  rotated: 2,
  /** Recovery ends here: what precedes in this segment is a copy that was durable before the segment had its name. */
  recovered: 4,
} as const;

/** Returns true for the flags of a mark behind which no life writes anything. */
export function endsForGood(flags: number): boolean {
  return (flags & (COMMIT_FLAGS.closed | COMMIT_FLAGS.recovered)) !== 0;
}

const FLAGS_KNOWN = COMMIT_FLAGS.closed | COMMIT_FLAGS.rotated | COMMIT_FLAGS.recovered;

export interface CommitHeader {
  /** The LSN at which the first frame starts. */
  readonly startLsn: number;
  /** What was known to be durable when this commit was submitted. True whatever becomes of the commit itself. */
  readonly durableLsn: number;
  /** The oldest LSN the journal still answers for: below it, segments may be missing. */
  readonly heldFromLsn: number;
  readonly bodyBytes: number;
  readonly recordCount: number;
  readonly flags: number;
  /** In a `rotated` commit the low 32 bits of the sequence of the segment that goes on; otherwise 0. */
  readonly nextSequence: number;
}

/** Writes the header at the start of `bytes`, for a commit at `offset` in a segment with that seed. */
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
 * The commit header at `at` in `bytes`, or null when there is none: wrong magic, wrong checksum, or a claim that no
 * writer makes. `offset` is its place in the segment, which the checksum covers, so a misdirected block is no commit.
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
 * The commit header at `at` in `bytes` that was written for another block of the segment, or null. A commit that was
 * moved does not count, but what its header claims is true wherever it stands. The offset is the one thing under
 * the checksum that is not in the header; so it can be worked out, and is a place in the segment or none.
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
  // The high half is zeros; and to go over four bytes is to go over four zeros from the register with those bytes in it.
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

/** The bytes a commit with that many bytes of frames takes on disk: whole blocks. */
export function commitBytesOnDisk(bodyBytes: number, blockBytes: number): number {
  return Math.ceil((COMMIT_HEADER_BYTES + bodyBytes) / blockBytes) * blockBytes;
}
