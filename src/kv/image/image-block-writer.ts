// Writes the blocks of an image one after the other, in memory that is reused. Pure. It reads the entries from the slabs
// and believes nothing about them: an image replaces the log before it.

import { invariant, isKeelsonError } from '../../errors.js';
import { KEY_BYTES_MAX, type KeyCodec } from '../encoding/key-encoding.js';
import { writeLeb128 } from '../encoding/leb128.js';
import { Scratch } from '../encoding/scratch.js';
import { UTF8_BYTES_PER_UNIT_MAX } from '../encoding/utf8.js';
import { type DefinitionId, definitionIn, NO_DEFINITION } from '../entries/definitions.js';
import { readKey } from '../entries/key-units.js';
import { type EntryHandle, NO_DEADLINE } from '../entries/slab.js';
import type { SlabsView, WholeEntry } from '../entries/slabs-view.js';
import {
  BLOCK_KIND,
  deadlineMark,
  FOUND_DUE,
  HAS_DEADLINES,
  IMAGE_BLOCK_BYTES_TARGET,
  IMAGE_BLOCK_ENTRIES_TARGET,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  imageSeed,
  writeImageBlockHead,
} from './image-format.js';
import type { ImageHeader } from './image-header.js';
import { isKeyAbove } from './key-order.js';

/** Values of at most this many bytes are copied in a loop, which is faster for them than TypedArray.set(). */
const LOOP_BYTES_MAX = 32;

/**
 * Room for the numbers of an entry: three lengths, the LSN of the image minus the version of the entry, and the mark of its
 * deadline.
 */
const ENTRY_OVERHEAD_BYTES = 32;

/** A key of at most this many UTF-16 code units fits, whatever its characters. */
const ANY_KEY_UNITS_MAX = Math.floor(KEY_BYTES_MAX / UTF8_BYTES_PER_UNIT_MAX);

/** A space, as far as its blocks depend on it. */
export interface BlockSpace {
  readonly id: number;
  readonly keyCodec: KeyCodec<unknown>;
  readonly hasReferences: boolean;
  /** True when entries of the space may have a deadline. */
  readonly hasDeadlines: boolean;
}

/** A writer of the blocks of one image. */
export class ImageBlockWriter {
  readonly #seed: number;
  readonly #lsn: number;
  readonly #allDefinitions: ReadonlyMap<DefinitionId, Uint8Array>;
  readonly #out = new Scratch(IMAGE_BLOCK_PAYLOAD_BYTES_MAX + IMAGE_BLOCK_HEADER_BYTES);
  readonly #entry: WholeEntry = {
    id: 0,
    version: 0,
    keyField: 0,
    deadline: 0,
    bytes: new Uint8Array(0),
    keyStart: 0,
    start: 0,
    end: 0,
  };
  /** The definitions that the values in the block refer to. */
  readonly #definitions = new Set<DefinitionId>();
  #lastDefinition: DefinitionId = NO_DEFINITION;
  #space: BlockSpace | null = null;
  /** The key of the last entry of the space, and its length; -1 before the first entry. */
  #lastKey = new Uint8Array(KEY_BYTES_MAX);
  #lastKeyBytes = -1;
  /** Memory for the key of the next entry. */
  #key = new Uint8Array(KEY_BYTES_MAX);
  #entries = 0;
  #number = 0;

  /** `definitions` has every definition to which a value may refer: see Schema.definitions. */
  constructor(
    header: Pick<ImageHeader, 'journalId' | 'lsn'>,
    definitions: ReadonlyMap<DefinitionId, Uint8Array>,
  ) {
    this.#seed = imageSeed(header);
    this.#lsn = header.lsn;
    this.#allDefinitions = definitions;
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

  /** Begins a space. The block must be empty. */
  startSpace(space: BlockSpace): void {
    this.#space = space;
    this.#lastKeyBytes = -1;
  }

  /**
   * Adds the entry with the id `id`, which must come after the last entry of the space. `isDue` is true for an entry that was
   * found due and whose removal is not in the log. Throws KEELSON_INVARIANT when the memory of the entry contradicts that.
   */
  add(slabs: SlabsView, id: number, handle: EntryHandle, isDue = false): void {
    const entry = this.#entry;
    const out = this.#out;
    slabs.readWhole(handle, entry);
    invariant(entry.id === id, 'the indexes in memory disagree about an entry');
    invariant(entry.version <= this.#lsn, 'an entry is newer than the image it goes into');
    const { bytes, start, end } = entry;
    const keyBytes = this.#readKey(entry);
    out.reserve(ENTRY_OVERHEAD_BYTES + keyBytes + end - start);
    this.#addKey(keyBytes);
    out.at = writeLeb128(out.bytes, this.#lsn - entry.version, out.at);
    if (this.#space!.hasDeadlines)
      out.at = writeLeb128(out.bytes, deadlineMark(isDue ? FOUND_DUE : entry.deadline), out.at);
    else
      invariant(entry.deadline === NO_DEADLINE && !isDue, 'an entry has a deadline in a space without any');
    out.at = writeLeb128(out.bytes, end - start, out.at);
    this.#addValue(bytes, start, end);
    this.#entries++;
    const definition = this.#definitionIn(entry);
    if (definition === NO_DEFINITION || definition === this.#lastDefinition) return;
    this.#lastDefinition = definition;
    this.#definitions.add(definition);
  }

  /** Returns the block of the entries that were added. It is valid until the next call. */
  finish(): Uint8Array {
    const out = this.#out;
    out.reserve(ENTRY_OVERHEAD_BYTES);
    out.at = writeLeb128(out.bytes, this.#definitions.size, out.at);
    for (const id of this.#definitions) {
      const definition = this.#allDefinitions.get(id);
      invariant(definition !== undefined, 'a value refers to a definition that memory does not hold');
      out.append(definition);
    }
    this.#definitions.clear();
    this.#lastDefinition = NO_DEFINITION;
    const { id, hasDeadlines } = this.#space!;
    return this.#finishBlock(BLOCK_KIND.entries, id, hasDeadlines ? HAS_DEADLINES : 0);
  }

  /** Returns a block with the table of all spaces, which has `rows` rows. It is valid until the next call. */
  table(table: Uint8Array, rows: number): Uint8Array {
    this.#out.append(table);
    this.#entries = rows;
    return this.#finishBlock(BLOCK_KIND.table, 0);
  }

  /** Returns the end block. It is valid until the next call. An image without an end block counts as cut off. */
  end(): Uint8Array {
    return this.#finishBlock(BLOCK_KIND.end, 0);
  }

  /** Writes the header of the block, returns the block, and begins the next one. */
  #finishBlock(kind: number, spaceId: number, flags = 0): Uint8Array {
    const block = this.#out.bytes.subarray(0, this.#out.at);
    const payloadBytes = block.length - IMAGE_BLOCK_HEADER_BYTES;
    const head = { payloadBytes, entries: this.#entries, number: this.#number, spaceId, kind, flags };
    writeImageBlockHead(block, head, this.#seed);
    this.#out.at = IMAGE_BLOCK_HEADER_BYTES;
    this.#entries = 0;
    this.#number++;
    return block;
  }

  /** Writes the key of an entry, as the disk has it, into #key. Returns its length. */
  #readKey({ bytes, keyStart, start, keyField }: WholeEntry): number {
    const { keyCodec } = this.#space!;
    const key = this.#key;
    let all = 0;
    // A key in ASCII, and every key of bytes or a tuple, is in the slab as it is on the disk.
    if ((keyField & 1) === 0 && start - keyStart <= ANY_KEY_UNITS_MAX) {
      for (let from = keyStart, to = 0; from < start; from++) {
        const unit = bytes[from]!;
        all |= unit;
        key[to++] = unit;
      }
      if (all < 0x80 || keyCodec.isLatin1) return start - keyStart;
    }
    const text = readKey(bytes, keyStart, keyField);
    // A longer key would be cut off without an error.
    invariant(keyCodec.byteLength(text) <= KEY_BYTES_MAX, 'a key is longer than an image can hold');
    return keyCodec.write(text, key, 0);
  }

  /** Returns the definition that the value refers to. A value that ends within its reference contradicts itself. */
  #definitionIn({ bytes, start, end }: WholeEntry): DefinitionId {
    try {
      return definitionIn(this.#space!, bytes, start, end);
    } catch (error) {
      invariant(!isKeelsonError(error, 'KEELSON_DECODE'), 'a value ends within its reference');
      throw error;
    }
  }

  /** Appends the key without the first bytes that it has in common with the last key of the block. */
  #addKey(keyBytes: number): void {
    const out = this.#out;
    const [key, last] = [this.#key, this.#lastKey];
    const common = commonBytes(key, keyBytes, last, this.#lastKeyBytes);
    invariant(
      isKeyAbove(this.#space!.keyCodec.name, common, key, keyBytes, last, this.#lastKeyBytes),
      'the index in memory is not in the order of its keys',
    );
    const shared = this.#entries === 0 ? 0 : common;
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

function commonBytes(key: Uint8Array, keyBytes: number, last: Uint8Array, lastBytes: number): number {
  const bytesMax = Math.min(keyBytes, lastBytes);
  let common = 0;
  while (common < bytesMax && key[common] === last[common]) common++;
  return Math.max(common, 0);
}
