// What the trials put into stores: keys of 16 bytes and values of 100, and how a store is filled with them.

import { randomFillSync } from 'node:crypto';
import { open } from '../../dist/index.js';
import { randomOrder } from './permutation.js';

export const ENTRY_BYTES = 116;
const VALUE_BYTES = 100;

/** Each group of a fill, or of an overwrite, is durable before the next one starts. */
export const GROUP_PUTS = 1000;

/** Plus a number, sixteen digits: made in one piece, where a padded string would be two and take more memory. */
const LOWEST_KEY = 1e15;

/** Values are made before anything is measured. A power of two. */
const VALUES = 1024;
const values = Array.from({ length: VALUES }, () => randomFillSync(new Uint8Array(VALUE_BYTES)));

export const keyAt = (number) => String(LOWEST_KEY + number);
export const valueAt = (number) => values[number & (VALUES - 1)];

export const openStore = (directory, options = {}) => open(directory, { valueEncoding: 'bytes', ...options });

/** Numbers below `limit`, the same ones in every run. */
export function randomNumbers(limit, seed = 1) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const inTurn = (turn) => turn;

/** Which key is put when, for fills of `count` entries. */
export const ORDERS = { ascending: () => inTurn, random: randomOrder };

/** Puts `puts` entries in durable groups; `numberOf` says which one is next. */
export async function putInGroups(db, puts, numberOf) {
  for (let turn = 0; turn < puts; ) {
    const groupEnd = Math.min(puts, turn + GROUP_PUTS);
    let last;
    for (; turn < groupEnd; turn++) last = db.put(keyAt(numberOf(turn)), valueAt(turn));
    await last;
  }
}

/** Returns the value in the middle, or the higher one of two. */
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Runs `work` and says how many seconds it took. */
export async function secondsOf(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}
