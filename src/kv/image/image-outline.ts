// The outline of an image: checks the order of its blocks, and the number of entries in each space. Pure.

import { BLOCK_KIND, damagedImage, IMAGE_BLOCK_HEADER_BYTES, type ImageBlockHead } from './image-format.js';
import type { ImageHeader } from './image-header.js';
import { type ImageTable, type ImageTableRow, readImageTable } from './image-table.js';

/** A checker of the outline of one image, block by block. */
export class ImageOutline {
  readonly #header: ImageHeader;
  #table: ImageTable | null = null;
  /** The bytes of the table. */
  #tableBytes = new Uint8Array(0);
  #isTableRepeated = false;
  #isEnded = false;
  /** The index of the row in the table whose space is being taken. */
  #at = 0;
  /** The number of entries of that space that have been taken. */
  #entries = 0;

  constructor(header: ImageHeader) {
    this.#header = header;
  }

  /** The table of spaces; null before the first block. */
  get table(): ImageTable | null {
    return this.#table;
  }

  /** True when the end block has been taken. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * Takes the next block, which is verified. Returns the row of the table for its entries, or null for a block without
   * entries. Throws KEELSON_CORRUPT or KEELSON_DECODE when the block may not stand here.
   */
  take(block: Uint8Array, head: ImageBlockHead): ImageTableRow | null {
    const { kind } = head;
    if (this.#table === null) {
      if (kind !== BLOCK_KIND.table) throw damagedImage('it does not begin with the table of its spaces');
      this.#table = this.#checked(readImageTable(block));
      this.#tableBytes = block.slice(IMAGE_BLOCK_HEADER_BYTES);
    } else if (kind === BLOCK_KIND.entries && !this.#isTableRepeated) {
      return this.#takeEntries(head, this.#table);
    } else if (kind === BLOCK_KIND.table && !this.#isTableRepeated) {
      while (this.#at < this.#table.spaces.length) this.#finishRow(this.#table);
      this.#isTableRepeated = true;
      readImageTable(block);
      // Each table has exactly one form, and a store may have many spaces.
      if (Buffer.compare(block.subarray(IMAGE_BLOCK_HEADER_BYTES), this.#tableBytes) !== 0)
        throw damagedImage('its two tables of spaces differ');
    } else if (kind === BLOCK_KIND.end && this.#isTableRepeated && !this.#isEnded) {
      this.#isEnded = true;
    } else {
      throw damagedImage(`block ${head.number} stands in the wrong place`);
    }
    return null;
  }

  #checked(table: ImageTable): ImageTable {
    const { keyEncodingName, valueEncodingName, entryCount } = this.#header;
    const { definition } = table.spaces[0]!;
    if (definition.keyCodec.name !== keyEncodingName || definition.valueEncodingName !== valueEncodingName)
      throw damagedImage('its header and its table of spaces name other encodings');
    const entries = table.spaces.reduce((sum, row) => sum + row.entries, 0);
    if (entries !== entryCount)
      throw damagedImage(`its header says ${entryCount} entries, its table of spaces ${entries}`);
    return table;
  }

  #takeEntries({ spaceId, entries, number }: ImageBlockHead, table: ImageTable): ImageTableRow {
    for (let row = table.spaces[this.#at]; row !== undefined && row.id < spaceId; ) {
      this.#finishRow(table);
      row = table.spaces[this.#at];
    }
    const row = table.spaces[this.#at];
    if (row?.id !== spaceId)
      throw damagedImage(`block ${number} is of space ${spaceId}, which its table does not have`);
    this.#entries += entries;
    return row;
  }

  #finishRow({ spaces }: ImageTable): void {
    const { id, entries } = spaces[this.#at++]!;
    if (this.#entries !== entries)
      throw damagedImage(`it has ${this.#entries} of ${entries} entries of space ${id}`);
    this.#entries = 0;
  }
}
