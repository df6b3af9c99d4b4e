// The spaces as of one place in the log, for a feed that reads on from there. A feed may be behind the store, which has
// dropped and created spaces since. Definitions of shapes never change, so they are those of the store.

import type { ReadCursor } from '../encoding/leb128.js';
import type { DefinitionId } from '../entries/definitions.js';
import { Entries } from '../entries/entries.js';
import type { Schema } from '../entries/schema.js';
import {
  type ExpiryOfSpaces,
  ROOT_ID,
  Space,
  type SpaceDefinition,
  type ViewsOfSpaces,
} from '../entries/space.js';
import type { RecordSchema } from '../write/record-reader.js';

/** The entries of the spaces of feeds, to which nobody writes. */
const NO_ENTRIES = new Entries(0);
const NO_VIEWS: ViewsOfSpaces = { epoch: 0, freeze: () => {} };
const NO_EXPIRY: ExpiryOfSpaces = { add: () => {}, look: () => {}, forget: () => {} };

/** The schema of a feed. */
export class FeedSchema implements RecordSchema {
  readonly root: Space;
  readonly #schema: Schema;
  readonly #spaces: Map<number, Space>;
  /** The spaces of the store when the feed was asked for, which stand in for definitions that the feed has not read. */
  readonly #storeSpaces: readonly Space[];
  /** True if the feed starts where `storeSpaces` are the spaces. */
  readonly #isCurrent: boolean;

  constructor(schema: Schema, storeSpaces: readonly Space[], isCurrent: boolean) {
    this.#schema = schema;
    this.root = schema.root;
    this.#storeSpaces = storeSpaces;
    this.#isCurrent = isCurrent;
    this.#spaces = new Map(isCurrent ? storeSpaces.map((space) => [space.id, space]) : []);
  }

  get nextSpaceId(): number {
    return this.#schema.nextSpaceId;
  }

  space(id: number): Space | undefined {
    const entered = this.#spaces.get(id);
    if (entered !== undefined || this.#isCurrent) return entered;
    return this.#storeSpaces.find((space) => space.id === id);
  }

  enteredSpace(id: number): Space | undefined {
    return this.#spaces.get(id);
  }

  spaceToCreate(id: number, definition: SpaceDefinition): Space {
    return this.newSpace(id, definition);
  }

  newSpace(id: number, definition: SpaceDefinition): Space {
    return new Space(id, definition, NO_ENTRIES, NO_VIEWS, NO_EXPIRY);
  }

  readDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId {
    return this.#schema.readOldDefinition(bytes, cursor, end);
  }

  assertDefined(id: DefinitionId): void {
    this.#schema.assertDefined(id);
  }

  /** Adds a space that the log creates or defines. */
  add(space: Space): void {
    if (space.id !== ROOT_ID) this.#spaces.set(space.id, space);
  }

  /** Removes a space that the log drops. */
  drop({ id }: Space): void {
    this.#spaces.delete(id);
  }
}
