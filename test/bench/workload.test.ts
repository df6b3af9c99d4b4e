// The keys and values of the benchmark, and the writers that put them. Nothing is written to a disk here.

import { encode } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { KEYS, keyAt, putFor, putsIn, scatteredNumber, VALUES } from './peers.js';

describe('values', () => {
  test.each([
    ['objects-20b', 20],
    ['objects-1kb', 1000],
    ['objects-10kb', 10_000],
  ])('%s take %d bytes in MessagePack, whatever their number', (name, bytes) => {
    const { at, bytes: declared, kind } = VALUES[name]!;
    expect(kind).toBe('objects');
    expect(declared).toBe(bytes);
    for (const number of [0, 255, 256, 65_279, 65_280, 1_000_000, KEYS - 1])
      expect(encode(at(number))).toHaveLength(bytes);
  });

  test.each(Object.keys(VALUES))('%s are the same for a number, and others for its neighbours', (name) => {
    const { at, isSame } = VALUES[name]!;
    for (const number of [0, 1, 4096, 999_999]) {
      expect(isSame(at(number), at(number))).toBe(true);
      expect(isSame(at(number), at(number + 1))).toBe(false);
    }
  });
});

describe('random new keys', () => {
  const COUNT = 200_000;
  const numbers = Array.from({ length: COUNT }, (_, turn) => scatteredNumber(turn));

  test('have nine digits, and none comes twice', () => {
    expect(new Set(numbers.map(keyAt)).size).toBe(COUNT);
    for (const number of [Math.min(...numbers.slice(0, 1000)), Math.max(...numbers.slice(0, 1000))])
      expect(keyAt(number)).toMatch(/^user:\d{9}$/);
    expect(numbers.every((number) => Number.isInteger(number) && number >= 0 && number < KEYS)).toBe(true);
  });

  test('fall evenly into all ranges, and as often up as down', () => {
    const ranges = Array<number>(100).fill(0);
    for (const number of numbers) ranges[Math.floor((number / KEYS) * ranges.length)]!++;
    for (const count of ranges) expect(Math.abs(count / (COUNT / ranges.length) - 1)).toBeLessThan(0.15);
    const ups = numbers.filter((number, at) => at > 0 && number > numbers[at - 1]!).length;
    expect(Math.abs(ups / COUNT - 0.5)).toBeLessThan(0.05);
  });
});

describe('the keys of puts', () => {
  test.each(['ascending', 'scattered'])(
    '%s go on, all different, when those that were made are used up',
    (order) => {
      const { keyFor, numberOf } = putsIn({ values: 'objects', order }, 10);
      const keys = Array.from({ length: 30 }, (_, turn) => keyFor(turn));
      expect(new Set(keys).size).toBe(30);
      keys.forEach((key, turn) => {
        expect(key).toBe(keyAt(numberOf(turn)));
      });
    },
  );

  test.each([5, 20, 100])('that exist come again after all of them, when %d were made', (made) => {
    const { keyFor, numberOf } = putsIn({ values: 'objects', order: 'existing', entries: 20 }, made);
    const keys = Array.from({ length: 60 }, (_, turn) => keyFor(turn));
    expect(keys.slice(0, 20).toSorted()).toEqual(Array.from({ length: 20 }, (_, number) => keyAt(number)));
    expect(keys.slice(20)).toEqual(keys.slice(0, 40));
    expect(keys[45]).toBe(keyAt(numberOf(45)));
  });

  test('come with few values of 10,000 bytes, so that all of them stay small', () => {
    const { valueFor } = putsIn({ values: 'objects-10kb', order: 'ascending' }, 1);
    const different = new Set(Array.from({ length: 5000 }, (_, turn) => valueFor(turn)));
    expect(different.size).toBe(400);
  });
});

describe('writers', () => {
  /** A store that remembers how many puts were on their way at once. */
  function countingStore() {
    const store = {
      keys: [] as string[],
      inFlightMax: 0,
      put(key: string) {
        store.keys.push(key);
        inFlight++;
        store.inFlightMax = Math.max(store.inFlightMax, inFlight);
        return new Promise<void>((resolve) => {
          setImmediate(() => {
            inFlight--;
            resolve();
          });
        });
      },
    };
    let inFlight = 0;
    return store;
  }
  const puts = putsIn({ values: 'objects', order: 'ascending' }, 10);

  test('make a fixed number of puts, from a turn on, so many at once', async () => {
    const db = countingStore();
    const made = await putFor({ puts: 95 }, { ...puts, db, inFlight: 10, from: 5 });
    expect(db.keys).toEqual(Array.from({ length: 95 }, (_, at) => keyAt(5 + at)));
    expect(db.inFlightMax).toBe(10);
    expect(made.next).toBe(100);
    expect(made.latenciesMs).toHaveLength(95);
  });

  test('go on for their time behind the keys and the latencies for which there is room', async () => {
    const db = countingStore();
    const limits = { seconds: 0.2, latenciesMax: 50 };
    const { next, latenciesMs, perSecond } = await putFor(limits, { ...puts, db, inFlight: 100, from: 0 });
    expect(next).toBeGreaterThanOrEqual(100);
    expect(db.keys).toHaveLength(next);
    expect(latenciesMs).toHaveLength(50);
    expect(perSecond).toBeLessThanOrEqual(next / 0.2);
    expect(perSecond).toBeGreaterThan(0);
  });

  test('are watched when there is more than one', async () => {
    const turnsOf = async (inFlight: number) => {
      const made = await putFor({ puts: 10 }, { ...puts, db: countingStore(), inFlight, from: 0 });
      return made.longestTurnMs;
    };
    expect(await turnsOf(1)).toBeUndefined();
    expect(await turnsOf(2)).toBeGreaterThanOrEqual(0);
  });
});
