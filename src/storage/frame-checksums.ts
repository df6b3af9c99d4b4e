// The frame around a record: its layout, and the checksums of all frames of a commit.
// docs/FORMAT.md is the authority on the layout.
//
// This part of the journal's format is in src/storage, because the native engine fills in the checksums of a commit in
// the call that submits it. Every engine must write the bytes that this file writes.

import { crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../crc32c.js';

/**
 * Bytes that a frame adds to its record: the record's length, the low half of its LSN, and the checksum; each is a
 * u32.
 */
export const FRAME_OVERHEAD_BYTES = 12;
/** Length limit of a record in bytes. The length field has 28 bits; its upper four bits are reserved and zero. */
export const RECORD_BYTES_MAX = 2 ** 28 - 1;

export const FRAME_LENGTH_AT = 0;
export const FRAME_LSN_LOW_AT = 4;
export const FRAME_CHECKSUM_AT = 8;

/** Facts about the frames of one commit, for checksumFrames(). */
export interface FrameChecksums {
  /** CRC-32C register after the journal id and the segment's salt. */
  readonly seed: number;
  /** LSN at which the first frame starts. */
  readonly startLsn: number;
  /** Offset of the first frame in the bytes of the write. */
  readonly bodyOffset: number;
  /** Length of all frames in bytes, without padding. */
  readonly bodyLength: number;
}

/**
 * Returns true if frames fill `bytes` exactly and all their checksums verify. The first frame starts at `startLsn`, and
 * checksums start from `seed`.
 */
export type VerifyChecksums = (bytes: Uint8Array, startLsn: number, seed: number) => boolean;

/**
 * Returns the checksum of the frame at `offset`. It covers the journal id and the salt (both in `seed`), the LSN, the
 * header without the checksum field, and the record.
 */
export function frameChecksum(
  bytes: Uint8Array,
  offset: number,
  recordLength: number,
  lsn: number,
  seed: number,
): number {
  const payloadAt = offset + FRAME_OVERHEAD_BYTES;
  let register = crc32cUpdateUint64(seed, lsn);
  register = crc32cUpdate(register, bytes, offset, offset + FRAME_CHECKSUM_AT);
  register = crc32cUpdate(register, bytes, payloadAt, payloadAt + recordLength);
  return crc32cFinish(register);
}

/** Writes the checksum of every frame of a commit into `bytes`. */
export function checksumFrames(bytes: Uint8Array, checksums: FrameChecksums): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = checksums.bodyOffset + checksums.bodyLength;
  let lsn = checksums.startLsn;
  let at = checksums.bodyOffset;
  while (at < end) {
    const recordLength = view.getUint32(at + FRAME_LENGTH_AT, true);
    lsn += FRAME_OVERHEAD_BYTES + recordLength;
    view.setUint32(at + FRAME_CHECKSUM_AT, frameChecksum(bytes, at, recordLength, lsn, checksums.seed), true);
    at += FRAME_OVERHEAD_BYTES + recordLength;
  }
}
