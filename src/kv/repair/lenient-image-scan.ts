// Scans an image that may be damaged: finds the blocks that verify, also after damage.

import { FileWindow, SearchBudget, type StorageFile } from '../../storage/index.js';
import {
  BLOCK_KIND,
  HAS_DEADLINES,
  IMAGE_BLOCK_BYTES_TARGET,
  IMAGE_BLOCK_ENTRIES_TARGET,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  type ImageBlockHead,
  imageBlockVerifies,
  readImageBlockHead,
} from '../image/image-format.js';
import { IMAGE_HEADER_BYTES } from '../image/image-header.js';

/** A block that verifies, or a damaged range of the file. `bytes` is valid until the next piece is asked for. */
export type ImagePiece =
  | {
      readonly kind: 'block';
      readonly offset: number;
      readonly head: ImageBlockHead;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'damage'; readonly offset: number; readonly offsetEnd: number; readonly what: string };

type Block = Extract<ImagePiece, { kind: 'block' }>;

interface Place {
  readonly offset: number;
  readonly number: number;
}

/** The fewest bytes of an entry in a block: four numbers. A row of the table has more. */
const ENTRY_BYTES_MIN = 4;

/** Yields the blocks of an image that verify, in order, and the damage between them. imageSeed() makes the seed. */
export async function* scanImage(
  file: StorageFile,
  fileBytes: number,
  seed: number,
): AsyncGenerator<ImagePiece, void, undefined> {
  const window = new FileWindow(file, fileBytes);
  let place: Place = { offset: IMAGE_HEADER_BYTES, number: 0 };
  for (;;) {
    const block = await blockAt(window, place, seed);
    const { offset, number } = place;
    if (block === null) {
      const next = await findNext(window, file, place, seed);
      const offsetEnd = next?.offset ?? Math.max(offset, fileBytes);
      const what =
        next !== null
          ? 'what stands here is no block that verifies'
          : 'from here on nothing verifies, or is there';
      yield { kind: 'damage', offset, offsetEnd, what };
      if (next === null) return;
      place = next;
      continue;
    }
    place = { offset: offset + block.bytes.length, number: number + 1 };
    yield block;
    if (block.head.kind === BLOCK_KIND.end) break;
  }
  if (place.offset < fileBytes) {
    yield {
      kind: 'damage',
      offset: place.offset,
      offsetEnd: fileBytes,
      what: 'bytes follow the end of the image',
    };
  }
}

/** Returns the block at a place, or null when no block that verifies stands there. */
async function blockAt(window: FileWindow, { offset, number }: Place, seed: number): Promise<Block | null> {
  const headAt = await window.at(offset, IMAGE_BLOCK_HEADER_BYTES);
  if (headAt < 0) return null;
  const head = readImageBlockHead(window.bytes, headAt);
  if (head.number !== number || !mayBeBlock(head)) return null;
  const length = IMAGE_BLOCK_HEADER_BYTES + head.payloadBytes;
  const at = await window.at(offset, length);
  if (at < 0) return null;
  const bytes = window.bytes.subarray(at, at + length);
  return imageBlockVerifies(bytes, seed) ? { kind: 'block', offset, head, bytes } : null;
}

/** Returns true when a block may have this header. This check limits the memory that is taken for the block. */
function mayBeBlock({ payloadBytes, entries, kind, flags, spaceId }: ImageBlockHead): boolean {
  if ((flags & ~(kind === BLOCK_KIND.entries ? HAS_DEADLINES : 0)) !== 0) return false;
  if (kind === BLOCK_KIND.end) return payloadBytes === 0 && entries === 0 && spaceId === 0;
  if (kind === BLOCK_KIND.table && spaceId !== 0) return false;
  if (kind !== BLOCK_KIND.entries && kind !== BLOCK_KIND.table) return false;
  return (
    entries > 0 && payloadBytes >= entries * ENTRY_BYTES_MIN && payloadBytes <= IMAGE_BLOCK_PAYLOAD_BYTES_MAX
  );
}

/**
 * Returns the place of the next block after a damaged one, or null. The place is where the damaged block ends according to
 * its header, if a block verifies there, and otherwise where search() finds one.
 */
async function findNext(
  window: FileWindow,
  file: StorageFile,
  { offset, number }: Place,
  seed: number,
): Promise<Place | null> {
  const headAt = await window.at(offset, IMAGE_BLOCK_HEADER_BYTES);
  if (headAt < 0) return null;
  const { payloadBytes } = readImageBlockHead(window.bytes, headAt);
  const next = { offset: offset + IMAGE_BLOCK_HEADER_BYTES + payloadBytes, number: number + 1 };
  if ((await blockAt(window, next, seed)) !== null) return next;
  return search(window, file, { offset, number }, seed);
}

/**
 * Searches for a later block at every byte. Returns its place, or null. A value may look like the header of a block. So a
 * checksum is computed only if a fitting header follows the block, and a budget limits the work that is done in vain.
 */
async function search(
  window: FileWindow,
  file: StorageFile,
  { offset, number }: Place,
  seed: number,
): Promise<Place | null> {
  const budget = new SearchBudget(IMAGE_BLOCK_HEADER_BYTES + IMAGE_BLOCK_PAYLOAD_BYTES_MAX);
  let from = offset + 1;
  windows: for (;;) {
    const at = await window.at(from, IMAGE_BLOCK_HEADER_BYTES);
    if (at < 0) return null;
    const { bytes } = window;
    const last = bytes.length - IMAGE_BLOCK_HEADER_BYTES;
    for (let here = at; here <= last; here++) {
      // A cheap check that excludes most places: a header ends with the highest byte of the kind, which is 0.
      if (bytes[here + IMAGE_BLOCK_HEADER_BYTES - 1] !== 0) continue;
      const head = readImageBlockHead(bytes, here);
      if (head.number <= number || !mayBeBlock(head)) continue;
      const place = { offset: from + (here - at), number: head.number };
      const searched = place.offset - offset;
      if (!mayEndThere(window.fileBytes, place, head) || !budget.allows(READ_COST_BYTES, searched)) continue;
      budget.waste(READ_COST_BYTES);
      const cost = IMAGE_BLOCK_HEADER_BYTES + head.payloadBytes;
      if (!(await isFollowed(file, window.fileBytes, place, head)) || !budget.allows(cost, searched))
        continue;
      if ((await blockAt(window, place, seed)) !== null) return place;
      budget.waste(cost);
      // blockAt() may have moved the window.
      from = place.offset + 1;
      continue windows;
    }
    from += last + 1 - at;
  }
}

/** The cost of a small read, in bytes that could be checksummed in the same time. */
const READ_COST_BYTES = 64 * 1024;

/** Returns true when a block at this place may end where its header says, considering the size of the file. */
function mayEndThere(fileBytes: number, { offset }: Place, { payloadBytes, kind }: ImageBlockHead): boolean {
  const end = offset + IMAGE_BLOCK_HEADER_BYTES + payloadBytes;
  // The end block ends the file. A block follows each of the others.
  return kind === BLOCK_KIND.end ? end === fileBytes : end + IMAGE_BLOCK_HEADER_BYTES <= fileBytes;
}

/** Returns true when the header after a block is that of a block that can follow it. */
async function isFollowed(
  file: StorageFile,
  fileBytes: number,
  { offset, number }: Place,
  head: ImageBlockHead,
): Promise<boolean> {
  if (head.kind === BLOCK_KIND.end) return true;
  const bytes = new Uint8Array(IMAGE_BLOCK_HEADER_BYTES);
  const nextOffset = offset + IMAGE_BLOCK_HEADER_BYTES + head.payloadBytes;
  await file.read(bytes, nextOffset);
  const next = readImageBlockHead(bytes, 0);
  if (next.number !== number + 1 || !mayBeBlock(next)) return false;
  const nextPlace = { offset: nextOffset, number: next.number };
  // A block of entries that is not full must be the last block of its space.
  const isLastOfSpace = next.kind !== BLOCK_KIND.entries || next.spaceId > head.spaceId;
  const mayEnd = head.kind === BLOCK_KIND.table || isFull(head) || isLastOfSpace;
  return mayEnd && mayEndThere(fileBytes, nextPlace, next);
}

function isFull({ payloadBytes, entries }: ImageBlockHead): boolean {
  return (
    entries >= IMAGE_BLOCK_ENTRIES_TARGET ||
    IMAGE_BLOCK_HEADER_BYTES + payloadBytes >= IMAGE_BLOCK_BYTES_TARGET
  );
}
