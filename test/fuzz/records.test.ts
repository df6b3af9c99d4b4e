// The store's records put together wrongly: kinds, operations, flags and lengths that lie. What they say, or
// KEELSON_DECODE with the offset; and never a byte of what lies beside the record.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKeelsonError } from '../../src/errors.js';
import { bytesKeyCodec, type KeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { writeLeb128 } from '../../src/kv/encoding/leb128.js';
import { readBirth, readWrites } from '../../src/kv/write/record-codec.js';
import { anyBytes, codeOf, runs } from './fuzz-tools.js';

const lengthLie = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  fc.integer({ min: -2, max: 2 }),
  fc.constantFrom(127, 128, 2 ** 28, 2 ** 32 - 1, 2 ** 35 - 1),
);

/** A length that may lie, in its shortest form or one byte longer, and the bytes. */
const text = fc
  .tuple(
    fc.oneof(
      anyBytes(200),
      fc.string({ maxLength: 20 }).map((string) => Buffer.from(string)),
    ),
    lengthLie,
    fc.boolean(),
  )
  .map(([bytes, lie, isLong]) => {
    const length = new Uint8Array(6);
    const end = writeLeb128(length, Math.max(0, bytes.length + lie), 0);
    const rarelyLonger = isLong && lie !== 0;
    if (rarelyLonger) length[end - 1]! |= 0x80;
    return Buffer.concat([length.subarray(0, rarelyLonger ? end + 1 : end), bytes]);
  });

const operation = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) }, fc.nat(255)),
    fc.nat(20),
    fc.array(text, { maxLength: 2 }),
  )
  .map(([opcode, bounds, texts]) =>
    Buffer.concat([Buffer.of(opcode), Buffer.from(opcode === 3 ? [bounds] : []), ...texts]),
  );

const record = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 2) }, fc.nat(255)),
    fc.array(operation, { maxLength: 6 }),
  )
  .map(([kind, operations]) => new Uint8Array(Buffer.concat([Buffer.of(kind), ...operations])));

const birth = fc
  .tuple(fc.constantFrom(1, 2), fc.constantFrom(0, 1, 1, 1, 2, 255), fc.array(text, { maxLength: 3 }))
  .map(([kind, version, names]) => new Uint8Array(Buffer.concat([Buffer.of(kind, version), ...names])));

const codecs: fc.Arbitrary<KeyCodec<unknown>> = fc.constantFrom(utf8KeyCodec, bytesKeyCodec);

/** What the visitor was told, or the code and offset of the error. */
function read(codec: KeyCodec<unknown>, bytes: Uint8Array, start: number, end: number): unknown[] {
  const told: unknown[] = [];
  try {
    readWrites(codec, bytes, start, end, {
      put(key, within, from, to) {
        assert(within === bytes && from >= start && from <= to && to <= end, `a value of [${from}, ${to})`);
        told.push([key, Buffer.from(within.subarray(from, to)).toString('hex')]);
      },
      delete: (key) => told.push(key),
      clear: (bounds) => told.push(bounds),
      shape: ({ names }) => told.push(names),
    });
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_DECODE')) throw error;
    const { offset } = error.facts;
    assert(offset !== undefined && offset >= 0 && offset <= end - start, `the offset ${offset}`);
    told.push(offset);
  }
  return told;
}

describe('a record that lies', () => {
  test('is read alike wherever it stands, and only as far as it goes', () => {
    const counts = { read: 0, refused: 0 };
    fc.assert(
      fc.property(record, codecs, fc.nat(40), fc.nat(), (bytes, codec, before, filling) => {
        const around = new Uint8Array(before + bytes.length + 300).fill(filling);
        around.set(bytes, before);
        const alone = read(codec, bytes, 0, bytes.length);
        expect(read(codec, around, before, before + bytes.length)).toEqual(alone);
        if (typeof alone.at(-1) === 'number') counts.refused++;
        else counts.read++;
      }),
      runs(2000),
    );
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(50);
  });

  test('of the birth of a store is read, or is KEELSON_DECODE or KEELSON_FORMAT_VERSION', () => {
    const codes = new Set<string | null>();
    fc.assert(
      fc.property(fc.oneof(birth, anyBytes(40)), (bytes) => {
        codes.add(codeOf(() => readBirth(bytes, '/s')));
      }),
      runs(2000),
    );
    expect(codes).toEqual(new Set([null, 'KEELSON_DECODE', 'KEELSON_FORMAT_VERSION']));
  });
});
