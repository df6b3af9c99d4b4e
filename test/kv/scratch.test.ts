// The memory of records: it grows with what is written, keeps what was written, and goes back when it was giant.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SCRATCH_BYTES_KEPT_MAX, Scratch } from '../../src/kv/encoding/scratch.js';

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
    for (let number = 0; number < 100_000; number++) out.append(bytesOf(1, number));
    expect(allocate.mock.calls.length).toBeLessThan(5);
  });

  test('appends texts as UTF-8, and bytes, one behind the other', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('', 'é'.repeat(9000)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.uint8Array({ maxLength: 9 })), { maxLength: 10 }), (parts) => {
        const out = new Scratch(2 ** 28);
        for (const [given, bytes] of parts) {
          out.appendText(given);
          out.append(bytes);
        }
        const expected = Buffer.concat(parts.flatMap(([given, bytes]) => [Buffer.from(given), bytes]));
        expect(Buffer.compare(out.bytes.subarray(0, out.at), expected)).toBe(0);
      }),
    );
  });

  const appends: readonly { what: string; append: (out: Scratch, length: number) => void }[] = [
    { what: 'bytes', append: (out, length) => out.append(bytesOf(length, 1)) },
    { what: 'texts', append: (out, length) => out.appendText('x'.repeat(length)) },
    {
      what: 'texts of two bytes',
      append: (out, length) => out.appendText(`${'é'.repeat(length >> 1)}${'x'.repeat(length & 1)}`),
    },
  ];

  test.each(appends)(
    'appends $what up to its limit exactly, and refuses more before it takes memory',
    ({ append }) => {
      for (const limit of [100, 16_384, 50_000]) {
        for (const before of [0, 1, 77, limit]) {
          const out = new Scratch(limit);
          out.append(bytesOf(before, 7));
          const { bytes: memory, view } = out;
          const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
          for (const more of [1, 2, 300, 1_000_000]) {
            const message = `A record, .*, has at most ${limit} bytes; this one would have ${limit + more} or more`;
            expect(() => append(out, limit - before + more)).toThrow(
              expect.objectContaining({
                code: 'KEELSON_RECORD_TOO_LARGE',
                message: expect.stringMatching(message),
              }),
            );
          }
          // Making an error takes some memory, too.
          expect(allocate.mock.calls.filter(([bytes]) => bytes >= 1_000_000)).toEqual([]);
          vi.restoreAllMocks();
          expect([out.bytes === memory, out.view === view, out.at]).toEqual([true, true, before]);
          append(out, limit - before);
          expect(out.at).toBe(limit);
          out.check();
        }
      }
    },
  );

  test('has room for a worst case beyond its limit, as long as no more than that was written', () => {
    for (const limit of [100, 16_384, 50_000]) {
      const out = new Scratch(limit);
      out.append(bytesOf(limit, 1));
      out.reserve(100_000);
      expect(out.bytes.length).toBeGreaterThanOrEqual(limit + 100_000);
      expect(out.bytes.subarray(0, limit)).toEqual(bytesOf(limit, 1));
      out.check();
      out.bytes[out.at++] = 1;
      expect(() => out.check()).toThrow(tooLarge);
      expect(() => out.reserve(1_000_000)).toThrow(tooLarge);
      out.reset();
      out.check();
    }
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
