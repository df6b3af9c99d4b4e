// Reading an image that may be damaged: every block in it that verifies, also behind one that does not.

import { FileWindow, SearchBudget, type StorageFile } from '../../storage/index.js';
import {
  IMAGE_BLOCK_BYTES_TARGET,
  IMAGE_BLOCK_ENTRIES_TARGET,
  IMAGE_BLOCK_HEADER_BYTES,
  IMAGE_BLOCK_PAYLOAD_BYTES_MAX,
  IMAGE_HEADER_BYTES,
  type ImageBlockHead,
  imageBlockHolds,
  readImageBlockHead,
} from './image-format.js';

/** A block that verifies, or a stretch in which none does. The memory is good until the next is asked for. */
export type ImagePiece =
  | {
      readonly kind: 'block';
      readonly offset: number;
      readonly number: number;
      readonly entries: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'damage'; readonly offset: number; readonly offsetEnd: number; readonly what: string };

type Block = Extract<ImagePiece, { kind: 'block' }>;

interface Place {
  readonly offset: number;
  readonly number: number;
}

/** Three lengths and an age: what no entry is without. */
const ENTRY_BYTES_MIN = 4;

/** The blocks of an image, in their order. `seed` is of its journal id and its LSN, wherever those are known from. */
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
    if (block.entries === 0) break;
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

/** The block of that number at that place; null when what stands there is anything else, or damaged. */
async function blockAt(window: FileWindow, { offset, number }: Place, seed: number): Promise<Block | null> {
  const headAt = await window.at(offset, IMAGE_BLOCK_HEADER_BYTES);
  if (headAt < 0) return null;
  const head = readImageBlockHead(window.bytes, headAt);
  if (head.number !== number || !mayBeBlock(head)) return null;
  const length = IMAGE_BLOCK_HEADER_BYTES + head.payloadBytes;
  const at = await window.at(offset, length);
  if (at < 0) return null;
  const bytes = window.bytes.subarray(at, at + length);
  return imageBlockHolds(bytes, seed)
    ? { kind: 'block', offset, number, entries: head.entries, bytes }
    : null;
}

/** Bounds the length before memory is taken for it. */
function mayBeBlock({ payloadBytes, entries }: ImageBlockHead): boolean {
  if (entries === 0) return payloadBytes === 0;
  return payloadBytes >= entries * ENTRY_BYTES_MIN && payloadBytes <= IMAGE_BLOCK_PAYLOAD_BYTES_MAX;
}

/** Where the blocks go on behind a damaged one: where its header says, or else at the next place that looks like one. */
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
 * Looks at every byte for the header of a later block. Values may look like one, so the header behind the block has to
 * fit as well before its checksum is computed; and what is spent on such is bounded.
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
      // Cheap, and rules out most: no image has 2^24 blocks.
      if (bytes[here + IMAGE_BLOCK_HEADER_BYTES - 1] !== 0) continue;
      const head = readImageBlockHead(bytes, here);
      if (head.number <= number || !mayBeBlock(head)) continue;
      const place = { offset: from + (here - at), number: head.number };
      const searched = place.offset - offset;
      if (!mayEndThere(window.fileBytes, place, head) || !budget.allows(READ_COST_BYTES, searched)) continue;
      budget.waste(READ_COST_BYTES);
      const cost = IMAGE_BLOCK_HEADER_BYTES + head.payloadBytes;
      if (!(await isFollowed(file, place, head)) || !budget.allows(cost, searched)) continue;
      if ((await blockAt(window, place, seed)) !== null) return place;
      budget.waste(cost);
      // That may have moved the window.
      from = place.offset + 1;
      continue windows;
    }
    from += last + 1 - at;
  }
}

/** What a small read costs, in bytes that could be checksummed meanwhile. */
const READ_COST_BYTES = 64 * 1024;

/** The end block ends the file. Any other is full, or the last before the end block. */
function mayEndThere(
  fileBytes: number,
  { offset }: Place,
  { payloadBytes, entries }: ImageBlockHead,
): boolean {
  const end = offset + IMAGE_BLOCK_HEADER_BYTES + payloadBytes;
  if (entries === 0) return end === fileBytes;
  const isLast = end + IMAGE_BLOCK_HEADER_BYTES === fileBytes;
  const isFull =
    entries >= IMAGE_BLOCK_ENTRIES_TARGET ||
    IMAGE_BLOCK_HEADER_BYTES + payloadBytes >= IMAGE_BLOCK_BYTES_TARGET;
  return isLast || (isFull && end + IMAGE_BLOCK_HEADER_BYTES < fileBytes);
}

/** The next number follows, behind any but the end block. */
async function isFollowed(
  file: StorageFile,
  { offset, number }: Place,
  { payloadBytes, entries }: ImageBlockHead,
): Promise<boolean> {
  if (entries === 0) return true;
  const head = new Uint8Array(IMAGE_BLOCK_HEADER_BYTES);
  await file.read(head, offset + IMAGE_BLOCK_HEADER_BYTES + payloadBytes);
  return readImageBlockHead(head, 0).number === number + 1;
}
