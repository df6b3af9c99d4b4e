// The bytes of a key in a slab, and the hash of a key. Pure.
//
// A narrow key takes one byte for each UTF-16 code unit. A wide key has a unit above U+00FF, and takes two bytes for
// each unit. The key field of an entry is the number of units times two, plus one for a wide key. An entry with a
// deadline has one more bit set in it.

import type { IndexKey } from '../encoding/key-encoding.js';
import { readLatin1, readUtf16 } from '../encoding/utf8.js';

const NARROW_UNIT_MAX = 0xff;

/**
 * The shortest substring that V8 makes without a copy, in units. Such a substring keeps the string that it comes from
 * in memory.
 */
const SLICED_UNITS_MIN = 13;

/** Stands for the hash of a key that turns out to be wide. Hashes have 32 bits. */
export const WIDE_KEY = 2 ** 32;

/** The bit of the key field that says that the entry has a deadline. */
export const DEADLINE_BIT = 2 ** 30;

/** The bits of the number of units, once the key field was shifted by one. */
const UNITS_MASK = 2 ** 29 - 1;

/** Returns the key field of a key if it is narrow. */
export function narrowKeyField(key: IndexKey): number {
  return key.length * 2;
}

/** Returns the key field of a wide key. */
export function wideKeyField(key: IndexKey): number {
  return key.length * 2 + 1;
}

/** Returns the number of bytes that writeHashedKey() writes. */
export function keyBytesOf(keyField: number): number {
  return unitsOf(keyField) << (keyField & 1);
}

/** Returns the number of UTF-16 code units of the key. */
function unitsOf(keyField: number): number {
  return (keyField >>> 1) & UNITS_MASK;
}

/**
 * Writes a key with the key field `keyField` at `at`, and returns its hash: see hashKey(). Returns WIDE_KEY for a wide key
 * with the key field of a narrow one; the bytes do not count then.
 */
export function writeHashedKey(
  bytes: Uint8Array,
  at: number,
  key: IndexKey,
  keyField: number,
  seed: number,
): number {
  const isWide = (keyField & 1) === 1;
  let target = at;
  let hash = seed ^ key.length;
  let all = 0;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    all |= unit;
    hash = mixed(hash, unit);
    bytes[target++] = unit;
    if (isWide) bytes[target++] = unit >>> 8;
  }
  return all > NARROW_UNIT_MAX && !isWide ? WIDE_KEY : finished(hash);
}

/** Returns true for a key that may be a substring that keeps a longer string in memory. */
export function mayBeSlice(key: IndexKey): boolean {
  return key.length >= SLICED_UNITS_MIN;
}

/** Returns the key, as a string that keeps no longer string in memory. */
export function ownCopyOf(key: IndexKey): IndexKey {
  return mayBeSlice(key) ? Buffer.from(key, 'utf16le').toString('utf16le') : key;
}

/** Returns the key that writeHashedKey() wrote at `start`. The string shares no memory with another string. */
export function readKey(bytes: Uint8Array, start: number, keyField: number): IndexKey {
  const end = start + keyBytesOf(keyField);
  return (keyField & 1) === 1 ? readUtf16(bytes, start, end) : readLatin1(bytes, start, end);
}

/** Returns true when this key stands at `start`. */
export function isSameKey(bytes: Uint8Array, start: number, keyField: number, key: IndexKey): boolean {
  const { length } = key;
  if (unitsOf(keyField) !== length) return false;
  if ((keyField & 1) === 1) return isSameWideKey(bytes, start, key);
  for (let index = 0; index < length; index++) {
    if (bytes[start + index] !== key.charCodeAt(index)) return false;
  }
  return true;
}

function isSameWideKey(bytes: Uint8Array, start: number, key: IndexKey): boolean {
  for (let index = 0; index < key.length; index++) {
    if (wideUnitAt(bytes, start + index * 2) !== key.charCodeAt(index)) return false;
  }
  return true;
}

function wideUnitAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** Returns a hash of 32 bits. The seed is secret, so nobody who chooses keys knows which keys collide. */
export function hashKey(key: IndexKey, seed: number): number {
  let hash = seed ^ key.length;
  for (let index = 0; index < key.length; index++) hash = mixed(hash, key.charCodeAt(index));
  return finished(hash);
}

/** Returns the hashKey() of the key that writeHashedKey() wrote at `start`. */
export function hashKeyBytes(bytes: Uint8Array, start: number, keyField: number, seed: number): number {
  const units = unitsOf(keyField);
  const isWide = (keyField & 1) === 1;
  let hash = seed ^ units;
  for (let index = 0; index < units; index++) {
    hash = mixed(hash, isWide ? wideUnitAt(bytes, start + index * 2) : bytes[start + index]!);
  }
  return finished(hash);
}

function mixed(hash: number, unit: number): number {
  const product = Math.imul(hash ^ unit, 0x9e37_79b1);
  return product ^ (product >>> 15);
}

/** Applies the finalizer of MurmurHash3, so that every bit of the hash depends on every unit of the key. */
function finished(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return bits ^ (bits >>> 16);
}
