// The frame codec: one record between its header and the next. Pure; docs/FORMAT.md is the authority.
// Layout constants and sealing live in ../storage/frame-seal.ts, where an engine can reach them.

import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  frameChecksum,
  RECORD_BYTES_MAX,
} from '../storage/index.js';

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
 * The length of the record whose frame starts at `at` and at `startLsn`, or -1 when no whole and true frame is
 * there before `end`. The length is bounded before anything is read by it.
 */
export function checkFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  startLsn: number,
  seed: number,
): number {
  if (at + FRAME_OVERHEAD_BYTES > end) return -1;
  const length = view.getUint32(at + FRAME_LENGTH_AT, true);
  if (length > RECORD_BYTES_MAX || at + FRAME_OVERHEAD_BYTES + length > end) return -1;
  const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
  if (view.getUint32(at + FRAME_LSN_LOW_AT, true) !== lsn % 0x1_0000_0000) return -1;
  if (view.getUint32(at + FRAME_CHECKSUM_AT, true) !== frameChecksum(bytes, at, length, lsn, seed)) return -1;
  return length;
}

/**
 * True when `bytes[at, at + bodyBytes)` is exactly `recordCount` true frames, the first starting at `startLsn`.
 */
export function checkBody(
  bytes: Uint8Array,
  at: number,
  bodyBytes: number,
  recordCount: number,
  startLsn: number,
  seed: number,
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = at + bodyBytes;
  if (end > bytes.length) return false;
  let next = at;
  let count = 0;
  while (next < end) {
    const length = checkFrame(bytes, view, next, end, startLsn + (next - at), seed);
    if (length < 0) return false;
    next += FRAME_OVERHEAD_BYTES + length;
    count++;
  }
  return next === end && count === recordCount;
}
