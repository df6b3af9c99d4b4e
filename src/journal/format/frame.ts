// The frame codec: one record behind its header. Pure; docs/FORMAT.md is the authority. The places of the
// fields, and the checksum, are in src/storage/frame-checksums.ts, because engines fill them in.

import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  RECORD_BYTES_MAX,
} from '../../storage/index.js';

/**
 * Writes the header of a frame at `at`, without its checksum. An engine fills in the checksum when the commit is
 * submitted. The record belongs behind the header.
 */
export function writeFrameHeader(view: DataView, at: number, recordBytes: number, lsn: number): void {
  view.setUint32(at + FRAME_LENGTH_AT, recordBytes, true);
  view.setUint32(at + FRAME_LSN_LOW_AT, lsn >>> 0, true);
  view.setUint32(at + FRAME_CHECKSUM_AT, 0, true);
}

/** Writes a header and a record at `at`. See writeFrameHeader(). */
export function writeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  record: Uint8Array,
  lsn: number,
): void {
  writeFrameHeader(view, at, record.length, lsn);
  bytes.set(record, at + FRAME_OVERHEAD_BYTES);
}

/**
 * Returns the length of the record whose frame header stands at `at`, for a frame that starts at `startLsn`.
 * Returns -1 if that frame cannot stand there, or does not fit into the `bytesLeft` of its commit.
 *
 * The length is bounded, but it is only right if the checksum of the frame holds.
 */
export function recordLengthAt(view: DataView, at: number, bytesLeft: number, startLsn: number): number {
  if (bytesLeft < FRAME_OVERHEAD_BYTES) return -1;
  const length = view.getUint32(at + FRAME_LENGTH_AT, true);
  if (length > RECORD_BYTES_MAX || FRAME_OVERHEAD_BYTES + length > bytesLeft) return -1;
  const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
  return view.getUint32(at + FRAME_LSN_LOW_AT, true) === lsn % 0x1_0000_0000 ? length : -1;
}
