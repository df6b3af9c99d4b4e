// The sequences that segments get, and the names of files that have none yet.

import { describe, expect, test } from 'vitest';
import {
  draftPath,
  isTemporarySegment,
  segmentPath,
  temporaryPath,
} from '../../src/journal/format/segment-names.js';
import { SegmentSequences } from '../../src/journal/segments/segment-sequences.js';

describe('a sequence', () => {
  test('for an append that does not wait is before that of the segment that gets its name, while one is free', () => {
    const sequences = new SegmentSequences(7);
    expect(sequences.startNaming(2)).toBe(9);
    for (const sequence of [7, 8]) {
      expect(sequences.urgent()).toBe(sequence);
      sequences.used(sequence);
      expect(sequences.isOutrun).toBe(false);
    }
    expect(sequences.urgent()).toBe(10);
    // Taken and not used: its segment could not be made.
    expect(sequences.isOutrun).toBe(false);
    expect(sequences.urgent()).toBe(11);
    sequences.used(11);
    expect(sequences.isOutrun).toBe(true);
    sequences.endNaming();
    expect(sequences.startNaming(0)).toBe(12);
    expect(sequences.isOutrun).toBe(false);
  });

  test('is never given out twice, and those that are free are given up with the segment behind them', () => {
    const sequences = new SegmentSequences(1);
    const given = [sequences.startNaming(3), sequences.urgent()];
    sequences.endNaming();
    given.push(sequences.urgent(), sequences.startNaming(3), sequences.urgent(), sequences.urgent());
    expect(given).toEqual([4, 1, 5, 9, 6, 7]);
  });
});

describe('a draft', () => {
  // A retired segment is renamed to its temporary name, which replaced a draft that had the same one.
  test('has a name that no retired segment gets, and that an open removes', () => {
    const draft = draftPath('/d', '00ff00ff00ff00ff', 12);
    expect(draft).toBe('/d/00ff00ff00ff00ff-12.draft.tmp');
    const retired = temporaryPath(segmentPath('/d', 12));
    expect(retired).not.toBe(draft);
    expect([draft, retired].map((path) => isTemporarySegment(path.slice('/d/'.length)))).toEqual([
      true,
      true,
    ]);
    expect(isTemporarySegment('0123.draft.tmp')).toBe(false);
  });
});
