// The limit of a key, and the error for a longer one. Pure.

import { type ArgumentName, KeelsonError } from '../../errors.js';

/** The longest key, in bytes on disk. The bounds of a range have the same limit. */
export const KEY_BYTES_MAX = 65_536;

/** Throws KEELSON_KEY_TOO_LARGE that names `argument`, if a key of `lengthBytes` bytes is too long. */
export function checkKeyLength(argument: ArgumentName, lengthBytes: number): void {
  if (lengthBytes <= KEY_BYTES_MAX) return;
  throw new KeelsonError(
    'KEELSON_KEY_TOO_LARGE',
    `${argument}: a key has at most ${KEY_BYTES_MAX} bytes, this one has ${lengthBytes}`,
  );
}
