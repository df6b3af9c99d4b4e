// The decision how much of the log behind an image is retained.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_RETENTION, type RetainableSegment, retiredCount } from '../../src/journal/read/retention.js';

const segments = fc.array(fc.record({ sizeBytes: fc.integer({ min: 1, max: 9 }), endedMs: fc.nat(9) }), {
  maxLength: 8,
});
const retention = fc.record({ bytes: fc.integer({ min: 1, max: 40 }), ms: fc.integer({ min: 1, max: 9 }) });

function sizeOf(retained: readonly RetainableSegment[]): number {
  return retained.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

describe('retention', () => {
  it('keeps the longest run of the newest replaced segments that is small and young enough', () => {
    fc.assert(
      fc.property(segments, fc.nat(8), retention, fc.nat(20), (all, wanted, { bytes, ms }, nowMs) => {
        const count = Math.min(wanted, all.length);
        const isKept = (from: number): boolean => {
          const kept = all.slice(from, count);
          return sizeOf(kept) <= bytes && kept.every(({ endedMs }) => nowMs - endedMs <= ms);
        };
        const from = [...Array(count + 1).keys()].find(isKept);
        return retiredCount(all, count, { bytes, ms }, nowMs) === from;
      }),
      { seed: 17, numRuns: 1000 },
    );
  });

  it('keeps nothing by default, and is without an age when only bytes are given', () => {
    const all = [1, 2, 3].map((endedMs) => ({ sizeBytes: 1, endedMs }));
    expect(retiredCount(all, 3, NO_RETENTION, 0)).toBe(3);
    expect(retiredCount(all, 3, { bytes: 2 }, 1e15)).toBe(1);
  });

  it('takes no segment for too old when the clock went back', () => {
    expect(retiredCount([{ sizeBytes: 1, endedMs: 1e12 }], 1, { bytes: 1, ms: 1 }, 0)).toBe(0);
  });
});
