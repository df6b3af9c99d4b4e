// The checksum against the vectors of RFC 3720, and against itself in pieces.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CRC32C_START,
  crc32c,
  crc32cFinish,
  crc32cUndo,
  crc32cUpdate,
  crc32cUpdateUint64,
} from '../src/crc32c.js';

const RUN = { seed: 20_26, numRuns: 500 };

describe('CRC-32C', () => {
  test.each([
    ['nothing', new Uint8Array(0), 0],
    ['32 zero bytes', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 bytes counting up', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
    ['32 bytes counting down', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
    ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ])('of %s is the published one', (_, bytes, checksum) => {
    expect(crc32c(bytes)).toBe(checksum);
  });

  test('in pieces equals the checksum of the whole, wherever it is split', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, (parts) => {
        let register = CRC32C_START;
        for (const part of parts) register = crc32cUpdate(register, part, 0, part.length);
        expect(crc32cFinish(register)).toBe(crc32c(Buffer.concat(parts)));
      }),
      RUN,
    );
  });

  test('covers the range it is given and nothing beside it', () => {
    const bounds = fc
      .tuple(fc.nat(100), fc.nat(100))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 100, maxLength: 100 }), bounds, (bytes, [start, end]) => {
        const ranged = crc32cFinish(crc32cUpdate(CRC32C_START, bytes, start, end));
        expect(ranged).toBe(crc32c(bytes.slice(start, end)));
      }),
      RUN,
    );
  });

  test('is undone, byte by byte, from any register', () => {
    fc.assert(
      fc.property(fc.integer(), fc.uint8Array({ maxLength: 60 }), (register, bytes) => {
        const after = crc32cUpdate(register, bytes, 0, bytes.length);
        expect(crc32cUndo(after, bytes, 0, bytes.length)).toBe(register);
      }),
      RUN,
    );
  });

  test('of a number equals that of its eight little-endian bytes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer(), (value, register) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
        expect(crc32cUpdateUint64(register, value)).toBe(crc32cUpdate(register, bytes, 0, 8));
      }),
      {
        ...RUN,
        examples: [
          [0, -1],
          [2 ** 31, -1],
          [2 ** 32 - 1, 0],
          [2 ** 32, 0],
          [2 ** 53 - 1, -1],
        ],
      },
    );
  });

  test('tells any single bit that has flipped', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (bytes, choice) => {
        const bit = choice % (bytes.length * 8);
        const flipped = bytes.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(crc32c(flipped)).not.toBe(crc32c(bytes));
      }),
      RUN,
    );
  });
});
