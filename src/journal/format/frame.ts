// The frame codec: one record between its header and the next. Pure; docs/FORMAT.md is the authority.
// Layout constants and sealing live in ../storage/frame-seal.ts, where an engine can reach them.

import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  RECORD_BYTES_MAX,
} from '../../storage/index.js';

/** Writes a frame at `at`, without its checksum: sealing fills that in when the commit is submitted. */
export function writeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  record: Uint8Array,
  lsn: number,
): void {
  view.setUint32(at + FRAME_LENGTH_AT, record.length, true);
  view.setUint32(at + FRAME_LSN_LOW_AT, lsn % 0x1_0000_0000, true);
  view.setUint32(at + FRAME_CHECKSUM_AT, 0, true);
  bytes.set(record, at + FRAME_OVERHEAD_BYTES);
}

/**
 * The length of the record whose frame header stands at `at` and starts at `startLsn`, or -1 for none that belongs
 * there or that fits into the `bytesLeft` of its commit: so a length is bounded before anything is read by it. What
 * it says holds only when the frame's checksum does.
 */
export function recordLengthAt(view: DataView, at: number, bytesLeft: number, startLsn: number): number {
  if (bytesLeft < FRAME_OVERHEAD_BYTES) return -1;
  const length = view.getUint32(at + FRAME_LENGTH_AT, true);
  if (length > RECORD_BYTES_MAX || FRAME_OVERHEAD_BYTES + length > bytesLeft) return -1;
  const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
  return view.getUint32(at + FRAME_LSN_LOW_AT, true) === lsn % 0x1_0000_0000 ? length : -1;
}
