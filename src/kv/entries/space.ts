// A space: a namespace of a store, with its own entries, key encoding and value encoding. The root space is the store
// itself; it has id 0 and no name.

import type { KeyCodec } from '../encoding/key-encoding.js';
import type { Entries } from './entries.js';
import type { FrozenEntries } from './frozen-entries.js';

/** The id of the root space. */
export const ROOT_ID = 0;

/** The definition of a space: its name and encodings, as the log and images have them. */
export class SpaceDefinition {
  /** The name; '' for the root space. */
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

/** A view of a space. */
export interface SpaceView {
  readonly space: Space;
  readonly entries: FrozenEntries;
  /** The bytes that the entries took at that moment. */
  readonly bytes: number;
  /** The LSN of the last write to the space at that moment. */
  readonly lastLsn: number;
}

/** A view of a whole store: all spaces as they were after the write at `lsn`. */
export class StoreView {
  readonly lsn: number;
  /** The id of the next space that is created. Ids never return. */
  readonly nextSpaceId: number;
  /** The spaces in the order of their ids. */
  readonly spaces: readonly SpaceView[];

  constructor(lsn: number, nextSpaceId: number, spaces: readonly SpaceView[]) {
    this.lsn = lsn;
    this.nextSpaceId = nextSpaceId;
    this.spaces = spaces;
  }

  /** The number of entries in all spaces. */
  get size(): number {
    return this.spaces.reduce((sum, { entries }) => sum + entries.size, 0);
  }

  /** Returns the entries of a space, or undefined when the space was not there. */
  in(id: number): FrozenEntries | undefined {
    return this.spaces.find(({ space }) => space.id === id)?.entries;
  }
}
