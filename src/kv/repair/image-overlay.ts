// The overlay of a damaged image: applies its whole blocks to the older entries of the examined store.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import { RECORD_BYTES_MAX } from '../../storage/index.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import { bytesKeyCodec, type IndexKey, type KeyCodec } from '../encoding/key-encoding.js';
import type { Schema } from '../entries/schema.js';
import { type Space, SpaceDefinition } from '../entries/space.js';
import { BLOCK_KIND, FOUND_DUE, type ImageBlockHead } from '../image/image-format.js';
import { type ImageTable, readImageTable } from '../image/image-table.js';
import { applyWrites } from '../write/change-entries.js';
import { WriteSet } from '../write/write-set.js';
import type { Block, ImageExamination } from './image-examination.js';
import type { LostSpaces } from './lost-spaces.js';

/**
 * Applies the whole blocks of a damaged image to entries that are as old as the image, or older. The image has no
 * keys between the first and the last key of a block but those in the block, and none between two blocks that follow each
 * other. So other keys in these ranges are deleted, and so are older spaces that the table does not have. A space that
 * nothing defines is one of `lost`. Nobody knows the order of its keys, so none of them is deleted.
 *
 * `laterIds` are the spaces of newer images. One of them may have an id below the next one of this image, because an id is
 * taken before the first write to its space.
 */
export async function overlayImage(
  image: ImageExamination,
  schema: Schema,
  lost: LostSpaces,
  laterIds: ReadonlySet<number> = NO_IDS,
): Promise<void> {
  const overlay = new Overlay(image, schema, lost, laterIds);
  for await (const piece of image.pieces()) {
    try {
      if (piece.kind === 'damage') overlay.skip();
      else if (piece.head.kind === BLOCK_KIND.table) overlay.table(readImageTable(piece.bytes), piece.head);
      else if (piece.head.kind === BLOCK_KIND.entries) overlay.entries(piece);
    } catch (error) {
      if (!isKeelsonError(error)) throw error;
      overlay.skip();
    }
  }
}

/** An entry of a block. Its value is in the bytes of the block. */
interface FoundEntry {
  readonly key: IndexKey;
  readonly version: number;
  readonly start: number;
  readonly end: number;
  readonly deadline: number;
}

/** A position in the image: the keys of this space up to `key` have been applied. Without a key, none has. */
interface Position {
  readonly spaceId: number;
  readonly key: IndexKey | undefined;
}

/** The overlay of one image. */
class Overlay {
  readonly #image: ImageExamination;
  readonly #schema: Schema;
  readonly #lost: LostSpaces;
  readonly #laterIds: ReadonlySet<number>;
  readonly #writes: WriteSet;
  /** The end of the last block, or null after damage. */
  #position: Position | null = null;

  constructor(image: ImageExamination, schema: Schema, lost: LostSpaces, laterIds: ReadonlySet<number>) {
    this.#image = image;
    this.#schema = schema;
    this.#lost = lost;
    this.#laterIds = laterIds;
    this.#writes = new WriteSet(RECORD_BYTES_MAX, schema);
  }

  /** Notes damage: nobody knows the keys between the blocks around it. */
  skip(): void {
    this.#position = null;
  }

  /** Applies a table: drops older spaces that it does not have. The second table also says that no keys follow. */
  table({ spaces, nextSpaceId }: ImageTable, { number }: ImageBlockHead): void {
    const ids = new Set(spaces.map(({ id }) => id));
    for (const space of this.#schema.spaces) {
      if (space.id >= nextSpaceId || ids.has(space.id) || this.#laterIds.has(space.id)) continue;
      this.#apply(this.#image.lsn, (writes) => writes.addDrop(space));
    }
    for (const { id, lastLsn } of spaces) {
      const space = this.#schema.space(id);
      if (space !== undefined) space.lastLsn = Math.max(space.lastLsn, lastLsn);
    }
    if (number === 0) this.#position = { spaceId: 0, key: undefined };
    else if (this.#position !== null) this.#clearUpTo({ spaceId: nextSpaceId, key: undefined });
  }

  /** Applies a block of entries. */
  entries(block: Block): void {
    const { spaceId } = block.head;
    const known = this.#schema.space(spaceId);
    if (known === undefined && this.#image.spaceIds !== null) throw unknownSpace(block.head);
    const space = known ?? this.#lost.make(spaceId);
    // The block is read to its end before any entry is applied, because reading it may throw.
    const found = this.#lost.has(space) ? this.#readLost(block) : this.#read(block, space);
    if (known === undefined) this.#apply(this.#image.lsn, (writes) => writes.addCreate(space));
    const high = found.at(-1)!.key;
    if (this.#position === null) this.#clear(space, { low: found[0]!.key, lowInclusive: true, high });
    else this.#clearUpTo({ spaceId: space.id, key: high });
    for (const { key, version, start, end, deadline } of found) {
      if (deadline === FOUND_DUE) this.#apply(version, (writes) => writes.addExpire(space, key));
      else this.#apply(version, (writes) => writes.addPut(space, key, start, end, deadline), block.bytes);
    }
    this.#position = { spaceId: space.id, key: high };
  }

  #read(block: Block, space: SpaceDefinition): FoundEntry[] {
    const found: FoundEntry[] = [];
    this.#image.visitEntries(block, this.#schema, space, (key, version, start, end, deadline) =>
      found.push({ key, version, start, end, deadline }),
    );
    return found;
  }

  /** Reads a block of a lost space. If its values are not msgpack, they refer to no definitions. */
  #readLost(block: Block): FoundEntry[] {
    try {
      return this.#read(block, LOST_MSGPACK);
    } catch (error) {
      if (!isKeelsonError(error)) throw error;
      return this.#read(block, LOST_BYTES);
    }
  }

  /** Deletes the keys above the position, up to the key of another position. */
  #clearUpTo(to: Position): void {
    const from = this.#position!;
    for (const space of this.#schema.spaces) {
      if (space.id < from.spaceId || space.id > to.spaceId) continue;
      const low = space.id === from.spaceId ? from.key : undefined;
      const high = space.id === to.spaceId ? to.key : undefined;
      if (space.id === to.spaceId && high === undefined) continue;
      this.#clear(space, { low, lowInclusive: false, high });
    }
  }

  #clear(space: Space, { low, lowInclusive, high }: Omit<KeyBounds, 'highInclusive'>): void {
    if (this.#lost.has(space)) return;
    const bounds = { low, lowInclusive: low === undefined || lowInclusive, high, highInclusive: true };
    this.#apply(this.#image.lsn, (writes) => writes.addClear(space, bounds));
  }

  #apply(lsn: number, add: (writes: WriteSet) => void, bytes: Uint8Array = NO_BYTES): void {
    this.#writes.beginReading(bytes);
    add(this.#writes);
    applyWrites(this.#schema, this.#writes, lsn);
  }
}

const NO_BYTES = new Uint8Array(0);
const NO_IDS: ReadonlySet<number> = new Set();

/** The definitions by which the blocks of lost spaces are read. */
const [LOST_MSGPACK, LOST_BYTES] = ['msgpack', 'bytes'].map(
  (valueEncoding) => new SpaceDefinition('', bytesKeyCodec as KeyCodec<unknown>, valueEncoding),
) as [SpaceDefinition, SpaceDefinition];

/** Returns the error for a block of a space that the whole table of its image does not have. */
function unknownSpace({ number, spaceId }: ImageBlockHead): KeelsonError {
  return new KeelsonError(
    'KEELSON_CORRUPT',
    `block ${number} is of space ${spaceId}, of which nothing is known`,
  );
}
