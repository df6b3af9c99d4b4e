// The table of spaces in an image. Pure. The table is the first block, and is repeated before the end block. See
// docs/FORMAT.md.

import { type KeyCodec, resolveKeyEncoding } from '../encoding/key-encoding.js';
import {
  NUMBER_BYTES_MAX,
  type ReadCursor,
  readLeb128,
  readLength,
  writeLeb128,
} from '../encoding/leb128.js';
import type { Scratch } from '../encoding/scratch.js';
import { readUtf8 } from '../encoding/utf8.js';
import { SPACE_ID_MAX, SpaceDefinition } from '../entries/space.js';
import type { WholeView } from '../entries/store-view.js';
import { damagedImage, IMAGE_BLOCK_HEADER_BYTES, readImageBlockHead } from './image-format.js';

/** The content of the table. */
export interface ImageTable {
  /** The id of the next space that is created. */
  readonly nextSpaceId: number;
  /** The highest id that was drawn: see Schema.nextId(). */
  readonly highestId: number;
  /** The spaces in the order of their ids. The root space is the first. */
  readonly spaces: readonly ImageTableRow[];
}

/** A space in the table. */
export interface ImageTableRow {
  readonly id: number;
  readonly definition: SpaceDefinition;
  /** The number of entries in the space. */
  readonly entries: number;
  /** The bytes that the entries took in memory when the image was written. */
  readonly bytes: number;
  /** The LSN of the last write to the space. */
  readonly lastLsn: number;
}

/** Appends the table of a view to `out`. */
export function writeImageTable(view: WholeView, out: Scratch): void {
  // The zero is reserved for the highest time that was seen.
  for (const number of [view.nextSpaceId, 0, view.highestId, view.spaces.length]) writeNumber(number, out);
  for (const { space, size, bytes, lastLsn } of view.spaces) {
    writeNumber(space.id, out);
    for (const text of [space.name, space.keyCodec.name, space.valueEncodingName]) {
      writeNumber(Buffer.byteLength(text), out);
      out.appendText(text);
    }
    for (const number of [size, bytes, lastLsn]) writeNumber(number, out);
  }
}

/** Reads the table from a verified block. Throws KEELSON_CORRUPT or KEELSON_DECODE for bytes that no writer writes. */
export function readImageTable(block: Uint8Array): ImageTable {
  const cursor: ReadCursor = { at: IMAGE_BLOCK_HEADER_BYTES };
  const number = () => readLeb128(block, cursor, block.length);
  const nextSpaceId = number();
  if (number() !== 0) throw damagedImage('a reserved number in the table of spaces is set');
  const highestId = number();
  const count = readLength(block, cursor, block.length);
  const { entries } = readImageBlockHead(block, 0);
  if (count !== entries) throw damagedImage(`the table has ${count} of ${entries} spaces`);
  const spaces: ImageTableRow[] = [];
  for (let at = 0; at < count; at++) {
    const id = number();
    const name = readText(block, cursor);
    const keyCodec = readKeyCodec(block, cursor);
    const definition = new SpaceDefinition(name, keyCodec, readText(block, cursor));
    spaces.push({ id, definition, entries: number(), bytes: number(), lastLsn: number() });
    if (id > SPACE_ID_MAX) throw damagedImage(`the table of spaces has space ${id}, above the highest id`);
    if (id >= nextSpaceId || id <= (spaces[at - 1]?.id ?? -1))
      throw damagedImage('the table of spaces is not in the order of their ids');
  }
  if (spaces[0]?.id !== 0 || spaces[0].definition.name !== '')
    throw damagedImage('the table of spaces has no root space');
  if (cursor.at !== block.length) throw damagedImage('bytes follow the table of spaces');
  return { nextSpaceId, highestId, spaces };
}

function writeNumber(value: number, out: Scratch): void {
  out.reserve(NUMBER_BYTES_MAX);
  out.at = writeLeb128(out.bytes, value, out.at);
}

function readText(block: Uint8Array, cursor: ReadCursor): string {
  const length = readLength(block, cursor, block.length);
  cursor.at += length;
  return readUtf8(block, cursor.at - length, cursor.at);
}

function readKeyCodec(block: Uint8Array, cursor: ReadCursor): KeyCodec<unknown> {
  const name = readText(block, cursor);
  try {
    return resolveKeyEncoding('key encoding', name) as KeyCodec<unknown>;
  } catch {
    throw damagedImage(
      `the table of spaces names the key encoding ${name}, which this Keelson does not know`,
    );
  }
}
