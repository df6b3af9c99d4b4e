// Frames by themselves: their checksum, and the bounds of what they claim.

import { describe, expect, test } from 'vitest';
import { CRC32C_START } from '../../src/crc32c.js';
import { writeFrame } from '../../src/journal/format/frame.js';
import { FrameCursor } from '../../src/journal/format/frame-cursor.js';
import { checksumFrames, FRAME_OVERHEAD_BYTES, RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { bytesOf } from './helpers.js';

/** CRC-32C as the books have it, bit by bit: nothing of ours. */
function bookCrc32c(bytes: Uint8Array): number {
  let register = 0xffff_ffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f6_3b78 : 0);
  }
  return (register ^ 0xffff_ffff) >>> 0;
}

describe('a frame', () => {
  // With its length left out of the checksum it went through: the LSN beside it says the same, but FORMAT.md says more.
  test('has the checksum that FORMAT.md describes, computed by another hand', () => {
    const record = bytesOf('hello');
    const startLsn = 2 ** 40 + 7;
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + record.length;
    const frame = new Uint8Array(FRAME_OVERHEAD_BYTES + record.length);
    const view = new DataView(frame.buffer);
    writeFrame(frame, view, 0, record, lsn);
    // With the register of no bytes, what is under the checksum is the LSN and the frame alone.
    checksumFrames(frame, { seed: CRC32C_START, startLsn, bodyOffset: 0, bodyLength: frame.length });
    const covered = new Uint8Array(8 + 8 + record.length);
    const coveredView = new DataView(covered.buffer);
    coveredView.setBigUint64(0, BigInt(lsn), true);
    coveredView.setUint32(8, record.length, true);
    coveredView.setUint32(12, lsn % 2 ** 32, true);
    covered.set(record, 16);
    expect(view.getUint32(8, true)).toBe(bookCrc32c(covered));
  });

  // Without the bound the cursor waits for 256 MiB, and takes memory for them, in a commit that has a hundred bytes.
  test('that claims more than its commit has is broken at its header', () => {
    const bytes = new Uint8Array(FRAME_OVERHEAD_BYTES);
    const view = new DataView(bytes.buffer);
    const startLsn = 35;
    const claim = (length: number) => {
      view.setUint32(0, length, true);
      view.setUint32(4, startLsn + FRAME_OVERHEAD_BYTES + length, true);
      const frames = new FrameCursor(0, true);
      frames.begin(startLsn, 100);
      frames.feed(bytes, 0);
      expect(frames.next()).toBe(false);
      return frames.isBroken;
    };
    expect(claim(100 - FRAME_OVERHEAD_BYTES)).toBe(false);
    expect(claim(100 - FRAME_OVERHEAD_BYTES + 1)).toBe(true);
    expect(claim(RECORD_BYTES_MAX)).toBe(true);
  });
});
