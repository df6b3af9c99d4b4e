// What the trials put and look for: keys, the three kinds of values, and orders. All of it is the same in every run and for
// every store, and is made outside of what is timed.

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

const POOL_BYTES = 2 ** 20;
export const VALUE_BYTES = 100;
const PRINTABLE_FIRST = 35;
const PRINTABLES = 64;

/** Of the pool, where the value of a number begins: neighbours share nothing, so that nothing compresses by luck. */
const poolOffset = (number) => (number * 7919) % (POOL_BYTES - VALUE_BYTES);

const poolWords = randomWords(2);
const binaryPool = Uint8Array.from({ length: POOL_BYTES }, () => poolWords() & 0xff);
const stringPool = Buffer.from(binaryPool.map((byte) => PRINTABLE_FIRST + (byte % PRINTABLES)));

const digits = (number, length) => String(number).padStart(length, '0');

/** What can be stored: the value of a number, whether two are the same, and a look into one, so that none stays undecoded. */
export const VALUES = {
  /** Five fields, 72 bytes in MessagePack. */
  objects: {
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
    at: (number) => stringPool.latin1Slice(poolOffset(number), poolOffset(number) + VALUE_BYTES),
    isSame: (a, b) => a === b,
    look: (value) => value.charCodeAt(VALUE_BYTES - 1),
  },
  /** A hundred random bytes. */
  binaries: {
    at: (number) => binaryPool.slice(poolOffset(number), poolOffset(number) + VALUE_BYTES),
    isSame: (a, b) => a instanceof Uint8Array && Buffer.compare(a, b) === 0,
    look: (value) => value[VALUE_BYTES - 1],
  },
};

/** Operations of one batch, as abstract-level and Keelson take them. */
export const putsOf = (values, from, to) =>
  Array.from({ length: to - from }, (_, at) => ({
    type: 'put',
    key: keyAt(from + at),
    value: VALUES[values].at(from + at),
  }));
