// The check of the encodings that a store has recorded against those of the options.

import { KeelsonError } from '../../errors.js';
import { assertKnownKeyEncoding } from '../encoding/key-encoding.js';
import { isBuiltInName } from '../encoding/value-encoding.js';
import type { Codecs } from '../read/reads.js';
import { isBirth, readBirth } from '../write/record-reader.js';

/** Throws unless `record` is a birth record that names the encodings of the options. */
export function checkBirth(record: Uint8Array, codecs: Codecs<unknown, unknown>, directory: string): void {
  if (!isBirth(record)) {
    throw new KeelsonError('KEELSON_FOREIGN', `The journal in ${directory} is not that of a store`, {
      path: directory,
    });
  }
  checkEncodings(readBirth(record, directory), codecs, directory);
}

/** Throws KEELSON_ENCODING_MISMATCH when `path` names other encodings than the options, or an unknown one. */
export function checkEncodings(
  recorded: { readonly keyEncodingName: string; readonly valueEncodingName: string },
  { key, value }: Codecs<unknown, unknown>,
  path: string,
): void {
  const { keyEncodingName, valueEncodingName } = recorded;
  if (keyEncodingName === key.name && valueEncodingName === value.name) return;
  assertKnownKeyEncoding(keyEncodingName, path);
  throw new KeelsonError(
    'KEELSON_ENCODING_MISMATCH',
    {
      what: `${path} has ${keyEncodingName} keys and ${valueEncodingName} values; it was opened for ${key.name} keys and ${value.name} values`,
      next: `Open it with keyEncoding: '${keyEncodingName}' and valueEncoding: ${shownValueEncoding(valueEncodingName)}`,
    },
    { path },
  );
}

function shownValueEncoding(name: string): string {
  return isBuiltInName(name) ? `'${name}'` : `the encoding of your own that is named '${name}'`;
}
