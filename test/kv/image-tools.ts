// Images that are taken apart and put together by hand, under checksums that hold. Written after docs/FORMAT.md and not
// with the writer, so that a mistake of the writer is seen.

import { CRC32C_START, crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../src/crc32c.js';
import { encodeImageHeader, type ImageHeader } from '../../src/kv/image/image-header.js';
import type { PlainEntry } from './schema-tools.js';

export const FILE_HEADER_BYTES = 512;
export const BLOCK_HEADER_BYTES = 24;
export const ENTRIES = 1;
export const TABLE = 2;
const END = 3;

/** Where the fields of a block header stand: 32 bits each. */
export const BLOCK_FIELDS = {
  payloadBytes: 0,
  checksum: 4,
  entries: 8,
  number: 12,
  spaceId: 16,
  kind: 20,
} as const;

/** A block before it has its number, its length and its checksum. */
export interface LooseBlock {
  readonly kind: number;
  readonly spaceId: number;
  readonly entries: number;
  readonly payload: Uint8Array;
}

/** A row of the table of spaces. */
export interface LooseRow {
  readonly id: number;
  readonly name: string;
  readonly keyEncoding: string;
  readonly valueEncoding: string;
  readonly entries: number;
  readonly bytes: number;
  readonly lastLsn: number;
}

export interface LooseTable {
  readonly nextSpaceId: number;
  /** A reserved number. */
  readonly reserved?: number;
  readonly highestId?: number;
  /** The number of rows that the table says it has. */
  readonly count?: number;
  readonly rows: readonly LooseRow[];
}

/** Returns the shortest LEB128 of a number. */
export function leb128(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...leb128(Math.floor(value / 0x80))];
}

/** Returns a text with its length in front. */
export function lengthAnd(text: string | Uint8Array): number[] {
  const bytes = Buffer.from(text);
  return [...leb128(bytes.length), ...bytes];
}

/** Makes a table of spaces. */
export function tableBlock({
  nextSpaceId,
  reserved = 0,
  highestId = 0,
  rows,
  count = rows.length,
}: LooseTable): LooseBlock {
  const payload = Uint8Array.from([
    ...[nextSpaceId, reserved, highestId, count].flatMap(leb128),
    ...rows.flatMap(({ id, name, keyEncoding, valueEncoding, entries, bytes, lastLsn }) => [
      ...leb128(id),
      ...[name, keyEncoding, valueEncoding].flatMap(lengthAnd),
      ...[entries, bytes, lastLsn].flatMap(leb128),
    ]),
  ]);
  return { kind: TABLE, spaceId: 0, entries: rows.length, payload };
}

/** Makes a block of entries without definitions. No key is shortened by what it shares with the key before it. */
export function entriesBlock(spaceId: number, lsn: number, entries: readonly PlainEntry[]): LooseBlock {
  const payload = Uint8Array.from([
    ...entries.flatMap(([key, version, value]) => [
      ...[0, ...lengthAnd(key)],
      ...leb128(lsn - version),
      ...lengthAnd(value),
    ]),
    0,
  ]);
  return { kind: ENTRIES, spaceId, entries: entries.length, payload };
}

/** Makes the end block. */
export const endBlock: LooseBlock = { kind: END, spaceId: 0, entries: 0, payload: new Uint8Array() };

/** Returns the bytes of one block, whose checksum holds. */
function sealedBlock(
  { kind, spaceId, entries, payload }: LooseBlock,
  number: number,
  header: Pick<ImageHeader, 'journalId' | 'lsn'>,
): Uint8Array {
  const block = new Uint8Array(BLOCK_HEADER_BYTES + payload.length);
  const view = new DataView(block.buffer);
  const fields = { payloadBytes: payload.length, entries, number, spaceId, kind };
  for (const [name, value] of Object.entries(fields)) {
    view.setUint32(BLOCK_FIELDS[name as keyof typeof fields], value, true);
  }
  block.set(payload, BLOCK_HEADER_BYTES);
  seal(block, header);
  return block;
}

/** Writes the checksum of a block, whatever its fields say. */
export function seal(block: Uint8Array, { journalId, lsn }: Pick<ImageHeader, 'journalId' | 'lsn'>): void {
  const seed = crc32cUpdateUint64(crc32cUpdate(CRC32C_START, journalId, 0, 16), lsn);
  const covered = crc32cUpdate(crc32cUpdate(seed, block, 0, 4), block, 8, block.length);
  new DataView(block.buffer, block.byteOffset).setUint32(4, crc32cFinish(covered), true);
}

/** Writes the checksum of the header of an image, whatever its fields say. */
export function sealHeader(header: Uint8Array): void {
  const covered = crc32cUpdate(crc32cUpdate(CRC32C_START, header, 0, 12), header, 16, FILE_HEADER_BYTES);
  new DataView(header.buffer, header.byteOffset).setUint32(12, crc32cFinish(covered), true);
}

/** Returns an image of these blocks: numbered from 0, their lengths and checksums right. */
export function imageOf(header: ImageHeader, blocks: readonly LooseBlock[]): Uint8Array {
  const sealed = blocks.map((block, number) => sealedBlock(block, number, header));
  return new Uint8Array(Buffer.concat([encodeImageHeader(header), ...sealed]));
}

/** Returns where the blocks of an image start, and where the last ends. */
export function blockStarts(image: Uint8Array): number[] {
  const view = new DataView(image.buffer, image.byteOffset);
  const starts = [FILE_HEADER_BYTES];
  while (starts.at(-1)! < image.length) {
    const at = starts.at(-1)!;
    starts.push(at + BLOCK_HEADER_BYTES + view.getUint32(at, true));
  }
  return starts;
}

/** Returns the blocks of an image, each with its header. */
export function blocksOf(image: Uint8Array): Uint8Array[] {
  const starts = blockStarts(image);
  return starts.slice(0, -1).map((start, number) => image.slice(start, starts[number + 1]));
}

/** Takes a block apart. */
export function loosened(block: Uint8Array): LooseBlock {
  const view = new DataView(block.buffer, block.byteOffset);
  const field = (name: keyof typeof BLOCK_FIELDS) => view.getUint32(BLOCK_FIELDS[name], true);
  return {
    kind: field('kind'),
    spaceId: field('spaceId'),
    entries: field('entries'),
    payload: block.slice(BLOCK_HEADER_BYTES),
  };
}
