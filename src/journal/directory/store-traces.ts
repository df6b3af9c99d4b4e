// The traces of a store in a directory: its images, and the first record of its log. Pure.
//
// The journal of a store belongs to the store. A program that opened it as a journal could append what no store
// reads, and remove what the store needs.

import { KeelsonError } from '../../errors.js';

const IMAGE_PATTERN = /^\d{16}\.image(\.tmp)?$/;

const BIRTH_KIND = 1;
const KEY_ENCODINGS = ['utf8', 'bytes', 'tuple'];
/** Limit of the bytes of the name of a value encoding. */
const NAME_BYTES_MAX = 128;

/**
 * Throws KEELSON_FOREIGN if the directory holds a store.
 *
 * @param firstRecord The record at the start of the log, or null if it is not there.
 */
export function refuseStore(
  directory: string,
  names: readonly string[],
  firstRecord: Uint8Array | null,
): void {
  const isStore =
    names.some((name) => IMAGE_PATTERN.test(name)) || (firstRecord !== null && isBirth(firstRecord));
  if (!isStore) return;
  throw new KeelsonError(
    'KEELSON_FOREIGN',
    {
      what: `${directory} holds a store, and its journal is the store's alone`,
      next: "Open it with open() from 'keelson'",
    },
    { path: directory },
  );
}

/**
 * Returns true for the birth record of a store: its kind, a format version, and the names of the key encoding
 * and of the value encoding, each behind its length. docs/FORMAT.md is the authority.
 */
export function isBirth(record: Uint8Array): boolean {
  if (record[0] !== BIRTH_KIND || record[1] === 0) return false;
  const keyNameEnd = 3 + (record[2] ?? 0);
  const keyName = Buffer.from(record.subarray(3, keyNameEnd)).toString('latin1');
  if (!KEY_ENCODINGS.includes(keyName)) return false;
  const rest = record.subarray(keyNameEnd);
  const length = rest[0] ?? 0;
  // A LEB128 length: one byte up to 127, two bytes for 128.
  if (length < NAME_BYTES_MAX) return length > 0 && rest.length === 1 + length;
  return length === NAME_BYTES_MAX && rest[1] === 1 && rest.length === 2 + NAME_BYTES_MAX;
}
