// The frame: its twelve bytes of overhead, and sealing, which fills in the checksums of all frames of a commit.
// docs/FORMAT.md is the authority on the layout.
//
// This is the one piece of the journal's format that lives below the journal, because an engine that submits a
// commit from native code seals it in the same call. Every engine must produce the bytes that this file produces.

import { crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../crc32c.js';

/** Bytes a frame adds to its record: length, low half of its LSN, checksum; a u32 each. */
export const FRAME_OVERHEAD_BYTES = 12;
/** The longest record: its length has 28 bits; the four above are reserved and zero. */
export const RECORD_BYTES_MAX = 2 ** 28 - 1;

export const FRAME_LENGTH_AT = 0;
export const FRAME_LSN_LOW_AT = 4;
export const FRAME_CHECKSUM_AT = 8;

/** What an engine needs to seal the frames of one commit. */
export interface FrameSeal {
  /** The CRC-32C register after the journal id and the segment's salt. */
  readonly seed: number;
  /** The log position at which the first frame starts. */
  readonly startLsn: number;
  /** Where the first frame starts in the bytes of the write. */
  readonly bodyOffset: number;
  /** Bytes of frames, without padding. */
  readonly bodyLength: number;
}

/**
 * The checksum of the frame at `offset`: over journal id and salt (in `seed`), its LSN, its header
 * without the checksum itself, and its payload.
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

/** Fills in the checksum of every frame of a commit, in place. */
export function sealFrames(bytes: Uint8Array, seal: FrameSeal): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = seal.bodyOffset + seal.bodyLength;
  let lsn = seal.startLsn;
  let at = seal.bodyOffset;
  while (at < end) {
    const recordLength = view.getUint32(at + FRAME_LENGTH_AT, true);
    lsn += FRAME_OVERHEAD_BYTES + recordLength;
    view.setUint32(at + FRAME_CHECKSUM_AT, frameChecksum(bytes, at, recordLength, lsn, seal.seed), true);
    at += FRAME_OVERHEAD_BYTES + recordLength;
  }
}
