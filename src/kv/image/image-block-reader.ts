// Reads the blocks of an image: verifies a block, and visits its entries.
//
// A key is stored without the first bytes that it shares with the key before it, so it is read over that key. The
// module has memory for one key. That is enough, because a block is read without a turn of the event loop, and its
// visitors read no other block.

import type { Storage } from '../../storage/index.js';
import { type IndexKey, KEY_BYTES_MAX } from '../encoding/key-encoding.js';
import { type ReadCursor, readLeb128, readLength } from '../encoding/leb128.js';
import { type DefinitionId, definitionIn, NO_DEFINITION } from '../entries/definitions.js';
import type { Schema } from '../entries/schema.js';
import type { SpaceDefinition } from '../entries/space.js';
import {
  BLOCK_KIND,
  damagedImage,
  deadlineOfMark,
  HAS_DEADLINES,
  IMAGE_BLOCK_HEADER_BYTES,
  type ImageBlockHead,
  imageBlockVerifies,
  readImageBlockHead,
} from './image-format.js';

/**
 * A visitor of the entries of a block. The value is `block[valueStart, valueEnd)`. `deadline` is NO_DEADLINE for an entry
 * without one, and FOUND_DUE for one that was found due. It must not read another block.
 */
export type EntryVisitor = (
  key: IndexKey,
  version: number,
  valueStart: number,
  valueEnd: number,
  deadline: number,
) => void;

/**
 * Verifies a whole block, and returns its header. Throws KEELSON_CORRUPT when the block is damaged, or is not the block
 * with this number in the image with this seed.
 */
export function verifyImageBlock(
  { crc32cUpdate }: Pick<Storage, 'crc32cUpdate'>,
  block: Uint8Array,
  number: number,
  seed: number,
): ImageBlockHead {
  if (!imageBlockVerifies(block, seed, crc32cUpdate))
    throw damagedImage(`the checksum of block ${number} fails`);
  const head = readImageBlockHead(block, 0);
  if (head.number !== number) throw damagedImage(`block ${number} is another one`);
  const { kind, flags, spaceId, entries } = head;
  const isKnown =
    (kind === BLOCK_KIND.entries && entries > 0 && (flags & ~HAS_DEADLINES) === 0) ||
    (kind === BLOCK_KIND.table && spaceId === 0 && flags === 0) ||
    (kind === BLOCK_KIND.end && spaceId === 0 && flags === 0 && entries === 0 && head.payloadBytes === 0);
  if (!isKnown) throw damagedImage(`block ${number} is of no known kind`);
  return head;
}

/**
 * Calls `visit` for every entry of a verified block of entries, and then adds the definitions of the block to the schema.
 * `lsn` is the LSN of the image. Throws KEELSON_CORRUPT or KEELSON_DECODE for bytes that no writer writes. It may have
 * visited some entries before it throws.
 */
export function readImageEntries(
  block: Uint8Array,
  { entries, number, flags }: ImageBlockHead,
  { schema, space, lsn }: { readonly schema: Schema; readonly space: SpaceDefinition; readonly lsn: number },
  visit: EntryVisitor,
): void {
  const { keyCodec } = space;
  const referred = new Set<DefinitionId>();
  let last: DefinitionId = NO_DEFINITION;
  let keyBytes = 0;
  const cursor: ReadCursor = { at: IMAGE_BLOCK_HEADER_BYTES };
  for (let entry = 0; entry < entries; entry++) {
    keyBytes = readKey(block, cursor, keyBytes, number);
    const key = keyCodec.read(keyRead, 0, keyBytes);
    const version = lsn - readLeb128(block, cursor, block.length);
    const mark = flags === HAS_DEADLINES ? readLeb128(block, cursor, block.length) : 0;
    if (version < 0) throw damagedImage(`an entry of block ${number} is older than the log`);
    const valueBytes = readLength(block, cursor, block.length);
    const valueEnd = cursor.at + valueBytes;
    const definition = definitionIn(space, block, cursor.at, valueEnd);
    if (definition !== NO_DEFINITION && definition !== last) referred.add(definition);
    last = definition;
    visit(key, version, cursor.at, valueEnd, deadlineOfMark(mark));
    cursor.at = valueEnd;
  }
  readDefinitions(block, cursor, number, schema, referred);
}

/** The key of the current entry. */
const keyRead = new Uint8Array(KEY_BYTES_MAX);

/** Reads the key of an entry over the key before it, whose length is `lastBytes`. Returns the length of the new key. */
function readKey(block: Uint8Array, cursor: ReadCursor, lastBytes: number, number: number): number {
  const shared = readLeb128(block, cursor, block.length);
  const rest = readLength(block, cursor, block.length);
  if (shared > lastBytes || shared + rest > KEY_BYTES_MAX)
    throw damagedImage(`a key of block ${number} is no key`);
  for (let index = 0; index < rest; index++) keyRead[shared + index] = block[cursor.at + index]!;
  cursor.at += rest;
  return shared + rest;
}

/** Reads the definitions at the end of a block. Throws KEELSON_CORRUPT if the values refer to other ones. */
function readDefinitions(
  block: Uint8Array,
  cursor: ReadCursor,
  number: number,
  schema: Schema,
  referred: ReadonlySet<DefinitionId>,
): void {
  const count = readLength(block, cursor, block.length);
  let isOwn = count === referred.size;
  for (let at = 0; at < count; at++) {
    isOwn = referred.has(schema.readDefinition(block, cursor, block.length)) && isOwn;
  }
  if (!isOwn) throw damagedImage(`block ${number} has other definitions than its values refer to`);
  if (cursor.at !== block.length) throw damagedImage(`bytes follow the definitions of block ${number}`);
}
