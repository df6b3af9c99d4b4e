// The codecs of the journal: segment header, commit header, frame. What is written is read, and nothing else is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CRC32C_START, crc32cFinish, crc32cUpdate } from '../../src/crc32c.js';
import {
  COMMIT_FLAGS,
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
  decodeMisplacedHeader,
  encodeCommitHeader,
} from '../../src/journal/format/commit-format.js';
import { writeFrame } from '../../src/journal/format/frame.js';
import { checkBody, FrameCursor } from '../../src/journal/format/frame-cursor.js';
import { LSN_MAX } from '../../src/journal/format/lsn.js';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from '../../src/journal/format/segment-format.js';
import {
  checksumFrames,
  FRAME_OVERHEAD_BYTES,
  RECORD_BYTES_MAX,
  type VerifyChecksums,
} from '../../src/storage/index.js';
import { JOURNAL_ID, SALT, segmentHeader } from './helpers.js';

const SEED = segmentSeed({ journalId: JOURNAL_ID, salt: SALT });
const OTHER_SALT = SALT.map((byte) => byte ^ 1);
const OTHER_ID = JOURNAL_ID.map((byte) => byte ^ 1);

/** Positions where an integer of 31, 32 or 53 bits ends. */
const EDGES = [0, 1, 12, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, LSN_MAX];
const anyLsn = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 0, max: LSN_MAX }));

/** Makes the checksum of a header right again after its bytes were changed. */
function withRightChecksum(bytes: Uint8Array): Uint8Array {
  const before = crc32cUpdate(CRC32C_START, bytes, 0, 12);
  const checksum = crc32cFinish(crc32cUpdate(before, bytes, 16, SEGMENT_HEADER_BYTES));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(12, checksum, true);
  return bytes;
}

describe('the segment header', () => {
  const anyHeader = fc.record({
    journalId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    sequence: fc.integer({ min: 1, max: 10 ** 12 - 1 }),
    blockBytes: fc.constantFrom(512, 4096, 65_536),
    sizeBytes: fc.integer({ min: 2, max: 2 ** 20 }).map((blocks) => blocks * 65_536),
    salt: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    lineageStart: fc.option(anyLsn),
    isRecycled: fc.boolean(),
    durableLsn: anyLsn,
    wallMs: anyLsn,
  });

  test('is read as it was written, from its first 512 bytes', () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const bytes = encodeSegmentHeader(header);
        expect(bytes).toHaveLength(header.blockBytes);
        expect(decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES))).toEqual({ ok: true, header });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('with any one bit flipped is refused as damaged, its version included', () => {
    const bytes = encodeSegmentHeader(segmentHeader({ lineageStart: 35 }));
    for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeSegmentHeader(bytes), `bit ${bit}`).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(decodeSegmentHeader(bytes)).toMatchObject({ ok: true });
  });

  test('of a newer version with a checksum that holds says which version it is', () => {
    const bytes = encodeSegmentHeader(segmentHeader());
    bytes[8] = 2;
    expect(decodeSegmentHeader(bytes)).toMatchObject({ ok: false, code: 'KEELSON_CORRUPT' });
    expect(decodeSegmentHeader(withRightChecksum(bytes))).toMatchObject({
      ok: false,
      code: 'KEELSON_FORMAT_VERSION',
      why: expect.stringContaining('version 2'),
    });
  });

  test.each([
    ['text', Buffer.from('#!/bin/sh\n'.repeat(100))],
    ['zeros', new Uint8Array(4096)],
    ['text shorter than a header', Buffer.from('hello')],
    ['an image', Buffer.concat([Buffer.from('KEELSONI'), new Uint8Array(504)])],
  ])('of a file that holds %s is foreign', (_, bytes) => {
    expect(decodeSegmentHeader(bytes)).toMatchObject({ ok: false, code: 'KEELSON_FOREIGN' });
  });

  test('that is cut off anywhere is damaged, never foreign', () => {
    const bytes = encodeSegmentHeader(segmentHeader());
    for (let length = 0; length < SEGMENT_HEADER_BYTES; length++) {
      expect(decodeSegmentHeader(bytes.subarray(0, length)), `${length} bytes`).toMatchObject({
        ok: false,
        code: 'KEELSON_CORRUPT',
      });
    }
  });

  test.each([
    ['blocks of 256', 48, 256],
    ['blocks of 131,072', 48, 131_072],
    ['blocks of 768', 48, 768],
    ['no blocks', 48, 0],
    ['a size that is not whole blocks', 40, 8191],
    ['a sequence of 2^53', 36, 2 ** 21],
    ['a durable LSN of 2^53', 76, 2 ** 21],
    ['flags that nobody knows', 52, 4],
    ['a flag above those that are known', 52, 1 << 31],
  ])('that claims %s under a right checksum is refused', (_, at, value) => {
    const bytes = encodeSegmentHeader(segmentHeader());
    new DataView(bytes.buffer).setUint32(at, value, true);
    expect(decodeSegmentHeader(withRightChecksum(bytes))).toMatchObject({
      ok: false,
      code: 'KEELSON_CORRUPT',
    });
  });
});

describe('the commit header', () => {
  const header: CommitHeader = {
    startLsn: 35,
    durableLsn: 35,
    heldFromLsn: 17,
    bodyBytes: 29,
    recordCount: 2,
    flags: 0,
    nextSequence: 0,
  };

  function encoded(of: CommitHeader, offset = 512, seed = SEED): Uint8Array {
    const bytes = new Uint8Array(512);
    encodeCommitHeader(bytes, of, offset, seed);
    return bytes;
  }

  test('is read as it was written, at positions near 2^31, 2^32 and 2^53 too', () => {
    fc.assert(
      fc.property(anyLsn, anyLsn, anyLsn, fc.integer({ min: 1, max: 2 ** 32 - 1 }), (a, b, c, bodyBytes) => {
        const startLsn = Math.min(a, LSN_MAX - bodyBytes);
        const of = {
          ...header,
          startLsn,
          durableLsn: Math.min(b, startLsn),
          heldFromLsn: Math.min(c, startLsn),
          bodyBytes,
        };
        expect(decodeCommitHeader(encoded(of), 0, 512, SEED)).toEqual(of);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test.each(Object.entries(COMMIT_FLAGS))('carries the flag %s without records', (_, flags) => {
    const nextSequence = flags === COMMIT_FLAGS.rotated ? 2 ** 32 - 1 : 0;
    const of = { ...header, bodyBytes: 0, recordCount: 0, flags, nextSequence };
    expect(decodeCommitHeader(encoded(of), 0, 512, SEED)).toEqual(of);
  });

  test('with any one bit flipped is no commit', () => {
    const bytes = encoded(header);
    for (let bit = 0; bit < COMMIT_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeCommitHeader(bytes, 0, 512, SEED), `bit ${bit}`).toBeNull();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(decodeCommitHeader(bytes, 0, 512, SEED)).toEqual(header);
  });

  test('does not verify at another offset, under another salt, in another journal', () => {
    const bytes = encoded(header, 1024);
    expect(decodeCommitHeader(bytes, 0, 1024, SEED)).toEqual(header);
    for (const offset of [0, 512, 1536, 1024 + 2 ** 32]) {
      expect(decodeCommitHeader(bytes, 0, offset, SEED), `offset ${offset}`).toBeNull();
    }
    const otherSalt = segmentSeed({ journalId: JOURNAL_ID, salt: OTHER_SALT });
    const otherJournal = segmentSeed({ journalId: OTHER_ID, salt: SALT });
    expect(decodeCommitHeader(bytes, 0, 1024, otherSalt)).toBeNull();
    expect(decodeCommitHeader(bytes, 0, 1024, otherJournal)).toBeNull();
  });

  test('in another block of the segment is known for what it is, wherever it was written for', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 21), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (block, seed) => {
        const offset = 512 + block * 512;
        const bytes = encoded(header, offset, seed);
        expect(decodeMisplacedHeader(bytes, 0, 512, offset + 512, seed)).toEqual(header);
        // The segment is not so long; and it is one of other blocks.
        expect(decodeMisplacedHeader(bytes, 0, 512, offset, seed)).toBeNull();
        expect(decodeMisplacedHeader(encoded(header, offset + 8, seed), 0, 512, 2 ** 31, seed)).toBeNull();
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  test('in another block, with any one bit flipped, under another salt or in another journal, is none', () => {
    const bytes = encoded(header, 1024);
    for (let bit = 0; bit < COMMIT_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeMisplacedHeader(bytes, 0, 512, 8192, SEED), `bit ${bit}`).toBeNull();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    for (const changes of [{ salt: OTHER_SALT }, { journalId: OTHER_ID }]) {
      const seed = segmentSeed({ journalId: JOURNAL_ID, salt: SALT, ...changes });
      expect(decodeMisplacedHeader(bytes, 0, 512, 8192, seed)).toBeNull();
    }
    expect(decodeMisplacedHeader(bytes.subarray(0, 47), 0, 512, 8192, SEED)).toBeNull();
  });

  test.each<[string, Partial<CommitHeader>]>([
    ['durable above its start', { durableLsn: 36 }],
    ['held from above its start', { heldFromLsn: 36 }],
    ['records without bytes', { bodyBytes: 0 }],
    ['bytes without records', { recordCount: 0 }],
    ['flags together with records', { flags: COMMIT_FLAGS.closed }],
    ['flags that nobody knows', { bodyBytes: 0, recordCount: 0, flags: 8 }],
    ['an end above the highest LSN', { startLsn: LSN_MAX - 28 }],
  ])('that claims %s is no commit, whatever its checksum', (_, claims) => {
    expect(decodeCommitHeader(encoded({ ...header, ...claims }), 0, 512, SEED)).toBeNull();
  });

  test('that does not fit into the bytes is no commit', () => {
    expect(decodeCommitHeader(encoded(header).subarray(0, COMMIT_HEADER_BYTES - 1), 0, 512, SEED)).toBeNull();
    expect(decodeCommitHeader(encoded(header), 500, 500, SEED)).toBeNull();
  });

  test('and its frames fill whole blocks', () => {
    expect(commitBytesOnDisk(0, 512)).toBe(512);
    expect(commitBytesOnDisk(512 - COMMIT_HEADER_BYTES, 512)).toBe(512);
    expect(commitBytesOnDisk(512 - COMMIT_HEADER_BYTES + 1, 512)).toBe(1024);
  });
});

describe('the frame', () => {
  const payload = fc.uint8Array({ maxLength: 200 });

  /** Frames of these records, the first starting at `startLsn`, sealed. */
  function framed(records: readonly Uint8Array[], startLsn: number, seed = SEED): Uint8Array {
    const total = records.reduce((sum, { length }) => sum + FRAME_OVERHEAD_BYTES + length, 0);
    const bytes = new Uint8Array(total);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const record of records) {
      const end = at + FRAME_OVERHEAD_BYTES + record.length;
      writeFrame(bytes, view, at, record, startLsn + end);
      at = end;
    }
    checksumFrames(bytes, { seed, startLsn, bodyOffset: 0, bodyLength: total });
    return bytes;
  }

  /** The length of the record in the first frame; -1 when there is none that verifies. */
  function lengthAt(bytes: Uint8Array, startLsn: number, seed = SEED): number {
    const frames = new FrameCursor(seed, true);
    frames.begin(startLsn, bytes.length);
    frames.feed(bytes, 0);
    return frames.next() ? frames.recordEnd - frames.recordStart : -1;
  }

  test('is read as it was written, at positions near 2^31, 2^32 and 2^53 too', () => {
    fc.assert(
      fc.property(fc.array(payload, { minLength: 1, maxLength: 5 }), anyLsn, (records, lsn) => {
        const startLsn = Math.min(lsn, LSN_MAX - 2000);
        const bytes = framed(records, startLsn);
        expect(lengthAt(bytes, startLsn)).toBe(records[0]!.length);
        expect(checkBody(bytes, 0, bytes.length, records.length, startLsn, SEED)).toBe(true);
        expect(checkBody(bytes, 0, bytes.length, records.length + 1, startLsn, SEED)).toBe(false);
        expect(checkBody(bytes, 0, bytes.length - 1, records.length, startLsn, SEED)).toBe(false);
        expect(checkBody(bytes, 0, bytes.length + 1, records.length, startLsn, SEED)).toBe(false);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test('is found alike, or broken at the same place, by a cursor that verifies many at once', () => {
    const records = fc.array(fc.uint8Array({ maxLength: 200, size: 'max' }), {
      minLength: 1,
      maxLength: 60,
      size: 'max',
    });
    let timesAtOnce = 0;
    const verify: VerifyChecksums = (bytes, startLsn, seed) => {
      timesAtOnce++;
      const frames = new FrameCursor(seed, false);
      frames.begin(startLsn, bytes.length);
      frames.feed(bytes, 0);
      while (frames.next());
      return frames.isDone;
    };
    fc.assert(
      fc.property(records, fc.nat(2 ** 20), fc.nat(), fc.boolean(), (of, startLsn, at, isWhole) => {
        const bytes = framed(of, startLsn);
        if (!isWhole) bytes[at % bytes.length]! ^= 1 << (at % 8);
        const cut = at % (2 * bytes.length);
        const found = [null, verify].map((verifyOrNull) => {
          const frames = new FrameCursor(SEED, true, verifyOrNull);
          frames.begin(startLsn, bytes.length);
          const lsns: number[] = [];
          for (const window of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
            frames.feed(window, 0);
            while (frames.next()) lsns.push(frames.lsn, frames.recordEnd - frames.recordStart);
          }
          return [lsns, frames.isDone, frames.isBroken];
        });
        expect(found[1]).toEqual(found[0]);
        expect(found[0]![1]).toBe(isWhole);
      }),
      { seed: 4, numRuns: 300 },
    );
    expect(timesAtOnce).toBeGreaterThan(50);
  });

  test('of an empty record is twelve bytes', () => {
    expect(framed([new Uint8Array(0)], 0)).toHaveLength(12);
    expect(lengthAt(framed([new Uint8Array(0)], 0), 0)).toBe(0);
  });

  test('with any one bit flipped does not verify', () => {
    const bytes = framed([Buffer.from('a record of some length')], 100);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(lengthAt(bytes, 100), `bit ${bit}`).toBe(-1);
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(lengthAt(bytes, 100)).toBe(23);
  });

  test('does not verify at another LSN, not even one that differs by 2^32, nor under another salt or journal id', () => {
    const bytes = framed([Buffer.from('here')], 1000);
    expect(lengthAt(bytes, 1000)).toBe(4);
    for (const lsn of [0, 999, 1001, 1000 + 2 ** 32, 1000 + 2 ** 52]) expect(lengthAt(bytes, lsn)).toBe(-1);
    expect(lengthAt(bytes, 1000, segmentSeed({ journalId: JOURNAL_ID, salt: OTHER_SALT }))).toBe(-1);
    expect(lengthAt(bytes, 1000, segmentSeed({ journalId: OTHER_ID, salt: SALT }))).toBe(-1);
  });

  test.each([RECORD_BYTES_MAX, RECORD_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1])(
    'that claims %d bytes is refused before they are read',
    (length) => {
      const bytes = framed([Buffer.from('short')], 0);
      new DataView(bytes.buffer).setUint32(0, length, true);
      expect(lengthAt(bytes, 0)).toBe(-1);
    },
  );

  test('whose header is cut off does not verify', () => {
    for (let length = 0; length < 12; length++) {
      expect(lengthAt(framed([new Uint8Array(0)], 0).slice(0, length), 0)).toBe(-1);
    }
  });
});
