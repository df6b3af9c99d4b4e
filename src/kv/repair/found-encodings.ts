// The encodings of a store that may be damaged: the first source that names them is believed, and each other source is
// compared with it.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Damage } from '../../journal/internal.js';
import { assertKnownKeyEncoding, type KeyCodec, resolveKeyEncoding } from '../encoding/key-encoding.js';
import { isEncodingName } from '../encoding/value-encoding.js';
import type { Schema } from '../entries/schema.js';
import { SpaceDefinition } from '../entries/space.js';
import { readBirth } from '../write/record-reader.js';
import type { ImageExamination } from './image-examination.js';

/** The names of the encodings of a store. */
export interface EncodingNames {
  readonly keyEncodingName: string;
  readonly valueEncodingName: string;
}

/** The encodings of one store, as far as its files name them. */
export class FoundEncodings {
  readonly #schema: Schema;
  readonly #directory: string;
  /** The encodings, or null until a file names them. Until then, the schema has no space. */
  names: EncodingNames | null = null;
  /** The damages of the files that name other encodings. */
  readonly damages: Damage[] = [];

  constructor(schema: Schema, directory: string) {
    this.#schema = schema;
    this.#directory = directory;
  }

  /**
   * Learns the encodings from the headers and the first record, or takes those that are `given`. Notes each image that names
   * others.
   */
  learnFrom(
    images: readonly ImageExamination[],
    journalId: Uint8Array | null,
    firstRecord: Uint8Array | null,
    given: EncodingNames | null,
  ): void {
    const named = images.find(
      ({ header }) =>
        header !== null && journalId !== null && Buffer.compare(header.journalId, journalId) === 0,
    );
    const birth = firstRecord === null ? null : birthOf(firstRecord, this.#directory);
    if (named?.header) this.learn(named.header);
    else if (birth !== null) this.learn(birth);
    else if (given !== null) this.learn(given);
    for (const { header, findings } of images) {
      if (header !== null) this.compare(header, { file: findings.file, offset: 0 }, true);
    }
  }

  /** Takes the encodings from the first source that names them. */
  learn(names: EncodingNames): void {
    if (this.names !== null) return;
    const { keyEncodingName, valueEncodingName } = names;
    if (!isEncodingName(valueEncodingName)) throw impossibleName();
    assertKnownKeyEncoding(keyEncodingName, this.#directory);
    this.names = { keyEncodingName, valueEncodingName };
    const keyCodec = resolveKeyEncoding('keyEncoding', keyEncodingName) as KeyCodec<unknown>;
    this.#schema.reset(new SpaceDefinition('', keyCodec, valueEncodingName));
  }

  /** Notes a damage when a file names other encodings than the store, because open() refuses such a file. */
  compare(names: EncodingNames, place: Pick<Damage, 'file' | 'offset'>, isNeeded: boolean): void {
    const { keyEncodingName, valueEncodingName } = names;
    const known = this.names ?? names;
    if (keyEncodingName === known.keyEncodingName && valueEncodingName === known.valueEncodingName) return;
    const what = `it says that keys are ${keyEncodingName} and values ${valueEncodingName}; the store has ${known.keyEncodingName} and ${known.valueEncodingName}`;
    this.damages.push({ ...place, what, isNeeded });
  }
}

/** Returns the encodings in a birth record, or null for any other record. Examination reports a malformed one as a damage. */
export function birthOf(record: Uint8Array, directory: string): EncodingNames | null {
  try {
    const birth = readBirth(record, directory);
    return isEncodingName(birth.valueEncodingName) ? birth : null;
  } catch (error) {
    if (isKeelsonError(error, 'KEELSON_DECODE')) return null;
    throw error;
  }
}

function impossibleName(): KeelsonError {
  return new KeelsonError('KEELSON_DECODE', 'The first record names no possible encoding of values');
}
