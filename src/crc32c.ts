// CRC-32C (Castagnoli), the checksum of everything that Keelson writes. A leaf: pure, portable, no imports.
// Slicing-by-8 (Kounavis and Berry, 2005): each step takes eight bytes through eight tables.
//
// Functions take and return the register without the final inversion. So a common prefix, such as a journal id and a
// salt, is checksummed once, and every frame continues from its register. Start from CRC32C_START and end with
// crc32cFinish().

const POLYNOMIAL_REFLECTED = 0x82f63b78;
const SLICES = 8;

/** Register before the first byte. */
export const CRC32C_START = -1;

const [T0, T1, T2, T3, T4, T5, T6, T7] = crc32cTables() as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** Index in the first table by the highest byte of the entry. Each highest byte occurs exactly once. */
const TABLE_INDEX = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) TABLE_INDEX[T0[byte]! >>> 24] = byte;

function crc32cTables(): Int32Array[] {
  const tables = Array.from({ length: SLICES }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) {
      register = register & 1 ? (register >>> 1) ^ POLYNOMIAL_REFLECTED : register >>> 1;
    }
    tables[0]![byte] = register;
  }
  for (let slice = 1; slice < SLICES; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const previous = tables[slice - 1]![byte]!;
      tables[slice]![byte] = (previous >>> 8) ^ tables[0]![previous & 0xff]!;
    }
  }
  return tables;
}

/** Returns the register after `bytes[start, end)`, given the register before them. */
export function crc32cUpdate(register: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = register;
  let at = start;
  for (; at + SLICES <= end; at += SLICES) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}

/** Returns the register after the eight little-endian bytes of an unsigned integer below 2^53. */
export function crc32cUpdateUint64(register: number, value: number): number {
  const low = crc32cUpdateUint32(register, value % 0x1_0000_0000);
  return crc32cUpdateUint32(low, Math.floor(value / 0x1_0000_0000));
}

function crc32cUpdateUint32(register: number, value: number): number {
  const low = register ^ (value | 0);
  return T3[low & 0xff]! ^ T2[(low >>> 8) & 0xff]! ^ T1[(low >>> 16) & 0xff]! ^ T0[low >>> 24]!;
}

/** Returns the register before `bytes[start, end)`, given the register after them. The inverse of crc32cUpdate(). */
export function crc32cUndo(register: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = register;
  for (let at = end - 1; at >= start; at--) {
    const index = TABLE_INDEX[crc >>> 24]!;
    crc = ((crc ^ T0[index]!) << 8) | (index ^ bytes[at]!);
  }
  return crc;
}

/** Returns the checksum, an unsigned 32-bit integer, given the register after the last byte. */
export function crc32cFinish(register: number): number {
  return ~register >>> 0;
}

/** Returns the CRC-32C of `bytes`, as RFC 3720 defines it. */
export function crc32c(bytes: Uint8Array): number {
  return crc32cFinish(crc32cUpdate(CRC32C_START, bytes, 0, bytes.length));
}
