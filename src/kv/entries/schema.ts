// The schema of a store: its spaces, and the definitions that values refer to. Readers of the log and of images need it
// before they can read keys and values.
//
// A definition is the list of property names of a shape (src/kv/encoding/shapes.ts). The log defines it before the first
// value that refers to it, and again in every epoch of the log; an image defines it in every block that refers to it. So
// the log behind a checkpoint, and each block of an image, can be read without what comes before.

import type { ReadCursor } from '../encoding/leb128.js';
import { msgpackCodec } from '../encoding/msgpack/profile.js';
import type { Scratch } from '../encoding/scratch.js';
import {
  type RandomBytes,
  readShape,
  SHAPE_DEFINITION_BYTES_MAX,
  SHAPED,
  Shapes,
  shapeIdAt,
  writeShape,
} from '../encoding/shapes.js';
import type { ValueCodec } from '../encoding/value-encoding.js';
import { Entries } from './entries.js';
import { LinkQueue } from './link-queue.js';
import { ROOT_ID, Space, type SpaceDefinition, StoreView } from './space.js';

/** The id of a definition. */
export type DefinitionId = number;

/** No definition: the value can be read by itself. */
export const NO_DEFINITION = -1;

/** The most bytes of one definition. */
export const DEFINITION_BYTES_MAX = SHAPE_DEFINITION_BYTES_MAX;

/** Definitions are repeated after this much log, so that losing one makes at most 256 KiB of records unreadable. */
const EPOCH_BYTES = 256 * 1024;

export class Schema {
  /** The links that commits have put off, of all spaces. */
  readonly links = new LinkQueue();
  /** The msgpack codec of this store, whose values may refer to definitions. */
  readonly msgpack: ValueCodec<unknown>;
  /** The seed of the hashes of keys. Nobody who chooses keys can know it: see hashKey(). */
  readonly seed: number;
  readonly #shapes: Shapes;
  #spaces = new Map<number, Space>();
  #nextSpaceId = ROOT_ID + 1;
  #epoch = 1;
  /** A write at or above this LSN starts an epoch. */
  #epochEndLsn = EPOCH_BYTES;

  /** `randomBytes` comes from the storage, so that a simulated disk decides it. */
  constructor(randomBytes: RandomBytes) {
    this.#shapes = new Shapes(randomBytes);
    this.msgpack = msgpackCodec(this.#shapes);
    this.seed = randomBytes(4).reduce((seed, byte) => (seed << 8) | byte, 0);
  }

  /** The space of the store itself. It is added before anything is read or written. */
  get root(): Space {
    return this.#spaces.get(ROOT_ID)!;
  }

  /** All spaces, in the order of their ids. */
  get spaces(): readonly Space[] {
    return [...this.#spaces.values()].sort((a, b) => a.id - b.id);
  }

  /** The id of the next space that is created. Ids never return. */
  get nextSpaceId(): number {
    return this.#nextSpaceId;
  }

  /** Returns a space, or undefined. */
  space(id: number): Space | undefined {
    return this.#spaces.get(id);
  }

  /** Makes an empty space, without adding it. */
  newSpace(id: number, definition: SpaceDefinition): Space {
    return new Space(id, definition, new Entries(this.seed, this.links));
  }

  /** Adds a space. */
  add(space: Space): void {
    this.#spaces.set(space.id, space);
    this.#nextSpaceId = Math.max(this.#nextSpaceId, space.id + 1);
  }

  /** Removes a space and its entries. O(1) for the caller. */
  drop(id: number): void {
    this.#spaces.delete(id);
  }

  /** Replaces all spaces by an empty root space. */
  reset(root: SpaceDefinition): void {
    this.replaceAll([this.newSpace(ROOT_ID, root)], ROOT_ID + 1);
  }

  /** Replaces all spaces by those of an image. */
  replaceAll(spaces: readonly Space[], nextSpaceId: number): void {
    this.#spaces = new Map(spaces.map((space) => [space.id, space]));
    this.#nextSpaceId = nextSpaceId;
  }

  /** Returns a view of all spaces. `lsn` is the LSN of the last write. */
  view(lsn: number): StoreView {
    const spaces = this.spaces.map((space) => ({
      space,
      entries: space.entries.view(),
      bytes: space.entries.memory.valueBytes,
      lastLsn: space.lastLsn,
    }));
    return new StoreView(lsn, this.#nextSpaceId, spaces);
  }

  /**
   * Returns the definition that the value `bytes[start, end)` refers to, or NO_DEFINITION. Throws KEELSON_DECODE when the
   * value ends inside the reference.
   */
  referenceIn(space: SpaceDefinition, bytes: Uint8Array, start: number, end: number): DefinitionId {
    return space.hasReferences && start < end && bytes[start] === SHAPED
      ? shapeIdAt(bytes, start, end)
      : NO_DEFINITION;
  }

  /** Throws KEELSON_DECODE when nothing has defined the id. */
  assertDefined(id: DefinitionId): void {
    this.#shapes.get(id);
  }

  /** Returns true when the log defines the id in this epoch. */
  isRecorded(id: DefinitionId): boolean {
    return this.#shapes.get(id).epoch === this.#epoch;
  }

  /** Says that a record with the definition is in the log. */
  recorded(id: DefinitionId): void {
    this.#shapes.get(id).epoch = this.#epoch;
  }

  /** Starts an epoch at `lsn`: the log defines everything again. A checkpoint calls it, and so does committed(). */
  startEpoch(lsn: number): void {
    this.#epoch++;
    this.#epochEndLsn = lsn + EPOCH_BYTES;
  }

  /** Called after every commit. */
  committed(lsn: number): void {
    if (lsn >= this.#epochEndLsn) this.startEpoch(lsn);
  }

  /** Writes a definition behind what is in `out`. */
  writeDefinition(id: DefinitionId, out: Scratch): void {
    out.reserve(DEFINITION_BYTES_MAX);
    out.at = writeShape(out.bytes, this.#shapes.get(id), out.at);
  }

  /**
   * Reads a definition at the cursor, moves past it, and adds it: definitions are good wherever they stand. Throws
   * KEELSON_DECODE when it is malformed, or its id stands for something else already.
   */
  readDefinition(bytes: Uint8Array, cursor: ReadCursor, end: number): DefinitionId {
    const shape = readShape(bytes, cursor, end);
    this.#shapes.enter(shape);
    return shape.id;
  }
}
