// What the benchmark makes of its rounds.

import { describe, expect, test } from 'vitest';
import { median, percentile, ratios, spread } from './peers.js';

describe('the median', () => {
  test('is the value in the middle, in whatever order the values come', () => {
    expect(median([10, 1, 2])).toBe(2);
  });

  test('of an even number of values is the mean of the two in the middle', () => {
    expect(median([4, 1, 100, 2])).toBe(3);
  });

  test('leaves the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('a percentile', () => {
  const values = Array.from({ length: 1000 }, (_, at) => 1000 - at);

  test('is the value that so many are at or below', () => {
    expect(percentile(values, 99)).toBe(990);
    expect(percentile(values, 50)).toBe(500);
    expect(percentile(values, 100)).toBe(1000);
  });

  test('of a single value is that value', () => {
    expect(percentile([7], 1)).toBe(7);
    expect(percentile([7], 99)).toBe(7);
  });
});

describe('the spread', () => {
  test('is the median and both ends of the rounds that have a value', () => {
    expect(spread([5, null, 1, 3])).toEqual({ median: 3, lowest: 1, highest: 5 });
  });

  test('of no value is nothing', () => {
    expect(spread([null, null])).toBeNull();
  });
});

describe('ratios', () => {
  test('are taken round by round, so that a slow round of both cancels out', () => {
    expect(ratios([100, 10, 200], [50, 5, 100])).toEqual([2, 2, 2]);
  });

  test('have no value in a round in which one side has none', () => {
    expect(ratios([100, null, 10], [50, 5, null])).toEqual([2, null, null]);
  });
});
