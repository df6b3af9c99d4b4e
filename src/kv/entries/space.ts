// A space: a namespace of a store, with its own entries, key encoding and value encoding. The root space is the store
// itself; it has id 0 and no name.

import type { KeyCodec } from '../encoding/key-encoding.js';
import type { Entries } from './entries.js';

/** The id of the root space. */
export const ROOT_ID = 0;

/** The highest id of a space: an image has 32 bits for it. */
export const SPACE_ID_MAX = 2 ** 32 - 1;

/** The definition of a space: its name and encodings, as the log and images have them. */
export class SpaceDefinition {
  /** The name, which is '' for the root space. */
  readonly name: string;
  readonly keyCodec: KeyCodec<unknown>;
  readonly valueEncodingName: string;
  /** True when values of this space may refer to definitions; see Schema. */
  readonly hasReferences: boolean;

  constructor(name: string, keyCodec: KeyCodec<unknown>, valueEncodingName: string) {
    this.name = name;
    this.keyCodec = keyCodec;
    this.valueEncodingName = valueEncodingName;
    this.hasReferences = valueEncodingName === 'msgpack';
  }

  /** Returns true when both definitions have the same name and encodings. */
  equals({ name, keyCodec, valueEncodingName }: SpaceDefinition): boolean {
    return this.name === name && this.keyCodec === keyCodec && this.valueEncodingName === valueEncodingName;
  }
}

/** A space of an open store. */
export class Space extends SpaceDefinition {
  readonly id: number;
  readonly entries: Entries;
  /** The LSN of the last write to this space. */
  lastLsn = 0;

  constructor(id: number, { name, keyCodec, valueEncodingName }: SpaceDefinition, entries: Entries) {
    super(name, keyCodec, valueEncodingName);
    this.id = id;
    this.entries = entries;
  }
}
