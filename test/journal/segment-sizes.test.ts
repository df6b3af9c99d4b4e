// The sizes of segments that are prepared: what is asked of a disk, when it is short of room too.

import { describe, expect, test } from 'vitest';
import { SegmentSizes } from '../../src/journal/segments/segment-sizes.js';

const MIB = 2 ** 20;
const OPTIONS = { blockBytes: 4096, segmentBytesMin: MIB, segmentBytesMax: 64 * MIB };

/** Sizes of which the next is so large. */
function grownTo(nextBytes: number): SegmentSizes {
  const sizes = new SegmentSizes(OPTIONS);
  while (sizes.next(0) < nextBytes) sizes.double();
  return sizes;
}

describe('the size of', () => {
  // Such a draft fits no segment. It was filled with zeros and thrown away for each segment.
  test.each([
    { blockBytes: 4096, segmentBytesMin: 4096, segmentBytesMax: 8192 },
    { blockBytes: 65_536, segmentBytesMin: 4096, segmentBytesMax: 131_072 },
  ])(
    'the segment after the next has room for a commit, whatever the options: $segmentBytesMax',
    (options) => {
      const sizes = new SegmentSizes(options);
      expect(sizes.afterNext).toBeGreaterThanOrEqual(sizes.needed(0));
    },
  );

  test('an urgent segment is small; the next one, when the disk was short; and small while an image needs the room', () => {
    const sizes = grownTo(64 * MIB);
    expect(sizes.urgent(0, false)).toBe(4 * MIB);
    sizes.foundNoRoom();
    expect(sizes.urgent(0, false)).toBe(64 * MIB);
    expect(sizes.urgent(0, true)).toBe(4 * MIB);
  });
});

describe('a disk is short of room', () => {
  test('when a segment has none, and lets sizes double from the smallest again', () => {
    const sizes = grownTo(32 * MIB);
    expect(sizes.restart()).toBe(false);
    sizes.foundNoRoom();
    expect(sizes.restart()).toBe(true);
    expect(sizes.next(0)).toBe(MIB);
  });

  test('until a segment of the next size has room, and not only a smaller one', () => {
    const sizes = grownTo(32 * MIB);
    sizes.foundNoRoom();
    sizes.foundRoom(4 * MIB);
    expect(sizes.urgent(0, false)).toBe(32 * MIB);
    sizes.foundRoom(32 * MIB);
    expect(sizes.urgent(0, false)).toBe(4 * MIB);
  });
});
