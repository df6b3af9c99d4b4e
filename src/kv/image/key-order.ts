// The order of keys, by their bytes on the disk. Pure.
//
// Keys are in the order of their UTF-16 code units. The order of their bytes in UTF-8 is the same but for one case: a
// surrogate pair (four bytes, the first of them F0 to F4) comes before U+E000 to U+FFFF (three bytes, EE or EF first).

import type { KeyEncodingName } from '../encoding/key-encoding.js';

const LEAD_OF_E000 = 0xee;
const LEAD_OF_PAIRS = 0xf0;
const LEADS_OF_PAIRS = 5;

/**
 * Returns true when a key comes after the last key. They have `commonBytes` first bytes in common. With `lastBytes` -1
 * there is no last key.
 */
export function isKeyAbove(
  encoding: KeyEncodingName,
  commonBytes: number,
  key: Uint8Array,
  keyBytes: number,
  last: Uint8Array,
  lastBytes: number,
): boolean {
  if (commonBytes >= lastBytes) return keyBytes > lastBytes;
  if (commonBytes === keyBytes) return false;
  const [one, other] = [key[commonBytes]!, last[commonBytes]!];
  return encoding === 'utf8' ? unitRank(one) > unitRank(other) : one > other;
}

/** Returns a number that orders the first different bytes of two keys in UTF-8 as their code units are ordered. */
function unitRank(byte: number): number {
  if (byte < LEAD_OF_E000) return byte;
  return byte >= LEAD_OF_PAIRS ? byte - (LEAD_OF_PAIRS - LEAD_OF_E000) : byte + LEADS_OF_PAIRS;
}
