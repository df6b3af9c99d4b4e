// Writes the blocks of an image one after the other, in memory that is reused. Pure.

import { invariant } from '../../errors.js';
import { type IndexKey, KEY_BYTES_MAX } from '../encoding/key-encoding.js';
import { writeLeb128 } from '../encoding/leb128.js';
import { Scratch } from '../encoding/scratch.js';
import { UTF8_BYTES_PER_UNIT_MAX } from '../encoding/utf8.js';
import { type DefinitionId, NO_DEFINITION, type Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import {
  BLOCK_KIND,
  IMAGE_BLOCK_BYTES_TARGET,
  IMAGE_BLOCK_ENTRIES_TARGET,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  imageSeed,
  writeImageBlockHead,
} from './image-format.js';
import type { ImageHeader } from './image-header.js';
import { writeImageTable } from './image-table.js';

/** Values of at most this many bytes are copied in a loop, which is faster for them than TypedArray.set(). */
const LOOP_BYTES_MAX = 32;

/** Room for the numbers of an entry: three lengths, and the LSN of the image minus the version of the entry. */
const ENTRY_OVERHEAD_BYTES = 24;

/** A key of at most this many UTF-16 code units fits, whatever its characters. */
const ANY_KEY_UNITS_MAX = Math.floor(KEY_BYTES_MAX / UTF8_BYTES_PER_UNIT_MAX);

/** A writer of the blocks of one image. */
export class ImageBlockWriter {
  readonly #seed: number;
  readonly #lsn: number;
  readonly #schema: Schema;
  readonly #out = new Scratch(IMAGE_BLOCK_PAYLOAD_BYTES_MAX + IMAGE_BLOCK_HEADER_BYTES);
  /** The definitions that the values in the block refer to. */
  readonly #definitions = new Set<DefinitionId>();
  #lastDefinition: DefinitionId = NO_DEFINITION;
  /** The key of the last entry in the block. */
  #lastKey = new Uint8Array(KEY_BYTES_MAX);
  #lastKeyBytes = 0;
  /** Memory for the key of the next entry. */
  #key = new Uint8Array(KEY_BYTES_MAX);
  #entries = 0;
  #number = 0;

  constructor(header: Pick<ImageHeader, 'journalId' | 'lsn'>, schema: Schema) {
    this.#seed = imageSeed(header);
    this.#lsn = header.lsn;
    this.#schema = schema;
    this.#out.at = IMAGE_BLOCK_HEADER_BYTES;
  }

  /** True when the block takes no more entries: call finish(). */
  get isFull(): boolean {
    return this.#out.at >= IMAGE_BLOCK_BYTES_TARGET || this.#entries >= IMAGE_BLOCK_ENTRIES_TARGET;
  }

  /** True when the block has no entry. */
  get isEmpty(): boolean {
    return this.#entries === 0;
  }

  /** Adds an entry with the value `bytes[start, end)`. All entries of a block belong to the space that finish() gets. */
  add(space: Space, key: IndexKey, version: number, bytes: Uint8Array, start: number, end: number): void {
    invariant(version <= this.#lsn, 'an entry is newer than the image it goes into');
    const out = this.#out;
    const valueBytes = end - start;
    // A longer key would be cut off without an error.
    if (key.length > ANY_KEY_UNITS_MAX)
      invariant(space.keyCodec.byteLength(key) <= KEY_BYTES_MAX, 'a key is longer than an image can hold');
    const keyBytes = space.keyCodec.write(key, this.#key, 0);
    out.reserve(ENTRY_OVERHEAD_BYTES + keyBytes + valueBytes);
    this.#addKey(keyBytes);
    out.at = writeLeb128(out.bytes, this.#lsn - version, out.at);
    out.at = writeLeb128(out.bytes, valueBytes, out.at);
    this.#addValue(bytes, start, end);
    this.#entries++;
    const definition = this.#schema.referenceIn(space, bytes, start, end);
    if (definition === NO_DEFINITION || definition === this.#lastDefinition) return;
    this.#lastDefinition = definition;
    this.#definitions.add(definition);
  }

  /** Returns the block of the entries that were added. It is valid until the next call. */
  finish({ id }: Space): Uint8Array {
    const out = this.#out;
    out.reserve(ENTRY_OVERHEAD_BYTES);
    out.at = writeLeb128(out.bytes, this.#definitions.size, out.at);
    for (const definition of this.#definitions) this.#schema.writeDefinition(definition, out);
    this.#definitions.clear();
    this.#lastDefinition = NO_DEFINITION;
    this.#lastKeyBytes = 0;
    return this.#finishBlock(BLOCK_KIND.entries, id);
  }

  /** Returns a block with the table of all spaces. It is valid until the next call. */
  table(view: StoreView): Uint8Array {
    writeImageTable(view, this.#out);
    this.#entries = view.spaces.length;
    return this.#finishBlock(BLOCK_KIND.table, 0);
  }

  /** Returns the end block. It is valid until the next call. An image without an end block counts as cut off. */
  end(): Uint8Array {
    return this.#finishBlock(BLOCK_KIND.end, 0);
  }

  /** Writes the header of the block, returns the block, and begins the next one. */
  #finishBlock(kind: number, spaceId: number): Uint8Array {
    const block = this.#out.bytes.subarray(0, this.#out.at);
    const payloadBytes = block.length - IMAGE_BLOCK_HEADER_BYTES;
    const head = { payloadBytes, entries: this.#entries, number: this.#number, spaceId, kind };
    writeImageBlockHead(block, head, this.#seed);
    this.#out.at = IMAGE_BLOCK_HEADER_BYTES;
    this.#entries = 0;
    this.#number++;
    return block;
  }

  /** Writes the key of an entry without the first bytes that it has in common with the key of the entry before. */
  #addKey(keyBytes: number): void {
    const out = this.#out;
    const [key, last] = [this.#key, this.#lastKey];
    const sharedMax = Math.min(keyBytes, this.#lastKeyBytes);
    let shared = 0;
    while (shared < sharedMax && key[shared] === last[shared]) shared++;
    let at = writeLeb128(out.bytes, shared, out.at);
    at = writeLeb128(out.bytes, keyBytes - shared, at);
    for (let index = shared; index < keyBytes; index++) out.bytes[at++] = key[index]!;
    out.at = at;
    [this.#key, this.#lastKey] = [last, key];
    this.#lastKeyBytes = keyBytes;
  }

  #addValue(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    if (end - start > LOOP_BYTES_MAX) out.bytes.set(bytes.subarray(start, end), out.at);
    else for (let at = start, to = out.at; at < end; at++) out.bytes[to++] = bytes[at]!;
    out.at += end - start;
  }
}
