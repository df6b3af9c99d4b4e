// How options are resolved: what is unknown or wrong is refused by name, what is not given has its default.

import { describe, expect, test } from 'vitest';
import { resolveJournalOptions } from '../src/journal/options.js';
import { resolveStoreOptions } from '../src/kv/options.js';
import {
  booleanOption,
  choiceOption,
  functionOption,
  integerOption,
  type OptionTable,
  resolveOptions,
} from '../src/options.js';

interface Sample {
  readonly limit: number;
  readonly strict: boolean;
  readonly mode: 'fast' | 'safe';
  readonly onProgress: (() => void) | undefined;
}

const TABLE: OptionTable<Sample> = {
  limit: integerOption(10, 1, 100),
  strict: booleanOption(true),
  mode: choiceOption('safe', ['fast', 'safe']),
  onProgress: functionOption<() => void>(),
};

const DEFAULTS = { limit: 10, strict: true, mode: 'safe', onProgress: undefined };

const resolve = (given: unknown): Sample => resolveOptions('open', TABLE, given);

describe('options', () => {
  test('that are not given have their defaults', () => {
    expect(resolve(undefined)).toEqual(DEFAULTS);
    expect(resolve({})).toEqual(DEFAULTS);
  });

  test('given as undefined count as not given', () => {
    const given = { limit: undefined, strict: undefined, mode: undefined, onProgress: undefined };
    expect(resolve(given)).toEqual(DEFAULTS);
  });

  test('that are given replace their defaults, and only theirs', () => {
    const onProgress = (): void => undefined;
    expect(resolve({ limit: 1, strict: false })).toEqual({ ...DEFAULTS, limit: 1, strict: false });
    expect(resolve({ mode: 'fast', onProgress })).toEqual({ ...DEFAULTS, mode: 'fast', onProgress });
  });

  test('of an unknown name are refused with that name, the place and the known names', () => {
    const message = "open: unknown option 'limitt'; known are limit, strict, mode, onProgress";
    expect(() => resolve({ limitt: 5 })).toThrow(new TypeError(message));
  });

  test('of an unknown name are refused even when given as undefined', () => {
    expect(() => resolve({ limitt: undefined })).toThrow(TypeError);
  });

  test.each(['constructor', 'toString', '__proto__'])('named %s are unknown, like any other', (name) => {
    const given = Object.defineProperty({}, name, { value: 1, enumerable: true });
    expect(() => resolve(given)).toThrow(`unknown option '${name}'`);
  });

  test.each([
    [{ limit: 0 }, "open option 'limit': expected an integer from 1 to 100, got the number 0"],
    [{ limit: 101 }, "open option 'limit': expected an integer from 1 to 100, got the number 101"],
    [{ limit: 1.5 }, "open option 'limit': expected an integer from 1 to 100, got the number 1.5"],
    [{ limit: Number.NaN }, "open option 'limit': expected an integer from 1 to 100, got the number NaN"],
    [{ limit: '5' }, 'open option \'limit\': expected an integer from 1 to 100, got the string "5"'],
    [{ limit: null }, "open option 'limit': expected an integer from 1 to 100, got null"],
    [{ strict: 1 }, "open option 'strict': expected a boolean, got the number 1"],
    [{ mode: 'slow' }, "open option 'mode': expected one of 'fast', 'safe', got the string \"slow\""],
    [{ onProgress: {} }, "open option 'onProgress': expected a function, got an object"],
  ])('%o is refused with what was expected and what came', (given, message) => {
    expect(() => resolve(given)).toThrow(new TypeError(message));
  });

  test('at the ends of their range are accepted', () => {
    expect(resolve({ limit: 1 }).limit).toBe(1);
    expect(resolve({ limit: 100 }).limit).toBe(100);
  });

  test.each([
    [null, 'null'],
    ['text', 'the string "text"'],
    [5, 'the number 5'],
    [[], 'an array'],
    [() => 1, 'a function'],
  ])('%o in the place of all options is refused', (given, shown) => {
    expect(() => resolve(given)).toThrow(new TypeError(`open options: expected an object, got ${shown}`));
  });

  test('are resolved into a new object, and those given stay as they were', () => {
    const given = Object.freeze({ limit: 5 });
    expect(resolve(given)).not.toBe(given);
    expect(given).toEqual({ limit: 5 });
  });
});

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;

describe('the options of a journal', () => {
  const resolveJournal = (given: object) => resolveJournalOptions('openJournal', given);

  test('have these defaults', () => {
    expect(resolveJournal({})).toEqual({
      create: true,
      engine: 'auto',
      segmentBytesMin: MIB,
      segmentBytesMax: 64 * MIB,
      commitBytesMax: 4 * MIB,
      blockBytes: 4 * KIB,
      maxUndurableBytes: 64 * MIB,
      waitForLockMs: 0,
    });
  });

  test.each([
    ['segmentBytesMin', 4 * KIB, 1024 * MIB],
    ['segmentBytesMax', 4 * KIB, 1024 * MIB],
    ['commitBytesMax', KIB, 256 * MIB],
    ['maxUndurableBytes', KIB, 4096 * MIB],
    ['waitForLockMs', 0, DAY_MS],
  ])('take for %s exactly what is from %d to %d', (name, min, max) => {
    // The two ends of the sizes of segments bound each other.
    const sizes = { segmentBytesMin: 4 * KIB, segmentBytesMax: 1024 * MIB };
    for (const value of [min, max])
      expect(resolveJournal({ ...sizes, [name]: value })).toHaveProperty(name, value);
    for (const value of [min - 1, max + 1]) {
      expect(() => resolveJournal({ ...sizes, [name]: value })).toThrow(
        `option '${name}': expected an integer from ${min} to ${max}`,
      );
    }
  });

  test('take the powers of two from 512 bytes to 64 KiB as block sizes', () => {
    const taken = Array.from({ length: 20 }, (_, bits) => 2 ** bits).filter((blockBytes) => {
      try {
        return resolveJournal({ blockBytes }).blockBytes === blockBytes;
      } catch {
        return false;
      }
    });
    expect(taken).toEqual([512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]);
    expect(() => resolveJournal({ blockBytes: 1536 })).toThrow('a power of two from 512 to 65536');
  });

  test('take equal sizes for the first and the largest segment, and no first one that is larger', () => {
    const segmentBytesMax = 8 * KIB;
    expect(resolveJournal({ segmentBytesMin: segmentBytesMax, segmentBytesMax }).segmentBytesMin).toBe(
      8 * KIB,
    );
    expect(() => resolveJournal({ segmentBytesMin: segmentBytesMax + 1, segmentBytesMax })).toThrow(
      RangeError,
    );
  });
});

describe('the options of a store', () => {
  test('have these defaults', () => {
    expect(resolveStoreOptions({})).toEqual({
      create: true,
      errorIfExists: false,
      readOnly: false,
      waitForLockMs: 0,
      engine: 'auto',
      keyEncoding: 'utf8',
      encodings: [],
      valueEncoding: 'msgpack',
      maxUndurableBytes: 64 * MIB,
      autoCheckpoint: true,
      checkpointBytesMin: 16 * MIB,
      checkpointRatio: 1,
      keepOlderGeneration: false,
      retain: undefined,
      onProgress: undefined,
    });
  });

  test.each([
    ['waitForLockMs', 0, DAY_MS],
    ['maxUndurableBytes', KIB, 4096 * MIB],
    ['checkpointBytesMin', KIB, MIB * MIB],
    ['checkpointRatio', 0, 1000],
  ])('take for %s exactly what is from %d to %d', (name, min, max) => {
    for (const value of [min, max])
      expect(resolveStoreOptions({ [name]: value })).toHaveProperty(name, value);
    for (const value of [min - 1, max + 1]) {
      expect(() => resolveStoreOptions({ [name]: value })).toThrow(
        new RegExp(`'${name}': expected .* ${max},`),
      );
    }
  });
});
