// Scanning one segment: what counts as a commit, where the run of them ends, and what is claimed behind the end.

import { describe, expect, test } from 'vitest';
import { COMMIT_FLAGS } from '../../src/journal/format/commit-format.js';
import { encodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { bytesOf, SegmentBuilder, scanSegment, segmentHeader } from './helpers.js';

/** Three commits of one record, of 12 + 3 bytes each, at blocks 1, 2 and 3. */
function threeCommits(): SegmentBuilder {
  const segment = new SegmentBuilder();
  for (const text of ['one', 'two', 'six']) segment.commit([text]);
  return segment;
}

function scan(segment: SegmentBuilder, bytes = segment.bytes): ReturnType<typeof scanSegment> {
  return scanSegment(bytes, segment.header);
}

describe('a scan', () => {
  test('of a segment that nobody wrote to finds nothing and claims nothing', () => {
    expect(scan(new SegmentBuilder())).toEqual({
      commits: [],
      endOffset: 512,
      endsBecause: 'header',
      hasBytesAfterEnd: false,
      durableLsnClaimed: -1,
      heldFromLsnClaimed: -1,
    });
  });

  test('finds every whole commit with its place, and what the last one claims', () => {
    const segment = threeCommits();
    segment.commit([], { flags: COMMIT_FLAGS.closed, heldFromLsn: 15 });
    const { commits, ...rest } = scan(segment);
    expect(commits.map(({ offset, startLsn, endLsn }) => [offset, startLsn, endLsn])).toEqual([
      [512, 0, 15],
      [1024, 15, 30],
      [1536, 30, 45],
      [2048, 45, 45],
    ]);
    expect(commits[3]).toMatchObject({ recordCount: 0, flags: COMMIT_FLAGS.closed });
    expect(rest).toEqual({
      endOffset: 2560,
      endsBecause: 'header',
      hasBytesAfterEnd: false,
      durableLsnClaimed: 45,
      heldFromLsnClaimed: 15,
    });
  });

  test('fills a segment to its last byte', () => {
    const segment = new SegmentBuilder(segmentHeader({ sizeBytes: 1536 }));
    segment.commit([new Uint8Array(1024 - 48 - 12)]);
    expect(scan(segment)).toMatchObject({
      endOffset: 1536,
      endsBecause: 'full',
      hasBytesAfterEnd: false,
      commits: [{ endLsn: 976 }],
    });
  });

  test('ends before a torn last commit, whose claim still counts when its header is whole', () => {
    const segment = threeCommits();
    segment.bytes[1536 + 48 + 12]! ^= 1;
    expect(scan(segment)).toMatchObject({
      commits: [{ endLsn: 15 }, { endLsn: 30 }],
      endOffset: 1536,
      endsBecause: 'body',
      hasBytesAfterEnd: true,
      durableLsnClaimed: 30,
    });
  });

  test('takes nothing from a commit whose header is torn', () => {
    const segment = threeCommits();
    segment.bytes.fill(0, 1536, 1536 + 48);
    expect(scan(segment)).toMatchObject({
      commits: [{ endLsn: 15 }, { endLsn: 30 }],
      endsBecause: 'header',
      hasBytesAfterEnd: true,
      durableLsnClaimed: 15,
    });
  });

  test.each([
    ['a flipped byte of the header', (bytes: Uint8Array) => (bytes[1024 + 9]! ^= 1)],
    ['a flipped byte of a record', (bytes: Uint8Array) => (bytes[1024 + 61]! ^= 1)],
    ['a block of zeros', (bytes: Uint8Array) => bytes.fill(0, 1024, 1536)],
    ['another block', (bytes: Uint8Array) => bytes.copyWithin(1024, 512, 1024)],
  ])('ends at %s in the middle, and finds the claims behind it', (_, damage) => {
    const segment = threeCommits();
    damage(segment.bytes);
    expect(scan(segment)).toMatchObject({
      commits: [{ endLsn: 15 }],
      endOffset: 1024,
      hasBytesAfterEnd: true,
      durableLsnClaimed: 30,
    });
  });

  test('ends at a commit that does not start where the one before it ended', () => {
    for (const startLsn of [14, 16, 0, 2 ** 32 + 15]) {
      const segment = new SegmentBuilder();
      segment.commit(['one']);
      segment.commit(['two'], { startLsn });
      segment.commit(['six']);
      const found = scan(segment);
      expect(found.commits, `start ${startLsn}`).toHaveLength(1);
      expect(found).toMatchObject({
        endOffset: 1024,
        endsBecause: 'gap',
        durableLsnClaimed: segment.lsn - 15,
      });
    }
  });

  test('does not take a frame, nor a whole commit, that stands inside a record', () => {
    const inner = new SegmentBuilder();
    inner.commit(['one']);
    inner.commit(['never appended'], { durableLsn: 15, startLsn: 15 });
    const outer = new SegmentBuilder();
    outer.commit(['one']);
    // The record holds the bytes of true commits of this very segment, placed so that they start on block boundaries.
    outer.commit([Buffer.concat([new Uint8Array(512 - 48 - 12), inner.bytes.subarray(512, 1536)])]);
    outer.bytes[1024] = 0;
    // What they claim counts: a header of this segment is true wherever it stands.
    expect(scan(outer)).toMatchObject({
      commits: [{ endLsn: 15 }],
      endOffset: 1024,
      durableLsnClaimed: 15,
    });
  });

  // Found by the damage tests: the last commit of a closed journal and the seal behind it, each in the other's place. Both
  // fail there, and with the seal the only claim was gone: the journal opened without the commit, which had been acknowledged.
  test("hears what headers claim that stand in each other's places", () => {
    const segment = threeCommits();
    segment.commit([], { flags: COMMIT_FLAGS.closed });
    const [last, seal] = [1536, 2048].map((at) => segment.bytes.slice(at, at + 512));
    segment.bytes.set(seal!, 1536);
    segment.bytes.set(last!, 2048);
    expect(scan(segment)).toMatchObject({
      commits: [{ endLsn: 15 }, { endLsn: 30 }],
      endOffset: 1536,
      durableLsnClaimed: 45,
    });
  });

  test('does not take bytes that another life left in the same place', () => {
    const old = threeCommits();
    const header = segmentHeader({ salt: Uint8Array.from([9, 9, 9, 9, 9, 9, 9, 9]) });
    const bytes = old.bytes.slice();
    bytes.set(encodeSegmentHeader(header));
    expect(scanSegment(bytes, header)).toMatchObject({
      commits: [],
      endOffset: 512,
      hasBytesAfterEnd: true,
      durableLsnClaimed: -1,
    });
  });

  test('does not take bytes of another journal', () => {
    const old = threeCommits();
    const header = segmentHeader({ journalId: new Uint8Array(16) });
    expect(scanSegment(old.bytes, header)).toMatchObject({ commits: [], durableLsnClaimed: -1 });
  });

  test('of a file that was cut at any byte gives the commits that are still whole', () => {
    const segment = threeCommits();
    segment.commit([], { flags: COMMIT_FLAGS.closed });
    for (let length = 512; length <= 2560; length++) {
      const whole = [512, 1024, 1536, 2048].filter(
        (offset, index) => offset + 48 + (index === 3 ? 0 : 15) <= length,
      ).length;
      expect(scan(segment, segment.bytes.slice(0, length)).commits, `${length} bytes`).toHaveLength(whole);
    }
  });

  test('sees a single byte behind the end, wherever it is', () => {
    const segment = threeCommits();
    for (const at of [2048, 2049, 3000, 8188, 8191]) {
      segment.bytes[at] = 1;
      expect(scan(segment).hasBytesAfterEnd, `byte ${at}`).toBe(true);
      segment.bytes[at] = 0;
    }
    expect(scan(segment).hasBytesAfterEnd).toBe(false);
  });

  test('reads a view that does not start at a word of its memory', () => {
    const segment = threeCommits();
    const shifted = new Uint8Array(segment.bytes.length + 1);
    shifted.set(segment.bytes, 1);
    expect(scan(segment, shifted.subarray(1))).toEqual(scan(segment));
  });

  test('at positions near 2^31, 2^32 and 2^53 is exact', () => {
    for (const startLsn of [2 ** 31 - 20, 2 ** 32 - 20, 2 ** 53 - 100]) {
      const segment = new SegmentBuilder(segmentHeader(), startLsn);
      segment.commit(['one']);
      segment.commit(['two']);
      expect(scan(segment).commits.map(({ endLsn }) => endLsn - startLsn)).toEqual([15, 30]);
    }
  });

  test('of a large commit checks every one of its frames', () => {
    const segment = new SegmentBuilder();
    const texts = Array.from({ length: 100 }, (_, index) => `number ${index}`);
    segment.commit(texts);
    expect(scan(segment).commits).toMatchObject([{ recordCount: 100 }]);
    const at = Buffer.from(segment.bytes).indexOf(bytesOf('number 57'));
    segment.bytes[at]! ^= 1;
    expect(scan(segment)).toMatchObject({ commits: [], durableLsnClaimed: 0 });
  });
});
