// What the trials put and look for: keys, values and orders. All of it is the same in every run and for every store. It is
// made before the clock runs, except for the keys of a store that puts more than measurements.js expects.

import { randomOrder } from '../store/permutation.js';

const KEY_PREFIX = 'user:';
const KEY_DIGITS = 9;
const KEY_BYTES = KEY_PREFIX.length + KEY_DIGITS;
const ZERO = 48;

const keyBytes = Buffer.from(KEY_PREFIX + '0'.repeat(KEY_DIGITS));

/** `user:000000123`. A fresh flat string each time: no store gains by being asked with the very object that it holds. */
export function keyAt(number) {
  let rest = number;
  for (let at = KEY_BYTES - 1; at >= KEY_PREFIX.length; at--) {
    keyBytes[at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return keyBytes.latin1Slice(0, KEY_BYTES);
}

/** The keys of these numbers: `count` of them, `numberOf` says which one is next. */
export const keysOf = (count, numberOf) => Array.from({ length: count }, (_, turn) => keyAt(numberOf(turn)));

/** Numbers below 2 ** 32, the same ones for a seed (mulberry32). */
function randomWords(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Every number below `count` once, in an order that the seed draws. */
export function shuffledNumbers(count, seed = 1) {
  const numbers = Uint32Array.from({ length: count }, (_, at) => at);
  const random = randomWords(seed);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor((random() / 2 ** 32) * (at + 1));
    [numbers[at], numbers[other]] = [numbers[other], numbers[at]];
  }
  return numbers;
}

/** The number of different keys. */
export const KEYS = 10 ** KEY_DIGITS;

/** Returns the number of a turn's key: each turn has another one, in an order that looks random. */
export const scatteredNumber = randomOrder(KEYS);

const POOL_BYTES = 2 ** 20;
const VALUE_BYTES = 100;
const PRINTABLE_FIRST = 35;
const PRINTABLES = 64;

/** A prime above the length of the longest text. */
const POOL_STRIDE = 10_007;

/**
 * Returns where the value of a number begins in a pool. The values of neighbours share nothing, so nothing compresses by
 * luck.
 */
const poolOffset = (number, length) => (number * POOL_STRIDE) % (POOL_BYTES - length);

const poolWords = randomWords(2);
const binaryPool = Uint8Array.from({ length: POOL_BYTES }, () => poolWords() & 0xff);
const stringPool = Buffer.from(binaryPool.map((byte) => PRINTABLE_FIRST + (byte % PRINTABLES)));

const digits = (number, length) => String(number).padStart(length, '0');

function textAt(number, length) {
  const offset = poolOffset(number, length);
  return stringPool.latin1Slice(offset, offset + length);
}

/** Numbers from 256 to 65,535, which take three bytes in MessagePack. */
const threeByteNumber = (number) => 256 + (number % 65_280);

/** Objects `{ id, text }` that take `bytes` in MessagePack; `otherBytes` are the bytes of all but the characters. */
const textObjects = (bytes, otherBytes) => ({
  kind: 'objects',
  bytes,
  at: (number) => ({ id: threeByteNumber(number), text: textAt(number, bytes - otherBytes) }),
  isSame: (a, b) => a.id === b.id && a.text === b.text,
  look: (value) => value.id + value.text.length,
});

/**
 * Values that a trial can store. `kind` is what a driver is told, `bytes` what a value takes in MessagePack or as it is,
 * `at` makes the value of a number, `isSame` compares two, and `look` reads from one, so that no value stays undecoded.
 */
export const VALUES = {
  /** Five fields. */
  objects: {
    kind: 'objects',
    bytes: 72,
    at: (number) => ({
      id: number,
      name: `name-${digits(number % 1e7, 7)}`,
      email: `u${digits(number % 1e7, 7)}@example.com`,
      logins: 256 + (number % 1000),
      active: number % 2 === 0,
    }),
    isSame: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    look: (value) => value.logins + value.email.length,
  },
  /** A hundred printable ASCII characters. */
  strings: {
    kind: 'strings',
    bytes: VALUE_BYTES,
    at: (number) => textAt(number, VALUE_BYTES),
    isSame: (a, b) => a === b,
    look: (value) => value.charCodeAt(VALUE_BYTES - 1),
  },
  /** A hundred random bytes. */
  binaries: {
    kind: 'binaries',
    bytes: VALUE_BYTES,
    at(number) {
      const offset = poolOffset(number, VALUE_BYTES);
      return binaryPool.slice(offset, offset + VALUE_BYTES);
    },
    isSame: (a, b) => a instanceof Uint8Array && Buffer.compare(a, b) === 0,
    look: (value) => value[VALUE_BYTES - 1],
  },
  // The map, two names and the number take 12 bytes, and the length of the text 1 or 3.
  'objects-20b': textObjects(20, 13),
  'objects-1kb': textObjects(1000, 15),
  'objects-10kb': textObjects(10_000, 15),
};

/** Operations of one batch, as abstract-level and Keelson take them. */
export const putsOf = (values, from, to) =>
  Array.from({ length: to - from }, (_, at) => ({
    type: 'put',
    key: keyAt(from + at),
    value: VALUES[values].at(from + at),
  }));
