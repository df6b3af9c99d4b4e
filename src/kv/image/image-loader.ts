// Loads a whole image, with turns of the event loop between its blocks. Refuses an image with any damage; src/kv/repair
// reads damaged images.

import { isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import { nextTurn } from '../../schedulers.js';
import { type Storage, type StorageFile, startRead } from '../../storage/index.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { Entries } from '../entries/entries.js';
import { EntriesLoader } from '../entries/entries-loader.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import { readImageEntries, verifyImageBlock } from './image-block-reader.js';
import {
  damagedImage,
  FOUND_DUE,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  type ImageBlockHead,
  imageSeed,
  readImageBlockHead,
} from './image-format.js';
import {
  decodeImageHeader,
  IMAGE_HEADER_BYTES,
  type ImageHeader,
  type ImageHeaderVerdict,
} from './image-header.js';
import { ImageOutline } from './image-outline.js';
import type { ImageTableRow } from './image-table.js';

/** The size of the pieces in which an image is read. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** The number of entries after which the event loop has a turn. */
const TURN_ENTRIES = 4096;

/** Reads the header of an image and the size of its file. The verdict is the header, or why it does not verify. */
export async function readImageHeader(
  storage: Storage,
  path: string,
): Promise<{ readonly verdict: ImageHeaderVerdict; readonly fileBytes: number }> {
  const file = await storage.openFile(path, false);
  try {
    return { verdict: await readHeader(file), fileBytes: await file.size() };
  } finally {
    await file.close();
  }
}

/** The spaces of an image, with their entries. */
export interface LoadedSpaces {
  /** The spaces in the order of their ids. */
  readonly spaces: readonly Space[];
  readonly nextSpaceId: number;
  readonly highestId: number;
}

/**
 * Loads the spaces of an image. Their entries use the link queue and the seed of `schema`. The definitions in the image
 * are added to the schema; the spaces are not. `onEntries` is called after every block of entries, with the number of
 * entries so far. Throws KEELSON_CORRUPT, with path and offset, when any part of the image is damaged.
 */
export async function loadImage(
  storage: Storage,
  path: string,
  header: ImageHeader,
  schema: Schema,
  onEntries: (count: number) => void,
): Promise<LoadedSpaces> {
  const file = await storage.openFile(path, false);
  let offset = IMAGE_HEADER_BYTES;
  try {
    const fileBytes = await file.size();
    const seed = imageSeed(header);
    const outline = new ImageOutline(header);
    const loading = new SpacesLoading(schema, header.lsn);
    let entries = 0;
    let number = 0;
    let turnAt = TURN_ENTRIES;
    for await (const block of readBlocks(file, offset, fileBytes)) {
      const head = verifyImageBlock(storage, block, number, seed);
      const row = outline.take(block, head);
      if (row !== null) loading.add(block, head, row);
      offset += block.length;
      if (outline.isEnded) break;
      number++;
      if (row === null) continue;
      entries += head.entries;
      onEntries(entries);
      if (entries < turnAt) continue;
      turnAt = entries + TURN_ENTRIES;
      await nextTurn();
    }
    if (!outline.isEnded) throw damagedImage('it ends without its end block');
    if (offset !== fileBytes) throw damagedImage(`it ends ${fileBytes - offset} bytes before its file does`);
    const { spaces: rows, nextSpaceId, highestId } = outline.table!;
    const spaces = loading.finish(rows);
    return { spaces, nextSpaceId, highestId };
  } catch (error) {
    throw atPlace(error, path, offset);
  } finally {
    await file.close();
  }
}

/** The spaces of one image while they are loaded, one after the other. */
class SpacesLoading {
  readonly #schema: Schema;
  readonly #lsn: number;
  readonly #entries = new Map<number, Entries>();
  /** The space whose blocks come, and its loader. */
  #id = -1;
  #loader: EntriesLoader | null = null;
  #lastKey: IndexKey | null = null;

  constructor(schema: Schema, lsn: number) {
    this.#schema = schema;
    this.#lsn = lsn;
  }

  /** Adds a block of entries. The blocks of a space follow each other. */
  add(block: Uint8Array, head: ImageBlockHead, { id, definition, entries }: ImageTableRow): void {
    const [schema, lsn] = [this.#schema, this.#lsn];
    if (id !== this.#id) {
      this.#finishSpace();
      this.#id = id;
      this.#lastKey = null;
      this.#loader = new EntriesLoader(schema.seed, schema.links, schema.entriesOptions, entries);
    }
    const loader = this.#loader!;
    readImageEntries(
      block,
      head,
      { schema, space: definition, lsn },
      (key, version, start, end, deadline) => {
        // The due entries are not in the order of the others, and the order of all of them counts.
        if (this.#lastKey !== null && key <= this.#lastKey)
          throw damagedImage(`block ${head.number} is not in key order`);
        this.#lastKey = key;
        if (deadline === FOUND_DUE) loader.addDue(key, version, block, start, end);
        else loader.add(key, version, block, start, end, deadline);
      },
    );
  }

  /** Returns the spaces of all rows. Those without blocks are empty. */
  finish(rows: readonly ImageTableRow[]): Space[] {
    this.#finishSpace();
    return rows.map(({ id, definition, lastLsn }) => {
      const space = this.#schema.newSpace(id, definition, this.#entries.get(id));
      space.lastLsn = lastLsn;
      return space;
    });
  }

  #finishSpace(): void {
    if (this.#loader !== null) this.#entries.set(this.#id, this.#loader.finish());
    this.#loader = null;
  }
}

async function readHeader(file: StorageFile): Promise<ImageHeaderVerdict> {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const length = await file.read(bytes, 0);
  return decodeImageHeader(bytes.subarray(0, length));
}

/**
 * Yields the blocks from the offset `from` to the end of the file, in order and not verified. Reads large pieces, and
 * reads the next piece while the caller uses the blocks of this one. A block is valid until the next one is asked for.
 */
async function* readBlocks(
  file: StorageFile,
  from: number,
  fileBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = from;
  let [buffer, other] = [newPiece(fileBytes - from), newPiece(fileBytes - from)];
  let reading = startRead(file, buffer, offset);
  while (offset < fileBytes) {
    const piece = await reading;
    const ends = blockEnds(piece);
    const bytes = ends.at(-1) ?? 0;
    if (bytes === 0) {
      const block = await readLargeBlock(file, offset, fileBytes, piece);
      offset += block.length;
      yield block;
      reading = startRead(file, buffer, offset);
      continue;
    }
    offset += bytes;
    [buffer, other] = [other, buffer];
    // The next piece starts with the block that is cut off at the end of this piece.
    if (offset < fileBytes) reading = startRead(file, buffer, offset);
    for (const [at, end] of ends.entries()) yield piece.subarray(ends[at - 1] ?? 0, end);
  }
}

function newPiece(bytesLeft: number): Uint8Array {
  return new Uint8Array(Math.max(0, Math.min(PIECE_BYTES, bytesLeft)));
}

/** Returns the ends of the whole blocks in a piece, according to their headers. */
function blockEnds(piece: Uint8Array): number[] {
  const ends: number[] = [];
  for (let at = 0; at + IMAGE_BLOCK_HEADER_BYTES <= piece.length; ) {
    at += IMAGE_BLOCK_HEADER_BYTES + readImageBlockHead(piece, at).payloadBytes;
    if (at > piece.length) break;
    ends.push(at);
  }
  return ends;
}

/** Reads a block that is larger than a piece. Checks the length in its header before it takes memory for the block. */
async function readLargeBlock(
  file: StorageFile,
  offset: number,
  fileBytes: number,
  start: Uint8Array,
): Promise<Uint8Array> {
  if (start.length < IMAGE_BLOCK_HEADER_BYTES) throw damagedImage('it ends without its end block');
  const { payloadBytes } = readImageBlockHead(start, 0);
  const bytes = IMAGE_BLOCK_HEADER_BYTES + payloadBytes;
  if (offset + bytes > fileBytes || payloadBytes > IMAGE_BLOCK_PAYLOAD_BYTES_MAX)
    throw damagedImage('a block does not fit in the file');
  const block = new Uint8Array(bytes);
  if ((await file.read(block, offset)) < bytes) throw damagedImage('a block is cut off');
  return block;
}

/** Returns an error about damage as KEELSON_CORRUPT with path and offset. Returns any other error as it is. */
function atPlace(error: unknown, path: string, offset: number): unknown {
  const isDamage = isKeelsonError(error, 'KEELSON_CORRUPT') || isKeelsonError(error, 'KEELSON_DECODE');
  if (!isDamage) return error;
  return new KeelsonError(
    'KEELSON_CORRUPT',
    `${whatHappened(error)}, at offset ${offset} of ${path}`,
    { path, offset },
    error,
  );
}
