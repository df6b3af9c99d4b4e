// The memory of records: it grows with what is written, keeps what was written, and goes back when it was giant.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SCRATCH_BYTES_KEPT_MAX, Scratch } from '../../src/kv/encoding/scratch.js';

/** What a caller may ask for beyond the limit, because it asks for the worst case. */
const SLACK_BYTES = 256;

const tooLarge = expect.objectContaining({ code: 'KEELSON_RECORD_TOO_LARGE' });

function bytesOf(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a scratch', () => {
  test('keeps what was appended, in its order, however it grows', () => {
    const lengths = fc.oneof(fc.nat(100), fc.nat(20_000), fc.constantFrom(16_383, 16_384, 16_385));
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 30 }), (parts) => {
        const out = new Scratch(2 ** 28);
        parts.forEach((length, at) => {
          out.append(bytesOf(length, at));
        });
        expect(out.at).toBe(parts.reduce((sum, length) => sum + length, 0));
        const expected = Buffer.concat(parts.map((length, at) => bytesOf(length, at)));
        expect(Buffer.compare(out.bytes.subarray(0, out.at), expected)).toBe(0);
      }),
    );
  });

  test('has room for what was reserved, and its view is of the same memory', () => {
    const out = new Scratch(2 ** 28);
    for (const bytes of [1, 16_384, 16_385, 100_000, 5]) {
      out.at += 3;
      out.bytes[out.at - 1] = 7;
      out.reserve(bytes);
      expect(out.bytes.length).toBeGreaterThanOrEqual(out.at + bytes);
      expect(out.view.buffer).toBe(out.bytes.buffer);
      expect(out.view.byteLength).toBe(out.bytes.length);
      expect(out.view.getUint8(out.at - 1)).toBe(7);
    }
  });

  test('takes new memory a few times only, also when it grows by single bytes', () => {
    const out = new Scratch(2 ** 28);
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    for (let number = 0; number < 1_000_000; number++) out.append(bytesOf(1, number));
    expect(allocate.mock.calls.length).toBeLessThan(8);
  });

  test.each([100, 16_384, 50_000])('passes %i bytes by none when it is checked', (limit) => {
    const out = new Scratch(limit);
    out.append(bytesOf(limit, 1));
    out.check();
    out.append(bytesOf(1, 1));
    expect(() => out.check()).toThrow(
      expect.objectContaining({
        code: 'KEELSON_RECORD_TOO_LARGE',
        message: expect.stringMatching(
          `A record, .*, has at most ${limit} bytes; this one would have ${limit + 1} or more`,
        ),
      }),
    );
    out.reset();
    out.check();
  });

  test('reserves what may yet fit, and refuses what is surely too much before it takes memory for it', () => {
    const limit = 50_000;
    const out = new Scratch(limit);
    out.append(bytesOf(10_000, 1));
    const { bytes: memory, view, at } = out;
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    for (const bytes of [limit - 10_000 + SLACK_BYTES + 1, limit, 2 ** 30]) {
      expect(() => out.reserve(bytes)).toThrow(tooLarge);
      expect(() => out.append(new Uint8Array(limit + SLACK_BYTES))).toThrow(tooLarge);
    }
    // Making an error takes some memory, too.
    expect(allocate.mock.calls.filter(([bytes]) => bytes >= limit)).toEqual([]);
    expect([out.bytes === memory, out.view === view, out.at]).toEqual([true, true, at]);
    out.reserve(limit - 10_000 + SLACK_BYTES);
    out.append(bytesOf(limit - 10_000, 2));
    out.check();
  });

  test('starts over where it was, in the same memory, unless that is giant', () => {
    const out = new Scratch(2 ** 28);
    out.append(bytesOf(SCRATCH_BYTES_KEPT_MAX, 1));
    const { bytes } = out;
    expect(bytes.length).toBe(SCRATCH_BYTES_KEPT_MAX);
    out.reset();
    expect(out.at).toBe(0);
    expect(out.bytes).toBe(bytes);
    out.append(bytesOf(SCRATCH_BYTES_KEPT_MAX + 1, 2));
    expect(out.bytes.length).toBeGreaterThan(SCRATCH_BYTES_KEPT_MAX);
    out.reset();
    expect(out.at).toBe(0);
    expect(out.bytes.length).toBeLessThan(SCRATCH_BYTES_KEPT_MAX);
    expect(out.view.buffer).toBe(out.bytes.buffer);
    out.append(bytesOf(40_000, 3));
    expect(out.bytes.subarray(0, out.at)).toEqual(bytesOf(40_000, 3));
  });
});
