// The checksum and the sealing of frames in TypeScript and in C++, on bytes of every length and alignment that a commit
// may have: what one engine writes the other must read.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32cUpdate } from '../../src/crc32c.js';
import { writeFrame } from '../../src/journal/format/frame.js';
import { LSN_MAX } from '../../src/journal/format/lsn.js';
import { checksumFrames, FRAME_OVERHEAD_BYTES } from '../../src/storage/index.js';
import { loadNativeAddon, type NativeAddon } from '../../src/storage/native-addon.js';
import { Random } from '../../src/testing/random.js';
import { runs } from './fuzz-tools.js';

const BYTES_MAX = 70_000;

function addonOrWhy(): { readonly addon: NativeAddon | null; readonly why: string } {
  try {
    return { addon: loadNativeAddon(), why: '' };
  } catch (error) {
    return { addon: null, why: ` (skipped: ${(error as Error).message.split('\n')[0]})` };
  }
}

const { addon, why } = addonOrWhy();
const lsn = fc.oneof(
  fc.nat(5000),
  fc.nat(5000).map((below) => 2 ** 32 - below),
  fc.maxSafeNat(),
);

describe.skipIf(addon === null)(`native and TypeScript${why}`, () => {
  test('checksum the same bytes to the same register, at every length and start', () => {
    const place = fc.tuple(fc.nat(BYTES_MAX), fc.nat(64), fc.nat());
    fc.assert(
      fc.property(fc.integer(), place, (register, [length, shift, seed]) => {
        const bytes = new Random(seed).bytes(shift + length).subarray(shift);
        expect(addon!.crc32cUpdate(register, bytes)).toBe(crc32cUpdate(register, bytes, 0, length) | 0);
      }),
      runs(150),
    );
  });

  test('checksum alike at the lengths where the lanes of the native one begin and end', () => {
    const bytes = new Random(1).bytes(3 * 3072 + 64);
    for (const lanes of [0, 3072, 2 * 3072]) {
      for (let more = -17; more <= 17; more++) {
        const end = lanes + more + 3;
        if (end < 3) continue;
        const part = bytes.subarray(3, end);
        expect(addon!.crc32cUpdate(-1, part), `${lanes}${more}`).toBe(crc32cUpdate(-1, part, 0, part.length));
      }
    }
  });

  test('seal the same frames with the same bytes, a few large ones as many small ones', () => {
    const lengths = fc.oneof(
      fc.array(fc.nat(40), { maxLength: 400 }),
      fc.array(fc.nat(BYTES_MAX), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(lengths, lsn, fc.integer(), fc.nat(63), fc.nat(), (of, at, seed, shift, contents) => {
        const bodyLength = of.reduce((sum, length) => sum + FRAME_OVERHEAD_BYTES + length, 0);
        const startLsn = Math.min(at, LSN_MAX - bodyLength);
        const ours = new Uint8Array(shift + bodyLength);
        const view = new DataView(ours.buffer);
        const random = new Random(contents);
        let end = 0;
        for (const length of of) {
          const frameAt = shift + end;
          end += FRAME_OVERHEAD_BYTES + length;
          writeFrame(ours, view, frameAt, random.bytes(length), startLsn + end);
        }
        const native = ours.slice().subarray(shift);
        checksumFrames(ours, { seed, startLsn, bodyOffset: shift, bodyLength });
        expect(addon!.checksumFrames(native, startLsn, seed)).toBe(true);
        expect(Buffer.compare(native, ours.subarray(shift))).toBe(0);
        expect(addon!.checksumsVerify(native, startLsn, seed)).toBe(true);
        expect(addon!.checksumsVerify(native, startLsn, seed + 1)).toBe(of.length === 0);
        if (bodyLength === 0) return;
        // The four bytes of an LSN in a frame are covered, too.
        const flipped = contents % bodyLength;
        native[flipped]! ^= 1 << (contents % 8);
        expect(addon!.checksumsVerify(native, startLsn, seed), `byte ${flipped}`).toBe(false);
      }),
      runs(80),
    );
  });

  test('of frames that do not fill the bytes the native one refuses every one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 11 }),
        (of, cut) => {
          const bytes = new Uint8Array(of.reduce((sum, length) => sum + FRAME_OVERHEAD_BYTES + length, 0));
          const view = new DataView(bytes.buffer);
          let at = 0;
          for (const length of of) {
            view.setUint32(at, length, true);
            at += FRAME_OVERHEAD_BYTES + length;
          }
          expect(addon!.checksumFrames(bytes, 0, 1)).toBe(true);
          expect(addon!.checksumFrames(bytes.subarray(0, bytes.length - cut), 0, 1)).toBe(false);
          expect(addon!.checksumsVerify(bytes, 0, 1)).toBe(true);
          expect(addon!.checksumsVerify(bytes.subarray(0, bytes.length - cut), 0, 1)).toBe(false);
        },
      ),
      runs(200),
    );
  });
});
