// The format of the blocks of an image: their header, checksum and limits. Pure. docs/FORMAT.md is the authority.
//
//   block 0      table of the spaces
//   block 1 …    entries, in the order of space and key
//   block n - 1  the same table again
//   block n      the end
//
// image-block-writer.ts writes blocks, and image-block-reader.ts reads them.

import { CRC32C_START, crc32cFinish, crc32cUpdate, crc32cUpdateUint64 } from '../../crc32c.js';
import { KeelsonError } from '../../errors.js';
import { DEFINITION_BYTES_MAX } from '../entries/definitions.js';
import { NO_DEADLINE } from '../entries/slab.js';
import type { ImageHeader } from './image-header.js';

export const IMAGE_BLOCK_HEADER_BYTES = 24;

/** A block of at least this many bytes takes no more entries. The entry that fills it may be of any size. */
export const IMAGE_BLOCK_BYTES_TARGET = 256 * 1024;

/** A block of this many entries takes no more, so that a block of tiny entries, too, is quick to write and read. */
export const IMAGE_BLOCK_ENTRIES_TARGET = 2048;

/** The most bytes after a block header: a nearly full block, one entry of any size, and a definition for each entry. */
export const IMAGE_BLOCK_PAYLOAD_BYTES_MAX =
  IMAGE_BLOCK_BYTES_TARGET + 2 ** 28 + IMAGE_BLOCK_ENTRIES_TARGET * DEFINITION_BYTES_MAX;

/** The flag of a block of entries whose entries have a deadline mark each: see deadlineMark(). */
export const HAS_DEADLINES = 1;

/** The mark of an entry without a deadline, and of one that was found due and whose removal is not in the log. */
const NO_MARK = 0;
const DUE_MARK = 1;

/** The deadline of an entry that was found due. */
export const FOUND_DUE = -1;

/** Returns the mark of a deadline in a block. `deadline` may be FOUND_DUE. */
export function deadlineMark(deadline: number): number {
  if (deadline === NO_DEADLINE) return NO_MARK;
  return deadline === FOUND_DUE ? DUE_MARK : deadline + 1;
}

/** Returns the deadline of a mark; FOUND_DUE for an entry that was found due. */
export function deadlineOfMark(mark: number): number {
  if (mark === NO_MARK) return NO_DEADLINE;
  return mark === DUE_MARK ? FOUND_DUE : mark - 1;
}

/** The kinds of blocks. 0 is not a kind, so zeroed memory is never a block. */
export const BLOCK_KIND = { entries: 1, table: 2, end: 3 } as const;

const CHECKSUM_AT = 4;
const ENTRIES_AT = 8;
const NUMBER_AT = 12;
const SPACE_AT = 16;
const KIND_AT = 20;
/** The kind is the lowest byte of its field, and the flags are the others. */
const KIND_MASK = 0xff;
const FLAGS_SHIFT = 8;
const JOURNAL_ID_BYTES = 16;

/** The content of a block header. */
export interface ImageBlockHead {
  readonly payloadBytes: number;
  /** The number of entries in a block of entries, and of spaces in a table. 0 in the end block. */
  readonly entries: number;
  /** The number of the block in the image, from 0. */
  readonly number: number;
  /** The id of the space of the entries. 0 in other blocks. */
  readonly spaceId: number;
  readonly kind: number;
  /** HAS_DEADLINES in a block of entries with marks; otherwise 0. */
  readonly flags: number;
}

/**
 * Returns the CRC-32C register from which the checksums of all blocks of an image start. It covers the id of the journal
 * and the LSN, so a block of another image does not verify.
 */
export function imageSeed({ journalId, lsn }: Pick<ImageHeader, 'journalId' | 'lsn'>): number {
  return crc32cUpdateUint64(crc32cUpdate(CRC32C_START, journalId, 0, JOURNAL_ID_BYTES), lsn);
}

/** Writes the header of a block, with the checksum. The payload must be in the block already. */
export function writeImageBlockHead(block: Uint8Array, head: ImageBlockHead, seed: number): void {
  const view = viewOf(block);
  view.setUint32(0, head.payloadBytes, true);
  view.setUint32(ENTRIES_AT, head.entries, true);
  view.setUint32(NUMBER_AT, head.number, true);
  view.setUint32(SPACE_AT, head.spaceId, true);
  view.setUint32(KIND_AT, head.kind | (head.flags << FLAGS_SHIFT), true);
  view.setUint32(CHECKSUM_AT, checksumOf(block, seed), true);
}

/** Reads the header of a block at `at`, without verifying it. */
export function readImageBlockHead(bytes: Uint8Array, at: number): ImageBlockHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, IMAGE_BLOCK_HEADER_BYTES);
  const kindAndFlags = view.getUint32(KIND_AT, true);
  return {
    payloadBytes: view.getUint32(0, true),
    entries: view.getUint32(ENTRIES_AT, true),
    number: view.getUint32(NUMBER_AT, true),
    spaceId: view.getUint32(SPACE_AT, true),
    kind: kindAndFlags & KIND_MASK,
    flags: kindAndFlags >>> FLAGS_SHIFT,
  };
}

/**
 * Returns true when the checksum of a block verifies. `block` must be as long as its header says. `update` returns the
 * CRC-32C register after more bytes.
 */
export function imageBlockVerifies(block: Uint8Array, seed: number, update = updateInJavaScript): boolean {
  return viewOf(block).getUint32(CHECKSUM_AT, true) === checksumOf(block, seed, update);
}

/** Returns the error for a damaged image. */
export function damagedImage(why: string): KeelsonError {
  return new KeelsonError('KEELSON_CORRUPT', `The image is damaged: ${why}`);
}

/** Returns the checksum, which covers the seed and the whole block without the checksum itself. */
function checksumOf(block: Uint8Array, seed: number, update = updateInJavaScript): number {
  const register = crc32cUpdate(seed, block, 0, CHECKSUM_AT);
  return crc32cFinish(update(register, block.subarray(CHECKSUM_AT + 4)));
}

function updateInJavaScript(register: number, bytes: Uint8Array): number {
  return crc32cUpdate(register, bytes, 0, bytes.length);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
